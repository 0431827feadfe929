//! Signature checks in software: by `jsonwebtoken` wherever it answers as Envoy does, [`direct`] for the rest.
//!
//! Neither needs a clock, and checking draws no randomness.

mod direct;

pub(super) use direct::on_curve;

use super::{Algorithm, Crypto, Curve, Key, Material, Signature};
use jsonwebtoken::{Algorithm as Jws, DecodingKey, crypto::rust_crypto};

/// Checks signatures as Envoy's BoringSSL does: RS, PS, ES, HS and EdDSA with every key that Envoy loads.
///
/// Costs a few hundred microseconds natively, and well over a millisecond for RSA in WebAssembly: no proxy should
/// do it per request.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareCrypto;

impl Crypto for SoftwareCrypto {
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        let good = match library(algorithm, key.material(), signature) {
            Some((algorithm, key)) => verifies(algorithm, &key, message, signature),
            None => direct::verify(algorithm, key.material(), message, signature).is_some(),
        };
        if good { Signature::Good } else { Signature::Bad }
    }
}

/// The library's names for this check, where it makes of it what Envoy does; `None`: see [`direct`].
///
/// Building the library's key copies the numbers; it computes nothing worth caching.
fn library(algorithm: Algorithm, key: &Material, signature: &[u8]) -> Option<(Jws, DecodingKey)> {
    match key {
        Material::Rsa { n, e } if n.len() <= LIBRARY_MODULUS_BYTES => {
            let algorithm = match algorithm {
                Algorithm::Rs256 => Jws::RS256,
                Algorithm::Rs384 => Jws::RS384,
                Algorithm::Rs512 => Jws::RS512,
                Algorithm::Ps256 => Jws::PS256,
                Algorithm::Ps384 => Jws::PS384,
                Algorithm::Ps512 => Jws::PS512,
                _ => return None,
            };
            Some((algorithm, DecodingKey::from_rsa_raw_components(n, e)))
        }
        Material::Ec { curve, x, y } if signature.len() == 2 * curve.field_bytes() => {
            let algorithm = match (curve, algorithm) {
                (Curve::P256, Algorithm::Es256) => Jws::ES256,
                (Curve::P384, Algorithm::Es384) => Jws::ES384,
                _ => return None,
            };
            // What it calls DER is the point as SEC 1 writes it.
            Some((algorithm, DecodingKey::from_ec_der(&direct::point(x, y))))
        }
        Material::Oct(secret) => {
            let algorithm = match algorithm {
                Algorithm::Hs256 => Jws::HS256,
                Algorithm::Hs384 => Jws::HS384,
                Algorithm::Hs512 => Jws::HS512,
                _ => return None,
            };
            Some((algorithm, DecodingKey::from_secret(secret)))
        }
        Material::Ed25519(point) => Some((Jws::EdDSA, DecodingKey::from_ed_der(point))),
        Material::Rsa { .. } | Material::Ec { .. } => None,
    }
}

/// 4096 bits: the library refuses a larger modulus, Envoy takes up to 16384 bits.
const LIBRARY_MODULUS_BYTES: usize = 512;

/// `jsonwebtoken::crypto::verify` with the provider named. That function takes whichever the process has installed, and
/// panics where another crate has switched on a second one.
fn verifies(algorithm: Jws, key: &DecodingKey, message: &[u8], signature: &[u8]) -> bool {
    (rust_crypto::DEFAULT_PROVIDER.verifier_factory)(&algorithm, key)
        .is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
}
