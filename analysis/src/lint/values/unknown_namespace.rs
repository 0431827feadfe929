use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unknown-namespace",
    group: Group::Values,
    severity: Severity::Hint,
    since: None,
    what: documented!("A source's namespace is not among the namespaces of the manifests."),
    why: documented!(
        "If no such namespace exists nobody comes from it: a typing error, or one that was renamed."
    ),
    instead: documented!("Correct the name, or add the namespace to the manifests."),
    limits: documented!(
        "Only where at least three Namespace objects are among the manifests. Namespaces that are made \
        elsewhere are reported too."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/analysis/ist0101/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{rules: [{from: [{source: {namespaces: [shpo]}}]}]}"#),
            object!("v1", "Namespace", "name: shop", "{}"),
            object!("v1", "Namespace", "name: web", "{}"),
            object!("v1", "Namespace", "name: bank", "{}")
        ),
        good: concat!(
            policy!(r#"{rules: [{from: [{source: {namespaces: [shop]}}]}]}"#),
            object!("v1", "Namespace", "name: shop", "{}"),
            object!("v1", "Namespace", "name: web", "{}"),
            object!("v1", "Namespace", "name: bank", "{}")
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let input = findings.input;
    if values.attribute != Attribute::Namespace || input.context.namespaces.len() < 3 {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let name = text.text.as_str();
        let given =
            ["default", input.mesh.root_namespace.as_str()].contains(&name) || name.starts_with("kube-");
        if given
            || !is_name(name)
            || input.context.namespaces.contains(name)
            || input.context.accounts.contains_key(name)
        {
            continue;
        }
        let message = format!("there is no namespace `{name}` among the manifests");
        findings.at_value(values, index, message, "correct the name, if it is not made elsewhere");
    }
}

/// What is no name has a lint of its own.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
