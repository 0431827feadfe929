//! Istio's traffic objects, as far as they matter to policies: on which ports a gateway speaks what, who routes through
//! it, how clients encrypt.

use super::{
    HttpRule, Meta, Protocol, ServicePort, TargetPort, http_route,
    object::{labels_at, list, port, text, texts},
};
use gnomon_engine::{
    Node,
    resource::{Labels, Text},
};

/// Ports that gateway proxies open (`networking.istio.io`).
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its name and place.
    pub meta: Meta,
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
    /// `hosts`.
    pub hosts: Vec<String>,
    /// `tls.mode`, in capitals; empty where absent.
    pub tls: String,
    /// `tls.httpsRedirect`: every request is answered with a redirect.
    pub redirects: bool,
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

/// Routes for hosts.
#[derive(Clone, Debug)]
pub struct VirtualService {
    /// Its name and place.
    pub meta: Meta,
    /// `spec.hosts`.
    pub hosts: Vec<String>,
    /// `spec.gateways`: `name`, `namespace/name`, or `mesh`, which is meant where it is empty.
    pub gateways: Vec<String>,
    /// The hosts that its routes lead to, of HTTP, TLS and TCP.
    pub destinations: Vec<String>,
    /// The names that `http[].match[].headers` and `withoutHeaders` give to claims: `@request.auth.claims.group`.
    pub claims: Vec<Text>,
    /// `spec.http`.
    pub http: Vec<HttpRule>,
}

/// A patch of proxies' configuration.
#[derive(Clone, Debug)]
pub struct EnvoyFilter {
    /// Its name and place.
    pub meta: Meta,
    /// The names of filters that `configPatches[].match` looks for, each with its path.
    pub filters: Vec<(Text, String)>,
}

/// How clients speak to a host.
#[derive(Clone, Debug)]
pub struct DestinationRule {
    /// Its name and place.
    pub meta: Meta,
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
    /// The subset that it is for; empty: all.
    pub subset: String,
    /// The Service's port that it is for; `None`: all.
    pub port: Option<u16>,
}

/// Hosts that are no Services, or not of this cluster.
#[derive(Clone, Debug)]
pub struct ServiceEntry {
    /// Its name and place.
    pub meta: Meta,
    /// `spec.hosts`.
    pub hosts: Vec<String>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.workloadSelector.labels`, sorted by key: it leads to Pods, too.
    pub selector: Labels,
}

/// A filter that Istio puts into proxies.
#[derive(Clone, Debug)]
pub struct WasmPlugin {
    /// Its name and place.
    pub meta: Meta,
    /// `spec.selector.matchLabels`, sorted by key.
    pub selector: Labels,
    /// `spec.url`.
    pub url: String,
    /// `spec.phase`; empty where absent.
    pub phase: String,
}

impl Gateway {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let server = |node: &Node| {
            let bound = node.get("port")?;
            Some(Server {
                port: port(bound, "number")?,
                protocol: text(bound, "protocol").to_ascii_uppercase(),
                hosts: texts(node, "hosts"),
                tls: node.get("tls").map_or("", |tls| text(tls, "mode")).to_ascii_uppercase(),
                redirects: node.get("tls").is_some_and(|tls| http_route::is_true(tls, "httpsRedirect")),
            })
        };
        let servers = node.get("spec").map_or(&[][..], |spec| list(spec, "servers"));
        Gateway {
            meta,
            selector: labels_at(node, &["spec", "selector"]),
            servers: servers.iter().filter_map(server).collect(),
        }
    }
}

impl VirtualService {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let spec = node.get("spec");
        let named = |name: &str| spec.map(|spec| texts(spec, name)).unwrap_or_default();
        let rules =
            ["http", "tls", "tcp"].into_iter().flat_map(|name| spec.map_or(&[][..], |spec| list(spec, name)));
        let routes = rules.flat_map(|rule| list(rule, "route"));
        let to = |route: &Node| Some(text(route.get("destination")?, "host").to_owned());
        VirtualService {
            meta,
            hosts: named("hosts"),
            gateways: named("gateways"),
            destinations: routes.filter_map(to).filter(|host| !host.is_empty()).collect(),
            claims: claims(spec),
            http: spec.map(http_route::of_virtual_service).unwrap_or_default(),
        }
    }
}

/// What names of claims begin with, in place of a header's.
const CLAIM: &str = "@request.auth.claims";

fn claims(spec: Option<&Node>) -> Vec<Text> {
    let rules = spec.map_or(&[][..], |spec| list(spec, "http")).iter();
    let matches = rules.flat_map(|rule| list(rule, "match"));
    let maps = matches.flat_map(|found| {
        ["headers", "withoutHeaders"].into_iter().filter_map(|name| found.get(name)?.as_map()).flatten()
    });
    maps.filter(|(key, _)| key.name.starts_with(CLAIM))
        .map(|(key, _)| Text { text: key.name.clone(), at: key.at })
        .collect()
}

impl EnvoyFilter {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let patches = node.get("spec").map_or(&[][..], |spec| list(spec, "configPatches"));
        let mut filters = Vec::new();
        for (index, patch) in patches.iter().enumerate() {
            let chain = ["match", "listener", "filterChain", "filter"];
            let mut node = chain.iter().try_fold(patch, |node, name| node.get(name));
            let mut path = format!("spec.configPatches[{index}].match.listener.filterChain.filter");
            while let Some(filter) = node {
                if let Some((name, text)) = filter.get("name").and_then(|name| Some((name, name.as_str()?))) {
                    filters.push((Text { text: text.into(), at: name.at }, format!("{path}.name")));
                }
                node = filter.get("subFilter");
                path.push_str(".subFilter");
            }
        }
        EnvoyFilter { meta, filters }
    }
}

impl DestinationRule {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let empty = Node::default();
        let spec = node.get("spec").unwrap_or(&empty);
        let mut rule = DestinationRule { meta, host: text(spec, "host").to_owned(), tls: Vec::new() };
        policy(spec, "spec", "", &mut rule.tls);
        for (index, subset) in list(spec, "subsets").iter().enumerate() {
            policy(subset, &format!("spec.subsets[{index}]"), text(subset, "name"), &mut rule.tls);
        }
        rule
    }

    /// How clients encrypt towards a port of the Service, and a subset of it: the most particular setting counts.
    pub fn tls_at(&self, port: u16, subset: &str) -> Option<&ClientTls> {
        let fits = |tls: &&ClientTls| {
            (tls.subset.is_empty() || tls.subset == subset) && tls.port.is_none_or(|one| one == port)
        };
        self.tls.iter().filter(fits).max_by_key(|tls| (!tls.subset.is_empty(), tls.port.is_some()))
    }
}

impl ServiceEntry {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let spec = node.get("spec");
        let ports = spec.map_or(&[][..], |spec| list(spec, "ports")).iter();
        let read = |node: &Node| {
            let number = port(node, "number")?;
            Some(ServicePort {
                name: text(node, "name").to_owned(),
                number,
                target: TargetPort::Number(port(node, "targetPort").unwrap_or(number)),
                protocol: Protocol::named(text(node, "protocol")),
            })
        };
        ServiceEntry {
            meta,
            hosts: spec.map(|spec| texts(spec, "hosts")).unwrap_or_default(),
            ports: ports.filter_map(read).collect(),
            selector: labels_at(node, &["spec", "workloadSelector", "labels"]),
        }
    }
}

impl WasmPlugin {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let named = |name: &str| node.get("spec").map_or("", |spec| text(spec, name)).to_owned();
        WasmPlugin {
            meta,
            selector: labels_at(node, &["spec", "selector", "matchLabels"]),
            url: named("url"),
            phase: named("phase"),
        }
    }
}

/// The modes of a `trafficPolicy` and of its ports.
fn policy(parent: &Node, path: &str, subset: &str, out: &mut Vec<ClientTls>) {
    let Some(policy) = parent.get("trafficPolicy") else { return };
    let mut add = |node: &Node, field: String, port: Option<u16>| {
        let Some(mode) = node.get("tls").and_then(|tls| tls.get("mode")) else { return };
        if let Some(text) = mode.as_str() {
            out.push(ClientTls {
                mode: Text { text: text.to_ascii_uppercase(), at: mode.at },
                field,
                subset: subset.to_owned(),
                port,
            });
        }
    };
    add(policy, format!("{path}.trafficPolicy.tls.mode"), None);
    for (index, level) in list(policy, "portLevelSettings").iter().enumerate() {
        let number = level.get("port").and_then(|bound| port(bound, "number"));
        add(level, format!("{path}.trafficPolicy.portLevelSettings[{index}].tls.mode"), number);
    }
}
