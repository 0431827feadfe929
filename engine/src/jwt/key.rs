//! A public key of a key set.

use super::der;
use alloc::{string::String, vec::Vec};
use core::fmt;

/// A key of an inline key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) kid: String,
    pub(super) alg: String,
    pub(super) material: Material,
    pub(super) spki: Option<Vec<u8>>,
}

impl Key {
    pub(super) fn new(kid: String, alg: String, material: Material) -> Self {
        let spki = match &material {
            Material::Rsa { n, e } => Some(der::rsa_spki(n, e)),
            Material::Ec { curve, x, y } => Some(der::ec_spki(curve.oid(), x, y)),
            Material::Ed25519(_) | Material::Oct(_) => None,
        };
        Key { kid, alg, material, spki }
    }

    /// A key from its numbers alone, for callers that check signatures elsewhere; `None`: its point does not lie on its
    /// curve. The numbers are as in [`Key::material`].
    #[cfg(feature = "crypto")]
    pub fn usable(material: Material) -> Option<Key> {
        let off =
            matches!(&material, Material::Ec { curve, x, y } if !super::software::on_curve(*curve, x, y));
        (!off).then(|| Key::new(String::new(), String::new(), material))
    }

    /// `kid`; empty where the JWK has none: such a key is tried for every token.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// `alg`; empty where the JWK has none.
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// The numbers that the key consists of.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// The key as SubjectPublicKeyInfo in DER, which is what Envoy's foreign function `verify_signature` takes.
    /// Only RSA and EC keys: that function does nothing else. Encoded once, when the key set is read.
    pub fn spki_der(&self) -> Option<&[u8]> {
        self.spki.as_deref()
    }
}

/// What a key is made of; numbers are big endian.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// `kty: RSA`, 512 to 16384 bits, exponent 3 or 65537; no leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
    /// `kty: EC`; both coordinates as long as the curve's field.
    Ec {
        /// The curve.
        curve: Curve,
        /// The point's x.
        x: Vec<u8>,
        /// The point's y.
        y: Vec<u8>,
    },
    /// `kty: OKP` with `crv: Ed25519`.
    Ed25519([u8; 32]),
    /// `kty: oct`: a shared secret, never empty.
    Oct(Vec<u8>),
}

/// The kind and size; a shared secret must not reach a log.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Material::Rsa { n, .. } => write!(f, "RSA {}", n.len() * 8),
            Material::Ec { curve, .. } => write!(f, "EC {curve:?}"),
            Material::Ed25519(_) => f.write_str("Ed25519"),
            Material::Oct(secret) => write!(f, "oct of {} bytes", secret.len()),
        }
    }
}

/// The curves that Envoy knows for `kty: EC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// `P-256`
    P256,
    /// `P-384`
    P384,
    /// `P-521`
    P521,
}

impl Curve {
    /// Length of a coordinate in bytes.
    pub fn field_bytes(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// Its object identifier in DER.
    fn oid(self) -> &'static [u8] {
        match self {
            Curve::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Curve::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
            Curve::P521 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }
}

/// A signature algorithm of RFC 7518 that Envoy accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 7518's")]
pub enum Algorithm {
    Es256,
    Es384,
    Es512,
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

impl Algorithm {
    /// `alg` of a token's header, in exactly this spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "ES512" => Algorithm::Es512,
            "HS256" => Algorithm::Hs256,
            "HS384" => Algorithm::Hs384,
            "HS512" => Algorithm::Hs512,
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "PS256" => Algorithm::Ps256,
            "PS384" => Algorithm::Ps384,
            "PS512" => Algorithm::Ps512,
            "EdDSA" => Algorithm::EdDsa,
            _ => return None,
        })
    }

    /// As `alg` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::Hs256 => "HS256",
            Algorithm::Hs384 => "HS384",
            Algorithm::Hs512 => "HS512",
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The algorithm that `key` is used with for a token whose `alg` is `self`; `None`: it cannot verify such a token.
    ///
    /// Envoy compares `alg` of the token with that of the JWK; where the JWK has none, the kind of key decides: an EC
    /// or `oct` key checks a token of any `alg`, with SHA-256 unless it says `ES384`, `HS512` and so on, and an
    /// Ed25519 key ignores it. Only RSA keys require `RS…` or `PS…`.
    pub(super) fn with(self, key: &Material) -> Option<Self> {
        match (key, self) {
            (Material::Rsa { .. }, Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512) => Some(self),
            (Material::Rsa { .. }, Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512) => Some(self),
            (Material::Rsa { .. }, _) => None,
            (Material::Ec { .. }, Algorithm::Es384 | Algorithm::Es512) => Some(self),
            (Material::Ec { .. }, _) => Some(Algorithm::Es256),
            (Material::Oct(_), Algorithm::Hs384 | Algorithm::Hs512) => Some(self),
            (Material::Oct(_), _) => Some(Algorithm::Hs256),
            (Material::Ed25519(_), _) => Some(Algorithm::EdDsa),
        }
    }
}
