//! Services: by which name and port a workload is reached.

use super::{
    Meta, Protocol,
    object::{labels_at, list, port, text},
};
use gnomon_engine::{Node, resource::Labels};

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name and place.
    pub meta: Meta,
    /// `spec.selector`, sorted by key. Empty: it leads to no Pods of its own.
    pub selector: Labels,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.type` is `ExternalName`: another name, and no selector counts.
    pub external: bool,
}

/// One of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`; empty when absent.
    pub name: String,
    /// `port`.
    pub number: u16,
    /// `targetPort`, by default the same number.
    pub target: TargetPort,
    /// What Istio takes it to speak.
    pub protocol: Protocol,
}

/// `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// A number.
    Number(u16),
    /// A name of a container's port: a number for each Pod.
    Name(String),
}

impl Service {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let spec = node.get("spec");
        let ports = spec.map_or(&[][..], |spec| list(spec, "ports"));
        Service {
            meta,
            selector: labels_at(node, &["spec", "selector"]),
            ports: ports.iter().filter_map(service_port).collect(),
            external: spec.is_some_and(|spec| text(spec, "type") == "ExternalName"),
        }
    }
}

fn service_port(node: &Node) -> Option<ServicePort> {
    let (name, number) = (text(node, "name"), port(node, "port")?);
    let app_protocol = node.get("appProtocol").and_then(Node::as_str);
    let target = match (port(node, "targetPort"), text(node, "targetPort")) {
        (Some(number), _) => TargetPort::Number(number),
        (None, "") => TargetPort::Number(number),
        (None, name) => name.parse().map_or_else(|_| TargetPort::Name(name.into()), TargetPort::Number),
    };
    let protocol = Protocol::of(number, name, text(node, "protocol"), app_protocol);
    Some(ServicePort { name: name.into(), number, target, protocol })
}
