use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, RuleAt},
};
use gnomon_engine::{
    Attribute, Severity,
    resource::{Match, Text},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "contradiction",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("Conditions of a rule exclude each other."),
    why: documented!("All of them have to hold, and no request is like that: the rule matches nothing."),
    instead: documented!("Remove one of the conditions, or make two rules of it: alternatives are rules."),
    limits: documented!(
        "Seen are a field whose values are all excepted by its `not` twin, and two conditions that want \
        different values of what a request has once: port, method, host, path, server name."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/#Rule"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {ports: ["8080"]}}], when: [{key: destination.port, values: ["9090"]}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {ports: ["8080"]}}]}, {to: [{operation: {ports: ["9090"]}}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {destination: {port: 8080}}}"),
    }),
    looks: Looks { rule: Some(rule), ..Looks::NOWHERE },
};

fn rule(findings: &mut Findings<'_>, at: &RuleAt<'_>) {
    let RuleAt { policy, rule, index } = *at;
    let sets = rule.from.iter().chain(&rule.to).flat_map(|set| set.iter().map(|(_, values)| values));
    let conditions = rule.when.iter().map(|condition| &condition.values);
    for values in sets.chain(conditions) {
        let excepted = |text: &Text| values.not_values.iter().any(|not| means(&not.text, &text.text));
        let Some(first) = values.values.first().filter(|_| values.values.iter().all(excepted)) else {
            continue;
        };
        let message = "all of these values are excepted beside them: nothing matches".to_owned();
        findings.in_policy(
            policy,
            first.at,
            format!("spec.rules[{index}]"),
            message,
            "remove the values, or the exceptions",
        );
    }
    // What the rule wants of each thing, as alternatives.
    let mut wanted: Vec<(Attribute, Vec<&Text>)> = Vec::new();
    for attribute in ONCE {
        let lists: Vec<&Match> = rule.to.iter().map(|set| set.get(attribute)).collect();
        if !lists.is_empty() && lists.iter().all(|list| !list.values.is_empty()) {
            wanted.push((attribute, lists.iter().flat_map(|list| &list.values).collect()));
        }
    }
    for condition in &rule.when {
        let Some((attribute, _)) = Attribute::of_key(&condition.key.text) else { continue };
        let values: Vec<&Text> = condition.values.values.iter().collect();
        if values.is_empty() || !ONCE.contains(&attribute) {
            continue;
        }
        let clash = |(other, texts): &&(Attribute, Vec<&Text>)| *other == attribute && !meet(texts, &values);
        if let Some((_, texts)) = wanted.iter().find(clash) {
            let one = texts.first().map_or("", |text| text.text.as_str());
            let message = format!(
                "`{}` cannot be one of these and `{one}` at once: nothing matches",
                condition.key.text
            );
            findings.in_policy(
                policy,
                condition.at,
                format!("spec.rules[{index}]"),
                message,
                "remove one, or make two rules of it",
            );
        }
        wanted.push((attribute, values));
    }
}

/// What a request has one of.
const ONCE: [Attribute; 5] =
    [Attribute::Port, Attribute::Method, Attribute::Host, Attribute::Path, Attribute::Sni];

/// The pattern matches all that the value does, as far as is easily told.
fn means(pattern: &str, value: &str) -> bool {
    if pattern == value || pattern == "*" {
        return true;
    }
    match pattern.strip_suffix('*') {
        Some(prefix) => {
            !value.starts_with('*')
                && !prefix.starts_with('*')
                && value.strip_suffix('*').unwrap_or(value).starts_with(prefix)
        }
        None => false,
    }
}

/// Something may be in both lists.
fn meet(one: &[&Text], other: &[&Text]) -> bool {
    let open = |texts: &[&Text]| texts.iter().any(|text| text.text.contains('*'));
    let same = |a: &Text, b: &Text| a.text.eq_ignore_ascii_case(&b.text);
    open(one) || open(other) || one.iter().any(|a| other.iter().any(|b| same(a, b)))
}
