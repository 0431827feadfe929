use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    resource::{AuthorizationPolicy, Rule},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unconditional-rule",
    group: Group::Shape,
    severity: Severity::Warning,
    since: None,
    what: documented!("A rule without conditions stands beside rules that have some."),
    why: documented!(
        "It matches every request, and the policy means all whatever the other rules say. An empty \
        element is easily left behind when fields are indented wrongly."
    ),
    instead: documented!("Remove it, or the others."),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/#Rule"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{}, {from: [{source: {namespaces: [web]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {}}"),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy(findings: &mut Findings<'_>, policy: &AuthorizationPolicy) {
    let bare = |rule: &Rule| {
        rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty() && rule.pruned.is_empty()
    };
    let found = policy.rules.iter().enumerate().find(|(_, rule)| bare(rule));
    let other = policy.rules.iter().find(|rule| !bare(rule));
    let (Some((index, rule)), Some(other)) = (found, other) else { return };
    let message = "this rule matches every request, and makes the others idle".to_owned();
    findings
        .in_policy(policy, rule.at, format!("spec.rules[{index}]"), message, "remove it, or the others")
        .beside(&policy.meta.file, other.at, "a rule with conditions".to_owned());
}
