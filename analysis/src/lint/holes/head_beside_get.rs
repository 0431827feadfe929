use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "head-beside-get",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A DENY rule names GET and not HEAD, or an ALLOW rule excepts GET alone."),
    why: documented!(
        "Servers answer HEAD like GET, without the body: its headers tell whether something is there, and \
        some applications do their work all the same."
    ),
    instead: documented!("List both."),
    limits: documented!("None."),
    source: documented!("https://github.com/istio/istio/issues/34355"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}"#),
        good: policy!(r#"{action: DENY, rules: [{to: [{operation: {methods: [GET, HEAD]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {method: HEAD}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Method || !values.guards() {
        return;
    }
    if values.texts.iter().any(|text| matches!(text.text.as_str(), "HEAD" | "*" | "H*")) {
        return;
    }
    let Some((index, text)) = values.texts.iter().enumerate().find(|(_, text)| text.text == "GET") else {
        return;
    };
    findings
        .at_value(
            values,
            index,
            "HEAD gets past it, and servers answer HEAD like GET",
            "list both `GET` and `HEAD`",
        )
        .replace(values.policy, text, &["GET", "HEAD"]);
}
