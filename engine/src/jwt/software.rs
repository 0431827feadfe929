//! Signature checks by the RustCrypto crates. They need neither a clock nor randomness nor `std`.

use super::{Algorithm, Crypto, Curve, Key, Material, Signature, der::strip_zeros};
use alloc::vec::Vec;
use ed25519_dalek::Verifier as _;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Checks signatures as Envoy's BoringSSL does: RS, PS, ES, HS and EdDSA with every key that Envoy loads.
///
/// Costs a few hundred microseconds natively, and well over a millisecond for RSA in WebAssembly: no proxy should
/// do it per request.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareCrypto;

impl Crypto for SoftwareCrypto {
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        let good = match (key.material(), hash_of(algorithm)) {
            (Material::Rsa { n, e }, Some(hash)) => rsa(algorithm, hash, n, e, message, signature),
            (Material::Ec { curve, x, y }, Some(hash)) => {
                ecdsa(*curve, x, y, &hash.digest(message), signature)
            }
            (Material::Oct(secret), Some(hash)) => hash.hmac(secret, message, signature),
            (Material::Ed25519(point), _) => ed25519(point, message, signature),
            (_, None) => None,
        };
        if good.is_some() { Signature::Good } else { Signature::Bad }
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
        Algorithm::Es256 | Algorithm::Hs256 | Algorithm::Rs256 | Algorithm::Ps256 => Some(Hash::Sha256),
        Algorithm::Es384 | Algorithm::Hs384 | Algorithm::Rs384 | Algorithm::Ps384 => Some(Hash::Sha384),
        Algorithm::Es512 | Algorithm::Hs512 | Algorithm::Rs512 | Algorithm::Ps512 => Some(Hash::Sha512),
        Algorithm::EdDsa => None,
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

    fn hmac(self, secret: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        // The comparison takes the same time wherever they differ.
        match self {
            Hash::Sha256 => {
                Hmac::<Sha256>::new_from_slice(secret).ok()?.chain_update(message).verify_slice(signature)
            }
            Hash::Sha384 => {
                Hmac::<Sha384>::new_from_slice(secret).ok()?.chain_update(message).verify_slice(signature)
            }
            Hash::Sha512 => {
                Hmac::<Sha512>::new_from_slice(secret).ok()?.chain_update(message).verify_slice(signature)
            }
        }
        .ok()
    }
}

fn rsa(algorithm: Algorithm, hash: Hash, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    const MAX_BITS: usize = 16384;
    let key = RsaPublicKey::new_with_max_size(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e), MAX_BITS)
        .ok()?;
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
pub(super) fn on_curve(curve: Curve, x: &[u8], y: &[u8]) -> bool {
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
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

fn ed25519(point: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).ok()?;
    let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
    key.verify(message, &signature).ok()
}
