//! AuthorizationPolicy rules → compiled rules as istiod converts them for ztunnel
//! (`pilot/pkg/serviceregistry/ambient/authorization.go`; evaluation in ztunnel's `src/rbac.rs`).
//!
//! Three things differ from Envoy: an ALLOW rule with any HTTP field is dropped; a DENY rule keeps its clauses, but
//! one that is left empty matches *nothing*, so `DENY methods: [GET]` does nothing; and SPIFFE ids are compared part by
//! part, without trust domain aliases.

use super::{
    clause::{Asked, Clause},
    compile::{patterns, port, pruned},
    matcher::{IdentityPart, Matcher},
    rule::{Dropped, Named, Origin, Rule, rule_id},
};
use crate::{
    address::parse_cidr,
    attribute::{Attribute, FieldPath, Kind, Written, Ztunnel},
    node::Position,
    resource::{Action, AuthorizationPolicy, Condition, FieldSet, Match, Target, Text},
    workload::IstioVersion,
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Where ztunnel asks a policy (`assert_rbac` in its `src/state.rs`): the namespace's, then the mesh's, then those with a
/// selector, which istiod sends sorted. Within the first two the order is that of a hash set; here it is by name.
pub(super) fn order<'p>(policy: &'p AuthorizationPolicy, root: &str) -> (u8, &'p str, &'p str) {
    let scope = match policy.target {
        Target::Namespace if policy.meta.namespace != root => 0,
        Target::Namespace => 1,
        _ => 2,
    };
    (scope, &policy.meta.namespace, &policy.meta.name)
}

/// All rules of a policy. One without rules gives none: it is attached and matches nothing.
pub(crate) fn policy((policy, name): &Named<'_>, version: IstioVersion) -> Vec<Result<Rule, Dropped>> {
    let rules = policy.rules.iter().enumerate();
    rules
        .map(|(index, rule)| {
            let id = rule_id(&policy.meta, index, "");
            let origin = Origin { policy: name.clone(), index, at: rule.at };
            let mut http: Vec<String> = Vec::new();
            let namespace = &policy.meta.namespace;
            let mut groups =
                |sets: &[FieldSet]| sets.iter().map(|set| group(set, namespace, &mut http)).collect();
            let (from, to) = (groups(&rule.from), groups(&rule.to));
            let when = rule.when.iter().flat_map(|c| condition(c, namespace, &mut http)).collect();
            let mut notes = pruned(rule, version);
            if http.is_empty() {
                return Ok(Rule { id, origin, from, to, when, notes });
            }
            let fields = http.join("`, `");
            if policy.action == Action::Allow {
                let reason =
                    format!("ztunnel knows nothing of HTTP, so the whole rule is dropped: `{fields}`");
                return Err(Dropped { origin, dry_run: policy.dry_run, reason: reason.into() });
            }
            notes.push(format!(
                "ztunnel knows nothing of HTTP and drops `{fields}`; a clause left empty matches nothing"
            ));
            Ok(Rule { id, origin, from, to, when, notes })
        })
        .collect()
}

/// A source or an operation.
fn group(set: &FieldSet, namespace: &str, http: &mut Vec<String>) -> Box<[Clause]> {
    let mut clauses = Vec::new();
    for (attribute, values) in set.iter() {
        match attribute.row().ztunnel {
            Ztunnel::Known | Ztunnel::FieldOnly => {
                add(attribute, Written::Field, values, namespace, &mut clauses);
            }
            Ztunnel::Http => {
                let path = FieldPath { attribute, written: Written::Field, negated: false };
                http.push(path.to_string());
            }
            // Neither translated nor counted as unsupported.
            Ztunnel::Lost => {}
        }
    }
    if clauses.is_empty() {
        clauses.push(never(Position::default()));
    }
    clauses.into()
}

/// Each condition is a clause of its own; one that ztunnel does not know is left empty.
fn condition(condition: &Condition, namespace: &str, http: &mut Vec<String>) -> Vec<Clause> {
    let key = condition.key.text.as_str();
    let mut clauses = Vec::new();
    match Attribute::of_key(key) {
        Some((attribute, _)) if attribute.row().ztunnel == Ztunnel::Known => {
            add(attribute, Written::Key(key), &condition.values, namespace, &mut clauses);
        }
        _ => http.push("when".into()),
    }
    if clauses.is_empty() {
        clauses.push(never(condition.at));
    }
    clauses
}

/// A field or key and its `not` twin.
fn add(
    attribute: Attribute,
    written: Written<'_>,
    values: &Match,
    namespace: &str,
    clauses: &mut Vec<Clause>,
) {
    for (values, negated) in [(&values.values, false), (&values.not_values, true)] {
        if !values.is_empty() {
            let path = FieldPath { attribute, written, negated };
            let asked = Asked { path, name: Box::default(), values };
            clauses.push(Clause::new(matcher(attribute.row().kind, values, namespace), asked));
        }
    }
}

fn matcher(kind: Kind, values: &[Text], namespace: &str) -> Matcher {
    let texts = || values.iter().map(|value| value.text.as_str());
    match kind {
        Kind::Cidr => Matcher::Ip(texts().filter_map(|text| parse_cidr(text).ok()).collect()),
        Kind::Port => Matcher::Port(texts().filter_map(port).collect()),
        Kind::Principal => Matcher::Identity(IdentityPart::Principal, patterns(values)),
        Kind::Namespace => Matcher::Identity(IdentityPart::Namespace, patterns(values)),
        Kind::ServiceAccount => {
            let account = |text: &str| -> (Box<str>, Box<str>) {
                let (namespace, name) = text.split_once('/').unwrap_or((namespace, text));
                (namespace.into(), name.into())
            };
            Matcher::IdentityAccount(texts().map(account).collect())
        }
        // The rows say that ztunnel has none of these.
        Kind::Text
        | Kind::Header
        | Kind::Host
        | Kind::Path
        | Kind::TrustDomain
        | Kind::RequestPrincipal
        | Kind::Claim
        | Kind::Metadata => Matcher::Never,
    }
}

fn never(at: Position) -> Clause {
    Clause::never("(an empty clause)", at)
}

/// ztunnel's words for a refusal, as its access log has them.
pub(crate) fn refusal(denied_by: Option<&str>) -> String {
    match denied_by {
        Some(policy) => format!("connection closed due to policy rejection: explicitly denied by: {policy}"),
        None => "connection closed due to policy rejection: allow policies exist, but none allowed".into(),
    }
}
