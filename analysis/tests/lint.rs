//! Each lint: what it finds, where, and what it leaves alone.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "a test")]

use gnomon_analysis::{
    Runner,
    lint::{self, Example, Finding, LINTS, Settings},
};
use gnomon_engine::{Mesh, Severity, jwt::SoftwareCrypto, verdict::Outcome};
use gnomon_manifests::{load_text, suite};
use std::sync::Arc;

/// The findings that the tables of this file are about; `lints.rs` has those of the others.
const HERE: [&str; 9] = [
    "host-without-port",
    "http-on-tcp",
    "ignore-without-reason",
    "node-port",
    "source-nat",
    "tls-towards-peers",
    "unknown-lint",
    "unused-ignore",
    "unverified-peers",
];

/// `code field: message`, each finding on a line.
fn found(text: &str) -> Vec<String> {
    let told = all(text);
    let told = told.iter().map(|finding| &finding.diagnostic).filter(|told| HERE.contains(&told.code));
    told.map(|finding| format!("{} {}: {}", finding.code, finding.field, finding.message)).collect()
}

/// All findings, with the mesh that the manifests configure.
fn all(text: &str) -> Vec<Finding> {
    let read = load_text(text, "p.yaml").map_err(|wrong| wrong.to_string());
    assert!(read.is_ok(), "{read:?}\n{text}");
    let loaded = read.unwrap_or_default();
    let mesh = loaded.inventory.mesh(&mut Vec::new()).map(|(_, mesh)| mesh);
    let (default, is_known) = (Mesh::default(), mesh.is_some());
    let mesh = mesh.unwrap_or(default);
    let mut settings = Settings::new(&mesh);
    settings.mesh_is_known = is_known;
    let told = lint::findings(&loaded, &settings, &|_| Some(text.to_owned()));
    for finding in &told {
        let Finding { diagnostic, related, fix, .. } = finding;
        assert!(diagnostic.at.line > 0 && !diagnostic.help.is_empty(), "{diagnostic}");
        assert!(related.iter().all(|place| place.at.line > 0), "{diagnostic}: {related:?}");
        assert!(fix.iter().all(|edit| edit.at.line > 0), "{diagnostic}: {fix:?}");
    }
    told
}

/// An AuthorizationPolicy at a gateway with this action and rule.
fn policy(action: &str, rule: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: p, namespace: istio-system}}
spec: {{selector: {{matchLabels: {{istio: egressgateway}}}}, action: {action}, rules: [{rule}]}}
"
    )
}

fn gateway(server: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g, namespace: istio-system}}
spec: {{selector: {{istio: egressgateway}}, servers: [{server}]}}
"
    )
}

fn peer(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"
    )
}

fn destination(host: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: d, namespace: shop}}
spec: {{host: \"{host}\", {spec}}}
"
    )
}

#[test]
fn node_ports() {
    for (rule, fields) in [
        ("{to: [{operation: {ports: ['30000']}}]}", &["spec.rules[0].to[0].operation.ports[0]"][..]),
        ("{to: [{operation: {ports: ['80', '32767']}}]}", &["spec.rules[0].to[0].operation.ports[1]"]),
        ("{to: [{operation: {notPorts: ['31080']}}]}", &["spec.rules[0].to[0].operation.notPorts[0]"]),
        ("{when: [{key: destination.port, values: ['30443']}]}", &["spec.rules[0].when[0].values[0]"]),
        ("{to: [{operation: {ports: ['29999', '32768', '8080']}}]}", &[]),
        ("{when: [{key: 'request.headers[x]', values: ['30443']}]}", &[]),
    ] {
        let found = found(&policy("ALLOW", rule));
        let wanted = fields.iter().map(|field| format!("node-port {field}: "));
        assert!(found.len() == fields.len(), "{rule}: {found:?}");
        assert!(found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(&wanted)), "{found:?}");
    }
}

#[test]
fn hosts_without_ports() {
    for (action, operation, wanted) in [
        ("DENY", "hosts: [a.com]", 1),
        ("DENY", "hosts: ['*.a.com', b.com]", 2),
        ("DENY", "hosts: [a.com, 'a.com:*']", 0),
        ("DENY", "hosts: ['a.com:443', 'a.com']", 0),
        ("DENY", "hosts: ['a.com*']", 0),
        ("DENY", "hosts: ['*']", 0),
        ("DENY", "notHosts: [a.com]", 0),
        ("ALLOW", "hosts: [a.com]", 0),
        ("ALLOW", "notHosts: [a.com]", 1),
        ("AUDIT", "hosts: [a.com]", 0),
    ] {
        let found = found(&policy(action, &format!("{{to: [{{operation: {{{operation}}}}}]}}")));
        assert_eq!(found.len(), wanted, "{action} {operation}: {found:?}");
        assert!(found.iter().all(|finding| finding.starts_with("host-without-port ")), "{found:?}");
    }
}

#[test]
fn addresses_after_source_nat() {
    let rule =
        "{from: [{source: {ipBlocks: [10.0.0.0/8]}}], when: [{key: source.ip, notValues: [10.0.0.1]}]}";
    let told = found(&policy("ALLOW", rule));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|told| told.starts_with("source-nat spec.rules[0].from[0].source.ipBlocks: ")));
    assert!(told.iter().any(|told| told.starts_with("source-nat spec.rules[0].when[0].notValues: ")));
    assert!(found(&policy("ALLOW", "{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}")).is_empty());
    for (target, wanted) in [
        ("selector: {matchLabels: {app: web}}", 0),
        ("selector: {matchLabels: {app: istio-ingressgateway}}", 2),
        ("targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}]", 2),
        ("targetRefs: [{kind: Service, group: '', name: front}]", 0),
    ] {
        let text = policy("ALLOW", rule).replace("selector: {matchLabels: {istio: egressgateway}}", target);
        assert_eq!(found(&text).len(), wanted, "{target}");
    }
    // Labels of one's own, which a Gateway at hand makes a gateway's.
    let own = (policy("ALLOW", rule) + &gateway("{port: {number: 80, protocol: HTTP}}"))
        .replace("egressgateway", "edge");
    assert_eq!(found(&own).len(), 2);
}

#[test]
fn http_on_tcp_ports() {
    let passthrough = gateway("{port: {number: 443, protocol: TLS}, tls: {mode: PASSTHROUGH}}");
    for (action, rule, wanted) in [
        (
            "ALLOW",
            "{to: [{operation: {methods: [GET]}}]}",
            "`methods`: an ALLOW rule with it is dropped there",
        ),
        (
            "DENY",
            "{to: [{operation: {methods: [POST], ports: ['443']}}]}",
            "`methods`: a DENY rule drops it there",
        ),
        // The port that Istio's chart listens on for it.
        (
            "DENY",
            "{to: [{operation: {methods: [POST], ports: ['8443']}}]}",
            "`methods`: a DENY rule drops it there",
        ),
        ("ALLOW", "{from: [{source: {requestPrincipals: ['*']}}]}", "`requestPrincipals`: an ALLOW rule"),
        (
            "ALLOW",
            "{when: [{key: 'request.headers[x]', values: [a]}]}",
            "`request.headers[x]`: an ALLOW rule",
        ),
        ("AUDIT", "{to: [{operation: {paths: [/a]}}]}", "`paths`: it is dropped there"),
        ("ALLOW", "{to: [{operation: {methods: [GET], ports: ['80']}}]}", ""),
        ("ALLOW", "{to: [{operation: {methods: [GET], notPorts: ['443']}}]}", ""),
        (
            "ALLOW",
            "{to: [{operation: {methods: [GET]}}], when: [{key: destination.port, values: ['80']}]}",
            "",
        ),
        ("ALLOW", "{when: [{key: connection.sni, values: [a.org]}]}", ""),
    ] {
        let found = found(&(policy(action, rule) + &passthrough));
        assert_eq!(found.len(), usize::from(!wanted.is_empty()), "{rule}: {found:?}");
        assert!(found.iter().all(|found| found.contains(wanted)), "{rule}: {found:?}");
    }
    let rule = policy("ALLOW", "{to: [{operation: {methods: [GET]}}]}");
    for (server, wanted) in [
        ("{port: {number: 443, protocol: HTTPS}, tls: {mode: PASSTHROUGH}}", 1),
        ("{port: {number: 443, protocol: HTTPS}, tls: {mode: SIMPLE}}", 0),
        ("{port: {number: 443, protocol: TLS}, tls: {mode: SIMPLE}}", 1),
        ("{port: {number: 5432, protocol: TCP}}", 1),
        ("{port: {number: 80, protocol: http2}}", 0),
    ] {
        assert_eq!(found(&(rule.clone() + &gateway(server))).len(), wanted, "{server}");
    }
    assert!(found(&(rule + &passthrough.replace("egressgateway", "other"))).is_empty(), "another gateway's");
}

#[test]
fn tls_towards_peers() {
    let tls = |mode: &str| format!("trafficPolicy: {{tls: {{mode: {mode}}}}}");
    let strict = peer("default", "shop", "{mtls: {mode: STRICT}}");
    for (peers, host, mode, wanted) in [
        (strict.clone(), "*.shop.svc.cluster.local", "DISABLE", true),
        (strict.clone(), "web", "DISABLE", true),
        (strict.clone(), "web.shop.svc.cluster.local", "SIMPLE", true),
        (strict.clone(), "web.shop.svc.cluster.local", "ISTIO_MUTUAL", false),
        (strict.clone(), "web.bank.svc.cluster.local", "DISABLE", false),
        (strict.clone(), "api.example.com", "DISABLE", false),
        (
            peer("mesh", "istio-system", "{mtls: {mode: STRICT}}"),
            "web.bank.svc.cluster.local",
            "DISABLE",
            true,
        ),
        (peer("mesh", "istio-system", "{mtls: {mode: STRICT}}"), "*.svc.cluster.local", "DISABLE", true),
        (peer("default", "shop", "{mtls: {mode: PERMISSIVE}}"), "web", "DISABLE", false),
        (peer("default", "shop", "{mtls: {mode: PERMISSIVE}}"), "web", "ISTIO_MUTUAL", false),
        (peer("default", "shop", "{mtls: {mode: DISABLE}}"), "web", "ISTIO_MUTUAL", true),
        // Which pods the host leads to is not known.
        (
            peer("web", "shop", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"),
            "web",
            "DISABLE",
            false,
        ),
        // UNSET inherits.
        (
            peer("default", "shop", "{mtls: {}}") + &peer("mesh", "istio-system", "{mtls: {mode: STRICT}}"),
            "web",
            "DISABLE",
            true,
        ),
    ] {
        let found = found(&(peers + &destination(host, &tls(mode))));
        assert_eq!(found.len(), usize::from(wanted), "{host} {mode}: {found:?}");
        assert!(
            found.iter().all(|found| found.starts_with("tls-towards-peers spec.trafficPolicy.tls.mode: "))
        );
    }
    let parts = "trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]},
       subsets: [{name: v1, trafficPolicy: {tls: {mode: DISABLE}}}]";
    let exception = peer(
        "v1",
        "shop",
        "{selector: {matchLabels: {version: v1}}, portLevelMtls: {80: {mode: PERMISSIVE}}}",
    );
    let loaded = load_text(&(strict + &exception + &destination("web", parts)), "p.yaml").unwrap();
    let told = lint::findings(&loaded, &Settings::new(&Mesh::default()), &|_| None);
    let fields: Vec<&str> = told.iter().map(|found| found.diagnostic.field.as_str()).collect();
    assert_eq!(
        fields,
        ["spec.trafficPolicy.portLevelSettings[0].tls.mode", "spec.subsets[0].trafficPolicy.tls.mode"]
    );
    assert!(
        told[0].diagnostic.help.ends_with("only what PeerAuthentication v1 (p.yaml:7) selects may differ"),
        "{}",
        told[0].diagnostic.help
    );
    // What `kubectl get -o yaml` prints.
    let list =
        "{apiVersion: v1, kind: List, items: [{apiVersion: networking.istio.io/v1, kind: DestinationRule,
       metadata: {name: d, namespace: shop}, spec: {host: web, trafficPolicy: {tls: {mode: DISABLE}}}}]}";
    assert_eq!(found(&format!("{list}\n{}", peer("default", "shop", "{mtls: {mode: STRICT}}"))).len(), 1);
}

#[test]
fn peers_of_other_folders_and_the_control_plane() {
    let mut loader = gnomon_manifests::Loader::new();
    loader.text(
        &peer("default", "shop", "{mtls: {mode: STRICT}}").replace(", namespace: shop", ""),
        "one/pa.yaml",
    );
    let rule = destination("web", "trafficPolicy: {tls: {mode: DISABLE}}").replace(", namespace: shop", "");
    loader.text(&rule, "two/dr.yaml");
    loader.text(&rule.replace("name: d", "name: e"), "one/dr.yaml");
    let found = lint::findings(&loader.finish(), &Settings::new(&Mesh::default()), &|_| None);
    let files: Vec<&str> = found.iter().map(|finding| &*finding.diagnostic.file).collect();
    assert_eq!(files, ["one/dr.yaml"], "objects without a namespace meet within a folder only");
    let message = &found[0].diagnostic.message;
    assert!(message.contains("(one/pa.yaml:2)"), "{message}");

    let mesh = peer("default", "istio-system", "{mtls: {mode: STRICT}}");
    for (host, wanted) in
        [("istiod.istio-system.svc.cluster.local", 0), ("web.istio-system.svc.cluster.local", 1)]
    {
        let text = mesh.clone() + &destination(host, "trafficPolicy: {tls: {mode: DISABLE}}");
        assert_eq!(self::found(&text).len(), wanted, "{host}");
    }
}

#[test]
fn gateway_api_gateways_are_gateways() {
    let rule = "{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}";
    for key in ["gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name"] {
        let text = policy("ALLOW", rule).replace("istio: egressgateway", &format!("{key}: front"));
        assert_eq!(found(&text).len(), 1, "{key}");
    }
}

#[test]
fn wildcard_hosts() {
    for (hosts, wanted) in [
        ("'*.a.com'", 1),
        // Only the first `*` is a wildcard: this closes nothing.
        ("'*.a.com', '*.a.com:*'", 1),
        ("'*.a.com', '*.a.com:443'", 0),
        ("'*.a.com:8443'", 0),
    ] {
        let told = found(&policy("DENY", &format!("{{to: [{{operation: {{hosts: [{hosts}]}}}}]}}")));
        assert_eq!(told.len(), wanted, "{hosts}: {told:?}");
    }
}

#[test]
fn findings_are_ignored_with_a_reason() {
    let text = |comment: &str| {
        policy("ALLOW", "{to: [{operation: {ports: ['30000']}}]}")
            .replace("spec:", &format!("{comment}\nspec:"))
    };
    assert!(found(&text("# gnomon-ignore: node-port the pod listens there")).is_empty());
    for (comment, codes) in [
        ("# gnomon-ignore: node-port", &["ignore-without-reason", "node-port"][..]),
        ("# gnomon-ignore: source-nat one node only", &["unused-ignore", "node-port"]),
        ("# gnomon-ignore: node-prot the pod listens there", &["unknown-lint", "node-port"]),
    ] {
        let told = found(&text(comment));
        let told: Vec<&str> = told.iter().filter_map(|told| told.split(' ').next()).collect();
        assert_eq!(told, codes, "{comment}");
    }
}

/// The verdict on the example's request.
fn verdict(manifests: &str, request: &str) -> Outcome {
    let test = format!("tests: [{{name: example, expect: unknown, {}}}]", &request[1..request.len() - 1]);
    let suite = suite::from_text(&test, &"example".into()).unwrap();
    let resources = Arc::new(load_text(manifests, "example.yaml").unwrap().resources);
    Runner::new(&SoftwareCrypto, 0).test(&suite.tests[0], &resources).cases[0].report.verdict
}

/// What a lint proposes to write, where it does, takes its finding away and brings no error.
fn proposed(code: &str, bad: &str) {
    let mine: Vec<Finding> = all(bad).into_iter().filter(|found| found.diagnostic.code == code).collect();
    if mine.iter().all(|found| found.fix.is_empty()) {
        return;
    }
    let fixed = lint::apply(&mine, &|_| Some(bad.to_owned()));
    assert!(!fixed.mended.is_empty(), "{code}: its fix does not fit\n{bad}");
    let errors =
        |text: &str| all(text).iter().filter(|found| found.diagnostic.severity == Severity::Error).count();
    for text in fixed.texts.values() {
        let left = all(text).iter().filter(|found| found.diagnostic.code == code).count();
        assert_eq!(left, mine.len() - fixed.mended.len(), "{code}: still there in\n{text}");
        assert!(errors(text) <= errors(bad), "{code}: an error more in\n{text}");
    }
}

/// Each lint finds its own mistake; with its advice followed it is silent, and the engine says that the request fares
/// otherwise.
#[test]
fn advice_closes_the_hole() {
    let mut wrong = Vec::new();
    for lint in LINTS {
        let Example { bad, good, request } = lint.example;
        let fires = |text: &str| all(text).iter().any(|found| found.diagnostic.code == lint.code);
        if !fires(bad) {
            wrong.push(format!("{}: finds nothing in\n{bad}", lint.code));
            continue;
        }
        if fires(good) {
            wrong.push(format!("{}: still there in\n{good}", lint.code));
        }
        let errors = all(good).into_iter().map(|found| found.diagnostic);
        let errors = errors.filter(|found| found.severity == Severity::Error);
        wrong.extend(errors.map(|found| format!("{}: {found}\n{good}", lint.code)));
        if request.is_some_and(|request| verdict(bad, request) == verdict(good, request)) {
            wrong.push(format!("{}: no other verdict", lint.code));
        }
        proposed(lint.code, bad);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_lint_is_documented() {
    let codes: Vec<&str> = LINTS.iter().map(|lint| lint.code).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    for lint in LINTS {
        for words in [lint.what, lint.why, lint.instead, lint.limits] {
            assert!(words.ends_with('.') && !words.contains("  "), "{}: {words}", lint.code);
        }
        assert!(lint.source.starts_with("https://"), "{}: {}", lint.code, lint.source);
    }
}
