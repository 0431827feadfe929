//! What a rule is made of, as parts that could go, and what is left of it without one; and two rules as one.

use gnomon_engine::{
    Attribute, Position,
    resource::{FieldSet, Match, Rule, Text},
};
use std::collections::BTreeSet;

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

/// `from` or `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    From,
    To,
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
    pub(super) fn name(self) -> &'static str {
        let (name, not) = match self.place {
            In::From(_, attribute) | In::To(_, attribute) => attribute.row().field.unwrap_or_default(),
            In::When(_) => ("values", "notValues"),
        };
        if self.negated { not } else { name }
    }

    /// `from[0].source.principals`.
    pub(super) fn field(self) -> String {
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
pub(super) fn without(rule: &Rule, part: Part) -> Option<Rule> {
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
pub(super) fn merged(a: &Rule, b: &Rule) -> Option<(Rule, List)> {
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
pub(super) fn joined(a: &Rule, b: &Rule) -> Option<(Rule, Section)> {
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
