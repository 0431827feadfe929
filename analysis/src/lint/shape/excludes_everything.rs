use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, resource::Text};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "excludes-everything",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("A `not` field excepts every request."),
    why: documented!(
        "Every HTTP request has a host, a method and a path: with `*` in the `not` field the rule matches \
        none."
    ),
    instead: documented!("Remove the field, or name what is to be excepted."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {notPaths: ["*"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {notPaths: [/admin]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /a}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if !values.negated || !matches!(values.attribute, Attribute::Host | Attribute::Method | Attribute::Path) {
        return;
    }
    let everything =
        |text: &Text| text.text == "*" || (values.attribute == Attribute::Path && text.text == "/*");
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| everything(text)) {
        let message = format!("`{}` excepts every request, so that the rule matches none", text.text);
        findings.at_value(values, index, message, "remove it, or name what is to be excepted");
    }
}
