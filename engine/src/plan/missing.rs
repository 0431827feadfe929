//! What an unknown answer depends on.

use super::{clause::Clause, context::EvaluationContext, rule::Rule, tri::Tri};
use crate::verdict::Missing;
use alloc::vec::Vec;

/// The fields of the request that keep rules from being decided: those of the clauses whose
/// answer is not known, unless another alternative holds or the clause's own one fails anyway.
pub(super) fn inputs(rules: &[Rule], context: &EvaluationContext<'_>) -> Vec<Missing> {
    let mut found = Vec::new();
    for rule in rules.iter().filter(|rule| rule.matches(context) == Tri::Unknown) {
        let answer = |group: &[Clause]| Tri::all(group.iter().map(|clause| clause.ask(context)));
        let mut open: Vec<&[Clause]> = alloc::vec![&rule.when];
        for groups in [&rule.from, &rule.to] {
            if !groups.iter().any(|group| answer(group) == Tri::True) {
                open.extend(
                    groups.iter().map(|group| &**group).filter(|group| answer(group) == Tri::Unknown),
                );
            }
        }
        for clause in open.into_iter().flatten().filter(|clause| clause.ask(context) == Tri::Unknown) {
            Missing::add(&mut found, [Missing::Field(clause.input.request_field())]);
        }
    }
    found
}
