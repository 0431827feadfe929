use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attach::Policy, workload::ProxyKind};
use gnomon_manifests::inventory::Candidate;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "service-port",
    group: Group::Holes,
    severity: Severity::Error,
    since: None,
    what: documented!("A rule names a port of a Service, and the workload behind it listens on another one."),
    why: documented!(
        "A sidecar or gateway sees the port on which it accepts the connection: the `targetPort`. Such an \
        ALLOW rule never allows, and such a DENY rule never denies."
    ),
    instead: documented!("Write the target port."),
    limits: documented!(
        "Only where the workloads that the policy applies to, and the Services that lead to them, are \
        among the manifests. A waypoint sees the Service's port and is left alone."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {ports: ["80"]}}]}]}"#
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
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {ports: ["8080"]}}]}]}"#
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
        request: Some(
            "{workload: {namespace: shop, labels: {app: web}}, request: {destination: {port: 8080}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    if values.attribute != Attribute::Port {
        return;
    }
    let context = findings.input.context;
    let reached: Vec<_> =
        context.reached(Policy::Authorization(values.policy)).map(|known| known.candidate).collect();
    if reached.is_empty() || reached.iter().any(|one| one.workload.proxy == ProxyKind::Waypoint) {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Ok(number) = text.text.parse::<u16>() else { continue };
        let mut all = reached.iter().flat_map(|one| &one.reached);
        if all.clone().any(|one| one.target.is_none_or(|target| target == number))
            || listens(findings, &reached, number)
        {
            continue;
        }
        let Some(one) = all.find(|one| one.port.number == number) else { continue };
        let target = one.target.unwrap_or_default();
        let message = format!(
            "{number} is the port of the Service; behind it the workload listens on {target}: {}",
            values.void()
        );
        findings
            .at_value(values, index, message, format!("write `\"{target}\"`"))
            .see_object("Service", &one.service.meta)
            .replace(values.policy, text, &[&target.to_string()]);
    }
}

/// A container says that it listens there.
fn listens(findings: &Findings<'_>, reached: &[&Candidate<'_>], number: u16) -> bool {
    let pods = findings.input.inventory.pods.iter();
    let declares = pods.filter(|pod| pod.ports.iter().any(|port| port.number == number));
    declares.into_iter().any(|pod| reached.iter().any(|one| std::ptr::eq(one.meta, &pod.meta)))
}
