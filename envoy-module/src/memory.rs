//! What all workers remember: tokens that have passed, and key sets. Nobody waits for anybody.
//!
//! Each place of the cache is one pointer that is swapped whole. A token that two workers meet at the same moment is
//! verified by both, and kept once. Which place is a token's follows from a hash that is keyed by chance, so that nobody can
//! choose tokens for one place; that it is the one which stands there, from a comparison of all its bytes.

use arc_swap::{ArcSwap, ArcSwapOption};
use core::fmt;
use gnomon_engine::jwt::{KeySet, Passed};
use gnomon_shadow::active::{Memory, PlanRule};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A new token displaces the one that was in its place.
const PLACES: usize = 4096;
/// Lengths of all tokens together; what is kept of one takes up to four times as much. A token that has no room is
/// verified whenever it comes.
const MOST_BYTES: usize = 1 << 20;

/// The memory of one configuration.
pub(crate) struct Remembered {
    keys: RandomState,
    tokens: Box<[ArcSwapOption<Kept>]>,
    bytes: AtomicUsize,
    /// The next place to be cleared where room is wanted.
    hand: AtomicUsize,
    key_sets: ArcSwap<Vec<(String, Arc<KeySet>)>>,
}

struct Kept {
    rule: PlanRule,
    token: Box<[u8]>,
    passed: Arc<Passed>,
}

/// How much there is of it: the values may be secrets.
impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of tokens", self.bytes.load(Ordering::Relaxed))
    }
}

impl Remembered {
    /// Nothing yet. Without `tokens` none is ever kept: no rule of the configuration looks at any.
    pub(crate) fn new(tokens: bool) -> Remembered {
        let places = if tokens { PLACES } else { 0 };
        Remembered {
            keys: RandomState::new(),
            tokens: (0..places).map(|_| ArcSwapOption::empty()).collect(),
            bytes: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
            key_sets: ArcSwap::default(),
        }
    }

    /// These are the key sets now.
    pub(crate) fn publish(&self, key_sets: Vec<(String, Arc<KeySet>)>) {
        self.key_sets.store(Arc::new(key_sets));
    }

    /// Forgets all tokens.
    pub(crate) fn clear(&self) {
        for place in &self.tokens {
            self.gone(place.swap(None));
        }
    }

    fn hash(&self, rule: PlanRule, token: &[u8]) -> u64 {
        self.keys.hash_one((rule, token))
    }

    fn place(&self, hash: u64) -> Option<&ArcSwapOption<Kept>> {
        // The remainder is below a number of places.
        let number = hash.checked_rem(self.tokens.len() as u64)? as usize;
        self.tokens.get(number)
    }

    /// Takes room for so many bytes, before the token is there, which is given back after it is gone: so there is never more
    /// than [`MOST_BYTES`]. What has been there for a while makes room, one place after the other.
    fn has_room(&self, bytes: usize) -> bool {
        if bytes > MOST_BYTES {
            return false;
        }
        for _ in 0..=self.tokens.len() {
            if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= MOST_BYTES {
                return true;
            }
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let hand = self.hand.fetch_add(1, Ordering::Relaxed).checked_rem(self.tokens.len());
            if let Some(oldest) = hand.and_then(|hand| self.tokens.get(hand)) {
                self.gone(oldest.swap(None));
            }
        }
        false
    }

    fn gone(&self, kept: Option<Arc<Kept>>) {
        if let Some(kept) = kept {
            self.bytes.fetch_sub(kept.token.len(), Ordering::Relaxed);
        }
    }
}

impl Memory for Remembered {
    fn token(&self, rule: PlanRule, token: &[u8]) -> Option<Arc<Passed>> {
        let kept = self.place(self.hash(rule, token))?.load();
        let same = |kept: &&Arc<Kept>| kept.rule == rule && *kept.token == *token;
        kept.as_ref().filter(same).map(|kept| kept.passed.clone())
    }

    fn keep(&self, rule: PlanRule, token: &[u8], passed: Arc<Passed>) {
        let Some(place) = self.place(self.hash(rule, token)) else { return };
        self.gone(place.swap(None));
        if !self.has_room(token.len()) {
            return;
        }
        self.gone(place.swap(Some(Arc::new(Kept { rule, token: token.into(), passed }))));
    }

    fn key_set(&self, address: &str) -> Option<Arc<KeySet>> {
        let sets = self.key_sets.load();
        sets.iter().find(|(known, _)| known == address).map(|(_, set)| set.clone())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code may be blunt")]
mod tests {
    use super::*;
    use core::cell::Cell;
    use gnomon_engine::{
        Mesh, Position, Request, base64,
        jwt::{Algorithm, Authenticator, Crypto, Key, Signature},
        resource::{JwtRule, Text},
    };

    /// Takes every signature for a good one, and counts how often it is asked.
    struct Asked<'m>(&'m Remembered, Cell<u32>);

    impl Crypto for Asked<'_> {
        fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
            self.1.set(self.1.get() + 1);
            Signature::Good
        }

        fn recall(&self, rule: usize, token: &[u8]) -> Option<Arc<Passed>> {
            self.0.token((0, rule), token)
        }

        fn remember(&self, rule: usize, token: &[u8], passed: &Arc<Passed>) {
            self.0.keep((0, rule), token, passed.clone());
        }
    }

    #[test]
    fn a_token_is_verified_once_however_many_others_have_come() {
        const KEYS: &str = r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#;
        let text = |text: &str| Text { text: text.into(), at: Position::default() };
        let rule = JwtRule { issuer: text("i"), jwks: Some(text(KEYS)), ..JwtRule::default() };
        let authenticator = Authenticator::compile(&[&rule], Mesh::default().istio_version);
        let memory = Remembered::new(true);
        let asked = Asked(&memory, Cell::new(0));
        let verified = |claims: &str| {
            let part = |text: &str| {
                let text = base64::encode_standard(text.as_bytes()).replace('+', "-").replace('/', "_");
                text.trim_end_matches('=').to_owned()
            };
            let token = [part(r#"{"alg":"HS256"}"#), part(claims), part("signature")].join(".");
            let bearer = format!("Bearer {token}");
            let headers: [(&[u8], &[u8]); 3] =
                [(b":method", b"GET"), (b":path", b"/"), (b"authorization", bearer.as_bytes())];
            let before = asked.1.get();
            let found = authenticator.authenticate(&Request::http(&headers), &asked);
            assert_eq!(found.failure, None);
            assert!(found.payload.unwrap().write().contains(r#""iss":"i""#));
            assert!(memory.bytes.load(Ordering::Relaxed) <= MOST_BYTES);
            asked.1.get() - before
        };
        let long = "x".repeat(700);
        for round in 0..4 {
            // More than there is room for.
            for number in 0..2_000 {
                let claims = format!(r#"{{"iss":"i","n":"{round}-{number}","pad":"{long}"}}"#);
                assert_eq!(verified(&claims), 1, "{number}");
            }
            for sub in 0..50 {
                let claims = format!(r#"{{"iss":"i","sub":"{round}-{sub}"}}"#);
                assert_eq!([verified(&claims), verified(&claims), verified(&claims)], [1, 0, 0], "{sub}");
            }
        }
        // One that is too long for all is verified whenever it comes, and displaces none.
        let longer = format!(r#"{{"iss":"i","pad":"{}"}}"#, "x".repeat(MOST_BYTES));
        assert_eq!([verified(&longer), verified(&longer)], [1, 1]);
        assert_eq!(verified(r#"{"iss":"i","sub":"3-49"}"#), 0);
        memory.clear();
        assert_eq!(memory.bytes.load(Ordering::Relaxed), 0);
    }
}
