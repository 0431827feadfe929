use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "raw-path-header",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A condition looks at the pseudo header `:path`."),
    why: documented!(
        "It holds the path with its query: `/admin?x` is not `/admin`, so that a question mark gets past \
        a DENY rule."
    ),
    instead: documented!("Use `paths`."),
    limits: documented!("In ALLOW rules, where a miss is refused and noticed, it is a hint."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: DENY, rules: [{when: [{key: "request.headers[:path]", values: [/admin]}]}]}"#
        ),
        good: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/admin, "/admin/*"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: \"/admin?x\"}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Header || values.bracketed() != Some(":path") {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let guards = values.guards();
    let message = "`:path` holds the query, too, with which a value is not equal any more".to_owned();
    let found = findings.in_policy(values.policy, first.at, values.field(), message, "use `paths`");
    if !guards {
        found.severity(Severity::Hint);
    }
}
