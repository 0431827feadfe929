//! What holds at one workload, without any request: mutual TLS, tokens, rules in their order, and what does not apply.

use gnomon_engine::{
    Mesh, Workload,
    attach::{NotApplied, NotAppliedReport, PortModes, attach, not_applied, verifies_peers},
    attribute::Attribute,
    resource::{Action, AuthorizationPolicy, FieldSet, JwtRule, Match, Meta, MtlsMode, Resources, Rule},
    versions::known,
    workload::ProxyKind,
};
use serde::Serialize;

/// All of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// What the workload is called, as the caller has it.
    pub workload: String,
    /// The proxy that enforces.
    pub proxy: ProxyKind,
    /// Mutual TLS, by port. Empty at gateways and waypoints, whose listeners are no business of PeerAuthentications.
    pub mtls: Vec<PortTls>,
    /// Some client certificates are taken unverified: identities prove nothing.
    pub unverified_peers: bool,
    /// The tokens that are accepted.
    pub tokens: Vec<Tokens>,
    /// The rules, in the order in which they are asked: CUSTOM, DENY, ALLOW, then those without a say.
    pub rules: Vec<RuleOf>,
    /// What happens to a request that no rule is about.
    pub default: Default,
    /// What does not apply, and why.
    pub not_applied: Vec<NotAppliedReport>,
}

/// What happens to a request that no rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Default {
    /// ALLOW policies apply: it is refused.
    Refused,
    /// None does: it passes.
    Allowed,
}

/// Mutual TLS of a port.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortTls {
    /// `None`: every port that is not listed.
    pub port: Option<u16>,
    /// `STRICT`, `PERMISSIVE` or `DISABLE`; several where the manifests do not tell which policy is the oldest.
    pub modes: Vec<&'static str>,
    /// The policy that sets it; `None`: Istio's default.
    pub by: Option<Place>,
}

/// A policy and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// `namespace/name`
    pub policy: String,
    /// Its file, empty where not known.
    pub file: String,
    /// The line in it.
    pub line: u32,
}

/// A rule for tokens.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// Empty: any.
    pub issuer: String,
    /// Empty: any.
    pub audiences: Vec<String>,
    /// Where the token is looked for.
    pub from: Vec<String>,
    /// Where the keys come from.
    pub keys: String,
    /// The rule.
    pub at: Place,
}

/// A rule of an AuthorizationPolicy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleOf {
    /// `ALLOW`, `DENY`, `CUSTOM` or `AUDIT`.
    pub action: &'static str,
    /// Only evaluated, never enforced.
    pub dry_run: bool,
    /// Who: one entry for each `from`; empty: anybody.
    pub from: Vec<String>,
    /// What: one entry for each `to`; empty: anything.
    pub to: Vec<String>,
    /// And all of these.
    pub when: Vec<String>,
    /// The policy has no rule: an ALLOW policy that lets nothing pass.
    pub nothing: bool,
    /// The rule, or the policy where it has none.
    pub at: Place,
}

/// Describes.
pub fn describe(name: String, resources: &Resources, workload: &Workload, mesh: &Mesh) -> Description {
    let unverified_peers = !verifies_peers(resources, workload);
    let not_applied = not_applied(resources, workload, mesh).iter().map(NotApplied::report).collect();
    let taken = known(resources, mesh.istio_version);
    let attached = attach(&taken, workload, mesh);
    let mtls = match workload.proxy {
        ProxyKind::Sidecar => Some(attached.peer.modes()),
        ProxyKind::Ztunnel => Some(attached.peer.ambient_modes()),
        _ => None,
    };
    let mut ports: Vec<PortTls> = Vec::new();
    if let Some(modes) = &mtls {
        ports.push(port(None, &modes.default));
        ports.extend(modes.ports.iter().map(|(number, modes)| port(Some(*number), modes)));
    }
    let mut rules: Vec<RuleOf> = Vec::new();
    for action in [Action::Custom, Action::Deny, Action::Allow, Action::Audit] {
        let policies = attached.authorization.iter().filter(|policy| policy.action == action);
        policies.for_each(|policy| rules_of(policy, &mut rules));
    }
    let allows =
        attached.authorization.iter().any(|policy| policy.action == Action::Allow && !policy.dry_run);
    Description {
        workload: name,
        proxy: workload.proxy,
        mtls: ports,
        unverified_peers,
        tokens: attached.jwt_rules.iter().map(|(meta, rule)| tokens(meta, rule)).collect(),
        rules,
        default: if allows { Default::Refused } else { Default::Allowed },
        not_applied,
    }
}

fn place(meta: &Meta, line: u32) -> Place {
    let line = if line == 0 { meta.at.line } else { line };
    Place { policy: format!("{}/{}", meta.namespace, meta.name), file: meta.file.to_string(), line }
}

fn port(port: Option<u16>, modes: &PortModes<'_>) -> PortTls {
    let mut words: Vec<&'static str> = Vec::new();
    for possible in &modes.possible {
        let word = match possible.mode {
            MtlsMode::Disable => "DISABLE",
            MtlsMode::Permissive => "PERMISSIVE",
            MtlsMode::Strict => "STRICT",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let by = modes.possible.iter().find_map(|possible| possible.set_by);
    PortTls { port, modes: words, by: by.map(|policy| place(&policy.meta, 0)) }
}

fn tokens(meta: &Meta, rule: &JwtRule) -> Tokens {
    let mut from: Vec<String> = Vec::new();
    for header in &rule.from_headers {
        let prefix =
            if header.prefix.is_empty() { String::new() } else { format!(" after {:?}", header.prefix) };
        from.push(format!("header {}{prefix}", header.name));
    }
    from.extend(rule.from_params.iter().map(|name| format!("parameter {name}")));
    from.extend(rule.from_cookies.iter().map(|name| format!("cookie {name}")));
    if from.is_empty() {
        from = vec!["header authorization after \"Bearer \"".into(), "parameter access_token".into()];
    }
    let keys = match (&rule.jwks, &rule.jwks_uri) {
        (Some(_), _) => "inline".to_owned(),
        (None, Some(uri)) => uri.text.clone(),
        (None, None) => {
            format!("{}/.well-known/openid-configuration", rule.issuer.text.trim_end_matches('/'))
        }
    };
    Tokens {
        issuer: rule.issuer.text.clone(),
        audiences: rule.audiences.clone(),
        from,
        keys,
        at: place(meta, rule.at.line),
    }
}

fn rules_of(policy: &AuthorizationPolicy, found: &mut Vec<RuleOf>) {
    let action = match policy.action {
        Action::Allow => "ALLOW",
        Action::Deny => "DENY",
        Action::Audit => "AUDIT",
        Action::Custom => "CUSTOM",
    };
    let of = |rule: &Rule, nothing| RuleOf {
        action,
        dry_run: policy.dry_run,
        from: rule.from.iter().map(fields).collect(),
        to: rule.to.iter().map(fields).collect(),
        when: rule.when.iter().map(|when| values(&when.key.text, "not ", &when.values)).collect(),
        nothing,
        at: place(&policy.meta, rule.at.line),
    };
    if policy.rules.is_empty() {
        found.push(of(&Rule::default(), true));
    }
    found.extend(policy.rules.iter().map(|rule| of(rule, false)));
}

/// `principals a, b; notPaths /x`
fn fields(set: &FieldSet) -> String {
    let field = |(attribute, matched): (Attribute, &Match)| {
        let (name, not_name) = attribute.row().field.unwrap_or_default();
        let list = |name: &str, values: &[gnomon_engine::resource::Text]| {
            let texts: Vec<&str> = values.iter().map(|value| value.text.as_str()).collect();
            (!texts.is_empty()).then(|| format!("{name} {}", texts.join(", ")))
        };
        [list(name, &matched.values), list(not_name, &matched.not_values)].into_iter().flatten()
    };
    set.iter().flat_map(field).collect::<Vec<_>>().join("; ")
}

fn values(key: &str, not: &str, matched: &Match) -> String {
    let list = |not: &str, values: &[gnomon_engine::resource::Text]| {
        let texts: Vec<&str> = values.iter().map(|value| value.text.as_str()).collect();
        (!texts.is_empty()).then(|| format!("{key} {not}{}", texts.join(", ")))
    };
    [list("", &matched.values), list(not, &matched.not_values)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}
