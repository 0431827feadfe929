use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Attribute, Position, Severity,
    attribute::Kind,
    resource::{Action, AuthorizationPolicy, FieldSet, Rule, Text},
};
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "nots-deny-everybody",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("DENY rules that except one thing each deny everybody together."),
    why: documented!(
        "Rules are alternatives: whoever one of them excepts is denied by the other. Two rules \
        `notNamespaces: [a]` and `notNamespaces: [b]` refuse everything."
    ),
    instead: documented!("Put all exceptions into one list, or both conditions into one rule."),
    limits: documented!(
        "Only rules, sources and operations of one policy that consist of the one condition, without wildcards and ranges."
    ),
    source: documented!("https://github.com/istio/istio/issues/39297"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: DENY, rules: [{from: [{source: {notNamespaces: [a]}}]}, {from: [{source: {notNamespaces: [b]}}]}]}"#
        ),
        good: policy!(r#"{action: DENY, rules: [{from: [{source: {notNamespaces: [a, b]}}]}]}"#),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/a/sa/x}}}",
        ),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy(findings: &mut Findings<'_>, policy: &AuthorizationPolicy) {
    if policy.action == Action::Deny {
        look(findings, policy, "whoever this one excepts another one denies: together they deny everybody");
    }
}

/// Tells of alternatives in a policy that each except something else.
pub(super) fn look(findings: &mut Findings<'_>, policy: &AuthorizationPolicy, message: &str) {
    let mut seen: HashMap<Attribute, (Position, &[Text])> = HashMap::new();
    let mut told = false;
    for (index, rule) in policy.rules.iter().enumerate() {
        for (attribute, not) in only_nots(rule) {
            let at = not.first().map_or(rule.at, |text| text.at);
            let (first, other) = *seen.entry(attribute).or_insert((at, not));
            let shared = not.iter().any(|text| other.iter().any(|other| other.text == text.text));
            // Ranges meet; paths without a star do not.
            let is_wild = |text: &Text| {
                text.text.contains('*') || (text.text.contains('/') && attribute.row().kind == Kind::Cidr)
            };
            if told || first == at || shared || not.iter().chain(other).any(is_wild) {
                continue;
            }
            told = true;
            let field = format!("spec.rules[{index}]");
            findings
                .in_policy(policy, at, field, message.to_owned(), "put all exceptions into one list")
                .beside(&policy.meta.file, first, "the other exception".to_owned());
        }
    }
}

/// The alternatives of a rule that each except some values and say nothing else: its sources, or its operations.
fn only_nots(rule: &Rule) -> Vec<(Attribute, &[Text])> {
    let sets = match (rule.from.as_slice(), rule.to.as_slice()) {
        ([], to) => to,
        (from, []) => from,
        _ => return Vec::new(),
    };
    if !rule.when.is_empty() || !rule.pruned.is_empty() {
        return Vec::new();
    }
    let only = |set| -> Option<(Attribute, &[Text])> {
        let mut fields = FieldSet::iter(set);
        let (attribute, values) = fields.next()?;
        let only = fields.next().is_none() && values.values.is_empty();
        only.then_some((attribute, values.not_values.as_slice()))
    };
    sets.iter().filter_map(only).collect()
}
