use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, RuleAt},
};
use gnomon_engine::{
    Attribute, Severity,
    attach::Policy,
    attribute::Ztunnel,
    resource::{Action, FieldSet, Rule},
    workload::ProxyKind,
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "http-at-ztunnel",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A rule with conditions on HTTP applies to a workload in ambient mode."),
    why: documented!(
        "ztunnel sees connections, not requests. istiod drops the whole rule from an ALLOW policy, which \
        still refuses what no other rule allows; from a DENY policy it drops the condition, and a rule \
        of which nothing is left denies nothing."
    ),
    instead: documented!(
        "Deploy a waypoint and give the rule to it with `targetRefs`; leave ztunnel what connections \
        have: identities, namespaces, addresses, ports."
    ),
    limits: documented!(
        "Workloads that are among the manifests, in ambient mode by a label of theirs or of their namespace."
    ),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l4-policy/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{action: DENY, rules: [{to: [{operation: {methods: [DELETE]}}]}]}"#),
            object!("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "{}"),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        good: concat!(
            policy!(r#"{action: DENY, rules: [{from: [{source: {notPrincipals: ["*"]}}]}]}"#),
            object!("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "{}"),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        request: Some(
            "{workload: {namespace: shop, labels: {app: web}, proxy: ztunnel}, request: {source: {ip: \
            10.0.0.1}}}",
        ),
    }),
    looks: Looks { rule: Some(rule), ..Looks::NOWHERE },
};

fn rule<'l>(findings: &mut Findings<'l>, at: &RuleAt<'l>) {
    let RuleAt { policy, rule, .. } = *at;
    let Some(field) = unseen(rule) else { return };
    let mut reached = findings.input.context.reached(Policy::Authorization(policy));
    let Some(known) = reached.find(|known| known.proxy() == ProxyKind::Ztunnel) else { return };
    let what = match policy.action {
        Action::Allow => "the rule is dropped, and allows nothing",
        _ => "the condition is dropped, and without it a rule with nothing else denies nothing",
    };
    let name = known.candidate.workload.display_name();
    let message = format!("{name} is behind ztunnel, which has no `{field}`: {what}");
    let help = "give the rule to a waypoint with `targetRefs`";
    findings.at_rule(at, message, help).see_object(known.candidate.kind, known.candidate.meta);
}

/// What of the rule counts as HTTP at ztunnel.
fn unseen(rule: &Rule) -> Option<&str> {
    let sets =
        rule.from.iter().chain(&rule.to).flat_map(FieldSet::iter).map(|(attribute, _)| attribute.row());
    let field =
        sets.filter(|row| row.ztunnel == Ztunnel::Http).find_map(|row| row.field).map(|(name, _)| name);
    let key = |key: &&str| {
        Attribute::of_key(key).is_some_and(|(attribute, _)| attribute.row().ztunnel != Ztunnel::Known)
    };
    field.or_else(|| rule.when.iter().map(|when| when.key.text.as_str()).find(key))
}
