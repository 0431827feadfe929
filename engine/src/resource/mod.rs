//! Policies as they are written, after admission: what is here would be accepted by istiod.
//!
//! Made only by [`crate::decode`]; every value keeps its place in the text.

mod authorization_policy;
pub mod manifest;
mod peer_authentication;
mod request_authentication;

pub use authorization_policy::{Action, AuthorizationPolicy, Condition, FieldSet, Match, Rule};
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use request_authentication::{ClaimToHeader, HeaderLocation, JwtRule, Presence, RequestAuthentication};

use crate::{node::Position, order, slices::Pace};
use alloc::{string::String, sync::Arc, vec::Vec};

/// All policies of the kinds that decide, in the order read.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// AuthorizationPolicy, `security.istio.io/v1` and `v1beta1`.
    pub authorization: Vec<AuthorizationPolicy>,
    /// RequestAuthentication.
    pub request_authentication: Vec<RequestAuthentication>,
    /// PeerAuthentication.
    pub peer_authentication: Vec<PeerAuthentication>,
    /// The Services and ServiceEntries among the manifests, by name: they tell which of the two a workload's service is
    /// ([`crate::workload::Service`]).
    pub services: Vec<ServiceObject>,
    /// The gateways among the manifests that take client certificates without verifying them: what a name in one proves
    /// there is nothing.
    pub unverified: Vec<UnverifiedGateway>,
}

/// A Gateway of either kind, some listener of which takes client certificates without verifying them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnverifiedGateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels of its pods, in any namespace (`networking.istio.io`). `None`: it is one of the Gateway API, and its
    /// pods carry its name.
    pub selector: Option<Labels>,
}

/// A Service or a ServiceEntry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceObject {
    /// [`TargetKind::Service`] or [`TargetKind::ServiceEntry`].
    pub kind: TargetKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Resources {
    /// True where a rule says `presence: REQUIRED`, of which no istiod is known yet that puts it into a proxy's
    /// configuration: `gnomon_envoy_config::export` leaves it out.
    pub fn requires_tokens(&self) -> bool {
        let mut rules = self.request_authentication.iter().flat_map(|policy| &policy.rules);
        rules.any(|rule| rule.presence == Presence::Required)
    }

    /// Objects that are there twice, each with its kind and the one read first: an error, since nobody can say which one
    /// is meant. A cluster has no such objects.
    pub async fn duplicates(&self, pace: &dyn Pace) -> Vec<(&'static str, &Meta, &Meta)> {
        let authorization = self.authorization.iter().map(|policy| ("AuthorizationPolicy", &policy.meta));
        let authentication =
            self.request_authentication.iter().map(|policy| ("RequestAuthentication", &policy.meta));
        let peer = self.peer_authentication.iter().map(|policy| ("PeerAuthentication", &policy.meta));
        let mut all: Vec<_> = authorization.chain(authentication).chain(peer).enumerate().collect();
        type Entry<'a> = (usize, (&'static str, &'a Meta));
        let compare = |(_, (kind, a)): &Entry<'_>, (_, (other, b)): &Entry<'_>| {
            a.name.cmp(&b.name).then_with(|| a.namespace.cmp(&b.namespace)).then_with(|| kind.cmp(other))
        };
        order::sort_in_slices(&mut all, compare, pace).await;
        let same = |a: &Entry<'_>, b: &Entry<'_>| compare(a, b).is_eq();
        let mut twice: Vec<_> = all
            .chunk_by(same)
            .filter_map(<[_]>::split_first)
            .flat_map(|((_, (_, first)), rest)| {
                rest.iter().map(move |(at, (kind, meta))| (*at, (*kind, *first, *meta)))
            })
            .collect();
        order::sort_by(&mut twice, |(a, _), (b, _)| a.cmp(b));
        twice.into_iter().map(|(_, found)| found).collect()
    }
}

/// A string and where it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The string.
    pub text: String,
    /// Its place.
    pub at: Position,
}

/// What every object carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.namespace`; `default` when absent, as kubectl has it.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.creationTimestamp` as written (RFC 3339 in UTC sorts as text); decides between two
    /// PeerAuthentications of one level.
    pub creation_timestamp: Option<String>,
    /// The file it was read from; empty where there is none.
    pub file: Arc<str>,
    /// Where the document begins.
    pub at: Position,
}

/// `spec.selector.matchLabels`, sorted by key.
pub type Labels = Vec<(String, String)>;

/// Which workloads an AuthorizationPolicy or RequestAuthentication names (istio-semantics: attachment).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// No selector and no reference: the whole namespace, or the mesh in the root namespace.
    #[default]
    Namespace,
    /// `selector: {}`: as without it for Envoy, and bound to no workload at ztunnel, where `selector: {matchLabels: {}}`
    /// is bound to all (`ambient/authorization.go`, Istio 1.32).
    EmptySelector,
    /// `selector.matchLabels`, which may be empty.
    Selector(Labels),
    /// `targetRefs`, or the single `targetRef`; at least one.
    Refs(Vec<TargetRef>),
}

/// The kinds that a `targetRef` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Core `Service`.
    Service,
    /// `networking.istio.io` `ServiceEntry`.
    ServiceEntry,
    /// `gateway.networking.k8s.io` `Gateway`.
    Gateway,
    /// `gateway.networking.k8s.io` `GatewayClass`.
    GatewayClass,
}

/// One element of `targetRefs`; always in the policy's own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    /// The kind of object.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
    /// Where the reference is written.
    pub at: Position,
}
