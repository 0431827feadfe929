//! No field without a case: every field of every kind, of the mesh, the workload and the request is in the corpus where
//! it holds, where it does not, and where what it asks for is not there.
//!
//! The lists of fields are made by taking the engine's own types apart, so that a new field fails to compile here until
//! it is listed, and fails to pass until it has its cases.

use gnomon_analysis::Runner;
use gnomon_engine::{
    Mesh, Plan, Workload,
    attribute::{Attribute, FieldPath, Key},
    jwt::SoftwareCrypto,
    prepare::Prepared,
    request::Protocol,
    resource::{
        Action, AuthorizationPolicy, Condition, JwtRule, Match, MtlsMode, PeerAuthentication, Presence,
        Resources, Rule, Target, TargetKind,
    },
    verdict::{Check, Outcome},
    workload::{IstioVersion, PathNormalization, ProviderKind, ProxyKind},
};
use gnomon_manifests::{
    request::RequestSpec,
    suite::{find, load},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// 2026-11-21: the clock of requests without a time.
const NOW: i64 = 1_795_000_000;

/// What a case shows of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    /// A condition holds; a setting is there, and the request passes.
    Positive,
    /// A condition does not hold; a setting is there, and the request is refused.
    Negative,
    /// A condition asks for what the request has not; a setting is not there.
    Absent,
}

const ALL: &[Cell] = &[Cell::Positive, Cell::Negative, Cell::Absent];
const PRESENT: &[Cell] = &[Cell::Positive, Cell::Negative];

type Seen = BTreeMap<String, BTreeSet<Cell>>;

/// What rules can look at, as [`name_of`] names it: every field and key of the engine's table.
fn fields() -> Vec<(String, &'static [Cell])> {
    let Rule { at: _, from: _, to: _, when: _, pruned: _ } = Rule::default();
    let Match { values: _, not_values: _ } = Match::default();
    let mut all = Vec::new();
    for attribute in Attribute::ALL {
        let cells = if attribute.is_always_there() { PRESENT } else { ALL };
        let row = attribute.row();
        if let Some((name, not_name)) = row.field {
            all.extend([name, not_name].map(|name| (format!("{}.{name}", row.part.path()), cells)));
        }
        if let Some(Key::Whole(key) | Key::Bracketed(key)) = row.key {
            all.extend(["", ".notValues"].map(|suffix| (format!("when[{key}]{suffix}"), ALL)));
        }
    }
    all
}

/// The name of a condition without what stands in the brackets of its key: `when[request.headers[x]]` is about
/// `when[request.headers]`.
fn name_of(check: &Check) -> String {
    let key = FieldPath::parse(&check.field).and_then(|path| path.attribute.row().key);
    match key {
        Some(Key::Bracketed(key)) => format!("when[{key}]{}", if check.negated { ".notValues" } else { "" }),
        _ => check.field.clone(),
    }
}

/// What policies set, besides the fields of rules.
fn settings(resources: &Resources) -> Vec<&'static str> {
    let mut set = Vec::new();
    for policy in &resources.authorization {
        let AuthorizationPolicy { meta: _, target, action, provider, dry_run, rules } = policy;
        set.push(match action {
            Action::Allow => "AuthorizationPolicy action ALLOW",
            Action::Deny => "AuthorizationPolicy action DENY",
            Action::Audit => "AuthorizationPolicy action AUDIT",
            Action::Custom => "AuthorizationPolicy action CUSTOM",
        });
        targets("AuthorizationPolicy", target, &mut set);
        let flags = [
            (provider.is_some(), "AuthorizationPolicy provider"),
            (*dry_run, "AuthorizationPolicy istio.io/dry-run"),
            (rules.is_empty(), "AuthorizationPolicy without rules"),
            (rules.iter().any(|rule| rule.from.len() > 1), "AuthorizationPolicy several from"),
            (rules.iter().any(|rule| rule.to.len() > 1), "AuthorizationPolicy several to"),
            (rules.len() > 1, "AuthorizationPolicy several rules"),
            (rules.iter().any(|rule| rule.when.len() > 1), "AuthorizationPolicy several when"),
        ];
        set.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name));
        for Condition { at: _, key: _, values: _ } in rules.iter().flat_map(|rule| &rule.when) {}
    }
    for policy in &resources.request_authentication {
        targets("RequestAuthentication", &policy.target, &mut set);
        if policy.rules.len() > 1 {
            set.push("RequestAuthentication several rules");
        }
        for rule in &policy.rules {
            let JwtRule {
                at: _,
                issuer,
                audiences,
                jwks,
                jwks_uri,
                from_headers,
                from_params,
                from_cookies,
                forward_original_token,
                output_payload_to_header,
                output_claim_to_headers,
                space_delimited_claims,
                timeout,
                presence,
            } = rule;
            let flags = [
                (!issuer.text.is_empty(), "jwtRules.issuer"),
                (!audiences.is_empty(), "jwtRules.audiences"),
                (jwks.is_some(), "jwtRules.jwks"),
                (jwks_uri.is_some(), "jwtRules.jwksUri"),
                (from_headers.iter().any(|from| from.prefix.is_empty()), "jwtRules.fromHeaders"),
                (from_headers.iter().any(|from| !from.prefix.is_empty()), "jwtRules.fromHeaders.prefix"),
                (!from_params.is_empty(), "jwtRules.fromParams"),
                (!from_cookies.is_empty(), "jwtRules.fromCookies"),
                (*forward_original_token, "jwtRules.forwardOriginalToken"),
                (output_payload_to_header.is_some(), "jwtRules.outputPayloadToHeader"),
                (!output_claim_to_headers.is_empty(), "jwtRules.outputClaimToHeaders"),
                (!space_delimited_claims.is_empty(), "jwtRules.spaceDelimitedClaims"),
                (timeout.is_some(), "jwtRules.timeout"),
                (*presence == Presence::Required, "jwtRules.presence REQUIRED"),
            ];
            set.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name));
        }
    }
    for policy in &resources.peer_authentication {
        let PeerAuthentication { meta: _, selector, mode, ports } = policy;
        let mode_of = |mode: Option<MtlsMode>| match mode {
            None => "",
            Some(MtlsMode::Disable) => "PeerAuthentication mtls DISABLE",
            Some(MtlsMode::Permissive) => "PeerAuthentication mtls PERMISSIVE",
            Some(MtlsMode::Strict) => "PeerAuthentication mtls STRICT",
        };
        let port_of = |mode: Option<MtlsMode>| match mode {
            None => "PeerAuthentication portLevelMtls UNSET",
            Some(MtlsMode::Disable) => "PeerAuthentication portLevelMtls DISABLE",
            Some(MtlsMode::Permissive) => "PeerAuthentication portLevelMtls PERMISSIVE",
            Some(MtlsMode::Strict) => "PeerAuthentication portLevelMtls STRICT",
        };
        set.extend([mode_of(*mode)].into_iter().filter(|name| !name.is_empty()));
        set.extend(ports.iter().map(|(_, mode)| port_of(*mode)));
        if selector.as_ref().is_some_and(|labels| !labels.is_empty()) {
            set.push("PeerAuthentication selector");
        }
    }
    set
}

fn targets(kind: &str, target: &Target, set: &mut Vec<&'static str>) {
    let authorization = kind == "AuthorizationPolicy";
    match target {
        Target::Namespace => {}
        Target::EmptySelector if authorization => set.push("AuthorizationPolicy selector {}"),
        Target::EmptySelector => set.push("RequestAuthentication selector {}"),
        Target::Selector(_) if authorization => set.push("AuthorizationPolicy selector"),
        Target::Selector(_) => set.push("RequestAuthentication selector"),
        Target::Refs(_) if !authorization => set.push("RequestAuthentication targetRefs"),
        Target::Refs(refs) => set.extend(refs.iter().map(|target| match target.kind {
            TargetKind::Service => "AuthorizationPolicy targetRefs Service",
            TargetKind::ServiceEntry => "AuthorizationPolicy targetRefs ServiceEntry",
            TargetKind::Gateway => "AuthorizationPolicy targetRefs Gateway",
            TargetKind::GatewayClass => "AuthorizationPolicy targetRefs GatewayClass",
        })),
    }
}

/// What the mesh and the workload say beyond the defaults.
fn surroundings(mesh: &Mesh, workload: &Workload) -> Vec<&'static str> {
    let default = Mesh::default();
    let Mesh {
        root_namespace,
        trust_domain,
        trust_domain_aliases,
        extension_providers,
        path_normalization,
        connection_settings,
        num_trusted_proxies,
        istio_version,
        // Names a filter, and decides nothing.
        gateway_api_http_route_auth: _,
    } = mesh;
    let Workload {
        name: _,
        namespace: _,
        labels: _,
        service_account: _,
        proxy,
        verifies_peers,
        connection_settings: own_settings,
        services,
    } = workload;
    let of = |wanted: fn(&ProviderKind) -> bool| extension_providers.iter().any(|p| wanted(&p.kind));
    let flags = [
        (*root_namespace != default.root_namespace, "mesh rootNamespace"),
        (*trust_domain != default.trust_domain, "mesh trustDomain"),
        (!trust_domain_aliases.is_empty(), "mesh trustDomainAliases"),
        (of(|kind| matches!(kind, ProviderKind::Named)), "mesh extensionProviders by name"),
        (of(|kind| matches!(kind, ProviderKind::Http(_))), "mesh extensionProviders envoyExtAuthzHttp"),
        (of(|kind| matches!(kind, ProviderKind::Grpc(_))), "mesh extensionProviders envoyExtAuthzGrpc"),
        (*num_trusted_proxies > 0, "mesh numTrustedProxies"),
        (*istio_version < IstioVersion::NEWEST, "mesh istioVersion"),
        (!services.is_empty(), "workload services"),
        (connection_settings.is_some(), "mesh connectionSettings"),
        (own_settings.is_some(), "workload connectionSettings"),
        (*verifies_peers == Some(false), "workload peerVerification none"),
        (*verifies_peers == Some(true), "workload peerVerification certificate"),
    ];
    let mut set: Vec<_> = flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    set.push(match path_normalization {
        PathNormalization::None => "mesh pathNormalization NONE",
        PathNormalization::Base => "mesh pathNormalization BASE",
        PathNormalization::MergeSlashes => "mesh pathNormalization MERGE_SLASHES",
        PathNormalization::DecodeAndMergeSlashes => "mesh pathNormalization DECODE_AND_MERGE_SLASHES",
    });
    set.extend(match proxy {
        ProxyKind::Sidecar => Some("workload proxy sidecar"),
        ProxyKind::Gateway => Some("workload proxy gateway"),
        ProxyKind::Waypoint => Some("workload proxy waypoint"),
        ProxyKind::Ztunnel => Some("workload proxy ztunnel"),
        // It refuses nobody.
        ProxyKind::Agentgateway => None,
    });
    set
}

/// What a request says.
fn stated(request: &RequestSpec) -> Vec<&'static str> {
    let RequestSpec {
        at: _,
        protocol,
        method,
        path,
        host,
        headers,
        token,
        claims,
        principal,
        source_ip,
        remote_ip,
        destination_ip,
        destination_port,
        sni,
        time,
        ext_authz,
        metadata,
    } = request;
    let flags = [
        (*protocol == Protocol::Tcp, "request protocol tcp"),
        (method != "GET", "request method"),
        (path != "/", "request path"),
        (host.is_some(), "request host"),
        (!headers.is_empty(), "request headers"),
        (token.is_some(), "request token"),
        (claims.is_some(), "request claims"),
        (principal.is_some(), "request source.principal"),
        (source_ip.is_some(), "request source.ip"),
        (remote_ip.is_some(), "request remoteIp"),
        (destination_ip.is_some(), "request destination.ip"),
        (destination_port.is_some(), "request destination.port"),
        (sni.is_some(), "request sni"),
        (time.is_some(), "request time"),
        (!ext_authz.is_empty(), "request extAuthz"),
        (!metadata.is_empty(), "request metadata"),
    ];
    flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

/// All settings that there are; those in the second list can never refuse, or never pass.
const SETTINGS: &[&str] = &[
    "AuthorizationPolicy action ALLOW",
    "AuthorizationPolicy action DENY",
    "AuthorizationPolicy action AUDIT",
    "AuthorizationPolicy action CUSTOM",
    "AuthorizationPolicy provider",
    "AuthorizationPolicy istio.io/dry-run",
    "AuthorizationPolicy without rules",
    "AuthorizationPolicy several from",
    "AuthorizationPolicy several to",
    "AuthorizationPolicy several when",
    "AuthorizationPolicy several rules",
    "AuthorizationPolicy selector",
    "AuthorizationPolicy targetRefs Service",
    "AuthorizationPolicy targetRefs ServiceEntry",
    "AuthorizationPolicy targetRefs Gateway",
    "AuthorizationPolicy targetRefs GatewayClass",
    "RequestAuthentication selector",
    "RequestAuthentication targetRefs",
    "RequestAuthentication several rules",
    "jwtRules.issuer",
    "jwtRules.audiences",
    "jwtRules.jwks",
    "jwtRules.jwksUri",
    "jwtRules.fromHeaders",
    "jwtRules.fromHeaders.prefix",
    "jwtRules.fromParams",
    "jwtRules.fromCookies",
    "jwtRules.forwardOriginalToken",
    "jwtRules.outputPayloadToHeader",
    "jwtRules.outputClaimToHeaders",
    "jwtRules.spaceDelimitedClaims",
    "jwtRules.timeout",
    "jwtRules.presence REQUIRED",
    "AuthorizationPolicy selector {}",
    "RequestAuthentication selector {}",
    "PeerAuthentication selector",
    "PeerAuthentication mtls STRICT",
    "PeerAuthentication mtls PERMISSIVE",
    "PeerAuthentication mtls DISABLE",
    "PeerAuthentication portLevelMtls STRICT",
    "PeerAuthentication portLevelMtls PERMISSIVE",
    "PeerAuthentication portLevelMtls DISABLE",
    "PeerAuthentication portLevelMtls UNSET",
    "mesh rootNamespace",
    "mesh trustDomain",
    "mesh trustDomainAliases",
    "mesh extensionProviders by name",
    "mesh extensionProviders envoyExtAuthzHttp",
    "mesh extensionProviders envoyExtAuthzGrpc",
    "mesh pathNormalization NONE",
    "mesh pathNormalization BASE",
    "mesh pathNormalization MERGE_SLASHES",
    "mesh pathNormalization DECODE_AND_MERGE_SLASHES",
    "mesh numTrustedProxies",
    "mesh connectionSettings",
    "mesh istioVersion",
    "workload proxy sidecar",
    "workload proxy gateway",
    "workload proxy waypoint",
    "workload proxy ztunnel",
    "workload connectionSettings",
    "workload peerVerification certificate",
    "workload peerVerification none",
    "workload services",
    "request protocol tcp",
    "request method",
    "request path",
    "request host",
    "request headers",
    "request token",
    "request claims",
    "request source.principal",
    "request source.ip",
    "request remoteIp",
    "request destination.ip",
    "request destination.port",
    "request sni",
    "request time",
    "request extAuthz",
    "request metadata",
];

#[test]
fn every_field_has_its_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tests/corpus");
    let (mut seen, mut cases) = (Seen::new(), 0);
    for path in find(&[folder]).0 {
        let loaded = load(&path).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            let plan = Plan::build(resources, &test.workload, &test.mesh);
            let results = Runner::new(&SoftwareCrypto, NOW).test(test, resources);
            for (case, result) in test.cases.iter().zip(results.cases) {
                cases += 1;
                let mut set: BTreeSet<&str> = settings(resources).into_iter().collect();
                set.extend(surroundings(&test.mesh, &test.workload));
                set.extend(stated(&case.request));
                for name in SETTINGS {
                    let cell = match (set.contains(name), result.report.verdict) {
                        (false, _) => Cell::Absent,
                        (true, Outcome::Allow) => Cell::Positive,
                        (true, Outcome::Deny) => Cell::Negative,
                        (true, Outcome::Unknown | Outcome::Redirect) => continue,
                    };
                    seen.entry((*name).into()).or_default().insert(cell);
                }
                if let Some(unlisted) = set.iter().find(|name| !SETTINGS.contains(name)) {
                    panic!("{unlisted} is missing in SETTINGS");
                }
                let ready =
                    Prepared::new(&case.request, plan.authenticator(), &test.workload, &test.mesh, NOW);
                let explained = ready.explain(&plan, &SoftwareCrypto);
                for rule in explained.stages.iter().flat_map(|stage| &stage.rules) {
                    for check in rule.from.iter().chain(&rule.to).flatten().chain(&rule.when) {
                        let cells = seen.entry(name_of(check)).or_default();
                        cells.extend(match check.met {
                            Some(true) => Some(Cell::Positive),
                            Some(false) => Some(Cell::Negative),
                            None => None,
                        });
                        if check.got.is_none() && check.met.is_some() {
                            cells.insert(Cell::Absent);
                        }
                    }
                }
            }
        }
    }
    let wanted = fields().into_iter().chain(SETTINGS.iter().map(|name| ((*name).to_string(), ALL)));
    let nothing = BTreeSet::new();
    let missing: Vec<String> = wanted
        .flat_map(|(name, cells)| {
            let known = seen.get(&name).unwrap_or(&nothing);
            let missing: Vec<String> = cells
                .iter()
                .filter(|cell| !known.contains(cell))
                .map(|cell| format!("{name}: {cell:?}"))
                .collect();
            missing
        })
        .collect();
    assert!(missing.is_empty(), "{} cells have no case:\n{}\n{seen:#?}", missing.len(), missing.join("\n"));
    assert!(cases >= 600, "{cases} cases");
}
