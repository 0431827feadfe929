//! Which rule matches first, without going through the rules: classification by bit vectors.
//!
//! # How
//!
//! Every rule is a few *rows*: one for each pair of a source and an operation, with all conditions. A row is an AND of
//! tests; a test is an OR of values ("atoms") of one *dimension* (the peer, the path, a header …), or the negation of
//! one. For each dimension a small module finds the atoms that a request has, at a cost that depends on the length of the
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
//! A row that is left alone is not classified any further ([`pass`] goes through a stage): its rule is asked, if it is a small one (at most [`SMALL`]
//! values). That is quicker than to find out which of all values the request has in the other dimensions, and with
//! policies that tell requests apart it is what nearly always happens behind the first lane or two.
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
//! where a request overflows what [`Seen`] has room for. A verdict does not allocate, but where several lines of a header
//! are one value to an Istio before 1.27. Building is linear in the number of values, up to sorting.

mod atoms;
mod build;
mod cidr;
mod dimension;
mod pairs;
mod pass;
mod path;
mod peer;
mod seen;
mod set;
mod table;
mod text;
mod trie;

pub(crate) use seen::Seen;

use super::{
    context::EvaluationContext,
    rule::{self, Found, Rule},
};
use alloc::vec::Vec;
use core::ops::Range;
use dimension::Dimension;
use pass::{Mode, Pass};
use set::{Set, Sets, position};
use table::Lengths;

#[cfg(doc)]
use {
    build::{ROWS, SMALL},
    seen::DIMENSIONS,
};

/// No rule.
const NONE: u32 = u32::MAX;

/// The rules of some stages, for one kind of chain and one moment.
#[derive(Debug, Default)]
pub(crate) struct Index {
    dimensions: Vec<Dimension>,
    header_dimensions: Vec<u8>,
    header_lengths: Lengths,
    lanes: Vec<Lane>,
    anchors: Vec<Anchor>,
    /// All rows.
    rows: Set,
    /// Rows without an anchor.
    always: Set,
    /// Rows of small rules.
    small: Set,
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

impl Index {
    /// The first of `rules` that matches; they are those that the stage was built from.
    ///
    /// The answer, and `certain`, are those of [`rule::first_match`].
    pub(crate) fn first_match<'p>(
        &self,
        stage: usize,
        rules: &'p [Rule],
        context: &EvaluationContext<'_>,
        seen: &mut Seen,
        certain: &mut bool,
    ) -> Found<'p> {
        let Some(stage) = self.stages.get(stage) else { return Found::Nothing };
        let pass = |mode| Pass { index: self, rules, context, mode };
        let sure = pass(Mode::Sure).first(stage, seen);
        let possible = if seen.unknown { pass(Mode::Possible).first(stage, seen) } else { sure };
        if seen.overflow() {
            return rule::first_match(rules, context, certain);
        }
        *certain &= possible == sure;
        match rules.get(position(sure)) {
            Some(rule) => Found::Match(rule),
            None if possible != NONE => Found::Unknown,
            None => Found::Nothing,
        }
    }
}
