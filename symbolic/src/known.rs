//! Keys with what is known of each: what the standard library has in a tenth of the code. Its trees are made once more for
//! each type, and a page loads them all.

use alloc::{vec, vec::Vec};
use core::{
    hash::{Hash, Hasher},
    mem,
};

/// Values by key, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Known<K, V> {
    entries: Vec<(K, V)>,
    table: Table,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Known { entries: Vec::new(), table: Table::default() }
    }
}

impl<K: Hash + Eq, V> Known<K, V> {
    /// The number of the key: how many came before it.
    pub(crate) fn find(&self, key: &K) -> Option<usize> {
        let is_it = |at: usize| self.entries.get(at).is_some_and(|(known, _)| known == key);
        self.table.find(hash(key), &is_it)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.at(self.find(key)?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key)?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Puts it there unless the key is there already; true: it was not.
    pub(crate) fn insert(&mut self, key: K, value: V) -> bool {
        let is_new = self.find(&key).is_none();
        if is_new {
            self.table.insert(hash(&key));
            self.entries.push((key, value));
        }
        is_new
    }

    pub(crate) fn at(&self, number: usize) -> Option<&(K, V)> {
        self.entries.get(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn into_entries(self) -> Vec<(K, V)> {
        self.entries
    }
}

/// Numbers by hash, in open addressing.
#[derive(Debug, Default)]
struct Table {
    /// The hash, and the number plus one; 0 where free. A power of two long, at most half full.
    slots: Vec<(u32, u32)>,
    count: u32,
}

impl Table {
    #[inline(never)]
    fn find(&self, hash: u32, is_it: &dyn Fn(usize) -> bool) -> Option<usize> {
        let mut at = hash as usize;
        loop {
            let (known, number) = *self.slots.get(at & self.slots.len().wrapping_sub(1))?;
            let number = (number as usize).checked_sub(1)?;
            if known == hash && is_it(number) {
                return Some(number);
            }
            at = at.wrapping_add(1);
        }
    }

    #[inline(never)]
    fn insert(&mut self, hash: u32) {
        self.count += 1;
        if self.count as usize * 2 > self.slots.len() {
            let size = (self.slots.len() * 2).max(8);
            for (hash, number) in mem::replace(&mut self.slots, vec![(0, 0); size]) {
                self.put(hash, number);
            }
        }
        self.put(hash, self.count);
    }

    fn put(&mut self, hash: u32, number: u32) {
        let last = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & last;
        while self.slots.get(at).is_some_and(|(_, taken)| *taken != 0) {
            at = (at + 1) & last;
        }
        if let Some(slot) = self.slots.get_mut(at).filter(|_| number != 0) {
            *slot = (hash, number);
        }
    }
}

fn hash(key: &impl Hash) -> u32 {
    let mut mixer = Mixer(0);
    key.hash(&mut mixer);
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    let folded = (mixer.0 ^ (mixer.0 >> 32)) as u32;
    folded
}

/// As in `rustc-hash`: quick, and good enough for what policies hold.
struct Mixer(u64);

impl Mixer {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0xf135_7aea_2e62_a9c5);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(7) {
            self.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{
        collections::{BTreeMap, BTreeSet},
        string::{String, ToString},
    };

    /// What a map does, with keys of which many share a slot.
    #[test]
    fn as_a_map_does() {
        let mut known: Known<String, u32> = Known::default();
        let mut map = BTreeMap::new();
        for number in 0..20_000_u32 {
            let key = (number.wrapping_mul(2_654_435_761) % 7_000).to_string();
            assert_eq!(known.get(&key), map.get(&key));
            assert_eq!(known.insert(key.clone(), number), !map.contains_key(&key));
            map.entry(key).or_insert(number);
        }
        assert_eq!(known.len(), map.len());
        if let Some(value) = known.get_mut(&"1".to_string()) {
            *value += 1;
        }
        *map.get_mut("1").unwrap() += 1;
        assert_eq!(known.find(&"no number".to_string()), None);
        let entries = known.into_entries();
        let keys: BTreeSet<&String> = entries.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), entries.len());
        assert_eq!(entries.into_iter().collect::<BTreeMap<_, _>>(), map);
    }

    #[test]
    fn hashes_spread() {
        for bits in [8, 12, 16] {
            let slots: BTreeSet<u32> =
                (0..1_u32 << bits).map(|number| hash(&number) & ((1 << bits) - 1)).collect();
            assert!(slots.len() * 2 > 1 << bits, "{} of {}", slots.len(), 1 << bits);
            let texts = (0..1_u32 << bits).map(|number| hash(&number.to_string()) & ((1 << bits) - 1));
            let slots: BTreeSet<u32> = texts.collect();
            assert!(slots.len() * 2 > 1 << bits, "{} of {}", slots.len(), 1 << bits);
        }
    }
}
