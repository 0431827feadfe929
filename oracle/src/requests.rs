//! Random requests near the boundaries of a world's policies.

use crate::{evaluator::World, pools::*, tape::Tape};
use gnomon_engine::{
    Attribute, Request,
    jwt::{Json, unsigned_token},
    request::{ExtAuthzAnswer, Input, Peer},
    resource::Match,
};
use std::net::IpAddr;

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub struct Sent {
    pub tcp: bool,
    pub lines: Vec<(String, String)>,
    /// Names, and whether they are all.
    pub peer: Option<(Vec<String>, bool)>,
    pub source_ip: Input<IpAddr>,
    pub remote_ip: Input<IpAddr>,
    pub destination_ip: Input<IpAddr>,
    pub port: Input<u16>,
    pub sni: String,
    pub metadata: Vec<(String, Json)>,
    pub ext_authz: Vec<(String, ExtAuthzAnswer)>,
}

impl Sent {
    pub fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&[u8], &[u8])> =
            self.lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let names: Vec<&[u8]> =
            self.peer.iter().flat_map(|(names, _)| names).map(|name| name.as_bytes()).collect();
        let base = if self.tcp { Request::tcp() } else { Request::http(&headers) };
        let peer = match &self.peer {
            None => Peer::Plaintext,
            Some((_, complete)) => Peer::Tls { names: &names, complete: *complete },
        };
        then(&Request {
            peer,
            source_ip: self.source_ip,
            remote_ip: self.remote_ip,
            destination_ip: self.destination_ip,
            destination_port: self.port,
            sni: self.sni.as_bytes(),
            metadata: &self.metadata,
            now: 1_900_000_000,
            ext_authz: &self.ext_authz,
            ..base
        })
    }
}

/// The values of a world's policies, by the part of a request that they are about.
#[derive(Default)]
pub struct Values {
    methods: Vec<String>,
    paths: Vec<String>,
    hosts: Vec<String>,
    principals: Vec<String>,
    headers: Vec<String>,
    ports: Vec<String>,
    blocks: Vec<String>,
    subjects: Vec<String>,
    claims: Vec<String>,
}

impl Values {
    pub fn of(world: &World) -> Values {
        let mut values = Values::default();
        let mapped = |from: &Match, map: &dyn Fn(&str) -> String| -> Vec<String> {
            from.values.iter().chain(&from.not_values).map(|value| map(&value.text)).collect()
        };
        let put = |into: &mut Vec<String>, from: &Match| into.extend(mapped(from, &|value| value.into()));
        let in_namespace = |name: &str| format!("cluster.local/ns/{name}/sa/b");
        let in_domain = |name: &str| format!("{name}/ns/a/sa/b");
        for policy in &world.resources.authorization {
            let account = |name: &str| {
                let (ns, name) = name.split_once('/').unwrap_or((&policy.meta.namespace, name));
                format!("cluster.local/ns/{ns}/sa/{name}")
            };
            for rule in &policy.rules {
                for source in &rule.from {
                    put(&mut values.principals, source.get(Attribute::Principal));
                    put(&mut values.subjects, source.get(Attribute::RequestPrincipal));
                    put(&mut values.blocks, source.get(Attribute::SourceIp));
                    put(&mut values.blocks, source.get(Attribute::RemoteIp));
                    values.principals.extend(mapped(source.get(Attribute::Namespace), &in_namespace));
                    values.principals.extend(mapped(source.get(Attribute::ServiceAccount), &account));
                    values.principals.extend(mapped(source.get(Attribute::TrustDomain), &in_domain));
                }
                for operation in &rule.to {
                    put(&mut values.methods, operation.get(Attribute::Method));
                    put(&mut values.paths, operation.get(Attribute::Path));
                    put(&mut values.hosts, operation.get(Attribute::Host));
                    put(&mut values.ports, operation.get(Attribute::Port));
                }
                for condition in &rule.when {
                    let found = &condition.values;
                    match condition.key.text.as_str() {
                        "source.principal" => put(&mut values.principals, found),
                        "source.namespace" => values.principals.extend(mapped(found, &in_namespace)),
                        "source.serviceAccount" => values.principals.extend(mapped(found, &account)),
                        "source.trustDomain" => values.principals.extend(mapped(found, &in_domain)),
                        "source.ip" | "remote.ip" | "destination.ip" => put(&mut values.blocks, found),
                        "destination.port" => put(&mut values.ports, found),
                        "connection.sni" | "request.headers[host]" => put(&mut values.hosts, found),
                        "request.auth.principal" => put(&mut values.subjects, found),
                        key if key.starts_with("request.headers") => put(&mut values.headers, found),
                        _ => put(&mut values.claims, found),
                    }
                }
            }
        }
        values
    }
}

/// From these values, now and then from the whole pool.
fn pick<'v>(tape: &mut Tape<'_>, values: &'v [String], pool: &[&'v str]) -> &'v str {
    if values.is_empty() || tape.once_in(5) { tape.of(pool) } else { &values[tape.below(values.len())] }
}

/// Values of policies made concrete: what the wildcards stand for is filled in.
fn near(tape: &mut Tape<'_>, values: &[String], pool: &[&str]) -> String {
    let mut value: String = pick(tape, values, pool).into();
    value = value.replace("{**}", tape.of(&["x/y", "", "z"])).replace("{*}", tape.of(&["x", "x/y", "*"]));
    if !tape.once_in(8) {
        value = value.replace('*', tape.of(&["x", "", "a", "/"]));
    }
    mutated(tape, value)
}

/// Mostly as it is; else one character, the case, a slash or a port off.
fn mutated(tape: &mut Tape<'_>, value: String) -> String {
    match tape.below(16) {
        10 => value.to_uppercase(),
        11 => format!("{value}/"),
        12 => value.trim_end_matches('/').into(),
        13 => format!("{value}:8080"),
        14 => {
            let mut value = value;
            value.pop();
            value
        }
        15 => format!("{value}x"),
        _ => value,
    }
}

fn ip(tape: &mut Tape<'_>, values: &[String]) -> Input<IpAddr> {
    let ips = [
        "10.0.0.1",
        "10.0.0.255",
        "10.0.1.0",
        "fe80::1",
        "2001:db8:7fff::1",
        "2001:db8:8000::",
        "::ffff:10.0.0.1",
        "10.0.0.128",
    ];
    match tape.below(10) {
        8 => Input::Absent,
        9 => Input::Unknown,
        _ => {
            let written = pick(tape, values, &ips);
            let address = written.split(['/', '%']).next().unwrap_or_default();
            Input::Is(address.parse().expect("it is an address"))
        }
    }
}

fn string_or_list(tape: &mut Tape<'_>, values: &[String]) -> Json {
    let words = ["dev", "d", "r w", "r", "v", "", "5"];
    let word = near(tape, values, &words);
    match tape.below(5) {
        3 => Json::List(vec![Json::Number(1.0), Json::String(word)]),
        4 => Json::Number(5.0),
        _ => Json::String(word),
    }
}

fn token(tape: &mut Tape<'_>, values: &Values) -> String {
    let mut claims: Vec<(String, Json)> = Vec::new();
    let mut put = |name: &str, value: Json| claims.push((name.into(), value));
    let wanted = pick(tape, &values.subjects, REQUEST_PRINCIPALS);
    let wanted = wanted.rsplit_once('/').map_or("u", |(_, subject)| subject).to_string();
    if !tape.once_in(8) {
        put(
            "iss",
            Json::String(tape.of(&["https://i", "https://j", "https://i", "i", "https://i/o"]).into()),
        );
    }
    if !tape.once_in(8) {
        let others = ["u", "ux", "", "*", "i", "r"];
        put("sub", Json::String(if tape.once_in(2) { wanted } else { tape.of(&others).into() }));
    }
    for name in ["group", "scope", "azp", "a[b]"] {
        if tape.once_in(2) {
            put(name, string_or_list(tape, &values.claims));
        }
    }
    if tape.once_in(2) {
        put("aud", Json::String(tape.of(&["dev", "https://dev/", "other"]).into()));
    }
    if tape.once_in(2) {
        put("a", Json::Object(vec![("b".into(), string_or_list(tape, &values.claims))]));
    }
    if tape.once_in(8) {
        put("exp", Json::Number(1_800_000_000.0));
    }
    unsigned_token(&Json::Object(claims))
}

pub fn sent(tape: &mut Tape<'_>, values: &Values) -> Sent {
    let tcp = tape.once_in(5);
    let mut lines: Vec<(String, String)> = Vec::new();
    if !tcp {
        let mut path = near(tape, &values.paths, PATHS);
        path += tape.of(&["", "", "?q=/a", "#f", "/..;x/b", ";v=1", "/\u{e9}", "/%C3%A9"]);
        if tape.once_in(16) {
            // It has no path.
            lines.push((":method".into(), "CONNECT".into()));
        } else {
            lines.push((":method".into(), near(tape, &values.methods, METHODS)));
            lines.push((":path".into(), path));
        }
        if !tape.once_in(10) {
            lines.push((":authority".into(), near(tape, &values.hosts, HOSTS)));
        }
        for _ in 0..tape.below(4) {
            let name = tape.of(HEADERS).to_lowercase();
            if !name.starts_with(':') && !["host", "authorization", "accept"].contains(&name.as_str()) {
                lines.push((name, near(tape, &values.headers, VALUES)));
            }
        }
        match tape.below(6) {
            0..=2 => lines.push(("authorization".into(), format!("Bearer {}", token(tape, values)))),
            3 => lines.push(("x-a".into(), token(tape, values))),
            4 => lines.push(("authorization".into(), "Bearer garbage".into())),
            _ => {}
        }
    }
    let name = |tape: &mut Tape<'_>| match tape.below(6) {
        4 => near(tape, &[], &["a.b", "CN=x", "web.shop.svc"]),
        5 => near(tape, &values.principals, PRINCIPALS),
        3 => format!("spiffe://{}", near(tape, &[], ODD_PRINCIPALS)),
        _ => format!("spiffe://{}", near(tape, &values.principals, PRINCIPALS)),
    };
    let peer = match tape.below(6) {
        4 => None,
        5 => Some((vec![], !tape.once_in(3))),
        _ => Some(((0..=tape.below(8) / 7).map(|_| name(tape)).collect(), !tape.once_in(8))),
    };
    Sent {
        tcp,
        lines,
        peer,
        source_ip: ip(tape, &values.blocks),
        remote_ip: ip(tape, &values.blocks),
        destination_ip: ip(tape, &values.blocks),
        port: match tape.below(8) {
            6 => Input::Absent,
            7 => Input::Unknown,
            _ => Input::Is(pick(tape, &values.ports, PORTS).parse().expect("it is a port")),
        },
        sni: if tape.once_in(2) { String::new() } else { near(tape, &values.hosts, HOSTS) },
        metadata: if tape.once_in(2) {
            vec![(
                "envoy.filters.f".into(),
                Json::Object(vec![("k".into(), string_or_list(tape, &values.claims))]),
            )]
        } else {
            vec![]
        },
        ext_authz: ["p", "q"]
            .into_iter()
            .filter_map(|name| {
                let said = [
                    Some(ExtAuthzAnswer::Allow),
                    Some(ExtAuthzAnswer::Deny),
                    Some(ExtAuthzAnswer::Error),
                    None,
                ];
                tape.of(&said).map(|said| (name.into(), said))
            })
            .collect(),
    }
}
