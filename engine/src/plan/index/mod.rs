//! Which rule matches first, without going through the rules: classification by bit vectors.
//!
//! # How
//!
//! Every rule is a few *rows*: one for each pair of a source and an operation, with all conditions. A row is an AND of
//! tests; a test is an OR of values ("atoms") of one *dimension* (the peer, the path, a header …), or the negation of
//! one. For each dimension a small module finds the atoms that a request has, at a cost that hangs on the length of the
//! request's value and not on the number of atoms:
//!
//! | module | values | how |
//! |---|---|---|
//! | [`table`] | exact ones, ports, pairs | hash table |
//! | [`trie`] | prefixes, suffixes | radix trie, the latter backwards |
//! | [`cidr`] | address ranges | sorted, with links to the next wider range |
//! | [`path`] | path templates | tree of segments |
//! | [`peer`] | SPIFFE ids | the id taken apart once, then as above |
//! | [`text`], [`pairs`] | what fields are written in | the above together |
//!
//! A *lane* is a dimension as the rows' first (second …) test or negation on it. It has the set of rows of each atom,
//! and that of the rows which do not look there at all. For 64 rows at a time, the rows that match are the AND over all
//! lanes of (rows that do not look | sets of the request's atoms), or of the complement for negations.
//!
//! Which 64 rows? A row can only match where one of its tests has an atom that the request has. So each row is filed
//! under the test whose atoms the fewest rows share, its *anchor*; the request's atoms give the candidates, nearly
//! always a handful, and only for their words are the other lanes asked. Rows stand in the order of their anchors, so
//! that those with the same anchor share words. Rows without any test but negations are always candidates.
//!
//! # Order
//!
//! Rows know the rank of their rule, and the lowest rank wins: the rule that Envoy would report. Words whose ranks are
//! all higher than what was found already are skipped. Stages share the dimensions, so that DENY and ALLOW look up a
//! path once; a dimension that no candidate asks for is not looked at.
//!
//! # What a request does not tell
//!
//! In Kleene's logic AND and OR distribute, so a rule is unknown exactly if a row is. The index is asked twice: which
//! rule matches first for sure, and which might. Where that is the same one, the answer is certain.
//!
//! # Limits
//!
//! What the index does not model (metadata; more than [`DIMENSIONS`] dimensions; rules of more than [`ROWS`] rows) is
//! left to the rules themselves, which are then asked one by one, if their rank is low enough to matter; so are all rules,
//! where a request overflows what [`Seen`] has room for. A verdict does not allocate. Building is linear in the number
//! of values, up to sorting.

mod atoms;
mod build;
mod cidr;
mod dimension;
mod pairs;
mod path;
mod peer;
mod seen;
mod set;
mod table;
mod text;
mod trie;

pub(crate) use seen::Seen;

use super::{
    facts::Facts,
    rule::{self, Found, Rule},
    tri::Tri,
};
use alloc::vec::Vec;
use core::ops::Range;
use dimension::Dimension;
use set::{Set, Sets, WORD, position};

#[cfg(doc)]
use {build::ROWS, seen::DIMENSIONS};

/// No rule.
const NONE: u32 = u32::MAX;
/// Stages with no more words than this are gone through whole.
const FEW: usize = 2;

/// The rules of some stages, for one kind of chain and one moment.
#[derive(Debug, Default)]
pub(crate) struct Index {
    dimensions: Vec<Dimension>,
    header_dimensions: Vec<u8>,
    header_lengths: u64,
    lanes: Vec<Lane>,
    anchors: Vec<Anchor>,
    /// Rows without an anchor.
    always: Set,
    sets: Sets,
    stages: Vec<Stage>,
    /// By row: the place of its rule.
    ranks: Vec<u32>,
    /// By word: the lowest of its rows' ranks.
    least: Vec<u32>,
}

/// A test of some rows on one dimension.
#[derive(Debug)]
struct Lane {
    dimension: u8,
    negated: bool,
    /// Rows without such a test.
    free: Set,
    /// By atom.
    sets: Vec<Set>,
}

/// The rows filed under the atoms of one dimension.
#[derive(Debug)]
struct Anchor {
    dimension: u8,
    sets: Vec<Set>,
}

#[derive(Debug, Default)]
struct Stage {
    /// Words; no stage shares one with another.
    blocks: Range<u32>,
    /// Places of rules that are asked one by one.
    others: Vec<u32>,
}

/// What counts as a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It is one.
    Sure,
    /// It may be one, for all that is known.
    Possible,
}

impl Index {
    /// The first of `rules` that matches; they are those that the stage was built from.
    ///
    /// The answer, and `certain`, are those of [`rule::first_match`].
    pub(crate) fn first_match<'p>(
        &self,
        stage: usize,
        rules: &'p [Rule],
        facts: &Facts<'_>,
        seen: &mut Seen,
        certain: &mut bool,
    ) -> Found<'p> {
        let Some(stage) = self.stages.get(stage).filter(|_| !rules.is_empty()) else { return Found::Nothing };
        let sure = self.first(stage, Mode::Sure, rules, facts, seen);
        let possible =
            if seen.unknown { self.first(stage, Mode::Possible, rules, facts, seen) } else { sure };
        if seen.overflow() {
            return rule::first_match(rules, facts, certain);
        }
        *certain &= possible == sure;
        match rules.get(position(sure)) {
            Some(rule) => Found::Match(rule),
            None if possible != NONE => Found::Unknown,
            None => Found::Nothing,
        }
    }

    /// The lowest rank that matches, or [`NONE`].
    fn first(&self, stage: &Stage, mode: Mode, rules: &[Rule], facts: &Facts<'_>, seen: &mut Seen) -> u32 {
        let mut best = NONE;
        if stage.blocks.len() <= FEW || mode == Mode::Possible {
            for block in stage.blocks.clone() {
                self.block(block, !0, mode, facts, seen, &mut best);
            }
        } else {
            for (block, rows) in self.sets.words(self.always, &stage.blocks) {
                self.block(block, rows, mode, facts, seen, &mut best);
            }
            for anchor in &self.anchors {
                let looked = seen.look(self, anchor.dimension, facts);
                for place in 0.. {
                    let Some(atom) = seen.atoms(looked).get(place) else { break };
                    let set = anchor.sets.get(position(*atom)).copied().unwrap_or_default();
                    for (block, rows) in self.sets.words(set, &stage.blocks) {
                        self.block(block, rows, mode, facts, seen, &mut best);
                    }
                }
            }
        }
        for rank in &stage.others {
            let Some(rule) = rules.get(position(*rank)).filter(|_| *rank < best) else { break };
            let answer = rule.matches(facts);
            seen.unknown |= answer == Tri::Unknown;
            if answer == Tri::True || (answer == Tri::Unknown && mode == Mode::Possible) {
                best = *rank;
            }
        }
        best
    }

    /// The lowest rank among those of these `rows` of a word that match, if it is lower than `best`.
    fn block(
        &self,
        block: u32,
        mut rows: u64,
        mode: Mode,
        facts: &Facts<'_>,
        seen: &mut Seen,
        best: &mut u32,
    ) {
        if self.least.get(position(block)).is_none_or(|least| least >= best) {
            return;
        }
        for lane in &self.lanes {
            let free = self.sets.word(lane.free, block);
            if rows & !free == 0 {
                continue;
            }
            let looked = seen.look(self, lane.dimension, facts);
            let mut hit = 0;
            for atom in seen.atoms(looked) {
                if let Some(set) = lane.sets.get(position(*atom)) {
                    hit |= self.sets.word(*set, block);
                }
            }
            rows &= match (lane.negated, looked.unknown, mode) {
                (false, true, Mode::Possible) => !0,
                (false, ..) => free | hit,
                (true, true, Mode::Sure) => free,
                (true, ..) => !hit,
            };
            if rows == 0 {
                return;
            }
        }
        while rows != 0 {
            let row = position(block * WORD + rows.trailing_zeros());
            rows &= rows - 1;
            *best = self.ranks.get(row).copied().unwrap_or(NONE).min(*best);
        }
    }
}
