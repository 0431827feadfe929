use super::print;
use crate::{
    diff::State,
    idle::{self, Why},
    lint::{
        Example, Group, Input, Lint,
        context::asks_for_token,
        walk::{Findings, Looks, RuleAt},
    },
    workloads::{referenced, selected},
};
use gnomon_engine::{
    Mesh, Severity, Workload,
    attach::{Attachment, Policy, Subject},
    plan::Origin,
    resource::{Action, AuthorizationPolicy, Resources, Target},
    verdict::Stage,
    workload::{PathNormalization, ProxyKind},
};
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
/// Policies of a namespace and the root namespace together.
const POLICIES: usize = 300;
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

fn counts(policy: &AuthorizationPolicy) -> bool {
    matches!(policy.action, Action::Allow | Action::Deny) && !policy.dry_run && !policy.rules.is_empty()
}

/// A workload to which no other policies apply than those that apply wherever this one does.
fn least(policy: &AuthorizationPolicy) -> Option<Workload> {
    let meta = &policy.meta;
    match &policy.target {
        Target::Namespace | Target::EmptySelector => {
            Some(Workload { namespace: meta.namespace.clone(), ..Workload::default() })
        }
        Target::Selector(labels) => Some(selected(meta, labels)),
        Target::Refs(refs) => match &refs[..] {
            [one] => referenced(meta, one.kind, &one.name),
            _ => None,
        },
    }
}

/// The rules that can never matter where all of these policies apply, of whatever kind the proxy is and whatever else
/// applies there.
fn find(input: Input<'_>, policy: &AuthorizationPolicy, workload: &Workload) -> Vec<idle::Finding> {
    let Input { context, mesh, .. } = input;
    let namespace = policy.meta.namespace.as_str();
    let mut names = vec![namespace, mesh.root_namespace.as_str()];
    names.dedup();
    let near: usize = names.iter().filter_map(|name| context.authorization.get(name)).map(Vec::len).sum();
    if near > POLICIES {
        return Vec::new();
    }
    let nothing = Resources::default();
    let subject = Subject::new(&nothing, workload, mesh);
    let applies = |policy| matches!(subject.attachment(policy), Attachment::Applies(_));
    let here = names.iter().filter_map(|name| context.authorization.get(name)).flatten();
    let here = here.filter(|policy| counts(policy) && applies(Policy::Authorization(policy)));
    // Neither CUSTOM nor mutual TLS: they refuse more, and let nothing in.
    let authorization: Vec<AuthorizationPolicy> = here.map(|policy| (*policy).clone()).collect();
    let mut rules = authorization.iter().flat_map(|policy| &policy.rules);
    if rules.clone().count() > RULES {
        return Vec::new();
    }
    let mut tokens = context.token_rules(&policy.meta, &policy.target).peekable();
    let none = tokens.peek().is_none();
    let (applying, other): (Vec<_>, Vec<_>) =
        tokens.partition(|policy| applies(Policy::RequestAuthentication(policy)));
    if rules.any(asks_for_token) && (none || !other.is_empty()) {
        return Vec::new();
    }
    let resources = Resources {
        authorization,
        request_authentication: applying.into_iter().cloned().collect(),
        unverified: input.resources.unverified.clone(),
        ..Resources::default()
    };
    let mut meshes = vec![mesh.clone()];
    if !input.mesh_is_known {
        meshes.push(Mesh { path_normalization: PathNormalization::None, ..mesh.clone() });
    }
    let workloads: Vec<Workload> = kinds(input, policy, workload)
        .into_iter()
        .map(|proxy| Workload { proxy, ..workload.clone() })
        .collect();
    let states = meshes
        .iter()
        .flat_map(|mesh| workloads.iter().map(|workload| State { resources: &resources, workload, mesh }));
    idle::rules_of_all(states, LIMITS).unwrap_or_default()
}

/// What the proxies can be that ask the policy.
fn kinds(input: Input<'_>, policy: &AuthorizationPolicy, workload: &Workload) -> Vec<ProxyKind> {
    let mut kinds = vec![workload.proxy];
    if workload.proxy == ProxyKind::Sidecar {
        kinds.push(ProxyKind::Ztunnel);
    }
    for known in input.context.meant(&policy.meta, &policy.target) {
        if matches!(policy.target, Target::Refs(_)) {
            break;
        }
        match known.proxy() {
            ProxyKind::Agentgateway | ProxyKind::Waypoint => {}
            proxy if !kinds.contains(&proxy) => kinds.push(proxy),
            _ => {}
        }
    }
    kinds
}
