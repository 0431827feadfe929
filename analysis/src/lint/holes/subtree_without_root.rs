use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, resource::Text};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "subtree-without-root",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "A DENY rule names what is below a path and not the path itself, or an ALLOW rule excepts it so."
    ),
    why: documented!(
        "`/admin/*` means paths that begin with `/admin/`. `/admin` gets past, and many applications \
        serve it like `/admin/`."
    ),
    instead: documented!("List `/admin` and `/admin/*`."),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/ops/best-practices/security/#authorization-policies"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: ["/admin/*"]}}]}]}"#),
        good: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/admin, "/admin/*"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /admin}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Path || !values.guards() {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Some(path) =
            text.text.strip_suffix("/*").filter(|path| path.len() > 1 && !path.contains(['*', '{']))
        else {
            continue;
        };
        let itself = |other: &Text| {
            other.text == path || other.text.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
        };
        if values.texts.iter().any(itself) {
            continue;
        }
        let message = format!("`{}` does not mean `{path}`", text.text);
        findings.at_value(values, index, message, format!("list `{path}` beside it")).replace(
            values.policy,
            text,
            &[path, &text.text],
        );
    }
}
