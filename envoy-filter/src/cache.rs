//! Signatures that have been found good.
//!
//! A signature that is good stays good: what is kept is a digest of the key, the algorithm, what is signed and the
//! signature. Times, issuer and audience are looked at for every request all the same, so that a token which has expired
//! is refused however well it is known, and a key that has left its set is not asked any more.

use crate::digest::Digest;
use alloc::{vec, vec::Vec};
use core::cell::RefCell;

/// Each takes 32 bytes; a new one displaces the one that was in its place.
const PLACES: usize = 1024;

/// A bounded set of digests.
#[derive(Debug, Default)]
pub struct Cache(RefCell<Vec<Digest>>);

impl Cache {
    /// Whether this one is known.
    pub fn knows(&self, digest: &Digest) -> bool {
        self.0.borrow().get(place(digest)) == Some(digest)
    }

    /// Remembers it.
    pub fn learn(&self, digest: Digest) {
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            *places = vec![[0; 32]; PLACES];
        }
        if let Some(known) = places.get_mut(place(&digest)) {
            *known = digest;
        }
    }
}

fn place(digest: &Digest) -> usize {
    let [high, low, ..] = *digest;
    usize::from(u16::from_be_bytes([high, low])) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    #[test]
    fn what_is_learned_is_known_until_it_is_displaced() {
        let cache = Cache::default();
        let digests: Vec<Digest> = (0..5000_u32).map(|n| digest::of(&[&n.to_be_bytes()])).collect();
        for digest in &digests {
            assert!(!cache.knows(digest));
            cache.learn(*digest);
            assert!(cache.knows(digest));
        }
        let known = digests.iter().filter(|digest| cache.knows(digest)).count();
        assert!((500..=PLACES).contains(&known), "{known}");
        // Whatever the first token is, an empty place is not it.
        assert!(!Cache::default().knows(&[0; 32]));
    }
}
