use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::{Policy, Reason},
    resource::{AuthorizationPolicy, RequestAuthentication, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "selector-on-waypoint",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A selector selects a waypoint."),
    why: documented!(
        "A waypoint takes only policies with `targetRefs`: the Gateway itself, a Service behind it, or in \
        the root namespace its GatewayClass. This one applies to nothing there."
    ),
    instead: documented!("Write `targetRefs` with the Gateway in place of the selector."),
    limits: documented!("Waypoints that are among the manifests."),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l7-features/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: waypoint}}, rules: [{from: [{source: {namespaces: [web]}}]}]}"#
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
        request: Some(
            "{workload: {name: waypoint, namespace: shop, proxy: waypoint, labels: \
            {gateway.networking.k8s.io/gateway-name: waypoint}}, request: {}}",
        ),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    for policy in Policy::all(input.resources) {
        let target = match policy {
            Policy::Authorization(AuthorizationPolicy { target, .. })
            | Policy::RequestAuthentication(RequestAuthentication { target, .. }) => target,
            Policy::PeerAuthentication(_) => continue,
        };
        if !matches!(target, Target::Selector(labels) if !labels.is_empty()) {
            continue;
        }
        let meta = policy.meta();
        let mut meant = input.context.meant(meta, target);
        let Some(known) = meant.find(|known| known.misses(policy) == Some(Reason::NoTargets)) else {
            continue;
        };
        let message = format!(
            "the selector selects the waypoint {}, which takes no policies without `targetRefs`",
            known.candidate.meta.name
        );
        let help = format!("target the Gateway `{}` in place of it", known.candidate.meta.name);
        findings
            .at(policy, meta.at, "spec.selector", message, help)
            .see_object(known.candidate.kind, known.candidate.meta);
    }
}
