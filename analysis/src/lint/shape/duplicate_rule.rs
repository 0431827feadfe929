use super::print;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{Severity, resource::AuthorizationPolicy};
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "duplicate-rule",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!("A policy has the same rule twice."),
    why: documented!("The second one adds nothing; perhaps a value in it was to be changed."),
    instead: documented!("Remove it, or write what was meant."),
    limits: documented!("Rules are compared as written: the same values in another order are another rule."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {methods: [GET]}}]}]}"#
        ),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}"#),
        request: None,
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy(findings: &mut Findings<'_>, policy: &AuthorizationPolicy) {
    let mut seen = HashMap::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let first = *seen.entry(print(rule)).or_insert(rule);
        if std::ptr::eq(first, rule) {
            continue;
        }
        let message = "the policy has the same rule already".to_owned();
        findings
            .in_policy(
                policy,
                rule.at,
                format!("spec.rules[{index}]"),
                message,
                "remove it, or write what was meant",
            )
            .beside(&policy.meta.file, first.at, "the first one".to_owned())
            .remove(policy, rule);
    }
}
