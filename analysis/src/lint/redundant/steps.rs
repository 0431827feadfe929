//! The steps of `gnomon simplify`: what can go, in words, with the edits that take it out of the text.

use super::{
    Bounds, Found, Key, What, at_place,
    part::{Part, Section, said},
};
use crate::{
    lint::{
        Edit, Finding, Goes, Input, Settings,
        context::{Context, Known},
        fix::replacement,
        place::{Place, counts, least},
    },
    workloads::referenced,
};
use gnomon_engine::{
    Diagnostic, Position, Severity, Workload,
    resource::{Action, AuthorizationPolicy, Resources, Rule, Target, Text},
};
use gnomon_manifests::{Loaded, Source};
use gnomon_symbolic::Limits;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The code of these findings.
pub const CODE: &str = "redundant";

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
