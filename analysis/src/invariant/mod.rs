//! What must hold for all requests: proven, or a request that shows otherwise. And who may do something.
//!
//! An invariant describes requests by rules as an AuthorizationPolicy has them, of which none, or each, must be allowed.
//! Both questions are comparisons ([`diff`](crate::diff)): with a policy that denies these requests, or that allows just
//! these.

mod library;
mod read;
mod short;

pub use library::{Entry, library};
pub use read::{Invariant, invariants, used};

use crate::diff::{Change, Changes, Problem, Ready, Source, Witness, between, compiled};
use gnomon_engine::{
    Diagnostic, Diagnostics, Mesh, Node, Position, Value as Tree, decode,
    jwt::Crypto,
    node::Key,
    plan::Rule,
    request::Protocol,
    resource::{AuthorizationPolicy, Resources},
    workload::{ProxyKind, Workload},
};
use gnomon_manifests::parse;
use gnomon_symbolic::{Kind, Limits};
use serde_json::{Value, json};
use std::sync::Arc;

/// What must be so of the requests that a rule describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// None of them is allowed.
    Never,
    /// Each of them is allowed.
    Always,
}

/// Requests, described by rules as an AuthorizationPolicy has them.
#[derive(Clone, Debug)]
pub struct Requests {
    rules: Node,
    /// Those of them that do not count.
    except: Option<Node>,
    kinds: &'static [Kind],
}

const HTTP: &[Kind] = &[Kind::Http, Kind::Connect];
const TCP: &[Kind] = &[Kind::Tcp];
const BOTH: &[Kind] = &[Kind::Http, Kind::Connect, Kind::Tcp];

impl Requests {
    /// `rule` as in `spec.rules` of an AuthorizationPolicy: `from`, `to`, `when`.
    ///
    /// # Errors
    ///
    /// Istio's admission would refuse it.
    pub fn new(rule: Value, protocol: Protocol) -> Result<Requests, Diagnostics> {
        let kinds = match protocol {
            Protocol::Http => HTTP,
            Protocol::Tcp => TCP,
        };
        let rules = node(json!([rule]));
        policy("ALLOW", &rules, &Workload::default(), "")?;
        Ok(Requests { rules, except: None, kinds })
    }

    /// The rules as they are compiled for the workload, of HTTP requests.
    pub(crate) fn compiled(&self, workload: &Workload, mesh: &Mesh) -> Result<Vec<Rule>, Unanswered> {
        let [http, _] = compiled(self.policy("ALLOW", workload)?, &[], workload, mesh);
        Ok(http)
    }

    /// A policy for the workload with these rules alone.
    fn policy(&self, action: &str, workload: &Workload) -> Result<AuthorizationPolicy, Unanswered> {
        policy(action, &self.rules, workload, "").map_err(Unanswered::BadRule)
    }

    /// What does not count is denied.
    fn without_exceptions<'a>(&self, ready: Ready<'a>, of: impl Source<'a>) -> Result<Ready<'a>, Unanswered> {
        let Some(except) = &self.except else { return Ok(ready) };
        let denying = policy("DENY", except, ready.workload, "").map_err(Unanswered::BadRule)?;
        let [http, tcp] = compiled(denying, of.services(), ready.workload, ready.mesh);
        Ok(ready.also_denying(&http, &tcp))
    }

    /// Requests that were found where what does not count is denied, with what the plan itself says of them.
    fn as_it_is(
        &self,
        mut changes: Changes,
        there: &Ready<'_>,
        now: i64,
        crypto: &dyn Crypto,
    ) -> Result<Changes, Unanswered> {
        if self.except.is_some() {
            for Witness { request, new, .. } in
                [&mut changes.newly_allowed, &mut changes.newly_undecided].into_iter().flatten()
            {
                let report = there.report(request, now, crypto);
                let same = report.filter(|report| report.verdict == new.verdict);
                let unconfirmed = || Problem::Unconfirmed(Box::new(request.clone()));
                *new = same.ok_or_else(unconfirmed).map_err(Unanswered::Problem)?;
            }
        }
        Ok(changes)
    }
}

/// Values as a tree; their places are not known.
pub(crate) fn node(value: Value) -> Node {
    // YAML is read anyway, so that no other reader of trees is needed.
    let mut node = parse(&value.to_string(), "").0.pop().unwrap_or_default();
    nowhere(&mut node);
    node
}

/// Takes its places away.
fn nowhere(node: &mut Node) {
    node.at = Position::default();
    match &mut node.value {
        Tree::List(items) => items.iter_mut().for_each(nowhere),
        Tree::Map(fields) => {
            for (key, inner) in fields {
                key.at = Position::default();
                nowhere(inner);
            }
        }
        _ => {}
    }
}

/// A map; its places are not known.
fn map<const N: usize>(fields: [(&str, Node); N]) -> Node {
    let key = |name: &str| Key { name: name.into(), at: Position::default() };
    let fields = fields.map(|(name, value)| (key(name), value)).into();
    Node { value: Tree::Map(fields), at: Position::default() }
}

/// A policy for the workload with these rules alone.
pub(crate) fn policy(
    action: &str,
    rules: &Node,
    workload: &Workload,
    file: &str,
) -> Result<AuthorizationPolicy, Diagnostics> {
    let (policy, found) = decoded(action, rules, workload, file);
    policy.ok_or(Diagnostics(found))
}

/// The same with all that was found, warnings included.
fn decoded(
    action: &str,
    rules: &Node,
    workload: &Workload,
    file: &str,
) -> (Option<AuthorizationPolicy>, Vec<Diagnostic>) {
    let mut namespace = workload.namespace.as_str();
    // A waypoint takes policies with references only.
    let service = workload.service_refs().next().filter(|_| workload.proxy == ProxyKind::Waypoint);
    let targets = service.map(|service| {
        namespace = service.namespace.unwrap_or(namespace);
        json!([{"group": "", "kind": "Service", "name": service.name}])
    });
    let manifest = map([
        ("apiVersion", node(json!("security.istio.io/v1"))),
        ("kind", node(json!("AuthorizationPolicy"))),
        ("metadata", node(json!({"name": "these-requests", "namespace": namespace}))),
        (
            "spec",
            map([
                ("action", node(json!(action))),
                ("targetRefs", node(json!(targets))),
                ("rules", rules.clone()),
            ]),
        ),
    ]);
    let (mut resources, mut found) = (Resources::default(), Vec::new());
    decode::object(&manifest, &Arc::from(file), &mut resources, &mut found);
    (resources.authorization.pop(), found)
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The rule is none.
    BadRule(Diagnostics),
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

/// Those of the requests that are allowed, exceptions included: the lines of the summary, and a smallest one as what is newly allowed.
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
    denied(of, requests, [ready()?, ready()?], now, crypto)
}

/// What the second side has no more once it denies the requests.
fn denied<'a>(
    of: impl Source<'a>,
    requests: &Requests,
    [with, without]: [Ready<'a>; 2],
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Changes, Unanswered> {
    let denying = requests.policy("DENY", with.workload)?;
    let [http, tcp] = compiled(denying, of.services(), with.workload, with.mesh);
    let without = without.also_denying(&http, &tcp);
    let changes = between(requests.kinds, &without, &with, now, crypto, Limits::default());
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
    let there = of.ready(None).map_err(Unanswered::Problem)?;
    if must == Must::Never {
        let ready = || requests.without_exceptions(of.ready(None).map_err(Unanswered::Problem)?, of);
        let changes = denied(of, requests, [ready()?, ready()?], now, crypto)?;
        return requests.as_it_is(changes, &there, now, crypto);
    }
    let allowing = requests.policy("ALLOW", there.workload)?;
    let beside = |tokens: bool| {
        let just_these = of.allowing_only(&allowing, tokens).map_err(Unanswered::Problem)?;
        let just_these = requests.without_exceptions(just_these, of)?;
        let changes = between(requests.kinds, &just_these, &there, now, crypto, Limits::default());
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
pub(crate) fn only(changes: Changes, change: Change) -> Changes {
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
        except: changes.except,
        keys: changes.keys,
    }
}
