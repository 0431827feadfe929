use super::is_told;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "request-principal-shape",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A request principal is not `ISSUER/SUBJECT`."),
    why: documented!(
        "It is divided at the last slash. Without a subject behind it, or without a slash, it asks for an \
        empty `sub`, which no token has; of an issuer that is a URL the last part is taken for the \
        subject. With `*` in front a star behind is a character."
    ),
    instead: documented!(
        "Write `ISSUER/*` for everybody of an issuer; or ask for `request.auth.claims[iss]`."
    ),
    limits: documented!(
        "A value that ends with an issuer's path cannot be told from one with a subject unless a \
        RequestAuthentication among the manifests has that issuer."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["https://issuer.test/"]}}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["https://issuer.test/*"]}}]}]}"#
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    if values.attribute != Attribute::RequestPrincipal {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        if value == "*" || is_told(values.attribute, value) {
            continue;
        }
        let what = match (value.strip_prefix('*'), value.rsplit_once('/')) {
            (Some(rest), Some((_, subject))) if subject.ends_with('*') => {
                format!(
                    "with `*` in front the one behind is a character: `{rest}` asks for a subject that ends so"
                )
            }
            (Some(_), _) => continue,
            (None, None) if value.ends_with('*') => continue,
            (None, None) => format!("`{value}` has no subject, and asks for an empty one"),
            (None, Some((_, ""))) => format!("`{value}` asks for an empty subject"),
            (None, Some(_)) => {
                let policy = values.policy;
                let mut rules = findings
                    .input
                    .context
                    .token_rules(&policy.meta, &policy.target)
                    .flat_map(|policy| &policy.rules);
                match rules.any(|rule| rule.issuer.text == value) {
                    true => format!("`{value}` is an issuer, and its last part is taken for the subject"),
                    false => continue,
                }
            }
        };
        let message = format!("{what}: {}", values.void());
        findings.at_value(values, index, message, "write `ISSUER/*`, or `ISSUER/SUBJECT`");
    }
}
