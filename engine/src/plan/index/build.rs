//! Rules → rows → sets.

use super::{
    Anchor, Index, Lane, NONE, Stage,
    dimension::{Dimension, Place},
    seen::DIMENSIONS,
    set::{Set, Sets, WORD, position, short},
};
use crate::{
    order,
    plan::{clause::Clause, matcher::Matcher, rule::Rule},
    slices::{self, Pace},
};
use alloc::{boxed::Box, vec, vec::Vec};
use core::{cmp::Reverse, ops::Range};

/// A rule with more pairs of source and operation is evaluated directly, without rows.
pub(super) const ROWS: usize = 256;
/// A rule with at most this many values is evaluated directly once its row is the only one left.
pub(super) const SMALL: usize = 16;

/// A test on one dimension.
#[derive(Clone, Debug)]
struct Literal {
    dimension: u8,
    negated: bool,
    /// Its values: a piece of [`Rows::atoms`].
    atoms: Range<usize>,
}

/// One alternative of a rule.
#[derive(Debug)]
struct Row {
    stage: usize,
    rank: u32,
    /// Its rule has at most [`SMALL`] values.
    small: bool,
    literals: Vec<Literal>,
    /// Which of the literals it is filed under, and its first atom.
    anchor: Option<(usize, u32)>,
}

impl Row {
    fn anchor(&self) -> Option<&Literal> {
        self.literals.get(self.anchor?.0)
    }

    /// Rows of a stage stand in the order of their anchors, then of their rules.
    fn order(&self) -> (usize, Option<(u8, u32)>, u32) {
        let filed = self.anchor().zip(self.anchor).map(|(literal, (_, atom))| (literal.dimension, atom));
        (self.stage, filed, self.rank)
    }
}

/// A list of clauses that all must hold.
enum Group {
    All(Vec<Literal>),
    Never,
    /// Not supported by the index.
    Unknown,
}

#[derive(Default)]
struct Rows {
    dimensions: Vec<Dimension>,
    atoms: Vec<u32>,
    rows: Vec<Row>,
}

impl Index {
    /// Builds from the rules of each stage, in evaluation order.
    pub(crate) async fn build(stages: &[&[Rule]], pace: &dyn Pace) -> Index {
        let mut rows = Rows::default();
        let mut built: Vec<Stage> = Vec::new();
        for (stage, rules) in stages.iter().enumerate() {
            let mut others = Vec::new();
            for (rank, rule) in rules.iter().enumerate() {
                slices::step(pace).await;
                if !rows.add(stage, short(rank), rule) {
                    others.push(short(rank));
                }
            }
            built.push(Stage { others, ..Stage::default() });
        }
        rows.choose_anchors(pace).await;
        let Rows { mut dimensions, atoms, mut rows } = rows;
        order::sort_in_slices(&mut rows, |a, b| a.order().cmp(&b.order()), pace).await;
        let ranks = place(&rows, &mut built);
        let least =
            ranks.chunks(64).map(|word| word.iter().copied().min().unwrap_or(NONE)).collect::<Vec<_>>();
        let mut index =
            Index { stages: built, ranks, sets: Sets::new(short(least.len())), least, ..Index::default() };
        index.file(&rows, &atoms, &dimensions, pace).await;
        index.sets.shrink();
        for dimension in &mut dimensions {
            slices::step(pace).await;
            dimension.finish(pace).await;
        }
        for (number, dimension) in (0..).zip(&dimensions) {
            if let Some(name) = dimension.source.header() {
                index.header_lengths.add(name);
                index.header_dimensions.push(number);
            }
        }
        index.dimensions = dimensions;
        index
    }

    /// Makes the lanes, the anchors and their sets. `self.ranks` says which rows there are.
    async fn file(&mut self, rows: &[Row], atoms: &[u32], dimensions: &[Dimension], pace: &dyn Pace) {
        let mut numbers = (0..).zip(&self.ranks).filter(|(_, rank)| **rank != NONE).map(|(row, _)| row);
        let rows: Vec<(u32, &Row)> = rows.iter().filter_map(|row| Some((numbers.next()?, row))).collect();
        let all: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
        let those = |which: fn(&Row) -> bool| -> Vec<u32> {
            rows.iter().filter(|(_, row)| which(row)).map(|(number, _)| *number).collect()
        };
        self.rows = self.sets.add(&all);
        self.always = self.sets.add(&those(|row| row.anchor.is_none()));
        self.small = self.sets.add(&those(|row| row.small));
        let values = |literal: &Literal| atoms.get(literal.atoms.clone()).unwrap_or_default();
        let mut lanes: Vec<((Reverse<usize>, usize), Lane)> = Vec::new();
        for (number, dimension) in (0_u8..).zip(dimensions) {
            slices::step(pace).await;
            let mut anchored = Filed::default();
            // By slot: the negations, then the first positive test of a row, the second …
            let mut slots: Vec<(Filed, Vec<u32>)> = Vec::new();
            for (row, Row { literals, anchor, .. }) in &rows {
                slices::step(pace).await;
                let mut slot = 0;
                for (place, literal) in literals.iter().enumerate() {
                    if literal.dimension != number {
                        continue;
                    }
                    slot += usize::from(!literal.negated);
                    let slot = if literal.negated { 0 } else { slot };
                    while slots.len() <= slot {
                        slots.push(<_>::default());
                    }
                    if let Some((filed, having)) = slots.get_mut(slot) {
                        filed.add(values(literal), *row);
                        if having.last() != Some(row) {
                            having.push(*row);
                        }
                    }
                    if anchor.is_some_and(|(anchor, _)| anchor == place) {
                        anchored.add(values(literal), *row);
                    }
                }
            }
            let mut first: Vec<Set> = Vec::new();
            let first_filed =
                slots.get(1).map(|(filed, _)| filed.by_atom(dimension.count)).unwrap_or_default();
            for (slot, (filed, having)) in
                slots.iter().enumerate().filter(|(_, (_, having))| !having.is_empty())
            {
                let sets = self.add_all(&filed.by_atom(dimension.count), pace).await;
                if slot == 1 {
                    first.clone_from(&sets);
                }
                let mut having_rows = having.iter().copied().peekable();
                let free: Vec<u32> =
                    all.iter().copied().filter(|row| having_rows.next_if_eq(row).is_none()).collect();
                let free = self.sets.add(&free);
                // What most rows ask for excludes most rows and comes first, above all where each wants another value.
                let negated = slot == 0;
                let alike = if negated { usize::MAX } else { filed.pairs.len() / sets.len().max(1) };
                let order = (Reverse(having.len()), alike);
                let place = lanes.partition_point(|(other, _)| *other <= order);
                lanes.insert(place, (order, Lane { dimension: number, negated, free, sets }));
            }
            if !anchored.pairs.is_empty() {
                let by_atom = anchored.by_atom(dimension.count);
                let mut sets = Vec::with_capacity(position(dimension.count));
                for (atom, _) in (0..).zip(&by_atom.starts).take(position(dimension.count)) {
                    slices::step(pace).await;
                    let rows = by_atom.of(atom);
                    // Mostly the same rows as in the lane.
                    sets.push(match first.get(atom) {
                        Some(set) if first_filed.of(atom) == rows => *set,
                        _ => self.sets.add(rows),
                    });
                }
                self.anchors.push(Anchor { dimension: number, sets });
            }
        }
        self.lanes = lanes.into_iter().map(|(_, lane)| lane).collect();
    }

    async fn add_all(&mut self, filed: &ByAtom, pace: &dyn Pace) -> Vec<Set> {
        let atoms = filed.starts.len().saturating_sub(1);
        let mut sets = Vec::with_capacity(atoms);
        for atom in 0..atoms {
            slices::step(pace).await;
            sets.push(self.sets.add(filed.of(atom)));
        }
        sets
    }
}

/// Puts rows into words, each stage from a new one on; the ranks by row, [`NONE`] for gaps.
fn place(rows: &[Row], stages: &mut [Stage]) -> Vec<u32> {
    let mut ranks = Vec::new();
    for (number, stage) in stages.iter_mut().enumerate() {
        let start = short(ranks.len()) / WORD;
        ranks.extend(rows.iter().filter(|row| row.stage == number).map(|row| row.rank));
        ranks.resize(ranks.len().next_multiple_of(position(WORD)), NONE);
        stage.blocks = start..short(ranks.len()) / WORD;
    }
    ranks
}

impl Rows {
    /// Adds the rows of a rule. False: it has to be evaluated directly.
    fn add(&mut self, stage: usize, rank: u32, rule: &Rule) -> bool {
        let before = self.atoms.len();
        let when = match self.group(&rule.when) {
            Group::All(when) => when,
            Group::Never => return true,
            Group::Unknown => return false,
        };
        let (Some(from), Some(to)) = (self.groups(&rule.from), self.groups(&rule.to)) else { return false };
        if from.len().saturating_mul(to.len()) > ROWS {
            return false;
        }
        let small = self.atoms.len() - before <= SMALL;
        for source in &from {
            for operation in &to {
                let literals = [&source[..], operation, &when].concat();
                self.rows.push(Row { stage, rank, small, literals, anchor: None });
            }
        }
        true
    }

    /// Alternatives, those left out that never hold; an empty one where there are none. `None`: not supported by the index.
    fn groups(&mut self, groups: &[Box<[Clause]>]) -> Option<Vec<Vec<Literal>>> {
        let mut possible = Vec::new();
        if groups.is_empty() {
            possible.push(Vec::new());
        }
        for clauses in groups {
            match self.group(clauses) {
                Group::All(literals) => possible.push(literals),
                Group::Never => {}
                Group::Unknown => return None,
            }
        }
        Some(possible)
    }

    fn group(&mut self, clauses: &[Clause]) -> Group {
        let mut literals = Vec::new();
        for clause in clauses {
            let (start, negated) = (self.atoms.len(), clause.is_negated());
            let dimension = match clause.matcher() {
                Matcher::Never => None,
                matcher => {
                    let Some(number) = self.dimension(clause) else { return Group::Unknown };
                    if let Some(dimension) = self.dimensions.get_mut(usize::from(number)) {
                        dimension.intern(matcher, &mut self.atoms);
                    }
                    Some(number)
                }
            };
            match dimension.filter(|_| self.atoms.len() > start) {
                Some(dimension) => {
                    literals.push(Literal { dimension, negated, atoms: start..self.atoms.len() });
                }
                // No value can match: always true where that is what is asked.
                None if negated => {}
                None => return Group::Never,
            }
        }
        Group::All(literals)
    }

    /// The number of the dimension of a clause.
    fn dimension(&mut self, clause: &Clause) -> Option<u8> {
        let number = match self.dimensions.iter().position(|known| known.source.is_of(clause)) {
            Some(number) => number,
            None if self.dimensions.len() == DIMENSIONS => return None,
            None => {
                self.dimensions.push(Dimension::new(Place::of(clause)?));
                self.dimensions.len() - 1
            }
        };
        u8::try_from(number).ok()
    }

    /// Files each row under the test whose values the fewest rows ask for.
    async fn choose_anchors(&mut self, pace: &dyn Pace) {
        let mut asked: Vec<Vec<u32>> =
            self.dimensions.iter().map(|dimension| vec![0; position(dimension.count)]).collect();
        let total = short(self.rows.len());
        let values = |literal: &Literal| self.atoms.get(literal.atoms.clone()).unwrap_or_default();
        for row in &self.rows {
            slices::step(pace).await;
            for literal in row.literals.iter().filter(|literal| !literal.negated) {
                let Some(asked) = asked.get_mut(usize::from(literal.dimension)) else { continue };
                for atom in values(literal) {
                    if let Some(count) = asked.get_mut(position(*atom)) {
                        *count += 1;
                    }
                }
            }
        }
        let cost = |literal: &Literal| -> Option<u64> {
            let asked = asked.get(usize::from(literal.dimension))?;
            let dimension = self.dimensions.get(usize::from(literal.dimension))?;
            let one = |atom: &u32| match dimension.is_broad(*atom) {
                true => u64::from(total),
                false => asked.get(position(*atom)).copied().unwrap_or(0).into(),
            };
            Some(values(literal).iter().map(one).sum())
        };
        for row in &mut self.rows {
            slices::step(pace).await;
            let positive = row.literals.iter().enumerate().filter(|(_, literal)| !literal.negated);
            let best = positive.min_by_key(|(_, literal)| cost(literal));
            row.anchor = best.and_then(|(place, literal)| Some((place, *values(literal).first()?)));
        }
    }
}

/// Which row has which atom.
#[derive(Default)]
struct Filed {
    pairs: Vec<(u32, u32)>,
}

impl Filed {
    fn add(&mut self, atoms: &[u32], row: u32) {
        self.pairs.extend(atoms.iter().map(|atom| (*atom, row)));
    }

    /// Sorted by atom, by counting; rows keep their order.
    fn by_atom(&self, atoms: u32) -> ByAtom {
        let mut starts = vec![0; position(atoms) + 1];
        for (atom, _) in &self.pairs {
            if let Some(count) = starts.get_mut(position(*atom) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut rows = vec![0; self.pairs.len()];
        for (atom, row) in &self.pairs {
            if let Some(at) = next.get_mut(position(*atom)) {
                if let Some(place) = rows.get_mut(*at) {
                    *place = *row;
                }
                *at += 1;
            }
        }
        ByAtom { starts, rows }
    }
}

#[derive(Default)]
struct ByAtom {
    /// By atom, and one more: where its rows begin.
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl ByAtom {
    fn of(&self, atom: usize) -> &[u32] {
        let range = self.starts.get(atom).zip(self.starts.get(atom + 1));
        range.and_then(|(start, end)| self.rows.get(*start..*end)).unwrap_or_default()
    }
}
