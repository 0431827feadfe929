//! Exact values: a hash table from text to a number. O(length of the text).
//!
//! A key has a tag beside its text, so that pairs (issuer and subject, namespace and account, node of an automaton and
//! segment) need no text of their own. Keys come from policies and are fixed once the plan is built, so
//! requests, which only look up, cannot degrade the table.

use super::set::{position, short};
use crate::bytes;
use alloc::vec::Vec;

#[derive(Debug)]
struct Key {
    tag: u32,
    start: u32,
    len: u32,
    value: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// One more than the place in `keys`; 0: empty.
    key: u32,
}

/// Text → number.
#[derive(Debug, Default)]
pub(super) struct Table {
    text: Vec<u8>,
    keys: Vec<Key>,
    /// A power of two, at most three quarters full; empty without keys.
    slots: Vec<Slot>,
    /// The lengths of all texts, a bit each: most lookups end here.
    lengths: Lengths,
}

/// Lengths, a bit each; the last bit stands for all longer ones, too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths(u64);

impl Lengths {
    pub(super) fn add(&mut self, text: &[u8]) {
        self.0 |= 1 << text.len().min(63);
    }

    /// False: no text has this one's length.
    #[inline]
    pub(super) fn may_have(self, text: &[u8]) -> bool {
        self.0 >> text.len().min(63) & 1 == 1
    }
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All keys with tag 0, in the order added, with their values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.keys.iter().map(|key| (self.text_of(key), key.value))
    }

    #[inline]
    pub(super) fn get(&self, tag: u32, text: &[u8]) -> Option<u32> {
        if !self.lengths.may_have(text) {
            return None;
        }
        self.find(hash(tag, text), tag, text).ok()
    }

    /// The number of a text; a new one gets the next number, and `next` moves on.
    pub(super) fn intern(&mut self, tag: u32, text: &[u8], next: &mut u32) -> u32 {
        if self.keys.len() * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let hash = hash(tag, text);
        let slot = match self.find(hash, tag, text) {
            Ok(value) => return value,
            Err(slot) => slot,
        };
        let value = *next;
        *next += 1;
        self.keys.push(Key { tag, start: short(self.text.len()), len: short(text.len()), value });
        self.text.extend_from_slice(text);
        self.lengths.add(text);
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = Slot { hash, key: short(self.keys.len()) };
        }
        value
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.keys.shrink_to_fit();
    }

    /// The value, or the free slot where the key belongs.
    #[inline]
    fn find(&self, hash: u32, tag: u32, text: &[u8]) -> Result<u32, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = position(hash) & mask;
        loop {
            let slot = self.slots.get(at).copied().unwrap_or_default();
            let Some(place) = slot.key.checked_sub(1) else { return Err(at) };
            if slot.hash == hash
                && let Some(key) = self.keys.get(position(place))
                && key.tag == tag
                && bytes::equal(self.text_of(key), text)
            {
                return Ok(key.value);
            }
            at = (at + 1) & mask;
        }
    }

    fn text_of(&self, key: &Key) -> &[u8] {
        self.text.get(position(key.start)..position(key.start) + position(key.len)).unwrap_or_default()
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(4);
        let old = core::mem::replace(&mut self.slots, alloc::vec![Slot::default(); size]);
        for slot in old.into_iter().filter(|slot| slot.key != 0) {
            let mut at = position(slot.hash) & (size - 1);
            while self.slots.get(at).is_some_and(|taken| taken.key != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(place) = self.slots.get_mut(at) {
                *place = slot;
            }
        }
    }
}

/// The number in a list, the next one where there is none.
pub(super) fn number_at(numbers: &mut Vec<Option<u32>>, place: u32, next: &mut u32) -> u32 {
    if numbers.len() <= position(place) {
        numbers.resize(position(place) + 1, None);
    }
    let new = *next;
    match numbers.get_mut(position(place)) {
        Some(Some(number)) => *number,
        Some(number) => {
            *next += 1;
            *number.insert(new)
        }
        None => new,
    }
}

/// Eight bytes at a time, a multiplication each; the last eight over again.
#[inline]
fn hash(tag: u32, text: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = u64::from(tag) << 32 ^ text.len() as u64;
    let mut mix = |word: u64| state = (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    match text.last_chunk() {
        Some(last) => {
            text.as_chunks().0.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
            mix(u64::from_le_bytes(*last));
        }
        None => mix(bytes::word(text)),
    }
    // A product tells nothing of what stands above a bit, so what is above goes below first.
    ((state ^ state >> 32).wrapping_mul(FACTOR) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_that_are_alike_do_not_crowd() {
        for pattern in ["team-{}", "{}-team", "/tenants/{}/", "cluster.local/ns/tenant-{}/sa/client", "{}"] {
            let mut table = Table::default();
            let mut next = 0;
            for number in 0..700 {
                table.intern(0, pattern.replace("{}", &format!("{number}")).as_bytes(), &mut next);
            }
            let mask = table.slots.len() - 1;
            let away = |(at, slot): (usize, &Slot)| at.wrapping_sub(position(slot.hash)) & mask;
            let taken = table.slots.iter().enumerate().filter(|(_, slot)| slot.key != 0);
            let steps: usize = taken.map(away).sum();
            assert!(steps < 2 * 700, "{pattern}: {steps} steps for 700 names");
        }
    }

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let text = |index: u32| format!("{index:>width$}", width = index as usize % 40);
        let mut table = Table::default();
        assert_eq!(table.get(0, b""), None);
        let mut next = 7;
        for index in 0..5_000_u32 {
            let text = text(index);
            assert_eq!(table.intern(index % 3, text.as_bytes(), &mut next), 7 + index);
        }
        assert_eq!(table.intern(2, b"", &mut next), 5_007);
        assert_eq!((table.intern(0, b"0", &mut next), next), (7, 5_008));
        for index in 0..5_000_u32 {
            let text = text(index);
            assert_eq!(table.get(index % 3, text.as_bytes()), Some(7 + index));
            assert_eq!(table.get(index % 3 + 1, format!("{text}x").as_bytes()), None);
            assert_eq!(table.get(3, text.as_bytes()), None);
        }
        assert_eq!((table.get(2, b""), table.get(1, b"")), (Some(5_007), None));
    }
}
