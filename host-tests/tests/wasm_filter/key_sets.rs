//! Key sets that are fetched, signatures that are known, tokens that the proxy has verified.

use super::*;

const KEYS: &str = "https://issuer.test/keys";

fn remote() -> Value {
    let mut policy = authentication(TestKey::RsaKid);
    policy["spec"]["jwtRules"] = json!([{"issuer": "me", "jwksUri": KEYS}]);
    policy
}

fn ask(host: &mut WasmHost, key: TestKey) -> String {
    let token = format!("Bearer {}", tokens::sign(key, &json!({"iss": "me"})).unwrap());
    host.state().set_headers(&[(":method", b"GET"), (":path", b"/"), ("authorization", token.as_bytes())]);
    verdict(host)["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_set_is_fetched_kept_and_fetched_again() {
    let mut configuration = configuration(json!([remote()]));
    configuration["keySets"] = json!({"clusters": {KEYS: "keys"}, "timeoutSeconds": 2, "refreshSeconds": 60});
    let text = configuration.to_string();
    let mut host = WasmHost::start();
    host.state().clusters = vec!["keys".into()];
    assert!(host.configure(text.as_bytes()).expect("no trap"));
    assert_eq!(host.state().tick, 1000);
    let sent = host.state().sent.clone();
    let [(cluster, headers)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(cluster, "keys");
    let headers = String::from_utf8_lossy(headers);
    assert!(["GET", "issuer.test", "/keys"].iter().all(|part| headers.contains(part)), "{headers}");

    // Nothing is known yet, and while the call is under way none follows.
    assert_eq!(host.state().metric("gnomon_key_sets_missing"), 1);
    assert_eq!(ask(&mut host, TestKey::RsaKid), "unknown");
    host.tick().expect("no trap");
    assert_eq!(host.state().sent.len(), 1);
    host.answer(0, Some(("200", TestKey::RsaKid.jwks().as_bytes()))).expect("no trap");
    assert_eq!(host.state().metric("gnomon_key_sets_missing"), 0);
    assert_eq!(host.state().metric("gnomon_key_sets_fetched_total"), 1);
    assert_eq!(ask(&mut host, TestKey::RsaKid), "allow");
    assert_eq!(ask(&mut host, TestKey::Es256), "deny");

    // Due again after a minute. Whatever comes instead of a key set, the last good one stays.
    let answers: [Option<(&str, &[u8])>; 6] = [
        None,
        Some(("503", TestKey::Es256.jwks().as_bytes())),
        Some(("200", b"")),
        Some(("200", b"not json")),
        Some(("200", b"{\"keys\": []}")),
        Some(("200", b"\xff\xfe")),
    ];
    for (failed, answer) in answers.into_iter().enumerate() {
        host.state().now += 59;
        if failed == 0 {
            host.tick().expect("no trap");
            assert_eq!(host.state().sent.len(), 1, "not due yet");
        }
        host.state().now += 1;
        host.tick().expect("no trap");
        let call = host.state().sent.len() as u32 - 1;
        assert_eq!(call as usize, failed + 1);
        host.answer(call, answer).expect("no trap");
        assert_eq!(host.state().metric("gnomon_key_sets_failed_total"), failed as i64 + 1);
        assert_eq!(ask(&mut host, TestKey::RsaKid), "allow");
    }
    // A failure is tried again soon, and new keys take the place of the old ones.
    host.state().now += 10;
    host.tick().expect("no trap");
    let call = host.state().sent.len() as u32 - 1;
    host.answer(call, Some(("200", TestKey::Es256.jwks().as_bytes()))).expect("no trap");
    assert_eq!(ask(&mut host, TestKey::Es256), "allow");
    assert_eq!(ask(&mut host, TestKey::RsaKid), "deny", "however well the signature is known");

    // An update keeps what has been fetched.
    assert!(host.configure(text.as_bytes()).expect("no trap"));
    assert_eq!(ask(&mut host, TestKey::Es256), "allow");
}

#[test]
fn a_cluster_that_is_not_there_does_no_harm() {
    let mut host = WasmHost::with(&configuration(json!([remote()])));
    assert_eq!(ask(&mut host, TestKey::RsaKid), "unknown");
    assert_eq!(host.state().metric("gnomon_key_sets_failed_total"), 1);
    // The one that Istio would have comes up.
    host.state().clusters = vec!["outbound|443||issuer.test".into()];
    host.state().now += 10;
    host.tick().expect("no trap");
    assert_eq!(host.state().sent.len(), 1);
    // An answer that never comes, and its successor.
    host.state().now += 20;
    host.tick().expect("no trap");
    host.answer(1, Some(("200", TestKey::RsaKid.jwks().as_bytes()))).expect("no trap");
    assert_eq!(ask(&mut host, TestKey::RsaKid), "allow");
}

#[test]
fn a_signature_is_checked_once_and_the_times_every_time() {
    let mut host = WasmHost::with(&configuration(json!([authentication(TestKey::RsaKid)])));
    let until = host.state().now + 100;
    let token = tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "exp": until})).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let other = tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "exp": until + 1})).unwrap();
    let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    // seconds later, token, verdict, signature checks
    let table = [
        (0, &token, "allow", 1),
        (1, &token, "allow", 0),
        (2, &forged, "deny", 1),
        (3, &forged, "deny", 1),
        (4, &token, "allow", 0),
        (200, &token, "deny", 0),
    ];
    let start = host.state().now;
    for (later, token, expected, checks) in table {
        host.state().now = start + later;
        let line = format!("Bearer {token}");
        host.state().set_headers(&[(":method", b"GET"), (":path", b"/"), ("authorization", line.as_bytes())]);
        assert_eq!(verdict(&mut host)["verdict"], expected, "{later}");
        let calls = host.state().calls.iter().filter(|name| **name == "proxy_call_foreign_function").count();
        assert_eq!(calls, checks, "{later}");
    }
}

#[test]
fn native_claims_are_believed_where_that_is_said() {
    let message = |number: u8, inner: &[u8]| {
        let mut bytes = vec![number << 3 | 2, inner.len() as u8];
        bytes.extend_from_slice(inner);
        bytes
    };
    let text = |text: &str| message(3, text.as_bytes());
    let entry =
        |key: &str, value: Vec<u8>| message(1, &[message(1, key.as_bytes()), message(2, &value)].concat());
    let claims = |issuer: &str| {
        let payload = [entry("iss", text(issuer)), entry("sub", text("u"))].concat();
        let payload = entry("payload", message(5, &payload));
        entry("envoy.filters.http.jwt_authn", payload)
    };
    let policies = json!([
        authentication(TestKey::RsaKid),
        policy("u", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/u"]}}]}])),
    ]);
    // said, issuer of the native claims, verdict
    let table = [(true, "me", "allow"), (false, "me", "unknown"), (true, "another", "deny")];
    for (said, issuer, expected) in table {
        let mut configuration = configuration(policies.clone());
        configuration["trustNative"] = said.into();
        let mut host = WasmHost::with(&configuration);
        get(&mut host, "/");
        let native = "metadata.filter_metadata.envoy.filters.http.jwt_authn";
        host.state().set(native, Property::Fails(3));
        host.state().set("metadata", Property::Bytes(claims(issuer)));
        assert_eq!(verdict(&mut host)["verdict"], expected, "{said} {issuer}");
    }
}
