//! A deliberately naive evaluator: the reference text, paragraph by paragraph, on the resources as written.
//!
//! It compiles nothing, has no index, and shares no code with the plan. Only the token itself (signature, times,
//! audience) is left to the engine's JWT stage.

use crate::{
    attachment,
    control_plane::{fails_open, known_to, provider, status_on_error},
    logic::{Rule, first, in_order},
};
use gnomon_engine::{
    Attribute, Mesh, Request, Workload,
    jwt::{Authenticator, Crypto, Json},
    request::{ExtAuthzAnswer, Input, Peer, Protocol},
    resource::{Action, AuthorizationPolicy, Resources, Target},
    verdict::{Outcome, Report, ShadowResult, Stage},
    workload::{IstioVersion, ProviderKind, ProxyKind},
};
use std::{collections::BTreeSet, sync::Arc};

/// The name of an unknown order of PeerAuthentications begins so.
const AGES: &str = "creationTimestamp of PeerAuthentication";

/// Everything but the request.
#[derive(Debug, Default)]
pub struct World {
    pub resources: Resources,
    pub workload: Workload,
    pub mesh: Mesh,
}

/// What of a verdict is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub outcome: Outcome,
    pub stage: Stage,
    pub status: Option<u16>,
    pub policy: Option<String>,
    pub dry_allow: Option<(String, Option<String>)>,
    pub dry_deny: Option<(String, Option<String>)>,
    pub audit: bool,
    pub missing: BTreeSet<String>,
}

impl Answer {
    /// The part of a report that this evaluator knows, too.
    pub fn of(report: &Report) -> Answer {
        let shadow = |shadow: &Option<ShadowResult>| {
            shadow.as_ref().map(|shadow| (shadow.result.to_string(), shadow.policy.clone()))
        };
        Answer {
            outcome: report.verdict,
            stage: report.stage,
            status: report.status,
            policy: report.policy.clone(),
            dry_allow: shadow(&report.dry_run.allow),
            dry_deny: shadow(&report.dry_run.deny),
            audit: report.audit,
            // Which policies are named is tested where that is all there is to see.
            missing: report
                .missing
                .iter()
                .map(ToString::to_string)
                .map(|name| if name.starts_with(AGES) { AGES.to_string() } else { name })
                .collect(),
        }
    }
}

/// A request as one stage sees it.
pub struct View<'a> {
    pub world: &'a World,
    pub request: &'a Request<'a>,
    pub lines: Vec<(Vec<u8>, Vec<u8>)>,
    pub payload: Option<Arc<Json>>,
    pub tcp: bool,
}

pub fn evaluate(world: &World, request: &Request<'_>, crypto: &dyn Crypto) -> Answer {
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

    let policies: Vec<AuthorizationPolicy> = attachment::authorization(resources, workload, mesh)
        .into_iter()
        .filter_map(|policy| known_to(mesh.istio_version, policy))
        .collect();
    let of = |action: Action, dry_run: bool| -> Vec<&AuthorizationPolicy> {
        let mut of: Vec<_> = policies.iter().filter(|p| p.action == action && p.dry_run == dry_run).collect();
        if ztunnel {
            of.sort_by_key(|policy| {
                let scope = match policy.target {
                    Target::Namespace => u8::from(policy.meta.namespace == mesh.root_namespace),
                    _ => 2,
                };
                (scope, policy.meta.namespace.clone(), policy.meta.name.clone())
            });
        }
        of
    };
    let first = |rules: &mut Vec<Rule>| if ztunnel { in_order(rules) } else { first(rules) };

    let http_listener = workload.proxy != ProxyKind::Gateway || request.protocol == Protocol::Http;
    if http_listener && !ztunnel && policies.iter().any(is_refused_by_envoy) {
        answer.missing = BTreeSet::from(["configuration".to_string()]);
        return unknown(answer, Stage::None);
    }

    if let ProxyKind::Ztunnel = workload.proxy {
        // A client certificate must have a name in the mesh's trust domain.
        let ours = |name: &[u8]| {
            let name = String::from_utf8_lossy(name).into_owned();
            let parts: Vec<&str> = name.split('/').collect();
            matches!(parts[..], ["spiffe:", "", td, "ns", _, "sa", _] if td == mesh.trust_domain)
        };
        if let Peer::Tls { names, complete } = request.peer
            && !names.iter().any(|name| ours(name))
        {
            if !complete {
                doubt = Some(Stage::Mtls);
                answer.missing.insert("source.principal".into());
            } else if !names.is_empty() {
                return Answer { status: None, ..refused(answer, Stage::Mtls, 0, None) };
            }
        }
    }

    // Connection → mTLS gate; at ztunnel one of the DENY policies, and asked last of these.
    let gate = if matches!(workload.proxy, ProxyKind::Sidecar | ProxyKind::Ztunnel) {
        gate(world, request)
    } else {
        Gate::Open
    };
    if !ztunnel {
        match &gate {
            Gate::Open => {}
            Gate::Shut => return Answer { status: None, ..refused(answer, Stage::Mtls, 0, None) },
            Gate::Unknown(missing) => {
                doubt = Some(Stage::Mtls);
                answer.missing.extend(missing.clone());
            }
        }
    }

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
            if mesh.istio_version < IstioVersion::minor(30) {
                groups = vec![groups.into_iter().flatten().collect()];
            }
            for rules in &mut groups {
                rules.iter_mut().for_each(|rule| rule.id += "-deny-due-to-bad-CUSTOM-action");
            }
            let found: Vec<_> = groups.iter_mut().map(&first).collect();
            if let Some((_, id, _)) = found.iter().find(|(met, ..)| *met == Some(true)) {
                return refused(answer, Stage::Custom, 403, id.clone());
            }
            for (met, _, missing) in found {
                if met.is_none() {
                    doubt.get_or_insert(Stage::Custom);
                    answer.missing.extend(missing);
                }
            }
        } else if !tcp && view.lines.iter().all(|(name, _)| name != b":path") {
            // No route, and without one nobody is asked.
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
                answer.missing.extend(failure.missing.map(|missing| missing.to_string()));
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
    if ztunnel {
        match &gate {
            Gate::Open => {}
            Gate::Shut => return Answer { status: None, ..refused(answer, Stage::Mtls, 0, None) },
            Gate::Unknown(missing) => {
                doubt.get_or_insert(Stage::Mtls);
                answer.missing.extend(missing.clone());
            }
        }
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

/// May the connection exist?
enum Gate {
    Open,
    Shut,
    Unknown(BTreeSet<String>),
}

fn gate(world: &World, request: &Request<'_>) -> Gate {
    let World { resources, workload, mesh } = world;
    let modes = |port| -> BTreeSet<String> {
        let modes = attachment::mtls_modes(resources, workload, mesh, port);
        modes.into_iter().map(|(mode, _)| format!("{mode:?}")).collect()
    };
    let unknown = |name: &str| Gate::Unknown(BTreeSet::from([name.to_string()]));
    let possible = match request.destination_port {
        Input::Is(port) => modes(Some(port)),
        Input::Absent => modes(None),
        Input::Unknown => {
            let other = modes(None);
            let listed = (0..=u16::MAX).filter(|port| mentions(resources, *port));
            if listed.into_iter().any(|port| modes(Some(port)) != other) {
                return unknown("destination.port");
            }
            other
        }
    };
    let certificate = match request.peer {
        Peer::Plaintext => Some(false),
        Peer::Tls { names, .. } if !names.is_empty() => Some(true),
        Peer::Tls { complete: true, .. } => Some(false),
        Peer::Tls { complete: false, .. } => None,
    };
    // What each mode says: let in, or not, or nobody knows.
    let says: BTreeSet<Option<bool>> = possible
        .iter()
        .map(|mode| match mode.as_str() {
            "Strict" => certificate,
            "Disable" => Some(matches!(request.peer, Peer::Plaintext)),
            _ => Some(true),
        })
        .collect();
    let mut missing = BTreeSet::new();
    if says.contains(&None) {
        missing.insert("source.principal".to_string());
    }
    if says.len() > 1 {
        missing.insert(AGES.to_string());
    }
    match says.into_iter().collect::<Vec<_>>()[..] {
        [Some(true)] => Gate::Open,
        [Some(false)] => Gate::Shut,
        _ => Gate::Unknown(missing),
    }
}

/// A path template that does not begin with a slash, in a rule that is there.
fn is_refused_by_envoy(policy: &AuthorizationPolicy) -> bool {
    policy.rules.iter().any(|rule| {
        let dropped = policy.action == Action::Allow
            && rule.when.iter().any(|condition| condition.key.text.starts_with("request.headersX"));
        let paths = rule.to.iter().flat_map(|to| {
            let paths = to.get(Attribute::Path);
            paths.values.iter().chain(&paths.not_values)
        });
        !dropped && paths.into_iter().any(|path| path.text.contains("{*") && !path.text.starts_with('/'))
    })
}

fn mentions(resources: &Resources, port: u16) -> bool {
    resources.peer_authentication.iter().any(|p| p.ports.iter().any(|(listed, _)| *listed == port))
}
