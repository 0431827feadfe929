//! A compiled rule: its conditions, and where it is written.

use super::{clause::Clause, context::EvaluationContext, tri::Tri};
use crate::{
    node::Position,
    order,
    resource::{AuthorizationPolicy, Meta},
    slices::Pace,
};
use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};
use core::fmt;

/// Where a rule is written.
#[derive(Clone, Debug)]
pub struct Origin {
    /// In which policy.
    pub policy: Arc<PolicyName>,
    /// Index in `spec.rules`.
    pub index: usize,
    /// Where the rule begins.
    pub at: Position,
}

impl fmt::Display for Origin {
    /// `shop/orders rule 0`; `policy "any"` where a proxy has loaded it under a name that is not Istio's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyName { namespace, name, .. } = &*self.policy;
        match namespace.is_empty() {
            true => write!(f, "policy {}", crate::decode::quoted(name)),
            false => write!(f, "{namespace}/{name} rule {}", self.index),
        }
    }
}

/// A policy by name, and its file.
#[derive(Debug)]
pub struct PolicyName {
    /// `metadata.namespace`.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
    /// The file it was read from; empty where there is none.
    pub file: Arc<str>,
}

/// A policy and its name, which its rules on all chains share.
pub(crate) type Named<'a> = (&'a AuthorizationPolicy, Arc<PolicyName>);

impl PolicyName {
    pub(crate) fn of(meta: &Meta) -> Arc<PolicyName> {
        Arc::new(PolicyName {
            namespace: meta.namespace.as_str().into(),
            name: meta.name.as_str().into(),
            file: meta.file.clone(),
        })
    }
}

/// One rule as enforced: (any of `from`) and (any of `to`) and all of `when`. Each source and each operation is a list of
/// clauses that all must hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// As Envoy reports it.
    pub id: Box<str>,
    /// Where it is written.
    pub origin: Origin,
    /// Sources, ORed; none: any.
    pub from: Box<[Box<[Clause]>]>,
    /// Operations, ORed; none: any.
    pub to: Box<[Box<[Clause]>]>,
    /// All must hold.
    pub when: Box<[Clause]>,
    /// How it differs from what is written, and why.
    pub notes: Vec<String>,
}

impl Rule {
    /// (any source) and (any operation) and all conditions.
    pub(crate) fn matches(&self, context: &EvaluationContext<'_>) -> Tri {
        let all = |clauses: &[Clause]| Tri::all(clauses.iter().map(|clause| clause.ask(context)));
        let any = |groups: &[Box<[Clause]>]| {
            if groups.is_empty() { Tri::True } else { Tri::any(groups.iter().map(|group| all(group))) }
        };
        Tri::all([0, 1, 2].into_iter().map(|part| match part {
            0 => any(&self.to),
            1 => any(&self.from),
            _ => all(&self.when),
        }))
    }
}

impl Dropped {
    /// As it would be reported; only ALLOW rules are dropped, and these have no prefix.
    pub fn id(&self) -> String {
        let Origin { policy, index, .. } = &self.origin;
        format!("ns[{}]-policy[{}]-rule[{index}]", policy.namespace, policy.name)
    }
}

/// A rule that istiod leaves out of the proxy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dropped {
    /// Where it is written.
    pub origin: Origin,
    /// Its policy is evaluated without being enforced.
    pub dry_run: bool,
    /// Why it is left out.
    pub reason: Arc<str>,
}

/// The rules of one action, enforced and dry-run apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleSet {
    /// In byte order of ids, as Envoy goes through them.
    pub(crate) rules: Vec<Rule>,
    /// At least one enforced policy is attached, whether or not a rule of it is left.
    pub(crate) enforced: bool,
    /// How many enforced policies.
    pub(crate) policies: usize,
    /// The same for dry-run policies; `None` without any.
    pub(crate) shadow: Option<Vec<Rule>>,
    pub(crate) dropped: Vec<Dropped>,
}

/// The result of evaluating a set of rules.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'p> {
    /// The first rule that matches.
    Match(&'p Rule),
    /// None matches for certain, but some may.
    Unknown,
    /// None matches.
    Nothing,
}

/// Evaluates rules in Envoy's order. `certain` becomes false where a rule before the answer is unknown: the answer
/// stands, but that rule may be the one that gives it.
pub(crate) fn first_match<'p>(
    rules: &'p [Rule],
    context: &EvaluationContext<'_>,
    certain: &mut bool,
) -> Found<'p> {
    let mut unknown = false;
    let found = rules.iter().find(|rule| {
        let answer = rule.matches(context);
        unknown |= answer == Tri::Unknown;
        answer == Tri::True
    });
    *certain &= !unknown;
    match found {
        Some(rule) => Found::Match(rule),
        None if unknown => Found::Unknown,
        None => Found::Nothing,
    }
}

impl RuleSet {
    pub(crate) fn add(&mut self, policy: &AuthorizationPolicy, rules: Vec<Result<Rule, Dropped>>) {
        let target = if policy.dry_run {
            self.shadow.get_or_insert_default()
        } else {
            self.enforced = true;
            self.policies += 1;
            &mut self.rules
        };
        for rule in rules {
            match rule {
                Ok(rule) => target.push(rule),
                Err(mut dropped) => {
                    // A TCP chain drops most rules, and all for the same reason.
                    match self.dropped.last() {
                        Some(last) if last.reason == dropped.reason => dropped.reason = last.reason.clone(),
                        _ => {}
                    }
                    self.dropped.push(dropped);
                }
            }
        }
    }

    /// Puts the rules into Envoy's order; call once after the last [`RuleSet::add`].
    pub(crate) async fn sort(&mut self, pace: &dyn Pace) {
        self.dropped.shrink_to_fit();
        // One place to sort at, so that the code for it is there once.
        for rules in [Some(&mut self.rules), self.shadow.as_mut()].into_iter().flatten() {
            order::sort_in_slices(rules, |a, b| a.id.cmp(&b.id), pace).await;
        }
    }

    pub(crate) fn shadow_rules(&self) -> &[Rule] {
        self.shadow.as_deref().unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.enforced && self.shadow.is_none()
    }
}

/// The id that istiod gives a rule; `provider` only for CUSTOM.
pub(crate) fn rule_id(meta: &Meta, index: usize, prefix: &str) -> Box<str> {
    format!("{prefix}ns[{}]-policy[{}]-rule[{index}]", meta.namespace, meta.name).into()
}
