use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{MtlsMode, PeerAuthentication},
    workload::ProxyKind,
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "disable-at-ztunnel",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A PeerAuthentication with DISABLE is for a workload in ambient mode."),
    why: documented!("ztunnel cannot switch mutual TLS off: DISABLE is taken for PERMISSIVE."),
    instead: documented!("Write PERMISSIVE, which is what happens."),
    limits: documented!(
        "Workloads that are among the manifests, in ambient mode by a label of theirs or of their namespace."
    ),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l4-policy/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{mtls: {mode: DISABLE}}"#
            ),
            object!("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "{}"),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{mtls: {mode: PERMISSIVE}}"#
            ),
            object!("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "{}"),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        request: None,
    }),
    looks: Looks { peer: Some(peer), ..Looks::NOWHERE },
};

fn peer<'l>(findings: &mut Findings<'l>, peer: &'l PeerAuthentication) {
    let disabled = |mode: Option<MtlsMode>| mode == Some(MtlsMode::Disable);
    if !disabled(peer.mode) && !peer.ports.iter().any(|(_, mode)| disabled(*mode)) {
        return;
    }
    let mut reached = findings.input.context.reached(Policy::PeerAuthentication(peer));
    let Some(known) = reached.find(|known| known.proxy() == ProxyKind::Ztunnel) else { return };
    let message = format!(
        "{} is behind ztunnel, to which DISABLE is PERMISSIVE",
        known.candidate.workload.display_name()
    );
    findings
        .at(Policy::PeerAuthentication(peer), peer.meta.at, "spec.mtls", message, "write PERMISSIVE")
        .see_object(known.candidate.kind, known.candidate.meta);
}
