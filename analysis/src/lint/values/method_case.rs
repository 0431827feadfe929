use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "method-case",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A method is not written in capitals."),
    why: documented!("Methods are compared as they are sent, and HTTP's own are in capitals."),
    instead: documented!("Write it in capitals."),
    limits: documented!("Methods that HTTP and WebDAV do not know may be in any case and are left alone."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [get]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {method: GET}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const KNOWN: [&str; 16] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let of_header = values.attribute == Attribute::Header && values.bracketed() == Some(":method");
    if values.attribute != Attribute::Method && !of_header {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let capitals = text.text.to_ascii_uppercase();
        let known = KNOWN.contains(&capitals.trim_matches('*'));
        if !known || capitals == text.text {
            continue;
        }
        let message =
            format!("methods are compared with their case, and none is `{}`: {}", text.text, values.void());
        findings.at_value(values, index, message, format!("write `{capitals}`")).replace(
            values.policy,
            text,
            &[&capitals],
        );
    }
}
