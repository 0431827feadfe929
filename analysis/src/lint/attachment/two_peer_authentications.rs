use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{Severity, attach::Policy, resource::PeerAuthentication};
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "two-peer-authentications",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("Two PeerAuthentications are for the same workloads."),
    why: documented!(
        "Of one level only the oldest counts, and nothing is merged: modes and ports of the other one do \
        nothing. Which one is older is known by the cluster alone, and changes when an object is made \
        again."
    ),
    instead: documented!("Put both into one object."),
    limits: documented!("Seen are policies without a selector, and those with equal labels."),
    source: documented!("https://github.com/istio/istio/issues/48036"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: a, namespace: shop",
                r#"{mtls: {mode: STRICT}}"#
            ),
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: b, namespace: shop",
                r#"{mtls: {mode: PERMISSIVE}}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: a, namespace: shop",
                r#"{mtls: {mode: STRICT}}"#
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let mut seen: HashMap<_, &PeerAuthentication> = HashMap::new();
    for peer in &findings.input.resources.peer_authentication {
        let labels = peer.selector.as_deref().unwrap_or_default();
        let in_root = peer.meta.namespace == findings.input.mesh.root_namespace;
        if in_root && !labels.is_empty() {
            continue;
        }
        let first = *seen.entry((peer.meta.namespace.as_str(), labels)).or_insert(peer);
        // One of the same name replaces the other.
        if first.meta.name == peer.meta.name {
            continue;
        }
        let message = format!("{} is for the same workloads, and only the older one counts", first.meta.name);
        findings
            .at(Policy::PeerAuthentication(peer), peer.meta.at, "spec", message, "put both into one object")
            .see(Policy::PeerAuthentication(first));
    }
}
