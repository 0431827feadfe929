use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::Severity;
use std::collections::HashSet;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "duplicate-value",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!("A list has the same value twice."),
    why: documented!("The second one adds nothing; perhaps another one was meant."),
    instead: documented!("Remove it, or write what was meant."),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET, GET]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}"#),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let mut seen = HashSet::new();
    for (index, text) in values.texts.iter().enumerate() {
        if !seen.insert(text.text.as_str()) {
            let message = format!("`{}` stands in the list already", text.text);
            let found = findings.at_value(values, index, message, "remove it, or write what was meant");
            found.take_out(values.policy, text.at);
        }
    }
}
