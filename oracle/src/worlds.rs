//! Random policies, workloads and meshes.

use crate::{evaluator::World, pools::*, tape::Tape};
use gnomon_engine::{
    Attribute, Mesh, Node, Workload,
    resource::{
        Action, AuthorizationPolicy, Condition, FieldSet, HeaderLocation, JwtRule, Match, Meta, MtlsMode,
        PeerAuthentication, RequestAuthentication, Resources, Rule, ServiceObject, Target, TargetKind,
        TargetRef, Text,
    },
    workload::{ExtensionProvider, IstioVersion, ProviderKind, ProxyKind},
};

pub fn text(value: &str) -> Text {
    Text { text: value.into(), ..Text::default() }
}

fn list(tape: &mut Tape<'_>, pool: &[&str]) -> Vec<Text> {
    (0..=tape.below(2)).map(|_| text(tape.of::<&str>(pool))).filter(|t| !t.text.is_empty()).collect()
}

pub fn both(tape: &mut Tape<'_>, pool: &[&str]) -> Match {
    let pool: Vec<&str> = pool.iter().copied().filter(|value| !value.is_empty()).collect();
    match tape.below(6) {
        0..=3 => Match { values: list(tape, &pool), not_values: vec![] },
        4 => Match { values: vec![], not_values: list(tape, &pool) },
        _ => Match { values: list(tape, &pool), not_values: list(tape, &pool) },
    }
}

fn source(tape: &mut Tape<'_>, custom: bool) -> FieldSet {
    let mut source = FieldSet::default();
    for _ in 0..[1, 1, 2][tape.below(3)] {
        let field = if custom { 3 + tape.below(2) } else { tape.below(7) };
        match field {
            0 => source.set(Attribute::Principal, both(tape, PRINCIPALS)),
            1 => source.set(Attribute::Namespace, both(tape, NAMESPACES)),
            2 => source.set(Attribute::RequestPrincipal, both(tape, REQUEST_PRINCIPALS)),
            3 => source.set(Attribute::SourceIp, both(tape, BLOCKS)),
            4 => source.set(Attribute::RemoteIp, both(tape, BLOCKS)),
            5 => source.set(Attribute::TrustDomain, both(tape, DOMAINS)),
            // Not beside principals or namespaces.
            _ => {
                let domains = source.get(Attribute::TrustDomain).clone();
                let accounts = (Attribute::ServiceAccount, both(tape, ACCOUNTS));
                source = FieldSet::of([accounts, (Attribute::TrustDomain, domains)]);
            }
        }
    }
    if !source.get(Attribute::ServiceAccount).is_empty() {
        source.set(Attribute::Principal, Match::default());
        source.set(Attribute::Namespace, Match::default());
    }
    source
}

fn operation(tape: &mut Tape<'_>) -> FieldSet {
    let mut operation = FieldSet::default();
    for _ in 0..[1, 1, 2][tape.below(3)] {
        match tape.below(4) {
            0 => operation.set(Attribute::Method, both(tape, METHODS)),
            1 => {
                let paths = if tape.once_in(12) { &PATHS[..14] } else { &PATHS[..13] };
                operation.set(Attribute::Path, both(tape, paths));
            }
            2 => operation.set(Attribute::Host, both(tape, HOSTS)),
            _ => operation.set(Attribute::Port, both(tape, PORTS)),
        }
    }
    operation
}

pub fn condition(tape: &mut Tape<'_>, custom: bool) -> Condition {
    let key = loop {
        let key = tape.of(KEYS);
        let identity =
            ["source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain"];
        if !custom || !(identity.contains(&key) || key.starts_with("request.auth")) {
            break key;
        }
        if tape.is_used_up() {
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
        0..=5 => Target::Namespace,
        6 => tape.of(&[Target::EmptySelector, Target::Selector(vec![]), Target::Namespace]),
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

pub fn request_authentication(tape: &mut Tape<'_>, index: usize, waypoint: bool) -> RequestAuthentication {
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

pub fn world(tape: &mut Tape<'_>) -> World {
    let rare = if tape.once_in(8) { ProxyKind::Agentgateway } else { ProxyKind::Sidecar };
    let proxy = tape.of(&[
        ProxyKind::Sidecar,
        ProxyKind::Sidecar,
        ProxyKind::Gateway,
        ProxyKind::Waypoint,
        ProxyKind::Ztunnel,
        ProxyKind::Sidecar,
        ProxyKind::Ztunnel,
        ProxyKind::Gateway,
        rare,
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
        services: if tape.once_in(2) {
            vec![tape.of(&["web", "a/api", "shop/web", "ServiceEntry/web", "Service/shop/web"]).into()]
        } else {
            vec![]
        },
        ..Workload::default()
    };
    let mut mesh = Mesh::default();
    if tape.once_in(2) {
        let minor = 32 - u16::try_from(tape.below(9)).expect("small");
        mesh.istio_version = IstioVersion::minor(minor).with_patch(tape.of(&[0, 1, 2, 3, 5, 6, 7, 8, 9]));
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
    for kind in [TargetKind::Service, TargetKind::ServiceEntry] {
        if tape.once_in(4) {
            resources.services.push(ServiceObject { kind, namespace: "shop".into(), name: "web".into() });
        }
    }
    World { resources, workload, mesh }
}
