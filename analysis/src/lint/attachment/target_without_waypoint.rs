use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{AuthorizationPolicy, RequestAuthentication, Target, TargetKind},
    workload::ProxyKind,
};
use gnomon_manifests::inventory::Service;
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "target-without-waypoint",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A policy targets a Service, and there is no waypoint."),
    why: documented!(
        "`targetRefs` with a Service are read by waypoints alone. A sidecar takes no notice of them: the \
        policy applies to nothing, and a DENY or the first ALLOW is not enforced."
    ),
    instead: documented!("Use a `selector` for workloads with sidecars, or deploy a waypoint."),
    limits: documented!(
        "Only where the Service leads to a workload with a sidecar among the manifests, and no waypoint \
        is among them."
    ),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l7-features/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{targetRefs: [{kind: Service, group: "", name: web}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            ),
            object!(
                "v1",
                "Service",
                "name: web, namespace: shop",
                r#"{selector: {app: web}, ports: [{port: 80}]}"#
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
            ),
            object!(
                "v1",
                "Service",
                "name: web, namespace: shop",
                r#"{selector: {app: web}, ports: [{port: 80}]}"#
            )
        ),
        request: Some("{workload: {namespace: shop, labels: {app: web}}, request: {}}"),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    if input.context.workloads.iter().any(|known| known.proxy() == ProxyKind::Waypoint) {
        return;
    }
    let mut behind: HashMap<(&str, &str), (&Known<'l>, &Service)> = HashMap::new();
    for known in input.context.workloads.iter().filter(|known| known.proxy() == ProxyKind::Sidecar) {
        for reached in &known.candidate.reached {
            let meta = &reached.service.meta;
            behind.entry((&meta.namespace, &meta.name)).or_insert((known, reached.service));
        }
    }
    for policy in Policy::all(input.resources) {
        let refs = match policy {
            Policy::Authorization(AuthorizationPolicy { target: Target::Refs(refs), .. })
            | Policy::RequestAuthentication(RequestAuthentication { target: Target::Refs(refs), .. }) => refs,
            _ => continue,
        };
        for (index, target) in
            refs.iter().enumerate().filter(|(_, target)| target.kind == TargetKind::Service)
        {
            let Some((known, service)) =
                behind.get(&(policy.meta().namespace.as_str(), target.name.as_str()))
            else {
                continue;
            };
            let why = known.misses(policy).map(|reason| reason.to_string()).unwrap_or_default();
            let message = format!(
                "{} has a sidecar, and the policy does not apply: {why}",
                known.candidate.workload.display_name()
            );
            findings
                .at(
                    policy,
                    target.at,
                    format!("spec.targetRefs[{index}]"),
                    message,
                    "use a `selector`, or deploy a waypoint",
                )
                .see_object("Service", &service.meta);
        }
    }
}
