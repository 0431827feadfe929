use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    attribute::Kind,
    resource::{Action, AuthorizationPolicy, Rule},
};
use gnomon_manifests::inventory::Meta as Origin;
use std::collections::{BTreeMap, HashSet};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "probe-not-rewritten",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("Health probes of a workload come in plaintext to its policies."),
    why: documented!(
        "istiod has probes go through the agent, where no policy is asked. With \
        `sidecar.istio.io/rewriteAppHTTPProbers: \"false\"` the kubelet asks the workload itself, \
        without an identity: an ALLOW policy that wants one refuses it, and the Pod never gets ready."
    ),
    instead: documented!("Remove the annotation, or allow the probes' paths and ports without an identity."),
    limits: documented!(
        "Workloads that are among the manifests, with ALLOW policies that all want an identity or a token."
    ),
    source: documented!("https://istio.io/latest/docs/ops/configuration/mesh/app-health-check/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}, annotations: {sidecar.istio.io/rewriteAppHTTPProbers: "false"}}, spec: {}}}"#
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
                r#"{template: {metadata: {labels: {app: web}, annotations: {sidecar.istio.io/rewriteAppHTTPProbers: "true"}}, spec: {}}}"#
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    let off = input.inventory.pods.iter().filter(|pod| pod.annotation(REWRITE) == Some("false"));
    let off: HashSet<*const Origin> = off.map(|pod| std::ptr::from_ref(&pod.meta)).collect();
    if off.is_empty() {
        return;
    }
    let mut told: BTreeMap<(&str, &str), (&Known<'l>, Vec<&'l AuthorizationPolicy>)> = BTreeMap::new();
    for policy in input
        .resources
        .authorization
        .iter()
        .filter(|policy| policy.action == Action::Allow && !policy.dry_run)
    {
        for known in input
            .context
            .reached(Policy::Authorization(policy))
            .filter(|known| off.contains(&std::ptr::from_ref(known.candidate.meta)))
        {
            let meta = known.candidate.meta;
            told.entry((&meta.namespace, &meta.name)).or_insert_with(|| (known, Vec::new())).1.push(policy);
        }
    }
    for (known, policies) in told.into_values() {
        let open = |rule: &&Rule| {
            let sets = rule
                .from
                .iter()
                .all(|set| set.iter().all(|(attribute, _)| attribute.row().kind == Kind::Cidr));
            sets && rule.when.is_empty()
        };
        let Some(first) = policies
            .first()
            .filter(|_| !policies.iter().flat_map(|policy| &policy.rules).any(|rule| open(&rule)))
        else {
            continue;
        };
        let message = "probes come to the workload in plaintext, and no ALLOW rule allows them";
        let origin = known.candidate.meta;
        findings
            .in_object(
                (known.candidate.kind, origin),
                origin.at,
                format!("metadata.annotations[{REWRITE}]"),
                message,
                "remove the annotation, or allow the probes",
            )
            .see(Policy::Authorization(first));
    }
}
