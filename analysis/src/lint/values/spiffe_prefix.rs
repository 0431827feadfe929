use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attach::Policy, workload::ProxyKind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "spiffe-prefix",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A principal begins with `spiffe://`."),
    why: documented!(
        "istiod puts `spiffe://` in front of every principal itself, so that Envoy looks for \
        `spiffe://spiffe://…`, which no certificate has."
    ),
    instead: documented!("Write the identity without it: `cluster.local/ns/NAMESPACE/sa/ACCOUNT`."),
    limits: documented!(
        "ztunnel takes the prefix away: where all the workloads at hand that the policy applies to are in \
        ambient mode it is not reported."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {principals: ["spiffe://cluster.local/ns/web/sa/web"]}}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/web]}}]}]}"#
        ),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/web/sa/web}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    if values.attribute != Attribute::Principal {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Some(identity) = text.text.strip_prefix("spiffe://").filter(|identity| !identity.is_empty())
        else {
            continue;
        };
        let mut reached = findings.input.context.reached(Policy::Authorization(values.policy)).peekable();
        if reached.peek().is_some() && reached.all(|known| known.proxy() == ProxyKind::Ztunnel) {
            continue;
        }
        let message = format!(
            "Istio adds `spiffe://` itself, and looks for `spiffe://{}`: {}",
            text.text,
            values.void()
        );
        findings.at_value(values, index, message, format!("write `{identity}`")).replace(
            values.policy,
            text,
            &[identity],
        );
    }
}
