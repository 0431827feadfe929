use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attribute::Kind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "list-in-value",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("Several values are written as one."),
    why: documented!(
        "A value is compared as a whole: `GET,POST` is one method, which nobody sends. Commas, semicolons, bars and spaces \
        separate nothing."
    ),
    instead: documented!("Write each value by itself."),
    limits: documented!(
        "Methods, hosts, identities and namespaces; of paths only what has a separator followed by a slash. Headers and \
        claims can have any text."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: ["GET,POST"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: ["GET", "POST"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {method: GET}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    for (index, text) in values.texts.iter().enumerate() {
        let Some(parts) = parts(values.attribute, &text.text) else { continue };
        let message = format!("`{}` is one value, and none is so: {}", text.text, values.void());
        let help = format!(
            "list them: [{}]",
            parts.iter().map(|part| format!("{part:?}")).collect::<Vec<_>>().join(", ")
        );
        findings.at_value(values, index, message, help).replace(values.policy, text, &parts);
    }
}

/// What is written as one, where there is more.
pub(super) fn parts(attribute: Attribute, value: &str) -> Option<Vec<&str>> {
    let separates = |c: char| matches!(c, ',' | ';' | '|') || c.is_whitespace();
    let parts: Vec<&str> = value.split(separates).filter(|part| !part.is_empty()).collect();
    let plain = |part: &&str| !part.contains(['(', ')', '{', '}', '<', '>', '^', '$', '\\', '!']);
    let fits = match attribute.row().kind {
        Kind::Host | Kind::Principal | Kind::Namespace | Kind::ServiceAccount | Kind::TrustDomain => true,
        Kind::Path => parts.iter().all(|part| part.starts_with('/')),
        _ => matches!(attribute, Attribute::Method | Attribute::Sni),
    };
    (fits && parts.len() > 1 && parts.iter().all(plain)).then_some(parts)
}
