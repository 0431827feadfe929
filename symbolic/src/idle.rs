//! Rules that make no difference, each with its proof.

use crate::{
    bdd::{Bdd, Manager, TooLarge},
    compare::{Side, single},
    kind::Kind,
    side::{Margin, Numbered},
    space::Limits,
    undecided::Undecided,
};
use alloc::vec::Vec;
use gnomon_engine::{plan::Rule, verdict::Stage};

/// A rule without which every request of this kind fares the same. (Without *two* of them one may fare otherwise: two rules
/// that say the same each make no difference.)
#[derive(Clone, Debug)]
pub struct Idle<'p> {
    /// DENY or ALLOW.
    pub stage: Stage,
    /// The rule.
    pub rule: &'p Rule,
    /// Why.
    pub why: WhyIdle<'p>,
}

/// Why a rule makes no difference.
#[derive(Clone, Debug)]
pub enum WhyIdle<'p> {
    /// No request matches it.
    MatchesNothing,
    /// Whatever it matches, these rules of its stage match.
    CoveredBy(Vec<&'p Rule>),
    /// What it alone matches is refused anyway.
    RefusedAnyway,
}

/// The rules of the DENY and ALLOW stages that make no difference.
///
/// # Errors
///
/// What of the policies is not covered, or that they are too large.
pub fn idle(side: Side<'_>, kind: Kind, limits: Limits) -> Result<Vec<Idle<'_>>, Undecided> {
    let (mut space, stages, functions, consistent) = single(side, kind, limits)?;
    let manager = &mut space.manager;
    // What may reach the DENY and ALLOW stages: a verdict that is not known changes, too.
    let mut reaching = consistent;
    for passes in [functions.handshake, functions.gate, functions.custom, functions.jwt] {
        reaching = manager.and(reaching, passes.possible)?;
    }
    let any = |manager: &mut Manager, rules: &[Margin]| -> Result<Bdd, TooLarge> {
        manager.any(rules.iter().map(|rule| rule.certain).collect())
    };
    let denied = any(manager, &functions.deny)?;
    let mut found = Vec::new();
    if let Some(allow) = &stages.allow {
        let allowed = any(manager, &functions.allow)?;
        let open = manager.and(reaching, allowed)?;
        in_stage(manager, Stage::Deny, &stages.deny, &functions.deny, (consistent, open), &mut found)?;
        let open = manager.minus(reaching, denied)?;
        in_stage(manager, Stage::Allow, allow, &functions.allow, (consistent, open), &mut found)?;
    } else {
        in_stage(manager, Stage::Deny, &stages.deny, &functions.deny, (consistent, reaching), &mut found)?;
    }
    Ok(found)
}

/// `open`: where this stage has the last word.
fn in_stage<'p>(
    manager: &mut Manager,
    stage: Stage,
    rules: &[Numbered<'p>],
    functions: &[Margin],
    (consistent, open): (Bdd, Bdd),
    found: &mut Vec<Idle<'p>>,
) -> Result<(), TooLarge> {
    // What the rules behind each one match together.
    let mut behind = alloc::vec![Bdd::FALSE; functions.len() + 1];
    for (at, function) in functions.iter().enumerate().rev() {
        let next = behind.get(at + 1).copied().unwrap_or(Bdd::FALSE);
        let together = manager.or(next, function.certain)?;
        if let Some(entry) = behind.get_mut(at) {
            *entry = together;
        }
    }
    let mut before = Bdd::FALSE;
    for (at, (numbered, function)) in rules.iter().zip(functions).enumerate() {
        let own = manager.and(function.certain, consistent)?;
        let others = manager.or(before, behind.get(at + 1).copied().unwrap_or(Bdd::FALSE))?;
        let alone = manager.minus(own, others)?;
        let decides = manager.and(alone, open)?;
        before = manager.or(before, function.certain)?;
        if decides != Bdd::FALSE {
            continue;
        }
        let why = if own == Bdd::FALSE {
            WhyIdle::MatchesNothing
        } else if alone == Bdd::FALSE {
            WhyIdle::CoveredBy(covering(manager, own, at, rules, functions)?)
        } else {
            WhyIdle::RefusedAnyway
        };
        found.push(Idle { stage, rule: numbered.rule, why });
    }
    Ok(())
}

/// Other rules that match all of it together: those that match it whole by themselves first.
fn covering<'p>(
    manager: &mut Manager,
    own: Bdd,
    at: usize,
    rules: &[Numbered<'p>],
    functions: &[Margin],
) -> Result<Vec<&'p Rule>, TooLarge> {
    let mut left = own;
    let mut covering = Vec::new();
    let others = || rules.iter().zip(functions).enumerate().filter(move |(other, _)| *other != at);
    for (_, (numbered, function)) in others() {
        if manager.minus(own, function.certain)? == Bdd::FALSE {
            return Ok(alloc::vec![numbered.rule]);
        }
    }
    for (_, (numbered, function)) in others() {
        let rest = manager.minus(left, function.certain)?;
        if rest != left {
            covering.push(numbered.rule);
            left = rest;
        }
        if left == Bdd::FALSE {
            break;
        }
    }
    Ok(covering)
}
