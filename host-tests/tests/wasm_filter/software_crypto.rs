//! The artefact that checks by itself what the proxy does not, beside the usual one.

use super::*;
use jsonwebtoken::Algorithm;

fn ask(host: &mut WasmHost, token: Option<&str>) -> (String, Value, String) {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut lines: Vec<(&str, &[u8])> = vec![(":method", b"GET"), (":path", b"/"), (":authority", b"a")];
    lines.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_bytes())));
    host.state().set_headers(&lines);
    host.state().answered(200, "via_upstream");
    let got = verdict(host);
    let word = |field: &str| got[field].as_str().unwrap_or_default().to_owned();
    (word("verdict"), got["status"].clone(), word("stage"))
}

fn users_only(jwks: &str) -> Value {
    let mut authentication = authentication(TestKey::Rsa);
    authentication["spec"]["jwtRules"][0]["jwks"] = jwks.into();
    configuration(json!([
        authentication,
        policy("user", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/u"]}}]}])),
    ]))
}

/// Tokens of one key, by what is to be said about them; the last word is for a module that cannot check. `fixed`: good
/// signatures have one length, so that others are bad whatever the key.
fn table(
    sign: impl Fn(&Value) -> String,
    now: u64,
    fixed: bool,
) -> Vec<(Option<String>, &'static str, Value, &'static str, &'static str)> {
    let of = |sub: &str, exp: u64| sign(&json!({"iss": "me", "sub": sub, "exp": exp}));
    let (good, other) = (of("u", now + 10), of("other", now + 10));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", other.rsplit_once('.').unwrap().1);
    let short = format!("{body}.{}", signature.get(..20).unwrap());
    vec![
        (Some(good), "allow", json!(200), "allow", "unknown"),
        (Some(other), "deny", json!(403), "allow", "unknown"),
        (Some(forged), "deny", json!(401), "jwt", "unknown"),
        (Some(short), "deny", json!(401), "jwt", if fixed { "deny" } else { "unknown" }),
        // Refused before anybody looks at the signature.
        (Some(of("u", now - 100)), "deny", json!(401), "jwt", "deny"),
        (None, "deny", json!(403), "allow", "deny"),
    ]
}

#[test]
fn signatures_that_the_proxy_does_not_check_are_checked_or_unknown() {
    for uncommon in tokens::uncommon() {
        let configuration = users_only(uncommon.jwks);
        let mut able = WasmHost::with_of(Artefact::SoftwareCrypto, &configuration);
        let mut usual = WasmHost::with(&configuration);
        let now = usual.state().now;
        let mut unknown = 0;
        for (token, outcome, status, stage, without) in
            table(|claims| uncommon.sign(claims).unwrap(), now, uncommon.algorithm == Algorithm::EdDSA)
        {
            let algorithm = uncommon.algorithm;
            // The second time it may be remembered.
            for _ in 0..2 {
                let got = ask(&mut able, token.as_deref());
                assert_eq!(got, (outcome.into(), status.clone(), stage.into()), "{algorithm:?} {token:?}");
                assert_eq!(ask(&mut usual, token.as_deref()).0, without, "{algorithm:?} {token:?}");
                unknown += i64::from(without == "unknown");
            }
        }
        assert_eq!(usual.state().metric("gnomon_requests_unknown_total"), unknown);
        assert_eq!(able.state().metric("gnomon_requests_unknown_total"), 0);
        let errors = [&mut able, &mut usual].map(|host| host.state().metric("gnomon_errors_total"));
        assert_eq!(errors, [0, 0], "to be asked for what it does not know is no failure of the proxy's");
    }
}

#[test]
fn a_proxy_without_signature_checks_is_done_without() {
    for key in [TestKey::Rsa, TestKey::RsaKid, TestKey::Es256, TestKey::Es384] {
        let configuration = users_only(key.jwks());
        let mut able = WasmHost::with_of(Artefact::SoftwareCrypto, &configuration);
        let mut usual = WasmHost::with(&configuration);
        for host in [&mut able, &mut usual] {
            host.state().has_verify_signature = false;
        }
        let now = usual.state().now;
        for (token, outcome, status, stage, without) in
            table(|claims| tokens::sign(key, claims).unwrap(), now, false)
        {
            let got = ask(&mut able, token.as_deref());
            assert_eq!(got, (outcome.into(), status, stage.into()), "{key:?} {token:?}");
            assert_eq!(ask(&mut usual, token.as_deref()).0, without, "{key:?} {token:?}");
        }
    }
}
