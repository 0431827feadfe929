//! Nothing that a client or a key set may say makes it panic or hang.

use crate::common::*;
use gnomon_engine::{
    Request,
    jwt::{Json, SoftwareCrypto},
    resource::{ClaimToHeader, HeaderLocation, JwtRule},
};
use proptest::prelude::*;

/// Rules that look everywhere and write something.
fn rules() -> Vec<JwtRule> {
    let everywhere = JwtRule {
        from_headers: vec![HeaderLocation { name: "x".into(), prefix: "p ".into() }],
        from_params: vec!["t".into()],
        from_cookies: vec!["c".into()],
        output_payload_to_header: Some("x-p".into()),
        output_claim_to_headers: vec![ClaimToHeader { header: "x-c".into(), claim: "a.b".into() }],
        ..inline("")
    };
    vec![everywhere, inline(ISSUER), remote("r")]
}

/// Text that is nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "'",
            "\\",
            "\\u",
            "\\ud83d",
            "null",
            "true",
            "1",
            "-",
            "e",
            ".",
            "0",
            " ",
            "\n",
            "a",
            "\"iss\"",
            "\"exp\"",
            "\"aud\"",
            "\"alg\"",
            "\"RS256\"",
            "\"keys\"",
            "\"kty\"",
            "\"EC\"",
            "\u{e9}",
        ])
        .prop_map(String::from),
        "[ -~]{0,4}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn base64url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        out.extend((0..=chunk.len()).map(|i| char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize])));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json(bytes in prop::collection::vec(any::<u8>(), 0..200), text in nearly_json()) {
        Json::parse(&bytes);
        if let Some(value) = Json::parse(text.as_bytes()) {
            // What is read can be written, and read again as the same.
            let again = Json::parse(value.write().as_bytes());
            prop_assert_eq!(again.as_ref(), Some(&value));
            let strict: Result<serde_json::Value, _> = serde_json::from_str(&value.write());
            prop_assert!(strict.is_ok(), "{}", value.write());
        }
    }

    #[test]
    fn what_serde_json_reads_is_read_the_same(value in arbitrary_json(4)) {
        let ours = Json::parse(value.to_string().as_bytes()).unwrap();
        let again = Json::parse(ours.write().as_bytes());
        prop_assert_eq!(again.as_ref(), Some(&ours));
        prop_assert_eq!(ours, from_serde(value));
    }

    #[test]
    fn requests(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 4),
        (header, payload, signature) in (nearly_json(), nearly_json(), "[A-Za-z_=. -]{0,90}"),
        now in any::<i64>(),
    ) {
        let authenticator = compile(&rules());
        let token = format!("{}.{}.{signature}", base64url(&header), base64url(&payload));
        let path = [b"/?t=".as_slice(), &lines[0], b"&", &lines[1]].concat();
        let cookie = [&lines[2], b"; c=".as_slice(), &lines[3]].concat();
        let bearer = format!("Bearer {token}");
        let x = [b"p ".as_slice(), &lines[0]].concat();
        let headers: [(&[u8], &[u8]); 5] =
            [(b":path", &path), (b"cookie", &cookie), (b"authorization", bearer.as_bytes()), (b"x", &x), (b"x-p", b"v")];
        let request = Request { now, ..Request::http(&headers) };
        let answer = authenticator.authenticate(&request, &SoftwareCrypto);
        prop_assert!(answer.failure.is_none_or(|failure| matches!(failure.status, 401 | 403)));
        authenticator.authenticate(&request, &Vouches);
        authenticator.trace(&request, &SoftwareCrypto);
    }

    #[test]
    fn key_sets(text in nearly_json(), n in prop::collection::vec(any::<u8>(), 0..40), kty in "(RSA|EC|OKP|oct|x)") {
        let member = base64url(&String::from_utf8_lossy(&n));
        let jwk = format!(
            r#"{{"kty":"{kty}","n":"{member}","e":"AQAB","x":"{member}","y":"{member}","crv":"P-521","k":"{member}"}}"#
        );
        for set in [text.clone(), format!(r#"{{"keys":[{text}]}}"#), format!(r#"{{"keys":[{jwk}]}}"#)] {
            let rule = JwtRule { jwks: Some(crate::common::text(&set)), ..inline("i") };
            compile(&[rule]).problems();
        }
    }
}

fn arbitrary_json(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(depth, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn from_serde(value: serde_json::Value) -> Json {
    use serde_json::Value;
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Number(number) => Json::Number(number.as_f64().unwrap()),
        Value::String(text) => Json::String(text),
        Value::Array(items) => Json::List(items.into_iter().map(from_serde).collect()),
        Value::Object(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, from_serde(value))).collect())
        }
    }
}
