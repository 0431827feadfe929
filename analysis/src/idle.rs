//! Rules that make no difference at a workload: dead, shadowed or redundant, each with its proof.

use crate::diff::State;
use gnomon_engine::{
    Plan,
    plan::{Origin, Rule},
    verdict::Stage,
};
use gnomon_symbolic::{Kind, Limits, Side, Undecided, WhyIdle, idle};

/// A rule without which every request and connection fares the same.
#[derive(Clone, Debug)]
pub struct Finding {
    /// DENY or ALLOW.
    pub stage: Stage,
    /// Where the rule is written.
    pub rule: Origin,
    /// Why it makes no difference.
    pub why: Why,
}

/// Why a rule makes no difference.
#[derive(Clone, Debug)]
pub enum Why {
    /// No request matches it.
    MatchesNothing,
    /// Whatever it matches, these match.
    CoveredBy(Vec<Origin>),
    /// What it alone matches is refused anyway.
    RefusedAnyway,
}

/// The rules that make no difference, neither to HTTP requests nor to TCP connections, in the order in which the proxy asks
/// them.
///
/// Two rules that say the same are both found: without either one nothing changes, without both it does.
///
/// # Errors
///
/// What of the policies is not covered, or that they are too large.
pub fn rules(state: State<'_>, limits: Limits) -> Result<Vec<Finding>, Undecided> {
    let plan = Plan::build(state.resources, state.workload, state.mesh);
    let side = Side { plan: &plan, workload: state.workload, mesh: state.mesh };
    let same = |a: &Rule, b: &Rule| {
        let (a, b) = (&a.origin, &b.origin);
        a.index == b.index && a.policy.name == b.policy.name && a.policy.namespace == b.policy.namespace
    };
    let connections = idle(side, Kind::Tcp, limits)?;
    let mut found = connections.clone();
    if !plan.is_ztunnel() {
        found = idle(side, Kind::Http, limits)?;
        let mut other = vec![(Kind::Tcp, connections)];
        if Kind::names_connect(&plan) {
            other.push((Kind::Connect, idle(side, Kind::Connect, limits)?));
        }
        for (kind, idle) in other {
            let stages = plan.stages(kind.protocol());
            found.retain(|one| {
                let there = stages.iter().flat_map(|stage| stage.rules).any(|rule| same(rule, one.rule));
                !there || idle.iter().any(|other| same(other.rule, one.rule))
            });
        }
    }
    let origin = |rule: &Rule| rule.origin.clone();
    Ok(found
        .into_iter()
        .map(|one| Finding {
            stage: one.stage,
            rule: origin(one.rule),
            why: match one.why {
                WhyIdle::MatchesNothing => Why::MatchesNothing,
                WhyIdle::CoveredBy(rules) => Why::CoveredBy(rules.into_iter().map(origin).collect()),
                WhyIdle::RefusedAnyway => Why::RefusedAnyway,
            },
        })
        .collect())
}
