//! Signature checks for a build of `gnomon-web-playground` that has none: the page loads this module when it meets the
//! first signature, and gives [`verify`] to that build's `checkSignaturesWith`.

use gnomon_engine::jwt::{Algorithm, Crypto, Curve, Key, Material, Signature, SoftwareCrypto};
use wasm_bindgen::prelude::wasm_bindgen;

/// Is this a signature of the message by the key? `first` and `second` are the key's numbers: n and e, x and y, or one
/// alone. 0: no, 1: yes, 2: the key is none (its point does not lie on its curve, or the words are unknown).
#[wasm_bindgen]
pub fn verify(
    algorithm: &str,
    kind: &str,
    first: &[u8],
    second: &[u8],
    message: &[u8],
    signature: &[u8],
) -> u8 {
    let Some((algorithm, key)) = Algorithm::from_name(algorithm).zip(key(kind, first, second)) else {
        return 2;
    };
    match SoftwareCrypto.verify(algorithm, &key, message, signature) {
        Signature::Good => 1,
        Signature::Bad => 0,
        Signature::NoKey => 2,
    }
}

fn key(kind: &str, first: &[u8], second: &[u8]) -> Option<Key> {
    let ec = |curve| Material::Ec { curve, x: first.to_vec(), y: second.to_vec() };
    Key::usable(match kind {
        "RSA" => Material::Rsa { n: first.to_vec(), e: second.to_vec() },
        "P-256" => ec(Curve::P256),
        "P-384" => ec(Curve::P384),
        "P-521" => ec(Curve::P521),
        "Ed25519" => Material::Ed25519(first.try_into().ok()?),
        "oct" => Material::Oct(first.to_vec()),
        _ => return None,
    })
}
