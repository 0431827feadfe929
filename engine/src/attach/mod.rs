//! Which policies apply to a workload, and why the others do not.
//!
//! The rules are istiod's, Istio 1.24 to 1.32: `pilot/pkg/model/policyattachment.go`, `authorization.go`,
//! `authentication.go`; for PeerAuthentication `pilot/pkg/security/authn/policy_applier.go`; for ztunnel
//! `pilot/pkg/serviceregistry/ambient`. [`attachments`] is the one place that decides; [`attach`] collects what it says
//! applies, and [`Subject`] lets the same rules answer for workloads of which only a part is known.

mod ambient;
mod peer;
mod reason;
mod subject;

pub use peer::{MtlsModes, PeerLevels, PortMode, PortModes};
pub use reason::{NotApplied, NotAppliedReport, Reason, UnmetLabel};
pub use subject::{Subject, settle, verifies_peers};

use crate::{
    order,
    resource::{
        AuthorizationPolicy, JwtRule, Meta, PeerAuthentication, RequestAuthentication, Resources, TargetRef,
    },
    slices::{self, AtOnce, Pace},
    versions,
    workload::{Mesh, Workload},
};
use alloc::vec::Vec;

/// The label that makes a pod an instance of a Gateway API gateway.
pub const GATEWAY_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// The GatewayClass that a root-namespace policy names to reach every waypoint.
pub const WAYPOINT_CLASS: &str = "istio-waypoint";

/// A policy of any of the three kinds.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'r> {
    /// An AuthorizationPolicy.
    Authorization(&'r AuthorizationPolicy),
    /// A RequestAuthentication.
    RequestAuthentication(&'r RequestAuthentication),
    /// A PeerAuthentication.
    PeerAuthentication(&'r PeerAuthentication),
}

impl<'r> Policy<'r> {
    /// Every policy: the kinds one after the other, each in the order read.
    pub fn all(resources: &'r Resources) -> impl Iterator<Item = Policy<'r>> {
        let authorization = resources.authorization.iter().map(Policy::Authorization);
        let request = resources.request_authentication.iter().map(Policy::RequestAuthentication);
        let peer = resources.peer_authentication.iter().map(Policy::PeerAuthentication);
        authorization.chain(request).chain(peer)
    }

    /// Name, namespace, place.
    pub fn meta(self) -> &'r Meta {
        match self {
            Policy::Authorization(policy) => &policy.meta,
            Policy::RequestAuthentication(policy) => &policy.meta,
            Policy::PeerAuthentication(policy) => &policy.meta,
        }
    }

    /// `AuthorizationPolicy`, `RequestAuthentication` or `PeerAuthentication`.
    pub fn kind(self) -> &'static str {
        match self {
            Policy::Authorization(_) => "AuthorizationPolicy",
            Policy::RequestAuthentication(_) => "RequestAuthentication",
            Policy::PeerAuthentication(_) => "PeerAuthentication",
        }
    }
}

/// The level at which a policy applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level<'r> {
    /// It is in the root namespace and names no workload: the whole mesh.
    Mesh,
    /// It names no workload: its namespace.
    Namespace,
    /// Its selector has the workload's labels.
    Workload,
    /// This one of its `targetRefs`.
    Target(&'r TargetRef),
}

/// Whether a policy applies to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment<'r> {
    /// It does.
    Applies(Level<'r>),
    /// It may: what would tell is not known. Of a [`Subject`] of which not everything is known: a label, the namespace, a
    /// service. Of a workload: which of several PeerAuthentications is the oldest; then the reason names another one.
    Undecided(Option<Reason<'r>>),
    /// It does not, and why.
    Not(Reason<'r>),
}

/// Every policy with what it is to the workload, in the order of [`Policy::all`].
///
/// A policy with `targetRefs` never applies to a sidecar, and one without never to a waypoint: the two commonest
/// reasons for a policy that "does nothing".
pub fn attachments<'r>(
    resources: &'r Resources,
    workload: &'r Workload,
    mesh: &'r Mesh,
) -> Vec<(Policy<'r>, Attachment<'r>)> {
    slices::all(settled(resources, &Subject::new(resources, workload, mesh), mesh, &AtOnce)).0
}

async fn settled<'r>(
    resources: &'r Resources,
    subject: &Subject<'r>,
    mesh: &'r Mesh,
    pace: &dyn Pace,
) -> (Vec<(Policy<'r>, Attachment<'r>)>, PeerLevels<'r>) {
    let mut all: Vec<(Policy<'r>, Attachment<'r>)> = Vec::new();
    for policy in Policy::all(resources) {
        slices::step(pace).await;
        all.push(match versions::takes(policy, mesh.istio_version) {
            true => (policy, subject.attachment(policy)),
            false => (policy, Attachment::Not(Reason::NotTaken(mesh.istio_version))),
        });
    }
    let levels = peer::settle(&mut all, subject);
    (all, levels)
}

/// The policies that do not apply, or may not, each with the reason.
pub fn not_applied<'r>(
    resources: &'r Resources,
    workload: &'r Workload,
    mesh: &'r Mesh,
) -> Vec<NotApplied<'r>> {
    let reason = |(policy, attachment)| match attachment {
        Attachment::Not(reason) | Attachment::Undecided(Some(reason)) => Some(NotApplied { policy, reason }),
        Attachment::Applies(_) | Attachment::Undecided(None) => None,
    };
    attachments(resources, workload, mesh).into_iter().filter_map(reason).collect()
}

/// What applies to one workload, borrowed from the resources.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Attached<'r> {
    /// All AuthorizationPolicies, in the order read.
    pub authorization: Vec<&'r AuthorizationPolicy>,
    /// The rules of all RequestAuthentications in istiod's order before it sorts by issuer: the workload's
    /// namespace, the root namespace, the services' namespaces; in each by age, then name.
    pub jwt_rules: Vec<(&'r Meta, &'r JwtRule)>,
    /// The PeerAuthentications that count.
    pub peer: PeerLevels<'r>,
    /// How many policies of the three kinds do not apply, those included of which it is not known.
    pub not_applied: usize,
}

/// Collects what applies.
pub fn attach<'r>(resources: &'r Resources, workload: &'r Workload, mesh: &'r Mesh) -> Attached<'r> {
    slices::all(attach_in_slices(resources, workload, mesh, &AtOnce))
}

/// The same in slices.
pub(crate) async fn attach_in_slices<'r>(
    resources: &'r Resources,
    workload: &'r Workload,
    mesh: &'r Mesh,
    pace: &dyn Pace,
) -> Attached<'r> {
    let subject = Subject::new(resources, workload, mesh);
    let mut attached = Attached::default();
    let mut request: Vec<&RequestAuthentication> = Vec::new();
    let (all, peer) = settled(resources, &subject, mesh, pace).await;
    for (policy, attachment) in &all {
        match (policy, attachment) {
            (_, Attachment::Not(_) | Attachment::Undecided(_)) => attached.not_applied += 1,
            (Policy::Authorization(policy), _) => attached.authorization.push(policy),
            (Policy::RequestAuthentication(policy), _) => request.push(policy),
            (Policy::PeerAuthentication(_), _) => {}
        }
    }
    attached.peer = peer;
    order::sort_by(&mut request, |a, b| {
        let key = |meta: &'r Meta| (subject.lookup_order(&meta.namespace), age(meta));
        key(&a.meta).cmp(&key(&b.meta))
    });
    attached.jwt_rules =
        request.iter().flat_map(|policy| policy.rules.iter().map(move |rule| (&policy.meta, rule))).collect();
    attached
}

/// Oldest first; a policy without a time stamp counts as oldest, as Go's zero time does.
fn age(meta: &Meta) -> (&str, &str, &str) {
    (meta.creation_timestamp.as_deref().unwrap_or(""), &meta.name, &meta.namespace)
}
