use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, RuleAt},
};
use gnomon_engine::Severity;
use std::collections::HashSet;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "excluded-value",
    group: Group::Shape,
    severity: Severity::Warning,
    since: None,
    what: documented!("A value is excepted by the `not` twin of its field."),
    why: documented!("Exceptions are stronger: the value never matches."),
    instead: documented!("Remove it from one of the lists."),
    limits: documented!(
        "Where all values of the field are excepted it is a contradiction, which has a lint of its own."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{from: [{source: {namespaces: [web, bank], notNamespaces: [web]}}]}]}"#
        ),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: [bank]}}]}]}"#),
        request: None,
    }),
    looks: Looks { rule: Some(rule), ..Looks::NOWHERE },
};

fn rule(findings: &mut Findings<'_>, at: &RuleAt<'_>) {
    let RuleAt { policy, rule, index } = *at;
    let sets = rule.from.iter().chain(&rule.to).flat_map(|set| set.iter().map(|(_, values)| values));
    for values in sets.chain(rule.when.iter().map(|condition| &condition.values)) {
        if values.values.is_empty() || values.not_values.is_empty() {
            continue;
        }
        let not: HashSet<&str> = values.not_values.iter().map(|text| text.text.as_str()).collect();
        if values.values.iter().all(|text| not.contains(text.text.as_str())) || not.contains("*") {
            continue;
        }
        for text in values.values.iter().filter(|text| not.contains(text.text.as_str())) {
            let message = format!("`{}` is excepted beside it, and never matches", text.text);
            findings.in_policy(
                policy,
                text.at,
                format!("spec.rules[{index}]"),
                message,
                "remove it from one of the lists",
            );
        }
    }
}
