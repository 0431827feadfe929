use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "query-in-path",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A path has a query or a fragment."),
    why: documented!("Envoy cuts both off before it compares: no path has a `?` or a `#` in it."),
    instead: documented!(
        "Write the path alone. Queries can be asked for by an external authorizer, or as a header: \
        `request.headers[:path]` holds the path as sent."
    ),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/search?q=*"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: [/search]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: \"/search?q=a\"}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Path {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Some(at) = text.text.find(['?', '#']) else { continue };
        let (path, _) = text.text.split_at_checked(at).unwrap_or_default();
        let message = format!(
            "paths are compared without query and fragment, so that none is `{}`: {}",
            text.text,
            values.void()
        );
        let found = findings.at_value(values, index, message, format!("write `{path}`"));
        // A query that is asked for is lost by it: only an empty one goes by itself.
        let asked = text.text.get(at + 1..).unwrap_or_default();
        if asked.trim_matches('*').is_empty() && path.starts_with('/') {
            found.replace(values.policy, text, &[path]);
        }
    }
}
