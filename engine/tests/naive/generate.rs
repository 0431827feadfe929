//! Random worlds and requests from a tape of choices: a shorter tape with smaller numbers is a simpler case, so
//! shrinking the tape shrinks the case.

use crate::evaluator::World;
use gnomon_engine::{
    Mesh, Node, Request, Workload,
    jwt::{Json, unsigned_token},
    request::{ExtAuthzAnswer, Input, Peer},
    resource::{
        Action, AuthorizationPolicy, Condition, HeaderLocation, JwtRule, Match, Meta, MtlsMode, Operation,
        PeerAuthentication, RequestAuthentication, Resources, Rule, Source, Target, TargetKind, TargetRef,
        Text,
    },
    workload::{ExtensionProvider, IstioVersion, ProviderKind, ProxyKind},
};
use std::net::IpAddr;

/// Choices; zeros once it is used up.
pub(crate) struct Tape<'t> {
    choices: &'t [u16],
    at: usize,
}

impl<'t> Tape<'t> {
    pub(crate) fn new(choices: &'t [u16]) -> Self {
        Tape { choices, at: 0 }
    }

    /// Less than `n`; 0 is the simplest.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n
    }

    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/a/sa/b",
    "*",
    "corp/ns/a/sa/b",
    "cluster.local/ns/a/*",
    "*/ns/a/sa/b",
    "*a/sa/b",
    "*.local/ns/a/sa/b",
    "clus*/ns/a/sa/b",
    "cluster.local/ns/shop/sa/web",
    "spiffe://cluster.local/ns/a/sa/b",
    "old.corp/ns/a/sa/b",
    "cluster.local/*",
    "*a.b",
];
const ODD_PRINCIPALS: &[&str] = &[
    "cluster.local/ns/a.b/sa/b",
    "cluster.local/ns/axb/sa/bxc",
    "corp/x/y/ns/a/k/v/sa/b/z",
    "cluster.local/ns/a/sa/b/",
];
const NAMESPACES: &[&str] = &["a", "shop", "*", "*a", "sh*", "s*p", "*sa", "a.b", "axb", "prod-1"];
const ACCOUNTS: &[&str] = &["b", "a/b", "shop/web", "web", "a/b.c", "a.b/b", "x"];
const DOMAINS: &[&str] = &["cluster.local", "corp", "*", "*.local", "cluster*", "old.corp", "*corp", "other"];
const BLOCKS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.0/24",
    "0.0.0.0/0",
    "10.0.0.77/25",
    "::/0",
    "fe80::1",
    "2001:db8::/33",
    "10.0.0.1/32",
    "::ffff:10.0.0.1",
];
const PORTS: &[&str] = &["80", "8080", "0", "443", "080", "65535"];
const HOSTS: &[&str] = &["a.com", "*", "*.a.com", "a.com:*", "A.com:8080", "*com", "a*", "*a*"];
const METHODS: &[&str] = &["GET", "POST", "*", "get", "P*", "*T"];
const PATHS: &[&str] = &[
    "/a",
    "/a/",
    "/a/*",
    "*",
    "*/b",
    "/a*",
    "*foo*",
    "/a/{*}",
    "/a/{**}",
    "/v1/{*}/i",
    "/f/{**}/x",
    "/",
    "a/{*}",
    "/a/b",
    "/x{*}y*",
];
const HEADERS: &[&str] = &["x-a", "X-B", "host", "authorization", ":path", ":method", "accept", "x-out"];
const VALUES: &[&str] = &["v", "*", "v*", "*w", "v,w", "w", "", "vw", "*v*", "V"];
const ISSUERS: &[&str] = &["https://i", "https://j", "i", ""];
const REQUEST_PRINCIPALS: &[&str] = &[
    "*",
    "https://i/u",
    "https://i/*",
    "*/u",
    "*i/u",
    "https://i/u*",
    "*u",
    "https*",
    "i",
    "https://i",
    "i/",
    "*i/*",
    "https://i/o/r",
];
const KEYS: &[&str] = &[
    "request.headers[x-a]",
    "source.ip",
    "remote.ip",
    "destination.ip",
    "destination.port",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "connection.sni",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims[group]",
    "request.auth.claims[a][b]",
    "request.auth.claims[scope]",
    "request.auth.claims[a[b]]",
    "request.headers[host]",
    "request.headers[Authorization]",
    "request.headersX[x-a]",
    "experimental.envoy.filters.f[k]",
];
const CLAIM_VALUES: &[&str] = &["dev", "*", "d*", "*v", "r", "r w", "5"];
const METADATA_VALUES: &[&str] = &["dev", "[dev]", "*", "[*]", "d*", "[*v]", "[d"];
const PROVIDERS: &[&str] = &["p", "p", "p", "p", "q", "r"];

fn text(value: &str) -> Text {
    Text { text: value.into(), ..Text::default() }
}

fn list(tape: &mut Tape<'_>, pool: &[&str]) -> Vec<Text> {
    (0..=tape.below(2)).map(|_| text(tape.of::<&str>(pool))).filter(|t| !t.text.is_empty()).collect()
}

fn both(tape: &mut Tape<'_>, pool: &[&str]) -> Match {
    let pool: Vec<&str> = pool.iter().copied().filter(|value| !value.is_empty()).collect();
    match tape.below(6) {
        0..=3 => Match { values: list(tape, &pool), not_values: vec![] },
        4 => Match { values: vec![], not_values: list(tape, &pool) },
        _ => Match { values: list(tape, &pool), not_values: list(tape, &pool) },
    }
}

fn source(tape: &mut Tape<'_>, custom: bool) -> Source {
    let mut source = Source::default();
    for _ in 0..[1, 1, 2][tape.below(3)] {
        let field = if custom { 3 + tape.below(2) } else { tape.below(7) };
        match field {
            0 => source.principals = both(tape, PRINCIPALS),
            1 => source.namespaces = both(tape, NAMESPACES),
            2 => source.request_principals = both(tape, REQUEST_PRINCIPALS),
            3 => source.ip_blocks = both(tape, BLOCKS),
            4 => source.remote_ip_blocks = both(tape, BLOCKS),
            5 => source.trust_domains = both(tape, DOMAINS),
            // Not beside principals or namespaces.
            _ => {
                source = Source {
                    service_accounts: both(tape, ACCOUNTS),
                    trust_domains: source.trust_domains,
                    ..Source::default()
                }
            }
        }
    }
    if !source.service_accounts.is_empty() {
        source.principals = Match::default();
        source.namespaces = Match::default();
    }
    source
}

fn operation(tape: &mut Tape<'_>) -> Operation {
    let mut operation = Operation::default();
    for _ in 0..[1, 1, 2][tape.below(3)] {
        match tape.below(4) {
            0 => operation.methods = both(tape, METHODS),
            1 => operation.paths = both(tape, &PATHS[..14]),
            2 => operation.hosts = both(tape, HOSTS),
            _ => operation.ports = both(tape, PORTS),
        }
    }
    operation
}

fn condition(tape: &mut Tape<'_>, custom: bool) -> Condition {
    let key = loop {
        let key = tape.of(KEYS);
        let identity =
            ["source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain"];
        if !custom || !(identity.contains(&key) || key.starts_with("request.auth")) {
            break key;
        }
        if tape.at > tape.choices.len() {
            break "source.ip";
        }
    };
    let pool = match key {
        "source.ip" | "remote.ip" | "destination.ip" => BLOCKS,
        "destination.port" => PORTS,
        "source.namespace" => NAMESPACES,
        "source.principal" => PRINCIPALS,
        "source.serviceAccount" => ACCOUNTS,
        "source.trustDomain" => DOMAINS,
        "connection.sni" | "request.headers[host]" => HOSTS,
        "request.auth.principal" => REQUEST_PRINCIPALS,
        "experimental.envoy.filters.f[k]" => METADATA_VALUES,
        _ if key.starts_with("request.auth") => CLAIM_VALUES,
        _ => VALUES,
    };
    Condition { at: Default::default(), key: text(key), values: both(tape, pool) }
}

fn rule(tape: &mut Tape<'_>, custom: bool) -> Rule {
    let mut rule = Rule::default();
    let (from, to, when) = tape.of(&[
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 1, 0),
        (2, 0, 0),
        (0, 2, 0),
        (0, 1, 1),
        (1, 0, 1),
        (2, 2, 2),
        (0, 0, 0),
    ]);
    rule.from.extend((0..from).map(|_| source(tape, custom)));
    rule.to.extend((0..to).map(|_| operation(tape)));
    rule.when.extend((0..when).map(|_| condition(tape, custom)));
    rule
}

fn meta(tape: &mut Tape<'_>, name: usize) -> Meta {
    Meta {
        namespace: tape
            .of(&["shop", "shop", "shop", "shop", "istio-system", "istio-system", "other", "a"])
            .into(),
        name: format!("p{name}"),
        creation_timestamp: tape
            .of(&[None, Some("2024-01-01T00:00:00Z"), Some("2025-01-01T00:00:00Z")])
            .map(Into::into),
        ..Meta::default()
    }
}

fn target(tape: &mut Tape<'_>, waypoint: bool) -> Target {
    match (tape.below(10) + if waypoint { 8 } else { 0 }) % 16 {
        0..=6 => Target::Namespace,
        7 => Target::Selector(vec![("app".into(), tape.of(&["web", "api", ""]).into())]),
        _ => {
            let one = |tape: &mut Tape<'_>| TargetRef {
                kind: tape.of(&[
                    TargetKind::Service,
                    TargetKind::Gateway,
                    TargetKind::GatewayClass,
                    TargetKind::ServiceEntry,
                ]),
                name: tape.of(&["web", "gw", "istio-waypoint", "web", "gw", "api"]).into(),
                at: Default::default(),
            };
            Target::Refs((0..=tape.below(2)).map(|_| one(tape)).collect())
        }
    }
}

fn authorization(tape: &mut Tape<'_>, index: usize, waypoint: bool) -> AuthorizationPolicy {
    let action = tape.of(&[
        Action::Allow,
        Action::Deny,
        Action::Allow,
        Action::Allow,
        Action::Deny,
        Action::Allow,
        Action::Custom,
        Action::Audit,
    ]);
    let custom = action == Action::Custom;
    let may_be_empty = matches!(action, Action::Allow | Action::Audit);
    let rules = if may_be_empty && tape.once_in(8) { 0 } else { 1 + tape.below(2) };
    AuthorizationPolicy {
        meta: meta(tape, index),
        target: target(tape, waypoint),
        action,
        provider: custom.then(|| text(tape.of::<&str>(PROVIDERS))),
        dry_run: matches!(action, Action::Allow | Action::Deny) && tape.once_in(5),
        rules: (0..rules).map(|_| rule(tape, custom)).collect(),
    }
}

fn request_authentication(tape: &mut Tape<'_>, index: usize, waypoint: bool) -> RequestAuthentication {
    let jwt_rule = |tape: &mut Tape<'_>| JwtRule {
        issuer: text(tape.of::<&str>(ISSUERS)),
        jwks_uri: Some(text("https://keys.example/jwks")),
        audiences: if tape.once_in(4) { vec!["dev".into()] } else { vec![] },
        from_headers: match tape.below(4) {
            3 => vec![HeaderLocation { name: "x-a".into(), prefix: tape.of(&["", "Bearer "]).into() }],
            _ => vec![],
        },
        forward_original_token: tape.once_in(2),
        output_payload_to_header: tape.once_in(6).then(|| "x-out".into()),
        space_delimited_claims: if tape.once_in(4) { vec!["group".into()] } else { vec![] },
        ..JwtRule::default()
    };
    RequestAuthentication {
        meta: meta(tape, index),
        target: target(tape, waypoint),
        rules: (0..=tape.below(2)).map(|_| jwt_rule(tape)).collect(),
    }
}

fn peer_authentication(tape: &mut Tape<'_>, index: usize) -> PeerAuthentication {
    let modes = [None, Some(MtlsMode::Permissive), Some(MtlsMode::Strict), Some(MtlsMode::Disable)];
    let selector: Option<Vec<(String, String)>> = match tape.below(4) {
        0 => None,
        1 => Some(vec![]),
        _ => Some(vec![("app".into(), "web".into())]),
    };
    let labelled = selector.as_ref().is_some_and(|labels| !labels.is_empty());
    let ports = if labelled { tape.below(3) } else { 0 };
    PeerAuthentication {
        meta: meta(tape, index),
        selector,
        mode: tape.of(&modes),
        ports: [80, 8080].into_iter().take(ports).map(|port| (port, tape.of(&modes))).collect(),
    }
}

fn provider(tape: &mut Tape<'_>, name: &str) -> ExtensionProvider {
    let entry = |tape: &mut Tape<'_>| {
        let text = tape.of(&[
            r#"{"service":"s","port":80}"#,
            r#"{"service":"s","port":80}"#,
            r#"{"service":"s","port":80}"#,
            r#"{"service":"s","port":"80","failOpen":true}"#,
            r#"{"service":"s","port":80,"failOpen":true,"statusOnError":"429"}"#,
            r#"{"service":"s","port":80,"statusOnError":"503"}"#,
            r#"{"service":"","port":80}"#,
            r#"{"service":"s","port":0}"#,
            r#"{"service":"s","port":80,"statusOnError":"999"}"#,
            r#"{"service":"s","port":80,"pathPrefix":"x"}"#,
        ]);
        serde_json::from_str::<Node>(text).expect("it is JSON")
    };
    let kind = match tape.below(3) {
        0 => ProviderKind::Named,
        1 => ProviderKind::Http(entry(tape)),
        _ => ProviderKind::Grpc(entry(tape)),
    };
    ExtensionProvider { name: name.into(), kind }
}

pub(crate) fn world(tape: &mut Tape<'_>) -> World {
    let proxy = tape.of(&[
        ProxyKind::Sidecar,
        ProxyKind::Sidecar,
        ProxyKind::Gateway,
        ProxyKind::Waypoint,
        ProxyKind::Ztunnel,
    ]);
    let mut labels: Vec<(String, String)> = vec![("app".into(), tape.of(&["web", ""]).into())];
    if tape.once_in(3) {
        labels.push(("gateway.networking.k8s.io/gateway-name".into(), "gw".into()));
    }
    let workload = Workload {
        name: tape.of(&["", "gw"]).into(),
        namespace: tape.of(&["shop", "shop", "shop", "istio-system"]).into(),
        labels,
        proxy,
        services: if tape.once_in(2) { vec![tape.of(&["web", "a/api", "shop/web"]).into()] } else { vec![] },
        ..Workload::default()
    };
    let mut mesh = Mesh::default();
    let newest = IstioVersion::NEWEST.1;
    if tape.once_in(2) {
        mesh.istio_version = IstioVersion(1, newest - u16::try_from(tape.below(9)).expect("small"));
    }
    if tape.once_in(3) {
        mesh.trust_domain = tape.of(&["corp", "*", "old.corp"]).into();
    }
    if tape.once_in(3) {
        mesh.trust_domain_aliases = vec![tape.of(&["old.corp", "corp", "cluster.local", "*.corp"]).into()];
    }
    for name in ["p", "q"] {
        if tape.below(4) < 3 {
            mesh.extension_providers.push(provider(tape, name));
        }
    }
    if tape.once_in(8) {
        let again = provider(tape, "p");
        mesh.extension_providers.push(again);
    }
    let waypoint = proxy == ProxyKind::Waypoint;
    let mut resources = Resources::default();
    for index in 0..1 + tape.below(6) {
        resources.authorization.push(authorization(tape, index, waypoint));
    }
    for index in 0..[0, 1, 1, 2][tape.below(4)] {
        resources.request_authentication.push(request_authentication(tape, index, waypoint));
    }
    for index in 0..[0, 0, 1, 3][tape.below(4)] {
        resources.peer_authentication.push(peer_authentication(tape, index));
    }
    World { resources, workload, mesh }
}

/// A numbered value of a field, now and then one that many rules share.
fn numbered(tape: &mut Tape<'_>, pool: &[&str], forms: &[&str]) -> Match {
    let one = |tape: &mut Tape<'_>| {
        let number = tape.below(60).to_string();
        if tape.once_in(8) {
            text(tape.of::<&str>(pool))
        } else {
            text(&tape.of(forms).replace('N', &number))
        }
    };
    let values: Vec<Text> = (0..=tape.below(3)).map(|_| one(tape)).filter(|t| !t.text.is_empty()).collect();
    match tape.below(10) {
        9 => Match { values: vec![], not_values: values },
        _ => Match { values, not_values: vec![] },
    }
}

/// One of many policies: it names what nobody else does, or few.
fn one_of_many(tape: &mut Tape<'_>, index: usize) -> AuthorizationPolicy {
    let source = |tape: &mut Tape<'_>| {
        let mut source = Source::default();
        match tape.below(6) {
            0 => {
                source.principals =
                    numbered(tape, PRINCIPALS, &["cluster.local/ns/n/sa/N", "*/sa/N", "c/ns/N/*"])
            }
            1 => source.namespaces = numbered(tape, NAMESPACES, &["N", "N*"]),
            2 => source.service_accounts = numbered(tape, ACCOUNTS, &["n/N", "N"]),
            3 => source.ip_blocks = numbered(tape, BLOCKS, &["10.N.0.0/16", "10.0.0.N", "2001:db8:N::/48"]),
            4 => source.remote_ip_blocks = numbered(tape, BLOCKS, &["10.0.N.0/24", "10.0.N.0/23"]),
            _ => {
                source.request_principals = numbered(tape, REQUEST_PRINCIPALS, &["https://i/N", "N/*", "*/N"])
            }
        }
        source
    };
    let operation = |tape: &mut Tape<'_>| {
        let mut operation = Operation::default();
        for _ in 0..=tape.below(2) {
            match tape.below(6) {
                0 => operation.hosts = numbered(tape, HOSTS, &["hN.com", "*.N.com", "hN.*"]),
                1 => operation.methods = both(tape, &METHODS[..2]),
                2 => operation.ports = numbered(tape, PORTS, &["80N"]),
                _ => {
                    operation.paths = numbered(tape, PATHS, &["/t/N", "/t/N/*", "*/N", "/t/{*}/N", "/N/{**}"])
                }
            }
        }
        operation
    };
    let mut rule = Rule::default();
    let shape = tape.below(8);
    if shape != 0 {
        rule.from.extend((0..1 + tape.below(8) / 7).map(|_| source(tape)));
    }
    if shape != 1 {
        rule.to.extend((0..1 + tape.below(8) / 7).map(|_| operation(tape)));
    }
    if shape == 2 {
        rule.when.push(condition(tape, false));
    }
    let action =
        tape.of(&[Action::Allow, Action::Deny, Action::Allow, Action::Allow, Action::Deny, Action::Audit]);
    AuthorizationPolicy {
        meta: Meta { namespace: "shop".into(), name: format!("p{index:03}"), ..Meta::default() },
        target: Target::Namespace,
        action,
        provider: None,
        dry_run: action != Action::Audit && tape.once_in(10),
        rules: vec![rule],
    }
}

/// As [`world`], with hundreds of policies.
pub(crate) fn crowd(tape: &mut Tape<'_>) -> World {
    let proxy = tape.of(&[ProxyKind::Sidecar, ProxyKind::Gateway, ProxyKind::Gateway, ProxyKind::Ztunnel]);
    let mut world = World {
        workload: Workload { namespace: "shop".into(), proxy, ..Workload::default() },
        ..World::default()
    };
    if tape.once_in(2) {
        world.mesh.istio_version = IstioVersion(1, 24);
    }
    if tape.once_in(2) {
        world.resources.request_authentication.push(request_authentication(tape, 0, false));
    }
    for index in 0..1 + tape.below(600) {
        world.resources.authorization.push(one_of_many(tape, index));
    }
    world
}

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) tcp: bool,
    pub(crate) lines: Vec<(String, String)>,
    /// Names, and whether they are all.
    pub(crate) peer: Option<(Vec<String>, bool)>,
    pub(crate) source_ip: Input<IpAddr>,
    pub(crate) remote_ip: Input<IpAddr>,
    pub(crate) destination_ip: Input<IpAddr>,
    pub(crate) port: Input<u16>,
    pub(crate) sni: String,
    pub(crate) metadata: Vec<(&'static str, Json)>,
    pub(crate) ext_authz: Vec<(&'static str, ExtAuthzAnswer)>,
}

impl Sent {
    pub(crate) fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
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
pub(crate) struct Values {
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
    pub(crate) fn of(world: &World) -> Values {
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
                    put(&mut values.principals, &source.principals);
                    put(&mut values.subjects, &source.request_principals);
                    put(&mut values.blocks, &source.ip_blocks);
                    put(&mut values.blocks, &source.remote_ip_blocks);
                    values.principals.extend(mapped(&source.namespaces, &in_namespace));
                    values.principals.extend(mapped(&source.service_accounts, &account));
                    values.principals.extend(mapped(&source.trust_domains, &in_domain));
                }
                for operation in &rule.to {
                    put(&mut values.methods, &operation.methods);
                    put(&mut values.paths, &operation.paths);
                    put(&mut values.hosts, &operation.hosts);
                    put(&mut values.ports, &operation.ports);
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
            let address = written.split('/').next().unwrap_or_default();
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

pub(crate) fn sent(tape: &mut Tape<'_>, values: &Values) -> Sent {
    let tcp = tape.once_in(5);
    let mut lines: Vec<(String, String)> = Vec::new();
    if !tcp {
        let mut path = near(tape, &values.paths, PATHS);
        path += tape.of(&["", "", "?q=/a", "#f"]);
        lines.push((":method".into(), near(tape, &values.methods, METHODS)));
        lines.push((":path".into(), path));
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
            vec![("envoy.filters.f", Json::Object(vec![("k".into(), string_or_list(tape, &values.claims))]))]
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
                tape.of(&said).map(|said| (name, said))
            })
            .collect(),
    }
}
