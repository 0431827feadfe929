//! The ext_authz filter of a CUSTOM provider (`pilot/pkg/security/authz/builder/extauthz.go`).

use super::{filter as make_filter, object};
use alloc::{format, string::String, vec::Vec};
use gnomon_engine::{
    Mesh,
    node::Node,
    provider::{self, flag, get, text, timeout},
    workload::ProviderKind,
};
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
pub(super) fn filter(mesh: &Mesh, name: &str, prefix: &str, tcp: bool) -> Provider {
    let Ok(provider) = provider::find(mesh, name) else { return Provider::Broken };
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
        match text(body, "maxRequestBytes").parse::<u32>() {
            Ok(bytes) if bytes > 0 => _ = buffer.insert("maxRequestBytes".into(), bytes.into()),
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

/// Host and cluster of `service`.
fn upstream(entry: &Node) -> Option<(String, String)> {
    let (host, port) = (provider::host(entry)?, provider::port(entry)?);
    Some((host.into(), format!("outbound|{port}||{host}")))
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

/// The name of a status in Envoy's `StatusCode`, as protobuf's JSON has it; `None`: Envoy does not know it.
pub(super) fn status_name(code: u32) -> Option<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_that_a_provider_may_have_has_a_name() {
        for code in 0..1000 {
            assert_eq!(status_name(code).is_some(), provider::is_status(code), "{code}");
        }
    }
}
