//! What front ends ask beside the verdict.

use crate::common::*;
use gnomon_engine::{
    Request, Severity,
    jwt::{Authenticator, Edit, Json, Place, SoftwareCrypto, der_signature, unsigned_token},
    node::Node,
    resource::{HeaderLocation, JwtRule, Presence},
    workload::IstioVersion,
};

fn header(name: &str, prefix: &str) -> HeaderLocation {
    HeaderLocation { name: name.into(), prefix: prefix.into() }
}

#[test]
fn a_token_is_put_where_its_rule_looks() {
    let rules = [
        JwtRule { from_cookies: vec!["c".into()], ..inline("") },
        JwtRule {
            from_headers: vec![header("X-B", "Tok "), header("a", "")],
            from_params: vec!["p".into()],
            ..inline("h")
        },
        JwtRule { from_params: vec!["p".into()], from_cookies: vec!["d".into()], ..inline("p") },
        JwtRule { from_params: vec!["second".into()], ..inline("p") },
        inline("default"),
    ];
    let authenticator = compile(&rules);
    let cases = [
        ("h", Place::Header { name: "x-b".into(), prefix: "Tok ".into() }),
        ("p", Place::Param("p".into())),
        ("unheard of", Place::Cookie("c".into())),
        ("default", Place::default()),
    ];
    for (issuer, place) in cases {
        assert_eq!(authenticator.place(issuer), place, "{issuer}");
    }
    assert_eq!(compile(&rules[4..]).place("unheard of"), Place::default());
    assert_eq!(Place::default(), Place::Header { name: "authorization".into(), prefix: "Bearer ".into() });
}

#[test]
fn an_unsigned_token_passes_with_its_claims_where_it_is_vouched_for() {
    let node: Node = serde_json::from_str(
        r#"{"iss":"i","sub":"42","n":1.5,"big":9007199254740993,"scope":"a b","o":{"l":[true,null,"\u2028<"]}}"#,
    )
    .unwrap();
    let token = unsigned_token(&Json::from(&node));
    let authenticator = compile(&[inline("i")]);
    let bearer = format!("Bearer {token}");
    assert!(ask(&authenticator, &[("authorization", &bearer)], None).failure.is_some());
    let answer = ask(&authenticator, &[("authorization", &bearer)], Some(&Vouches));
    assert_eq!(answer.failure, None);
    assert_eq!(answer.edits, [Edit::Remove("authorization".into())]);
    let claims = answer.payload.unwrap();
    let expected = r#"{"iss":"i","sub":"42","n":1.5,"big":9007199254740992,"scope":["a","b"],"o":{"l":[true,null,"\u2028\u003c"]}}"#;
    assert_eq!(claims.write(), expected);
    assert_eq!(claims.get(&["o", "l"]), claims.member("o").and_then(|o| o.member("l")));
    assert_eq!(claims.get(&["scope", "0"]), None);
}

#[test]
fn numbers_of_yaml_become_doubles() {
    use gnomon_engine::node::Value;
    let cases =
        [("1", "1"), ("0x1F", "31"), ("0o17", "15"), ("-1e3", "-1000"), (".inf", "\".inf\""), ("1.5", "1.5")];
    for (text, json) in cases {
        let node = Node { value: Value::Number(text.into()), ..Node::default() };
        assert_eq!(Json::from(&node).write(), json, "{text}");
    }
}

#[test]
fn only_what_is_needed_is_read() {
    assert_eq!(Authenticator::default().reads_headers().count(), 0);
    let rule = JwtRule {
        from_headers: vec![header("X-Jwt", "")],
        from_cookies: vec!["c".into()],
        output_payload_to_header: Some("X-Payload".into()),
        ..inline("i")
    };
    let expected =
        ["access-control-request-method", "cookie", "origin", "x-jwt", "x-payload", ":method", ":path"];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(compile(&[rule]).reads_headers().collect::<Vec<_>>(), expected);
    assert!(compile(&[inline("i")]).reads_headers().any(|name| name == ":path"));
}

#[test]
fn bad_key_sets_are_told() {
    let with = |jwks: &str| JwtRule { jwks: Some(text(jwks)), ..inline("i") };
    let weak = r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#;
    let good = r#"{"kty":"oct","k":"c2VjcmV0"}"#;
    let cases: [(String, &[(Severity, &str)]); 7] = [
        ("{}".into(), &[(Severity::Error, "has no `keys`")]),
        ("nope".into(), &[(Severity::Error, "not valid JSON")]),
        (r#"{"keys":{}}"#.into(), &[(Severity::Error, "not a list")]),
        (r#"{"keys":[]}"#.into(), &[(Severity::Error, "it is empty")]),
        (
            format!(r#"{{"keys":[{weak}]}}"#),
            &[(Severity::Error, "keys[0]: the point does not lie on the curve")],
        ),
        (format!(r#"{{"keys":[{good},{weak}]}}"#), &[(Severity::Warning, "keys[1]: the point")]),
        (format!(r#"{{"keys":[{good}]}}"#), &[]),
    ];
    for (jwks, expected) in cases {
        let problems = compile(&[with(&jwks)]).problems();
        assert_eq!(problems.len(), expected.len(), "{jwks}: {problems:?}");
        for (problem, (severity, part)) in problems.iter().zip(expected) {
            assert_eq!(problem.severity, *severity, "{jwks}");
            assert!(problem.message.contains(part), "{jwks}: {}", problem.message);
        }
    }
    assert!(compile(&[remote("i"), with("")]).problems().is_empty(), "istiod fetches these");
}

#[test]
fn the_trace_names_rules_and_places_but_never_a_token() {
    let rules = [remote("r"), inline("i"), JwtRule { from_params: vec!["t".into()], ..inline("p") }];
    let authenticator = compile(&rules);
    let secret = unsigned_token(&Json::parse(br#"{"iss":"r","sub":"SECRET"}"#).unwrap());
    let (bearer, path) = (format!("Bearer {secret}"), "/?t=zz");
    let lines: [(&[u8], &[u8]); 2] = [(b":path", path.as_bytes()), (b"authorization", bearer.as_bytes())];
    let request = Request { now: 1_900_000_000, ..Request::http(&lines) };
    let trace = authenticator.trace(&request, &SoftwareCrypto);
    let told: Vec<_> = trace.iter().map(|t| (t.rule, &*t.issuer, &*t.location, t.status)).collect();
    let form = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    assert_eq!(
        told,
        [
            (1, "i", "header authorization", "Jwt issuer is not configured"),
            (2, "p", "query parameter t", form),
            (0, "r", "header authorization", "depends on a key set that is not known"),
        ]
    );
    assert_eq!(trace.iter().map(|t| t.other_issuer).collect::<Vec<_>>(), [true, false, false]);
    let answer = authenticator.authenticate(&request, &Vouches);
    assert_eq!((answer.failure.is_none(), answer.rule), (true, Some(0)));
    let section = secret.split('.').nth(1).unwrap();
    for printed in [format!("{trace:?}"), format!("{:?}", answer.edits), format!("{authenticator:?}")] {
        assert!(!printed.contains(section) && !printed.contains("SECRET"), "{printed}");
    }
}

#[test]
fn versions_know_their_fields() {
    let rule =
        JwtRule { presence: Presence::Required, space_delimited_claims: vec!["roles".into()], ..inline("i") };
    let token = format!("Bearer {}", unsigned_token(&Json::parse(br#"{"iss":"i","roles":"a b"}"#).unwrap()));
    // (version, a token is required, roles is a list)
    let cases = [
        (IstioVersion::minor(27), false, false),
        (IstioVersion::minor(28), false, true),
        (IstioVersion::minor(32), true, true),
    ];
    for (version, required, list) in cases {
        let authenticator = Authenticator::compile(&[&rule], version);
        let failure = ask(&authenticator, &[], None).failure;
        assert_eq!(
            failure.map(|failure| failure.message),
            required.then_some("Jwt is missing"),
            "{version:?}"
        );
        let payload = ask(&authenticator, &[("authorization", &token)], Some(&Vouches)).payload.unwrap();
        assert_eq!(matches!(payload.member("roles"), Some(Json::List(_))), list, "{version:?}");
    }
}

#[test]
fn signatures_in_der() {
    let cases: [(&[u8], Option<&[u8]>); 6] = [
        (&[], None),
        (&[1], None),
        (&[1, 2], Some(&[0x30, 6, 2, 1, 1, 2, 1, 2])),
        (&[0x80, 0xff], Some(&[0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0xff])),
        (&[0, 0, 0, 5, 9], Some(&[0x30, 6, 2, 1, 0, 2, 1, 5])),
        (&[0, 1, 0, 0x7f], Some(&[0x30, 6, 2, 1, 1, 2, 1, 0x7f])),
    ];
    for (raw, der) in cases {
        assert_eq!(der_signature(raw).as_deref(), der, "{raw:?}");
    }
    let long = der_signature(&[0xff; 400]).unwrap();
    assert_eq!(long[..4], [0x30, 0x82, 0x01, 0x98], "lengths beyond 255");
}

#[test]
fn keys_in_der_are_as_openssl_writes_them() {
    use gnomon_engine::jwt::{Algorithm, Crypto, Key, Signature};
    use std::cell::RefCell;

    /// Notes the keys that it is asked about.
    #[derive(Default)]
    struct Notes(RefCell<Vec<(String, Option<String>)>>);
    impl Crypto for Notes {
        fn verify(&self, _: Algorithm, key: &Key, _: &[u8], _: &[u8]) -> Signature {
            let hex = |der: &[u8]| der.iter().map(|byte| format!("{byte:02x}")).collect();
            self.0.borrow_mut().push((format!("{:?}", key.material()), key.spki_der().map(hex)));
            Signature::Bad
        }
    }

    let spki: serde_json::Value = serde_json::from_str(include_str!("../keys/spki.json")).unwrap();
    let cases = [
        ("rsa", include_str!("../keys/rsa.jwks.json"), "RSA 2048"),
        ("es256", include_str!("../keys/es256.jwks.json"), "EC P256"),
        ("es384", include_str!("../keys/es384.jwks.json"), "EC P384"),
        ("es512", include_str!("../keys/es512.jwks.json"), "EC P521"),
        ("none", r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, "oct of 6 bytes"),
    ];
    for (name, jwks, kind) in cases {
        // Without its `alg` a key is tried for a token of any algorithm.
        let jwks = jwks.lines().filter(|line| !line.contains("\"alg\"")).collect::<String>();
        let rule = JwtRule { jwks: Some(text(&jwks)), ..inline("i") };
        let token = format!("Bearer {}", unsigned_token(&Json::parse(br#"{"iss":"i"}"#).unwrap()));
        let notes = Notes::default();
        ask(&compile(&[rule]), &[("authorization", &token)], Some(&notes));
        let expected = (kind.to_string(), spki[name].as_str().map(Into::into));
        assert_eq!(notes.0.into_inner(), [expected], "{name}");
    }
}
