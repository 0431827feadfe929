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
            "2 rules; issuer a, header authorization: Jwt verification fails",
        ),
        (
            &two,
            &SoftwareCrypto,
            token("a"),
            format!("/?t={}", token("b")),
            "2 rules; issuer a, header authorization: Jwt verification fails; \
             issuer b, query parameter t: Jwt verification fails",
        ),
        // The other five do not look into it.
        (
            &many,
            &SoftwareCrypto,
            token("e"),
            "/".into(),
            "6 rules; issuer e, header authorization: Jwt verification fails",
        ),
        (
            &many,
            vouches,
            token("z"),
            "/".into(),
            "6 rules; issuer a, header authorization: Jwt issuer is not configured; \
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
