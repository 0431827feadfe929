use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{Action, AuthorizationPolicy, Rule, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "denies-everything",
    group: Group::Shape,
    severity: Severity::Warning,
    since: None,
    what: documented!("A DENY rule without conditions stands over ALLOW policies."),
    why: documented!(
        "DENY is asked first. What it denies no ALLOW policy can allow, so that these do nothing."
    ),
    instead: documented!(
        "To deny what is not allowed write an ALLOW policy without rules (`spec: {}`); it lets the others \
        allow."
    ),
    limits: documented!(
        "Only ALLOW policies of the same namespace, or below a policy of the root namespace, that name \
        the same workloads or fewer. Dry runs are passed over."
    ),
    source: documented!("https://istio.io/latest/docs/concepts/security/#implicit-enablement"),
    example: documented!(example: Example {
        bad: concat!(
            policy!("{action: DENY, rules: [{}]}"),
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: q, namespace: shop",
                "{rules: [{to: [{operation: {methods: [GET]}}]}]}"
            )
        ),
        good: concat!(
            policy!("{}"),
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: q, namespace: shop",
                "{rules: [{to: [{operation: {methods: [GET]}}]}]}"
            )
        ),
        request: Some("{workload: {namespace: shop}, request: {method: GET}}"),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy<'l>(findings: &mut Findings<'l>, policy: &'l AuthorizationPolicy) {
    let bare = |rule: &&Rule| {
        rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty() && rule.pruned.is_empty()
    };
    let Some(rule) =
        policy.rules.iter().find(bare).filter(|_| policy.action == Action::Deny && !policy.dry_run)
    else {
        return;
    };
    let everybody = matches!(policy.target, Target::Namespace | Target::EmptySelector);
    let dead = |other: &&AuthorizationPolicy| {
        other.action == Action::Allow
            && !other.dry_run
            && !other.rules.is_empty()
            && (other.meta.namespace == policy.meta.namespace)
            && (same(&other.target, &policy.target)
                || (everybody && !matches!(other.target, Target::Refs(_))))
    };
    let Some(other) = findings.input.context.beside(&policy.meta, &policy.target).find(dead) else { return };
    let message = format!("everything is denied, and {} can allow nothing", other.meta.name);
    let help = "to deny what nobody allows write an ALLOW policy without rules: `spec: {}`";
    findings
        .in_policy(policy, rule.at, "spec.rules".to_owned(), message, help)
        .see(Policy::Authorization(other));
}

fn same(one: &Target, other: &Target) -> bool {
    match (one, other) {
        (Target::Selector(one), Target::Selector(other)) => one == other,
        (Target::Refs(one), Target::Refs(other)) => {
            one.iter().all(|one| other.iter().any(|other| one.kind == other.kind && one.name == other.name))
        }
        (Target::Namespace | Target::EmptySelector, Target::Namespace | Target::EmptySelector) => true,
        _ => false,
    }
}
