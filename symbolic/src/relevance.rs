//! Which rules matter where only some rules differ.
//!
//! Where everything but some rules is the same on both sides, a request is treated differently only if one of these rules
//! matches it. A rule that can match no such request says nothing about the difference. What is found here without
//! any diagram is cautious: rules are kept unless some axis keeps them apart for certain.

use crate::condition::{Condition, Form, RuleForm, Subject, Value, Vocabulary};
use alloc::{vec, vec::Vec};

/// On which axes a rule wants one of some values; few.
#[derive(Debug, Default)]
struct Guards(Vec<(u32, Vec<u32>)>);

impl Guards {
    fn of(form: &RuleForm, vocabulary: &Vocabulary<'_>) -> Guards {
        let mut guards = Guards::default();
        let single = |axis: u32| {
            let subject = vocabulary.subjects.get(axis as usize);
            let set =
                matches!(subject, Some(Subject::Header(_) | Subject::Claim(_) | Subject::MetadataList(..)));
            !set
        };
        let wants = |condition: &Condition| -> Option<(u32, Vec<u32>)> {
            match (&condition.alternatives[..], condition.negated) {
                ([one], false) => match &one[..] {
                    [literal] if single(literal.axis) => Some((literal.axis, literal.values.to_vec())),
                    _ => None,
                },
                _ => None,
            }
        };
        for condition in &form.when {
            if let Some((axis, values)) = wants(condition) {
                add(&mut guards.0, axis, values);
            }
        }
        for groups in [&form.from, &form.to] {
            let mut all: Option<Vec<(u32, Vec<u32>)>> = None;
            for group in groups {
                let mut own: Vec<(u32, Vec<u32>)> = Vec::new();
                for (axis, values) in group.iter().filter_map(wants) {
                    add(&mut own, axis, values);
                }
                all = Some(match all {
                    None => own,
                    // What every alternative wants a value of.
                    Some(mut all) => {
                        all.retain_mut(|(axis, values)| match of(&own, *axis) {
                            Some(more) => {
                                values.extend(more);
                                true
                            }
                            None => false,
                        });
                        all
                    }
                });
            }
            for (axis, values) in all.unwrap_or_default() {
                add(&mut guards.0, axis, values);
            }
        }
        guards
    }

    fn keeps_apart(&self, other: &Guards, vocabulary: &Vocabulary<'_>) -> bool {
        self.0.iter().any(|(axis, values)| {
            let Some(others) = of(&other.0, *axis) else { return false };
            let Some(known) = vocabulary.known.get(*axis as usize) else { return false };
            values.iter().all(|a| others.iter().all(|b| a != b && apart(known, *a, *b)))
        })
    }
}

/// The values on an axis.
fn of(guards: &[(u32, Vec<u32>)], axis: u32) -> Option<&Vec<u32>> {
    guards.iter().find(|(of, _)| *of == axis).map(|(_, values)| values)
}

/// Values on an axis that has none yet.
fn add(guards: &mut Vec<(u32, Vec<u32>)>, axis: u32, values: Vec<u32>) {
    if of(guards, axis).is_none() {
        guards.push((axis, values));
    }
}

fn apart(known: &[Value<'_>], a: u32, b: u32) -> bool {
    let (Some(a), Some(b)) = (known.get(a as usize), known.get(b as usize)) else { return false };
    match (a, b) {
        (Value::Port(a), Value::Port(b)) => a != b,
        (Value::Net(a), Value::Net(b)) => !a.contains(b) && !b.contains(a),
        (Value::Text(Form::Exact, a), Value::Text(Form::Exact, b)) => a != b,
        (Value::Text(Form::Prefix, a), Value::Text(Form::Exact, b))
        | (Value::Text(Form::Exact, b), Value::Text(Form::Prefix, a)) => !b.starts_with(a),
        (Value::Text(Form::Suffix, a), Value::Text(Form::Exact, b))
        | (Value::Text(Form::Exact, b), Value::Text(Form::Suffix, a)) => !b.ends_with(a),
        (Value::Text(Form::Prefix, a), Value::Text(Form::Prefix, b)) => {
            !a.starts_with(b) && !b.starts_with(a)
        }
        (Value::Text(Form::Suffix, a), Value::Text(Form::Suffix, b)) => !a.ends_with(b) && !b.ends_with(a),
        _ => false,
    }
}

/// For each rule, by number: does it matter where `changed` rules differ? These themselves do.
pub(crate) fn relevant(vocabulary: &Vocabulary<'_>, changed: &[u32]) -> Vec<bool> {
    let guards: Vec<Guards> = vocabulary.forms.iter().map(|form| Guards::of(form, vocabulary)).collect();
    let mut relevant = vec![false; guards.len()];
    let changed: Vec<&Guards> = changed.iter().filter_map(|number| guards.get(*number as usize)).collect();
    for (entry, own) in relevant.iter_mut().zip(&guards) {
        *entry = changed.iter().any(|other| !own.keeps_apart(other, vocabulary));
    }
    relevant
}
