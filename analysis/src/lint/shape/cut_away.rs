//! Fields that the API server cuts away: where they belong, and what is left of the policy.

use crate::lint::walk::Findings;
use gnomon_engine::{
    Attribute, Diagnostic,
    attribute::Part,
    decode::{KINDS, nearest},
    resource::{Action, AuthorizationPolicy, PeerAuthentication, RequestAuthentication, Target},
};
use std::{collections::HashMap, sync::Arc};

/// A policy of one of the three kinds.
#[derive(Clone, Copy)]
enum Found<'l> {
    Authorization(&'l AuthorizationPolicy),
    Tokens(&'l RequestAuthentication),
    Peer(&'l PeerAuthentication),
}

/// A field that the API server cuts away.
pub(super) struct Field<'l> {
    /// What was said when it was read.
    pub(super) read: &'l Diagnostic,
    /// The kind of the object.
    pub(super) kind: &'l str,
    pub(super) parent: &'l str,
    pub(super) key: &'l str,
    /// The policy without it; `None`: Istio refuses what is left.
    policy: Option<Found<'l>>,
}

impl Field<'_> {
    /// `: what is left`, of a field that was to be this one.
    pub(super) fn left(&self, meant: &str) -> String {
        self.policy.map_or_else(String::new, |policy| format!(": {}", left(policy, self.parent, meant)))
    }

    /// Istio refuses what is left, and says so.
    pub(super) fn is_refused(&self) -> bool {
        self.policy.is_none()
    }
}

/// Every unknown field of the policies.
pub(super) fn each<'l>(findings: &mut Findings<'l>, look: impl Fn(&mut Findings<'l>, &Field<'l>)) {
    let input = findings.input;
    let unknown = input.diagnostics.iter().filter(|found| found.code == "unknown-field");
    let unknown: Vec<&'l Diagnostic> = unknown.collect();
    if unknown.is_empty() {
        return;
    }
    let resources = input.resources;
    let mut policies: HashMap<(&Arc<str>, String), Found<'l>> = HashMap::new();
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
    for read in unknown {
        let Some(kind) = read.object.split(' ').next().filter(|kind| KINDS.contains(kind)) else { continue };
        let (parent, key) = split(&read.field);
        let policy = policies.get(&(&read.file, read.object.clone())).copied();
        look(findings, &Field { read, kind, parent, key, policy });
    }
}

/// The parent and the name of a field: `spec.rules[0].to[0]` and `when`.
fn split(field: &str) -> (&str, &str) {
    field.rsplit_once('.').unwrap_or(("", field))
}

/// Where a field belongs.
pub(super) enum Home {
    /// On this level, with this name.
    At(String, String),
    /// Not as a field.
    Else(&'static str),
}

impl Home {
    pub(super) fn advice(&self) -> String {
        match self {
            Home::At(level, key) if level.is_empty() => format!("write it as `{key}`"),
            Home::At(level, key) => format!("write it as `{level}.{key}`"),
            Home::Else(advice) => (*advice).to_owned(),
        }
    }
}

/// Where a field of this name belongs; `None`: no kind has it.
pub(super) fn home(kind: &str, parent: &str, key: &str) -> Option<Home> {
    let level = match (kind, key) {
        (_, "matchExpressions") => {
            return Some(Home::Else(
                "Istio selects by `matchLabels` alone: name a label there that all of them have, or write a policy for each",
            ));
        }
        (_, _) if parent == "spec.selector" && nearest(key, ["matchLabels", "labels"]).is_some() => {
            return Some(Home::At("spec.selector".into(), "matchLabels".into()));
        }
        (_, "name" | "namespace" | "labels" | "annotations")
            if !parent.starts_with("metadata") && parent != "spec.selector" =>
        {
            "metadata".into()
        }
        // Labels stand one level deeper.
        (_, _) if parent == "spec.selector" => "spec.selector.matchLabels".into(),
        (_, "matchLabels") => "spec.selector".into(),
        (_, "selector") => "spec".into(),
        (_, "spec") => String::new(),
        ("AuthorizationPolicy", "jwtRules") => {
            return Some(Home::Else("write an object of the kind RequestAuthentication for it"));
        }
        ("RequestAuthentication", "rules" | "action") => {
            return Some(Home::Else(
                "rules about requests are an AuthorizationPolicy; how tokens are verified stands under `jwtRules`",
            ));
        }
        (_, "mtls") if kind != "PeerAuthentication" => {
            return Some(Home::Else("write an object of the kind PeerAuthentication for it"));
        }
        ("AuthorizationPolicy", _) => return of_authorization(parent, key),
        ("RequestAuthentication", "jwtRules" | "targetRef" | "targetRefs") => "spec".into(),
        ("RequestAuthentication", key) if OF_TOKENS.contains(&key) => match parent.split_once(']') {
            Some((rule, "")) if rule.starts_with("spec.jwtRules[") => parent.to_owned(),
            _ => "spec.jwtRules[]".into(),
        },
        ("PeerAuthentication", "mtls" | "portLevelMtls") => "spec".into(),
        ("PeerAuthentication", "mode") => "spec.mtls".into(),
        _ => return None,
    };
    Some(Home::At(level, key.into()))
}

/// The field that a name which no kind has was to be.
pub(super) fn meant(kind: &str, key: &str) -> Option<&'static str> {
    let of_rules = || Attribute::ALL.into_iter().filter_map(|one| one.row().field).flat_map(|(a, b)| [a, b]);
    let said = match (kind, key) {
        ("AuthorizationPolicy", "conditions" | "condition") => Some("when"),
        ("AuthorizationPolicy", "verbs") => Some("methods"),
        ("AuthorizationPolicy", "users") => Some("principals"),
        ("AuthorizationPolicy", "cidrs" | "ips") => Some("ipBlocks"),
        ("RequestAuthentication", "origins" | "jwts") => Some("jwtRules"),
        ("RequestAuthentication", "forward" | "forwardToken") => Some("forwardOriginalToken"),
        ("RequestAuthentication", "outputPayload") => Some("outputPayloadToHeader"),
        ("PeerAuthentication", "peers") => Some("mtls"),
        _ => None,
    };
    // `operations` means `operation`, whatever else resembles it.
    said.or_else(|| match kind {
        "AuthorizationPolicy" => nearest(key, OF_POLICIES.into_iter().chain(OF_RULES).chain(of_rules())),
        "RequestAuthentication" => nearest(key, OF_POLICIES.into_iter().chain(["jwtRules"]).chain(OF_TOKENS)),
        _ => nearest(key, OF_POLICIES.into_iter().chain(["mtls", "portLevelMtls", "mode"])),
    })
}

const OF_POLICIES: [&str; 5] = ["spec", "selector", "matchLabels", "targetRef", "targetRefs"];
const OF_RULES: [&str; 11] = [
    "rules",
    "action",
    "provider",
    "from",
    "to",
    "when",
    "source",
    "operation",
    "key",
    "values",
    "notValues",
];
const OF_TOKENS: [&str; 14] = [
    "issuer",
    "audiences",
    "jwksUri",
    "jwks",
    "jwks_uri",
    "fromHeaders",
    "fromParams",
    "fromCookies",
    "outputPayloadToHeader",
    "outputClaimToHeaders",
    "forwardOriginalToken",
    "spaceDelimitedClaims",
    "timeout",
    "presence",
];

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
    let level = match key {
        "rules" | "action" | "provider" | "targetRef" | "targetRefs" => "spec".into(),
        "from" | "to" | "when" => rule(),
        "source" => inside("from"),
        "operation" => inside("to"),
        "key" | "values" | "notValues" => inside("when"),
        "headers" => {
            return Some(Home::Else("write a condition of `when` with the key `request.headers[NAME]`"));
        }
        _ if of(Part::Operation) => format!("{}.operation", inside("to")),
        _ if of(Part::Source) => format!("{}.source", inside("from")),
        _ => return None,
    };
    Some(Home::At(level, key.into()))
}

/// What the policy means without it.
fn left(policy: Found<'_>, parent: &str, key: &str) -> String {
    let everywhere = |namespace: &str| format!("the policy applies to every workload of {namespace}");
    match policy {
        _ if ["name", "labels", "annotations"].contains(&key) && parent != "spec.selector" => {
            "it has no effect".into()
        }
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
