//! Whom policies are about: the workloads among the manifests, and where there are none, those that the policies name.

use crate::shape;
use gnomon_analysis::workloads;
use gnomon_engine::{
    Mesh,
    attach::{Attachment, attachments},
    resource::{Action, Meta, Resources},
};
use gnomon_manifests::inventory::Inventory as Objects;
use serde::Serialize;
use serde_json::Value;

/// How many workloads are told.
const MOST: usize = 100;

/// What [`crate::Session::inventory`] answers.
#[derive(Debug, Default, Serialize)]
pub struct Inventory {
    /// The workloads that were found, at most a hundred.
    pub workloads: Vec<Found>,
    /// All policies, in the order read.
    pub policies: Vec<PolicyOf>,
}

/// A workload that was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// docs/formats.md, "Workload and mesh".
    pub workload: Value,
    /// What says that it exists: `Deployment shop/orders`, `the selector of AuthorizationPolicy shop/orders`.
    pub origin: String,
}

/// A policy and whom it reaches.
#[derive(Debug, Serialize)]
pub struct PolicyOf {
    /// `AuthorizationPolicy`, `RequestAuthentication` or `PeerAuthentication`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Of an AuthorizationPolicy.
    pub action: Option<&'static str>,
    /// Its file.
    pub file: String,
    /// Where it begins; 0 where not known.
    pub line: u32,
    /// Indices in [`Inventory::workloads`].
    pub workloads: Vec<usize>,
}

/// Finds them.
pub(crate) fn inventory(objects: &Objects, resources: &Resources, mesh: &Mesh) -> Inventory {
    let mut candidates = workloads::find(objects, resources, mesh);
    candidates.truncate(MOST);

    let mut policies = policies(resources);
    let mut workloads = Vec::new();
    for (index, candidate) in candidates.into_iter().enumerate() {
        // Both are in the order of the kinds, then as read.
        let attached = attachments(resources, &candidate.workload, mesh);
        for (policy, (_, attachment)) in policies.iter_mut().zip(attached) {
            if matches!(attachment, Attachment::Applies(_)) {
                policy.workloads.push(index);
            }
        }
        workloads.push(Found { workload: shape::workload(&candidate.workload), origin: candidate.origin });
    }
    Inventory { workloads, policies }
}

fn policies(resources: &Resources) -> Vec<PolicyOf> {
    let of = |kind, meta: &Meta, action| PolicyOf {
        kind,
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        action,
        file: meta.file.to_string(),
        line: meta.at.line,
        workloads: Vec::new(),
    };
    let authorization = resources
        .authorization
        .iter()
        .map(|one| of("AuthorizationPolicy", &one.meta, Some(action(one.action))));
    let tokens =
        resources.request_authentication.iter().map(|one| of("RequestAuthentication", &one.meta, None));
    let peers = resources.peer_authentication.iter().map(|one| of("PeerAuthentication", &one.meta, None));
    authorization.chain(tokens).chain(peers).collect()
}

/// As a policy writes it.
fn action(action: Action) -> &'static str {
    match action {
        Action::Allow => "ALLOW",
        Action::Deny => "DENY",
        Action::Audit => "AUDIT",
        Action::Custom => "CUSTOM",
    }
}
