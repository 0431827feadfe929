use super::is_told;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "principal-shape",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A principal is not of the shape `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`."),
    why: documented!(
        "Identities in a mesh all have this shape. A service account alone, `ns/…` without a trust \
        domain, or the name that Kubernetes gives to a service account is compared with the whole \
        identity and never equals it."
    ),
    instead: documented!(
        "Write the whole identity, or use `serviceAccounts: [NAMESPACE/ACCOUNT]` (Istio 1.25) or \
        `namespaces`."
    ),
    limits: documented!(
        "Identities of other systems can have another shape: whatever looks like a path below a domain is \
        only a warning, and a value with `*` in front is not looked at."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{from: [{source: {principals: [ns/web/sa/web]}}]}]}"#),
        good: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/web]}}]}]}"#
        ),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/web/sa/web}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Principal {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        let told = is_told(values.attribute, value);
        if value.starts_with('*') || value.starts_with("spiffe://") || told {
            continue;
        }
        let prefix = value.strip_suffix('*');
        let parts: Vec<&str> = value.split('/').collect();
        let whole = matches!(parts.as_slice(), [domain, "ns", namespace, "sa", account]
            if ![*domain, *namespace, *account].contains(&"")
                && ![*namespace, *account].iter().any(|name| name.contains(|c: char| c.is_ascii_uppercase())));
        let written = parts.len().saturating_sub(1);
        let fits = match prefix {
            // As far as whole parts go.
            Some(_) => {
                let begins = !matches!(parts.first(), Some(&("ns" | "sa" | "")));
                let is = |at: usize, word: &str| at >= written || parts.get(at) == Some(&word);
                begins && is(1, "ns") && is(3, "sa")
            }
            None => whole,
        };
        if fits {
            continue;
        }
        let never = !value.contains('/') || matches!(parts.first(), Some(&("ns" | "sa" | "")));
        let message = match never {
            true => format!("`{value}` is no identity: {}", values.void()),
            false => format!("`{value}` is not of the shape that identities in a mesh have"),
        };
        let help = "write `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, mostly `cluster.local/ns/…`";
        let found = findings.at_value(values, index, message, help);
        if !never {
            found.severity(Severity::Warning);
        }
    }
}
