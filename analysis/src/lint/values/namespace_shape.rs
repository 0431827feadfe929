use super::is_told;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "namespace-shape",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A source's namespace is no name that a namespace can have."),
    why: documented!(
        "Namespaces are lower-case letters, digits and hyphens. One with a slash, a capital or a dot is \
        found in no identity."
    ),
    instead: documented!("Write the namespace's name alone."),
    limits: documented!("A `*` may stand anywhere."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: [ns/web]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/web/sa/a}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Namespace {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '*';
        // What is a regular expression is told so.
        let expression = text.text.contains(".*") || text.text.starts_with('^') || text.text.contains('[');
        if text.text.chars().all(fits) || expression || is_told(values.attribute, &text.text) {
            continue;
        }
        let message = format!("no namespace is called `{}`: {}", text.text, values.void());
        findings.at_value(
            values,
            index,
            message,
            "write the name alone: lower-case letters, digits, hyphens",
        );
    }
}
