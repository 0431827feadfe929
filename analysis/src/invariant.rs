//! What must hold for all requests: proven, or a request that shows otherwise. And who may do something.
//!
//! An invariant is a rule as an AuthorizationPolicy has it: it describes requests, of which none, or each, must be allowed.
//! Both questions are comparisons ([`diff`](crate::diff)): with a policy that denies these requests, or that allows just
//! these.

use crate::diff::{Change, Changes, Problem, Source, between, compiled};
use gnomon_engine::{
    jwt::Crypto,
    request::Protocol,
    resource::AuthorizationPolicy,
    workload::{ProxyKind, Workload},
};
use gnomon_manifests::load_text;
use gnomon_symbolic::{Kind, Limits};
use serde_json::{Value, json};

/// What must be so of the requests that a rule describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// None of them is allowed.
    Never,
    /// Each of them is allowed.
    Always,
}

/// A rule that cannot be read; the text says why.
#[derive(Clone, Debug)]
pub struct BadRule(pub String);

impl std::fmt::Display for BadRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRule {}

/// Requests, described by a rule.
#[derive(Clone, Debug)]
pub struct Requests {
    rule: Value,
    /// HTTP requests, or TCP connections.
    protocol: Protocol,
}

impl Requests {
    /// `rule` as in `spec.rules` of an AuthorizationPolicy: `from`, `to`, `when`.
    ///
    /// # Errors
    ///
    /// Istio's admission would refuse it.
    pub fn new(rule: Value, protocol: Protocol) -> Result<Requests, BadRule> {
        let requests = Requests { rule, protocol };
        requests.policy("ALLOW", &Workload::default())?;
        Ok(requests)
    }

    fn kinds(&self) -> &'static [Kind] {
        match self.protocol {
            Protocol::Http => &[Kind::Http, Kind::Connect],
            Protocol::Tcp => &[Kind::Tcp],
        }
    }

    /// A policy for the workload with this rule alone.
    fn policy(&self, action: &str, workload: &Workload) -> Result<AuthorizationPolicy, BadRule> {
        policy(action, &json!([self.rule]), workload)
    }
}

/// A policy for the workload with these rules alone.
pub(crate) fn policy(
    action: &str,
    rules: &Value,
    workload: &Workload,
) -> Result<AuthorizationPolicy, BadRule> {
    let mut spec = json!({"action": action, "rules": rules});
    let mut namespace = workload.namespace.as_str();
    // A waypoint takes policies with references only.
    let service = workload.service_refs().next().filter(|_| workload.proxy == ProxyKind::Waypoint);
    if let (Some(service), Value::Object(fields)) = (service, &mut spec) {
        namespace = service.namespace.unwrap_or(namespace);
        let target = json!({"group": "", "kind": "Service", "name": service.name});
        fields.insert("targetRefs".into(), json!([target]));
    }
    let manifest = json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "these-requests", "namespace": namespace},
        "spec": spec,
    });
    let loaded = load_text(&manifest.to_string(), "rule").map_err(|wrong| {
        let told: Vec<String> = wrong
            .loaded
            .diagnostics
            .iter()
            .map(|found| format!("{}: {}", found.field, found.message))
            .collect();
        BadRule(told.join("; "))
    })?;
    loaded.resources.authorization.into_iter().next().ok_or_else(|| BadRule("there is no rule".into()))
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The rule is none.
    BadRule(BadRule),
    /// The policies cannot be compared.
    Problem(Problem),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unanswered::BadRule(why) => why.fmt(f),
            Unanswered::Problem(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Unanswered {}

/// Those of the requests that are allowed: the lines of the summary, and a smallest one as what is newly allowed.
///
/// # Errors
///
/// See [`Unanswered`].
pub fn allowed<'a>(
    of: impl Source<'a>,
    requests: &Requests,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Changes, Unanswered> {
    let ready = || of.ready(None).map_err(Unanswered::Problem);
    let (with, without) = (ready()?, ready()?);
    let denying = requests.policy("DENY", with.workload).map_err(Unanswered::BadRule)?;
    let [http, tcp] = compiled(denying, of.services(), with.workload, with.mesh);
    let without = without.also_denying(&http, &tcp);
    let changes = between(requests.kinds(), &without, &with, now, crypto, Limits::default());
    changes.map(|changes| only(changes, Change::Allowed)).map_err(Unanswered::Problem)
}

/// What breaks the invariant; nothing: it is proven.
///
/// # Errors
///
/// See [`Unanswered`].
pub fn violations<'a>(
    of: impl Source<'a>,
    must: Must,
    requests: &Requests,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Changes, Unanswered> {
    if must == Must::Never {
        return allowed(of, requests, now, crypto);
    }
    let there = of.ready(None).map_err(Unanswered::Problem)?;
    let allowing = requests.policy("ALLOW", there.workload).map_err(Unanswered::BadRule)?;
    let beside = |tokens: bool| {
        let just_these = of.allowing_only(&allowing, tokens).map_err(Unanswered::Problem)?;
        let changes = between(requests.kinds(), &just_these, &there, now, crypto, Limits::default());
        changes.map(|changes| only(changes, Change::Denied)).map_err(Unanswered::Problem)
    };
    // A wrong token is a reason to refuse like any other, so first nobody reads tokens on the other side.
    let found = beside(false)?;
    if !found.is_equivalent() || there.plan.authenticator().is_empty() {
        return Ok(found);
    }
    // But without that no request has what a rule about tokens asks for.
    beside(true)
}

/// Without what is not known for certain to be as asked for, or to be otherwise.
fn only(changes: Changes, change: Change) -> Changes {
    let keep = |wanted, witness| if change == wanted { witness } else { None };
    Changes {
        newly_allowed: keep(Change::Allowed, changes.newly_allowed),
        newly_denied: keep(Change::Denied, changes.newly_denied),
        newly_undecided: changes.newly_undecided,
        summary: changes
            .summary
            .into_iter()
            .filter(|line| line.change == change || line.change == Change::Undecided)
            .collect(),
        complete: changes.complete,
    }
}
