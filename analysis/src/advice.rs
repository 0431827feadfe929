//! What lints say of the policies that were asked about a request: people ask about a request before they run the lints.

use crate::lint::{Finding, Settings, findings};
use gnomon_engine::order::sort_by;
use gnomon_engine::{
    Mesh, Severity, Workload,
    attach::{Attachment, Policy, attachments},
    resource::Resources,
    verdict::{Explanation, RuleTrace},
};
use gnomon_manifests::Loaded;
use std::collections::HashSet;

/// Beyond so many objects only the policies themselves are looked at, not what they are for.
const OBJECTS: usize = 2_000;
/// No more findings than this are told.
const TOLD: usize = 3;

/// Errors and warnings about the rules that were asked and did not do what one may have expected: those of policies that
/// apply to the workload and that the explanations name. The gravest first.
pub fn advice(
    loaded: &Loaded,
    workload: &Workload,
    mesh: &Mesh,
    explained: &[Explanation],
    texts: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let rules: Vec<&RuleTrace> = {
        let stages = explained.iter().flat_map(|explanation| &explanation.stages);
        stages.flat_map(|stage| &stage.rules).collect()
    };
    let named: HashSet<&str> = rules.iter().map(|rule| rule.policy.as_str()).collect();
    let attached: HashSet<String> = attachments(&loaded.resources, workload, mesh)
        .iter()
        .filter(|(_, attachment)| !matches!(attachment, Attachment::Not(_)))
        .map(|(policy, _)| object(policy))
        .collect();
    let mut near = Loaded::default();
    near.resources = loaded.resources.clone();
    let Resources { authorization, request_authentication, peer_authentication, .. } = &mut near.resources;
    authorization.retain(|one| attached.contains(&object(&Policy::Authorization(one))));
    request_authentication.retain(|one| attached.contains(&object(&Policy::RequestAuthentication(one))));
    peer_authentication.retain(|one| attached.contains(&object(&Policy::PeerAuthentication(one))));
    if loaded.inventory.len() <= OBJECTS {
        near.inventory = loaded.inventory.clone();
    }
    near.files = loaded.files.clone();
    let mut settings = Settings::new(mesh);
    settings.mesh_is_known = *mesh != Mesh::default();
    let mut found = findings(&near, &settings, texts);
    let is_about = |found: &Finding| {
        let object = found.diagnostic.object.strip_prefix("AuthorizationPolicy ");
        found.diagnostic.severity <= Severity::Warning && object.is_some_and(|name| named.contains(name))
    };
    found.retain(is_about);
    sort_by(&mut found, |a, b| a.diagnostic.severity.cmp(&b.diagnostic.severity));
    found.truncate(TOLD);
    found
}

fn object(policy: &Policy<'_>) -> String {
    let meta = policy.meta();
    format!("{} {}/{}", policy.kind(), meta.namespace, meta.name)
}
