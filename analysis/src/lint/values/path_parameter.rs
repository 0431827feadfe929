use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, template::is_template};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "path-parameter",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("A path has a parameter as routers write it: `/users/:id`, `/users/<id>`."),
    why: documented!("It is text: only a request whose path has these very characters matches."),
    instead: documented!("Write `{*}` for one segment, or a `*` at the end."),
    limits: documented!("Only whole segments. A path can have such a segment in truth."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/users/:id/orders"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/users/{*}/orders"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /users/7/orders}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Path {
        return;
    }
    let named = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_parameter = |segment: &&str| {
        let inner = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        segment.strip_prefix(':').or(inner).is_some_and(named)
    };
    for (index, text) in values.texts.iter().enumerate() {
        let mut segments = text.text.split('/');
        let Some(parameter) = segments.find(is_parameter) else { continue };
        let all: Vec<&str> =
            text.text.split('/').map(|one| if is_parameter(&one) { "{*}" } else { one }).collect();
        let template = all.join("/");
        let message = format!("`{parameter}` is text: only a path with these very characters matches");
        // A `*` at the end and a template do not mix.
        let fits = is_template(&template) && !template.replace("{*}", "").contains('*');
        let help = match fits {
            true => format!("write `{template}`"),
            false => "write a `*` at the end, or list the paths".to_owned(),
        };
        let found = findings.at_value(values, index, message, help);
        if fits {
            found.replace(values.policy, text, &[&template]);
        }
    }
}
