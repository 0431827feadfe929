//! Providers of CUSTOM policies: what MeshConfig says of them, and which of them istiod can use
//! (`pilot/pkg/security/authz/builder/extauthz.go`).

use crate::{
    node::{Node, Value},
    versions,
    workload::{ExtensionProvider, Mesh, ProviderKind},
};
use alloc::{borrow::ToOwned, format, string::String};

/// The provider of `mesh` that a policy calls `name`.
///
/// istiod also wants the provider's service in its registry; here every well-formed service counts as known.
///
/// # Errors
///
/// Why Istio cannot ask it, and enforces the policy's rules as DENY.
pub fn find<'m>(mesh: &'m Mesh, name: &str) -> Result<&'m ExtensionProvider, String> {
    let mut named = mesh.extension_providers.iter().filter(|provider| provider.name == name);
    let Some(provider) = named.next() else {
        return Err(format!("provider `{name}` is not among the mesh's extensionProviders"));
    };
    // istiod keeps the last of them, as broken.
    if named.next().is_some() {
        return Err(format!("several extensionProviders are called `{name}`"));
    }
    if versions::checks_provider_names(mesh.istio_version) && !is_name(name) {
        return Err(format!(
            "extensionProvider `{name}` has no valid name: up to 63 lower-case letters, digits and inner hyphens"
        ));
    }
    match problem(&provider.kind) {
        Some(problem) => Err(format!("extensionProvider `{name}` has {problem}")),
        None => Ok(provider),
    }
}

/// Lower-case letters, digits and inner hyphens, 63 at most: the name becomes part of policy ids.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What is wrong with an entry of MeshConfig.
fn problem(kind: &ProviderKind) -> Option<String> {
    let (entry, http) = match kind {
        ProviderKind::Named => return None,
        ProviderKind::Http(entry) => (entry, true),
        ProviderKind::Grpc(entry) => (entry, false),
    };
    if host(entry).is_none() {
        return Some("no valid service".to_owned());
    }
    if port(entry).is_none() {
        return Some("no valid port".to_owned());
    }
    let status = text(entry, "statusOnError");
    if !status.is_empty() && !status.parse().is_ok_and(is_status) {
        return Some(format!("the statusOnError {status}, which Envoy does not know"));
    }
    if timeout(entry).is_none() {
        return Some("no valid timeout".to_owned());
    }
    if !http {
        return None;
    }
    let path = text(entry, "pathPrefix");
    if !path.is_empty() && !path.starts_with('/') {
        return Some(format!("the pathPrefix {path}, which does not begin with a slash"));
    }
    const LISTS: [&str; 5] = [
        "includeRequestHeadersInCheck",
        "includeHeadersInCheck",
        "headersToDownstreamOnDeny",
        "headersToDownstreamOnAllow",
        "headersToUpstreamOnAllow",
    ];
    let lone = LISTS.into_iter().find(|name| {
        let headers = get(entry, name).and_then(Node::as_list).unwrap_or_default();
        headers.iter().any(|header| header.as_str() == Some("*"))
    });
    lone.map(|name| format!("a lone * in {name}"))
}

/// The host of an entry's `service`, which may have its namespace in front; `None` where it is missing or malformed.
pub fn host(entry: &Node) -> Option<&str> {
    let service = text(entry, "service");
    let host = match service.split_once('/') {
        Some(("", _)) => return None,
        Some((_, host)) => host,
        None => service,
    };
    (!host.is_empty() && !host.contains('/')).then_some(host)
}

/// An entry's `port`, from 1 to 65535; `None` where it is anything else.
pub fn port(entry: &Node) -> Option<u32> {
    text(entry, "port").parse().ok().filter(|port| (1..=65535).contains(port))
}

/// An entry's `timeout` as protobuf writes it; `Some(None)` where it is not set, `None` where it is no duration.
pub fn timeout(entry: &Node) -> Option<Option<String>> {
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
    let zeros = "00".get(..width.saturating_sub(fraction.len())).unwrap_or_default();
    let whole: u64 = whole.parse().ok()?;
    Some(Some(match width {
        0 => format!("{whole}s"),
        _ => format!("{whole}.{fraction}{zeros}s"),
    }))
}

impl ProviderKind {
    /// `failOpen`: a provider that does not answer lets pass.
    pub(crate) fn fail_open(&self) -> bool {
        self.entry().is_some_and(|entry| flag(entry, "failOpen"))
    }

    /// `statusOnError`, 403 by default.
    pub(crate) fn status_on_error(&self) -> u16 {
        let status = self.entry().and_then(|entry| text(entry, "statusOnError").parse().ok());
        status.unwrap_or(403)
    }

    fn entry(&self) -> Option<&Node> {
        match self {
            ProviderKind::Named => None,
            ProviderKind::Http(entry) | ProviderKind::Grpc(entry) => Some(entry),
        }
    }
}

/// The field of an entry that is called `name` in camel case, or has protobuf's own name for it.
pub fn get<'n>(entry: &'n Node, name: &str) -> Option<&'n Node> {
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

/// The field of an entry that is a string, or a number as written; empty where there is none.
pub fn text<'n>(entry: &'n Node, name: &str) -> &'n str {
    match get(entry, name).map(|node| &node.value) {
        Some(Value::String(text) | Value::Number(text)) => text,
        _ => "",
    }
}

/// The field of an entry that is true or false: true only where that is written.
pub fn flag(entry: &Node, name: &str) -> bool {
    matches!(get(entry, name).map(|node| &node.value), Some(Value::Bool(true)))
}

/// Does Envoy's `StatusCode`, which `statusOnError` becomes, know this status?
pub fn is_status(code: u32) -> bool {
    matches!(code, 100 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=424 | 426 | 428 | 429 | 431
        | 500..=508 | 510 | 511)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_can_be_used() {
        let entry = |text: &str| serde_json::from_str::<Node>(text).unwrap();
        for (text, http, grpc) in [
            (r#"{"service":"s","port":80}"#, true, true),
            (r#"{"service":"ns/s","port":"80"}"#, true, true),
            (r#"{"service":"/s","port":80}"#, false, false),
            (r#"{"service":"a/b/c","port":80}"#, false, false),
            (r#"{"service":"","port":80}"#, false, false),
            (r#"{"port":80}"#, false, false),
            (r#"{"service":"s"}"#, false, false),
            (r#"{"service":"s","port":65536}"#, false, false),
            (r#"{"service":"s","port":80,"statusOnError":"503"}"#, true, true),
            (r#"{"service":"s","port":80,"status_on_error":"299"}"#, false, false),
            (r#"{"service":"s","port":80,"timeout":"1.5s"}"#, true, true),
            (r#"{"service":"s","port":80,"timeout":"1m"}"#, false, false),
            (r#"{"service":"s","port":80,"pathPrefix":"/x"}"#, true, true),
            (r#"{"service":"s","port":80,"pathPrefix":"x"}"#, false, true),
            (r#"{"service":"s","port":80,"headersToUpstreamOnAllow":["x-*"]}"#, true, true),
            (r#"{"service":"s","port":80,"headersToUpstreamOnAllow":["*"]}"#, false, true),
        ] {
            assert_eq!(problem(&ProviderKind::Http(entry(text))).is_none(), http, "{text}");
            assert_eq!(problem(&ProviderKind::Grpc(entry(text))).is_none(), grpc, "{text}");
        }
        for (name, good) in
            [("p", true), ("my-provider-1", true), ("P", false), ("-p", false), ("p-", false), ("p.q", false)]
        {
            assert_eq!(is_name(name), good, "{name}");
        }
        assert!(is_name(&"p".repeat(63)) && !is_name(&"p".repeat(64)));
    }
}
