use super::http_on_tcp::http_field;
use super::http_on_tcp::reaches;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, RuleAt},
};
use gnomon_engine::{Severity, attach::Policy, resource::Action, workload::ProxyKind};
use gnomon_manifests::inventory::Reached;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "http-on-tcp-service",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A DENY rule with conditions on HTTP applies to a workload with a TCP port."),
    why: documented!(
        "On a port that a Service declares as TCP a sidecar sees no requests. istiod drops the conditions \
        on HTTP, and what is left of the rule denies more than was meant: without anything else every \
        connection."
    ),
    instead: documented!(
        "Name the ports that speak HTTP in the rule, or correct the port's protocol (`appProtocol`, or \
        its name)."
    ),
    limits: documented!(
        "Workloads and Services that are among the manifests. Ports of which nothing says what they speak \
        are not counted. ALLOW rules have a lint of their own."
    ),
    source: documented!(
        "https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, action: DENY, rules: [{when: [{key: "request.headers[x-debug]", values: ["*"]}]}]}"#
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
                r#"{selector: {app: web}, ports: [{name: tcp-db, port: 5432}]}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, action: DENY, rules: [{to: [{operation: {ports: ["8080"]}}], when: [{key: "request.headers[x-debug]", values: ["*"]}]}]}"#
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
                r#"{selector: {app: web}, ports: [{name: tcp-db, port: 5432}]}"#
            )
        ),
        request: Some(
            "{workload: {namespace: shop, labels: {app: web}}, request: {protocol: tcp, destination: {port: \
            5432}}}",
        ),
    }),
    looks: Looks { rule: Some(rule), ..Looks::NOWHERE },
};

fn rule<'l>(findings: &mut Findings<'l>, at: &RuleAt<'l>) {
    let RuleAt { policy, rule, .. } = *at;
    if policy.action != Action::Deny {
        return;
    }
    let Some(http) = http_field(rule) else { return };
    let reached = findings.input.context.reached(Policy::Authorization(policy));
    for known in reached.filter(|known| known.proxy() == ProxyKind::Sidecar) {
        let tcp = |one: &&Reached<'_>| {
            one.port.protocol.is_tcp() && one.target.is_some_and(|target| reaches(rule, target))
        };
        let Some(one) = known.candidate.reached.iter().find(tcp) else { continue };
        let (name, target) = (known.candidate.workload.display_name(), one.target.unwrap_or_default());
        let message = format!(
            "on the TCP port {target} of {name} there is no `{http}`: it is dropped, and the rule denies what the rest means"
        );
        findings
            .at_rule(at, message, "name the ports that speak HTTP, or correct the port's protocol")
            .see_object("Service", &one.service.meta);
        return;
    }
}
