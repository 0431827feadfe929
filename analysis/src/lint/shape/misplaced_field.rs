use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Attribute, Diagnostic, Severity,
    attribute::Part,
    resource::{Action, AuthorizationPolicy, PeerAuthentication, RequestAuthentication, Target},
};
use std::{collections::HashMap, sync::Arc};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "misplaced-field",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("A field stands on another level than the one that it belongs to."),
    why: documented!(
        "The API server cuts away what it does not know on a level, and takes the rest: a rule loses the \
        condition and matches more, a policy loses its rules and matches nothing, or its selector and applies \
        to the whole namespace. `kubectl apply` warns or refuses; Helm, Argo CD and Flux may not. The finding says \
        what is left."
    ),
    instead: documented!(
        "Move it to the level that the finding names; mostly it is a matter of indentation."
    ),
    limits: documented!("Fields that exist on no level are left to `unknown-field`."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{rules: [{to: [{operation: {methods: [GET]}, when: [{key: "request.headers[x-team]", values: [shop]}]}]}]}"#
        ),
        good: policy!(
            r#"{rules: [{to: [{operation: {methods: [GET]}}], when: [{key: "request.headers[x-team]", values: [shop]}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {method: GET}}"),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

/// A policy of one of the three kinds.
#[derive(Clone, Copy)]
enum Found<'l> {
    Authorization(&'l AuthorizationPolicy),
    Tokens(&'l RequestAuthentication),
    Peer(&'l PeerAuthentication),
}

fn all(findings: &mut Findings<'_>) {
    let unknown = findings.input.diagnostics.iter().filter(|found| found.code == "unknown-field");
    let unknown: Vec<&Diagnostic> = unknown.collect();
    if unknown.is_empty() {
        return;
    }
    let resources = findings.input.resources;
    let mut policies: HashMap<(&Arc<str>, String), Found<'_>> = HashMap::new();
    for policy in &resources.authorization {
        let name = format!("AuthorizationPolicy {}/{}", policy.meta.namespace, policy.meta.name);
        policies.insert((&policy.meta.file, name), Found::Authorization(policy));
    }
    for policy in &resources.request_authentication {
        let name = format!("RequestAuthentication {}/{}", policy.meta.namespace, policy.meta.name);
        policies.insert((&policy.meta.file, name), Found::Tokens(policy));
    }
    for policy in &resources.peer_authentication {
        let name = format!("PeerAuthentication {}/{}", policy.meta.namespace, policy.meta.name);
        policies.insert((&policy.meta.file, name), Found::Peer(policy));
    }
    for found in unknown {
        let Some(kind) = found.object.split(' ').next() else { continue };
        let (parent, key) = split(&found.field);
        let Some(home) = home(kind, parent, key) else { continue };
        let policy = policies.get(&(&found.file, found.object.clone()));
        let left = policy.map_or_else(String::new, |policy| format!(": {}", left(*policy, parent, key)));
        let level = if parent.is_empty() { "the top level" } else { parent };
        let finding = findings.at_place(
            found,
            format!("`{key}` is cut away, since it does not belong to {level}{left}"),
            home.advice(key),
        );
        if home == Home::At("metadata".into()) {
            finding.severity(Severity::Warning);
        }
    }
}

/// The parent and the name of a field: `spec.rules[0].to[0]` and `when`.
fn split(field: &str) -> (&str, &str) {
    field.rsplit_once('.').unwrap_or(("", field))
}

/// The level that a field belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Home {
    At(String),
    /// Headers are conditions of `when`.
    Header,
}

impl Home {
    fn advice(&self, key: &str) -> String {
        match self {
            Home::At(level) => format!("write it as `{level}.{key}`"),
            Home::Header => "write a condition of `when` with the key `request.headers[NAME]`".into(),
        }
    }
}

fn home(kind: &str, parent: &str, key: &str) -> Option<Home> {
    let level = match (kind, key) {
        (_, "name" | "namespace" | "labels" | "annotations") if !parent.starts_with("metadata") => {
            "metadata".into()
        }
        // Labels stand one level deeper.
        (_, _) if parent == "spec.selector" => "spec.selector.matchLabels".into(),
        (_, "matchLabels") => "spec.selector".into(),
        (_, "selector") => "spec".into(),
        ("AuthorizationPolicy", _) => return of_authorization(parent, key),
        ("RequestAuthentication", "jwtRules" | "targetRef" | "targetRefs") => "spec".into(),
        (
            "RequestAuthentication",
            "issuer"
            | "audiences"
            | "jwksUri"
            | "jwks"
            | "jwks_uri"
            | "fromHeaders"
            | "fromParams"
            | "fromCookies"
            | "outputPayloadToHeader"
            | "outputClaimToHeaders"
            | "forwardOriginalToken",
        ) => "spec.jwtRules[]".into(),
        ("PeerAuthentication", "mtls" | "portLevelMtls") => "spec".into(),
        ("PeerAuthentication", "mode") => "spec.mtls".into(),
        _ => return None,
    };
    Some(Home::At(level))
}

fn of_authorization(parent: &str, key: &str) -> Option<Home> {
    // The rule, and the element of it, that the field stands in.
    let element = |list: &str| {
        let start = parent.find(&format!(".{list}["))?;
        let end = start + parent.get(start..)?.find(']')?;
        parent.get(..=end).map(str::to_owned)
    };
    let rule = || {
        let end = parent.strip_prefix("spec.rules[").and_then(|rest| rest.find(']'));
        let rule = end.and_then(|end| parent.get(..="spec.rules[".len() + end));
        rule.unwrap_or("spec.rules[]").to_owned()
    };
    let inside = |list: &str| element(list).unwrap_or_else(|| format!("{}.{list}[]", rule()));
    let of = |part| Attribute::of_field(part, key).is_some();
    Some(Home::At(match key {
        "rules" | "action" | "provider" | "targetRef" | "targetRefs" => "spec".into(),
        "from" | "to" | "when" => rule(),
        "source" => inside("from"),
        "operation" => inside("to"),
        "key" | "values" | "notValues" => inside("when"),
        "headers" => return Some(Home::Header),
        _ if of(Part::Operation) => format!("{}.operation", inside("to")),
        _ if of(Part::Source) => format!("{}.source", inside("from")),
        _ => return None,
    }))
}

/// What the policy means without it.
fn left(policy: Found<'_>, parent: &str, key: &str) -> String {
    let everywhere = |namespace: &str| format!("the policy applies to every workload of {namespace}");
    match policy {
        _ if ["name", "labels", "annotations"].contains(&key) => "it has no effect".into(),
        Found::Authorization(policy) => {
            let bare = matches!(policy.target, Target::Namespace | Target::EmptySelector);
            let bare = bare || matches!(&policy.target, Target::Selector(labels) if labels.is_empty());
            let of_target = ["selector", "matchLabels", "targetRef", "targetRefs"].contains(&key)
                || parent == "spec.selector";
            match key {
                "namespace" => format!("the policy is in the namespace {}", policy.meta.namespace),
                _ if of_target && bare => everywhere(&policy.meta.namespace),
                _ if of_target => "the policy goes by the target that it has elsewhere".into(),
                "action" => format!("the policy stays {}", action(policy.action)),
                "provider" => "nobody is asked".into(),
                _ => rule_left(policy, parent),
            }
        }
        Found::Tokens(policy) => match key {
            "namespace" => format!("the policy is in the namespace {}", policy.meta.namespace),
            "selector" | "matchLabels" | "targetRef" | "targetRefs" if policy.target == Target::Namespace => {
                everywhere(&policy.meta.namespace)
            }
            _ if policy.rules.is_empty() => "the policy has no rules, and no token is looked at".into(),
            _ => "the rules go by the rest".into(),
        },
        Found::Peer(policy) => match (key, policy.mode) {
            ("namespace", _) => format!("the policy is in the namespace {}", policy.meta.namespace),
            ("selector" | "matchLabels", _) if policy.selector.is_none() => {
                everywhere(&policy.meta.namespace)
            }
            ("mode" | "mtls", None) => "the policy sets no mode".into(),
            ("portLevelMtls", _) => "every port goes by the mode of the policy".into(),
            _ => "the policy goes by the rest".into(),
        },
    }
}

fn rule_left(policy: &AuthorizationPolicy, parent: &str) -> String {
    let (nothing, every, more) = match policy.action {
        Action::Allow => ("allows nothing", "allows every request", "allows more than it seems to"),
        Action::Deny => ("denies nothing", "denies every request", "denies more than it seems to"),
        Action::Audit => ("audits nothing", "audits every request", "audits more than it seems to"),
        Action::Custom => {
            ("asks about nothing", "asks about every request", "asks about more than it seems to")
        }
    };
    let number = parent.strip_prefix("spec.rules[").and_then(|rest| rest.split(']').next());
    let rule = number.and_then(|number| policy.rules.get(number.parse::<usize>().ok()?));
    match rule {
        None if policy.rules.is_empty() => format!("the policy has no rules and {nothing}"),
        None => "the rules go by the rest".into(),
        Some(rule) if rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty() => {
            format!("the rule has no conditions and {every}")
        }
        // Another source beside those of the list would have meant more.
        Some(_) if parent.ends_with(".source") && parent.contains(".from[") => {
            "the rule goes by its other conditions".into()
        }
        Some(_) => format!("the rule goes by its other conditions and {more}"),
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Allow => "ALLOW: what its rules match is let in",
        Action::Deny => "DENY",
        Action::Audit => "AUDIT",
        Action::Custom => "CUSTOM",
    }
}
