//! The ext_authz filter of a CUSTOM provider (`pilot/pkg/security/authz/builder/extauthz.go`).

use super::{filter as make_filter, object};
use crate::{
    Mesh,
    node::{Node, Value as Written},
    workload::ProviderKind,
};
use alloc::{format, string::String, vec::Vec};
use serde_json::{Map, Value, json};

/// What becomes of a provider on one chain.
pub(super) enum Provider {
    /// It is unknown or wrongly configured.
    Broken,
    /// It speaks HTTP, and the chain is TCP.
    Skipped,
    /// The ext_authz filter.
    Filter(Value),
}

/// The filter that asks `name` about requests for which the shadow RBAC filter before it left a policy id that
/// begins with `prefix`.
///
/// istiod also wants the provider's service in its registry; here every well-formed service counts as known.
pub(super) fn filter(mesh: &Mesh, name: &str, prefix: &str, tcp: bool) -> Provider {
    let mut named = mesh.extension_providers.iter().filter(|provider| provider.name == name);
    // Of two providers of one name istiod keeps the last, as broken.
    let (Some(provider), None) = (named.next(), named.next()) else { return Provider::Broken };
    if !is_provider_name(name) {
        return Provider::Broken;
    }
    let config = match (&provider.kind, tcp) {
        (ProviderKind::Http(entry), false) => http_service(entry),
        (ProviderKind::Http(entry), true) => {
            return if http_service(entry).is_some() { Provider::Skipped } else { Provider::Broken };
        }
        (ProviderKind::Grpc(entry), tcp) => grpc_service(entry, tcp),
        (ProviderKind::Named, false) => Some(object([("httpService", http_uri(name, name, None))])),
        (ProviderKind::Named, true) => {
            Some(object([("grpcService", envoy_grpc(name, name, None)), ("statPrefix", "tcp.".into())]))
        }
    };
    let Some(mut config) = config else { return Provider::Broken };
    let rbac = if tcp { "envoy.filters.network.rbac" } else { "envoy.filters.http.rbac" };
    config.insert("transportApiVersion".into(), "V3".into());
    config.insert(
        "filterEnabledMetadata".into(),
        json!({
            "filter": rbac,
            "path": [{ "key": "istio_ext_authz_shadow_effective_policy_id" }],
            "value": { "stringMatch": { "prefix": prefix } },
        }),
    );
    Provider::Filter(match tcp {
        true => {
            make_filter("envoy.filters.network.ext_authz", "filters.network.ext_authz.v3.ExtAuthz", config)
        }
        false => make_filter("envoy.filters.http.ext_authz", "filters.http.ext_authz.v3.ExtAuthz", config),
    })
}

/// Lower-case letters, digits and inner hyphens, 63 at most: the name becomes part of policy ids.
fn is_provider_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// `envoyExtAuthzHttp`
fn http_service(entry: &Node) -> Option<Map<String, Value>> {
    let (host, cluster) = upstream(entry)?;
    let mut service = http_uri(&host, &cluster, timeout(entry)?);
    let path_prefix = text(entry, "pathPrefix");
    if !path_prefix.is_empty() {
        if !path_prefix.starts_with('/') {
            return None;
        }
        put(&mut service, "pathPrefix", path_prefix.into());
    }
    let added = added_headers(entry);
    if !added.is_empty() {
        put(&mut service, "authorizationRequest", json!({ "headersToAdd": added }));
    }
    let mut response = Map::new();
    for (field, written) in [
        ("allowedUpstreamHeaders", "headersToUpstreamOnAllow"),
        ("allowedClientHeaders", "headersToDownstreamOnDeny"),
        ("allowedClientHeadersOnSuccess", "headersToDownstreamOnAllow"),
    ] {
        response.extend(header_list(entry, written)?.map(|list| (field.into(), list)));
    }
    if !response.is_empty() {
        put(&mut service, "authorizationResponse", Value::Object(response));
    }
    let mut config = common(entry)?;
    config.insert("httpService".into(), service);
    // The second is the old name of the first, and counts only where that is not set.
    let (new, old) =
        (header_list(entry, "includeRequestHeadersInCheck")?, header_list(entry, "includeHeadersInCheck")?);
    config.extend(new.or(old).map(|list| ("allowedHeaders".into(), list)));
    Some(config)
}

/// `envoyExtAuthzGrpc`
fn grpc_service(entry: &Node, tcp: bool) -> Option<Map<String, Value>> {
    let (host, cluster) = upstream(entry)?;
    let mut config = common(entry)?;
    config.insert("grpcService".into(), envoy_grpc(&host, &cluster, timeout(entry)?));
    if tcp {
        config.insert("statPrefix".into(), "tcp.".into());
        config.remove("statusOnError");
        config.remove("withRequestBody");
    }
    Some(config)
}

/// What both kinds share.
fn common(entry: &Node) -> Option<Map<String, Value>> {
    let mut config = Map::new();
    let status = text(entry, "statusOnError");
    if !status.is_empty() {
        let code = status_name(status.parse().ok()?)?;
        config.insert("statusOnError".into(), json!({ "code": code }));
    }
    if flag(entry, "failOpen") {
        config.insert("failureModeAllow".into(), true.into());
    }
    if let Some(body) = get(entry, "includeRequestBodyInCheck").filter(|body| body.as_map().is_some()) {
        let mut buffer = Map::new();
        match number(body, "maxRequestBytes") {
            Some(bytes) if bytes > 0 => _ = buffer.insert("maxRequestBytes".into(), bytes.into()),
            _ => {}
        }
        for name in ["allowPartialMessage", "packAsBytes"] {
            if flag(body, name) {
                buffer.insert(name.into(), true.into());
            }
        }
        config.insert("withRequestBody".into(), Value::Object(buffer));
    }
    Some(config)
}

fn http_uri(host: &str, cluster: &str, timeout: Option<String>) -> Value {
    let timeout = timeout.unwrap_or_else(|| "600s".into());
    json!({ "serverUri": { "uri": format!("http://{host}"), "cluster": cluster, "timeout": timeout } })
}

fn envoy_grpc(host: &str, cluster: &str, timeout: Option<String>) -> Value {
    let timeout = timeout.unwrap_or_else(|| "600s".into());
    json!({ "envoyGrpc": { "clusterName": cluster, "authority": host }, "timeout": timeout })
}

/// Host and cluster of `service`, which may have its namespace in front.
fn upstream(entry: &Node) -> Option<(String, String)> {
    let service = text(entry, "service");
    let host = match service.split_once('/') {
        Some((namespace, host)) if !namespace.is_empty() && !host.contains('/') => host,
        Some(_) => return None,
        None => service,
    };
    let port = number(entry, "port").filter(|port| (1..=65535).contains(port))?;
    if host.is_empty() {
        return None;
    }
    Some((host.into(), format!("outbound|{port}||{host}")))
}

/// `timeout` as protobuf writes it; `Some(None)` where it is not set, `None` where it is no duration.
fn timeout(entry: &Node) -> Option<Option<String>> {
    let written = text(entry, "timeout");
    if written.is_empty() {
        return Some(None);
    }
    let seconds = written.strip_suffix('s')?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || !digits(whole) || fraction.len() > 9 || !digits(fraction) {
        return None;
    }
    // No, three, six or nine decimals.
    let fraction = fraction.trim_end_matches('0');
    let width = fraction.len().div_ceil(3).saturating_mul(3);
    let whole: u64 = whole.parse().ok()?;
    Some(Some(match width {
        0 => format!("{whole}s"),
        _ => format!("{whole}.{fraction:0<width$}s"),
    }))
}

/// Header names with one `*` at either end; `None` for a lone `*`, which istiod refuses.
fn header_list(entry: &Node, name: &str) -> Option<Option<Value>> {
    let mut patterns = Vec::new();
    for header in get(entry, name).and_then(Node::as_list).unwrap_or_default() {
        let header = header.as_str().unwrap_or_default();
        patterns.push(if header == "*" {
            return None;
        } else if let Some(suffix) = header.strip_prefix('*') {
            json!({ "suffix": suffix, "ignoreCase": true })
        } else if let Some(prefix) = header.strip_suffix('*') {
            json!({ "prefix": prefix, "ignoreCase": true })
        } else {
            json!({ "exact": header, "ignoreCase": true })
        });
    }
    Some(if patterns.is_empty() { None } else { Some(json!({ "patterns": patterns })) })
}

fn added_headers(entry: &Node) -> Vec<Value> {
    let map = get(entry, "includeAdditionalHeadersInCheck").and_then(Node::as_map).unwrap_or_default();
    let mut headers: Vec<(&str, &str)> =
        map.iter().map(|(key, value)| (key.name.as_str(), value.as_str().unwrap_or_default())).collect();
    headers.sort_unstable();
    headers
        .into_iter()
        .map(|(key, value)| match value {
            "" => json!({ "key": key }),
            value => json!({ "key": key, "value": value }),
        })
        .collect()
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.into(), value);
    }
}

/// A field under its camel-case name, or under protobuf's own.
fn get<'n>(entry: &'n Node, name: &str) -> Option<&'n Node> {
    entry.get(name).or_else(|| {
        let mut snake = String::with_capacity(name.len().saturating_add(4));
        for character in name.chars() {
            if character.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(character.to_ascii_lowercase());
        }
        entry.get(&snake)
    })
}

fn text<'n>(entry: &'n Node, name: &str) -> &'n str {
    match get(entry, name).map(|node| &node.value) {
        Some(Written::String(text) | Written::Number(text)) => text,
        _ => "",
    }
}

fn flag(entry: &Node, name: &str) -> bool {
    matches!(get(entry, name).map(|node| &node.value), Some(Written::Bool(true)))
}

fn number(entry: &Node, name: &str) -> Option<u32> {
    text(entry, name).parse().ok()
}

/// The name of a status in Envoy's `StatusCode`, as protobuf's JSON has it; `None`: Envoy does not know it.
fn status_name(code: u32) -> Option<&'static str> {
    Some(match code {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "NonAuthoritativeInformation",
        204 => "NoContent",
        205 => "ResetContent",
        206 => "PartialContent",
        207 => "MultiStatus",
        208 => "AlreadyReported",
        226 => "IMUsed",
        300 => "MultipleChoices",
        301 => "MovedPermanently",
        302 => "Found",
        303 => "SeeOther",
        304 => "NotModified",
        305 => "UseProxy",
        307 => "TemporaryRedirect",
        308 => "PermanentRedirect",
        400 => "BadRequest",
        401 => "Unauthorized",
        402 => "PaymentRequired",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        407 => "ProxyAuthenticationRequired",
        408 => "RequestTimeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "LengthRequired",
        412 => "PreconditionFailed",
        413 => "PayloadTooLarge",
        414 => "URITooLong",
        415 => "UnsupportedMediaType",
        416 => "RangeNotSatisfiable",
        417 => "ExpectationFailed",
        421 => "MisdirectedRequest",
        422 => "UnprocessableEntity",
        423 => "Locked",
        424 => "FailedDependency",
        426 => "UpgradeRequired",
        428 => "PreconditionRequired",
        429 => "TooManyRequests",
        431 => "RequestHeaderFieldsTooLarge",
        500 => "InternalServerError",
        501 => "NotImplemented",
        502 => "BadGateway",
        503 => "ServiceUnavailable",
        504 => "GatewayTimeout",
        505 => "HTTPVersionNotSupported",
        506 => "VariantAlsoNegotiates",
        507 => "InsufficientStorage",
        508 => "LoopDetected",
        510 => "NotExtended",
        511 => "NetworkAuthenticationRequired",
        _ => return None,
    })
}
