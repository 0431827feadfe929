use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    resource::{Action, AuthorizationPolicy},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "allows-nothing",
    group: Group::Shape,
    severity: Severity::Warning,
    since: None,
    what: documented!("A policy that is called after what it allows has no rules."),
    why: documented!(
        "An ALLOW policy without rules matches nothing, and while it applies whatever no other ALLOW \
        policy allows is refused. `rules: [{}]` would allow everything."
    ),
    instead: documented!("Write `rules: [{}]` to allow everything. If nothing is to be allowed, call it so."),
    limits: documented!(
        "Only policies whose name begins with `allow` and does not go on with `nothing` or `none`."
    ),
    source: documented!(
        "https://istio.io/latest/docs/concepts/security/#allow-nothing-deny-all-and-allow-all-policy"
    ),
    example: documented!(example: Example {
        bad: "apiVersion: security.istio.io/v1\n\
                   kind: AuthorizationPolicy\n\
                   metadata: {name: allow-all, namespace: shop}\n\
                   spec: {}\n",
        good: "apiVersion: security.istio.io/v1\n\
                   kind: AuthorizationPolicy\n\
                   metadata: {name: allow-all, namespace: shop}\n\
                   spec: {rules: [{}]}\n",
        request: Some("{workload: {namespace: shop}, request: {}}"),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy(findings: &mut Findings<'_>, policy: &AuthorizationPolicy) {
    let name = policy.meta.name.as_str();
    let says_so = ["nothing", "none", "no-"].iter().any(|word| name.contains(word));
    if policy.action != Action::Allow || !policy.rules.is_empty() || !name.starts_with("allow") || says_so {
        return;
    }
    let message = format!("`{name}` has no rules, and allows nothing");
    findings.in_policy(
        policy,
        policy.meta.at,
        "spec".to_owned(),
        message,
        "write `rules: [{}]` to allow everything",
    );
}
