use super::has_no_space;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "negated-value",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A value begins with `!`."),
    why: documented!(
        "No value excepts anything: the mark is a character like any other, which none of them begins with."
    ),
    instead: documented!(
        "Write the value without the mark into the field that excepts: `notMethods`, `notPaths`, `notValues`."
    ),
    limits: documented!("Headers, claims and other texts can begin with the mark: there it is a warning."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["!/admin"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {notPaths: [/admin, "/admin/*"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /orders}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    for (index, text) in values.texts.iter().enumerate() {
        let Some(value) = text.text.strip_prefix('!') else { continue };
        let field = match (values.attribute.row().field, values.key().is_some()) {
            (Some((_, not)), false) => not,
            _ => "notValues",
        };
        let certain = has_no_space(values.attribute);
        let message = match certain {
            true => format!(
                "`!` is a character like any other, and nothing is `{}`: {}",
                text.text,
                values.void()
            ),
            false => format!("`!` is a character like any other: `{}` is compared as it stands", text.text),
        };
        let help = match values.negated {
            true => format!("write `{}`: the field itself excepts", value.trim_start()),
            false => format!("write `{}` under `{field}`", value.trim_start()),
        };
        let found = findings.at_value(values, index, message, help);
        if !certain {
            found.severity(Severity::Warning);
        }
    }
}
