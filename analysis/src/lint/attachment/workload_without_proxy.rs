use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    resource::{AuthorizationPolicy, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "workload-without-proxy",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A policy selects a workload that has no proxy."),
    why: documented!(
        "Policies are enforced by proxies. A Pod on the host's network, or one whose injection is \
        switched off, has none: the policy is taken and nothing is refused."
    ),
    instead: documented!("Let the proxy be injected, or guard the workload by a NetworkPolicy."),
    limits: documented!(
        "Workloads that are among the manifests; where injection is not mentioned a sidecar is assumed."
    ),
    source: documented!("https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}, annotations: {sidecar.istio.io/inject: "false"}}, spec: {}}}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        request: None,
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy<'l>(findings: &mut Findings<'l>, policy: &'l AuthorizationPolicy) {
    let Target::Selector(labels) = &policy.target else { return };
    let context = findings.input.context;
    if labels.is_empty() || context.meant(&policy.meta, &policy.target).next().is_some() {
        return;
    }
    let Some(candidate) = context.unproxied(&policy.meta, labels) else { return };
    let message =
        format!("{} has no proxy, and nothing enforces the policy", candidate.workload.display_name());
    findings
        .in_policy(
            policy,
            policy.meta.at,
            "spec.selector".to_owned(),
            message,
            "let a proxy be injected, or use a NetworkPolicy",
        )
        .see_object(candidate.kind, candidate.meta);
}
