use super::print;
use crate::{
    idle::{self, Why},
    lint::{
        Example, Group, Input, Lint,
        place::{Place, counts, least},
        walk::{Findings, Looks, RuleAt},
    },
};
use gnomon_engine::{Severity, Workload, plan::Origin, resource::AuthorizationPolicy, verdict::Stage};
use gnomon_symbolic::Limits;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "idle-rule",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!(
        "A rule that can never matter: other rules match all that it matches, no request is like that, or what it \
        alone allows is denied."
    ),
    why: documented!(
        "Whoever changes it changes nothing, and may think otherwise. That it is so is proven for all requests and \
        connections, at every workload that the policy can reach."
    ),
    instead: documented!(
        "Remove the rule, which `--fix` does where others cover it, or write what was meant."
    ),
    limits: documented!(
        "Not looked at are policies with several `targetRefs`, places with more than 60 rules, namespaces with more \
        than 300 policies, rules on tokens where it is not certain which RequestAuthentications apply, and what is beyond \
        the first 250 targets of policies. A DENY rule for what no ALLOW rule allows is left alone: it is a second \
        lock."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/*"]}}]}, {to: [{operation: {paths: [/api/orders], methods: [GET]}}]}]}"#
        ),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/*"]}}]}]}"#),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

/// Rules that are held against each other.
const RULES: usize = 60;
/// Targets of policies.
const TARGETS: usize = 250;
const LIMITS: Limits = Limits { nodes: 100_000, states: 50_000 };
/// Other places that a finding names.
const NAMED: usize = 5;

/// What is said of a rule that cannot match: of one whose values are told so, the frame takes it away.
pub(in crate::lint) const MATCHES_NOTHING: &str = "no request and no connection matches this rule";

/// A rule: namespace and name of its policy, and its index.
type Key = (String, String, usize);

fn key(rule: &Origin) -> Key {
    (rule.policy.namespace.to_string(), rule.policy.name.to_string(), rule.index)
}

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let by_name: HashMap<(&str, &str), &AuthorizationPolicy> = input
        .resources
        .authorization
        .iter()
        .map(|policy| ((policy.meta.namespace.as_str(), policy.meta.name.as_str()), policy))
        .collect();
    let mut known: BTreeMap<String, Rc<Vec<idle::Finding>>> = BTreeMap::new();
    // What is reported covers nothing: of two rules that say the same one stays.
    let mut gone: HashSet<Key> = HashSet::new();
    for policy in input.resources.authorization.iter().rev().filter(|policy| counts(policy)) {
        let Some(workload) = least(policy) else { continue };
        let name = format!("{} {:?} {:?}", workload.namespace, workload.labels, workload.services);
        let full = known.len() >= TARGETS;
        let idle = match known.get(&name) {
            Some(idle) => idle.clone(),
            None if full => continue,
            None => known.entry(name).or_insert(Rc::new(find(input, policy, &workload))).clone(),
        };
        let mut left = policy.rules.len();
        for (index, rule) in policy.rules.iter().enumerate().rev() {
            let own = (policy.meta.namespace.clone(), policy.meta.name.clone(), index);
            let Some(found) = idle.iter().find(|found| key(&found.rule) == own) else { continue };
            let at = RuleAt { policy, rule, index };
            match &found.why {
                Why::RefusedAnyway if found.stage == Stage::Allow => {
                    let message =
                        "what this rule alone allows is denied by other policies: it lets nothing in";
                    findings
                        .at_rule(&at, message, "remove it, or except what it is for where it is denied")
                        .severity(Severity::Warning);
                }
                Why::MatchesNothing => {
                    findings
                        .at_rule(&at, MATCHES_NOTHING, "correct it, or remove it")
                        .severity(Severity::Warning);
                }
                Why::CoveredBy(by) if !by.iter().any(|rule| gone.contains(&key(rule))) => {
                    gone.insert(own);
                    let places: Vec<_> = by.iter().filter_map(|rule| written(rule, &by_name)).collect();
                    // Where they are written alike, other lints say so.
                    if places.iter().any(|(_, other)| print(other) == print(rule)) {
                        continue;
                    }
                    let names: Vec<String> =
                        by.iter().take(NAMED).map(|rule| of_rule(rule, policy)).collect();
                    let more = if by.len() > NAMED { " and others" } else { "" };
                    let message = format!(
                        "all that this rule matches is matched by {}{more} already",
                        names.join(" and ")
                    );
                    let finding = findings.at_rule(&at, message, "remove it, or make the other one narrower");
                    for ((other, rule), origin) in places.iter().zip(by).take(NAMED) {
                        finding.beside(&other.meta.file, rule.at, of_rule(origin, policy));
                    }
                    if left > 1 {
                        finding.remove(policy, rule);
                        left -= 1;
                    }
                }
                _ => {}
            }
        }
    }
}

/// `rule 0`, of another policy `rule 0 of shop/read`.
fn of_rule(rule: &Origin, policy: &AuthorizationPolicy) -> String {
    let name = &rule.policy;
    match *name.name == policy.meta.name && *name.namespace == policy.meta.namespace {
        true => format!("rule {}", rule.index),
        false => format!("rule {} of {}/{}", rule.index, name.namespace, name.name),
    }
}

fn written<'l>(
    rule: &Origin,
    policies: &HashMap<(&str, &str), &'l AuthorizationPolicy>,
) -> Option<(&'l AuthorizationPolicy, &'l gnomon_engine::resource::Rule)> {
    let policy = *policies.get(&(&*rule.policy.namespace, &*rule.policy.name))?;
    Some((policy, policy.rules.get(rule.index)?))
}

/// The rules that can never matter where all of these policies apply, of whatever kind the proxy is and whatever else
/// applies there.
fn find(input: Input<'_>, policy: &AuthorizationPolicy, workload: &Workload) -> Vec<idle::Finding> {
    let Some(place) = Place::of(input, policy, workload, RULES) else { return Vec::new() };
    idle::rules_of_all(place.states(), LIMITS).unwrap_or_default()
}
