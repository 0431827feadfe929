//! Tokens signed with the keys of the engine's tests, whose public halves are in `engine/tests/keys/*.jwks.json`.

use crate::err::{Context, Result};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;
use std::sync::OnceLock;

/// One of the test keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestKey {
    /// RSA 2048; its JWK has neither `kid` nor `alg`.
    Rsa,
    /// RSA 2048; its JWK has `kid: rsa-kid`, `alg: RS256`.
    RsaKid,
    /// P-256; its JWK has a `kid`.
    Es256,
    /// P-384; its JWK has a `kid`.
    Es384,
    /// Ed25519; its JWK has a `kid`.
    Ed25519,
}

impl TestKey {
    /// All of them.
    pub const ALL: [TestKey; 5] =
        [TestKey::Rsa, TestKey::RsaKid, TestKey::Es256, TestKey::Es384, TestKey::Ed25519];

    /// Reading an RSA key takes longer than signing with it.
    fn private(self) -> Result<EncodingKey> {
        static KEYS: [OnceLock<EncodingKey>; 5] = [const { OnceLock::new() }; 5];
        let place = TestKey::ALL.iter().position(|key| *key == self);
        let kept = place.and_then(|place| KEYS.get(place));
        if let Some(key) = kept.and_then(OnceLock::get) {
            return Ok(key.clone());
        }
        let key = self.read()?;
        if let Some(kept) = kept {
            // Another thread may have been quicker; both are the same.
            let _ = kept.set(key.clone());
        }
        Ok(key)
    }

    fn read(self) -> Result<EncodingKey> {
        match self {
            TestKey::Rsa => EncodingKey::from_rsa_pem(include_bytes!("../../engine/tests/keys/rsa.pem")),
            TestKey::RsaKid => {
                EncodingKey::from_rsa_pem(include_bytes!("../../engine/tests/keys/rsa-kid.pem"))
            }
            TestKey::Es256 => EncodingKey::from_ec_pem(include_bytes!("../../engine/tests/keys/es256.pem")),
            TestKey::Es384 => EncodingKey::from_ec_pem(include_bytes!("../../engine/tests/keys/es384.pem")),
            TestKey::Ed25519 => {
                EncodingKey::from_ed_pem(include_bytes!("../../engine/tests/keys/ed25519.pem"))
            }
        }
        .or_cannot(format_args!("read the test key {self:?}"))
    }

    /// Its public half as a JWK set.
    pub fn jwks(self) -> &'static str {
        match self {
            TestKey::Rsa => include_str!("../../engine/tests/keys/rsa.jwks.json"),
            TestKey::RsaKid => include_str!("../../engine/tests/keys/rsa-kid.jwks.json"),
            TestKey::Es256 => include_str!("../../engine/tests/keys/es256.jwks.json"),
            TestKey::Es384 => include_str!("../../engine/tests/keys/es384.jwks.json"),
            TestKey::Ed25519 => include_str!("../../engine/tests/keys/ed25519.jwks.json"),
        }
    }

    /// The algorithm that the key is made for.
    pub fn algorithm(self) -> Algorithm {
        match self {
            TestKey::Rsa | TestKey::RsaKid => Algorithm::RS256,
            TestKey::Es256 => Algorithm::ES256,
            TestKey::Es384 => Algorithm::ES384,
            TestKey::Ed25519 => Algorithm::EdDSA,
        }
    }
}

/// A token with these claims, in the key's own algorithm and without a `kid`.
pub fn sign(key: TestKey, claims: &Value) -> Result<String> {
    sign_as(key, key.algorithm(), None, claims)
}

/// A token with these claims; an RSA key signs RS and PS algorithms alike.
pub fn sign_as(key: TestKey, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> Result<String> {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(Into::into);
    jsonwebtoken::encode(&header, claims, &key.private()?).or_cannot("sign a token")
}

/// A shared secret of 32 bytes, as a JWK set.
const SECRET_JWKS: &str =
    r#"{"keys":[{"kty":"oct","kid":"secret","k":"Z25vbW9uIHRlc3RzIHNpZ24gd2l0aCB0aGlzIHNlY3I"}]}"#;
const SECRET: &[u8] = b"gnomon tests sign with this secr";

/// What signs with an algorithm that Envoy's `verify_signature` does not know, and its own `jwt_authn` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncommon {
    /// `alg` of the token.
    pub algorithm: Algorithm,
    /// The public half of the key, or the shared secret: a JWK set.
    pub jwks: &'static str,
    key: Option<TestKey>,
}

/// All of them.
pub fn uncommon() -> [Uncommon; 7] {
    let of = |algorithm, key: TestKey| Uncommon { algorithm, jwks: key.jwks(), key: Some(key) };
    let secret = |algorithm| Uncommon { algorithm, jwks: SECRET_JWKS, key: None };
    [
        of(Algorithm::PS256, TestKey::Rsa),
        of(Algorithm::PS384, TestKey::Rsa),
        of(Algorithm::PS512, TestKey::Rsa),
        of(Algorithm::EdDSA, TestKey::Ed25519),
        secret(Algorithm::HS256),
        secret(Algorithm::HS384),
        secret(Algorithm::HS512),
    ]
}

impl Uncommon {
    /// A token with these claims.
    pub fn sign(self, claims: &Value) -> Result<String> {
        match self.key {
            Some(key) => sign_as(key, self.algorithm, None, claims),
            None => {
                jsonwebtoken::encode(&Header::new(self.algorithm), claims, &EncodingKey::from_secret(SECRET))
                    .or_cannot("sign a token")
            }
        }
    }
}

/// What a token says, whoever signed it; `None` where it is no token.
pub fn unchecked_claims(token: &str) -> Option<Value> {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).ok().map(|data| data.claims)
}

/// Seconds since 1970, for `exp` and `nbf`.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
