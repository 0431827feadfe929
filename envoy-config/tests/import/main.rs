//! Envoy configurations as people have them, old and new, evaluated as they stand.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may be blunt, and clippy.toml reaches only the #[test] functions"
)]

mod chains;
mod documents;
mod filters;
mod matchers;

use gnomon_engine::{
    Node, Request,
    jwt::{Json, SoftwareCrypto},
    request::{ExtAuthzAnswer, Input, Peer},
    verdict::{Missing, Outcome, Report, Stage},
    workload::IstioVersion,
};
use gnomon_envoy_config::import::{Imported, Refusal, Selected};
use serde_json::{Value, json};
use std::sync::Arc;

fn import(document: &Value) -> Imported {
    let node: Node = serde_json::from_value(document.clone()).unwrap();
    Imported::read(&node, &Arc::from("dump.json"))
}

/// As reports name them.
fn names(missing: &[Missing]) -> Vec<String> {
    missing.iter().map(ToString::to_string).collect()
}

fn ask(document: &Value, request: &Request<'_>) -> Report {
    let imported = import(document);
    match imported.select(None, request).unwrap() {
        Selected::Chain(chain) => chain.evaluate(request, IstioVersion::NEWEST, &SoftwareCrypto),
        Selected::Refused(refusal) => refusal.report(),
    }
}

/// An HTTP filter that allows what one permission and one principal describe.
fn rbac(permission: &Value, principal: &Value) -> Value {
    json!({ "name": "envoy.filters.http.rbac", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": { "policies": { "p": { "permissions": [permission], "principals": [principal] } } },
    } })
}

const SLEEP: &[u8] = b"spiffe://cluster.local/ns/default/sa/sleep";

fn request<'a>(headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        peer: Peer::Tls { names: &[SLEEP], complete: true },
        source_ip: Input::Is("10.1.2.3".parse().unwrap()),
        remote_ip: Input::Is("203.0.113.9".parse().unwrap()),
        destination_ip: Input::Is("10.0.0.3".parse().unwrap()),
        destination_port: Input::Is(8080),
        sni: b"httpbin.org",
        ..Request::http(headers)
    }
}

/// `/api/Items?x=1` with two lines of `x-two` and a number.
const HEADERS: &[(&[u8], &[u8])] = &[
    (b":authority", b"Web.example.com"),
    (b":path", b"/api/Items?x=1"),
    (b":method", b"GET"),
    (b"x-two", b"a"),
    (b"x-two", b"b"),
    (b"x-number", b"42"),
    (b"x-empty", b""),
];

/// A token that nobody signed, and who takes it for good.
struct Vouch(Vec<u8>);

impl gnomon_engine::jwt::Crypto for Vouch {
    fn verify(
        &self,
        _: gnomon_engine::jwt::Algorithm,
        _: &gnomon_engine::jwt::Key,
        _: &[u8],
        _: &[u8],
    ) -> gnomon_engine::jwt::Signature {
        gnomon_engine::jwt::Signature::Bad
    }

    fn vouches_for(&self, token: &[u8]) -> bool {
        token == self.0
    }
}

/// Filters behind each other in a listener, with this one's token in the request.
fn with_token(filters: &[Value], claims: Value) -> Report {
    let claims: Node = serde_json::from_value(claims).unwrap();
    let token = gnomon_engine::jwt::unsigned_token(&Json::from(&claims));
    let bearer = format!("Bearer {token}");
    let mut headers = HEADERS.to_vec();
    headers.push((b"authorization", bearer.as_bytes()));
    let imported = import(&Value::Array(filters.to_vec()));
    let request = request(&headers);
    let Selected::Chain(chain) = imported.select(None, &request).unwrap() else { panic!() };
    chain.evaluate(&request, IstioVersion::NEWEST, &Vouch(token.into_bytes()))
}

fn jwt_authn(key: &str, normalize: bool) -> Value {
    let mut provider = json!({ "issuer": "i", "payloadInMetadata": key, "forward": true, "localJwks": { "inlineString": "{\"keys\": []}" } });
    if normalize {
        provider["normalizePayloadInMetadata"] = json!({ "spaceDelimitedClaims": ["permission", "scope"] });
    }
    json!({ "name": "envoy.filters.http.jwt_authn", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": { "origins-0": provider },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "requiresAny": { "requirements": [{ "providerName": "origins-0" }, { "allowMissing": {} }] } } }],
        "bypassCorsPreflight": true,
    } })
}
