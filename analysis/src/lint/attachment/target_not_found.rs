use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{AuthorizationPolicy, RequestAuthentication, Target, TargetKind},
};
use std::collections::{BTreeSet, HashMap};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "target-not-found",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A `targetRef` names an object that its namespace does not have."),
    why: documented!("The policy is taken and applies to nothing until an object of that name is there."),
    instead: documented!("Correct the name. Targets are in the policy's own namespace."),
    limits: documented!("Only where other objects of the kind are among the manifests of that namespace."),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l7-features/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypiont}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "gateway.networking.k8s.io/v1",
                "Gateway",
                "name: waypoint, namespace: shop",
                "{gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}"
            )
        ),
        good: concat!(
            policy!(
                r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "gateway.networking.k8s.io/v1",
                "Gateway",
                "name: waypoint, namespace: shop",
                "{gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}"
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let mut known: HashMap<(&str, &str), BTreeSet<&str>> = HashMap::new();
    for gateway in &input.inventory.api_gateways {
        known.entry(("Gateway", &gateway.meta.namespace)).or_default().insert(&gateway.meta.name);
    }
    for service in &input.inventory.services {
        known.entry(("Service", &service.meta.namespace)).or_default().insert(&service.meta.name);
    }
    for entry in &input.inventory.service_entries {
        known.entry(("ServiceEntry", &entry.meta.namespace)).or_default().insert(&entry.meta.name);
    }
    for policy in Policy::all(input.resources) {
        let refs = match policy {
            Policy::Authorization(AuthorizationPolicy { target: Target::Refs(refs), .. })
            | Policy::RequestAuthentication(RequestAuthentication { target: Target::Refs(refs), .. }) => refs,
            _ => continue,
        };
        for (index, target) in refs.iter().enumerate() {
            let kind = match target.kind {
                TargetKind::Gateway => "Gateway",
                TargetKind::Service => "Service",
                TargetKind::ServiceEntry => "ServiceEntry",
                TargetKind::GatewayClass => continue,
            };
            let namespace = policy.meta().namespace.as_str();
            let Some(names) =
                known.get(&(kind, namespace)).filter(|names| !names.contains(target.name.as_str()))
            else {
                continue;
            };
            let names: Vec<&str> = names.iter().take(5).copied().collect();
            let message = format!("there is no {kind} `{}` in {namespace} among the manifests", target.name);
            findings.at(
                policy,
                target.at,
                format!("spec.targetRefs[{index}]"),
                message,
                format!("known there: {}", names.join(", ")),
            );
        }
    }
}
