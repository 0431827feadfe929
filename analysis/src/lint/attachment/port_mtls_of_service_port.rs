use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{Severity, attach::Policy, resource::PeerAuthentication};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "port-mtls-of-service-port",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!(
        "`portLevelMtls` names a port of a Service, and the workload behind it listens on another one."
    ),
    why: documented!(
        "Its ports are those of the workload, as with `targetPort`. An entry for a port on which nothing \
        listens does nothing."
    ),
    instead: documented!("Write the target port."),
    limits: documented!(
        "Only where the workloads that it selects, and the Services that lead to them, are among the \
        manifests."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/peer_authentication/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{selector: {matchLabels: {app: web}}, portLevelMtls: {80: {mode: DISABLE}}}"#
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
                r#"{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}}}"#
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
                r#"{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { peer: Some(peer), ..Looks::NOWHERE },
};

fn peer<'l>(findings: &mut Findings<'l>, peer: &'l PeerAuthentication) {
    if peer.ports.is_empty() {
        return;
    }
    let reached: Vec<&Known<'l>> = findings.input.context.reached(Policy::PeerAuthentication(peer)).collect();
    for (number, _) in &peer.ports {
        let mut all = reached.iter().flat_map(|known| &known.candidate.reached);
        let declared = findings
            .input
            .inventory
            .pods
            .iter()
            .filter(|pod| pod.ports.iter().any(|port| port.number == *number));
        let listens = declared
            .into_iter()
            .any(|pod| reached.iter().any(|known| std::ptr::eq(known.candidate.meta, &pod.meta)));
        if listens || all.clone().any(|one| one.target.is_none_or(|target| target == *number)) {
            continue;
        }
        let Some(one) = all.find(|one| one.port.number == *number) else { continue };
        let target = one.target.unwrap_or_default();
        let message =
            format!("{number} is the port of the Service; behind it the workload listens on {target}");
        findings
            .at(
                Policy::PeerAuthentication(peer),
                peer.meta.at,
                format!("spec.portLevelMtls[{number}]"),
                message,
                format!("write {target}"),
            )
            .see_object("Service", &one.service.meta);
    }
}
