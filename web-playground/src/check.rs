//! Who checks signatures here: the software of the engine, or nobody yet.

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
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        self.wanted.set(true);
        Signature::Bad
    }
}
