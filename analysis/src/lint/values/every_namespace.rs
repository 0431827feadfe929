use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "every-namespace",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A pattern of a namespace matches identities of every namespace."),
    why: documented!(
        "istiod makes `.*/ns/…/.*` of it, with `.*` for each star, and that crosses slashes: a pattern \
        that ends in a part of `sa`, such as `*a`, is met by the `/sa/` that every identity has."
    ),
    instead: documented!("Name the namespaces, or use a pattern that does not end so."),
    limits: documented!(
        "ztunnel compares the namespace alone: for workloads in ambient mode the pattern means what it says."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: ["*a"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: ["*-a"]}}]}]}"#),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/bank/sa/b}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Namespace {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let Some((_, end)) = text.text.rsplit_once('*') else { continue };
        let starts = text.text.starts_with('*') && text.text.matches('*').count() == 1;
        if !starts || !["a", "sa"].contains(&end) {
            continue;
        }
        let message =
            format!("`{}` is met by the `/sa/` of every identity, whatever its namespace", text.text);
        findings.at_value(values, index, message, "name the namespaces");
    }
}
