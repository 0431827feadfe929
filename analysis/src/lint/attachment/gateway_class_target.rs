use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::{Policy, WAYPOINT_CLASS},
    resource::{AuthorizationPolicy, RequestAuthentication, Target, TargetKind},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "gateway-class-target",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A policy targets a GatewayClass where that reaches nothing."),
    why: documented!(
        "The only class that policies can target is `istio-waypoint`, and only from the root namespace: \
        then they are for every waypoint of the mesh."
    ),
    instead: documented!("Move the policy to the root namespace, or target the Gateway."),
    limits: documented!("Root namespace: that of the mesh's settings."),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l7-features/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
        ),
        good: policy!(
            "istio-system",
            r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
        ),
        request: Some("{workload: {name: waypoint, namespace: shop, proxy: waypoint}, request: {}}"),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    for policy in Policy::all(input.resources) {
        let refs = match policy {
            Policy::Authorization(AuthorizationPolicy { target: Target::Refs(refs), .. })
            | Policy::RequestAuthentication(RequestAuthentication { target: Target::Refs(refs), .. }) => refs,
            _ => continue,
        };
        let in_root = policy.meta().namespace == input.mesh.root_namespace;
        for (index, target) in
            refs.iter().enumerate().filter(|(_, target)| target.kind == TargetKind::GatewayClass)
        {
            if in_root && target.name == WAYPOINT_CLASS {
                continue;
            }
            let message = format!(
                "a GatewayClass is a target only as `{WAYPOINT_CLASS}` in the root namespace {}",
                input.mesh.root_namespace
            );
            findings.at(
                policy,
                target.at,
                format!("spec.targetRefs[{index}]"),
                message,
                "move the policy there, or target the Gateway",
            );
        }
    }
}
