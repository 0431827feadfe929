//! What is taken as a configuration, and what is refused.

use super::*;

#[test]
fn a_bad_configuration_is_refused_with_every_diagnostic() {
    let policy = json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"rulez": 1, "action": "PERMIT", "rules": [{"to": [{"operation": {"ports": ["x", 80]}}]}]},
    });
    let mut found = Vec::new();
    let node: Node = serde_json::from_value(policy.clone()).unwrap();
    decode::object(&node, &"".into(), &mut Resources::default(), &mut found);
    assert!(found.len() >= 4, "{found:#?}");
    let mut host = WasmHost::start();
    let text = configuration(json!([policy])).to_string();
    assert!(!host.configure(text.as_bytes()).expect("no trap"));
    // Word for word what the command line says; of what to do about it, not all.
    for diagnostic in &found {
        let line = format!("gnomon: {}", Diagnostic { help: String::new(), ..diagnostic.clone() });
        assert!(
            host.state().logs.iter().any(|(_, logged)| logged.starts_with(&line)),
            "{line}\n{:#?}",
            host.state().logs
        );
    }

    let cases: [(&str, &str); 20] = [
        ("", "the plugin configuration is empty"),
        ("candidate: {}", "not JSON"),
        ("{\"candidate\": {\"resources\": [], \"resources\": []}}", "the key is there twice"),
        ("[]", "expected a map, got a list"),
        ("null", "expected a map, got null"),
        ("{}", "`candidate` is missing"),
        (r#"{"candidate": {}}"#, "`resources` is missing"),
        (r#"{"candidate": {"resources": {}}}"#, "candidate.resources: expected a list"),
        (r#"{"candidate": {"resources": [], "gzip": ""}}"#, "`resources` and `gzip` exclude each other"),
        (r#"{"candidate": {"gzip": []}}"#, "candidate.gzip: expected a string, got a list"),
        (r#"{"candidate": {"gzip": "!"}}"#, "candidate.gzip: it is not base64"),
        (r#"{"candidate": {"gzip": "H4sI"}}"#, "candidate.gzip: the gzip data are cut off"),
        // `[7]`
        (
            r#"{"candidate": {"gzip": "H4sIAAAAAAACA4s2jwUAPpV1GgMAAAA="}}"#,
            "candidate.gzip[0]: expected a Kubernetes object",
        ),
        (r#"{"candidate": {"resources": [7]}}"#, "candidate.resources[0]: expected a Kubernetes object"),
        (
            r#"{"candidate": {"resources": [null]}}"#,
            "candidate.resources[0]: expected a Kubernetes object, got null",
        ),
        (r#"{"candidate": {"resources": []}, "mode": "audit"}"#, "mode: expected one of shadow, enforce"),
        (r#"{"candidate": {"resources": []}, "report": {"log": "some"}}"#, "report.log: expected one of"),
        (
            r#"{"candidate": {"resources": []}, "report": {"sample": 2}}"#,
            "report.sample: expected a number from 0 to 1",
        ),
        (
            r#"{"candidate": {"resources": []}, "report": {"responseHeader": "set-cookie"}}"#,
            "debugging header",
        ),
        (
            r#"{"candidate": {"resources": []}, "workload": {"proxy": "envoy"}}"#,
            "workload.proxy: expected one of",
        ),
    ];
    for (text, expected) in cases {
        let mut host = WasmHost::start();
        assert!(!host.configure(text.as_bytes()).expect("no trap"), "{text}");
        let logs = &host.state().logs;
        assert!(logs.iter().any(|(level, line)| *level == 4 && line.contains(expected)), "{text}: {logs:#?}");
        // Without a configuration it is still no danger to the traffic.
        get(&mut host, "/");
        host.request(Steps::All).expect("no trap");
        assert!(host.state().filter_state.is_empty());
    }
    for text in [&b"\xff\xfe{}"[..], &[b'['; 100_000], &b"{\"a\":".repeat(50_000)] {
        assert!(!WasmHost::start().configure(text).expect("no trap"));
    }
}

/// What `gzip | base64` makes of an ALLOW policy `none` in shop, without rules.
const NOBODY: &str = "H4sIAAAAAAACAxXKMQ7CQAxE0btMHQXRpuMGVDSIwtpYigWxV2sHKUR7d5xy5v3nAary4OZiignOZWsS+ygeYqPY5XvFgLfonHrbYrEmP0rTu32k7IkrB80UhOmA0soZqimnnMsrlfPyxSr6AK9csuz99QeJt1LsfAAAAA==";

#[test]
fn a_packed_candidate_is_read() {
    let packed = |text: &str| json!({"candidate": {"gzip": text}, "workload": {"namespace": "shop"}, "report": {"filterState": "all"}});
    let mut host = WasmHost::with(&packed(NOBODY));
    get(&mut host, "/");
    assert_eq!(verdict(&mut host)["verdict"], "deny");
    // An update that was damaged on its way changes nothing.
    let half = NOBODY.get(..NOBODY.len() / 2).unwrap();
    assert!(!host.configure(packed(half).to_string().as_bytes()).expect("no trap"));
    assert_eq!(verdict(&mut host)["verdict"], "deny");
}

#[test]
fn what_is_not_read_is_a_warning() {
    let table = [
        (json!({"candidate": {"resources": []}, "reprot": {}}), "did you mean `report`?"),
        (
            json!({"candidate": {"resources": [{"apiVersion": "v1", "kind": "Service"}]}}),
            "candidate.resources[0]: Service is not evaluated",
        ),
        (json!({"candidate": {"resources": [{"kind": 7}]}}), "this is no Kubernetes object: it has no kind"),
    ];
    for (configuration, expected) in table {
        let mut host = WasmHost::with(&configuration);
        let logs = &host.state().logs;
        assert!(logs.iter().any(|(level, line)| *level == 3 && line.contains(expected)), "{logs:#?}");
    }
}

#[test]
fn a_refused_update_leaves_the_last_good_plan() {
    let mut host = WasmHost::with(&configuration(json!([policy("none", "ALLOW", json!([]))])));
    assert!(!host.configure(b"{}").expect("no trap"));
    get(&mut host, "/");
    assert_eq!(verdict(&mut host)["verdict"], "deny");
    assert!(host.configure(configuration(json!([])).to_string().as_bytes()).expect("no trap"));
    assert_eq!(verdict(&mut host)["verdict"], "allow");
}

#[test]
fn the_workload_comes_from_the_node_metadata() {
    let policies = json!({"candidate": {"resources": [json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    })]}, "report": {"filterState": "all"}});
    let table = [("web", "shop", "deny"), ("web", "other", "allow"), ("cart", "shop", "allow")];
    for (app, namespace, expected) in table {
        let mut host = WasmHost::start();
        let labels = vec![(b"tier".to_vec(), b"1".to_vec()), (b"app".to_vec(), app.as_bytes().to_vec())];
        host.state().set("xds.node.metadata.LABELS", Property::Map(labels));
        host.state().set("xds.node.metadata.NAMESPACE", Property::Text(namespace.into()));
        host.state()
            .set("xds.node.id", Property::Text("sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local".into()));
        assert!(host.configure(policies.to_string().as_bytes()).expect("no trap"));
        get(&mut host, "/");
        assert_eq!(verdict(&mut host)["verdict"], expected, "{app} {namespace}");
        // Outbound listeners have no policies.
        host.state().forget();
        let before = host.state().metrics.clone();
        host.state().set("xds.listener_direction", Property::Integer(2));
        host.request(Steps::All).expect("no trap");
        assert!(host.state().filter_state.is_empty());
        assert_eq!(host.state().metrics, before);
    }
    // Labels that cannot be read would silently drop policies.
    let mut host = WasmHost::start();
    host.state().set("xds.node.metadata.LABELS", Property::Fails(3));
    assert!(!host.configure(policies.to_string().as_bytes()).expect("no trap"));
    assert!(host.state().logs.iter().any(|(_, line)| line.contains("write it as workload.labels")));
}
