use super::nots_deny_everybody;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    resource::{Action, AuthorizationPolicy},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "nots-allow-everybody",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("ALLOW rules that except one thing each allow everything together."),
    why: documented!(
        "Rules are alternatives: what one of them excepts another one allows. Two rules `notPaths: [/admin]` \
        and `notPaths: [/internal]` let every request in, those to `/admin` too."
    ),
    instead: documented!("Put all exceptions into one list, or both conditions into one rule."),
    limits: documented!(
        "Only rules, sources and operations of one policy that consist of the one condition, without wildcards and ranges."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {notPaths: [/admin]}}]}, {to: [{operation: {notPaths: [/internal]}}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {notPaths: [/admin, /internal]}}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {path: /admin}}"),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy(findings: &mut Findings<'_>, policy: &AuthorizationPolicy) {
    if policy.action == Action::Allow {
        let message = "what this one excepts another one allows: together they allow everything";
        nots_deny_everybody::look(findings, policy, message);
    }
}
