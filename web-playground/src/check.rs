//! Who checks signatures here: the software of the engine, a module that was loaded for it, or nobody yet.

use gnomon_engine::jwt::{Algorithm, Crypto, Key, Signature};
use std::cell::Cell;

/// Checks signatures where this build can. Where it cannot, it remembers that it was asked: every answer given with it
/// is then worth nothing.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    wanted: Cell<bool>,
}

impl Checker {
    /// It was asked, and could not.
    pub(crate) fn wanted(&self) -> bool {
        self.wanted.get()
    }
}

impl Crypto for Checker {
    #[cfg(feature = "signatures")]
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        gnomon_engine::jwt::SoftwareCrypto.verify(algorithm, key, message, signature)
    }

    #[cfg(not(feature = "signatures"))]
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        loaded::verify(algorithm, key, message, signature).unwrap_or_else(|| {
            self.wanted.set(true);
            Signature::Bad
        })
    }
}

/// The other module (`../signatures`), once the page has loaded it.
#[cfg(not(feature = "signatures"))]
pub(crate) mod loaded {
    use gnomon_engine::jwt::{Algorithm, Curve, Key, Material, Signature};
    use js_sys::{Array, Function, Uint8Array};
    use std::cell::RefCell;
    use wasm_bindgen::JsValue;

    thread_local! {
        static MODULE: RefCell<Option<Function>> = const { RefCell::new(None) };
    }

    /// Its function `verify`.
    pub(crate) fn take(verify: Function) {
        MODULE.set(Some(verify));
    }

    /// `None`: it is not there, or it answered nothing that makes sense.
    pub(super) fn verify(
        algorithm: Algorithm,
        key: &Key,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Signature> {
        let module = MODULE.with_borrow(Clone::clone)?;
        let (kind, first, second): (&str, &[u8], &[u8]) = match key.material() {
            Material::Rsa { n, e } => ("RSA", n, e),
            Material::Ec { curve: Curve::P256, x, y } => ("P-256", x, y),
            Material::Ec { curve: Curve::P384, x, y } => ("P-384", x, y),
            Material::Ec { curve: Curve::P521, x, y } => ("P-521", x, y),
            Material::Ed25519(point) => ("Ed25519", point, &[]),
            Material::Oct(secret) => ("oct", secret, &[]),
        };
        let arguments: Array = [JsValue::from_str(algorithm.name()), JsValue::from_str(kind)]
            .into_iter()
            .chain([first, second, message, signature].map(|bytes| Uint8Array::from(bytes).into()))
            .collect();
        match module.apply(&JsValue::NULL, &arguments).ok()?.as_f64()? {
            0.0 => Some(Signature::Bad),
            1.0 => Some(Signature::Good),
            2.0 => Some(Signature::NoKey),
            _ => None,
        }
    }
}
