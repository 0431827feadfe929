//! Signature checks: by the proxy where it can, in the module where it cannot.
//!
//! Envoy's foreign function `verify_signature` does RSA with PKCS#1 padding and ECDSA in BoringSSL, 25 to 85 µs a
//! call; the same in WebAssembly takes over a millisecond. It does neither PSS nor EdDSA nor HMAC: the feature
//! `software-crypto` checks those in the module, and everything under a proxy without the function. What nobody can
//! check makes the verdict unknown. What was good once is remembered ([`crate::cache`]).

use crate::{
    active::Local,
    digest::{self, Digest},
    host::Hash,
    properties::Asked,
};
use alloc::{sync::Arc, vec::Vec};
use core::cell::Cell;
use gnomon_engine::{
    Plan,
    jwt::{Algorithm, Crypto, Key, KeySet, Material, Passed, Signature, der_signature},
};

#[cfg(feature = "software-crypto")]
fn check(algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Option<Signature> {
    Some(gnomon_engine::jwt::SoftwareCrypto.verify(algorithm, key, message, signature))
}

/// Without the feature nothing is checked in the module.
#[cfg(not(feature = "software-crypto"))]
fn check(_: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Option<Signature> {
    None
}

/// Who checks the signatures of one request.
pub struct HostCrypto<'a> {
    asked: &'a Asked<'a>,
    /// Tokens that have passed, and key sets.
    local: &'a Local,
    /// The signature that was found good last.
    good: &'a Cell<Option<Digest>>,
    /// Tells rules of the candidate and of the baseline apart.
    plan: usize,
    /// The digest of the token that was asked for last.
    asked_for: Cell<Option<Digest>>,
    /// A token made of claims that the proxy has verified.
    vouched: Option<Vec<u8>>,
    undecided: Cell<bool>,
}

impl<'a> HostCrypto<'a> {
    /// Asks this host, for what is not known already. `good` is for all plans that see one request.
    pub fn new(asked: &'a Asked<'a>, local: &'a Local, good: &'a Cell<Option<Digest>>, plan: &Plan) -> Self {
        // While an instance of the filter has a configuration, its plans stay where they are.
        let plan = core::ptr::from_ref(plan).addr();
        HostCrypto {
            asked,
            local,
            good,
            plan,
            asked_for: Cell::new(None),
            vouched: None,
            undecided: Cell::new(false),
        }
    }

    /// From now on this token is a good one.
    pub fn vouch(&mut self, token: Vec<u8>) {
        self.vouched = Some(token);
    }

    /// A signature could not be checked by anybody, so that the verdict may not be believed.
    pub fn undecided(&self) -> bool {
        self.undecided.get()
    }

    fn ask_host(
        &self,
        algorithm: Algorithm,
        key: &Key,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Signature> {
        let hash = match algorithm {
            Algorithm::Rs256 | Algorithm::Es256 => Hash::Sha256,
            Algorithm::Rs384 | Algorithm::Es384 => Hash::Sha384,
            Algorithm::Rs512 | Algorithm::Es512 => Hash::Sha512,
            _ => return None,
        };
        let spki = key.spki_der()?;
        let der = match key.material() {
            // A JWS carries the two numbers side by side, BoringSSL takes X9.62.
            Material::Ec { .. } => match der_signature(signature) {
                Some(der) => Some(der),
                None => return Some(Signature::Bad),
            },
            _ => None,
        };
        let signature = der.as_deref().unwrap_or(signature);
        let answer = self.asked.count(self.asked.host().verify(hash, spki, signature, message));
        Some(if answer.ok()?? { Signature::Good } else { Signature::Bad })
    }
}

impl Crypto for HostCrypto<'_> {
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        let spki = key.spki_der().unwrap_or_default();
        let digest = digest::of(&[algorithm.name().as_bytes(), spki, message, signature]);
        if !spki.is_empty() && self.good.get() == Some(digest) {
            return Signature::Good;
        }
        let answer = self
            .ask_host(algorithm, key, message, signature)
            .or_else(|| check(algorithm, key, message, signature))
            .unwrap_or_else(|| {
                self.undecided.set(true);
                Signature::Bad
            });
        if answer == Signature::Good && !spki.is_empty() {
            self.good.set(Some(digest));
        }
        answer
    }

    fn vouches_for(&self, token: &[u8]) -> bool {
        self.vouched.as_deref() == Some(token)
    }

    fn key_set(&self, address: &str) -> Option<Arc<KeySet>> {
        self.local.key_set(address)
    }

    fn recall(&self, rule: usize, token: &[u8]) -> Option<Arc<Passed>> {
        self.local.token((self.plan, rule), token, &self.asked_for)
    }

    fn remember(&self, rule: usize, token: &[u8], passed: &Arc<Passed>) {
        // It comes right after the question.
        self.local.keep((self.plan, rule), token, &self.asked_for, passed.clone());
    }
}
