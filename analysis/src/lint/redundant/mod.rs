//! Parts of policies without which every request fares the same, each with its proof: values, lists, conditions, sources,
//! operations, rules, policies; and rules that are one.
//!
//! A part is tried by an exact comparison ([`gnomon_symbolic::Rules`]): its rule with and without it, but for requests
//! that another rule of the stage matches anyway. What is found holds wherever the policy applies, with all that is found
//! before it gone already. An ALLOW rule whose requests are denied, and a DENY rule for what nothing allows, are not
//! redundant here: they are second locks.

mod part;
mod steps;

pub(crate) use part::{Part, said};
pub use steps::{CODE, Names, Steps, steps, targets};
pub(crate) use steps::{edits, rule_name};

use super::place::Place;
use crate::diff::State;
use gnomon_engine::{
    Plan,
    attach::attach,
    resource::{Action, AuthorizationPolicy, Rule},
    verdict::Stage,
};
use gnomon_symbolic::{Kind, Limits, Rules, Side, Undecided};
use part::{List, Section, joined, merged, parts, without};
use std::collections::{BTreeMap, BTreeSet};

/// A rule by its policy's namespace and name, and its index.
pub(crate) type Key = (String, String, usize);

/// Something that makes no difference.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rule: Key,
    pub(crate) part: What,
    /// Rules of the stage that match what it matches; none: the rest of the rule does, or nothing is like that.
    pub(crate) covered_by: Vec<Key>,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A part goes.
    Gone(Part),
    /// The values of this list of another rule of the policy come into the list of this one, and the other goes.
    Merged(List, usize),
    /// The sources or operations of another rule of the policy come behind those of this one, and the other goes.
    Joined(Section, usize),
}

impl What {
    /// The other rule, which goes.
    fn other(&self) -> Option<usize> {
        match self {
            What::Gone(_) => None,
            What::Merged(_, other) | What::Joined(_, other) => Some(*other),
        }
    }
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Parts of all rules of a place together.
    pub(crate) parts: usize,
    /// Of what is found no more than this.
    pub(crate) found: usize,
    pub(crate) limits: Limits,
}

/// A change of a rule that is tried: what it becomes stands in the plan as a rule of a policy of its own.
struct Trial {
    rule: Key,
    what: What,
    /// Its number; `None`: nothing is left.
    variant: Option<usize>,
}

/// All rules of a state, for one kind of requests.
struct Judge<'p> {
    rules: Rules<'p>,
    numbers: BTreeMap<Key, usize>,
}

fn variant_key(number: usize) -> Key {
    (String::new(), format!("variant {number}"), 0)
}

/// What of the policies that are `own` makes no difference where a place is. Of each rule no more than one part is
/// found at once; `fits` says whether a change can be made.
///
/// # Errors
///
/// What of the policies is not covered, or that they are too large.
pub(crate) fn at_place(
    place: &Place,
    own: &dyn Fn(&AuthorizationPolicy) -> bool,
    fits: &mut dyn FnMut(&Key, &What) -> bool,
    bounds: Bounds,
) -> Result<Vec<Found>, Undecided> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut resources = place.resources.clone();
    let mut stages: BTreeMap<Key, Stage> = BTreeMap::new();
    for policy in &place.resources.authorization {
        let key = |index: usize| (policy.meta.namespace.clone(), policy.meta.name.clone(), index);
        let stage = if policy.action == Action::Deny { Stage::Deny } else { Stage::Allow };
        stages.extend((0..policy.rules.len()).map(|index| (key(index), stage)));
        if !own(policy) {
            continue;
        }
        let mut add = |index: usize, what: What, left: Option<Rule>| {
            let variant = left.map(|left| {
                let mut one = policy.clone();
                one.meta.name = variant_key(trials.len()).1;
                one.rules = vec![left];
                resources.authorization.push(one);
                trials.len()
            });
            trials.push(Trial { rule: key(index), what, variant });
        };
        for (index, rule) in policy.rules.iter().enumerate().rev() {
            for part in parts(rule) {
                add(index, What::Gone(part), without(rule, part));
            }
            for (other, second) in policy.rules.iter().enumerate().skip(index + 1) {
                if let Some((rule, list)) = merged(rule, second) {
                    add(index, What::Merged(list, other), Some(rule));
                } else if let Some((rule, section)) = joined(rule, second) {
                    add(index, What::Joined(section, other), Some(rule));
                }
            }
        }
    }
    if trials.is_empty() {
        return Ok(Vec::new());
    }
    if trials.len() > bounds.parts {
        return Err(Undecided::Unsupported("so many values and conditions in the rules that apply together"));
    }
    let states: Vec<State<'_>> =
        place.states().map(|state| State { resources: &resources, ..state }).collect();
    let plans: Vec<Plan> =
        states.iter().map(|state| Plan::build(state.resources, state.workload, state.mesh)).collect();
    let mut judges = Vec::new();
    for (state, plan) in states.iter().zip(&plans) {
        let connect = Kind::names_connect(plan);
        for kind in [Kind::Http, Kind::Connect, Kind::Tcp] {
            let asked = match kind {
                Kind::Http => !plan.is_ztunnel(),
                Kind::Connect => !plan.is_ztunnel() && connect,
                Kind::Tcp => true,
            };
            if asked {
                let side = Side { plan, workload: state.workload, mesh: state.mesh };
                judges.push(Judge::of(Rules::of(side, kind, bounds.limits)?, trials.len(), &stages));
            }
        }
    }
    // Without an ALLOW policy everything would be allowed: what is asked beside each one.
    let allowing = place.states().map(|state| {
        let attached = attach(state.resources, state.workload, state.mesh).authorization.into_iter();
        let allow = attached.filter(|policy| policy.action == Action::Allow);
        allow.map(|policy| (policy.meta.namespace.clone(), policy.meta.name.clone())).collect()
    });
    let allowing: Vec<BTreeSet<(String, String)>> = allowing.collect();
    greedily(&trials, &stages, &allowing, judges, fits, bounds.found)
}

/// Whether the policy of a rule stays, or another ALLOW policy does wherever it applies.
fn denies_by_default(
    now: &BTreeMap<Key, Option<Key>>,
    allowing: &[BTreeSet<(String, String)>],
    gone: &Key,
) -> bool {
    let stays = |policy: &(String, String)| {
        let of_it = |key: &Key| key.0 == policy.0 && key.1 == policy.1 && key != gone;
        now.iter().any(|(key, now)| now.is_some() && of_it(key))
    };
    let own = (gone.0.clone(), gone.1.clone());
    stays(&own) || allowing.iter().all(|there| !there.contains(&own) || there.iter().any(stays))
}

fn greedily(
    trials: &[Trial],
    stages: &BTreeMap<Key, Stage>,
    allowing: &[BTreeSet<(String, String)>],
    mut judges: Vec<Judge<'_>>,
    fits: &mut dyn FnMut(&Key, &What) -> bool,
    most: usize,
) -> Result<Vec<Found>, Undecided> {
    // What each rule is by now; `None`: it is gone.
    let mut now: BTreeMap<Key, Option<Key>> =
        stages.keys().map(|key| (key.clone(), Some(key.clone()))).collect();
    let mut touched: BTreeSet<Key> = BTreeSet::new();
    let mut found = Vec::new();
    for trial in trials {
        let mut before = vec![trial.rule.clone()];
        if let Some(other) = trial.what.other() {
            before.push((trial.rule.0.clone(), trial.rule.1.clone(), other));
        }
        if before.iter().any(|key| touched.contains(key)) || found.len() >= most {
            continue;
        }
        let stage = stages.get(&trial.rule);
        let whole = matches!(trial.what, What::Gone(Part::Rule));
        if whole && stage == Some(&Stage::Allow) && !denies_by_default(&now, allowing, &trial.rule) {
            continue;
        }
        let others: Vec<(&Key, &Key)> = now
            .iter()
            .filter(|(key, _)| stages.get(*key) == stage && !before.contains(key))
            .filter_map(|(key, now)| Some((key, now.as_ref()?)))
            .collect();
        // A merge needs no other rule; what takes the place of another must not.
        let alone = trial.what.other().is_some();
        let after: Vec<Key> = trial.variant.map(variant_key).into_iter().collect();
        let mut same = true;
        for judge in &mut judges {
            let numbers = if alone { Vec::new() } else { judge.numbers(others.iter().map(|(_, now)| *now)) };
            let (these, those) = (judge.numbers(before.iter()), judge.numbers(after.iter()));
            if !judge.rules.same(&these, &those, &numbers)? {
                same = false;
                break;
            }
        }
        if !same {
            continue;
        }
        if !fits(&trial.rule, &trial.what) {
            // A rule that makes no difference, and stays, stays as it is.
            if whole {
                touched.insert(trial.rule.clone());
            }
            continue;
        }
        let mut covered_by: Vec<Key> = Vec::new();
        for judge in &mut judges {
            let there: Vec<(&Key, usize)> =
                others.iter().filter_map(|(key, now)| Some((*key, *judge.numbers.get(*now)?))).collect();
            let numbers: Vec<usize> = there.iter().map(|(_, number)| *number).collect();
            let (these, those) = (judge.numbers(before.iter()), judge.numbers(after.iter()));
            for number in judge.rules.covering(&these, &those, &numbers)? {
                let key = there.iter().find(|(_, other)| *other == number).map(|(key, _)| (*key).clone());
                covered_by.extend(key.filter(|key| !covered_by.contains(key)));
            }
        }
        for key in before.iter().skip(1) {
            now.insert(key.clone(), None);
        }
        now.insert(trial.rule.clone(), trial.variant.map(variant_key));
        touched.extend(before);
        found.push(Found { rule: trial.rule.clone(), part: trial.what.clone(), covered_by });
    }
    Ok(found)
}

impl<'p> Judge<'p> {
    fn of(rules: Rules<'p>, trials: usize, stages: &BTreeMap<Key, Stage>) -> Judge<'p> {
        let mut numbers = BTreeMap::new();
        for key in stages.keys().cloned() {
            let number = rules.find(|_, rule| {
                let policy = &rule.origin.policy;
                rule.origin.index == key.2 && *policy.name == *key.1 && *policy.namespace == *key.0
            });
            numbers.extend(number.map(|number| (key, number)));
        }
        for key in (0..trials).map(variant_key) {
            let number = rules.find(|_, rule| *rule.origin.policy.name == *key.1);
            numbers.extend(number.map(|number| (key, number)));
        }
        Judge { rules, numbers }
    }

    fn numbers<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Vec<usize> {
        keys.filter_map(|key| self.numbers.get(key).copied()).collect()
    }
}
