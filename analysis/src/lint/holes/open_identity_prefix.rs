use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, resource::Action};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "open-identity-prefix",
    group: Group::Holes,
    severity: Severity::Hint,
    since: None,
    what: documented!("The pattern of a principal ends inside a name."),
    why: documented!(
        "`cluster.local/ns/dev*` means the namespaces `dev-tools` and `device` as well, and whoever may \
        make a namespace may choose such a name."
    ),
    instead: documented!("End the pattern with a slash and a star: `cluster.local/ns/dev/*`."),
    limits: documented!(
        "Only in ALLOW rules. Names that end with a hyphen in front of the star are taken for meant."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {principals: ["cluster.local/ns/dev*"]}}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {principals: ["cluster.local/ns/dev/*"]}}]}]}"#
        ),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/device/sa/a}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Principal || values.negated || values.policy.action != Action::Allow {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Some(prefix) = text.text.strip_suffix('*') else { continue };
        if !prefix.contains("/ns/") || prefix.ends_with(['/', '-', '*']) || prefix.starts_with('*') {
            continue;
        }
        let message = format!("`{}` ends inside a name, and means every name that begins so", text.text);
        findings.at_value(values, index, message, format!("write `{prefix}/*`"));
    }
}
