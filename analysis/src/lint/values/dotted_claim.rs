use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "dotted-claim",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("The key of a claim has a dot between two names."),
    why: documented!(
        "Dots do not walk into objects: `claims[realm_access.roles]` is a claim with a dot in its name. A \
        claim inside a claim is `claims[realm_access][roles]`."
    ),
    instead: documented!("Write a pair of brackets for each level."),
    limits: documented!(
        "Claims with domains in their names (`kubernetes.io`, `https://example.com/role`) are left alone; \
        another claim that has a dot in its name is reported."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/conditions/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.auth.claims[realm_access.roles]", values: [admin]}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.auth.claims[realm_access][roles]", values: [admin]}]}]}"#
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const ENDINGS: [&str; 8] = ["io", "com", "org", "net", "dev", "local", "test", "example"];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Claim {
        return;
    }
    let Some(name) = values.bracketed() else { return };
    let parts: Vec<&str> = name.split('.').collect();
    let plain =
        |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if parts.len() < 2 || !parts.iter().all(plain) || parts.iter().any(|part| ENDINGS.contains(part)) {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let message = format!("`{name}` is one claim with dots in its name, not a claim inside a claim");
    let nested = format!("request.auth.claims[{}]", parts.join("]["));
    let help = format!("write `{nested}`");
    let found = findings.in_policy(values.policy, first.at, values.field(), message, help);
    // Once for the key, which `values` and `notValues` share.
    if let Some(key) = values.key().filter(|_| !values.negated) {
        found.replace(values.policy, key, &[&nested]);
    }
}
