//! MeshConfig, where istiod keeps it: the ConfigMap `istio` (or `istio-REVISION`), as YAML in `data.mesh`.

use super::{
    Meta,
    object::{at, list, text},
};
use crate::tree::parse;
use gnomon_engine::{Diagnostic, Mesh, Node, Position, Value, decode, node::Key};

/// The configuration in a ConfigMap; `None`: it is another ConfigMap, or its text cannot be read.
pub(super) fn config(node: &Node, meta: &Meta) -> Option<Node> {
    if meta.name != "istio" && !meta.name.starts_with("istio-") {
        return None;
    }
    let written = at(node, &["data", "mesh"])?;
    let (documents, problems) = parse(written.as_str()?, &meta.file);
    let mut config =
        documents.into_iter().next().filter(|config| problems.is_empty() && config.as_map().is_some())?;
    place(&mut config, written.at);
    Some(config)
}

/// What of it matters to policies.
pub(super) fn mesh(config: &Node, meta: &Meta, found: &mut Vec<Diagnostic>) -> Mesh {
    let key = |name: &str| Key { name: name.into(), at: config.at };
    let hops = at(config, &["defaultConfig", "gatewayTopology", "numTrustedProxies"]);
    let providers: Vec<Node> = list(config, "extensionProviders")
        .iter()
        // Others (tracing, access logs) decide nothing.
        .filter(|provider| {
            ["envoyExtAuthzHttp", "envoyExtAuthzGrpc"].iter().any(|kind| provider.get(kind).is_some())
        })
        .cloned()
        .collect();
    let mut entries =
        vec![(key("extensionProviders"), Node { value: Value::List(providers), at: config.at })];
    let fields = ["trustDomainAliases", "pathNormalization"].map(|name| (name, config.get(name)));
    let texts = ["rootNamespace", "trustDomain"]
        .map(|name| (name, config.get(name).filter(|_| !text(config, name).is_empty())));
    let hops = [("numTrustedProxies", hops)];
    let all = fields.into_iter().chain(texts).chain(hops);
    entries.extend(all.filter_map(|(name, node)| Some((key(name), node?.clone()))));
    decode::mesh(&Node { value: Value::Map(entries), at: config.at }, &meta.file, found)
}

/// The text's own lines are not the file's: all of it stands where the text does.
fn place(node: &mut Node, at: Position) {
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        node.at = at;
        match &mut node.value {
            Value::List(items) => waiting.extend(items),
            Value::Map(entries) => waiting.extend(entries.iter_mut().map(|(key, node)| {
                key.at = at;
                node
            })),
            _ => {}
        }
    }
}
