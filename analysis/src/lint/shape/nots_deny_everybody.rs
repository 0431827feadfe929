use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Attribute, Severity,
    resource::{Action, AuthorizationPolicy, Rule, Text},
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
    limits: documented!("Only rules of one policy that consist of the one condition, without wildcards."),
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
    if policy.action != Action::Deny {
        return;
    }
    let mut seen: HashMap<Attribute, (&Rule, &[Text])> = HashMap::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some((attribute, not)) = only_not(rule) else { continue };
        let (first, other) = *seen.entry(attribute).or_insert((rule, not));
        let shared = not.iter().any(|text| other.iter().any(|other| other.text == text.text));
        let wild = not.iter().chain(other).any(|text| text.text.contains('*') || text.text.contains('/'));
        if std::ptr::eq(first, rule) || shared || wild {
            continue;
        }
        let message = "whoever this rule excepts another one denies: together they deny everybody".to_owned();
        findings
            .in_policy(
                policy,
                rule.at,
                format!("spec.rules[{index}]"),
                message,
                "put all exceptions into one list",
            )
            .beside(&policy.meta.file, first.at, "the other rule".to_owned());
    }
}

/// The values of a rule that excepts some and says nothing else.
fn only_not(rule: &Rule) -> Option<(Attribute, &[Text])> {
    let [set] = (if rule.to.is_empty() { &rule.from } else { &rule.to }).as_slice() else { return None };
    let one = rule.from.len() + rule.to.len() == 1 && rule.when.is_empty() && rule.pruned.is_empty();
    let mut fields = set.iter();
    let (attribute, values) = fields.next().filter(|_| one)?;
    let only = fields.next().is_none() && values.values.is_empty();
    only.then_some((attribute, values.not_values.as_slice()))
}
