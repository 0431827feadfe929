use crate::lint::{
    Example, Group, Lint,
    gateways::targets_gateway,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{PeerAuthentication, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "peer-authentication-on-gateway",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A PeerAuthentication selects a gateway."),
    why: documented!(
        "It says how proxies take connections from other proxies of the mesh. What a gateway takes from \
        outside is said by the `tls` of its Gateway: STRICT refuses no client there, and DISABLE opens \
        nothing."
    ),
    instead: documented!("Set `tls.mode: MUTUAL` in the Gateway to ask clients for certificates."),
    limits: documented!("Gateways told by Istio's usual labels or a Gateway among the manifests."),
    source: documented!("https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{selector: {matchLabels: {istio: ingressgateway}}, mtls: {mode: STRICT}}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"#
            )
        ),
        request: None,
    }),
    looks: Looks { peer: Some(peer), ..Looks::NOWHERE },
};

fn peer(findings: &mut Findings<'_>, peer: &PeerAuthentication) {
    let Some(labels) = peer.selector.as_ref().filter(|labels| !labels.is_empty()) else { return };
    let input = findings.input;
    let root = peer.meta.namespace == input.mesh.root_namespace;
    if root || !targets_gateway(&Target::Selector(labels.clone()), input.inventory) {
        return;
    }
    let message =
        "what a gateway takes from outside is said by its Gateway's `tls`, not by a PeerAuthentication";
    let gateway = input.inventory.gateways.iter().find(|gateway| gateway.selector == *labels);
    let found = findings.at(
        Policy::PeerAuthentication(peer),
        peer.meta.at,
        "spec.selector",
        message,
        "set `tls.mode: MUTUAL` in the Gateway",
    );
    if let Some(gateway) = gateway {
        found.see_object("Gateway", &gateway.meta);
    }
}
