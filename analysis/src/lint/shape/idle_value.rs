use crate::lint::{
    Example, Group, Lint,
    place::{Place, counts, least},
    redundant::{Bounds, Key, Part, What, at_place, edits, rule_name, said},
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    resource::{AuthorizationPolicy, Rule},
};
use gnomon_symbolic::Limits;
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "idle-value",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!(
        "A value, a list, a condition, a source or an operation that can never matter: without it every request fares \
        the same, since other rules match what it adds, or since it excepts what the rule does not match."
    ),
    why: documented!(
        "It reads as if it did something. Whoever takes it away to shut somebody out shuts nobody out: the other rule \
        still lets them in. That it is so is proven for all requests and connections, at every workload that the policy \
        can reach."
    ),
    instead: documented!(
        "Remove it, which `--fix` does where other rules match the same, or make the other rule narrower."
    ),
    limits: documented!(
        "What one list says twice, and values that match nothing, are the matter of other lints, whole rules that of \
        idle-rule. Not looked at are policies with several `targetRefs`, places with more than 12 rules or 60 parts, \
        rules on tokens where it is not certain which RequestAuthentications apply, and what is beyond the first 40 \
        targets of policies; `gnomon simplify` looks at more."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {methods: [GET, POST], paths: [/orders]}}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {methods: [POST], paths: [/orders]}}]}]}"#
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

/// Rules that are held against each other.
const RULES: usize = 12;
const TARGETS: usize = 40;
const BOUNDS: Bounds =
    Bounds { parts: 60, found: usize::MAX, limits: Limits { nodes: 100_000, states: 50_000 } };

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let mut known: BTreeMap<String, Vec<&AuthorizationPolicy>> = BTreeMap::new();
    let mut names: BTreeSet<(&str, &str)> = BTreeSet::new();
    for policy in input.resources.authorization.iter().filter(|policy| counts(policy)) {
        let Some(workload) = least(policy) else { continue };
        // Of two objects of one name nobody can tell which one is meant.
        if !names.insert((&policy.meta.namespace, &policy.meta.name)) {
            continue;
        }
        let name = format!("{} {:?} {:?}", workload.namespace, workload.labels, workload.services);
        if known.len() < TARGETS || known.contains_key(&name) {
            known.entry(name).or_default().push(policy);
        }
    }
    for policies in known.values() {
        let Some((first, workload)) = policies.first().and_then(|first| Some((first, least(first)?))) else {
            continue;
        };
        let Some(place) = Place::of(input, first, &workload, RULES) else { continue };
        let named = |key: &Key| {
            policies
                .iter()
                .copied()
                .find(|policy| policy.meta.namespace == key.0 && policy.meta.name == key.1)
        };
        let own = |policy: &AuthorizationPolicy| {
            policies.iter().any(|one| std::ptr::eq(*one, policy) || one.meta == policy.meta)
        };
        // A rule that is idle as a whole is the matter of another lint, and two rules stay two.
        let mut wanted = |_: &Key, what: &What| matches!(what, What::Gone(_));
        let Ok(found) = at_place(&place, &own, &mut wanted, BOUNDS) else { continue };
        for one in found {
            let (Some(policy), What::Gone(part)) = (named(&one.rule), &one.part) else { continue };
            let index = one.rule.2;
            let Some(rule) = policy.rules.get(index) else { continue };
            if *part == Part::Rule || (one.covered_by.is_empty() && matches!(part, Part::Value(..))) {
                continue;
            }
            report(findings, policy, (index, rule), *part, &one.covered_by);
        }
    }
}

fn report(
    findings: &mut Findings<'_>,
    policy: &AuthorizationPolicy,
    (index, rule): (usize, &Rule),
    part: Part,
    covered_by: &[Key],
) {
    let (name, field, at) = said(rule, part);
    let names: Vec<String> = covered_by.iter().take(5).map(|key| rule_name(policy, key, key.2)).collect();
    let more = if covered_by.len() > 5 { " and others" } else { "" };
    let (message, help) = match names.is_empty() {
        true => (
            format!("{name} makes no difference: the rest of the rule matches the same without it"),
            "remove it, or write what was meant",
        ),
        false => (
            format!(
                "{name} makes no difference: {}{more} decides the same about all that it matters to",
                names.join(" and ")
            ),
            "remove it, or make the other one narrower",
        ),
    };
    let finding = findings.in_policy(policy, at, format!("spec.rules[{index}]{field}"), message, help);
    if !covered_by.is_empty()
        && let Some(edits) = edits(policy, index, &What::Gone(part))
    {
        finding.fix = edits;
    }
}
