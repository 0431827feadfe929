//! Sets of rows, compressed: only the words that are not empty are kept, each with its number.
//!
//! A set costs 8 bytes and 12 for each word of 64 rows that it has a row in. Asking for a word is a binary search among
//! those, and a plain access where a set has half of all words or more: such a set keeps the empty ones too.

use alloc::vec::Vec;
use core::ops::Range;

/// Rows in one word.
pub(super) const WORD: u32 = 64;

/// One set: a piece of the lists in [`Sets`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    start: u32,
    len: u32,
}

/// The words of many sets.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// How many words a full set has.
    blocks: u32,
    numbers: Vec<u32>,
    words: Vec<u64>,
}

/// A position from its `u32`.
pub(super) fn position(number: u32) -> usize {
    number as usize
}

/// A position as `u32`. Nothing in an index has 2³² elements; what would have is in no set.
pub(super) fn short(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

impl Sets {
    pub(super) fn new(blocks: u32) -> Sets {
        Sets { blocks, ..Sets::default() }
    }

    /// Keeps a set; `rows` in ascending order.
    pub(super) fn add(&mut self, rows: &[u32]) -> Set {
        let start = self.words.len();
        for row in rows {
            let (number, bit) = (row / WORD, 1 << (row % WORD));
            match self.words.last_mut() {
                Some(word) if self.numbers.last() == Some(&number) && self.numbers.len() > start => {
                    *word |= bit
                }
                _ => {
                    self.numbers.push(number);
                    self.words.push(bit);
                }
            }
        }
        let len = self.words.len() - start;
        if len * 2 >= position(self.blocks) && len > 0 {
            let sparse = self.numbers.split_off(start);
            let words = self.words.split_off(start);
            self.numbers.extend(0..self.blocks);
            self.words.resize(start + position(self.blocks), 0);
            for (number, word) in sparse.iter().zip(words) {
                if let Some(place) = self.words.get_mut(start + position(*number)) {
                    *place = word;
                }
            }
        }
        Set { start: short(start), len: short(self.words.len() - start) }
    }

    /// The 64 rows of a set from `block` × 64 on. O(log of the set's words), O(1) where it has most of them.
    #[inline]
    pub(super) fn word(&self, set: Set, block: u32) -> u64 {
        let start = position(set.start);
        let at = if set.len == self.blocks {
            position(block)
        } else {
            let numbers = self.numbers.get(start..start + position(set.len)).unwrap_or_default();
            match numbers.binary_search(&block) {
                Ok(at) => at,
                Err(_) => return 0,
            }
        };
        self.words.get(start + at).copied().unwrap_or(0)
    }

    /// The words of a set within a range of blocks, with their numbers.
    pub(super) fn words(&self, set: Set, blocks: &Range<u32>) -> impl Iterator<Item = (u32, u64)> {
        let whole = position(set.start)..position(set.start) + position(set.len);
        let numbers = self.numbers.get(whole.clone()).unwrap_or_default();
        let words = self.words.get(whole).unwrap_or_default();
        let first = numbers.partition_point(|number| *number < blocks.start);
        let end = blocks.end;
        let numbers = numbers.iter().copied().skip(first).take_while(move |number| *number < end);
        numbers.zip(words.iter().copied().skip(first))
    }

    pub(super) fn shrink(&mut self) {
        self.numbers.shrink_to_fit();
        self.words.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_sparse_or_not() {
        for (blocks, rows) in [
            (1, &[0_u32, 5, 63][..]),
            (200, &[0, 64, 65, 6_400, 12_799]),
            (200, &[12_799]),
            (3, &[1, 100, 191]),
            (200, &(0..12_800).collect::<Vec<u32>>()),
            (200, &[]),
        ] {
            let mut sets = Sets::new(blocks);
            let before = sets.add(&[0, 7]);
            let set = sets.add(rows);
            let after = sets.add(&[7]);
            let has = |set, row| sets.word(set, row / WORD) >> (row % WORD) & 1 == 1;
            for row in 0..blocks * WORD {
                assert_eq!(has(set, row), rows.contains(&row), "{row} of {blocks}");
                assert_eq!(has(before, row), [0, 7].contains(&row));
                assert_eq!(has(after, row), row == 7);
            }
            let listed: Vec<u32> = sets
                .words(set, &(0..blocks))
                .flat_map(|(number, word)| {
                    (0..WORD).filter(move |bit| word >> bit & 1 == 1).map(move |bit| number * WORD + bit)
                })
                .collect();
            assert_eq!(listed, rows);
            assert!(sets.words(set, &(1..2)).all(|(number, _)| number == 1));
        }
    }
}
