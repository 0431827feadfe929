//! One pass over the rules of a stage for one request.

use super::{
    Index, NONE, Stage,
    seen::Seen,
    set::{Set, WORD, position},
};
use crate::plan::{context::EvaluationContext, rule::Rule, tri::Tri};

/// Stages with no more words than this are gone through whole.
const FEW: usize = 2;

/// What counts as a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is one.
    Sure,
    /// It may be one, for all that is known.
    Possible,
}

/// What stays the same during the pass.
pub(super) struct Pass<'i> {
    pub(super) index: &'i Index,
    /// Those that the stage was built from.
    pub(super) rules: &'i [Rule],
    pub(super) context: &'i EvaluationContext<'i>,
    pub(super) mode: Mode,
}

impl Pass<'_> {
    /// The lowest rank that matches, or [`NONE`].
    pub(super) fn first(&self, stage: &Stage, seen: &mut Seen) -> u32 {
        let Index { sets, rows, always, anchors, .. } = self.index;
        let mut best = NONE;
        if stage.blocks.len() <= FEW || self.mode == Mode::Possible {
            for block in stage.blocks.clone() {
                self.block(block, sets.word(*rows, block), seen, &mut best);
            }
        } else {
            self.blocks(stage, *always, seen, &mut best);
            for anchor in anchors {
                let looked = seen.look(self.index, anchor.dimension, self.context);
                for place in 0.. {
                    let Some(atom) = seen.atoms(looked).get(place) else { break };
                    let set = anchor.sets.get(position(*atom)).copied().unwrap_or_default();
                    self.blocks(stage, set, seen, &mut best);
                }
            }
        }
        for rank in &stage.others {
            if *rank >= best {
                break;
            }
            self.ask(*rank, seen, &mut best);
        }
        best
    }

    /// The lowest rank among the rows of a set that match, if it is lower than `best`.
    fn blocks(&self, stage: &Stage, set: Set, seen: &mut Seen, best: &mut u32) {
        for (block, rows) in self.index.sets.words(set, &stage.blocks) {
            self.block(block, rows, seen, best);
        }
    }

    /// The same among these `rows` of a word.
    fn block(&self, block: u32, mut rows: u64, seen: &mut Seen, best: &mut u32) {
        let sets = &self.index.sets;
        if rows == 0 || self.index.least.get(position(block)).is_none_or(|least| least >= best) {
            return;
        }
        for lane in &self.index.lanes {
            let alone = rows & rows.wrapping_sub(1) == 0;
            if alone && rows & sets.word(self.index.small, block) != 0 {
                let rank = self.rank(block, rows);
                if rank < *best {
                    self.ask(rank, seen, best);
                }
                return;
            }
            let free = sets.word(lane.free, block);
            if rows & !free == 0 {
                continue;
            }
            let looked = seen.look(self.index, lane.dimension, self.context);
            let mut hit = 0;
            for atom in seen.atoms(looked) {
                if let Some(set) = lane.sets.get(position(*atom)) {
                    hit |= sets.word(*set, block);
                }
            }
            rows &= match (lane.negated, looked.unknown, self.mode) {
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
            *best = self.rank(block, rows).min(*best);
            rows &= rows - 1;
        }
    }

    /// The rank of the first of these rows.
    fn rank(&self, block: u32, rows: u64) -> u32 {
        let row = position(block * WORD + rows.trailing_zeros());
        self.index.ranks.get(row).copied().unwrap_or(NONE)
    }

    /// Puts the request to a rule itself.
    fn ask(&self, rank: u32, seen: &mut Seen, best: &mut u32) {
        let Some(rule) = self.rules.get(position(rank)) else { return };
        let answer = rule.matches(self.context);
        seen.unknown |= answer == Tri::Unknown;
        if answer == Tri::True || (answer == Tri::Unknown && self.mode == Mode::Possible) {
            *best = rank;
        }
    }
}
