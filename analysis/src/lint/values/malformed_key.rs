use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "malformed-key",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A key of `when` is recognized by its beginning and cannot be used."),
    why: documented!(
        "istiod takes every key that begins with `request.headers`, `request.auth.claims` or \
        `experimental.envoy.filters.`, and drops the condition, of ALLOW the whole rule, where a name in \
        brackets does not follow at once."
    ),
    instead: documented!("Write `request.headers[NAME]`, without anything in front of the bracket."),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/conditions/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.headers.x-user[a]", values: [a]}]}]}"#
        ),
        good: policy!(r#"{action: ALLOW, rules: [{when: [{key: "request.headers[x-user]", values: [a]}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {headers: {x-user: a}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if !matches!(values.attribute, Attribute::Header | Attribute::Claim) || values.bracketed().is_none() {
        return;
    }
    let Some((_, rest)) = Attribute::of_key(values.name()) else { return };
    let Some(first) = values.texts.first().filter(|_| !rest.starts_with('[')) else { return };
    let message = format!(
        "istiod cannot use the key `{}`, and leaves out the condition, of ALLOW the rule",
        values.name()
    );
    findings.in_policy(
        values.policy,
        first.at,
        values.field(),
        message,
        "put the name in brackets at once behind the key's beginning",
    );
}
