use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "port-zero",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A rule names the port 0."),
    why: documented!("No connection goes to it."),
    instead: documented!("Write the port that the workload listens on."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {ports: ["0"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {ports: ["8080"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {destination: {port: 8080}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Port {
        return;
    }
    for (index, _) in values.texts.iter().enumerate().filter(|(_, text)| text.text.parse() == Ok(0_u16)) {
        let message = format!("no connection goes to port 0: {}", values.void());
        findings.at_value(values, index, message, "write the port that the workload listens on");
    }
}
