use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "star-says-nothing",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!("A `*` for host, method or path is met by every request."),
    why: documented!(
        "It excludes no request, but makes the rule one for HTTP: on a TCP port istiod leaves the rule \
        out of an ALLOW policy, and the condition out of others."
    ),
    instead: documented!("Remove the field."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: ["*"], ports: ["8080"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {ports: ["8080"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {protocol: tcp, destination: {port: 8080}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let said = matches!(values.attribute, Attribute::Host | Attribute::Method | Attribute::Path);
    if values.negated || !said || values.texts.len() > 1 {
        return;
    }
    let Some(text) = values.texts.first().filter(|text| text.text == "*") else { return };
    let message =
        format!("every request has a {}: the field excludes none", values.name().trim_end_matches('s'));
    findings.in_policy(values.policy, text.at, values.field(), message, "remove it");
}
