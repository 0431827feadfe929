//! Tokens and key sets.

use gnomon_engine::{
    Diagnostic, Node, Request, decode,
    jwt::{Authenticator, Json, SoftwareCrypto},
    resource::{HeaderLocation, JwtRule, Resources, Text},
    workload::IstioVersion,
};
use serde_json::json;
use std::{cell::OnceCell, sync::Arc};

const KEYS: &str = include_str!("../../engine/tests/keys/all.jwks.json");
/// When they were made.
const NOW: i64 = 1_795_253_135;
/// Good tokens of these keys, of each kind of algorithm.
const TOKENS: &str = include_str!("tokens.txt");

fn text(value: &str) -> Text {
    Text { text: value.into(), ..Text::default() }
}

fn rules() -> Vec<JwtRule> {
    let rule = |issuer: &str| JwtRule { issuer: text(issuer), jwks: Some(text(KEYS)), ..JwtRule::default() };
    let locations = JwtRule {
        from_headers: vec![HeaderLocation { name: "x-token".into(), prefix: "T ".into() }],
        from_params: vec!["token".into()],
        from_cookies: vec!["token".into()],
        output_payload_to_header: Some("x-payload".into()),
        ..rule("")
    };
    let audience = JwtRule {
        audiences: vec!["https://aud/".into()],
        forward_original_token: true,
        ..rule("https://b.example")
    };
    vec![rule("https://a.example"), audience, locations]
}

/// Any bytes as a token, at every place where one is looked for, and as JSON.
pub fn tokens(data: &[u8]) {
    thread_local!(static RULES: OnceCell<Authenticator> = const { OnceCell::new() });
    if let Some(json) = Json::parse(data) {
        let written = json.write();
        assert_eq!(Json::parse(written.as_bytes()).map(|json| json.write()), Some(written));
    }
    let with = |prefix: &[u8]| [prefix, data].concat();
    let (bearer, own, path, cookie) =
        (with(b"Bearer "), with(b"T "), with(b"/?access_token=x&token="), with(b"a=b; token="));
    RULES.with(|rules| {
        let rules = rules.get_or_init(|| {
            let rules = self::rules();
            Authenticator::compile(&rules.iter().collect::<Vec<_>>(), IstioVersion::NEWEST)
        });
        let places: [(&[u8], &[u8]); 4] =
            [(b"authorization", &bearer), (b"x-token", &own), (b":path", &path), (b"cookie", &cookie)];
        for place in places {
            let lines: [(&[u8], &[u8]); 2] = [(b":method", b"GET"), place];
            let request = Request { now: NOW, ..Request::http(&lines) };
            let found = rules.authenticate(&request, &SoftwareCrypto);
            rules.trace(&request, &SoftwareCrypto);
            if let Some(failure) = found.failure {
                assert!([401, 403].contains(&failure.status));
                assert_eq!(failure.missing, None, "all keys are there");
            }
        }
    });
}

/// Any text as a key set: what admission says of it, and a good token checked against it.
pub fn key_sets(data: &[u8]) {
    let Ok(keys) = core::str::from_utf8(data) else { return };
    let manifest = json!({"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "r", "namespace": "n"}, "spec": {"jwtRules": [{"issuer": "https://a.example", "jwks": keys}]}});
    let node: Node = serde_json::from_value(manifest).unwrap();
    let (mut resources, mut found) = (Resources::default(), Vec::<Diagnostic>::new());
    decode::object(&node, &Arc::from(""), &mut resources, &mut found);
    let rule = JwtRule { jwks: Some(text(keys)), ..JwtRule::default() };
    let authenticator = Authenticator::compile(&[&rule], IstioVersion::NEWEST);
    authenticator.problems();
    for token in TOKENS.lines() {
        let bearer = format!("Bearer {token}");
        let lines: [(&[u8], &[u8]); 1] = [(b"authorization", bearer.as_bytes())];
        let request = Request { now: NOW, ..Request::http(&lines) };
        authenticator.authenticate(&request, &SoftwareCrypto);
    }
}
