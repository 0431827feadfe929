//! A difference as a link that the page opens: the policies of both sides, and a request for each line.

use crate::yaml;
use gnomon_analysis::{
    bundle::{mesh_fields, workload_fields},
    diff::{Change, Changes, State, document},
    link::fragment,
};
use gnomon_engine::{
    attach::{Attachment, Policy, attachments},
    resource::{Resources, manifest::manifests},
};
use serde_json::{Value, json};

/// Where `gnomon playground` serves the page.
pub(crate) const HERE: &str = "http://localhost:4321/";
/// No more requests than this are in a link.
const REQUESTS: usize = 50;

/// The link, to the page at `page`. It holds of the policies those that can apply to the workload, as the cluster would
/// give them without annotations, and nothing else of their files.
pub(crate) fn link(page: &str, [old, new]: [State<'_>; 2], name: &str, changes: &Changes) -> String {
    let mut requests: Vec<Value> = Vec::new();
    for line in &changes.summary {
        let example = document(&line.example);
        let change = match line.change {
            Change::Allowed => "newly allowed",
            Change::Denied => "newly denied",
            Change::Undecided => "no longer certain",
        };
        if requests.len() < REQUESTS && !requests.iter().any(|one| one.get("request") == Some(&example)) {
            let title = format!("{change}: {}", line.operation);
            requests.push(json!({"name": title, "request": example, "target": 0}));
        }
    }
    let document = json!({
        "title": "gnomon diff",
        "look": format!("what changes for {name}: the old policies are the baseline"),
        "policies": [{"name": "policies.yaml", "text": text(&new)}],
        "baseline": [{"name": "policies.yaml", "text": text(&old)}],
        "targets": [{"workload": workload_fields(new.workload), "mesh": mesh_fields(new.mesh)}],
        "requests": requests,
    });
    format!("{}#{}", page.trim_end_matches('#'), fragment(&document))
}

/// The policies that can apply, as YAML.
fn text(state: &State<'_>) -> String {
    let mut near = Resources::default();
    for (policy, attachment) in attachments(state.resources, state.workload, state.mesh) {
        match policy {
            _ if matches!(attachment, Attachment::Not(_)) => {}
            Policy::Authorization(policy) => near.authorization.push(policy.clone()),
            Policy::RequestAuthentication(policy) => near.request_authentication.push(policy.clone()),
            Policy::PeerAuthentication(policy) => near.peer_authentication.push(policy.clone()),
        }
    }
    manifests(&near).iter().map(yaml::write).collect::<Vec<_>>().join("---\n")
}
