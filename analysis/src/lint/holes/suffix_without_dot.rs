use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, resource::Action};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "suffix-without-dot",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A host has a `*` in front that is not followed by a dot."),
    why: documented!("`*shop.test` means every host that ends so, `evilshop.test` too."),
    instead: documented!("Write `shop.test` and `*.shop.test`."),
    limits: documented!("Only in ALLOW rules."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {hosts: ["*shop.test"]}}]}]}"#),
        good: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {hosts: [shop.test, "*.shop.test"]}}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {host: evilshop.test}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let named = matches!(values.attribute, Attribute::Host | Attribute::Sni);
    if !named || values.negated || values.policy.action != Action::Allow {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Some(rest) = text.text.strip_prefix('*') else { continue };
        let letter = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !letter || !rest.contains('.') || rest.contains('*') {
            continue;
        }
        let message = format!("`{}` means `evil{rest}`, too", text.text);
        let dotted = format!("*.{rest}");
        findings.at_value(values, index, message, format!("write `{rest}` and `{dotted}`")).replace(
            values.policy,
            text,
            &[rest, &dotted],
        );
    }
}
