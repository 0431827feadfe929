//! In place of the index where there is none (feature `index`): the rules are asked one by one.

use super::{
    context::EvaluationContext,
    rule::{self, Found, Rule},
};
use crate::slices::Pace;

/// Nothing.
#[derive(Debug, Default)]
pub(crate) struct Index;

/// Nothing is kept for the next stage.
pub(crate) struct Seen;

impl Seen {
    pub(crate) fn new() -> Seen {
        Seen
    }
}

impl Index {
    pub(crate) async fn build(_: &[&[Rule]], _: &dyn Pace) -> Index {
        Index
    }

    /// As [`rule::first_match`].
    pub(crate) fn first_match<'p>(
        &self,
        _: usize,
        rules: &'p [Rule],
        context: &EvaluationContext<'_>,
        _: &mut Seen,
        certain: &mut bool,
    ) -> Found<'p> {
        rule::first_match(rules, context, certain)
    }
}
