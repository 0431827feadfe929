//! What all workers remember: tokens that have passed, and key sets. Nobody waits for anybody.
//!
//! Each place of the cache is one pointer that is swapped whole. A token that two workers meet at the same moment is
//! verified by both, and kept once.

use arc_swap::{ArcSwap, ArcSwapOption};
use core::fmt;
use gnomon_engine::jwt::{KeySet, Passed};
use gnomon_shadow::{active::Memory, digest::Digest};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A new token displaces the one that was in its place.
const PLACES: usize = 4096;
/// Lengths of all tokens together; what is kept of one takes up to three times as much. A token that has no room is
/// verified whenever it comes.
const MOST_BYTES: usize = 1 << 20;

/// The memory of one configuration.
pub(crate) struct Remembered {
    tokens: Box<[ArcSwapOption<Kept>]>,
    bytes: AtomicUsize,
    key_sets: ArcSwap<Vec<(String, Arc<KeySet>)>>,
}

struct Kept {
    digest: Digest,
    bytes: usize,
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
            tokens: (0..places).map(|_| ArcSwapOption::empty()).collect(),
            bytes: AtomicUsize::new(0),
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

    fn place(&self, digest: &Digest) -> Option<&ArcSwapOption<Kept>> {
        let [high, low, ..] = *digest;
        let number = usize::from(u16::from_be_bytes([high, low]));
        self.tokens.get(number.checked_rem(self.tokens.len())?)
    }

    fn gone(&self, kept: Option<Arc<Kept>>) {
        if let Some(kept) = kept {
            self.bytes.fetch_sub(kept.bytes, Ordering::Relaxed);
        }
    }
}

impl Memory for Remembered {
    fn token(&self, digest: &Digest) -> Option<Arc<Passed>> {
        let kept = self.place(digest)?.load();
        kept.as_ref().filter(|kept| kept.digest == *digest).map(|kept| kept.passed.clone())
    }

    fn keep(&self, digest: Digest, bytes: usize, passed: Arc<Passed>) {
        let Some(place) = self.place(&digest) else { return };
        self.gone(place.swap(None));
        // Room is taken before the token is there and given back after it is gone, so that there is never more than this.
        if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > MOST_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            // One that has been here for a while makes room for the next.
            let [.., last, other] = digest;
            let number = usize::from(u16::from_be_bytes([last, other]));
            if let Some(victim) = number.checked_rem(self.tokens.len()).and_then(|at| self.tokens.get(at)) {
                self.gone(victim.swap(None));
            }
            return;
        }
        self.gone(place.swap(Some(Arc::new(Kept { digest, bytes, passed }))));
    }

    fn key_set(&self, address: &str) -> Option<Arc<KeySet>> {
        let sets = self.key_sets.load();
        sets.iter().find(|(known, _)| known == address).map(|(_, set)| set.clone())
    }
}
