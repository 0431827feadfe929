//! The header map that Envoy's filters see, from an HTTP/1.1 request as sent.

use crate::{
    order,
    path::{CHARACTERS, CODEC, Rejected},
    target::Target,
    workload::Underscores,
};
use alloc::{borrow::ToOwned, format, vec, vec::Vec};
use core::net::IpAddr;

/// A header line that owns its parts: name in lower case, value.
pub type Line = (Vec<u8>, Vec<u8>);

/// Headers of which Envoy 1.40 keeps one entry: further lines are joined to the first with a bare `,`, so that a
/// matcher sees one value. All other headers stay separate lines, and a matcher is true if any line matches. Sorted.
pub const INLINE: &[&str] = &[
    ":authority",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "authentication",
    "authorization",
    "cache-control",
    "cdn-loop",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-connection",
    "proxy-status",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Only between two hops: no filter sees them (unless the request asks for an upgrade, or, for the client
/// certificate, the peer has one).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-client-cert",
];

/// Envoy's own headers that it takes from internal clients only, and without `internal_address_config` no
/// client is internal.
const NEVER_FROM_OUTSIDE: &[&str] = &[
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-max-retries",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
];

/// Those that a gateway does not take either.
const NEVER_INTO_GATEWAY: &[&str] = &[
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-host",
    "x-envoy-original-path",
];

/// Does Envoy keep one entry for this name (in lower case)?
pub fn is_inline(name: &[u8]) -> bool {
    inline_number(name).is_some()
}

fn inline_number(name: &[u8]) -> Option<usize> {
    INLINE.binary_search_by(|entry| entry.as_bytes().cmp(name)).ok()
}

/// The name under which the header map knows a header: lower case, and `:authority` for `host`.
pub fn lookup_name(name: &str) -> alloc::string::String {
    let lower = name.to_ascii_lowercase();
    if lower == "host" { ":authority".to_owned() } else { lower }
}

/// The header map of a request as sent: what Envoy's codec makes of it.
///
/// Pseudo headers first (`:authority`, `:path`, `:method`, `:scheme`); names in lower case; outer blanks of values
/// cut; `Host` lines joined into `:authority` behind `authority`; [`INLINE`] headers joined where the first line
/// stands; hop-by-hop headers and Envoy's own ones gone. The target's path must be normalized already
/// ([`crate::path::normalize`]), and the lines admissible ([`check`]). One thing is not redone: Envoy drops a `Referer`
/// that is no URL. Linear in the size of the request, but for sorting what `Connection` nominates.
pub fn normalize_lines(
    method: &[u8],
    target: &Target<'_>,
    authority: &[u8],
    lines: &[(&[u8], &[u8])],
    underscores: Underscores,
) -> Vec<Line> {
    let mut map = vec![
        (b":authority".to_vec(), target.authority.unwrap_or(authority).trim_ascii().to_vec()),
        (b":method".to_vec(), method.to_vec()),
        (b":scheme".to_vec(), target.scheme.unwrap_or("http").as_bytes().to_vec()),
    ];
    if let Some(path) = target.path {
        map.insert(1, (b":path".to_vec(), path.to_vec()));
    }
    // Where the first line of an inline header stands.
    let mut inline: [Option<usize>; INLINE.len()] = [None; INLINE.len()];
    for (place, (name, _)) in map.iter().enumerate() {
        if let Some(first) = inline_number(name).and_then(|number| inline.get_mut(number)) {
            *first = Some(place);
        }
    }
    for (name, value) in lines {
        let mut name = name.to_ascii_lowercase();
        if underscores == Underscores::Drop && name.contains(&b'_') {
            continue;
        }
        if name == b"host" {
            if target.authority.is_some() {
                continue;
            }
            name = b":authority".to_vec();
        } else if name.first() == Some(&b':') {
            // Nobody can send one on HTTP/1.1.
            continue;
        }
        let value = trim(value);
        let first = inline_number(&name).and_then(|number| inline.get_mut(number));
        let place = first.map_or(map.len(), |first| *first.get_or_insert(map.len()));
        match map.get_mut(place) {
            // An empty value leaves no comma behind.
            Some((_, joined)) => {
                if !joined.is_empty() && !value.is_empty() {
                    joined.push(b',');
                }
                joined.extend_from_slice(value);
            }
            None => map.push((name, value.to_vec())),
        }
    }
    // Of `TE` only `trailers` is passed on.
    map.retain_mut(|(name, value)| {
        if name != b"te" {
            return true;
        }
        let trailers = value.split(|&byte| byte == b',').any(|token| trim(token) == b"trailers");
        *value = b"trailers".to_vec();
        trailers
    });
    let mut upgrade = is_upgrade(&map);
    if upgrade && value(&map, b"upgrade").is_some_and(|kind| kind.eq_ignore_ascii_case(b"h2c")) {
        // The codec takes such a request for one without.
        upgrade = false;
        map.retain(|(name, _)| name != b"upgrade" && name != b"http2-settings");
    }
    // Headers that `Connection` nominates are hop-by-hop too.
    let mut nominated: Vec<Vec<u8>> = map
        .iter()
        .filter(|(name, _)| !upgrade && name == b"connection")
        .flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .collect();
    order::sort(&mut nominated);
    map.retain(|(name, _)| {
        name.first() == Some(&b':')
            || (upgrade && (name == b"connection" || name == b"upgrade"))
            || !(is_in(HOP_BY_HOP, name)
                || is_in(NEVER_FROM_OUTSIDE, name)
                || nominated.binary_search(name).is_ok())
    });
    map
}

const AUTHORITY: Rejected = Rejected::new(400, "http.invalid_authority");
const UNDERSCORE: Rejected = Rejected::new(400, "http1.unexpected_underscore");
const QUERY: Rejected = Rejected::new(400, "query_missing_content_type");
const UPGRADE: Rejected = Rejected::new(403, "upgrade_failed");
/// Istio's connection managers do not set `allow_connect`, but where HBONE ends.
pub(crate) const EXTENDED_CONNECT: Rejected = Rejected::reset("http2.invalid.header.field");

/// An absolute target with `https` on a plaintext connection, at a proxy with `use_remote_address`.
pub(crate) const HTTPS_ON_PLAINTEXT: Rejected = Rejected::new(403, "http1.https_url_on_plaintext_connection");

/// Could this stand in `:authority`?
pub(crate) fn is_authority(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=@[]_~".contains(byte)
}

/// Can a header have this name? Envoy refuses a request with another one; pseudo headers are apart.
pub fn is_name(name: &[u8]) -> bool {
    let symbol = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(symbol)
}

/// Would Envoy let these header lines as far as its filters?
///
/// Looks at the bytes of names and values only. Not at the method, which HTTP/1.1 wants to know and
/// HTTP/2 does not, nor for a missing `Host`, for which Envoy answers 400 (`missing_host_header`). Any byte of UTF-8 may
/// stand in a value. Envoy 1.40.
///
/// # Errors
///
/// How Envoy refuses them.
pub fn check(lines: &[(&[u8], &[u8])], underscores: Underscores) -> Result<(), Rejected> {
    for (name, value) in lines {
        let is_line_end = |byte: &u8| *byte == b'\n';
        if name.iter().chain(*value).any(|byte| is_control(*byte)) {
            return Err(CHARACTERS);
        }
        if !is_name(name) || value.iter().any(is_line_end) {
            return Err(CODEC);
        }
        if underscores == Underscores::Reject && name.contains(&b'_') {
            return Err(UNDERSCORE);
        }
    }
    Ok(())
}

/// May these be `:authority` and `Host`?
///
/// # Errors
///
/// How Envoy refuses them.
pub fn check_authority<'a>(hosts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Rejected> {
    for authority in hosts {
        let authority = trim(authority);
        if authority.iter().any(|byte| is_control(*byte)) {
            return Err(CHARACTERS);
        }
        if !authority.iter().all(is_authority) {
            return Err(AUTHORITY);
        }
    }
    Ok(())
}

/// Does Envoy know what a QUERY asks with? It must say what its body is (Envoy 1.40).
///
/// # Errors
///
/// It does not.
pub fn check_query(method: &[u8], lines: &[(&[u8], &[u8])]) -> Result<(), Rejected> {
    let is_type = |(name, value): &(&[u8], &[u8])| {
        name.eq_ignore_ascii_case(b"content-type") && !trim(value).is_empty()
    };
    if method == b"QUERY" && !lines.iter().any(is_type) { Err(QUERY) } else { Ok(()) }
}

/// May the connection be upgraded as the request wants it? Istio's proxies know websocket only. CONNECT is let through to
/// the filters.
///
/// # Errors
///
/// No.
pub fn check_upgrade(map: &[Line]) -> Result<(), Rejected> {
    let refused = is_upgrade(map)
        && value(map, b":method") != Some(b"CONNECT")
        && !value(map, b"upgrade").is_some_and(|kind| kind.eq_ignore_ascii_case(b"websocket"));
    if refused { Err(UPGRADE) } else { Ok(()) }
}

/// `Connection: upgrade` with an `Upgrade`: then both stay, and with them what `Connection` names.
fn is_upgrade(map: &[Line]) -> bool {
    value(map, b"upgrade").is_some()
        && value(map, b"connection").is_some_and(|tokens| has_token(tokens, b"upgrade"))
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|part| trim(part).eq_ignore_ascii_case(token))
}

/// The control characters that Envoy looks for itself; tab and line ends mean something to the HTTP/1.1 parser.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// How the proxy in front of the filters knows its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The physical peer.
    pub source: Option<IpAddr>,
    /// A gateway (Envoy's `use_remote_address: true`).
    pub gateway: bool,
    /// `numTrustedProxies`; only a gateway has it.
    pub hops: u32,
    /// The connection is TLS.
    pub tls: bool,
    /// The scheme is the target's own, which stays.
    pub keeps_scheme: bool,
}

/// What Envoy's connection manager adds before any filter looks.
///
/// `x-request-id`, with a random value (here all zeros) unless the client's is kept;
/// `x-forwarded-proto`; on a gateway the peer at the end of `x-forwarded-for`, so that a rule on that header never
/// sees what the client sent alone, and `x-envoy-external-address`. Derive the remote address *before*.
pub fn add_proxy_headers(map: &mut Vec<Line>, edge: &Edge) {
    let trusts_client = !edge.gateway || edge.hops > 0;
    if edge.gateway {
        let forwarded_for = value(map, b"x-forwarded-for").map(<[u8]>::to_vec);
        let client = crate::address::remote_ip(edge.source, forwarded_for.as_deref(), true, edge.hops);
        map.retain(|(name, _)| !is_in(NEVER_INTO_GATEWAY, name));
        if let Some(peer) = edge.source {
            let peer = format!("{peer}").into_bytes();
            set(
                map,
                b"x-forwarded-for",
                match forwarded_for {
                    Some(mut list) => {
                        list.push(b',');
                        list.extend_from_slice(&peer);
                        list
                    }
                    None => peer,
                },
            );
        }
        if let Some(client) = client {
            set(map, b"x-envoy-external-address", format!("{client}").into_bytes());
        }
    }
    let scheme: &[u8] = if edge.tls { b"https" } else { b"http" };
    if !trusts_client || value(map, b"x-forwarded-proto").is_none() {
        set(map, b"x-forwarded-proto", scheme.to_vec());
    }
    let scheme = match value(map, b"x-forwarded-proto") {
        Some(proto @ (b"http" | b"https")) => proto.to_vec(),
        _ => scheme.to_vec(),
    };
    if !edge.keeps_scheme {
        set(map, b":scheme", scheme);
    }
    if edge.gateway || value(map, b"x-request-id").is_none() {
        set(map, b"x-request-id", b"00000000-0000-0000-0000-000000000000".to_vec());
    }
}

/// The value of the first line of that name.
pub fn value<'a>(map: &'a [Line], name: &[u8]) -> Option<&'a [u8]> {
    map.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
}

fn set(map: &mut Vec<Line>, name: &[u8], value: Vec<u8>) {
    match map.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => map.push((name.to_vec(), value)),
    }
}

fn is_in(list: &[&str], name: &[u8]) -> bool {
    list.iter().any(|entry| entry.as_bytes() == name)
}

/// Blanks and tabs only: what HTTP calls optional white space.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
