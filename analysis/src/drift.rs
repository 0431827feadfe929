//! What is declared beside what a proxy has loaded: do requests fare the same, and which objects are not as declared?
//!
//! Requests are compared as in [`diff`](crate::diff), objects by the names that istiod gives to what it makes of them.

use crate::{
    diff::{
        Changes, Problem, Ready, Source, State, agree_on_scope, between, rule_change, version_skew, witness,
    },
    imported::Proxy,
};
use gnomon_engine::{
    Mesh, Position, Workload,
    attach::attach,
    jwt::{AppliedRule, Authenticator, Crypto, Place},
    plan::{Origin, Rule},
    prepare::{ProxySettings, RequestSpec},
    request::Protocol,
    resource::{Meta, MtlsMode},
    verdict::{Outcome, Stage},
};
use gnomon_symbolic::{Kind, Limits};
use serde::Serialize;
use std::collections::BTreeMap;

/// No more rules than this are compared one by one.
pub const RULES: usize = 1_000;

/// How what is loaded differs from what is declared.
#[derive(Debug)]
pub struct Drift {
    /// What fares otherwise: declared before, loaded now. `None`: it was not compared, since of `settings`.
    pub changes: Option<Changes>,
    /// Settings of the connection manager that are not as declared.
    pub settings: Vec<String>,
    /// Objects that are not as declared.
    pub objects: Vec<Object>,
    /// Every rule of one name on both sides was compared; false: there are too many, and of these only requests say
    /// whether they differ.
    pub complete: bool,
}

impl Drift {
    /// Every request fares as declared.
    pub fn is_equivalent(&self) -> bool {
        self.settings.is_empty() && self.changes.as_ref().is_some_and(Changes::is_equivalent)
    }
}

/// An object that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// `AuthorizationPolicy`, `RequestAuthentication` or `PeerAuthentication`; `RBAC policy` where it is none of Istio's.
    pub kind: String,
    /// `namespace/name`, or the name that the configuration gives it.
    pub name: String,
    /// Which rule; of RequestAuthentication which issuer.
    pub part: String,
    /// How.
    pub state: ObjectState,
    /// Where it is declared, or else loaded; empty where nothing says it.
    pub file: String,
    /// The line; 0 where there is none.
    pub line: u32,
    /// What is otherwise.
    pub why: Vec<String>,
}

/// How an object is not as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectState {
    /// Declared, and not loaded.
    Missing,
    /// Loaded, and declared no more.
    Stale,
    /// Loaded otherwise than declared.
    Different,
}

/// Compares what is declared for a workload with what its proxy has loaded. `now` is the clock.
///
/// # Errors
///
/// See [`Problem`].
pub fn drift<'a>(
    declared: State<'a>,
    loaded: Proxy<'a>,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Drift, Problem> {
    let (mut before, mut after) = (declared.ready(None)?, loaded.ready(Some(declared.workload))?);
    let settings = settings(declared.workload, declared.mesh, &after);
    agree_on_scope(&mut before, &mut after)?;
    let mut changes = None;
    if settings.is_empty() {
        let kinds = [Kind::Http, Kind::Connect, Kind::Tcp];
        let mut found = between(&kinds, &before, &after, now, crypto, Limits::default())?;
        version_skew::add(&mut found, (declared, &before), (loaded, &after), now, crypto);
        changes = Some(found);
    }
    let differs = changes.as_ref().is_none_or(|changes| !changes.is_equivalent());
    let (mut objects, complete) = policies(&before, loaded, declared.workload, differs, now, crypto)?;
    objects.extend(issuers(declared, after.plan.authenticator()));
    // The filters of one chain do not say what its listener lets through.
    if !after.behind_listener {
        objects.extend(modes(declared, loaded, &before, &after, now, crypto));
    }
    Ok(Drift { changes, settings, objects, complete })
}

/// What the connection manager does otherwise than istiod would have it.
fn settings(workload: &Workload, mesh: &Mesh, loaded: &Ready<'_>) -> Vec<String> {
    let declared = ProxySettings::of(workload, mesh);
    let Some(loaded) = loaded.plan.loaded_settings() else { return Vec::new() };
    let mut found = Vec::new();
    let mut compare = |what: &str, declared: String, loaded: String| {
        if declared != loaded {
            found.push(format!("{what}: declared {declared}, loaded {loaded}"));
        }
    };
    let flag = |value: bool| if value { "true" } else { "false" }.to_owned();
    compare("normalizePath", flag(declared.path.normalize), flag(loaded.path.normalize));
    compare("mergeSlashes", flag(declared.path.merge_slashes), flag(loaded.path.merge_slashes));
    let slashes = |settings: &ProxySettings| format!("{:?}", settings.path.escaped_slashes);
    compare("pathWithEscapedSlashesAction", slashes(&declared), slashes(loaded));
    let underscores = |settings: &ProxySettings| format!("{:?}", settings.underscores);
    compare("headersWithUnderscoresAction", underscores(&declared), underscores(loaded));
    compare("useRemoteAddress", flag(declared.gateway), flag(loaded.gateway));
    compare("xffNumTrustedHops", declared.hops.to_string(), loaded.hops.to_string());
    found
}

type Key = (&'static str, String, String, usize);

/// The enforced rules by the names that istiod gives them.
fn by_name<'p>(side: &'p Ready<'_>, protocol: Protocol) -> BTreeMap<Key, Vec<&'p Rule>> {
    let mut found: BTreeMap<Key, Vec<&Rule>> = BTreeMap::new();
    for stage in side.plan.stages(protocol).into_iter().filter(|stage| !stage.dry_run) {
        let action = match stage.stage {
            Stage::Custom => "CUSTOM",
            Stage::Deny => "DENY",
            Stage::Allow => "ALLOW",
            _ => continue,
        };
        for rule in stage.rules {
            let Origin { policy, index, .. } = &rule.origin;
            if !policy.name.is_empty() {
                // Rules of a provider that cannot be asked are loaded as DENY rules.
                let action = if rule.id.contains("istio-ext-authz-") { "CUSTOM" } else { action };
                let key = (action, policy.namespace.to_string(), policy.name.to_string(), *index);
                found.entry(key).or_default().push(rule);
            }
        }
    }
    found
}

fn object(
    (action, namespace, name, index): &Key,
    rule: &Rule,
    state: ObjectState,
    why: Vec<String>,
) -> Object {
    let istios = !namespace.is_empty();
    Object {
        kind: if istios { "AuthorizationPolicy" } else { "RBAC policy" }.into(),
        name: if istios { format!("{namespace}/{name}") } else { name.clone() },
        part: if istios { format!("{action} rule {index}") } else { (*action).into() },
        state,
        file: rule.origin.policy.file.to_string(),
        line: rule.origin.at.line,
        why,
    }
}

/// Authorization rules, and whether all were compared. Where requests fare the same, a rule of one name on both sides makes no difference.
fn policies(
    declared: &Ready<'_>,
    proxy: Proxy<'_>,
    workload: &Workload,
    differs: bool,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<(Vec<Object>, bool), Problem> {
    let loaded = proxy.ready(Some(workload))?;
    let (protocol, kind) = match loaded.has(Kind::Http) {
        true => (Protocol::Http, Kind::Http),
        false => (Protocol::Tcp, Kind::Tcp),
    };
    let (before, after) = (by_name(declared, protocol), by_name(&loaded, protocol));
    let complete = !differs || before.len() <= RULES;
    let mut objects = Vec::new();
    let first = |rules: &[&Rule]| rules.first().map(|rule| (*rule).clone());
    for (key, rules) in &before {
        let Some(rule) = first(rules) else { continue };
        let Some(there) = after.get(key) else {
            objects.push(object(key, &rule, ObjectState::Missing, Vec::new()));
            continue;
        };
        if !differs || !complete {
            continue;
        }
        let alone = |rules: &[&Rule]| -> Result<Ready<'_>, Problem> {
            let mut side = proxy.ready(Some(workload))?;
            // What the listener itself refuses, it refuses all the same.
            let unnamed = |protocol| -> Vec<Rule> {
                let stages = side.plan.stages(protocol);
                let all = stages.iter().flat_map(|stage| stage.rules);
                all.filter(|rule| rule.origin.policy.name.is_empty() && !rule.when.is_empty())
                    .cloned()
                    .collect()
            };
            let (http, tcp) = (unnamed(Protocol::Http), unnamed(Protocol::Tcp));
            let own: Vec<Rule> = rules.iter().map(|rule| (*rule).clone()).collect();
            side.plan.allow_only(own.clone(), own, true);
            Ok(side.also_denying(&http, &tcp))
        };
        let (a, b) = (alone(rules)?, alone(there)?);
        let same = match witness(&[kind], &a, &b, now, crypto, Limits::default()) {
            Ok(found) => found.is_none(),
            // The whole has been compared already; of the part nothing is said.
            Err(Problem::Undecided(_)) => true,
            Err(other) => return Err(other),
        };
        if !same {
            let why = there.first().map(|other| rule_change(&rule, other)).unwrap_or_default();
            objects.push(object(key, &rule, ObjectState::Different, why));
        }
    }
    for (key, rules) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        if let Some(rule) = first(rules) {
            objects.push(object(key, &rule, ObjectState::Stale, Vec::new()));
        }
    }
    Ok((objects, complete))
}

/// RequestAuthentication, by issuer.
fn issuers(declared: State<'_>, loaded: &Authenticator) -> Vec<Object> {
    let attached = attach(declared.resources, declared.workload, declared.mesh);
    let rules: Vec<_> = attached.jwt_rules.iter().map(|(_, rule)| *rule).collect();
    let own = Authenticator::compile(&rules, declared.mesh.istio_version);
    let owner = |issuer: &str| -> Option<(&Meta, Position)> {
        attached
            .jwt_rules
            .iter()
            .find(|(_, rule)| rule.issuer.text == issuer)
            .map(|(meta, rule)| (*meta, rule.at))
    };
    let told = |of: &Authenticator, issuer: &str| -> Vec<String> {
        let mut all: Vec<String> =
            of.rules().filter(|rule| rule.issuer() == issuer).map(|rule| described(&rule)).collect();
        all.sort();
        all
    };
    let named =
        |issuer: &str| if issuer.is_empty() { "any issuer".into() } else { format!("issuer {issuer}") };
    let mut names: Vec<&str> = own.rules().map(|rule| rule.issuer()).collect();
    names.extend(loaded.rules().map(|rule| rule.issuer()));
    names.sort_unstable();
    names.dedup();
    let mut objects = Vec::new();
    for issuer in names {
        let (before, after) = (told(&own, issuer), told(loaded, issuer));
        let state = match (before.is_empty(), after.is_empty()) {
            _ if before == after => continue,
            (false, true) => ObjectState::Missing,
            (true, _) => ObjectState::Stale,
            _ => ObjectState::Different,
        };
        let owner = owner(issuer);
        objects.push(Object {
            kind: "RequestAuthentication".into(),
            name: owner.map_or(String::new(), |(meta, _)| format!("{}/{}", meta.namespace, meta.name)),
            part: named(issuer),
            state,
            file: owner.map_or(String::new(), |(meta, _)| meta.file.to_string()),
            line: owner.map_or(0, |(_, at)| at.line),
            why: match state {
                ObjectState::Different => {
                    vec![format!("declared {}; loaded {}", before.join(" and "), after.join(" and "))]
                }
                _ => Vec::new(),
            },
        });
    }
    objects
}

/// What a rule asks of a token, in words.
fn described(rule: &AppliedRule<'_>) -> String {
    let audiences = match rule.audiences() {
        [] => "any audience".into(),
        some => format!("audiences {}", some.join(", ")),
    };
    let place = |place: &Place| match place {
        Place::Header { name, .. } => format!("header {name}"),
        Place::Param(name) => format!("parameter {name}"),
        Place::Cookie(name) => format!("cookie {name}"),
    };
    let places: Vec<String> = rule.places().iter().map(place).collect();
    let required = if rule.is_required() { ", required" } else { "" };
    format!("{audiences} in {}{required}", places.join(", "))
}

/// Mutual TLS, by port.
fn modes(
    declared: State<'_>,
    loaded: Proxy<'_>,
    before: &Ready<'_>,
    after: &Ready<'_>,
    now: i64,
    crypto: &dyn Crypto,
) -> Vec<Object> {
    let protocol = if after.has(Kind::Http) { Protocol::Http } else { Protocol::Tcp };
    let listed: Vec<u16> = before.plan.peer_modes().iter().filter_map(|modes| modes.port).collect();
    let mut objects = Vec::new();
    for modes in before.plan.peer_modes() {
        let [(mode, by)] = modes.modes[..] else { continue };
        let other = after.port.filter(|port| !listed.contains(port));
        let Some(port) = modes.port.or(other) else { continue };
        // Whatever the filters say: does the connection get to them?
        let gets_through = |peer: bool| -> Option<bool> {
            let spec = RequestSpec {
                protocol,
                method: "GET".into(),
                path: "/".into(),
                host: Some("example.com".into()),
                principal: peer.then(|| format!("{}/ns/default/sa/default", declared.mesh.trust_domain)),
                destination_port: Some(port),
                ..RequestSpec::default()
            };
            let report = loaded.report(&spec, now, crypto).ok()?;
            Some(!(report.verdict == Outcome::Deny && report.stage == Stage::Mtls))
        };
        let (Some(plain), Some(mutual)) = (gets_through(false), gets_through(true)) else { continue };
        let found = match (plain, mutual) {
            (true, true) => MtlsMode::Permissive,
            (false, true) => MtlsMode::Strict,
            (true, false) => MtlsMode::Disable,
            (false, false) => continue,
        };
        if found == mode || (mode == MtlsMode::Disable && plain) {
            continue;
        }
        let word = |mode| match mode {
            MtlsMode::Permissive => "PERMISSIVE",
            MtlsMode::Strict => "STRICT",
            MtlsMode::Disable => "DISABLE",
        };
        let policy = declared.resources.peer_authentication.iter().find(|policy| {
            by.is_some_and(|by| by == format!("{}/{}", policy.meta.namespace, policy.meta.name))
        });
        objects.push(Object {
            kind: "PeerAuthentication".into(),
            name: by.unwrap_or_default().into(),
            part: modes.port.map_or("every port".into(), |port| format!("port {port}")),
            state: if by.is_some() { ObjectState::Different } else { ObjectState::Stale },
            file: policy.map_or(String::new(), |policy| policy.meta.file.to_string()),
            line: policy.map_or(0, |policy| policy.meta.at.line),
            why: vec![format!("declared {}, loaded {}", word(mode), word(found))],
        });
    }
    objects
}
