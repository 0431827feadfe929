//! `filterChainMatch`: for which connections a filter chain is.

use super::{
    expression::cidr,
    fields::{Context, Fields, Place, Unread, integer},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use gnomon_engine::node::{Node, Value};
use ipnet::IpNet;

/// What a connection must be to get this chain. An empty list, or `None`, asks for nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Criteria {
    /// `destinationPort`
    pub(super) port: Option<u16>,
    /// `prefixRanges`: the destination.
    pub(super) destinations: Vec<IpNet>,
    /// `serverNames` in lower case, with `*.` in front or not.
    pub(super) names: Vec<String>,
    /// `transportProtocol`: `tls`, `raw_buffer`, or empty.
    pub(super) transport: String,
    /// `applicationProtocols`
    pub(super) protocols: Vec<String>,
    /// `directSourcePrefixRanges`
    pub(super) direct_sources: Vec<IpNet>,
    /// `sourceType`
    pub(super) source_type: SourceType,
    /// `sourcePrefixRanges`
    pub(super) sources: Vec<IpNet>,
    /// `sourcePorts`
    pub(super) source_ports: Vec<u16>,
    /// A field that is not evaluated, so that nobody can say whether a connection comes here.
    pub(super) unread: Option<Unread>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SourceType {
    #[default]
    Any,
    /// The same host.
    Local,
    /// Another host.
    External,
}

impl Criteria {
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Criteria {
        let mut criteria = Criteria::default();
        let Some(mut fields) = Fields::of(node) else { return criteria };
        // Envoy cuts off the bits behind the prefix.
        let ranges =
            |nodes: &[Node]| -> Vec<IpNet> { nodes.iter().filter_map(cidr).map(|net| net.trunc()).collect() };
        let texts = |nodes: &[Node]| -> Vec<String> {
            nodes.iter().filter_map(Node::as_str).map(ToString::to_string).collect()
        };
        criteria.port = fields.take("destinationPort").and_then(port);
        criteria.destinations = ranges(fields.list("prefixRanges"));
        criteria.names = texts(fields.list("serverNames"));
        criteria.names.iter_mut().for_each(|name| name.make_ascii_lowercase());
        criteria.transport = fields.text("transportProtocol").unwrap_or_default().into();
        criteria.protocols = texts(fields.list("applicationProtocols"));
        criteria.direct_sources = ranges(fields.list("directSourcePrefixRanges"));
        criteria.sources = ranges(fields.list("sourcePrefixRanges"));
        criteria.source_ports = fields.list("sourcePorts").iter().filter_map(port).collect();
        criteria.source_type = match fields.take("sourceType").map(|node| &node.value) {
            Some(Value::String(text)) if text == "SAME_IP_OR_LOOPBACK" => SourceType::Local,
            Some(Value::String(text)) if text == "EXTERNAL" => SourceType::External,
            Some(Value::Number(text)) if text == "1" => SourceType::Local,
            Some(Value::Number(text)) if text == "2" => SourceType::External,
            _ => SourceType::Any,
        };
        fields.ignore(&["name"]);
        if let Some((name, node)) = fields.rest().next() {
            let why = "which connections this chain is for is not evaluated";
            criteria.unread = Some(context.unread(&place.field(name), node.at, why));
        }
        criteria
    }
}

/// A port, wrapped or not.
pub(super) fn port(node: &Node) -> Option<u16> {
    integer(node.get("value").unwrap_or(node)).and_then(|port| u16::try_from(port).ok())
}
