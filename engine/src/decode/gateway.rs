//! Gateways of either kind, of which one thing matters to policies: whether they verify the certificates of clients.

use super::meta;
use crate::{Node, Value, node::Key, resource::UnverifiedGateway};
use alloc::{borrow::ToOwned, string::String};

/// A Gateway of which a server or a listener takes client certificates unverified: `tls.insecureSkipVerify` with a mode
/// that asks for them, and frontend validation `AllowInsecureFallback` of the Gateway API (Istio 1.31,
/// `pilot/pkg/security/model/authentication.go`).
///
/// Its other listeners may verify; a request does not say by which one it came in.
pub(super) fn unverified(node: &Node, version: &str, kind: &str) -> Option<UnverifiedGateway> {
    let group = version.split_once('/')?.0;
    let spec = node.get("spec").filter(|_| kind == "Gateway")?;
    let (unverified, selector) = match group {
        "networking.istio.io" => {
            let label = |(key, value): &(Key, Node)| -> Option<(String, String)> {
                Some((key.name.clone(), value.as_str()?.to_owned()))
            };
            let labels = spec.get("selector").and_then(Node::as_map).unwrap_or_default();
            let servers = list(spec, "servers").iter();
            (servers.filter_map(skips).any(|skips| skips), Some(labels.iter().filter_map(label).collect()))
        }
        "gateway.networking.k8s.io" => {
            let frontend = at(spec, &["tls", "frontend"])?;
            let ports = list(frontend, "perPort").iter().filter_map(|port| port.get("tls"));
            let mut all = frontend.get("default").into_iter().chain(ports);
            (all.any(falls_back), None)
        }
        _ => return None,
    };
    let (namespace, name) = meta::names(node)?;
    unverified.then(|| UnverifiedGateway { namespace: namespace.into(), name: name.into(), selector })
}

fn skips(server: &Node) -> Option<bool> {
    let tls = server.get("tls")?;
    let asks = matches!(tls.get("mode")?.as_str()?, "MUTUAL" | "OPTIONAL_MUTUAL");
    Some(asks && tls.get("insecureSkipVerify")?.value == Value::Bool(true))
}

fn falls_back(tls: &Node) -> bool {
    at(tls, &["validation", "mode"]).and_then(Node::as_str) == Some("AllowInsecureFallback")
}

fn list<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    node.get(name).and_then(Node::as_list).unwrap_or_default()
}

fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, name| node.get(name))
}
