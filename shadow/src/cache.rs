//! Tokens that have been found good.
//!
//! A token that a rule has let pass is kept, already read, under a digest of the rule and of the token's text: the text
//! itself is not. Its times are looked at for every request all the same, so that a token which has expired is refused
//! however well it is known, and one whose key set has been fetched anew is verified again.

use crate::digest::Digest;
use alloc::{sync::Arc, vec::Vec};
use core::{cell::RefCell, fmt};

/// A new token displaces the one that was in its place.
const PLACES: usize = 1024;
/// Lengths of all tokens together; what is kept of one takes up to three times as much. Beyond that the oldest places
/// are cleared.
const MOST_BYTES: usize = 256 << 10;

/// A bounded memory of values by their digest.
pub struct Cache<T>(RefCell<Places<T>>);

struct Places<T> {
    kept: Vec<Option<Kept<T>>>,
    bytes: usize,
    /// The next place to be cleared.
    hand: usize,
}

struct Kept<T> {
    digest: Digest,
    bytes: usize,
    value: Arc<T>,
}

/// How much there is of it: the values may be secrets.
impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache of {} bytes", self.0.borrow().bytes)
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache(RefCell::new(Places { kept: Vec::new(), bytes: 0, hand: 0 }))
    }
}

impl<T> Cache<T> {
    /// What is kept under this digest.
    pub fn get(&self, digest: &Digest) -> Option<Arc<T>> {
        let places = self.0.borrow();
        let kept = places.kept.get(place(digest))?.as_ref()?;
        (kept.digest == *digest).then(|| kept.value.clone())
    }

    /// Keeps a value that was made from so many bytes.
    pub fn put(&self, digest: Digest, bytes: usize, value: Arc<T>) {
        let mut places = self.0.borrow_mut();
        let places = &mut *places;
        if places.kept.is_empty() {
            places.kept.resize_with(PLACES, || None);
        }
        places.clear(place(&digest));
        // Each turn of the hand clears one place, and all of them make room for any that fits at all.
        for _ in 0..PLACES {
            if places.bytes.saturating_add(bytes) <= MOST_BYTES {
                break;
            }
            places.clear(places.hand);
            places.hand = (places.hand + 1) % PLACES;
        }
        if bytes > MOST_BYTES {
            return;
        }
        if let Some(free) = places.kept.get_mut(place(&digest)) {
            *free = Some(Kept { digest, bytes, value });
            places.bytes += bytes;
        }
    }
}

impl<T> Places<T> {
    fn clear(&mut self, place: usize) {
        if let Some(kept) = self.kept.get_mut(place).and_then(Option::take) {
            self.bytes -= kept.bytes;
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

    fn digests(count: u32) -> Vec<Digest> {
        (0..count).map(|n| digest::of(&[&n.to_be_bytes()])).collect()
    }

    #[test]
    fn what_is_kept_is_there_until_it_is_displaced() {
        let cache = Cache::default();
        let digests = digests(5000);
        for (number, digest) in digests.iter().enumerate() {
            assert!(cache.get(digest).is_none());
            cache.put(*digest, 10, Arc::new(number));
            assert_eq!(cache.get(digest).as_deref(), Some(&number));
        }
        let kept = |(number, digest)| cache.get(digest).is_some_and(|value| *value == number);
        let known = digests.iter().enumerate().filter(|pair| kept(*pair)).count();
        assert!((500..=PLACES).contains(&known), "{known}");
        // Whatever the first token is, an empty place is not it.
        assert!(Cache::<()>::default().get(&[0; 32]).is_none());
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let cache = Cache::default();
        let digests = digests(3000);
        for (number, digest) in digests.iter().enumerate() {
            let bytes = 1 + number * 37 % 5000;
            cache.put(*digest, bytes, Arc::new(bytes));
            assert_eq!(cache.get(digest).as_deref(), Some(&bytes), "the latest is always kept");
            let all: usize = digests.iter().filter_map(|digest| cache.get(digest)).map(|bytes| *bytes).sum();
            assert!(all <= MOST_BYTES && all == cache.0.borrow().bytes, "{all}");
        }
        cache.put([7; 32], MOST_BYTES + 1, Arc::new(0));
        assert!(cache.get(&[7; 32]).is_none());
        cache.put([8; 32], MOST_BYTES, Arc::new(0));
        assert!(cache.get(&[8; 32]).is_some());
    }
}
