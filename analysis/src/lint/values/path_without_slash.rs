use super::is_told;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, template::is_template};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "path-without-slash",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A path begins neither with `/` nor with `*`."),
    why: documented!(
        "Every path begins with a slash, the one of a gRPC call too: `/package.Service/Method`."
    ),
    instead: documented!("Put a slash in front; of a URL keep what stands behind the host."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["api/*"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/*"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /api/x}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Path {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        // The others have lints of their own, or are refused.
        if value.starts_with(['/', '*', '{', '^', '?', '(', '.'])
            || is_template(value)
            || is_told(values.attribute, value)
        {
            continue;
        }
        let message = format!("no path begins as `{value}` does: {}", values.void());
        let slashed = format!("/{value}");
        if value.contains("://") {
            findings.at_value(
                values,
                index,
                message,
                "write what stands behind the host, and the host into `hosts`",
            );
            continue;
        }
        findings.at_value(values, index, message, format!("write `{slashed}`")).replace(
            values.policy,
            text,
            &[&slashed],
        );
    }
}
