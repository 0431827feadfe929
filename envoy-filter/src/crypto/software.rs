//! Signatures checked in WebAssembly.

use ed25519_dalek::Verifier as _;
use gnomon_engine::jwt::{Algorithm, Material, Signature};
use hmac::{Hmac, Mac};
use rsa::{BigUint, RsaPublicKey, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

/// The check in the module itself; `None`: it does not know how.
pub(super) fn check(
    algorithm: Algorithm,
    key: &Material,
    message: &[u8],
    signature: &[u8],
) -> Option<Signature> {
    let good = match (key, algorithm) {
        (Material::Rsa { n, e }, _) => {
            // The crate takes no modulus of more than 4096 bits.
            let key = RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e)).ok()?;
            check_rsa(algorithm, key, message, signature)?
        }
        (Material::Ed25519(key), _) => match <[u8; 64]>::try_from(signature) {
            Ok(signature) => {
                let signature = ed25519_dalek::Signature::from_bytes(&signature);
                // As BoringSSL has it: keys of small order are not refused.
                ed25519_dalek::VerifyingKey::from_bytes(key)
                    .is_ok_and(|key| key.verify(message, &signature).is_ok())
            }
            Err(_) => false,
        },
        (Material::Oct(secret), Algorithm::Hs384) => check_hmac::<Hmac<Sha384>>(secret, message, signature),
        (Material::Oct(secret), Algorithm::Hs512) => check_hmac::<Hmac<Sha512>>(secret, message, signature),
        (Material::Oct(secret), _) => check_hmac::<Hmac<Sha256>>(secret, message, signature),
        (Material::Ec { .. }, _) => return None,
    };
    Some(if good { Signature::Good } else { Signature::Bad })
}

fn check_rsa(algorithm: Algorithm, key: RsaPublicKey, message: &[u8], signature: &[u8]) -> Option<bool> {
    fn good<V, S>(key: &V, message: &[u8], signature: &[u8]) -> bool
    where
        V: rsa::signature::Verifier<S>,
        S: for<'a> TryFrom<&'a [u8]>,
    {
        S::try_from(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }
    Some(match algorithm {
        Algorithm::Rs256 => good(&pkcs1v15::VerifyingKey::<Sha256>::new(key), message, signature),
        Algorithm::Rs384 => good(&pkcs1v15::VerifyingKey::<Sha384>::new(key), message, signature),
        Algorithm::Rs512 => good(&pkcs1v15::VerifyingKey::<Sha512>::new(key), message, signature),
        Algorithm::Ps256 => good(&pss::VerifyingKey::<Sha256>::new(key), message, signature),
        Algorithm::Ps384 => good(&pss::VerifyingKey::<Sha384>::new(key), message, signature),
        Algorithm::Ps512 => good(&pss::VerifyingKey::<Sha512>::new(key), message, signature),
        _ => return None,
    })
}

fn check_hmac<M: Mac + hmac::digest::KeyInit>(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    <M as Mac>::new_from_slice(secret)
        .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
}
