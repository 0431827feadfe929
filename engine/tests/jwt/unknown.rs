//! Rules whose key set nobody has: the answer is unknown only where it depends on the keys.

use crate::common::*;
use gnomon_engine::{
    jwt::{Json, unsigned_token},
    resource::{HeaderLocation, JwtRule},
    verdict::Missing,
};

fn token(claims: &str) -> String {
    unsigned_token(&Json::parse(claims.as_bytes()).unwrap())
}

fn key_set(name: &str) -> Option<Missing> {
    Some(Missing::KeySet(name.into()))
}

fn in_header(rule: JwtRule, name: &str) -> JwtRule {
    JwtRule { from_headers: vec![HeaderLocation { name: name.into(), prefix: String::new() }], ..rule }
}

#[test]
fn one_rule() {
    let authenticator = compile(&[remote("i")]);
    let cases = [
        // (claims, status, message; status 0: unknown)
        (r#"{"iss":"i"}"#, 0, ""),
        (r#"{"iss":"j"}"#, 401, "Jwt issuer is not configured"),
        (r#"{"iss":"i","exp":1}"#, 401, "Jwt is expired"),
        (r#"{"iss":"i","nbf":1900000061}"#, 401, "Jwt not yet valid"),
        (r#"{"iss":1}"#, 401, "Jwt payload [iss] field is not a string"),
    ];
    for (claims, status, message) in cases {
        let header = format!("Bearer {}", token(claims));
        let failure = ask(&authenticator, &[("authorization", &header)], None).failure.unwrap();
        match status {
            0 => assert_eq!(failure.missing, key_set("i"), "{claims}"),
            _ => assert_eq!(
                (failure.status, failure.message, failure.missing),
                (status, message, None),
                "{claims}"
            ),
        }
        let vouched = ask(&authenticator, &[("authorization", &header)], Some(&Vouches)).failure;
        assert_eq!(vouched.is_none(), status == 0, "vouched for, {claims}");
    }
    assert!(ask(&authenticator, &[], None).failure.is_none(), "no token");
}

#[test]
fn audience_is_checked_before_the_keys() {
    let rule = JwtRule { audiences: vec!["a".into()], ..remote("i") };
    let authenticator = compile(&[rule]);
    let header = format!("Bearer {}", token(r#"{"iss":"i","aud":"b"}"#));
    for crypto in [None, Some(&Vouches as &dyn gnomon_engine::jwt::Crypto)] {
        let failure = ask(&authenticator, &[("authorization", &header)], crypto).failure.unwrap();
        assert_eq!((failure.status, failure.missing), (403, None));
    }
}

#[test]
fn several_rules() {
    let authenticator = compile(&[in_header(remote("a"), "x-a"), in_header(inline("b"), "x-b")]);
    let (a, b) = (token(r#"{"iss":"a"}"#), token(r#"{"iss":"b"}"#));
    let garbage = "zz".to_string();
    // Rule a passes if its keys fit, and then nobody asks b.
    let failure = ask(&authenticator, &[("x-a", &a)], None).failure.unwrap();
    assert_eq!(failure.missing, key_set("a"));
    // Whatever the keys of a are, a token of b in its place is refused.
    let failure = ask(&authenticator, &[("x-a", &b)], None).failure.unwrap();
    assert_eq!((failure.message, failure.missing), ("Jwt issuer is not configured", None));
    // Two tokens of a, and the one that is looked at first is garbage: refused without a look at the keys.
    let failure = ask(&authenticator, &[("x-a", &a), ("x-a", &garbage)], None).failure.unwrap();
    assert!(failure.message.starts_with("Jwt is not in the form"), "{}", failure.message);
    assert_eq!(failure.missing, None);
    // The other way round: if a's keys fit, the header goes and the second time round nothing is there.
    let failure = ask(&authenticator, &[("x-a", &garbage), ("x-a", &a)], None).failure.unwrap();
    assert_eq!(failure.missing, key_set("a"));
}

#[test]
fn the_same_refusal_either_way_is_no_secret() {
    // The good token is forwarded, so the garbage beside it is found each time, whatever the keys say …
    let rule = JwtRule {
        from_headers: ["x-a", "x-b"]
            .map(|name| HeaderLocation { name: name.into(), prefix: String::new() })
            .into(),
        forward_original_token: true,
        ..remote("a")
    };
    let authenticator = compile(&[rule]);
    let a = token(r#"{"iss":"a"}"#);
    // … but with other keys the refusal would be another one, so nobody can say which.
    let failure = ask(&authenticator, &[("x-a", "zz"), ("x-b", &a)], None).failure.unwrap();
    assert_eq!(failure.missing, key_set("a"));
    let failure = ask(&authenticator, &[("x-a", &a), ("x-b", "zz")], None).failure.unwrap();
    assert_eq!(failure.missing, None);
}

#[test]
fn a_rule_for_any_issuer_is_missing_by_its_address() {
    let header = format!("Bearer {}", token("{}"));
    let failure = ask(&compile(&[remote("")]), &[("authorization", &header)], None).failure.unwrap();
    assert_eq!(failure.missing, key_set("https://keys.example/jwks"));
}

#[test]
fn many_unknown_key_sets_end() {
    let rules: Vec<JwtRule> = (0..200).map(|_| remote("a")).collect();
    let header = format!("Bearer {}", token(r#"{"iss":"a"}"#));
    let failure = ask(&compile(&rules), &[("authorization", &header)], None).failure.unwrap();
    assert_eq!(failure.missing, key_set("a"));
}
