use super::http_on_tcp::http_field;
use super::http_on_tcp::reaches;
use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{Action, AuthorizationPolicy},
    workload::ProxyKind,
};
use gnomon_manifests::inventory::Reached;
use std::collections::{HashMap, HashSet};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "tcp-port-refused",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("No ALLOW rule can allow a TCP port of a workload."),
    why: documented!(
        "Rules with conditions on HTTP are dropped on ports that a Service declares as TCP. As soon as an \
        ALLOW policy applies everything else is refused: of such a port every connection."
    ),
    instead: documented!(
        "Allow the port by what connections have: identities, namespaces, addresses, `ports`; or correct \
        the port's protocol (`appProtocol`, or its name)."
    ),
    limits: documented!(
        "Workloads and Services that are among the manifests. Workloads for which an ALLOW policy without \
        rules says that nothing else is to be allowed are reported, too."
    ),
    source: documented!(
        "https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {methods: [GET]}}]}]}"#
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
                r#"{selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {methods: [GET]}}]}, {from: [{source: {namespaces: [web]}}], to: [{operation: {ports: ["5432"]}}]}]}"#
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
            5432}, source: {principal: cluster.local/ns/web/sa/a}}}",
        ),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    let mut allowing: HashMap<*const Known<'l>, Vec<&'l AuthorizationPolicy>> = HashMap::new();
    for policy in &input.resources.authorization {
        if policy.action != Action::Allow || policy.dry_run {
            continue;
        }
        for known in input.context.reached(Policy::Authorization(policy)) {
            allowing.entry(std::ptr::from_ref(known)).or_default().push(policy);
        }
    }
    let mut told = HashSet::new();
    for known in input.context.workloads.iter().filter(|known| known.proxy() == ProxyKind::Sidecar) {
        let Some(policies) = allowing.get(&std::ptr::from_ref(known)) else { continue };
        // Where nothing at all is said of HTTP the refusal is meant.
        let Some(http) =
            policies.iter().find(|policy| policy.rules.iter().any(|rule| http_field(rule).is_some()))
        else {
            continue;
        };
        let rules = || policies.iter().flat_map(|policy| &policy.rules);
        let refused = |one: &&Reached<'_>| {
            let allowed = |target| rules().any(|rule| http_field(rule).is_none() && reaches(rule, target));
            one.port.protocol.is_tcp() && one.target.is_some_and(|target| !allowed(target))
        };
        let Some(one) = known.candidate.reached.iter().find(refused) else { continue };
        if !told.insert((std::ptr::from_ref(*http), &one.service.meta.name)) {
            continue;
        }
        let (name, target) = (known.candidate.workload.display_name(), one.target.unwrap_or_default());
        let message = format!(
            "no ALLOW rule can allow the TCP port {target} of {name}: those with HTTP are dropped there"
        );
        findings
            .in_policy(
                http,
                http.meta.at,
                "spec.rules".to_owned(),
                message,
                "allow the port by identities, addresses or `ports`, or correct its protocol",
            )
            .see_object("Service", &one.service.meta);
    }
}
