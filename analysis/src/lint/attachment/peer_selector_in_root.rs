use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{Severity, attach::Policy, resource::PeerAuthentication};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "peer-selector-in-root",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A PeerAuthentication with a selector is in the root namespace."),
    why: documented!(
        "It counts nowhere, not even for workloads of the root namespace: there only policies without \
        labels are read, for the whole mesh."
    ),
    instead: documented!("Move it to the namespace of the workloads, or remove the selector."),
    limits: documented!("Root namespace: that of the mesh's settings."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/peer_authentication/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: web, namespace: istio-system",
                r#"{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: web, namespace: shop",
                r#"{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"#
            )
        ),
        request: Some("{workload: {namespace: shop, labels: {app: web}}, request: {source: {ip: 10.0.0.1}}}"),
    }),
    looks: Looks { peer: Some(peer), ..Looks::NOWHERE },
};

fn peer(findings: &mut Findings<'_>, peer: &PeerAuthentication) {
    let labels = peer.selector.as_ref().is_some_and(|labels| !labels.is_empty());
    if !labels || peer.meta.namespace != findings.input.mesh.root_namespace {
        return;
    }
    let message = "in the root namespace a PeerAuthentication with a selector counts nowhere";
    findings.at(
        Policy::PeerAuthentication(peer),
        peer.meta.at,
        "spec.selector",
        message,
        "move it to the workloads' namespace",
    );
}
