use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    resource::{AuthorizationPolicy, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "namespace-without-workloads",
    group: Group::Attachment,
    severity: Severity::Hint,
    since: None,
    what: documented!("A policy for a namespace finds no workload there."),
    why: documented!(
        "Without a selector it is for the workloads of its own namespace. A policy for other namespaces \
        has to be in each of them, or in the root namespace for the whole mesh."
    ),
    instead: documented!("Move it to the namespace that was meant."),
    limits: documented!(
        "Only where at least three workloads are among the manifests, and none of them is in that \
        namespace. Those that are deployed from elsewhere are not known."
    ),
    source: documented!("https://istio.io/latest/docs/concepts/security/#policy-target"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
            object!(
                "apps/v1",
                "Deployment",
                "name: a, namespace: web",
                r#"{template: {metadata: {labels: {app: a}}, spec: {}}}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: b, namespace: web",
                r#"{template: {metadata: {labels: {app: b}}, spec: {}}}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: c, namespace: web",
                r#"{template: {metadata: {labels: {app: c}}, spec: {}}}"#
            )
        ),
        good: concat!(
            policy!("web", r#"{rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
            object!(
                "apps/v1",
                "Deployment",
                "name: a, namespace: web",
                r#"{template: {metadata: {labels: {app: a}}, spec: {}}}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: b, namespace: web",
                r#"{template: {metadata: {labels: {app: b}}, spec: {}}}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: c, namespace: web",
                r#"{template: {metadata: {labels: {app: c}}, spec: {}}}"#
            )
        ),
        request: None,
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy<'l>(findings: &mut Findings<'l>, policy: &'l AuthorizationPolicy) {
    let input = findings.input;
    let namespace = &policy.meta.namespace;
    let everybody = matches!(policy.target, Target::Namespace | Target::EmptySelector);
    if !everybody || input.context.workloads.len() < 3 || *namespace == input.mesh.root_namespace {
        return;
    }
    if input.context.near(namespace).next().is_some()
        || input.inventory.pods.iter().any(|pod| pod.meta.namespace == *namespace)
    {
        return;
    }
    let message = format!("none of the workloads among the manifests is in {namespace}");
    findings.in_policy(
        policy,
        policy.meta.at,
        "metadata.namespace".to_owned(),
        message,
        "move it to the namespace that was meant, or to the root namespace",
    );
}
