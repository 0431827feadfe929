use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "url-in-hosts",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A host has a scheme or a path."),
    why: documented!(
        "The Host header holds a name and perhaps a port. A value with a slash never equals it."
    ),
    instead: documented!("Write the host alone, and the path into `paths`."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {hosts: ["https://shop.test"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {hosts: [shop.test]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {host: shop.test}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Host {
        return;
    }
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| text.text.contains('/')) {
        let behind = text.text.split_once("://").map_or(text.text.as_str(), |(_, rest)| rest);
        let host = behind.split('/').next().unwrap_or_default();
        let message = format!("`{}` is no host: {}", text.text, values.void());
        findings.at_value(values, index, message, format!("write `{host}`, and paths into `paths`"));
    }
}
