use super::{Meta, Target, Text};
use crate::node::Position;
use alloc::vec::Vec;

/// `spec.action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Let through what matches; refuse the rest as soon as one such policy is attached.
    #[default]
    Allow,
    /// Refuse what matches.
    Deny,
    /// Mark what matches for auditing; no say in the decision.
    Audit,
    /// Ask an external provider about what matches.
    Custom,
}

/// An AuthorizationPolicy.
#[derive(Clone, Debug)]
pub struct AuthorizationPolicy {
    /// Name, namespace, place.
    pub meta: Meta,
    /// Which workloads it names.
    pub target: Target,
    /// What happens on a match.
    pub action: Action,
    /// `spec.provider.name`; always there for [`Action::Custom`], never else.
    pub provider: Option<Text>,
    /// The annotation `istio.io/dry-run` is true (in any of Go's `ParseBool` spellings).
    pub dry_run: bool,
    /// In the order written: the index is part of the id that Envoy reports. Empty: matches nothing.
    pub rules: Vec<Rule>,
}

/// One of `spec.rules`: (any source) and (any operation) and all conditions.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Where it begins.
    pub at: Position,
    /// `from[].source`; empty: any source.
    pub from: Vec<Source>,
    /// `to[].operation`; empty: any operation.
    pub to: Vec<Operation>,
    /// `when`; all must hold.
    pub when: Vec<Condition>,
    /// Fields that were cut away because Istio of the mesh's version does not know them ([`crate::versions::known`]);
    /// they are not in `from` any more.
    pub pruned: Vec<&'static str>,
}

/// Values of a field and of its `not` twin: (no values, or any matches) and no not-value matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// `principals`, `values`, ….
    pub values: Vec<Text>,
    /// `notPrincipals`, `notValues`, ….
    pub not_values: Vec<Text>,
}

impl Match {
    /// Neither list has an element: the field says nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.not_values.is_empty()
    }
}

/// `from[].source`: all fields that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Where it begins.
    pub at: Position,
    /// `principals`: SPIFFE ids without `spiffe://`.
    pub principals: Match,
    /// `requestPrincipals`: `iss/sub` of the verified token.
    pub request_principals: Match,
    /// `namespaces`, from the peer's SPIFFE id.
    pub namespaces: Match,
    /// `serviceAccounts` (Istio 1.25): `name` or `namespace/name`.
    pub service_accounts: Match,
    /// `ipBlocks`: the physical peer.
    pub ip_blocks: Match,
    /// `remoteIpBlocks`: the client after X-Forwarded-For.
    pub remote_ip_blocks: Match,
    /// `trustDomains` (Istio 1.31).
    pub trust_domains: Match,
}

/// `to[].operation`: all fields that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Where it begins.
    pub at: Position,
    /// `hosts`: `:authority` with its port, ignoring case.
    pub hosts: Match,
    /// `ports`: the port of the proxy's own connection. Admission has checked each: 0–65535.
    pub ports: Match,
    /// `methods`, case-sensitive.
    pub methods: Match,
    /// `paths`, without query, after normalization.
    pub paths: Match,
}

/// One of `when`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Where it begins.
    pub at: Position,
    /// `key`, e.g. `request.headers[x-user]`; admission has checked that it is a known attribute.
    pub key: Text,
    /// `values` and `notValues`; at least one of them has an element.
    pub values: Match,
}
