//! Texts described byte by byte: what a simple regular expression comes to.

use alloc::{boxed::Box, collections::BTreeSet};
use core::fmt;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// None.
    pub const NONE: ByteSet = ByteSet([0; 4]);
    /// All 256.
    pub const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    /// Those of a text.
    pub fn of(text: &[u8]) -> ByteSet {
        let mut set = ByteSet::NONE;
        text.iter().for_each(|byte| set.insert(*byte));
        set
    }

    /// All others.
    pub const fn complement(self) -> ByteSet {
        let ByteSet([a, b, c, d]) = self;
        ByteSet([!a, !b, !c, !d])
    }

    /// Those of either.
    pub fn union(self, other: ByteSet) -> ByteSet {
        let mut set = self;
        for (word, more) in set.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        set
    }

    /// Those that are not in the other.
    pub fn minus(self, other: ByteSet) -> ByteSet {
        self.complement().union(other).complement()
    }

    /// The only one in it; `None`: it has none or several.
    pub fn only(self) -> Option<u8> {
        let mut all = (0..=255).filter(|byte| self.contains(*byte));
        all.next().filter(|_| all.next().is_none())
    }

    /// Is it one of them?
    pub fn contains(self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    /// Makes it one of them.
    pub fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    /// What `.` matches in RE2: everything but a line feed.
    pub const LINE: ByteSet = ByteSet([1 << b'\n', 0, 0, 0]).complement();
}

impl fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for byte in (0..=255).filter(|byte| self.contains(*byte)) {
            write!(f, "{}", core::ascii::escape_default(byte))?;
        }
        f.write_str("]")
    }
}

/// One step of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// One byte of the set.
    One(ByteSet),
    /// Any number of bytes of the set, none too.
    Many(ByteSet),
}

/// Any of some sequences of steps, each of which is a whole text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequences {
    /// As it is shown to people.
    pub written: Box<str>,
    /// The sequences; none: no text is one.
    pub any: Box<[Box<[Step]>]>,
}

impl Sequences {
    /// Is the whole text one of them? In time text × steps; it allocates, since no policy of Istio's asks for it.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.any.iter().any(|steps| behind(steps, text).contains(&steps.len()))
    }

    /// Does some text that is one of them begin so?
    pub fn may_begin(&self, text: &[u8]) -> bool {
        self.any.iter().any(|steps| !behind(steps, text).is_empty())
    }
}

/// The positions in a sequence behind a text.
fn behind(steps: &[Step], text: &[u8]) -> BTreeSet<usize> {
    let mut at = BTreeSet::new();
    reach(steps, 0, &mut at);
    for byte in text {
        let mut next = BTreeSet::new();
        for position in at {
            match steps.get(position) {
                Some(Step::One(set)) if set.contains(*byte) => reach(steps, position + 1, &mut next),
                Some(Step::Many(set)) if set.contains(*byte) => reach(steps, position, &mut next),
                _ => {}
            }
        }
        at = next;
    }
    at
}

/// A position, and those that lie behind loops, which may be empty.
fn reach(steps: &[Step], mut position: usize, at: &mut BTreeSet<usize>) {
    while at.insert(position) && matches!(steps.get(position), Some(Step::Many(_))) {
        position += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_whole_texts() {
        let letters = ByteSet::of(b"ab");
        let one = |set| Step::One(set);
        let sequences = |any: &[&[Step]]| Sequences {
            written: "".into(),
            any: any.iter().map(|steps| (*steps).into()).collect(),
        };
        let both = sequences(&[
            &[one(ByteSet::of(b"/")), one(letters), Step::Many(letters)],
            &[Step::Many(ByteSet::ALL), one(ByteSet::of(b"x"))],
        ]);
        for (text, expected) in [
            ("/a", true),
            ("/abba", true),
            ("/", false),
            ("/ac", false),
            ("x", true),
            ("/axx", true),
            ("", false),
        ] {
            assert_eq!(both.matches(text.as_bytes()), expected, "{text}");
        }
        assert!(sequences(&[&[Step::Many(letters), Step::Many(ByteSet::of(b"c"))]]).matches(b""));
        assert!(!sequences(&[]).matches(b""));
        assert!(!ByteSet::LINE.contains(b'\n') && ByteSet::LINE.contains(b'\r'));
    }
}
