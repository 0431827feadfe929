//! Equivalence classes of strings: all strings of a domain that the same patterns match, each class with its shortest
//! member.
//!
//! Every pattern that istiod makes of a value is a sequence of bytes, sets of bytes and loops over such sets
//! ([`Step`]). The patterns run side by side as one automaton, together with the domain's own, breadth first from the
//! empty string: what is reached has a shortest string that reaches it, so that a class without a member never comes
//! into being (`/a/../*` where paths are normalized, a host with capitals). Bytes that no pattern tells apart at some
//! point are followed once.
//!
//! Classes are numbered in the order of their members. A prefix therefore matches an interval of numbers, which makes
//! for small diagrams.

use crate::known::Known;
use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};
use core::fmt;
use gnomon_engine::order::sort_by;
pub use gnomon_engine::sequences::ByteSet as Bytes;

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// This byte.
    Byte(u8),
    /// One byte of the set.
    One(Bytes),
    /// Any number of bytes of the set, none too.
    Many(Bytes),
    /// The text ends here, or a query begins, of which nothing is asked. Only [`Pattern::then_query`] makes it.
    Query,
}

/// A pattern on a whole string: its steps one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Vec<Step>);

impl Pattern {
    /// Any string, the empty one too.
    pub fn any() -> Pattern {
        Pattern(vec![Step::Many(Bytes::ALL)])
    }

    /// Any string but the empty one, without a line feed: RE2's `.+`.
    pub fn non_empty() -> Pattern {
        Pattern(vec![Step::One(Bytes::LINE), Step::Many(Bytes::LINE)])
    }

    /// This string.
    pub fn exact(text: &[u8]) -> Pattern {
        Pattern::default().then(text)
    }

    /// Strings that begin so.
    pub fn prefix(text: &[u8]) -> Pattern {
        Pattern::exact(text).then_many(Bytes::ALL)
    }

    /// Strings that end so.
    pub fn suffix(text: &[u8]) -> Pattern {
        Pattern::any().then(text)
    }

    /// This pattern, then a text.
    pub fn then(mut self, text: &[u8]) -> Pattern {
        self.0.extend(text.iter().map(|byte| Step::Byte(*byte)));
        self
    }

    /// This pattern, then another.
    pub fn then_pattern(mut self, other: Pattern) -> Pattern {
        self.0.extend(other.0);
        self
    }

    /// This pattern, then one byte of the set.
    pub fn then_one(mut self, of: Bytes) -> Pattern {
        self.0.push(Step::One(of));
        self
    }

    /// This pattern, then any number of bytes of the set.
    pub fn then_many(mut self, of: Bytes) -> Pattern {
        self.0.push(Step::Many(of));
        self
    }

    /// This pattern, then the end or `?` and anything.
    pub fn then_query(mut self) -> Pattern {
        self.0.extend([Step::Query, Step::Many(Bytes::ALL)]);
        self
    }

    /// Does it match the whole text? The definition that the automaton is tested against.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut at: BTreeSet<usize> = BTreeSet::new();
        self.reach(0, &mut |position| {
            at.insert(position);
        });
        for byte in text {
            let mut next = BTreeSet::new();
            for position in at {
                self.follow(position, *byte, &mut |position| {
                    next.insert(position);
                });
            }
            at = next;
        }
        at.contains(&self.0.len())
    }

    /// A position and all that lie behind loops, which may match nothing.
    fn reach(&self, position: usize, reached: &mut impl FnMut(usize)) {
        reached(position);
        match self.0.get(position) {
            Some(Step::Many(_)) => self.reach(position + 1, reached),
            // What follows is only for queries.
            Some(Step::Query) => self.reach(position + 2, reached),
            _ => {}
        }
    }

    /// The positions after one more byte.
    fn follow(&self, position: usize, byte: u8, reached: &mut impl FnMut(usize)) {
        match self.0.get(position) {
            Some(Step::Byte(wanted)) if *wanted == byte => self.reach(position + 1, reached),
            Some(Step::One(set)) if set.contains(byte) => self.reach(position + 1, reached),
            Some(Step::Many(set)) if set.contains(byte) => self.reach(position, reached),
            Some(Step::Query) if byte == b'?' => self.reach(position + 1, reached),
            _ => {}
        }
    }
}

/// Which strings there are: an automaton of its own. Strings outside are in no class.
pub trait Domain {
    /// The state before the first byte.
    fn start(&self) -> u32;
    /// The state after one more byte; `None`: no string of the domain goes on so.
    fn step(&self, state: u32, byte: u8) -> Option<u32>;
    /// May the string end here?
    fn ends(&self, state: u32) -> bool;
}

/// The classes were more than allowed, or the automaton was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// The bound on states.
    pub states: usize,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too large: the patterns together are limited to {} states", self.states)
    }
}

impl core::error::Error for TooMany {}

/// One class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// A string that lies in it: one of the preferred ones, else a shortest.
    pub member: String,
    /// The patterns that match its strings, by number, ascending.
    pub matched_by: Vec<u32>,
}

/// The classes of a domain under some patterns, ordered by their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// All of them. Empty only where the domain is.
    pub classes: Vec<Class>,
    /// For each pattern the numbers of the classes that it matches, ascending.
    pub matching: Vec<Vec<u32>>,
}

/// Bytes in the order in which they are tried for a place where any would do.
const PLAIN: &[u8] = b"xyzabcdefghijklmnopqrstuvw0123456789XYZABCDEFGHIJKLMNOPQRSTUVW-_.~/";

/// The classes into which `patterns` cut `domain`. Members are taken from `preferred` where one lies in the class.
///
/// # Errors
///
/// [`TooMany`] where the automaton has more than `limit` states.
pub fn classes(
    patterns: &[Pattern],
    domain: &dyn Domain,
    preferred: &[&str],
    limit: usize,
) -> Result<Classes, TooMany> {
    let kinds = kinds(patterns);
    // In the order found, each with how it was reached first.
    let mut states: Known<State, Vec<u8>> = Known::default();
    states.insert(start(patterns, domain), Vec::new());
    let mut at = 0;
    let mut found: Known<Vec<u32>, Vec<u8>> = Known::default();
    while let Some((state, text)) = states.at(at).cloned() {
        if domain.ends(state.domain) {
            found.insert(state.accepted(patterns), text.clone());
        }
        for byte in state.bytes(patterns, &kinds, domain) {
            let Some(next) = state.after(byte, patterns, domain) else { continue };
            let mut longer = text.clone();
            longer.push(byte);
            states.insert(next, longer);
            if states.len() > limit {
                return Err(TooMany { states: limit });
            }
        }
        at += 1;
    }
    for text in preferred {
        if let Some(state) = run(text.as_bytes(), patterns, domain)
            && let Some(member) = found.get_mut(&state.accepted(patterns))
            && !preferred.iter().any(|other| other.as_bytes() == &member[..])
        {
            *member = text.as_bytes().to_vec();
        }
    }
    let mut classes: Vec<Class> = found
        .into_entries()
        .into_iter()
        .map(|(matched_by, member)| Class {
            member: String::from_utf8(member)
                .unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned()),
            matched_by,
        })
        .collect();
    sort_by(&mut classes, |a, b| a.member.cmp(&b.member));
    let mut matching = vec![Vec::new(); patterns.len()];
    for (number, class) in (0..).zip(&classes) {
        for pattern in &class.matched_by {
            if let Some(of) = matching.get_mut(*pattern as usize) {
                of.push(number);
            }
        }
    }
    Ok(Classes { classes, matching })
}

/// All patterns at once, somewhere in a string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    domain: u32,
    /// Patterns that still may match, each with the position in it; sorted.
    alive: Vec<(u32, u32)>,
}

fn start(patterns: &[Pattern], domain: &dyn Domain) -> State {
    let mut alive = Vec::new();
    for (number, pattern) in (0..).zip(patterns) {
        pattern.reach(0, &mut |position| alive.push((number, narrow(position))));
    }
    State { domain: domain.start(), alive }
}

/// Positions are far below 2^32: patterns come from manifests of limited size.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn run(text: &[u8], patterns: &[Pattern], domain: &dyn Domain) -> Option<State> {
    let state =
        text.iter().try_fold(start(patterns, domain), |state, byte| state.after(*byte, patterns, domain));
    state.filter(|state| domain.ends(state.domain))
}

/// Sorts what is in order but for the positions of one pattern, of which there are few.
fn in_order(alive: &mut [(u32, u32)]) {
    for end in 1..alive.len() {
        let mut at = end;
        while at > 0 && alive.get(at - 1) > alive.get(at) {
            alive.swap(at - 1, at);
            at -= 1;
        }
    }
}

impl State {
    fn after(&self, byte: u8, patterns: &[Pattern], domain: &dyn Domain) -> Option<State> {
        let mut next = State { domain: domain.step(self.domain, byte)?, alive: Vec::new() };
        for (number, position) in &self.alive {
            if let Some(pattern) = patterns.get(*number as usize) {
                let mut reached = |position| next.alive.push((*number, narrow(position)));
                pattern.follow(*position as usize, byte, &mut reached);
            }
        }
        in_order(&mut next.alive);
        next.alive.dedup();
        Some(next)
    }

    fn accepted(&self, patterns: &[Pattern]) -> Vec<u32> {
        let ended = |(number, position): &&(u32, u32)| {
            patterns.get(*number as usize).is_some_and(|pattern| pattern.0.len() == *position as usize)
        };
        let mut numbers: Vec<u32> = self.alive.iter().filter(ended).map(|(number, _)| *number).collect();
        numbers.dedup();
        numbers
    }

    /// The bytes that are worth following: those that some pattern names here, and of each kind of the others one.
    fn bytes(&self, patterns: &[Pattern], kinds: &[Vec<u8>], domain: &dyn Domain) -> Vec<u8> {
        let mut named = Bytes::NONE;
        for (number, position) in &self.alive {
            let step = patterns.get(*number as usize).and_then(|pattern| pattern.0.get(*position as usize));
            let byte = match step {
                Some(Step::Byte(byte)) => *byte,
                Some(Step::Query) => b'?',
                _ => continue,
            };
            named.insert(byte);
        }
        let mut bytes: Vec<u8> = (0..=255).filter(|byte| named.contains(*byte)).collect();
        for kind in kinds {
            // The domain tells bytes apart as well: one for each state that it goes to.
            let mut states = Vec::new();
            for byte in kind.iter().filter(|byte| !named.contains(**byte)) {
                if let Some(state) = domain.step(self.domain, *byte)
                    && !states.contains(&state)
                {
                    states.push(state);
                    bytes.push(*byte);
                }
            }
        }
        bytes
    }
}

/// All bytes, those together that no set of a pattern tells apart.
fn kinds(patterns: &[Pattern]) -> Vec<Vec<u8>> {
    let sets = patterns.iter().flat_map(|pattern| &pattern.0).filter_map(|step| match step {
        Step::One(set) | Step::Many(set) => Some(*set),
        Step::Byte(_) | Step::Query => None,
    });
    let sets: Vec<Bytes> = {
        let mut known: Known<Bytes, ()> = Known::default();
        sets.for_each(|set| {
            known.insert(set, ());
        });
        known.into_entries().into_iter().map(|(set, ())| set).collect()
    };
    let mut kinds: Vec<(Vec<bool>, Vec<u8>)> = Vec::new();
    let rest = (0..=255).filter(|byte| !PLAIN.contains(byte));
    for byte in PLAIN.iter().copied().chain(rest) {
        let lies: Vec<bool> = sets.iter().map(|set| set.contains(byte)).collect();
        match kinds.iter_mut().find(|(of, _)| *of == lies) {
            Some((_, bytes)) => bytes.push(byte),
            None => kinds.push((lies, vec![byte])),
        }
    }
    kinds.into_iter().map(|(_, bytes)| bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Strings over some bytes.
    struct Over(Bytes);

    impl Domain for Over {
        fn start(&self) -> u32 {
            0
        }

        fn step(&self, _: u32, byte: u8) -> Option<u32> {
            self.0.contains(byte).then_some(0)
        }

        fn ends(&self, _: u32) -> bool {
            true
        }
    }

    const LIMIT: usize = 100_000;

    fn members(patterns: &[Pattern], alphabet: &[u8]) -> Vec<String> {
        let classes = classes(patterns, &Over(Bytes::of(alphabet)), &[], LIMIT).unwrap();
        classes.classes.into_iter().map(|class| class.member).collect()
    }

    #[test]
    fn one_class_for_each_way_to_match() {
        let letters = b"abcdefghijklmnopqrstuvwxyz/";
        assert_eq!(members(&[], letters), [""]);
        assert_eq!(members(&[Pattern::exact(b"ab")], letters), ["", "ab"]);
        assert_eq!(members(&[Pattern::prefix(b"ab"), Pattern::exact(b"abc")], letters), ["", "ab", "abc"]);
        let both = [Pattern::suffix(b"ab"), Pattern::prefix(b"ab")];
        assert_eq!(members(&both, letters), ["", "aab", "ab", "aba"]);
        assert_eq!(members(&[Pattern::non_empty()], letters), ["", "x"]);
        // A value outside the domain matches nothing there is.
        assert_eq!(members(&[Pattern::exact(b"AB")], letters), [""]);
    }

    #[test]
    fn members_are_preferred() {
        let found = classes(&[Pattern::exact(b"PUT")], &Over(Bytes::ALL), &["GET", "POST"], LIMIT).unwrap();
        let members: Vec<_> = found.classes.iter().map(|class| class.member.as_str()).collect();
        assert_eq!(members, ["GET", "PUT"]);
        assert_eq!(found.matching, [vec![1]]);
    }

    #[test]
    fn prefixes_are_intervals() {
        let patterns = ["/a", "/a/b", "/a/b/c", "/b"].map(|text| Pattern::prefix(text.as_bytes()));
        let found = classes(&patterns, &Over(Bytes::of(b"/abcx")), &[], LIMIT).unwrap();
        for of in &found.matching {
            assert!(of.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{of:?}");
        }
    }

    #[test]
    fn says_when_there_are_too_many() {
        // Each suffix remembered for each prefix.
        let texts: Vec<String> = (0..50).map(|number| alloc::format!("{number:03}")).collect();
        let patterns: Vec<Pattern> = texts
            .iter()
            .flat_map(|text| [Pattern::prefix(text.as_bytes()), Pattern::suffix(text.as_bytes())])
            .collect();
        assert_eq!(classes(&patterns, &Over(Bytes::ALL), &[], 1_000), Err(TooMany { states: 1_000 }));
        let all = classes(&patterns, &Over(Bytes::ALL), &[], LIMIT).unwrap();
        assert!(all.classes.len() > 2_500, "{}", all.classes.len());
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'/')], 0..4)
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        let segment = Bytes::of(b"ab");
        prop_oneof![
            text().prop_map(|text| Pattern::exact(&text)),
            text().prop_map(|text| Pattern::prefix(&text)),
            text().prop_map(|text| Pattern::suffix(&text)),
            Just(Pattern::non_empty()),
            (text(), text()).prop_map(move |(before, after)| {
                Pattern::exact(&before).then_one(segment).then_many(segment).then(&after)
            }),
            (text(), text())
                .prop_map(|(before, after)| Pattern::exact(&before).then_many(Bytes::ALL).then(&after)),
        ]
    }

    proptest! {
        /// Against the definition: every string up to some length lies in exactly the class that has its patterns, and
        /// every class has a member.
        #[test]
        fn classes_are_what_patterns_tell_apart(patterns in proptest::collection::vec(pattern(), 0..5)) {
            let alphabet = b"abx/";
            let found = classes(&patterns, &Over(Bytes::of(alphabet)), &[], LIMIT).unwrap();
            let vector = |text: &[u8]| -> Vec<u32> {
                (0..).zip(&patterns).filter(|(_, p)| p.matches(text)).map(|(number, _)| number).collect()
            };
            for class in &found.classes {
                prop_assert_eq!(&vector(class.member.as_bytes()), &class.matched_by, "{}", &class.member);
            }
            let known: BTreeSet<&Vec<u32>> = found.classes.iter().map(|class| &class.matched_by).collect();
            prop_assert_eq!(known.len(), found.classes.len());
            let mut texts = vec![vec![]];
            for length in 0..5 {
                let longer: Vec<Vec<u8>> = texts.iter().filter(|text| text.len() == length)
                    .flat_map(|text| alphabet.iter().map(move |byte| [&text[..], &[*byte]].concat())).collect();
                texts.extend(longer);
            }
            for text in texts {
                prop_assert!(known.contains(&vector(&text)), "{}", text.escape_ascii());
            }
        }
    }
}
