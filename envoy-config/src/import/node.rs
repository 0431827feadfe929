//! Whose proxy it is: the node of a bootstrap, as istiod's agents fill it.

use super::fields::{get, text};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{
    node::Node,
    workload::{IstioVersion, ProxyKind, Workload},
};

/// How deep a node is looked for.
const MAX_DEPTH: usize = 6;

/// The proxy's node.
#[derive(Clone, Debug)]
pub struct ProxyNode {
    /// The workload that its metadata describe.
    pub workload: Workload,
    /// `ISTIO_VERSION`, of the versions that are known.
    pub version: Option<IstioVersion>,
}

/// The node of a `/config_dump` or of a bootstrap; `None`: it has none, or one without Istio's metadata.
pub(super) fn find(document: &Node) -> Option<ProxyNode> {
    search(document, MAX_DEPTH).and_then(read)
}

fn search(node: &Node, depth: usize) -> Option<&Node> {
    let depth = depth.checked_sub(1)?;
    if let Some(items) = node.as_list() {
        return items.iter().find_map(|item| search(item, depth));
    }
    let own = get(node, "node").filter(|node| get(node, "metadata").is_some());
    own.or_else(|| ["configs", "bootstrap"].into_iter().find_map(|name| search(get(node, name)?, depth)))
}

fn read(node: &Node) -> Option<ProxyNode> {
    let metadata = get(node, "metadata")?;
    // These names are Istio's, and stand as they are.
    let own = |name: &str| metadata.get(name).and_then(Node::as_str).unwrap_or_default();
    let namespace = own("NAMESPACE");
    if namespace.is_empty() {
        return None;
    }
    let labels = metadata.get("LABELS").and_then(Node::as_map).unwrap_or_default().iter();
    let mut labels: Vec<(String, String)> =
        labels.filter_map(|(key, value)| Some((key.name.clone(), value.as_str()?.to_string()))).collect();
    sort_by(&mut labels, Ord::cmp);
    // `sidecar~10.0.0.7~orders-5d8.shop~shop.svc.cluster.local`
    let proxy = match text(node, "id").and_then(|id| id.split('~').next()) {
        Some("router") => ProxyKind::Gateway,
        Some("waypoint") => ProxyKind::Waypoint,
        _ => ProxyKind::Sidecar,
    };
    let workload = Workload {
        name: own("WORKLOAD_NAME").into(),
        namespace: namespace.into(),
        labels,
        service_account: own("SERVICE_ACCOUNT").into(),
        proxy,
        ..Workload::default()
    };
    Some(ProxyNode { workload, version: IstioVersion::parse(own("ISTIO_VERSION")) })
}
