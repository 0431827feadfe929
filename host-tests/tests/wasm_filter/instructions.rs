//! What a request costs in the filter, in instructions of WebAssembly: held against `benches/instructions.tsv`, where
//! the lines `filter-…` are these. The proxy's side of a host call is not in them.

use super::*;
use gnomon_host_tests::measured;

const LIST: &str = include_str!("../../../benches/instructions.tsv");

/// What the list allows: so many, and so many percent more or less.
fn allowed(name: &str) -> (f64, f64) {
    let line = LIST.lines().find(|line| line.split('\t').next() == Some(name)).expect("a line of the list");
    let numbers: Vec<f64> =
        line.split('\t').skip(1).map(|number| number.parse().expect("a number")).collect();
    (numbers[0], numbers[1])
}

/// One request from its creation to its end, the proxy having warmed the filter up.
fn one_request(host: &mut WasmHost) -> u64 {
    let before = host.instructions();
    host.request(Steps::All).expect("no trap");
    host.instructions() - before
}

#[test]
fn a_request_takes_what_it_may() {
    let cart = "spiffe://cluster.local/ns/shop/sa/cart";
    let callers =
        |source: Value, action: &str| json!([policy("p", action, json!([{"from": [{"source": source}]}]))]);
    let known = callers(json!({"principals": ["cluster.local/ns/shop/sa/cart"]}), "ALLOW");
    // Only all the names in the certificate can tell that it is not from there.
    let other = callers(json!({"namespaces": ["other"]}), "DENY");
    let user = policy("user", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/u"]}}]}]));
    let with_token = json!([authentication(TestKey::RsaKid), user]);
    let claims = json!({"iss": "me", "sub": "u", "groups": ["a", "b", "c"]});
    let token = format!("Bearer {}", tokens::sign(TestKey::RsaKid, &claims).unwrap());
    let pem = Ca::new("cluster.local").unwrap().issue(&Names { uris: vec![cart.into()], ..Names::default() });
    let certificate = pem.unwrap().certificate.replace('+', "%2B").replace('/', "%2F").replace('\n', "%0A");
    let table = [
        ("filter-20-policies", json!(measured::manifests(20)), false),
        ("filter-1000-policies", json!(measured::manifests(1_000)), false),
        ("filter-known-caller", known, false),
        ("filter-other-caller", other, false),
        ("filter-known-token", with_token, true),
    ];
    let mut wrong = Vec::new();
    for (name, policies, has_token) in table {
        let mut host = WasmHost::with(&configuration(policies));
        let mut lines: Vec<(&str, &[u8])> = vec![
            (":method", b"GET"),
            (":path", b"/api/00019/items"),
            (":authority", b"web.shop.svc.cluster.local"),
            (":scheme", b"http"),
            ("user-agent", b"curl/8.5.0"),
            ("accept", b"*/*"),
            ("x-request-id", b"a4f5e3f2-8a63-4a94-9c0a-1f1f60f8a0f5"),
            ("x-forwarded-proto", b"http"),
        ];
        lines.extend(has_token.then_some(("authorization", token.as_bytes())));
        let state = host.state();
        state.set_headers(&lines);
        state.set("connection.mtls", Property::Bool(true));
        state.set("connection.uri_san_peer_certificate", Property::Text(cart.into()));
        state.set("connection.peer_certificate", Property::Text(certificate.clone()));
        state.set("connection.sha256_peer_certificate_digest", Property::Text("0123456789abcdef".repeat(4)));
        state.answered(200, "via_upstream");
        // The first ones make counters, and know neither token nor certificate.
        (0..3).for_each(|_| host.request(Steps::All).expect("no trap"));
        let counted = one_request(&mut host) as f64;
        let (instructions, percent) = allowed(name);
        let drift = (counted / instructions - 1.0) * 100.0;
        println!("{name}: {counted}, {drift:+.1} %");
        if drift.abs() > percent {
            wrong.push(format!("{name}\t{counted}\t{percent}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "where that is meant, benches/instructions.tsv should say\n{}",
        wrong.join("\n")
    );
}
