//! The candidate's verdict: the engine's, as far as the proxy tells what it needs.

use super::*;

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
        let name = case.principal.unwrap_or("");
        state.set("connection.uri_san_peer_certificate", Property::Text(name.into()));
        state.set("filter_state.gnomon.peer_uri_san", Property::Text(name.into()));
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
    }
}

#[test]
fn a_token_that_is_gone_is_not_a_token_that_never_was() {
    let token =
        format!("Bearer {}", tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "sub": "u"})).unwrap());
    let user = policy("user", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/u"]}}]}]));
    let mut required = authentication(TestKey::RsaKid);
    required["spec"]["jwtRules"][0]["presence"] = "REQUIRED".into();
    let native = "metadata.filter_metadata.envoy.filters.http.jwt_authn";
    let claims = || Property::Map(vec![(b"payload".to_vec(), b"x".to_vec())]);
    for jwt in [authentication(TestKey::RsaKid), required] {
        let mut host = WasmHost::with(&configuration(json!([jwt, user])));
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
            assert_eq!(verdict(&mut host)["verdict"], expected, "{left:?} {has_token} {jwt}");
        }
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
    let table: [(&str, &str, &str, Option<&str>, &str); 10] = [
        (allowed, "", "", None, "allow"),
        (spiffe, "", "", None, "unknown"),
        (spiffe, "", "", Some(spiffe), "deny"),
        (spiffe, "x.example", "", Some(spiffe), "unknown"),
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

    // The certificate itself says all.
    let ca = Ca::new("cluster.local").unwrap();
    let uri = |name: &str| format!("spiffe://cluster.local/ns/shop/sa/{name}");
    for (uris, dns, expected) in [
        (vec![uri("other")], vec![], "deny"),
        (vec![uri("other")], vec!["x.example".to_owned()], "deny"),
        (vec![uri("other"), uri("more"), uri("cart")], vec![], "allow"),
    ] {
        let first = uris.first().cloned().unwrap();
        let pem = ca.issue(&Names { uris: uris.clone(), dns, ..Names::default() }).unwrap().certificate;
        let encoded = pem.replace('+', "%2B").replace('/', "%2F").replace('\n', "%0A").replace(' ', "%20");
        let state = host.state();
        state.properties.clear();
        state.set("connection.mtls", Property::Bool(true));
        state.set("connection.uri_san_peer_certificate", Property::Text(first));
        state.set("connection.peer_certificate", Property::Text(encoded));
        assert_eq!(verdict(&mut host)["verdict"], expected, "{uris:?}");
    }

    // A certificate is read once.
    for (digest, uris, expected) in
        [("d1", vec![uri("other"), uri("cart")], "allow"), ("d2", vec![uri("other"), uri("more")], "deny")]
    {
        let pem = ca.issue(&Names { uris, ..Names::default() }).unwrap().certificate;
        let encoded = pem.replace('+', "%2B").replace('/', "%2F").replace('\n', "%0A").replace(' ', "%20");
        let state = host.state();
        state.set("connection.uri_san_peer_certificate", Property::Text(uri("other")));
        state.set("connection.sha256_peer_certificate_digest", Property::Text(digest.into()));
        state.set("connection.peer_certificate", Property::Text(encoded));
        for again in [false, true, true] {
            host.state().forget();
            assert_eq!(verdict(&mut host)["verdict"], expected, "{digest} {again}");
            let paths = &host.state().asked;
            let read = paths.iter().filter(|path| *path == "connection.peer_certificate").count();
            assert_eq!(read, usize::from(!again), "{digest}: {paths:?}");
        }
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
