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
    request::Protocol,
    resource::{JwtRule, Meta},
    workload::ProxyKind,
};
use alloc::{format, string::String};

/// Why the listener is refused.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Refused {
    /// The first reason there is; `rules` are those of the plan's authenticator.
    pub(super) fn of(plan: &Plan, rules: &[(&Meta, &JwtRule)]) -> Option<Refused> {
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
        keys().or_else(headers).or_else(|| plan.http.all_rules().find_map(rule)).map(Refused)
    }

    /// A sidecar's and a waypoint's chains are all in one listener. A gateway has one for each port, and what is refused here
    /// is only in those that speak HTTP.
    pub(super) fn holds(&self, proxy: ProxyKind, protocol: Protocol) -> Option<&str> {
        (proxy != ProxyKind::Gateway || protocol == Protocol::Http).then_some(&self.0)
    }
}

fn rule(rule: &Rule) -> Option<String> {
    let clauses = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
    let why = clauses.into_iter().find_map(clause)?;
    let policy = &rule.origin.policy;
    let (namespace, name) = (&policy.namespace, &policy.name);
    Some(format!("AuthorizationPolicy {namespace}/{name}: {why}, so Envoy refuses the whole configuration"))
}

fn clause(clause: &Clause) -> Option<String> {
    match clause.matcher() {
        Matcher::Path(patterns) => {
            let bad = |pattern: &PathPattern| matches!(pattern, PathPattern::Template(t) if !t.is_valid());
            let at = patterns.iter().position(bad)?;
            let written = clause.expected().into_iter().nth(at).unwrap_or_default();
            Some(format!(
                "the path template {written:?} is none for Envoy (it begins with / and has no empty segment)"
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
