use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::{GATEWAY_NAME_LABEL, Policy},
    resource::{AuthorizationPolicy, RequestAuthentication, Target, TargetKind},
};
use gnomon_manifests::inventory::Meta as Origin;
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "agentgateway-target",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A policy is for a gateway that is an agentgateway."),
    why: documented!(
        "agentgateway reads none of AuthorizationPolicy, RequestAuthentication and PeerAuthentication: \
        the policy is taken and not enforced."
    ),
    instead: documented!("Use the policies of agentgateway, or a Gateway of the class `istio`."),
    limits: documented!("Gateways that are among the manifests, by the name of their class."),
    source: documented!("https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "gateway.networking.k8s.io/v1",
                "Gateway",
                "name: front, namespace: shop",
                "{gatewayClassName: istio-agentgateway, listeners: [{name: http, port: 80, protocol: HTTP}]}"
            )
        ),
        good: concat!(
            policy!(
                r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}], rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "gateway.networking.k8s.io/v1",
                "Gateway",
                "name: front, namespace: shop",
                "{gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}"
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let ours = input.inventory.api_gateways.iter().filter(|gateway| gateway.class.contains("agentgateway"));
    let known: HashMap<(&str, &str), &Origin> = ours
        .map(|gateway| ((gateway.meta.namespace.as_str(), gateway.meta.name.as_str()), &gateway.meta))
        .collect();
    if known.is_empty() {
        return;
    }
    for policy in Policy::all(input.resources) {
        let target = match policy {
            Policy::Authorization(AuthorizationPolicy { target, .. })
            | Policy::RequestAuthentication(RequestAuthentication { target, .. }) => target,
            Policy::PeerAuthentication(_) => continue,
        };
        let names: Vec<&str> = match target {
            Target::Refs(refs) => refs
                .iter()
                .filter(|target| target.kind == TargetKind::Gateway)
                .map(|target| target.name.as_str())
                .collect(),
            Target::Selector(labels) => labels
                .iter()
                .filter(|(key, _)| key == GATEWAY_NAME_LABEL)
                .map(|(_, name)| name.as_str())
                .collect(),
            _ => continue,
        };
        let meta = policy.meta();
        let Some(gateway) = names.iter().find_map(|name| known.get(&(meta.namespace.as_str(), *name))) else {
            continue;
        };
        let message =
            format!("the Gateway {} is an agentgateway, which reads no {}", gateway.name, policy.kind());
        findings
            .at(policy, meta.at, "spec", message, "use agentgateway's own policies, or the class `istio`")
            .see_object("Gateway", gateway);
    }
}
