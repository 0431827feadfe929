//! What the JWT stage's line says to people.

use crate::common::{Vouches, inline, text};
use gnomon_engine::{
    Mesh, Plan, Request, Workload,
    jwt::{Crypto, Json, SoftwareCrypto, unsigned_token},
    resource::{JwtRule, Meta, RequestAuthentication, Resources, Target},
};

/// Rules, who checks signatures, the bearer token, the path, the line.
type Case<'a> = (&'a [JwtRule], &'a dyn Crypto, String, String, &'a str);

fn plan(rules: &[JwtRule]) -> Plan {
    let meta = Meta { namespace: "default".into(), name: "r".into(), ..Meta::default() };
    let rules = rules.to_vec();
    let authentication = vec![RequestAuthentication { meta, target: Target::Namespace, rules }];
    let resources = Resources { request_authentication: authentication, ..Resources::default() };
    Plan::build(&resources, &Workload::default(), &Mesh::default())
}

#[test]
fn each_token_is_told_with_its_place_and_its_rule_and_never_shown() {
    let token = |issuer: &str| {
        unsigned_token(&Json::parse(format!(r#"{{"iss":"{issuer}","sub":"SECRET"}}"#).as_bytes()).unwrap())
    };
    let query = |issuer| JwtRule { from_params: vec!["t".into()], ..inline(issuer) };
    let remote = |issuer| JwtRule { jwks: None, jwks_uri: Some(text("https://k")), ..inline(issuer) };
    let (two, many) = ([inline("a"), query("b")], ["a", "b", "c", "d", "e", "f"].map(inline));
    let vouches: &dyn Crypto = &Vouches;
    let cases: [Case<'_>; 8] = [
        (&two, vouches, String::new(), "/".into(), "2 rules, no token: passes unidentified"),
        (
            &two,
            vouches,
            token("a"),
            "/".into(),
            "2 rules, token in header authorization verified: iss a, sub SECRET",
        ),
        (
            &two,
            vouches,
            String::new(),
            format!("/?t={}", token("b")),
            "2 rules, token in query parameter t verified: iss b, sub SECRET",
        ),
        (
            &two,
            &SoftwareCrypto,
            token("a"),
            "/".into(),
            "2 rules; issuer a, header authorization: Jwt verification fails (the token is signed with RS256 without kid, \
             and the key of the key set does not verify it: other keys, or an altered token)",
        ),
        (
            &two,
            &SoftwareCrypto,
            token("a"),
            format!("/?t={}", token("b")),
            "2 rules; issuer a, header authorization: Jwt verification fails (the token is signed with RS256 without kid, \
             and the key of the key set does not verify it: other keys, or an altered token); \
             issuer b, query parameter t: Jwt verification fails",
        ),
        // The other five do not look into it.
        (
            &many,
            &SoftwareCrypto,
            token("e"),
            "/".into(),
            "6 rules; issuer e, header authorization: Jwt verification fails (the token is signed with RS256 without kid, \
             and the key of the key set does not verify it: other keys, or an altered token)",
        ),
        (
            &many,
            vouches,
            token("z"),
            "/".into(),
            "6 rules; issuer a, header authorization: Jwt issuer is not configured (the token's iss is \"z\"); \
             issuer b, header authorization: Jwt issuer is not configured; \
             issuer c, header authorization: Jwt issuer is not configured; \
             issuer d, header authorization: Jwt issuer is not configured; and 2 more",
        ),
        (
            &[remote("a"), remote("")],
            &SoftwareCrypto,
            token("a"),
            "/".into(),
            "2 rules; any issuer, header authorization: depends on a key set that is not known; \
             issuer a, header authorization: depends on a key set that is not known",
        ),
    ];
    for (rules, crypto, bearer, path, expected) in cases {
        let bearer = format!("Bearer {bearer}");
        let mut lines: Vec<(&[u8], &[u8])> = vec![(b":method", b"GET"), (b":path", path.as_bytes())];
        if bearer.len() > "Bearer ".len() {
            lines.push((b"authorization", bearer.as_bytes()));
        }
        let request = Request { now: 1_900_000_000, ..Request::http(&lines) };
        let explanation = plan(rules).explain(&request, crypto);
        let told: Vec<_> = explanation.stages.iter().map(|stage| &*stage.summary).collect();
        assert_eq!(told.last(), Some(&expected), "{told:?}");
    }
}

#[test]
fn a_refusal_holds_the_token_against_the_rule() {
    let rule = |issuer: &str| JwtRule { audiences: vec!["orders".into()], ..inline(issuer) };
    let cases = [
        (
            "https://i",
            r#"{"iss":"https://i/"}"#,
            "the token's iss is \"https://i/\", with a slash at the end that the rule's issuer lacks",
        ),
        (
            "https://i/",
            r#"{"iss":"https://i"}"#,
            "the token's iss is \"https://i\", without the slash at the end of the rule's issuer",
        ),
        (
            "https://i",
            r#"{"iss":"http://i"}"#,
            "the token's iss is \"http://i\": http and https are two issuers",
        ),
        (
            "https://i",
            r#"{"iss":"https://I"}"#,
            "the token's iss is \"https://I\": upper and lower case are told apart",
        ),
        ("https://i", r#"{"iss":"https://other"}"#, "the token's iss is \"https://other\""),
        ("i", r#"{"sub":"u"}"#, "the token has no iss"),
        (
            "i",
            r#"{"iss":"i","aud":["a","b"]}"#,
            "the token has aud \"a\", \"b\", the rule wants one of \"orders\"",
        ),
        (
            "i",
            r#"{"iss":"i","aud":"Orders"}"#,
            "the token has aud \"Orders\", the rule wants one of \"orders\", letter by letter",
        ),
        ("i", r#"{"iss":"i"}"#, "the token has no aud, the rule wants one of \"orders\""),
        ("i", r#"{"iss":"i","aud":"orders","exp":1899990000}"#, "the token's exp is 1899990000, 2 hours ago"),
        (
            "i",
            r#"{"iss":"i","aud":"orders","nbf":1900000000000}"#,
            "the token's nbf is 1900000000000: that is in milliseconds, and counts as seconds",
        ),
    ];
    for (issuer, claims, expected) in cases {
        let bearer = format!("Bearer {}", unsigned_token(&Json::parse(claims.as_bytes()).unwrap()));
        let lines: Vec<(&[u8], &[u8])> =
            vec![(b":method", b"GET"), (b":path", b"/"), (b"authorization", bearer.as_bytes())];
        let request = Request { now: 1_900_000_000, ..Request::http(&lines) };
        let explanation = plan(&[rule(issuer)]).explain(&request, &Vouches);
        let told = &explanation.stages.last().unwrap().summary;
        assert!(told.ends_with(&format!("({expected})")), "{told}");
    }
    // A token where no rule looks.
    let token = unsigned_token(&Json::parse(br#"{"iss":"i"}"#).unwrap());
    for (header, path, expected) in [
        (&b"x-jwt"[..], "/".to_owned(), "header x-jwt has one and is not read"),
        (b"accept", format!("/?jwt={token}"), "parameter jwt has one and is not read"),
    ] {
        let lines: Vec<(&[u8], &[u8])> =
            vec![(b":method", b"GET"), (b":path", path.as_bytes()), (header, token.as_bytes())];
        let lines = if header == b"accept" { lines[..2].to_vec() } else { lines };
        let explanation = plan(&[rule("i")]).explain(&Request::http(&lines), &Vouches);
        let told = explanation.stages.iter().map(|stage| &*stage.summary).collect::<Vec<_>>();
        assert!(told.iter().any(|line| line.contains(expected)), "{told:?}");
    }
}
