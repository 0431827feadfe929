use super::print;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{AuthorizationPolicy, Target},
};
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "duplicate-policy",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!("Two policies of a namespace name the same workloads and have the same rules."),
    why: documented!(
        "One of them adds nothing, and whoever changes one of them wonders why nothing changes."
    ),
    instead: documented!("Remove one."),
    limits: documented!("Rules are compared as written. Policies without rules are not compared."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!("{rules: [{to: [{operation: {methods: [GET]}}]}]}"),
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: q, namespace: shop",
                "{rules: [{to: [{operation: {methods: [GET]}}]}]}"
            )
        ),
        good: policy!("{rules: [{to: [{operation: {methods: [GET]}}]}]}"),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let mut seen = HashMap::new();
    for policy in findings.input.resources.authorization.iter().filter(|policy| !policy.rules.is_empty()) {
        let rules: Vec<String> = policy.rules.iter().map(print).collect();
        let provider = policy.provider.as_ref().map(|text| text.text.as_str());
        let target = match &policy.target {
            Target::Refs(refs) => {
                refs.iter().map(|target| format!("{:?} {}", target.kind, target.name)).collect()
            }
            Target::Selector(labels) => format!("{labels:?}"),
            Target::Namespace | Target::EmptySelector => String::new(),
        };
        let key =
            (&policy.meta.namespace, target, format!("{:?}", policy.action), policy.dry_run, provider, rules);
        let first: &AuthorizationPolicy = seen.entry(key).or_insert(policy);
        // One of the same name replaces the other.
        if first.meta.name == policy.meta.name {
            continue;
        }
        let message = format!("{} has the same rules for the same workloads", first.meta.name);
        findings
            .in_policy(policy, policy.meta.at, "spec".to_owned(), message, "remove one of them")
            .see(Policy::Authorization(first));
    }
}
