use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Attribute, Severity,
    resource::{Action, AuthorizationPolicy, Rule, Text},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "split-rule",
    group: Group::Shape,
    severity: Severity::Warning,
    since: None,
    what: documented!("A rule has only `from`, and the one below it only `to` or `when`."),
    why: documented!(
        "Rules are alternatives: each allows or denies by itself. With a dash in front of `to` the caller \
        of the first rule may do everything, and everybody may do what the second one names."
    ),
    instead: documented!(
        "Take the dash away, so that `from`, `to` and `when` are one rule; or give the second rule a \
        `from` of its own."
    ),
    limits: documented!(
        "Only policies of exactly two such rules. In ALLOW policies it is a hint, and silent where the \
        second rule is about health, readiness or metrics, about OPTIONS, or about ports alone: these \
        are often open to everybody."
    ),
    source: documented!("https://github.com/istio/istio/issues/39297"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: DENY, rules: [{from: [{source: {notNamespaces: [web]}}]}, {to: [{operation: {paths: ["/web/*"]}}]}]}"#
        ),
        good: policy!(
            r#"{action: DENY, rules: [{from: [{source: {notNamespaces: [web]}}], to: [{operation: {paths: ["/web/*"]}}]}]}"#
        ),
        request: Some(
            "{workload: {namespace: shop}, request: {path: /web/x, source: {principal: \
            cluster.local/ns/web/sa/a}}}",
        ),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy(findings: &mut Findings<'_>, policy: &AuthorizationPolicy) {
    let [first, second] = policy.rules.as_slice() else { return };
    let callers = |rule: &Rule| !rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty();
    let rest = |rule: &Rule| {
        rule.from.is_empty() && !(rule.to.is_empty() && rule.when.is_empty()) && rule.pruned.is_empty()
    };
    if !callers(first) || !rest(second) || (policy.action == Action::Allow && is_open(second)) {
        return;
    }
    let does = if policy.action == Action::Deny { "deny" } else { "allow" };
    let message = format!(
        "the rules {does} each by itself: the first whatever these callers do, the second whoever calls"
    );
    let help = "for both at once take the dash in front of `to` or `when` away";
    let found = findings.in_policy(policy, second.at, "spec.rules[1]".to_owned(), message, help);
    found.beside(&policy.meta.file, first.at, "the rule with `from`".to_owned());
    if policy.action != Action::Deny {
        found.severity(Severity::Hint);
    }
}

/// What is often open to everybody.
fn is_open(rule: &Rule) -> bool {
    const OPEN: [&str; 9] =
        ["health", "ready", "live", "metrics", "status", "ping", "favicon", "well-known", "public"];
    let open_path = |text: &Text| OPEN.iter().any(|word| text.text.contains(word));
    rule.when.is_empty()
        && rule.to.iter().all(|set| {
            let paths = &set.get(Attribute::Path).values;
            let methods = &set.get(Attribute::Method).values;
            let ports_alone = set.iter().all(|(attribute, _)| attribute == Attribute::Port);
            ports_alone
                || (!paths.is_empty() && paths.iter().all(open_path))
                || methods.iter().any(|method| method.text == "OPTIONS")
        })
}
