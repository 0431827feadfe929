//! Parts of policies without which every request fares the same, each with its proof: values, lists, conditions, sources,
//! operations, rules, policies; and rules that are one.
//!
//! A part is tried by an exact comparison ([`gnomon_symbolic::Rules`]): its rule with and without it, but for requests
//! that another rule of the stage matches anyway. What is found holds wherever the policy applies, with all that is found
//! before it gone already. An ALLOW rule whose requests are denied, and a DENY rule for what nothing allows, are not
//! redundant here: they are second locks.

use super::{
    Edit, Finding, Goes, Input, Settings,
    context::{Context, Known},
    fix::replacement,
    place::{Place, counts, least},
};
use crate::{diff::State, workloads::referenced};
use gnomon_engine::{
    Attribute, Diagnostic, Plan, Position, Severity, Workload,
    attach::attach,
    resource::{Action, AuthorizationPolicy, FieldSet, Match, Resources, Rule, Target, Text},
    verdict::Stage,
};
use gnomon_manifests::{Loaded, Source};
use gnomon_symbolic::{Kind, Limits, Rules, Side, Undecided};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The code of these findings.
pub const CODE: &str = "redundant";

/// A list of values in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    place: In,
    negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    From(usize, Attribute),
    To(usize, Attribute),
    When(usize),
}

/// What of a rule could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Rule,
    /// A source; the last one with `from` itself.
    Source(usize),
    /// An operation; the last one with `to` itself.
    Operation(usize),
    /// A condition; the last one with `when` itself.
    Condition(usize),
    /// A list with its field.
    List(List),
    /// A value of a list that has others.
    Value(List, usize),
}

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

/// `from` or `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    From,
    To,
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

impl List {
    pub(crate) fn texts(self, rule: &Rule) -> &[Text] {
        let values = match self.place {
            In::From(at, attribute) => rule.from.get(at).map(|set| set.get(attribute)),
            In::To(at, attribute) => rule.to.get(at).map(|set| set.get(attribute)),
            In::When(at) => rule.when.get(at).map(|condition| &condition.values),
        };
        values.map_or(&[], |values| if self.negated { &values.not_values } else { &values.values })
    }

    /// The rule with another list in its place.
    fn with(self, rule: &Rule, texts: Vec<Text>) -> Rule {
        let mut rule = rule.clone();
        let put = |values: &Match| match self.negated {
            true => Match { not_values: texts.clone(), values: values.values.clone() },
            false => Match { values: texts.clone(), not_values: values.not_values.clone() },
        };
        match self.place {
            In::From(at, attribute) => {
                rule.from.get_mut(at).map(|set| set.set(attribute, put(set.get(attribute))))
            }
            In::To(at, attribute) => {
                rule.to.get_mut(at).map(|set| set.set(attribute, put(set.get(attribute))))
            }
            In::When(at) => rule.when.get_mut(at).map(|condition| condition.values = put(&condition.values)),
        };
        rule
    }

    /// `methods`, `notValues`.
    fn name(self) -> &'static str {
        let (name, not) = match self.place {
            In::From(_, attribute) | In::To(_, attribute) => attribute.row().field.unwrap_or_default(),
            In::When(_) => ("values", "notValues"),
        };
        if self.negated { not } else { name }
    }

    /// `from[0].source.principals`.
    fn field(self) -> String {
        let name = self.name();
        match self.place {
            In::From(at, _) => format!("from[{at}].source.{name}"),
            In::To(at, _) => format!("to[{at}].operation.{name}"),
            In::When(at) => format!("when[{at}].{name}"),
        }
    }
}

fn lists(rule: &Rule) -> Vec<List> {
    let of = |sets: &[FieldSet], place: fn(usize, Attribute) -> In| -> Vec<In> {
        let sets = sets.iter().enumerate();
        sets.flat_map(|(at, set)| set.iter().map(move |(attribute, _)| place(at, attribute))).collect()
    };
    let mut places = of(&rule.from, In::From);
    places.extend(of(&rule.to, In::To));
    places.extend((0..rule.when.len()).map(In::When));
    let both = places.into_iter().flat_map(|place| [false, true].map(|negated| List { place, negated }));
    both.filter(|list| !list.texts(rule).is_empty()).collect()
}

/// All that could go, the largest first.
pub(crate) fn parts(rule: &Rule) -> Vec<Part> {
    let mut parts = vec![Part::Rule];
    parts.extend((0..rule.from.len()).map(Part::Source));
    parts.extend((0..rule.to.len()).map(Part::Operation));
    parts.extend((0..rule.when.len()).map(Part::Condition));
    let lists = lists(rule);
    let beside = |list: &List| {
        let with = |other: &&List| match (list.place, other.place) {
            (In::From(a, _), In::From(b, _)) | (In::To(a, _), In::To(b, _)) | (In::When(a), In::When(b)) => {
                a == b
            }
            _ => false,
        };
        lists.iter().filter(with).count() > 1
    };
    parts.extend(lists.iter().filter(|list| beside(list)).map(|list| Part::List(*list)));
    for list in &lists {
        let count = list.texts(rule).len();
        parts.extend((0..count).filter(|_| count > 1).map(|at| Part::Value(*list, at)));
    }
    // A rule without anything is another thing to read.
    parts.retain(|part| {
        let left = rule.from.len() + rule.to.len() + rule.when.len();
        !matches!(part, Part::Source(_) | Part::Operation(_) | Part::Condition(_)) || left > 1
    });
    parts
}

/// The rule without the part; `None`: nothing is left.
fn without(rule: &Rule, part: Part) -> Option<Rule> {
    let mut left = rule.clone();
    match part {
        Part::Rule => return None,
        Part::Source(at) => drop(left.from.remove(at)),
        Part::Operation(at) => drop(left.to.remove(at)),
        Part::Condition(at) => drop(left.when.remove(at)),
        Part::List(list) => left = list.with(rule, Vec::new()),
        Part::Value(list, at) => {
            let mut texts = list.texts(rule).to_vec();
            texts.remove(at);
            left = list.with(rule, texts);
        }
    }
    Some(left)
}

/// Pairs of rules that are alike but for one list of values: the first with the values of both, and that list.
fn merged(a: &Rule, b: &Rule) -> Option<(Rule, List)> {
    let (lists_a, lists_b) = (lists(a), lists(b));
    let same = |list: &List| {
        let texts = |rule| list.texts(rule).iter().map(|text| &text.text).collect::<BTreeSet<_>>();
        texts(a) == texts(b)
    };
    let keys = |rule: &Rule| rule.when.iter().map(|condition| condition.key.text.clone()).collect::<Vec<_>>();
    if lists_a != lists_b || keys(a) != keys(b) || !a.pruned.is_empty() || !b.pruned.is_empty() {
        return None;
    }
    let mut other = lists_a.iter().filter(|list| !same(list));
    let (list, None) = (*other.next()?, other.next()) else { return None };
    if list.negated {
        return None;
    }
    let mut texts = list.texts(a).to_vec();
    for text in list.texts(b) {
        if !texts.iter().any(|known| known.text == text.text) {
            texts.push(text.clone());
        }
    }
    Some((list.with(a, texts), list))
}

/// Rules that have all but their sources, or all but their operations, in common, and do have something: the first with
/// those of both.
fn joined(a: &Rule, b: &Rule) -> Option<(Rule, Section)> {
    let of = |values: &Match| {
        let texts = |list: &[Text]| list.iter().map(|text| text.text.clone()).collect::<Vec<_>>();
        (texts(&values.values), texts(&values.not_values))
    };
    let sets = |sets: &[FieldSet]| -> Vec<Vec<_>> {
        sets.iter()
            .map(|set| set.iter().map(|(attribute, values)| (attribute, of(values))).collect())
            .collect()
    };
    let when = |rule: &Rule| -> Vec<_> {
        rule.when.iter().map(|condition| (condition.key.text.clone(), of(&condition.values))).collect()
    };
    if when(a) != when(b) || !a.pruned.is_empty() || !b.pruned.is_empty() {
        return None;
    }
    let mut both = a.clone();
    let has = |parts: &[FieldSet]| !parts.is_empty();
    if sets(&a.from) == sets(&b.from) && has(&a.to) && has(&b.to) && (has(&a.from) || !a.when.is_empty()) {
        both.to.extend(b.to.iter().cloned());
        return Some((both, Section::To));
    }
    if sets(&a.to) == sets(&b.to) && has(&a.from) && has(&b.from) && (has(&a.to) || !a.when.is_empty()) {
        both.from.extend(b.from.iter().cloned());
        return Some((both, Section::From));
    }
    None
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

/// What a part is called, and where it stands.
pub(crate) fn said(rule: &Rule, part: Part) -> (String, String, Position) {
    match part {
        Part::Rule => ("the rule".into(), String::new(), rule.at),
        Part::Source(at) => {
            let position = rule.from.get(at).map(|set| set.at).unwrap_or_default();
            ("the source".into(), format!(".from[{at}]"), position)
        }
        Part::Operation(at) => {
            let position = rule.to.get(at).map(|set| set.at).unwrap_or_default();
            ("the operation".into(), format!(".to[{at}]"), position)
        }
        Part::Condition(at) => {
            let position = rule.when.get(at).map(|condition| condition.at).unwrap_or_default();
            ("the condition".into(), format!(".when[{at}]"), position)
        }
        Part::List(list) => {
            let position = list.texts(rule).first().map(|text| text.at).unwrap_or_default();
            (format!("`{}`", list.name()), format!(".{}", list.field()), position)
        }
        Part::Value(list, at) => {
            let text = list.texts(rule).get(at).cloned().unwrap_or_default();
            (format!("`{}`", text.text), format!(".{}[{at}]", list.field()), text.at)
        }
    }
}

/// How the part goes out of the text.
pub(crate) fn edits(policy: &AuthorizationPolicy, index: usize, what: &What) -> Option<Vec<Edit>> {
    let rule = policy.rules.get(index)?;
    let gone = |at: Position, old: &str, goes: Goes| vec![Edit::removal(&policy.meta, at, old, goes)];
    let of_rule = |rule: &Rule| match policy.rules.len() {
        1 => gone(policy.meta.at, "", Goes::Document),
        _ => gone(rule.at, "", Goes::Element),
    };
    Some(match what {
        What::Gone(Part::Rule) => of_rule(rule),
        What::Gone(Part::Source(at)) => {
            let goes = if rule.from.len() > 1 { Goes::Around } else { return None };
            gone(rule.from.get(*at)?.at, "", goes)
        }
        What::Gone(Part::Operation(at)) => {
            let goes = if rule.to.len() > 1 { Goes::Around } else { return None };
            gone(rule.to.get(*at)?.at, "", goes)
        }
        What::Gone(Part::Condition(at)) => {
            let goes = if rule.when.len() > 1 { Goes::Element } else { Goes::List };
            gone(rule.when.get(*at)?.at, "", goes)
        }
        What::Gone(Part::List(list)) => {
            let first = list.texts(rule).first()?;
            gone(first.at, &first.text, Goes::List)
        }
        What::Gone(Part::Value(list, at)) => {
            let text = list.texts(rule).get(*at)?;
            gone(text.at, &text.text, Goes::Element)
        }
        What::Joined(section, other) => {
            let second = policy.rules.get(*other)?;
            let (own, more) = match section {
                Section::From => (rule.from.last()?, second.from.first()?),
                Section::To => (rule.to.last()?, second.to.first()?),
            };
            let mut edits = gone(own.at, "", Goes::Nothing { takes: more.at });
            edits.extend(of_rule(second));
            edits
        }
        What::Merged(list, other) => {
            let second = policy.rules.get(*other)?;
            let texts = list.texts(rule);
            let last = texts.last()?;
            let known = |text: &&Text| !texts.iter().any(|known| known.text == text.text);
            let more = list.texts(second).iter().filter(known).map(|text| text.text.clone());
            let new = std::iter::once(last.text.clone()).chain(more).collect();
            let grows = Edit { new, ..Edit::removal(&policy.meta, last.at, &last.text, Goes::Element) };
            let mut edits = vec![grows];
            edits.extend(of_rule(second));
            edits
        }
    })
}

/// What makes policies smaller, and what was left as it is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Steps {
    /// What can go, with its proof (the rules that cover it are `related`) and the edits that take it out.
    pub findings: Vec<Finding>,
    /// The rule that goes as a whole, for each of them.
    gone: Vec<Option<Key>>,
    /// What makes no difference and stays, with the reason.
    pub left: Vec<Finding>,
}

/// What rules were called before any went: the index that each had in its policy.
#[derive(Clone, Debug)]
pub struct Names(BTreeMap<(String, String), Vec<usize>>);

impl Names {
    /// Those of policies as they are.
    pub fn of(resources: &Resources) -> Names {
        let named = |policy: &AuthorizationPolicy| {
            let name = (policy.meta.namespace.clone(), policy.meta.name.clone());
            (name, (0..policy.rules.len()).collect())
        };
        Names(resources.authorization.iter().map(named).collect())
    }

    /// After those of these steps that were taken.
    pub fn take(&mut self, steps: &Steps, taken: &BTreeSet<usize>) {
        let mut gone: Vec<&Key> =
            taken.iter().filter_map(|number| steps.gone.get(*number)?.as_ref()).collect();
        gone.sort();
        for (namespace, name, index) in gone.into_iter().rev() {
            if let Some(rules) = self.0.get_mut(&(namespace.clone(), name.clone()))
                && *index < rules.len()
            {
                rules.remove(*index);
            }
        }
    }

    fn index(&self, (namespace, name, index): &Key) -> usize {
        let known = self.0.get(&(namespace.clone(), name.clone())).and_then(|rules| rules.get(*index));
        known.copied().unwrap_or(*index)
    }
}

/// Workloads to which no other policies apply than one names, for each way to name them: what holds at all of these and at
/// the workloads that are known holds at any workload.
pub fn targets(resources: &Resources) -> Vec<Workload> {
    let mut found: Vec<Workload> = Vec::new();
    for policy in &resources.authorization {
        let referenced = match &policy.target {
            Target::Refs(refs) => {
                refs.iter().filter_map(|one| referenced(&policy.meta, one.kind, &one.name)).collect()
            }
            _ => Vec::from_iter(least(policy)),
        };
        for workload in referenced {
            if !found.contains(&workload) {
                found.push(workload);
            }
        }
    }
    found
}

/// Rules that are held against each other.
const RULES: usize = 60;
const PARTS: usize = 600;
const LIMITS: Limits = Limits { nodes: 1_000_000, states: 200_000 };

/// What of all policies can go, as far as it can be seen at once: call it again with the texts that its edits make. At
/// most `most` steps for each place.
pub fn steps(
    loaded: &Loaded,
    settings: &Settings<'_>,
    texts: &dyn Fn(&str) -> Option<String>,
    names: &Names,
    most: usize,
) -> Steps {
    let Settings { mesh, mesh_is_known, .. } = *settings;
    let (resources, inventory) = (&loaded.resources, &loaded.inventory);
    let candidates = inventory.workloads();
    let workloads = Known::all(&candidates, resources, mesh);
    let context = Context::new(&candidates, &workloads, resources, inventory, &mesh.root_namespace);
    let diagnostics = &loaded.diagnostics;
    let input = Input { resources, inventory, diagnostics, mesh, mesh_is_known, context: &context };
    let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut steps = Steps::default();
    for (number, policy) in resources.authorization.iter().enumerate() {
        let why = match (policy.action, least(policy)) {
            (Action::Custom | Action::Audit, _) => "only ALLOW and DENY policies are made smaller",
            _ if policy.dry_run => "dry runs are left alone",
            _ if !counts(policy) => continue,
            (_, None) => "it has several `targetRefs`",
            (_, Some(workload)) => {
                let mut labels = workload.labels.clone();
                labels.sort();
                let name = format!("{} {labels:?} {:?}", workload.namespace, workload.services);
                known.entry(name).or_default().push(number);
                continue;
            }
        };
        steps.left.push(finding(policy, policy.meta.at, "spec".into(), why.into(), ""));
    }
    for numbers in known.values() {
        let policies: Vec<&AuthorizationPolicy> =
            numbers.iter().filter_map(|number| resources.authorization.get(*number)).collect();
        let Some(first) = policies.first() else { continue };
        let Some(workload) = least(first) else { continue };
        let bounds = Bounds { parts: PARTS, found: most, limits: LIMITS };
        let named = |key: &Key| {
            policies
                .iter()
                .copied()
                .find(|policy| policy.meta.namespace == key.0 && policy.meta.name == key.1)
        };
        let own = |policy: &AuthorizationPolicy| {
            policies
                .iter()
                .any(|one| one.meta.name == policy.meta.name && one.meta.namespace == policy.meta.namespace)
        };
        let mut left: Vec<(Key, What)> = Vec::new();
        // What of a policy's rules went in this round: the last one goes with its document.
        let mut gone: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut fits = |key: &Key, what: &What| {
            let Some(policy) = named(key) else { return false };
            let taken = gone.entry((key.0.clone(), key.1.clone())).or_default();
            let whole = matches!(what, What::Gone(Part::Rule)) || what.other().is_some();
            if whole && *taken > 0 && *taken + 1 >= policy.rules.len() {
                return false;
            }
            let edits = edits(policy, key.2, what);
            let fit = edits.as_ref().is_some_and(|edits| {
                edits.iter().all(|edit| {
                    texts(&edit.file).is_some_and(|text| replacement(&Source::from(text), edit).is_some())
                })
            });
            if fit {
                *taken += usize::from(whole);
            } else {
                left.push((key.clone(), what.clone()));
            }
            fit
        };
        let found = match Place::of(input, first, &workload, RULES) {
            Some(place) => at_place(&place, &own, &mut fits, bounds).map_err(|why| why.to_string()),
            None => Err(format!(
                "more than {RULES} rules apply with it, or it is not certain which tokens are checked there"
            )),
        };
        match found {
            Ok(found) => {
                for one in found {
                    let Some(policy) = named(&one.rule) else { continue };
                    let Some(edits) = edits(policy, one.rule.2, &one.part) else { continue };
                    let mut finding = told(policy, &one.rule, &one.part, &reason(policy, &one, names), names);
                    finding.fix = edits;
                    for key in &one.covered_by {
                        let Some(other) = place_of(resources, key) else { continue };
                        finding.beside(&other.0, other.1, rule_name(policy, key, names.index(key)));
                    }
                    steps.findings.push(finding);
                    steps.gone.push(match (&one.part, one.part.other()) {
                        (_, Some(other)) => Some((one.rule.0.clone(), one.rule.1.clone(), other)),
                        (What::Gone(Part::Rule), None) => Some(one.rule.clone()),
                        _ => None,
                    });
                }
                for (key, what) in left {
                    let Some(policy) = named(&key) else { continue };
                    let why = match what {
                        What::Gone(Part::Rule) if policy.rules.len() == 1 => {
                            "makes no difference, and stays: it is the only object of its file, or one of a list; \
                             take it away yourself"
                        }
                        _ => {
                            "makes no difference, and stays: it cannot be taken out without a comment, or without \
                             rewriting more than itself"
                        }
                    };
                    steps.left.push(told(policy, &key, &what, why, names));
                }
            }
            Err(why) => {
                for policy in policies {
                    steps.left.push(finding(policy, policy.meta.at, "spec".into(), why.clone(), ""));
                }
            }
        }
    }
    steps
}

/// The proof in words.
fn reason(policy: &AuthorizationPolicy, found: &Found, names: &Names) -> String {
    match found.part {
        What::Merged(..) => return "differs in this list alone, so that the two are one".into(),
        What::Joined(..) => return "is the same but for this, so that the two are one".into(),
        What::Gone(_) => {}
    }
    if found.covered_by.is_empty() {
        return match found.part {
            What::Gone(Part::Rule) => "goes: no request matches it".into(),
            _ => "goes: the rest of the rule matches the same".into(),
        };
    }
    let by: Vec<String> =
        found.covered_by.iter().take(5).map(|key| rule_name(policy, key, names.index(key))).collect();
    let more = if found.covered_by.len() > 5 { " and others" } else { "" };
    let verb = if found.covered_by.len() > 1 { "decide" } else { "decides" };
    format!("goes: {}{more} {verb} the same about all that it matters to", by.join(" and "))
}

/// `rule 0`, of another policy `rule 0 of shop/read`.
pub(crate) fn rule_name(policy: &AuthorizationPolicy, (namespace, name, _): &Key, index: usize) -> String {
    match *name == policy.meta.name && *namespace == policy.meta.namespace {
        true => format!("rule {index}"),
        false => format!("rule {index} of {namespace}/{name}"),
    }
}

/// Where a rule is written.
fn place_of(resources: &Resources, (namespace, name, index): &Key) -> Option<(Arc<str>, Position)> {
    let is_it =
        |policy: &&AuthorizationPolicy| policy.meta.namespace == *namespace && policy.meta.name == *name;
    let policy = resources.authorization.iter().find(is_it)?;
    Some((policy.meta.file.clone(), policy.rules.get(*index)?.at))
}

fn told(policy: &AuthorizationPolicy, key: &Key, what: &What, why: &str, names: &Names) -> Finding {
    let (here, index) = (key.2, names.index(key));
    let empty = Rule::default();
    let rule = policy.rules.get(here).unwrap_or(&empty);
    match what {
        What::Gone(part) => {
            let (name, field, at) = said(rule, *part);
            let name =
                if *part == Part::Rule && policy.rules.len() == 1 { "the policy".into() } else { name };
            finding(policy, at, format!("spec.rules[{index}]{field}"), format!("{name} {why}"), "")
        }
        What::Merged(_, other) | What::Joined(_, other) => {
            let at = policy.rules.get(*other).map(|rule| rule.at).unwrap_or_default();
            let field = match what {
                What::Merged(list, _) => list.field(),
                What::Joined(Section::From, _) => "from".into(),
                _ => "to".into(),
            };
            let other = names.index(&(key.0.clone(), key.1.clone(), *other));
            let message = format!("rule {other} {why}");
            finding(policy, at, format!("spec.rules[{index}].{field}"), message, "")
        }
    }
}

fn finding(
    policy: &AuthorizationPolicy,
    at: Position,
    field: String,
    message: String,
    help: &str,
) -> Finding {
    let object = format!("AuthorizationPolicy {}/{}", policy.meta.namespace, policy.meta.name);
    let file = policy.meta.file.clone();
    Diagnostic { severity: Severity::Hint, code: CODE, file, at, object, field, message, help: help.into() }
        .into()
}
