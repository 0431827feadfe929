//! Rules and requests in few words.

use gnomon_engine::{
    Request,
    jwt::{Algorithm, Authentication, Authenticator, Crypto, Key, Signature, SoftwareCrypto},
    resource::{JwtRule, Text},
    workload::IstioVersion,
};

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const KEYS: &str = include_str!("../keys/all.jwks.json");

/// Knows every token.
pub(crate) struct Vouches;

impl Crypto for Vouches {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
    fn vouches_for(&self, _: &[u8]) -> bool {
        true
    }
}

pub(crate) fn text(text: &str) -> Text {
    Text { text: text.into(), ..Text::default() }
}

/// A rule whose key set has to be fetched.
pub(crate) fn remote(issuer: &str) -> JwtRule {
    JwtRule { issuer: text(issuer), jwks_uri: Some(text("https://keys.example/jwks")), ..JwtRule::default() }
}

/// A rule with the test keys inline.
pub(crate) fn inline(issuer: &str) -> JwtRule {
    JwtRule { issuer: text(issuer), jwks: Some(text(KEYS)), ..JwtRule::default() }
}

pub(crate) fn compile(rules: &[JwtRule]) -> Authenticator {
    Authenticator::compile(&rules.iter().collect::<Vec<_>>(), IstioVersion::NEWEST)
}

/// The answer to a request with these headers at 2030.
pub(crate) fn ask(
    authenticator: &Authenticator,
    headers: &[(&str, &str)],
    crypto: Option<&dyn Crypto>,
) -> Authentication {
    let mut lines: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    // Without a path, as a CONNECT is, no rule applies.
    if !lines.iter().any(|(name, _)| *name == b":path") {
        lines.insert(0, (b":path", b"/"));
    }
    let request = Request { now: 1_900_000_000, ..Request::http(&lines) };
    authenticator.authenticate(&request, crypto.unwrap_or(&SoftwareCrypto))
}
