//! A deliberately naive evaluator: the reference text, paragraph by paragraph, on the resources as written.
//!
//! It compiles nothing, has no index, and shares no code with the plan. Only the token itself (signature, times,
//! audience) is left to the engine's JWT stage.

use crate::{attachment, strings};
use gnomon_engine::{
    Mesh, Request, Workload,
    jwt::{Authenticator, Crypto, Edit, Json},
    node::Value,
    request::{ExtAuthzAnswer, Input, Peer, Protocol},
    resource::{Action, AuthorizationPolicy, Match, MtlsMode, Resources, Rule as Written, Source, Text},
    verdict::{Outcome, Stage},
    workload::{ExtensionProvider, IstioVersion, ProviderKind, ProxyKind},
};
use std::{collections::BTreeSet, net::IpAddr};

/// Everything but the request.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) resources: Resources,
    pub(crate) workload: Workload,
    pub(crate) mesh: Mesh,
}

/// What of a verdict is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) stage: Stage,
    pub(crate) status: Option<u16>,
    pub(crate) policy: Option<String>,
    pub(crate) dry_allow: Option<(String, Option<String>)>,
    pub(crate) dry_deny: Option<(String, Option<String>)>,
    pub(crate) audit: bool,
    pub(crate) missing: BTreeSet<String>,
}

/// `None`: nobody can say.
type Maybe = Option<bool>;

fn all(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    let items: Vec<Maybe> = items.into_iter().collect();
    if items.contains(&Some(false)) {
        Some(false)
    } else if items.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn any(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    all(items.into_iter().map(|item| item.map(|item| !item))).map(|none| !none)
}

/// A condition, and the field of the request that it hangs on.
struct Condition {
    met: Maybe,
    input: &'static str,
}

/// A rule that the proxy has.
struct Rule {
    id: String,
    from: Vec<Vec<Condition>>,
    to: Vec<Vec<Condition>>,
    when: Vec<Condition>,
}

fn group(conditions: &[Condition]) -> Maybe {
    all(conditions.iter().map(|condition| condition.met))
}

fn either(groups: &[Vec<Condition>]) -> Maybe {
    if groups.is_empty() { Some(true) } else { any(groups.iter().map(|conditions| group(conditions))) }
}

impl Rule {
    fn matches(&self) -> Maybe {
        all([either(&self.from), either(&self.to), group(&self.when)])
    }

    /// What it hangs on: nothing once another alternative holds, nor what an alternative that fails anyway asks for.
    fn missing(&self) -> BTreeSet<String> {
        let mut open = vec![&self.when];
        for groups in [&self.from, &self.to] {
            if either(groups).is_none() {
                open.extend(groups.iter().filter(|conditions| group(conditions).is_none()));
            }
        }
        let open = open.into_iter().flatten().filter(|condition| condition.met.is_none());
        open.map(|condition| condition.input.to_string()).collect()
    }
}

/// The rules of one action in the order of their ids: the first that matches for certain, or whether any may.
fn first(rules: &mut [Rule]) -> (Maybe, Option<String>, BTreeSet<String>) {
    rules.sort_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
    let met = any(rules.iter().map(Rule::matches));
    let id = rules.iter().find(|rule| rule.matches() == Some(true)).map(|rule| rule.id.clone());
    let missing = rules.iter().filter(|rule| rule.matches().is_none()).flat_map(Rule::missing).collect();
    (met, id, missing)
}

/// A request as one stage sees it.
struct View<'a> {
    world: &'a World,
    request: &'a Request<'a>,
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    payload: Option<Json>,
    tcp: bool,
}

pub(crate) fn evaluate(world: &World, request: &Request<'_>, crypto: &dyn Crypto) -> Answer {
    let World { resources, workload, mesh } = world;
    let ztunnel = workload.proxy == ProxyKind::Ztunnel;
    let tcp = request.protocol == Protocol::Tcp || ztunnel;
    let lines = request.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let mut view = View { world, request, lines, payload: None, tcp };
    let mut answer = Answer {
        outcome: Outcome::Allow,
        stage: Stage::None,
        status: Some(200),
        policy: None,
        dry_allow: None,
        dry_deny: None,
        audit: false,
        missing: BTreeSet::new(),
    };
    // The first stage that may have refused.
    let mut doubt: Option<Stage> = None;
    let refused = |answer: Answer, stage: Stage, status: u16, policy: Option<String>| Answer {
        outcome: Outcome::Deny,
        stage,
        status: if tcp { None } else { Some(status) },
        policy,
        ..answer
    };
    let unknown = |answer: Answer, stage: Stage| Answer {
        outcome: Outcome::Unknown,
        stage,
        status: None,
        policy: None,
        ..answer
    };

    // Connection → mTLS gate.
    if matches!(workload.proxy, ProxyKind::Sidecar | ProxyKind::Ztunnel) {
        let mode = |port| attachment::mtls_mode(resources, workload, mesh, port);
        let modes = match request.destination_port {
            Input::Is(port) => vec![mode(Some(port))],
            Input::Absent => vec![mode(None)],
            Input::Unknown => (0..=u16::MAX)
                .filter(|port| mentions(resources, *port))
                .map(|port| mode(Some(port)))
                .chain([mode(None)])
                .collect(),
        };
        if modes.iter().any(|mode| *mode != modes[0]) {
            doubt = Some(Stage::Mtls);
            answer.missing.insert("destination.port".into());
        } else {
            let certificate = match request.peer {
                Peer::Plaintext => Some(false),
                Peer::Tls { names, .. } if !names.is_empty() => Some(true),
                Peer::Tls { complete: true, .. } => Some(false),
                Peer::Tls { complete: false, .. } => None,
            };
            match (modes[0], request.peer, certificate) {
                (MtlsMode::Disable, Peer::Tls { .. }, _) | (MtlsMode::Strict, _, Some(false)) => {
                    return Answer { status: None, ..refused(answer, Stage::Mtls, 0, None) };
                }
                (MtlsMode::Strict, _, None) => {
                    doubt = Some(Stage::Mtls);
                    answer.missing.insert("source.principal".into());
                }
                _ => {}
            }
        }
    }

    let policies: Vec<AuthorizationPolicy> = attachment::authorization(resources, workload, mesh)
        .into_iter()
        .filter_map(|policy| known_to(mesh.istio_version, policy))
        .collect();
    let of = |action: Action, dry_run: bool| -> Vec<&AuthorizationPolicy> {
        policies.iter().filter(|p| p.action == action && p.dry_run == dry_run).collect()
    };

    // CUSTOM; not sent to ztunnel.
    let custom: Vec<_> = if ztunnel { vec![] } else { of(Action::Custom, false) };
    if !custom.is_empty() {
        let names: BTreeSet<&str> =
            custom.iter().map(|p| p.provider.as_ref().map_or("", |name| &name.text)).collect();
        let usable = names.iter().next().and_then(|name| provider(mesh, name));
        let broken = names.len() > 1 || usable.is_none();
        let mut groups: Vec<Vec<Rule>> = Vec::new();
        for name in &names {
            let rules = custom.iter().filter(|p| p.provider.as_ref().is_some_and(|n| n.text == **name));
            groups.push(rules.flat_map(|policy| view.rules(policy)).collect());
        }
        if broken {
            // Each provider has its own filter since 1.30, in the order of their names.
            if mesh.istio_version < IstioVersion(1, 30) {
                groups = vec![groups.into_iter().flatten().collect()];
            }
            for rules in &mut groups {
                rules.iter_mut().for_each(|rule| rule.id += "-deny-due-to-bad-CUSTOM-action");
            }
            let found: Vec<_> = groups.iter_mut().map(|rules| first(rules)).collect();
            if let Some((_, id, _)) = found.iter().find(|(met, ..)| *met == Some(true)) {
                return refused(answer, Stage::Custom, 403, id.clone());
            }
            for (met, _, missing) in found {
                if met.is_none() {
                    doubt.get_or_insert(Stage::Custom);
                    answer.missing.extend(missing);
                }
            }
        } else if let Some(provider) = usable.filter(|p| !(tcp && matches!(p.kind, ProviderKind::Http(_)))) {
            let (met, id, missing) = first(&mut groups[0]);
            let said =
                request.ext_authz.iter().find(|(name, _)| *name == provider.name).map(|(_, said)| *said);
            let passes = match said {
                Some(ExtAuthzAnswer::Allow) => Some(true),
                Some(ExtAuthzAnswer::Deny) => Some(false),
                Some(ExtAuthzAnswer::Error) => Some(fails_open(provider)),
                None => None,
            };
            match (met, passes) {
                (Some(false), _) => {}
                (_, Some(true)) => answer.stage = Stage::Custom,
                (Some(true), Some(false)) => {
                    let status =
                        if said == Some(ExtAuthzAnswer::Error) { status_on_error(provider) } else { 403 };
                    return refused(answer, Stage::Custom, status, id);
                }
                (met, passes) => {
                    doubt.get_or_insert(Stage::Custom);
                    if met.is_none() {
                        answer.missing.extend(missing);
                    }
                    if passes.is_none() {
                        answer.missing.insert(format!("extAuthz.{}", provider.name));
                    }
                }
            }
        }
    }

    // JWT, HTTP only.
    if !tcp {
        let rules = attachment::jwt_rules(resources, workload, mesh);
        let found = Authenticator::compile(&rules, mesh.istio_version).authenticate(request, crypto);
        for edit in &found.edits {
            view.edit(edit);
        }
        view.payload = found.payload;
        match found.failure {
            Some(failure) if failure.missing.is_some() => {
                answer.missing.extend(failure.missing);
                return unknown(answer, doubt.unwrap_or(Stage::Jwt));
            }
            Some(failure) => return refused(answer, Stage::Jwt, failure.status, None),
            None => {}
        }
    }

    // AUDIT, no say.
    if !ztunnel {
        let mut rules: Vec<Rule> = of(Action::Audit, false).into_iter().flat_map(|p| view.rules(p)).collect();
        answer.audit = first(&mut rules).0 == Some(true);
    }

    // DENY: its shadow first.
    let shadow = |action, on_match: &str, otherwise: &str| {
        let policies = if ztunnel { vec![] } else { of(action, true) };
        let mut rules: Vec<Rule> = policies.iter().flat_map(|p| view.rules(p)).collect();
        let (met, id, _) = first(&mut rules);
        let result = match met {
            Some(true) => on_match,
            Some(false) => otherwise,
            None => "unknown",
        };
        (!policies.is_empty()).then(|| (result.to_string(), id))
    };
    answer.dry_deny = shadow(Action::Deny, "denied", "allowed");
    let mut rules: Vec<Rule> = of(Action::Deny, false).into_iter().flat_map(|p| view.rules(p)).collect();
    let (met, id, missing) = first(&mut rules);
    match met {
        Some(true) => return refused(answer, Stage::Deny, 403, id),
        None => {
            doubt.get_or_insert(Stage::Deny);
            answer.missing.extend(missing);
        }
        Some(false) => {}
    }

    // ALLOW: a default of refusal as soon as one is attached.
    answer.dry_allow = shadow(Action::Allow, "allowed", "denied");
    let allow = of(Action::Allow, false);
    if !allow.is_empty() {
        let mut rules: Vec<Rule> = allow.into_iter().flat_map(|p| view.rules(p)).collect();
        let (met, id, missing) = first(&mut rules);
        match met {
            Some(true) => {
                answer.stage = Stage::Allow;
                answer.policy = id;
            }
            Some(false) => return refused(answer, Stage::Allow, 403, None),
            None => {
                doubt.get_or_insert(Stage::Allow);
                answer.missing.extend(missing);
            }
        }
    }
    match doubt {
        Some(stage) => {
            let policy = answer.policy.clone();
            Answer { policy, ..unknown(answer, stage) }
        }
        None => answer,
    }
}

fn mentions(resources: &Resources, port: u16) -> bool {
    resources.peer_authentication.iter().any(|p| p.ports.iter().any(|(listed, _)| *listed == port))
}

/// The policy as a control plane of that version reads it: fields that its schema lacks are cut away, and what is then
/// no policy any more is not admitted.
fn known_to(version: IstioVersion, policy: &AuthorizationPolicy) -> Option<AuthorizationPolicy> {
    let mut policy = policy.clone();
    let none = |field: &Match| field.is_empty();
    for rule in &mut policy.rules {
        for source in &mut rule.from {
            if version < IstioVersion(1, 25) {
                source.service_accounts = Match::default();
            }
            if version < IstioVersion(1, 30) {
                source.trust_domains = Match::default();
            }
            let Source {
                principals,
                request_principals,
                namespaces,
                service_accounts,
                ip_blocks,
                remote_ip_blocks,
                trust_domains,
                ..
            } = source;
            let fields = [
                principals,
                request_principals,
                namespaces,
                service_accounts,
                ip_blocks,
                remote_ip_blocks,
                trust_domains,
            ];
            if fields.into_iter().all(|field| none(field)) {
                return None;
            }
        }
        for condition in &rule.when {
            let since = match condition.key.text.as_str() {
                "source.serviceAccount" => 25,
                "source.trustDomain" => 30,
                _ => 0,
            };
            if version < IstioVersion(1, since) {
                return None;
            }
        }
    }
    Some(policy)
}

/// The provider of that name, if istiod can use it.
fn provider<'m>(mesh: &'m Mesh, name: &str) -> Option<&'m ExtensionProvider> {
    let named: Vec<_> = mesh.extension_providers.iter().filter(|provider| provider.name == name).collect();
    let [provider] = named[..] else { return None };
    let plain = strings::full_match("[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) && name.len() <= 63;
    if !plain && mesh.istio_version >= IstioVersion(1, 30) {
        return None;
    }
    let (ProviderKind::Http(entry) | ProviderKind::Grpc(entry)) = &provider.kind else {
        return Some(provider);
    };
    let text = |name: &str| match entry.get(name).map(|node| &node.value) {
        Some(Value::String(text) | Value::Number(text)) => text.clone(),
        _ => String::new(),
    };
    let port = text("port").parse::<u32>().unwrap_or(0);
    let status = text("statusOnError");
    let good = !text("service").is_empty()
        && (1..=65535).contains(&port)
        && (status.is_empty() || [403, 429, 503].contains(&status.parse::<u16>().unwrap_or(0)))
        && (text("pathPrefix").is_empty()
            || text("pathPrefix").starts_with('/')
            || matches!(provider.kind, ProviderKind::Grpc(_)));
    good.then_some(provider)
}

fn entry(provider: &ExtensionProvider, name: &str) -> Option<Value> {
    match &provider.kind {
        ProviderKind::Named => None,
        ProviderKind::Http(entry) | ProviderKind::Grpc(entry) => {
            entry.get(name).map(|node| node.value.clone())
        }
    }
}

fn fails_open(provider: &ExtensionProvider) -> bool {
    entry(provider, "failOpen") == Some(Value::Bool(true))
}

fn status_on_error(provider: &ExtensionProvider) -> u16 {
    match entry(provider, "statusOnError") {
        Some(Value::String(text) | Value::Number(text)) => text.parse().expect("the provider is usable"),
        _ => 403,
    }
}

/// A condition that the chain cannot express.
struct Unsupported;

type Asked = Result<Condition, Unsupported>;

impl View<'_> {
    fn edit(&mut self, edit: &Edit) {
        let remove =
            |lines: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &str| lines.retain(|(n, _)| n != name.as_bytes());
        match edit {
            Edit::Remove(name) => remove(&mut self.lines, name),
            Edit::Set(name, value) => {
                remove(&mut self.lines, name);
                self.lines.push((name.clone().into_bytes(), value.clone()));
            }
            Edit::Add(name, value) => self.lines.push((name.clone().into_bytes(), value.clone())),
            Edit::Path(path) => {
                remove(&mut self.lines, ":path");
                self.lines.push((b":path".to_vec(), path.clone()));
            }
        }
    }

    /// The rules of a policy, as far as this chain has them.
    fn rules(&self, policy: &AuthorizationPolicy) -> Vec<Rule> {
        let provider = policy.provider.as_ref().map_or("", |name| &name.text);
        let prefix = match policy.action {
            Action::Custom if self.world.mesh.istio_version >= IstioVersion(1, 30) => {
                format!("istio-ext-authz-{provider}-")
            }
            Action::Custom => "istio-ext-authz-".into(),
            _ => String::new(),
        };
        let rules = policy.rules.iter().enumerate();
        rules
            .filter_map(|(index, written)| {
                let id = format!(
                    "{prefix}ns[{}]-policy[{}]-rule[{index}]",
                    policy.meta.namespace, policy.meta.name
                );
                let built = if self.world.workload.proxy == ProxyKind::Ztunnel {
                    self.ztunnel_rule(policy, written)
                } else {
                    self.envoy_rule(policy, written)
                };
                built.ok().map(|(from, to, when)| Rule { id, from, to, when })
            })
            .collect()
    }

    /// HTTP-only fields on TCP: an ALLOW rule goes as a whole, any other loses just the condition.
    #[expect(clippy::type_complexity, reason = "sources, operations, conditions")]
    fn envoy_rule(
        &self,
        policy: &AuthorizationPolicy,
        written: &Written,
    ) -> Result<(Vec<Vec<Condition>>, Vec<Vec<Condition>>, Vec<Condition>), Unsupported> {
        let keep = |asked: Vec<Asked>| -> Result<Vec<Condition>, Unsupported> {
            if policy.action == Action::Allow {
                return asked.into_iter().collect();
            }
            Ok(asked.into_iter().flatten().collect())
        };
        let own = &policy.meta.namespace;
        let source = |s: &Source| {
            [
                self.field("source.principal", &s.principals, own),
                self.field("request.auth.principal", &s.request_principals, own),
                self.field("source.namespace", &s.namespaces, own),
                self.field("source.serviceAccount", &s.service_accounts, own),
                self.field("source.trustDomain", &s.trust_domains, own),
                self.field("source.ip", &s.ip_blocks, own),
                self.field("remote.ip", &s.remote_ip_blocks, own),
            ]
        };
        let from = written.from.iter().map(|s| keep(source(s).into_iter().flatten().collect()));
        let to = written.to.iter().map(|o| {
            let fields = [
                ("hosts", &o.hosts),
                ("methods", &o.methods),
                ("paths", &o.paths),
                ("destination.port", &o.ports),
            ];
            keep(fields.into_iter().flat_map(|(name, values)| self.field(name, values, own)).collect())
        });
        let when = written.when.iter().flat_map(|c| self.field(&c.key.text, &c.values, own)).collect();
        Ok((from.collect::<Result<_, _>>()?, to.collect::<Result<_, _>>()?, keep(when)?))
    }

    /// (values empty OR any matches) AND NOT (any notValue matches).
    fn field(&self, name: &str, values: &Match, own: &str) -> Vec<Asked> {
        let mut asked = Vec::new();
        if !values.values.is_empty() {
            asked.push(self.attribute(name, &values.values, own));
        }
        if !values.not_values.is_empty() {
            let negated = self.attribute(name, &values.not_values, own);
            asked.push(negated.map(|c| Condition { met: c.met.map(|met| !met), ..c }));
        }
        asked
    }

    fn attribute(&self, name: &str, values: &[Text], own: &str) -> Asked {
        let mesh = &self.world.mesh;
        let version = mesh.istio_version;
        let waypoint = self.world.workload.proxy == ProxyKind::Waypoint;
        let request = self.request;
        let is = |input: &'static str, met: Maybe| Ok(Condition { met, input });
        let texts = || values.iter().map(|value| value.text.as_str());
        let some = |matches: &dyn Fn(&str) -> bool| texts().any(matches);
        let http = |condition: &dyn Fn() -> Asked| if self.tcp { Err(Unsupported) } else { condition() };
        match name {
            "source.principal" => {
                let values: Vec<String> = texts().flat_map(|v| strings::with_aliases(v, mesh)).collect();
                is(
                    "source.principal",
                    self.peer(|n| values.iter().any(|v| strings::principal(v, n, version))),
                )
            }
            "source.namespace" => {
                is("source.principal", self.peer(|n| some(&|v| strings::namespace(v, n, version))))
            }
            "source.serviceAccount" => {
                is("source.principal", self.peer(|n| some(&|v| strings::service_account(v, own, n, version))))
            }
            "source.trustDomain" => {
                let values: Vec<&str> = texts().flat_map(|v| strings::domain_with_aliases(v, mesh)).collect();
                is("source.principal", self.peer(|n| values.iter().any(|v| strings::trust_domain(v, n))))
            }
            // An internal listener: no IP address.
            "source.ip" if waypoint => is("", Some(false)),
            "source.ip" => is("source.ip", ip(request.source_ip, values)),
            "remote.ip" => is("remoteIp", ip(request.remote_ip, values)),
            "destination.ip" => is("destination.ip", ip(request.destination_ip, values)),
            "destination.port" => is("destination.port", port(request.destination_port, values)),
            "connection.sni" => {
                let sni = String::from_utf8_lossy(request.sni);
                is("sni", Some(some(&|v| strings::string(v, &sni, strings::not_empty))))
            }
            "hosts" => http(&|| {
                let any = |host: &str| {
                    some(&|v| strings::string(&v.to_lowercase(), &host.to_lowercase(), strings::present))
                };
                is("host", Some(self.lines(":authority").iter().any(|host| any(host))))
            }),
            "methods" => http(&|| {
                let any = |method: &str| some(&|v| strings::string(v, method, strings::present));
                is("headers", Some(self.lines(":method").iter().any(|method| any(method))))
            }),
            "paths" => http(&|| {
                let bare = |path: &str| path.split(['?', '#']).next().unwrap_or_default().to_string();
                let any = |path: &str| some(&|v| strings::path(v, &bare(path)));
                is("path", Some(self.lines(":path").iter().any(|path| any(path))))
            }),
            "request.auth.principal" => http(&|| {
                let claim = |name: &str| match self.claim(&[name.into()]) {
                    Some(Json::String(text)) => Some(text.clone()),
                    _ => None,
                };
                let met = match (claim("iss"), claim("sub")) {
                    (Some(iss), Some(sub)) => some(&|v| strings::request_principal(v, &iss, &sub)),
                    _ => false,
                };
                is("token", Some(met))
            }),
            "request.auth.audiences" => http(&|| is("token", Some(self.claim_is(&["aud".into()], values)))),
            "request.auth.presenter" => http(&|| is("token", Some(self.claim_is(&["azp".into()], values)))),
            _ if name.starts_with("request.headers") => http(&|| {
                let header = strings::header_name(&name["request.headers".len()..]).ok_or(Unsupported)?;
                let any = |value: &str| some(&|v| strings::string(v, value, strings::present));
                is("headers", Some(self.lines(&header).iter().any(|value| any(value))))
            }),
            _ if name.starts_with("request.auth.claims") => http(&|| {
                let path = strings::claim_path(&name["request.auth.claims".len()..]).ok_or(Unsupported)?;
                is("token", Some(self.claim_is(&path, values)))
            }),
            _ => {
                let inner = name.strip_prefix("experimental.").ok_or(Unsupported)?;
                let (filter, key) = inner.trim_end_matches(']').split_once('[').ok_or(Unsupported)?;
                let found = request.metadata.iter().find(|(known, _)| *known == filter);
                let found = found.and_then(|(_, value)| value.member(key));
                is("metadata", Some(some(&|v| metadata_is(found, v))))
            }
        }
    }

    fn peer(&self, matches: impl Fn(&str) -> bool) -> Maybe {
        match self.request.peer {
            Peer::Plaintext => Some(false),
            Peer::Tls { names, complete } => {
                if names.iter().any(|name| matches(&String::from_utf8_lossy(name))) {
                    Some(true)
                } else if complete {
                    Some(false)
                } else {
                    None
                }
            }
        }
    }

    /// The lines of a header; before Envoy's fix a matcher saw them joined.
    fn lines(&self, name: &str) -> Vec<String> {
        let name = name.to_lowercase();
        let name = if name == "host" { ":authority" } else { &name };
        let lines = self.lines.iter().filter(|(known, _)| known == name.as_bytes());
        let lines: Vec<String> =
            lines.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
        if self.world.mesh.istio_version < IstioVersion(1, 27) && lines.len() > 1 {
            return vec![lines.join(",")];
        }
        lines
    }

    fn claim(&self, path: &[String]) -> Option<&Json> {
        path.iter().try_fold(self.payload.as_ref()?, |value, name| value.member(name))
    }

    /// A string that matches, or a list with one.
    fn claim_is(&self, path: &[String], values: &[Text]) -> bool {
        let fits = |value: &Json| match value {
            Json::String(text) => values.iter().any(|v| strings::string(&v.text, text, strings::not_empty)),
            _ => false,
        };
        match self.claim(path) {
            Some(Json::List(items)) => items.iter().any(fits),
            Some(value) => fits(value),
            None => false,
        }
    }

    /// As istiod converts it for ztunnel: layer 4 only, a clause left empty matches nothing.
    #[expect(clippy::type_complexity, reason = "sources, operations, conditions")]
    fn ztunnel_rule(
        &self,
        policy: &AuthorizationPolicy,
        written: &Written,
    ) -> Result<(Vec<Vec<Condition>>, Vec<Vec<Condition>>, Vec<Condition>), Unsupported> {
        let http = written
            .from
            .iter()
            .any(|s| !s.request_principals.is_empty() || !s.remote_ip_blocks.is_empty())
            || written.to.iter().any(|o| !o.hosts.is_empty() || !o.methods.is_empty() || !o.paths.is_empty());
        let layer4 =
            ["source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"];
        let http = http || written.when.iter().any(|c| !layer4.contains(&c.key.text.as_str()));
        if http && policy.action == Action::Allow {
            return Err(Unsupported);
        }
        let filled = |conditions: Vec<Condition>| match conditions.is_empty() {
            true => vec![Condition { met: Some(false), input: "" }],
            false => conditions,
        };
        let own = &policy.meta.namespace;
        let from = written.from.iter().map(|s| {
            let fields = [
                ("source.principal", &s.principals),
                ("source.namespace", &s.namespaces),
                ("source.serviceAccount", &s.service_accounts),
                ("source.ip", &s.ip_blocks),
            ];
            filled(
                fields.into_iter().flat_map(|(name, values)| self.ztunnel_field(name, values, own)).collect(),
            )
        });
        let to = written.to.iter().map(|o| filled(self.ztunnel_field("destination.port", &o.ports, own)));
        let when = written.when.iter().flat_map(|c| {
            let known = layer4.contains(&c.key.text.as_str());
            filled(if known { self.ztunnel_field(&c.key.text, &c.values, own) } else { vec![] })
        });
        Ok((from.collect(), to.collect(), when.collect()))
    }

    fn ztunnel_field(&self, name: &str, values: &Match, own: &str) -> Vec<Condition> {
        let input = match name {
            "source.principal" | "source.namespace" | "source.serviceAccount" => "source.principal",
            "source.ip" => "source.ip",
            "destination.ip" => "destination.ip",
            _ => "destination.port",
        };
        let met = |list: &[Text]| match name {
            "source.ip" => ip(self.request.source_ip, list),
            "destination.ip" => ip(self.request.destination_ip, list),
            "destination.port" => port(self.request.destination_port, list),
            _ => any(list.iter().map(|value| self.ztunnel_identity(name, &value.text, own))),
        };
        let mut conditions = Vec::new();
        if !values.values.is_empty() {
            conditions.push(Condition { met: met(&values.values), input });
        }
        if !values.not_values.is_empty() {
            conditions.push(Condition { met: met(&values.not_values).map(|met| !met), input });
        }
        conditions
    }

    /// Field by field of the SPIFFE id.
    fn ztunnel_identity(&self, name: &str, value: &str, own: &str) -> Maybe {
        let (names, complete) = match self.request.peer {
            Peer::Plaintext => (&[][..], true),
            Peer::Tls { names, complete } => (names, complete),
        };
        let id = names.iter().find_map(|name| {
            let text = String::from_utf8_lossy(name).into_owned();
            let rest = text.strip_prefix("spiffe://")?.to_string();
            let parts: Vec<String> = rest.split('/').map(Into::into).collect();
            (parts.len() == 5 && parts[1] == "ns" && parts[3] == "sa").then_some((rest, parts))
        });
        if id.is_none() && !complete {
            return None;
        }
        let filled = |text: &str| !text.is_empty();
        Some(match (name, id) {
            ("source.namespace", id) => {
                let namespace = id.map_or(String::new(), |(_, parts)| parts[2].clone());
                strings::string(value, &namespace, filled)
            }
            (_, None) => false,
            ("source.principal", Some((whole, _))) => strings::string(value, &whole, filled),
            (_, Some((_, parts))) => {
                let (namespace, account) = value.split_once('/').unwrap_or((own, value));
                parts[2] == namespace && parts[4] == account
            }
        })
    }
}

fn ip(input: Input<IpAddr>, blocks: &[Text]) -> Maybe {
    match input {
        Input::Absent => Some(false),
        Input::Unknown => None,
        Input::Is(ip) => Some(blocks.iter().any(|block| strings::in_block(&block.text, ip))),
    }
}

fn port(input: Input<u16>, ports: &[Text]) -> Maybe {
    match input {
        Input::Absent => Some(false),
        Input::Unknown => None,
        Input::Is(port) => Some(
            ports
                .iter()
                .any(|value| value.text.trim_start_matches('0') == port.to_string().trim_start_matches('0')),
        ),
    }
}

/// `[v]` asks for an element of a list, anything else for a string.
fn metadata_is(found: Option<&Json>, value: &str) -> bool {
    let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    match (found, inner) {
        (Some(Json::String(text)), None) => strings::string(value, text, strings::not_empty),
        (Some(Json::List(items)), Some(inner)) => items.iter().any(
            |item| matches!(item, Json::String(text) if strings::string(inner, text, strings::not_empty)),
        ),
        _ => false,
    }
}
