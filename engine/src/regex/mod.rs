//! RE2's syntax and its full match, on bytes: what Envoy's `safe_regex` does with the expressions that istiod writes.
//!
//! Envoy 1.40 runs RE2 in Latin-1 mode, where every character is a byte. That, and that this crate does without std, is why
//! no regex crate serves here. The match is boolean, so groups capture nothing and greed makes no difference: a set of
//! states goes over the value once, in time value × program.

mod machine;
mod parse;
#[cfg(test)]
mod tests;

use machine::Program;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Regex {
    program: Program,
}

/// 256 bytes, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set([u64; 4]);

/// A place between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assert {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    Word,
    NotWord,
}

/// What an expression says.
#[derive(Clone, Debug)]
enum Ast {
    Empty,
    Set(Set),
    Assert(Assert),
    Cat(Vec<Ast>),
    Alt(Vec<Ast>),
    /// From so often to so often.
    Repeat(Box<Ast>, u32, Option<u32>),
}

use alloc::{boxed::Box, vec::Vec};

impl Regex {
    /// Compiles, to a program no larger than Istio's limit for RE2.
    ///
    /// # Errors
    ///
    /// Why not: RE2 would refuse it, or it needs what is not implemented (`\p`), or it is too large.
    pub fn new(pattern: &str) -> Result<Regex, &'static str> {
        let ast = parse::parse(pattern.as_bytes())?;
        Ok(Regex { program: Program::compile(&ast)? })
    }

    /// Does the whole value match?
    pub fn matches(&self, value: &[u8]) -> bool {
        self.program.matches(value)
    }

    /// How many instructions: what it costs in memory.
    pub fn size(&self) -> usize {
        self.program.len()
    }
}

impl Set {
    fn of(bytes: impl IntoIterator<Item = u8>) -> Set {
        let mut set = Set::default();
        bytes.into_iter().for_each(|byte| set.insert(byte));
        set
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    fn add(&mut self, other: Set) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    fn negated(self) -> Set {
        Set(self.0.map(|word| !word))
    }

    /// With the other case of every letter of Latin-1.
    fn folded(self) -> Set {
        let mut folded = self;
        for byte in (0..=255_u8).filter(|byte| self.contains(*byte)) {
            match byte {
                b'a'..=b'z' | 0xe0..=0xf6 | 0xf8..=0xfe => folded.insert(byte - 32),
                b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xde => folded.insert(byte + 32),
                _ => {}
            }
        }
        folded
    }
}
