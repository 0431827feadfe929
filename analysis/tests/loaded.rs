//! What a proxy has loaded as a side of a comparison: the policies of the corpus beside their own export must be
//! equivalent, and with a rule less they must not be.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_analysis::{
    diff::{Changes, Problem, State, of_workload},
    drift::{Drift, Object, ObjectState, drift},
    imported::Proxy,
    invariant::{Must, Requests, allowed, violations},
};
use gnomon_engine::{
    Mesh, Node, Plan, Workload,
    attach::verifies_peers,
    jwt::SoftwareCrypto,
    prepare::ProxySettings,
    request::Protocol,
    resource::Resources,
    workload::{PathNormalization, ProxyKind, Underscores},
};
use gnomon_envoy_config::{export, import::Imported};
use gnomon_manifests::{
    load_text, parse,
    suite::{find, load},
};
use gnomon_oracle::{tape::Tape, worlds};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// 2026-11-21: the clock of requests without a time.
const NOW: i64 = 1_795_000_000;

/// The filters of one protocol in a listener, under a connection manager as istiod configures it.
fn listener(resources: &Resources, workload: &Workload, mesh: &Mesh, protocol: Protocol) -> Value {
    let filters = export(resources, workload, mesh, protocol);
    let filters = match protocol {
        Protocol::Tcp => filters,
        Protocol::Http => {
            let settings = ProxySettings::of(workload, mesh);
            let underscores = match settings.underscores {
                Underscores::Allow => "ALLOW",
                Underscores::Reject => "REJECT_REQUEST",
                Underscores::Drop => "DROP_HEADER",
            };
            vec![json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "httpFilters": filters,
                "normalizePath": settings.path.normalize,
                "mergeSlashes": settings.path.merge_slashes,
                "pathWithEscapedSlashesAction": settings.path.escaped_slashes,
                "commonHttpProtocolOptions": {"headersWithUnderscoresAction": underscores},
                "useRemoteAddress": settings.gateway,
                "xffNumTrustedHops": settings.hops,
            }})]
        }
    };
    let mut listener = json!({ "name": "l", "filterChains": [{ "name": "c", "filters": filters }] });
    if workload.proxy == ProxyKind::Waypoint {
        listener["internalListener"] = json!({});
    }
    listener
}

fn import(document: &Value) -> Imported {
    let node: Node = serde_json::from_value(document.clone()).unwrap();
    Imported::read(&node, &Arc::from("loaded"))
}

/// The policies beside what is loaded.
fn compare(
    resources: &Resources,
    workload: &Workload,
    mesh: &Mesh,
    imported: &Imported,
) -> Result<Changes, Problem> {
    let state = State { resources, workload, mesh };
    let proxy = Proxy { imported, listener: Some("c"), workload, mesh };
    of_workload(state, proxy, NOW, &SoftwareCrypto, Default::default())
}

/// Every set of policies of a folder's suites beside what istiod makes of it.
fn run(folder: &str, at_least: usize) {
    let (files, unread) = find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)]);
    assert!(unread.is_empty(), "{unread:?}");
    let (mut compared, mut refused) = (0, BTreeSet::new());
    let mut wrong = Vec::new();
    let mut known = BTreeSet::new();
    for file in &files {
        let loaded = load(file).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()));
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            let (workload, mesh) = (&test.workload, &test.mesh);
            // These have no such filters; mutual TLS is not in them; and of a minor version each patch release has its own.
            let beyond = matches!(workload.proxy, ProxyKind::Ztunnel | ProxyKind::Agentgateway)
                || !resources.peer_authentication.is_empty()
                || resources.requires_tokens()
                || file.ends_with("key-sets.gnomon.yaml")
                || Plan::build(resources, workload, mesh).releases().count() > 1;
            if beyond || !known.insert(format!("{resources:?}{workload:?}{mesh:?}")) {
                continue;
            }
            let workload = &Workload {
                verifies_peers: Some(verifies_peers(resources, workload)),
                ..(**workload).clone()
            };
            for protocol in [Protocol::Http, Protocol::Tcp] {
                let imported = import(&listener(resources, workload, mesh, protocol));
                let place = format!("{}: {} ({protocol:?})", file.display(), test.name);
                match compare(resources, workload, mesh, &imported) {
                    Ok(changes) if changes.is_equivalent() => compared += 1,
                    Ok(changes) => {
                        let witness =
                            [&changes.newly_allowed, &changes.newly_denied, &changes.newly_undecided];
                        let told = witness.into_iter().flatten().next().unwrap();
                        wrong.push(format!(
                            "{place}: {} -> {}",
                            gnomon_analysis::diff::document(&told.request),
                            changes
                                .summary
                                .iter()
                                .map(|line| format!("{line:?}"))
                                .collect::<Vec<_>>()
                                .join("\n")
                        ));
                    }
                    Err(why @ Problem::Unconfirmed(_)) => wrong.push(format!("{place}: {why}")),
                    Err(why) => {
                        refused.insert(format!("{place}: {why}"));
                    }
                }
            }
        }
    }
    println!("{compared} equivalent; refused:");
    refused.iter().for_each(|why| println!("  {why}"));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= at_least, "only {compared}");
    assert!(refused.len() * 5 <= compared, "{} of {compared} refused", refused.len());
}

#[test]
fn the_corpus_is_what_it_exports() {
    run("host-tests/corpus", 200);
}

#[test]
fn the_examples_are_what_they_export() {
    run("examples", 20);
}

const POLICIES: &str = r#"
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec: {jwtRules: [{issuer: https://login.example.com, jwksUri: https://login.example.com/keys}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: [/admin*], notMethods: [GET]}}]
    when: [{key: "request.headers[x-tier]", notValues: [gold]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders, namespace: shop}
spec:
  rules:
  - from: [{source: {namespaces: [web], notPrincipals: [cluster.local/ns/web/sa/batch]}}]
    to: [{operation: {methods: [GET, POST], paths: ["/orders/{*}", "/health"], hosts: ["*.example.com"], ports: ["8080"]}}]
  - from: [{source: {requestPrincipals: ["https://login.example.com/*"], remoteIpBlocks: [10.0.0.0/8]}}]
    when: [{key: "request.auth.claims[group]", values: [admin, "dev*"]}, {key: connection.sni, values: ["*.example.com"]}]
"#;

/// What was taken out of or put into the policies is found in what is loaded, both ways, with a request that both sides
/// confirm.
#[test]
fn a_change_is_found_in_what_is_loaded() {
    let shop = |text: &str| load_text(text, "policies.yaml").unwrap().resources;
    let (workload, mesh) = (&Workload { namespace: "shop".into(), ..Workload::default() }, &Mesh::default());
    let loaded = import(&listener(&shop(POLICIES), workload, mesh, Protocol::Http));
    for (from, to) in [
        ("/admin*", "/admin/*"),
        ("notMethods: [GET]", "notMethods: [GET, HEAD]"),
        ("notValues: [gold]", "notValues: [gold, silver]"),
        ("namespaces: [web]", "namespaces: [web, batch]"),
        (", notPrincipals: [cluster.local/ns/web/sa/batch]", ""),
        ("methods: [GET, POST]", "methods: [GET]"),
        ("/orders/{*}", "/orders/{**}"),
        ("hosts: [\"*.example.com\"]", "hosts: [\"*.example.org\"]"),
        ("ports: [\"8080\"]", "ports: [\"8081\"]"),
        ("https://login.example.com/*\"]", "*\"]"),
        ("10.0.0.0/8", "10.0.0.0/9"),
        ("[admin, \"dev*\"]", "[admin]"),
        ("connection.sni, values: [\"*.example.com\"]", "connection.sni, values: [\"a.example.com\"]"),
        ("issuer: https://login", "issuer: https://other"),
    ] {
        assert!(POLICIES.contains(from), "{from}");
        let changed = shop(&POLICIES.replacen(from, to, 1));
        match compare(&changed, workload, mesh, &loaded) {
            // With one issuer only, any is that one.
            Ok(changes) if from.ends_with("/*\"]") => assert!(changes.is_equivalent(), "{from}"),
            Ok(changes) => assert!(!changes.is_equivalent() && !changes.summary.is_empty(), "{from}"),
            Err(why) => panic!("{from}: {why}"),
        }
    }
    assert!(compare(&shop(POLICIES), workload, mesh, &loaded).unwrap().is_equivalent());
}

/// Random policies beside their own export: 120 worlds.
#[test]
fn random_worlds_are_what_they_export() {
    let (mut compared, mut beyond) = (0, 0);
    for seed in 0..120_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u16
        };
        let choices: Vec<u16> = (0..900).map(|_| next()).collect();
        let world = worlds::world(&mut Tape::new(&choices));
        let workload = &Workload {
            verifies_peers: Some(verifies_peers(&world.resources, &world.workload)),
            ..world.workload.clone()
        };
        if matches!(workload.proxy, ProxyKind::Ztunnel | ProxyKind::Agentgateway) {
            continue;
        }
        for protocol in [Protocol::Http, Protocol::Tcp] {
            let loaded = import(&listener(&world.resources, workload, &world.mesh, protocol));
            match compare(&world.resources, workload, &world.mesh, &loaded) {
                Ok(changes) if changes.is_equivalent() => compared += 1,
                Ok(changes) => {
                    panic!("seed {seed} {protocol:?}: {:?}\n{:?}", changes.summary, world.resources)
                }
                Err(Problem::Undecided(_) | Problem::Untranslated(_)) => beyond += 1,
                Err(why) => panic!("seed {seed} {protocol:?}: {why}"),
            }
        }
    }
    println!("{compared} compared, {beyond} beyond");
    assert!(compared > beyond, "{compared} compared, {beyond} beyond");
}

fn loaded_from(text: &str) -> Imported {
    let (documents, problems) = parse(text, &Arc::from("loaded.yaml"));
    assert!(problems.is_empty(), "{problems:?}");
    Imported::read(&documents[0], &Arc::from("loaded.yaml"))
}

fn between(old: &str, new: &str) -> Result<Changes, Problem> {
    let (old, new) = (loaded_from(old), loaded_from(new));
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    let proxy = |imported| Proxy { imported, listener: None, workload, mesh };
    of_workload(proxy(&old), proxy(&new), NOW, &SoftwareCrypto, Default::default())
}

/// Kuma's MeshTrafficPermission, as its inbound listener has it.
const KUMA: &str = r#"
name: inbound:10.0.0.7:8080
trafficDirection: INBOUND
address: {socketAddress: {address: 10.0.0.7, portValue: 8080}}
filterChains:
- transportSocket:
    name: envoy.transport_sockets.tls
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
      requireClientCertificate: true
  filters:
  - name: envoy.filters.network.rbac
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC
      statPrefix: inbound_10_0_0_7_8080.
      rules:
        policies:
          MeshTrafficPermission:
            permissions: [{any: true}]
            principals:
            - authenticated: {principalName: {exact: "spiffe://default/frontend"}}
            - andIds: {ids: [{authenticated: {principalName: {prefix: "spiffe://default/"}}}, {notId: {authenticated: {principalName: {exact: "spiffe://default/batch"}}}}]}
  - name: envoy.filters.network.tcp_proxy
    typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: x}
"#;

#[test]
fn kumas_permissions() {
    assert!(between(KUMA, KUMA).unwrap().is_equivalent());
    let wider = KUMA.replace("- andIds: {ids: [{authenticated: {principalName: {prefix: \"spiffe://default/\"}}}, {notId: {authenticated: {principalName: {exact: \"spiffe://default/batch\"}}}}]}", "- authenticated: {principalName: {prefix: \"spiffe://default/\"}}");
    assert_ne!(wider, KUMA);
    let changes = between(KUMA, &wider).unwrap();
    let witness = changes.newly_allowed.unwrap();
    assert_eq!(witness.request.principal.as_deref(), Some("default/batch"));
    assert!(changes.newly_denied.is_none());
    // The first principal lies in the second.
    let same = KUMA.replace("- authenticated: {principalName: {exact: \"spiffe://default/frontend\"}}\n", "");
    assert!(between(KUMA, &same).unwrap().is_equivalent());
}

/// The same of SPIFFE ids, in Kuma's newer form: a matcher, which refuses before it allows.
const KUMAS_MATCHER: &str = r#"
name: inbound:10.0.0.7:8080
trafficDirection: INBOUND
address: {socketAddress: {address: 10.0.0.7, portValue: 8080}}
filterChains:
- transportSocket:
    name: envoy.transport_sockets.tls
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
      requireClientCertificate: true
  filters:
  - name: envoy.filters.network.rbac
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC
      statPrefix: inbound_10_0_0_7_8080.
      matcher:
        matcherList:
          matchers:
          - predicate: {singlePredicate: {input: {name: uri, typedConfig: {"@type": type.googleapis.com/envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput}}, valueMatch: {exact: "spiffe://default/batch"}}}
            onMatch: {action: {name: envoy.filters.rbac.action, typedConfig: {"@type": type.googleapis.com/envoy.config.rbac.v3.Action, name: no-batch, action: DENY}}}
          - predicate: {singlePredicate: {input: {name: uri, typedConfig: {"@type": type.googleapis.com/envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput}}, valueMatch: {prefix: "spiffe://default/"}}}
            onMatch: {action: {name: envoy.filters.rbac.action, typedConfig: {"@type": type.googleapis.com/envoy.config.rbac.v3.Action, name: the-mesh, action: ALLOW}}}
        onNoMatch: {action: {name: envoy.filters.rbac.action, typedConfig: {"@type": type.googleapis.com/envoy.config.rbac.v3.Action, name: default, action: DENY}}}
  - name: envoy.filters.network.tcp_proxy
    typedConfig: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: x}
"#;

#[test]
fn kumas_matcher() {
    assert!(between(KUMA, KUMAS_MATCHER).unwrap().is_equivalent());
    let without = KUMAS_MATCHER.replace("spiffe://default/batch", "spiffe://default/nobody");
    let changes = between(KUMAS_MATCHER, &without).unwrap();
    assert_eq!(changes.newly_allowed.unwrap().request.principal.as_deref(), Some("default/batch"));
    assert_eq!(changes.newly_denied.unwrap().request.principal.as_deref(), Some("default/nobody"));
    // What is refused behind everything that is allowed is refused anyway.
    let none = KUMAS_MATCHER.split("        onNoMatch").next().unwrap().to_owned()
        + KUMAS_MATCHER.split("name: default, action: DENY}}}\n").nth(1).unwrap();
    assert!(between(KUMAS_MATCHER, &none).unwrap().is_equivalent());
}

/// As one writes it by hand: nested, in snake case, with matches that Istio never makes.
const BY_HAND: &str = r#"
static_resources:
  listeners:
  - name: edge
    address: {socket_address: {address: 0.0.0.0, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          normalize_path: true
          http_filters:
          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: ALLOW
                policies:
                  readers:
                    permissions:
                    - or_rules:
                        rules:
                        - and_rules: {rules: [{header: {name: ":method", string_match: {exact: GET}}}, {not_rule: {url_path: {path: {prefix: /private}}}}]}
                        - header: {name: x-key, string_match: {exact: open}, treat_missing_header_as_empty: true, invert_match: true}
                        - destination_port_range: {start: 10000, end: 10002}
                    principals: [{any: true}]
          - name: envoy.filters.http.router
"#;

#[test]
fn what_is_written_by_hand() {
    assert!(between(BY_HAND, BY_HAND).unwrap().is_equivalent());
    // Without the header its value counts as empty, and empty is not `open`: everybody passes.
    let open =
        BY_HAND.replace("                        - destination_port_range: {start: 10000, end: 10002}\n", "");
    let changes = between(&open, &open.replace(", treat_missing_header_as_empty: true", "")).unwrap();
    assert!(changes.newly_allowed.is_none());
    let denied = changes.newly_denied.unwrap();
    assert!(denied.request.headers.iter().all(|(name, _)| name != "x-key"), "{:?}", denied.request);
    let more = between(BY_HAND, &BY_HAND.replace("end: 10002", "end: 10003")).unwrap();
    assert_eq!(more.newly_allowed.unwrap().request.destination_port, Some(10_002));
}

/// What has no form as conditions is refused, with its name.
#[test]
fn what_cannot_be_said_is_named() {
    let base = BY_HAND.replace("string_match: {exact: GET}", "string_match: {MATCH}");
    for (matched, told) in [
        ("safe_regex: {regex: \"(GE)*T\"}", "the header :method by the regular expression `(GE)*T`"),
        ("safe_regex: {regex: \"\\\\bGET\"}", "the header :method by the regular expression `\\bGET`"),
    ] {
        let changed = base.replace("MATCH", matched);
        let why = between(BY_HAND, &changed).unwrap_err().to_string();
        assert!(why.contains(told) && why.contains("readers"), "{why}");
    }
    for (principal, told) in [
        (
            "metadata: {filter: f, path: [{key: a}, {key: b}], value: {string_match: {exact: x}}}",
            "metadata of f at a.b",
        ),
        (
            "metadata: {filter: f, path: [{key: a}], value: {string_match: {contains: x}}}",
            "metadata of f at a, which contains `x`",
        ),
        ("header: {name: x-a, string_match: {safe_regex: {regex: a.b}}}", "/a.b/ counts characters"),
        ("filter_state: {key: k, string_match: {exact: x}}", "filter state k"),
    ] {
        let changed = BY_HAND.replace("principals: [{any: true}]", &format!("principals: [{{{principal}}}]"));
        let why = between(BY_HAND, &changed).unwrap_err().to_string();
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn peers_that_are_not_asked_about() {
    for (name, told) in [
        ("frontend.example.com", "a peer that is no SPIFFE id"),
        ("spiffe://TD/frontend", "a peer whose SPIFFE id has signs that no such id has"),
    ] {
        let why = between(KUMA, &KUMA.replace("spiffe://default/frontend", name)).unwrap_err().to_string();
        assert!(why.contains(told), "{why}");
    }
}

/// Consul's intentions on a service of HTTP, default deny: `web` may read below `/v1` but for the secret, every service
/// of the namespace but `batch` may ask for `/health`.
const CONSUL: &str = r#"
name: public_listener:10.0.0.8:20000
trafficDirection: INBOUND
address: {socketAddress: {address: 10.0.0.8, portValue: 20000}}
filterChains:
- transportSocket:
    name: tls
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
      requireClientCertificate: true
  filters:
  - name: envoy.filters.network.http_connection_manager
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      normalizePath: true
      httpFilters:
      - name: envoy.filters.http.rbac
        typedConfig:
          "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
          rules:
            policies:
              consul-intentions-layer7-0:
                permissions:
                - andRules: {rules: [{andRules: {rules: [{urlPath: {path: {safeRegex: {regex: "/v[123](/.*)?"}}}}, {header: {name: ":method", stringMatch: {safeRegex: {regex: "GET|HEAD"}}}}]}}, {notRule: {urlPath: {path: {exact: /v1/secret}}}}]}
                principals:
                - authenticated: {principalName: {safeRegex: {regex: "^spiffe://7c40\\.consul/ns/default/dc/[^/]+/svc/web$"}}}
              consul-intentions-layer7-1:
                permissions: [{urlPath: {path: {exact: /health}}}]
                principals:
                - andIds: {ids: [{authenticated: {principalName: {safeRegex: {regex: "^spiffe://7c40\\.consul/ns/default/dc/[^/]+/svc/[^/]+$"}}}}, {notId: {authenticated: {principalName: {safeRegex: {regex: "^spiffe://7c40\\.consul/ns/default/dc/[^/]+/svc/batch$"}}}}}]}
"#;

#[test]
fn consuls_intentions() {
    assert!(between(CONSUL, CONSUL).unwrap().is_equivalent());
    let changed = |from: &str, to: &str| {
        let new = CONSUL.replacen(from, to, 1);
        assert_ne!(new, CONSUL, "{from}");
        between(CONSUL, &new).unwrap()
    };
    // In another data centre, of every name, with another path.
    for (from, to, principal) in [
        ("/dc/[^/]+/svc/web$", "/dc/[^/]+/svc/web-?[a-z]*$", "7c40.consul/ns/default/dc/"),
        ("/dc/[^/]+/svc/batch$", "/dc/dc1/svc/batch$", "7c40.consul/ns/default/dc/"),
        ("ns/default/dc/[^/]+/svc/web", "ns/[^/]+/dc/[^/]+/svc/web", "7c40.consul/ns/"),
    ] {
        let changes = changed(from, to);
        let allowed = changes.newly_allowed.unwrap_or_else(|| panic!("{from}"));
        assert!(allowed.request.principal.is_some_and(|name| name.starts_with(principal)), "{from}");
        assert!(changes.newly_denied.is_none(), "{from}");
    }
    let changes = changed("/v[123](/.*)?", "/v[12](/.*)?");
    assert!(changes.newly_allowed.is_none());
    assert!(changes.newly_denied.unwrap().request.path.starts_with("/v3"));
    // In words that say the same.
    for (from, to) in [("GET|HEAD", "(GE|HEA)[TD]"), ("/v[123](/.*)?", "/v[1-3]|/v[1-3]/.*")] {
        let same = changed(from, to);
        assert_eq!(same.is_equivalent(), from.starts_with('/'), "{:?}", same.newly_allowed);
    }
}

/// STRICT instead of PERMISSIVE: the listener has no chain for plaintext any more, whatever the filters say.
#[test]
fn a_listener_that_takes_no_plaintext() {
    let permissive = std::fs::read_to_string("../cli/tests/data/import/sidecar.yaml").unwrap();
    let strict = permissive.replace("transportProtocol: raw_buffer", "transportProtocol: none");
    assert!(between(&permissive, &permissive).unwrap().is_equivalent());
    let changes = between(&permissive, &strict).unwrap();
    assert!(changes.newly_allowed.is_none());
    let denied = changes.newly_denied.unwrap();
    assert_eq!(denied.request.principal, None);
    assert!(
        changes.summary.iter().any(|line| line.new.what == "no filter chain takes such a connection"),
        "{:?}",
        changes.summary
    );
    assert!(changes.summary.iter().all(|line| line.requests.contains("plaintext")), "{:?}", changes.summary);
}

/// Who may, and what must not be, asked of a configuration alone.
#[test]
fn invariants_of_what_is_loaded() {
    let permissive = std::fs::read_to_string("../cli/tests/data/import/sidecar.yaml").unwrap();
    let imported = loaded_from(&permissive);
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    let proxy = Proxy { imported: &imported, listener: None, workload, mesh };
    let rule = |path: &str| {
        Requests::new(json!({"to": [{"operation": {"paths": [path]}}]}), Protocol::Http).unwrap()
    };
    let may = |path: &str| allowed(proxy, &rule(path), NOW, &SoftwareCrypto).unwrap();
    assert!(may("/admin/*").is_equivalent());
    assert!(may("/adm*").newly_allowed.is_some_and(|witness| !witness.request.path.starts_with("/admin")));
    let breaks = |must, path: &str| violations(proxy, must, &rule(path), NOW, &SoftwareCrypto).unwrap();
    assert!(breaks(Must::Never, "/admin/*").is_equivalent());
    assert!(breaks(Must::Always, "/orders*").is_equivalent());
    assert!(
        breaks(Must::Always, "/a*")
            .newly_denied
            .is_some_and(|witness| witness.request.path.starts_with("/admin"))
    );
}

/// What is declared for shop/web beside what is loaded.
fn drifted(declared: &str, imported: &Imported, mesh: &Mesh) -> Drift {
    let loaded = load_text(declared, "declared.yaml").unwrap();
    let workload = &Workload { namespace: "shop".into(), ..Workload::default() };
    let state = State { resources: &loaded.resources, workload, mesh };
    let proxy = Proxy { imported, listener: None, workload, mesh };
    drift(state, proxy, NOW, &SoftwareCrypto).unwrap()
}

/// What istiod makes of policies for shop/web.
fn made_of(policies: &str, mesh: &Mesh) -> Imported {
    let loaded = load_text(policies, "loaded.yaml").unwrap();
    let workload = Workload { namespace: "shop".into(), ..Workload::default() };
    import(&listener(&loaded.resources, &workload, mesh, Protocol::Http))
}

fn told(objects: &[Object]) -> Vec<(&str, &str, &str, ObjectState)> {
    objects.iter().map(|one| (&*one.kind, &*one.name, &*one.part, one.state)).collect()
}

fn tokens(rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: tokens, namespace: shop}}\nspec: \
         {{jwtRules: [{rules}]}}\n"
    )
}

#[test]
fn issuers_that_are_not_as_declared() {
    let mesh = Mesh::default();
    let rule = |issuer: &str, more: &str| format!("{{issuer: {issuer}, jwksUri: https://keys.test/k{more}}}");
    let declared = tokens(&[rule("a", ""), rule("b", ", audiences: [api]"), rule("d", "")].join(", "));
    let loaded =
        made_of(&tokens(&[rule("b", ", audiences: [web]"), rule("c", ""), rule("d", "")].join(", ")), &mesh);
    let found = drifted(&declared, &loaded, &mesh);
    let kind = "RequestAuthentication";
    assert_eq!(
        told(&found.objects),
        [
            (kind, "shop/tokens", "issuer a", ObjectState::Missing),
            (kind, "shop/tokens", "issuer b", ObjectState::Different),
            (kind, "", "issuer c", ObjectState::Stale),
        ]
    );
    assert_eq!((found.objects[0].line, found.objects[1].why.len()), (4, 1));
    assert!(!found.is_equivalent());
    let same = drifted(&declared, &made_of(&declared, &mesh), &mesh);
    assert!(same.is_equivalent() && same.objects.is_empty(), "{same:?}");
}

/// Requests mean something else to a connection manager with other settings: they are named, and nothing is compared.
#[test]
fn settings_that_are_not_as_declared() {
    let (mesh, other) =
        (Mesh::default(), Mesh { path_normalization: PathNormalization::MergeSlashes, ..Mesh::default() });
    let policies = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: shop}\nspec: \
                    {rules: [{to: [{operation: {paths: [/a]}}]}]}\n";
    let found = drifted(policies, &made_of(policies, &other), &mesh);
    assert_eq!(found.settings, ["mergeSlashes: declared false, loaded true"]);
    assert!(found.changes.is_none() && !found.is_equivalent() && found.objects.is_empty());
}

/// The listeners of a sidecar that istiod has configured, with STRICT declared and not loaded, and the other way round.
#[test]
fn mutual_tls_that_is_not_as_declared() {
    let mesh = Mesh::default();
    let permissive = std::fs::read_to_string("../cli/tests/data/import/sidecar.yaml").unwrap();
    let strict = permissive.replace("transportProtocol: raw_buffer", "transportProtocol: none");
    let mode = |mode: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default, namespace: shop}}\nspec: \
             {{mtls: {{mode: {mode}}}}}\n"
        )
    };
    for (declared, listener, differs) in [
        ("STRICT", &permissive, true),
        ("PERMISSIVE", &strict, true),
        ("STRICT", &strict, false),
        ("PERMISSIVE", &permissive, false),
    ] {
        let found = drifted(&mode(declared), &loaded_from(listener), &mesh);
        let own: Vec<_> = found.objects.iter().filter(|one| one.kind == "PeerAuthentication").collect();
        assert_eq!(own.len(), usize::from(differs), "{declared}: {own:?}");
        if let [one] = own[..] {
            assert_eq!((&*one.name, one.state, one.line), ("shop/default", ObjectState::Different, 1));
            assert!(one.why[0].starts_with(&format!("declared {declared}, loaded ")), "{one:?}");
        }
    }
}
