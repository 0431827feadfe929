//! A request as written to what goes over the wire. An inner error says why that cannot be.

use super::{
    Question,
    test_listeners::{TestListener, metadata_header},
};
use crate::{
    Proxy, RequestBytes, candidate,
    err::Result,
    ext_authz::{ANSWER_HEADER, Answers},
    tokens,
};
use gnomon_engine::{
    jwt::{Authenticator, Json},
    prepare::Prepared,
    request::{ExtAuthzAnswer, Protocol},
    resource::Resources,
    versions,
    workload::ProxyKind,
};
use gnomon_manifests::request::RequestSpec;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

type Possible<T> = std::result::Result<T, String>;

/// An address that no policy names, for what a request leaves open.
const SOMEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 77)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x7777, 0, 0, 0, 0, 1)),
];
/// A port that no policy names.
const SOME_PORT: u16 = 45_454;
/// What requests are asked with; Envoy's parser knows few others.
const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "QUERY"];
/// A host that no policy names: HTTP/1.1 must have one.
const SOME_HOST: &str = "unstated.invalid";

/// The addresses to claim.
pub(super) fn proxy(request: &RequestSpec) -> Possible<Proxy> {
    if request.principal.is_none() && request.sni.is_some() && request.protocol == Protocol::Http {
        return Err("an SNI without a certificate, on HTTP: nobody says who ends the TLS".into());
    }
    if request.sni.as_ref().is_some_and(|sni| !crate::client::can_ask_for(sni)) {
        return Err("an SNI that is no DNS name".into());
    }
    // Without x-forwarded-for the client is the peer.
    let source = request.source_ip.or(request.remote_ip.filter(|_| !forwards(request)));
    let [v4, v6] = SOMEWHERE;
    let is_v6 = source.or(request.destination_ip).is_some_and(|ip| ip.is_ipv6());
    let open = if is_v6 { v6 } else { v4 };
    let destination = request.destination_ip.unwrap_or(open);
    let source = source.unwrap_or(open);
    if source.to_canonical() != source {
        return Err("a mapped address, which is IPv4 in a connection, and IPv6 in a PROXY header".into());
    }
    if source.is_ipv6() != destination.is_ipv6() {
        return Err("source and destination addresses of two families".into());
    }
    // A PROXY header that names others Envoy refuses, as no connection can have them.
    let unicast = |ip: IpAddr| {
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        !(ip.is_unspecified() || ip.is_multicast() || broadcast)
    };
    if !(unicast(source) && unicast(destination)) {
        return Err("an address that is not one host's".into());
    }
    let port = request.destination_port.unwrap_or(SOME_PORT);
    Ok(Proxy::new(source, SocketAddr::new(destination, port)))
}

/// The client stands behind another peer.
fn forwards(request: &RequestSpec) -> bool {
    request.remote_ip.is_some() && request.source_ip.is_some() && request.remote_ip != request.source_ip
}

/// The bytes of an HTTP request.
pub(super) fn request(question: &Question<'_>, listener: &TestListener) -> Result<Possible<RequestBytes>> {
    let signed = match &question.request.claims {
        Some(_) => &candidate::signed(question.request, &listener.resources, listener.plan(), tokens::now())?,
        None => question.request,
    };
    let spec = signed;
    if !METHODS.contains(&spec.method.as_str()) {
        return Ok(Err("a method that HTTP/1.1 does not know: Envoy answers 400".into()));
    }
    let grpc = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with("application/grpc")
    };
    let plain = Authenticator::default();
    let ready = Prepared::new(question.request, &plain, question.workload, question.mesh, 0);
    if ready.rejected().is_some_and(|answer| answer.location.is_some()) && spec.headers.iter().any(grpc) {
        return Ok(Err("a redirect of a gRPC client, which is told a status instead".into()));
    }
    if spec.headers.iter().any(|(name, _)| name == ":protocol") {
        return Ok(Err("an extended CONNECT, which only HTTP/2 has".into()));
    }
    let version = question.mesh.istio_version;
    if spec.method == "QUERY" && !versions::checks_query(version) {
        return Ok(Err("QUERY, which the Envoy of that Istio did not know".into()));
    }
    let has_parameters = spec.path.contains("/..;") || spec.path.contains("/.;");
    if has_parameters && !versions::strips_parameters_of_dot_segments(version) {
        return Ok(Err("dot segments with parameters, which the Envoy of that Istio left in a path".into()));
    }
    let target = match spec.method.as_str() {
        "CONNECT" => spec.host.as_deref().unwrap_or(SOME_HOST),
        _ => spec.path.as_str(),
    };
    let mut bytes = RequestBytes::new(spec.method.as_str(), target)
        .header("host", spec.host.as_deref().unwrap_or(SOME_HOST));
    let sent: Vec<&str> = spec.headers.iter().map(|(name, _)| name.as_str()).collect();
    let apart = versions::matches_lines_apart(question.mesh.istio_version);
    if !apart && (has_twice(&sent) || claims_make_lines(question.resources)) {
        return Ok(Err("several lines of a header, which the Envoy of that Istio still joined".into()));
    }
    for (name, value) in &spec.headers {
        bytes = bytes.header(name.as_str(), value.as_str());
    }
    if forwards(spec) {
        let has_it = spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
        let gateway = question.workload.proxy == ProxyKind::Gateway;
        let hops = if gateway { question.mesh.num_trusted_proxies } else { 1 };
        if reads_forwarded_for(question.resources) {
            return Ok(Err(
                "a remoteIp, and a policy that reads the x-forwarded-for which makes it so".into()
            ));
        }
        match (spec.remote_ip, hops, has_it) {
            (Some(client), 1.., false) => {
                let later = ", 198.51.100.78".repeat(usize::try_from(hops.saturating_sub(1)).unwrap_or(0));
                bytes = bytes.header("x-forwarded-for", format!("{client}{later}"));
            }
            (_, _, true) => return Ok(Err("a remoteIp and an x-forwarded-for of its own".into())),
            _ => return Ok(Err("a gateway without trusted hops takes the peer for the client".into())),
        }
    }
    if let Some(token) = &spec.token {
        if spec.time.is_some_and(|then| !same_at(token, then, tokens::now())) {
            return Ok(Err("a token that is valid then and not now, or now and not then".into()));
        }
        bytes = bytes.header("authorization", format!("Bearer {token}"));
    }
    for (place, (namespace, key)) in listener.metadata.iter().enumerate() {
        let members = spec.metadata.iter().filter(|(name, _)| name == namespace);
        if let Some(value) = members.filter_map(|(_, value)| value.member(key)).next() {
            bytes = bytes.header(metadata_header(place), base64(&protobuf(value)));
        }
    }
    if let (Ok(answers), false) = (answers(spec), spec.ext_authz.is_empty()) {
        bytes = bytes.header(ANSWER_HEADER, answers.word());
    }
    Ok(Ok(bytes))
}

/// The times of this token say the same at both. What is no token says nothing about time.
fn same_at(token: &str, then: i64, now: i64) -> bool {
    let claims = tokens::unchecked_claims(token).unwrap_or_default();
    let time = |name| claims.get(name).and_then(Value::as_i64);
    // Envoy's clock skew.
    let at = |clock: i64| {
        let expired = time("exp").is_some_and(|exp| clock > exp.saturating_add(60));
        (expired, time("nbf").is_some_and(|nbf| clock.saturating_add(60) < nbf))
    };
    at(then) == at(now)
}

/// What the provider is to answer.
pub(super) fn answers(request: &RequestSpec) -> Possible<Answers> {
    let mut answers = request.ext_authz.iter().map(|(_, answer)| *answer);
    let first = answers.next();
    if answers.any(|answer| Some(answer) != first) {
        return Err("providers that do not agree".into());
    }
    Ok(match first {
        Some(ExtAuthzAnswer::Allow) => Answers::Allow,
        Some(ExtAuthzAnswer::Deny) => Answers::Deny,
        // Where nothing is said the verdict does not depend on it.
        Some(ExtAuthzAnswer::Error) | None => Answers::Error,
    })
}

/// A value as protobuf's `google.protobuf.Value` has it on the wire.
fn protobuf(value: &Json) -> Vec<u8> {
    let message = |field: u8, bytes: Vec<u8>| [vec![field << 3 | 2], varint(bytes.len()), bytes].concat();
    match value {
        Json::Null => vec![1 << 3, 0],
        Json::Number(number) => [&[2 << 3 | 1][..], &number.to_le_bytes()].concat(),
        Json::String(text) => message(3, text.as_bytes().to_vec()),
        Json::Bool(value) => vec![4 << 3, u8::from(*value)],
        Json::Object(members) => {
            let entry = |(key, value): &(String, Json)| {
                message(1, [message(1, key.as_bytes().to_vec()), message(2, protobuf(value))].concat())
            };
            message(5, members.iter().flat_map(entry).collect())
        }
        Json::List(items) => message(6, items.iter().flat_map(|item| message(1, protobuf(item))).collect()),
    }
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7F).unwrap_or(0);
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// With padding, as Envoy's decoder wants it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let digit = usize::try_from(group >> (18 - 6 * place) & 63).unwrap_or(0);
            let digit = if place > chunk.len() { b'=' } else { DIGITS.get(digit).copied().unwrap_or(b'A') };
            text.push(char::from(digit));
        }
    }
    text
}

fn has_twice(headers: &[&str]) -> bool {
    let mut all = headers.iter().enumerate();
    all.any(|(place, name)| headers.iter().skip(place + 1).any(|other| other.eq_ignore_ascii_case(name)))
}

/// Whether two claims of one token go to one header.
fn claims_make_lines(resources: &Resources) -> bool {
    resources.request_authentication.iter().flat_map(|policy| &policy.rules).any(|rule| {
        has_twice(&rule.output_claim_to_headers.iter().map(|to| to.header.as_str()).collect::<Vec<_>>())
    })
}

/// Whether a condition is about the header that stands for `remoteIp` on the wire.
fn reads_forwarded_for(resources: &Resources) -> bool {
    let rules = resources.authorization.iter().flat_map(|policy| &policy.rules);
    rules
        .flat_map(|rule| &rule.when)
        .any(|condition| condition.key.text.eq_ignore_ascii_case("request.headers[x-forwarded-for]"))
}
