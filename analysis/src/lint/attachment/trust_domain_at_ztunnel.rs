use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Severity, attach::Policy, attribute::Ztunnel, workload::ProxyKind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "trust-domain-at-ztunnel",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A rule asks for trust domains at a workload in ambient mode."),
    why: documented!(
        "istiod leaves `trustDomains` out of what ztunnel gets, without a word: beside other conditions \
        the rule means every trust domain, alone it matches nothing."
    ),
    instead: documented!("Write the trust domain in `principals`: `partner.test/*`."),
    limits: documented!(
        "Workloads that are among the manifests, in ambient mode by a label of theirs or of their namespace."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{action: ALLOW, rules: [{from: [{source: {trustDomains: [partner.test], namespaces: [web]}}]}]}"#
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
            policy!(
                r#"{action: ALLOW, rules: [{from: [{source: {principals: [partner.test/ns/web/sa/web]}}]}]}"#
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
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    if values.attribute.row().ztunnel != Ztunnel::Lost {
        return;
    }
    let mut reached = findings.input.context.reached(Policy::Authorization(values.policy));
    let Some(known) = reached.find(|known| known.proxy() == ProxyKind::Ztunnel) else { return };
    let Some(first) = values.texts.first() else { return };
    let message = format!(
        "{} is behind ztunnel, for which `{}` is left out",
        known.candidate.workload.display_name(),
        values.name()
    );
    findings
        .in_policy(values.policy, first.at, values.field(), message, "write the trust domain in `principals`")
        .see_object(known.candidate.kind, known.candidate.meta);
}
