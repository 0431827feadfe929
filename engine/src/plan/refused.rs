//! Configurations that Envoy refuses as a whole.
//!
//! istiod's admission takes more than Envoy does. What it then sends, Envoy does not load: a proxy that runs goes on with
//! what it had, a new one never becomes ready. So there is no verdict.

use super::{
    Chain, Plan,
    clause::Clause,
    matcher::{Matcher, PathPattern},
    rule::Rule,
};
use crate::{
    Severity,
    decode::quoted,
    pattern::PeerPattern,
    request::Protocol,
    resource::{JwtRule, Meta},
    slices::{self, Pace},
    workload::ProxyKind,
};
use alloc::{format, string::String};

/// Why the listener is refused.
#[derive(Debug)]
pub(super) struct Refused {
    why: String,
    /// Only what speaks HTTP has it.
    http: bool,
}

impl Refused {
    /// The first reason there is; `rules` are those of the plan's authenticator.
    pub(super) async fn of(plan: &Plan, rules: &[(&Meta, &JwtRule)], pace: &dyn Pace) -> Option<Refused> {
        let keys = || {
            let problem =
                plan.authenticator.problems().into_iter().find(|p| p.severity == Severity::Error)?;
            let (meta, _) = rules.get(problem.rule)?;
            Some(format!("RequestAuthentication {}/{}: {}", meta.namespace, meta.name, problem.message))
        };
        let headers = || {
            let bad = |rule: &JwtRule| {
                rule.from_headers.iter().any(|from| breaks(&from.name) || breaks(&from.prefix))
                    || rule.output_payload_to_header.as_deref().is_some_and(breaks)
            };
            let (meta, _) = rules.iter().find(|(_, rule)| bad(rule))?;
            let object = format!("RequestAuthentication {}/{}", meta.namespace, meta.name);
            Some(format!("{object}: a header with a line break, so Envoy refuses the whole configuration"))
        };
        let mut of_http = keys().or_else(headers);
        for it in plan.http.all_rules() {
            slices::step(pace).await;
            if let Some(why) = rule(it, peer) {
                return Some(Refused { why, http: false });
            }
            of_http = of_http.or_else(|| rule(it, clause));
        }
        of_http.map(|why| Refused { why, http: true })
    }

    /// A sidecar's and a waypoint's chains are all in one listener. A gateway has one for each port, and what is refused here
    /// is only in those that speak HTTP.
    pub(super) fn holds(&self, proxy: ProxyKind, protocol: Protocol) -> Option<&str> {
        (proxy != ProxyKind::Gateway || protocol == Protocol::Http || !self.http).then_some(&self.why)
    }
}

fn rule(rule: &Rule, clause: fn(&Clause) -> Option<String>) -> Option<String> {
    let clauses = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
    let why = clauses.into_iter().find_map(clause)?;
    let policy = &rule.origin.policy;
    let (namespace, name) = (&policy.namespace, &policy.name);
    Some(format!("AuthorizationPolicy {namespace}/{name}: {why}, so Envoy refuses the whole configuration"))
}

/// Names that istiod writes into expressions unquoted (Istio before 1.28.7 and its siblings).
fn peer(clause: &Clause) -> Option<String> {
    let Matcher::Peer(patterns) = clause.matcher() else { return None };
    patterns.iter().find_map(|pattern| match pattern {
        PeerPattern::Unquoted(name) => {
            let fault = name.fault()?;
            Some(format!("the name becomes the expression {}, and {fault}", quoted(name.expression())))
        }
        _ => None,
    })
}

fn clause(clause: &Clause) -> Option<String> {
    match clause.matcher() {
        Matcher::Path(patterns) => {
            let bad = |pattern: &PathPattern| matches!(pattern, PathPattern::Template(t) if !t.is_valid());
            let at = patterns.iter().position(bad)?;
            let written = clause.expected().into_iter().nth(at).unwrap_or_default();
            Some(format!(
                "the path template {} is none for Envoy (it begins with / and has no empty segment)",
                quoted(&written)
            ))
        }
        Matcher::Header(_) if clause.name().any(breaks) => Some("a header's name has a line break".into()),
        _ => None,
    }
}

/// Envoy takes no header with one of these, neither as a name nor as a value (`HTTP_HEADER_NAME`, not strict).
fn breaks(text: &str) -> bool {
    text.contains(['\0', '\r', '\n'])
}

impl Chain {
    fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        let sets = [&self.audit, &self.deny, &self.allow].into_iter();
        let late = sets.flat_map(|set| set.rules.iter().chain(set.shadow_rules()));
        self.custom.rules().iter().chain(late)
    }
}
