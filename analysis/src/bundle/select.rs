//! Which policies can apply to any of the workloads that a plugin reaches.

use gnomon_engine::{
    attach::{Attachment, Policy, Subject},
    resource::Resources,
};

/// The policies that can apply to a workload within reach, and how many were left out. Every such workload gets from
/// these the policies that it gets from all.
pub fn select(resources: &Resources, reach: &Subject<'_>) -> (Resources, usize) {
    let may = |policy: Policy<'_>| !matches!(reach.attachment(policy), Attachment::Not(_));
    let mut selected = resources.clone();
    selected.authorization.retain(|policy| may(Policy::Authorization(policy)));
    selected.request_authentication.retain(|policy| may(Policy::RequestAuthentication(policy)));
    selected.peer_authentication.retain(|policy| may(Policy::PeerAuthentication(policy)));
    let left_out = Policy::all(resources).count() - Policy::all(&selected).count();
    (selected, left_out)
}
