//! Istio's traffic objects, as far as lints need them: on which ports a gateway speaks TCP, and how clients encrypt.
//!
//! They do not decide over requests, so nothing here is validated: what is malformed is passed over.

use gnomon_engine::{
    Node, Value,
    node::Key,
    resource::{Labels, Text},
};
use std::sync::Arc;

const GROUP: &str = "networking.istio.io/";

/// All of them, in the order read.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// `networking.istio.io` Gateway.
    pub gateways: Vec<Gateway>,
    /// DestinationRule.
    pub destination_rules: Vec<DestinationRule>,
}

/// Where an object stands and what it is called.
#[derive(Clone, Debug)]
pub struct Origin {
    /// `metadata.namespace`; `default` when absent.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// The file.
    pub file: Arc<str>,
}

/// Ports that gateway proxies open.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its name and place.
    pub origin: Origin,
    /// `spec.selector`: labels of the proxies, sorted by key.
    pub selector: Labels,
    /// `spec.servers`.
    pub servers: Vec<Server>,
}

/// One of `spec.servers`.
#[derive(Clone, Debug)]
pub struct Server {
    /// `port.number`.
    pub port: u16,
    /// `port.protocol`, in capitals.
    pub protocol: String,
    /// `tls.mode`, in capitals; empty where absent.
    pub tls: String,
}

impl Server {
    /// The proxy sees bytes, not requests: TCP, and TLS that it does not end or that does not hold HTTP
    /// (`pilot/pkg/networking/core/gateway.go`).
    pub fn is_tcp(&self) -> bool {
        match self.protocol.as_str() {
            "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => false,
            "HTTPS" => matches!(self.tls.as_str(), "PASSTHROUGH" | "AUTO_PASSTHROUGH"),
            _ => true,
        }
    }
}

/// How clients speak to a host.
#[derive(Clone, Debug)]
pub struct DestinationRule {
    /// Its name and place.
    pub origin: Origin,
    /// `spec.host`.
    pub host: String,
    /// Each `tls.mode`: of the rule, of its ports, of its subsets.
    pub tls: Vec<ClientTls>,
}

/// One `tls.mode`.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// The mode, and where it stands.
    pub mode: Text,
    /// Its path: `spec.trafficPolicy.tls.mode`.
    pub field: String,
}

impl Traffic {
    /// Takes an object, or a list of them as `kubectl get -o yaml` prints it; other kinds are nothing.
    pub(crate) fn take(&mut self, node: &Node, file: &Arc<str>) {
        match node.get("items").and_then(Node::as_list) {
            Some(items) if text(node, "kind") == "List" => items.iter().for_each(|item| self.one(item, file)),
            _ => self.one(node, file),
        }
    }

    fn one(&mut self, node: &Node, file: &Arc<str>) {
        let Some(spec) = node.get("spec").filter(|_| text(node, "apiVersion").starts_with(GROUP)) else {
            return;
        };
        let named = |name: &str| node.get("metadata").map_or("", |meta| text(meta, name)).to_owned();
        let namespace = Some(named("namespace")).filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".into());
        let origin = Origin { namespace, name: named("name"), file: file.clone() };
        match text(node, "kind") {
            "Gateway" => self.gateways.push(gateway(spec, origin)),
            "DestinationRule" => self.destination_rules.push(destination_rule(spec, origin)),
            _ => {}
        }
    }
}

fn gateway(spec: &Node, origin: Origin) -> Gateway {
    let labels = spec.get("selector").and_then(Node::as_map).unwrap_or_default();
    let label = |(key, value): &(Key, Node)| Some((key.name.clone(), value.as_str()?.to_owned()));
    let mut selector: Labels = labels.iter().filter_map(label).collect();
    selector.sort();
    let server = |node: &Node| {
        let port = node.get("port")?;
        Some(Server {
            port: number(port.get("number")?)?,
            protocol: text(port, "protocol").to_uppercase(),
            tls: node.get("tls").map_or("", |tls| text(tls, "mode")).to_uppercase(),
        })
    };
    let servers = spec.get("servers").and_then(Node::as_list).unwrap_or_default();
    Gateway { origin, selector, servers: servers.iter().filter_map(server).collect() }
}

fn destination_rule(spec: &Node, origin: Origin) -> DestinationRule {
    let mut rule = DestinationRule { origin, host: text(spec, "host").to_owned(), tls: Vec::new() };
    policy(spec, "spec", &mut rule.tls);
    for (index, subset) in spec.get("subsets").and_then(Node::as_list).unwrap_or_default().iter().enumerate()
    {
        policy(subset, &format!("spec.subsets[{index}]"), &mut rule.tls);
    }
    rule
}

/// The modes of a `trafficPolicy` and of its ports.
fn policy(parent: &Node, path: &str, out: &mut Vec<ClientTls>) {
    let Some(policy) = parent.get("trafficPolicy") else { return };
    let mut add = |node: &Node, field: String| {
        let Some(mode) = node.get("tls").and_then(|tls| tls.get("mode")) else { return };
        if let Some(text) = mode.as_str() {
            out.push(ClientTls { mode: Text { text: text.to_uppercase(), at: mode.at }, field });
        }
    };
    add(policy, format!("{path}.trafficPolicy.tls.mode"));
    let ports = policy.get("portLevelSettings").and_then(Node::as_list).unwrap_or_default();
    for (index, port) in ports.iter().enumerate() {
        add(port, format!("{path}.trafficPolicy.portLevelSettings[{index}].tls.mode"));
    }
}

fn text<'n>(node: &'n Node, name: &str) -> &'n str {
    node.get(name).and_then(Node::as_str).unwrap_or_default()
}

fn number(node: &Node) -> Option<u16> {
    match &node.value {
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}
