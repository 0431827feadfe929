//! The signatures that Envoy accepts and `jsonwebtoken` does not, by the RustCrypto crates directly.
//!
//! - The curve P-521 (`ES512`): the library has none.
//! - A curve with another's hash: Envoy takes the hash from the token and the curve from the key, so that `ES384` with
//!   a key on P-256 is SHA-384 over P-256. In the library the algorithm is both.
//! - ECDSA signatures whose two numbers are not exactly as long as the field: Envoy splits any length in the middle.
//! - RSA keys of more than 4096 bits: the library refuses them.

use super::super::{Algorithm, Curve, Material, der::strip_zeros};
use alloc::vec::Vec;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// `None`: not a signature by this key, or the algorithm is none for such a key.
pub(super) fn verify(algorithm: Algorithm, key: &Material, message: &[u8], signature: &[u8]) -> Option<()> {
    match key {
        Material::Rsa { n, e } => rsa(algorithm, n, e, message, signature),
        Material::Ec { curve, x, y } => ecdsa(*curve, x, y, &hash_of(algorithm)?.digest(message), signature),
        // The library does all of these.
        Material::Oct(_) | Material::Ed25519(_) => None,
    }
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

fn hash_of(algorithm: Algorithm) -> Option<Hash> {
    match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 => Some(Hash::Sha256),
        Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384 => Some(Hash::Sha384),
        Algorithm::Es512 | Algorithm::Rs512 | Algorithm::Ps512 => Some(Hash::Sha512),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::EdDsa => None,
    }
}

impl Hash {
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

fn rsa(algorithm: Algorithm, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    const MAX_BITS: usize = 16384;
    let key = RsaPublicKey::new_with_max_size(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e), MAX_BITS)
        .ok()?;
    let hash = hash_of(algorithm)?;
    let digest = hash.digest(message);
    let pss = matches!(algorithm, Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512);
    // The salt of PSS is as long as the hash; BoringSSL takes no other.
    match (pss, hash) {
        (false, Hash::Sha256) => key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature),
        (false, Hash::Sha384) => key.verify(Pkcs1v15Sign::new::<Sha384>(), &digest, signature),
        (false, Hash::Sha512) => key.verify(Pkcs1v15Sign::new::<Sha512>(), &digest, signature),
        (true, Hash::Sha256) => key.verify(Pss::new::<Sha256>(), &digest, signature),
        (true, Hash::Sha384) => key.verify(Pss::new::<Sha384>(), &digest, signature),
        (true, Hash::Sha512) => key.verify(Pss::new::<Sha512>(), &digest, signature),
    }
    .ok()
}

/// r and s are the two halves of the signature, of whatever length; an odd last byte is ignored.
fn ecdsa(curve: Curve, x: &[u8], y: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
    let half = signature.len() / 2;
    let length = curve.field_bytes();
    let mut fixed = Vec::with_capacity(2 * length);
    for number in [signature.get(..half)?, signature.get(half..half * 2)?] {
        let number = strip_zeros(number);
        fixed.resize(fixed.len() + length.checked_sub(number.len())?, 0);
        fixed.extend_from_slice(number);
    }
    // A digest shorter than half the field is refused by the crates; leading zeros do not change its value.
    let mut padded = alloc::vec![0; length.div_ceil(2).saturating_sub(digest.len())];
    padded.extend_from_slice(digest);
    match curve {
        Curve::P256 => {
            let signature = p256::ecdsa::Signature::from_slice(&fixed).ok()?;
            p256_key(x, y)?.verify_prehash(&padded, &signature).ok()
        }
        Curve::P384 => {
            let signature = p384::ecdsa::Signature::from_slice(&fixed).ok()?;
            p384_key(x, y)?.verify_prehash(&padded, &signature).ok()
        }
        Curve::P521 => {
            let signature = p521::ecdsa::Signature::from_slice(&fixed).ok()?;
            p521_key(x, y)?.verify_prehash(&padded, &signature).ok()
        }
    }
}

/// Both coordinates below the field's prime, and the curve's equation holds.
pub(in super::super) fn on_curve(curve: Curve, x: &[u8], y: &[u8]) -> bool {
    match curve {
        Curve::P256 => p256_key(x, y).is_some(),
        Curve::P384 => p384_key(x, y).is_some(),
        Curve::P521 => p521_key(x, y).is_some(),
    }
}

fn p256_key(x: &[u8], y: &[u8]) -> Option<p256::ecdsa::VerifyingKey> {
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&point(x, y)).ok()
}

fn p384_key(x: &[u8], y: &[u8]) -> Option<p384::ecdsa::VerifyingKey> {
    p384::ecdsa::VerifyingKey::from_sec1_bytes(&point(x, y)).ok()
}

fn p521_key(x: &[u8], y: &[u8]) -> Option<p521::ecdsa::VerifyingKey> {
    p521::ecdsa::VerifyingKey::from_sec1_bytes(&point(x, y)).ok()
}

/// The point, uncompressed.
pub(super) fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}
