//! The built filter under our own proxy-wasm host.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code may be blunt")]

mod support;

use gnomon_engine::{
    Node, Plan, Request, decode,
    jwt::SoftwareCrypto,
    request::{Input, Peer},
    resource::Resources,
};
use gnomon_host_tests::tokens::{self, TestKey};
use serde_json::{Value, json};
use support::wasm_host::{Fault, Property, Steps, WasmHost};

const NONE: &str = "rbac_access_denied_matched_policy[none]";

fn policy(name: &str, action: &str, rules: Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"action": action, "rules": rules},
    })
}

fn authentication(key: TestKey) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "jwt", "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwks": key.jwks()}]},
    })
}

fn configuration(resources: Value) -> Value {
    json!({"candidate": {"resources": resources}, "workload": {"namespace": "shop", "labels": {"app": "web"}}})
}

/// A policy of every dimension.
fn varied() -> Value {
    json!([
        policy(
            "read",
            "ALLOW",
            json!([
                {"to": [{"operation": {"methods": ["GET"], "paths": ["/api/*"]}}]},
                {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}], "to": [{"operation": {"paths": ["/cart"]}}]},
                {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}], "to": [{"operation": {"paths": ["/ip"]}}]},
                {"from": [{"source": {"remoteIpBlocks": ["203.0.113.0/24"]}}], "to": [{"operation": {"paths": ["/remote"]}}]},
                {"to": [{"operation": {"ports": ["8080"], "paths": ["/port"]}}]},
                {"to": [{"operation": {"paths": ["/sni"]}}], "when": [{"key": "connection.sni", "values": ["a.example"]}]},
                {"to": [{"operation": {"paths": ["/h"]}}], "when": [{"key": "request.headers[x-a]", "values": ["1"]}]},
                {"to": [{"operation": {"paths": ["/m"]}}],
                 "when": [{"key": "experimental.envoy.filters.x[k]", "values": ["v"]}]},
            ])
        ),
        policy(
            "never",
            "DENY",
            json!([
                {"to": [{"operation": {"paths": ["/secret*"]}}]},
                {"from": [{"source": {"notPrincipals": ["*"]}}], "to": [{"operation": {"paths": ["/mesh-only"]}}]},
            ])
        ),
    ])
}

fn get(host: &mut WasmHost, path: &str) {
    host.state().set_headers(&[
        (":method", b"GET"),
        (":path", path.as_bytes()),
        (":authority", b"web.shop"),
        (":scheme", b"http"),
    ]);
}

/// Sends what the state describes and gives back the filter state that it leaves.
fn verdict(host: &mut WasmHost) -> Value {
    host.state().forget();
    host.request(Steps::All).expect("no trap");
    host.state().verdict()
}

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
    // Word for word what the command line says.
    for diagnostic in &found {
        let line = format!("gnomon: {diagnostic}");
        assert!(
            host.state().logs.iter().any(|(_, logged)| *logged == line),
            "{line}\n{:#?}",
            host.state().logs
        );
    }

    let cases: [(&str, &str); 14] = [
        ("", "the plugin configuration is empty"),
        ("candidate: {}", "not JSON"),
        ("{\"candidate\": {\"resources\": [], \"resources\": []}}", "duplicate key"),
        ("[]", "expected a map, got a list"),
        ("null", "expected a map, got null"),
        ("{}", "`candidate` is missing"),
        (r#"{"candidate": {}}"#, "`resources` is missing"),
        (r#"{"candidate": {"resources": {}}}"#, "candidate.resources: expected a list"),
        (r#"{"candidate": {"resources": [7]}}"#, "candidate.resources[0]: expected a Kubernetes object"),
        (r#"{"candidate": {"resources": []}, "mode": "enforce"}"#, "mode: expected one of shadow"),
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

#[test]
fn an_unknown_key_is_a_warning() {
    let mut host = WasmHost::with(&json!({"candidate": {"resources": []}, "reprot": {}}));
    let warned =
        host.state().logs.iter().any(|(level, line)| *level == 3 && line.contains("did you mean `report`?"));
    assert!(warned, "{:#?}", host.state().logs);
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
    })]}});
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

/// One request and all that the proxy knows about it.
#[derive(Default)]
struct Case {
    path: &'static str,
    method: &'static str,
    header: Option<&'static str>,
    principal: Option<&'static str>,
    source: &'static str,
    sni: &'static str,
}

#[test]
fn the_verdict_is_the_engines() {
    let base = || Case { method: "GET", source: "10.1.2.3:4711", ..Case::default() };
    let cart = Some("spiffe://cluster.local/ns/shop/sa/cart");
    let other = Some("spiffe://cluster.local/ns/shop/sa/other");
    let cases = [
        Case { path: "/api/x", ..base() },
        Case { path: "/api/x?y=1", ..base() },
        Case { path: "/api/x", method: "POST", ..base() },
        Case { path: "/secret/a", ..base() },
        Case { path: "/cart", ..base() },
        Case { path: "/cart", principal: cart, ..base() },
        Case { path: "/cart", principal: other, ..base() },
        Case { path: "/ip", ..base() },
        Case { path: "/ip", source: "11.1.2.3:4711", ..base() },
        Case { path: "/ip", source: "[2001:db8::1]:4711", ..base() },
        Case { path: "/remote", ..base() },
        Case { path: "/remote", source: "203.0.113.9:0", ..base() },
        Case { path: "/port", ..base() },
        Case { path: "/sni", ..base() },
        Case { path: "/sni", sni: "a.example", ..base() },
        Case { path: "/h", ..base() },
        Case { path: "/h", header: Some("1"), ..base() },
        Case { path: "/h", header: Some("2"), ..base() },
        Case { path: "/mesh-only", ..base() },
        Case { path: "/mesh-only", principal: other, ..base() },
        Case { path: "/m", ..base() },
    ];
    let configuration = configuration(varied());
    let mut resources = Resources::default();
    for manifest in configuration["candidate"]["resources"].as_array().unwrap() {
        let node: Node = serde_json::from_value(manifest.clone()).unwrap();
        let mut found = Vec::new();
        decode::object(&node, &"".into(), &mut resources, &mut found);
    }
    let workload: Node = serde_json::from_value(configuration["workload"].clone()).unwrap();
    let workload = decode::workload(&workload, &"".into(), &mut Vec::new());
    let plan = Plan::build(&resources, &workload, &Default::default());

    let mut host = WasmHost::with(&configuration);
    let mut seen = Vec::new();
    for case in &cases {
        let mut lines: Vec<(&str, &[u8])> = vec![
            (":method", case.method.as_bytes()),
            (":path", case.path.as_bytes()),
            (":authority", b"web"),
        ];
        lines.extend(case.header.map(|value| ("x-a", value.as_bytes())));
        let state = host.state();
        state.set_headers(&lines);
        state.properties.clear();
        state.set("source.address", Property::Text(case.source.into()));
        state.set("destination.address", Property::Text("10.0.0.1:8080".into()));
        state.set("connection.requested_server_name", Property::Text(case.sni.into()));
        state.set("connection.mtls", Property::Bool(case.principal.is_some()));
        state.set("connection.uri_san_peer_certificate", Property::Text(case.principal.unwrap_or("").into()));
        state.answered(200, "via_upstream");
        let got = verdict(&mut host);

        let headers: Vec<(&[u8], &[u8])> =
            lines.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        let names: Vec<&[u8]> = case.principal.iter().map(|name| name.as_bytes()).collect();
        let source: std::net::SocketAddr = case.source.parse().unwrap();
        let mut request = Request::http(&headers);
        if case.principal.is_some() {
            request.peer = Peer::Tls { names: &names, complete: true };
        }
        request.source_ip = if source.port() == 0 { Input::Unknown } else { Input::Is(source.ip()) };
        request.remote_ip = Input::Is(source.ip());
        request.destination_ip = Input::Is([10, 0, 0, 1].into());
        request.destination_port = Input::Is(8080);
        request.sni = case.sni.as_bytes();
        let report = plan.evaluate(&request, &SoftwareCrypto).report();
        let expected = serde_json::to_value(&report).unwrap();
        for field in ["verdict", "status", "stage", "policy"] {
            assert_eq!(got[field], expected[field], "{field} of {} {}: {got}", case.method, case.path);
        }
        seen.push(got["verdict"].as_str().unwrap().to_owned());
    }
    assert!(seen.iter().any(|verdict| verdict == "allow") && seen.iter().any(|verdict| verdict == "deny"));
}

#[test]
fn tokens_are_checked_by_the_host() {
    let now = 1_700_000_000;
    let claims = json!({"iss": "me", "sub": "u", "exp": now + 10});
    for key in [TestKey::Rsa, TestKey::RsaKid, TestKey::Es256, TestKey::Es384] {
        let good = tokens::sign(key, &claims).unwrap();
        let expired = tokens::sign(key, &json!({"iss": "me", "sub": "u", "exp": now - 100})).unwrap();
        let (body, signature) = good.rsplit_once('.').unwrap();
        let other = tokens::sign(key, &json!({"iss": "me", "sub": "other"})).unwrap();
        let forged = format!("{body}.{}", other.rsplit_once('.').unwrap().1);
        let short = format!("{body}.{}", signature.get(..20).unwrap());
        let mut host = WasmHost::with(&configuration(json!([
            authentication(key),
            policy("user", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/u"]}}]}])),
        ])));
        let table = [
            (Some(&good), "allow", json!(200), "allow", 1),
            (Some(&expired), "deny", json!(401), "jwt", 0),
            (Some(&forged), "deny", json!(401), "jwt", 1),
            (Some(&short), "deny", json!(401), "jwt", 1),
            (None, "deny", json!(403), "allow", 0),
        ];
        for (token, expected, status, stage, calls) in table {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut lines: Vec<(&str, &[u8])> =
                vec![(":method", b"GET"), (":path", b"/"), (":authority", b"a")];
            lines.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_bytes())));
            host.state().set_headers(&lines);
            host.state().answered(200, "via_upstream");
            let got = verdict(&mut host);
            assert_eq!(
                (&got["verdict"], &got["status"], &got["stage"]),
                (&json!(expected), &status, &json!(stage)),
                "{key:?}"
            );
            let foreign =
                host.state().calls.iter().filter(|name| **name == "proxy_call_foreign_function").count();
            assert_eq!(foreign, calls, "{key:?} {expected}: one check per token, none without need");
            let told = format!("{:?} {got}", host.state().logs);
            for token in token.into_iter() {
                for part in token.split('.') {
                    assert!(!told.contains(part), "a token is in {told}");
                }
            }
        }
        // Nobody can check it: that is not the same as a bad signature. (The module with `software-crypto` can.)
        let bearer = format!("Bearer {good}");
        host.state().set_headers(&[
            (":method", b"GET"),
            (":path", b"/"),
            ("authorization", bearer.as_bytes()),
        ]);
        host.state().has_verify_signature = false;
        let got = verdict(&mut host);
        assert!(got["verdict"] == "unknown" || got["verdict"] == "allow", "{got}");
    }
}

#[test]
fn a_token_that_is_gone_is_not_a_token_that_never_was() {
    let token =
        format!("Bearer {}", tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "sub": "u"})).unwrap());
    let user = policy("user", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/u"]}}]}]));
    let mut host = WasmHost::with(&configuration(json!([authentication(TestKey::RsaKid), user])));
    let native = "metadata.filter_metadata.envoy.filters.http.jwt_authn";
    let claims = || Property::Map(vec![(b"payload".to_vec(), b"x".to_vec())]);
    // What jwt_authn in front left, the token is still there
    let table = [
        (None, true, "allow"),
        (None, false, "deny"),
        (Some(claims()), true, "allow"),
        (Some(claims()), false, "unknown"),
        (Some(Property::Fails(3)), false, "unknown"),
    ];
    for (left, has_token, expected) in table {
        let mut lines: Vec<(&str, &[u8])> = vec![(":method", b"GET"), (":path", b"/")];
        lines.extend(has_token.then_some(("authorization", token.as_bytes())));
        host.state().set_headers(&lines);
        host.state().properties.clear();
        if let Some(left) = left.clone() {
            host.state().set(native, left);
        }
        assert_eq!(verdict(&mut host)["verdict"], expected, "{left:?} {has_token}");
    }
}

#[test]
fn what_was_enforced_and_what_would_be() {
    let configuration = configuration(json!([policy(
        "read",
        "ALLOW",
        json!([{"to": [{"operation": {"paths": ["/yes"]}}]}])
    )]));
    let expired = "jwt_authn_access_denied{Jwt_is_expired}";
    let table = [
        ("/yes", 200, "via_upstream", Steps::All, "agree"),
        ("/yes", 403, "via_upstream", Steps::All, "agree"),
        ("/no", 200, "via_upstream", Steps::All, "would_deny"),
        ("/yes", 403, NONE, Steps::All, "would_allow"),
        ("/yes", 200, NONE, Steps::All, "would_allow"),
        ("/no", 403, NONE, Steps::All, "agree"),
        ("/no", 403, NONE, Steps::OnlyLog, "agree"),
        ("/no", 401, expired, Steps::All, "would_deny_differently"),
        ("/no", 401, expired, Steps::OnlyLog, "would_deny_differently"),
        ("/no", 0, "downstream_remote_disconnect", Steps::All, "unknown"),
        ("/no", 404, "route_not_found", Steps::All, "would_deny"),
        ("/no", 400, "path_normalization_failed", Steps::OnlyLog, "skipped"),
        ("/no", 429, "request_rate_limited", Steps::OnlyLog, "skipped"),
    ];
    for (path, code, details, steps, expected) in table {
        let mut host = WasmHost::with(&configuration);
        get(&mut host, path);
        host.state().answered(code, details);
        host.request(steps).expect("no trap");
        let state = host.state();
        for result in ["agree", "would_deny", "would_allow", "would_deny_differently", "unknown", "skipped"] {
            let count = state.metric(&format!("gnomon_requests_{result}_total"));
            assert_eq!(
                count,
                i64::from(result == expected),
                "{path} {details}: {result}, expected {expected}"
            );
        }
        assert_eq!(state.metric("gnomon_policies_loaded"), 1);
        assert_ne!(state.metric("gnomon_config_generation"), 0);
        assert_eq!(state.metric("gnomon_errors_total"), 0);
        let diverges = expected.starts_with("would");
        let lines = state.lines();
        assert_eq!(lines.len(), usize::from(diverges), "{lines:#?}");
        if let Some(line) = lines.first() {
            assert_eq!(line["gnomon"], expected);
            assert_eq!(line["workload"], "shop/web");
            assert_eq!(line["request"]["path"], path);
            assert_eq!(line["enforced"]["details"], details);
            assert_eq!(line.get("late").is_some(), steps == Steps::OnlyLog, "{line}");
        }
        if expected == "skipped" {
            assert!(state.filter_state.is_empty());
        } else {
            assert_eq!(state.verdict()["result"], expected);
            assert_eq!(state.verdict()["enforced"], json!({"status": code, "details": details}));
        }
        // Nothing is done to the traffic.
        assert!(state.response_headers.is_empty());
    }
}

#[test]
fn lines_are_written_as_configured() {
    let paths = [("/yes", 200, "via_upstream"), ("/no", 200, "via_upstream"), ("/no", 403, NONE)];
    let table = [
        ("none", 1.0, [0, 0, 0]),
        ("denied", 1.0, [0, 8, 8]),
        ("divergent", 1.0, [0, 8, 0]),
        ("all", 1.0, [8, 8, 8]),
        ("all", 0.5, [4, 4, 4]),
        ("divergent", 0.0, [0, 0, 0]),
    ];
    for (log, sample, expected) in table {
        let mut configuration = configuration(json!([policy(
            "read",
            "ALLOW",
            json!([{"to": [{"operation": {"paths": ["/yes"]}}]}])
        )]));
        configuration["report"] =
            json!({"log": log, "sample": sample, "filterState": false, "responseHeader": "X-Gnomon-Shadow"});
        let mut host = WasmHost::with(&configuration);
        for ((path, code, details), lines) in paths.iter().zip(expected) {
            get(&mut host, path);
            host.state().answered(*code, details);
            host.state().forget();
            for _ in 0..8 {
                host.request(Steps::All).expect("no trap");
            }
            let state = host.state();
            assert_eq!(state.lines().len(), lines, "log: {log}, sample: {sample}, {path} {details}");
            assert!(state.filter_state.is_empty(), "filterState is off");
            let value = if *path == "/yes" {
                "allow; status=200; stage=allow; policy=ns[shop]-policy[read]-rule[0]"
            } else {
                "deny; status=403; stage=allow"
            };
            let header = (b"x-gnomon-shadow".to_vec(), value.as_bytes().to_vec());
            assert_eq!(state.response_headers, vec![header; 8]);
        }
    }
}

#[test]
fn only_what_is_needed_is_read_and_only_once() {
    let mesh = "spiffe://cluster.local/ns/shop/sa/cart";
    let by_path = policy("p", "ALLOW", json!([{"to": [{"operation": {"paths": ["/a"]}}]}]));
    let by_peer = policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}]}]),
    );
    let by_other = policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/other"]}}]}]),
    );
    let by_port = policy("p", "ALLOW", json!([{"to": [{"operation": {"ports": ["1"]}}]}]));
    let uri = "connection.uri_san_peer_certificate";
    let more = [
        "filter_state.gnomon.peer_uri_san",
        "connection.dns_san_peer_certificate",
        "connection.subject_peer_certificate",
    ];
    // policy, peer, header map read, properties
    let table: [(&Value, &str, bool, Vec<&str>); 5] = [
        (&by_path, mesh, true, vec![]),
        (&by_peer, mesh, false, vec![uri]),
        (&by_other, mesh, false, [vec![uri], more.to_vec()].concat()),
        (&by_peer, "", false, vec![uri, "connection.mtls"]),
        (&by_port, mesh, false, vec!["destination.address"]),
    ];
    for (policy, peer, map, mut expected) in table {
        let mut host = WasmHost::with(&configuration(json!([policy])));
        get(&mut host, "/a");
        host.state().set(uri, Property::Text(peer.into()));
        host.state().set("connection.mtls", Property::Bool(!peer.is_empty()));
        host.state().set("destination.address", Property::Text("10.0.0.1:1".into()));
        host.state().answered(403, NONE);
        host.state().forget();
        let id = host.create().unwrap();
        host.state().has_request_headers = true;
        host.continues("proxy_on_request_headers", id).expect("no trap");
        let state = host.state();
        let maps = state.calls.iter().filter(|name| **name == "proxy_get_header_map_pairs").count();
        assert_eq!(maps, usize::from(map), "{policy}");
        expected.sort_unstable();
        state.asked.sort();
        assert_eq!(state.asked, expected, "{policy} {peer}");
        assert_eq!(state.calls.len(), maps + expected.len(), "no other call: {:?}", state.calls);
    }
}

#[test]
fn what_the_proxy_does_not_show_is_unknown_unless_it_is_helped() {
    let spiffe = "spiffe://cluster.local/ns/shop/sa/other";
    let allowed = "spiffe://cluster.local/ns/shop/sa/cart";
    let principal = policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}]}]),
    );
    let mut host = WasmHost::with(&configuration(json!([principal])));
    get(&mut host, "/");
    host.state().set("connection.mtls", Property::Bool(true));
    // first URI SAN, DNS SAN, subject, all URI SANs where the helper is there
    let table: [(&str, &str, &str, Option<&str>, &str); 8] = [
        (allowed, "", "", None, "allow"),
        (spiffe, "", "", None, "deny"),
        (spiffe, "x.example", "", None, "unknown"),
        (spiffe, "", "CN=x", None, "unknown"),
        ("https://x.example", "", "", None, "unknown"),
        (spiffe, "", "CN=x", Some("spiffe://cluster.local/ns/shop/sa/other"), "deny"),
        (
            spiffe,
            "",
            "",
            Some("spiffe://cluster.local/ns/shop/sa/other,spiffe://cluster.local/ns/shop/sa/cart"),
            "allow",
        ),
        ("", "", "CN=x", None, "deny"),
    ];
    for (uri, dns, subject, all, expected) in table {
        let state = host.state();
        state.set("connection.uri_san_peer_certificate", Property::Text(uri.into()));
        state.set("connection.dns_san_peer_certificate", Property::Text(dns.into()));
        state.set("connection.subject_peer_certificate", Property::Text(subject.into()));
        state.set("filter_state.gnomon.peer_uri_san", Property::Text(all.unwrap_or_default().into()));
        assert_eq!(verdict(&mut host)["verdict"], expected, "{uri} {dns} {subject} {all:?}");
    }

    let block = policy("p", "ALLOW", json!([{"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}]));
    let mut host = WasmHost::with(&configuration(json!([block])));
    get(&mut host, "/");
    let table = [
        ("10.0.0.1:99", "", "allow"),
        ("11.0.0.1:99", "", "deny"),
        ("203.0.113.9:0", "", "unknown"),
        ("203.0.113.9:0", "10.0.0.1:99", "allow"),
        ("203.0.113.9:0", "11.0.0.1:99", "deny"),
        ("envoy://internal", "", "deny"),
        ("", "", "unknown"),
    ];
    for (source, direct, expected) in table {
        host.state().set("source.address", Property::Text(source.into()));
        host.state().set("filter_state.gnomon.direct_remote_address", Property::Text(direct.into()));
        assert_eq!(verdict(&mut host)["verdict"], expected, "{source} {direct}");
    }
}

#[test]
fn connections_are_evaluated_once_at_their_first_bytes() {
    let policies = json!([policy("p", "ALLOW", json!([{"to": [{"operation": {"ports": ["1"]}}]}]))]);
    let mut host = WasmHost::with(&configuration(policies));
    let details = "connection.termination_details";
    let table = [
        ("10.0.0.1:1", "", 2, "agree"),
        ("10.0.0.1:2", "", 1, "would_deny"),
        ("10.0.0.1:2", NONE, 1, "agree"),
        ("10.0.0.1:1", NONE, 3, "would_allow"),
    ];
    for (local, ended, pieces, expected) in table {
        let name = format!("gnomon_connections_{expected}_total");
        let before = host.state().metric(&name);
        host.state().set("destination.address", Property::Text(local.into()));
        host.state().set(details, Property::Text(ended.into()));
        host.connection(pieces).expect("no trap");
        assert_eq!(host.state().metric(&name), before + 1, "{local} {ended}");
    }
    // Nobody decides about a connection that never said anything.
    let before = host.state().metrics.clone();
    host.connection(0).expect("no trap");
    assert_eq!(host.state().metrics, before);
}

#[test]
fn hostile_requests_do_no_harm() {
    let key = TestKey::RsaKid;
    let mut policies = varied();
    policies.as_array_mut().unwrap().push(authentication(key));
    let mut configuration = configuration(policies);
    configuration["report"] = json!({"log": "all", "responseHeader": "x-gnomon-shadow"});
    let mut host = WasmHost::with(&configuration);
    let megabyte = [b"Bearer ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    let dots = [b"Bearer ".as_slice(), &vec![b'.'; 1 << 20]].concat();
    let nested = format!("Bearer e30.{}.x", "W1tbW1tbW1tbW1tb".repeat(40_000));
    let long = vec![b'x'; 64 << 10];
    let many: Vec<(String, Vec<u8>)> = (0..2000).map(|n| (format!("x-{n}"), vec![b'v'; 16])).collect();
    let many: Vec<(&str, &[u8])> =
        many.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let start: Vec<(&str, &[u8])> = vec![(":method", b"GET"), (":path", b"/api/x"), (":authority", b"a")];
    let with = |more: &[(&'static str, &'static [u8])]| [start.clone(), more.to_vec()].concat();
    let requests: Vec<Vec<(&str, &[u8])>> = vec![
        vec![],
        vec![("", b"")],
        vec![(":path", b"")],
        vec![(":path", b"?"), (":path", b"/secret"), (":method", b"")],
        with(&[("\u{0}", b"\0\0"), ("x-a", b"\xff\xfe\xf0\x28\x8c\x28"), ("x-a", b"")]),
        vec![(":method", b"\xff"), (":path", b"/\xff\xfe%\0"), (":authority", b"\xc3\x28")],
        [start.clone(), vec![("authorization", megabyte.as_slice())]].concat(),
        [start.clone(), vec![("authorization", dots.as_slice())]].concat(),
        [start.clone(), vec![("authorization", nested.as_bytes())]].concat(),
        [start.clone(), vec![("x-long", long.as_slice()), ("cookie", long.as_slice())]].concat(),
        vec![(":method", &long), (":path", &long), (":authority", &long)],
        [start.clone(), many].concat(),
    ];
    for lines in &requests {
        host.state().set_headers(lines);
        for details in [
            "via_upstream",
            NONE,
            "\u{fffd}\n\"}",
            "jwt_authn_access_denied{",
            "rbac_access_denied_matched_policy[",
        ] {
            host.state().answered(200, details);
            for steps in [Steps::All, Steps::OnlyLog] {
                host.state().forget();
                host.request(steps).expect("no trap");
                for (_, line) in &host.state().logs {
                    assert!(line.len() < 8192 && !line.contains('\n'), "{} bytes", line.len());
                }
            }
        }
    }
    // Properties that are no such thing.
    let names = [
        "source.address",
        "destination.address",
        "connection.mtls",
        "connection.uri_san_peer_certificate",
        "connection.requested_server_name",
        "metadata",
        "response.code",
        "response.code_details",
        "filter_state.gnomon.peer_uri_san",
    ];
    for bytes in [vec![0xff; 70_000], vec![0; 3], b":".to_vec(), b"[::1".to_vec(), vec![b','; 5000]] {
        for name in names {
            host.state().set(name, Property::Bytes(bytes.clone()));
        }
        for lines in &requests {
            host.state().set_headers(lines);
            host.request(Steps::All).expect("no trap");
        }
    }
    assert!(host.memory() < 64 << 20, "{} bytes", host.memory());
}

#[test]
fn every_host_call_may_fail() {
    let token =
        format!("Bearer {}", tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "sub": "u"})).unwrap());
    let mut policies = varied();
    policies.as_array_mut().unwrap().push(authentication(TestKey::RsaKid));
    let mut configuration = configuration(policies);
    configuration["report"] = json!({"log": "all", "responseHeader": "x-gnomon-shadow"});
    configuration.as_object_mut().unwrap().remove("workload");
    let text = configuration.to_string();
    let prepare = |host: &mut WasmHost| {
        host.state().set_headers(&[
            (":method", b"GET"),
            (":path", b"/cart"),
            ("authorization", token.as_bytes()),
        ]);
        host.state().set("connection.mtls", Property::Bool(true));
        host.state()
            .set("connection.uri_san_peer_certificate", Property::Text("spiffe://a/ns/b/sa/c".into()));
        host.state().set("source.address", Property::Text("203.0.113.9:0".into()));
        host.state().set("xds.node.metadata.NAMESPACE", Property::Text("shop".into()));
        host.state().answered(200, "via_upstream");
    };
    let mut whole = WasmHost::start();
    prepare(&mut whole);
    assert!(whole.configure(text.as_bytes()).expect("no trap"));
    whole.request(Steps::All).expect("no trap");
    let calls = whole.state().calls.len();
    assert!(calls > 25, "{:?}", whole.state().calls);
    let mut faults: Vec<Fault> = [1, 2, 3, 4, 7, 10, 12, 4_000_000_000].map(Fault::All).into();
    for nth in 0..calls {
        faults.extend([1, 3, 10, 99].map(|status| Fault::Nth(nth, status)));
        faults.extend(
            [vec![], vec![0xff; 9], vec![1, 0, 0, 0, 255, 255, 255, 255]]
                .map(|bytes| Fault::Garbage(nth, bytes)),
        );
    }
    for fault in faults {
        let mut host = WasmHost::start();
        prepare(&mut host);
        host.state().fault = Some(fault.clone());
        host.configure(text.as_bytes()).unwrap_or_else(|trap| panic!("{fault:?}: {trap:?}"));
        for steps in [Steps::All, Steps::OnlyLog] {
            host.request(steps).unwrap_or_else(|trap| panic!("{fault:?}: {trap:?}"));
        }
        host.connection(1).unwrap_or_else(|trap| panic!("{fault:?}: {trap:?}"));
    }
    // A failure while a request is under way is counted, and what hangs on it is unknown.
    let mut host = WasmHost::start();
    prepare(&mut host);
    assert!(host.configure(text.as_bytes()).expect("no trap"));
    host.state().set("connection.uri_san_peer_certificate", Property::Fails(3));
    let got = verdict(&mut host);
    assert_eq!(got["verdict"], "unknown", "{got}");
    assert!(host.state().metric("gnomon_errors_total") >= 1);
}

#[test]
fn callbacks_in_any_order_do_no_harm() {
    let mut host = WasmHost::with(&configuration(varied()));
    get(&mut host, "/api/x");
    for id in [0, 1, 2, 77, u32::MAX] {
        host.continues("proxy_on_request_headers", id).expect("no trap");
        host.continues("proxy_on_response_headers", id).expect("no trap");
        host.continues("proxy_on_downstream_data", id).expect("no trap");
        host.call::<u32, ()>("proxy_on_log", id).expect("no trap");
        host.call::<(u32, u32), ()>("proxy_on_downstream_connection_close", (id, 9)).expect("no trap");
    }
    let id = host.create().unwrap();
    for _ in 0..3 {
        host.call::<u32, ()>("proxy_on_log", id).expect("no trap");
    }
    let total: i64 =
        host.state().metrics.iter().filter(|m| m.name.starts_with("gnomon_requests")).map(|m| m.value).sum();
    assert_eq!(total, 1, "a stream counts once");
    host.call::<(u32, u32), ()>("proxy_on_context_create", (id, 1)).expect("the same number again");
    host.delete(id).unwrap();
    host.delete(id).unwrap();
    assert_eq!(host.call::<u32, u32>("proxy_on_memory_allocate", 0).unwrap(), 0);
    assert_eq!(host.call::<u32, u32>("proxy_on_memory_allocate", u32::MAX).unwrap(), 0);
}

#[test]
fn memory_does_not_grow() {
    let mut host = WasmHost::with(&configuration(varied()));
    get(&mut host, "/secret");
    host.state().answered(200, "via_upstream");
    let mut round = |count: usize| {
        for _ in 0..count {
            host.state().forget();
            host.request(Steps::All).expect("no trap");
        }
        host.memory()
    };
    let warm = round(500);
    assert_eq!(round(10_000), warm);
    assert!(warm < 5 << 20, "{warm} bytes");
}
