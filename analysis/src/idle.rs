//! Rules that make no difference at a workload: dead, shadowed or redundant, each with its proof.

use crate::diff::State;
use gnomon_engine::{
    Plan,
    plan::{Origin, Rule},
    request::Protocol,
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
    of_plan(state, &Plan::build(state.resources, state.workload, state.mesh), limits)
}

/// The rules that make no difference in any of the states, of those that the first one has. A rule that is covered in
/// one way here, in another there, is covered by all of those.
///
/// # Errors
///
/// What of the policies is not covered, or that they are too large.
pub fn rules_of_all<'s>(
    states: impl IntoIterator<Item = State<'s>>,
    limits: Limits,
) -> Result<Vec<Finding>, Undecided> {
    let mut all: Option<Vec<Finding>> = None;
    for state in states {
        if all.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
        let plan = Plan::build(state.resources, state.workload, state.mesh);
        let found = of_plan(state, &plan, limits)?;
        all = Some(match all {
            None => found,
            Some(all) => all.into_iter().filter_map(|one| in_both(one, &found, &plan)).collect(),
        });
    }
    Ok(all.unwrap_or_default())
}

/// What is found in one state, as it is in another; `None`: there it makes a difference.
fn in_both(mut one: Finding, found: &[Finding], plan: &Plan) -> Option<Finding> {
    let Some(other) = found.iter().find(|other| same(&other.rule, &one.rule)) else {
        let protocols = [Protocol::Http, Protocol::Tcp];
        let mut stages = protocols.into_iter().flat_map(|protocol| plan.stages(protocol));
        let there = stages.any(|stage| stage.rules.iter().any(|rule| same(&rule.origin, &one.rule)));
        return (!there).then_some(one);
    };
    match (&mut one.why, &other.why) {
        (Why::CoveredBy(all), Why::CoveredBy(more)) => {
            for rule in more {
                if !all.iter().any(|known| same(known, rule)) {
                    all.push(rule.clone());
                }
            }
        }
        (Why::RefusedAnyway, _) | (_, Why::MatchesNothing) => {}
        (why, other) => *why = other.clone(),
    }
    Some(one)
}

fn same(a: &Origin, b: &Origin) -> bool {
    a.index == b.index && a.policy.name == b.policy.name && a.policy.namespace == b.policy.namespace
}

fn of_plan(state: State<'_>, plan: &Plan, limits: Limits) -> Result<Vec<Finding>, Undecided> {
    let side = Side { plan, workload: state.workload, mesh: state.mesh };
    let connections = idle(side, Kind::Tcp, limits)?;
    let mut found = connections.clone();
    if !plan.is_ztunnel() {
        found = idle(side, Kind::Http, limits)?;
        let mut other = vec![(Kind::Tcp, connections)];
        if Kind::names_connect(plan) {
            other.push((Kind::Connect, idle(side, Kind::Connect, limits)?));
        }
        for (kind, idle) in other {
            let stages = plan.stages(kind.protocol());
            found.retain(|one| {
                let there = stages
                    .iter()
                    .flat_map(|stage| stage.rules)
                    .any(|rule| same(&rule.origin, &one.rule.origin));
                !there || idle.iter().any(|other| same(&other.rule.origin, &one.rule.origin))
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
