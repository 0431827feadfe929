//! The Gateway API: gateways that Istio deploys, waypoints among them, and the routes of either.

use super::{
    HttpRule, Meta, http_route,
    object::{at, labels_at, list, port, text, texts},
};
use gnomon_engine::{Node, resource::Labels};

/// A Gateway of `gateway.networking.k8s.io`.
#[derive(Clone, Debug)]
pub struct ApiGateway {
    /// Its name and place.
    pub meta: Meta,
    /// `spec.gatewayClassName`.
    pub class: String,
    /// `spec.listeners`.
    pub listeners: Vec<Listener>,
    /// `spec.infrastructure.labels`: labels of the Pods that Istio makes for it, sorted by key.
    pub infrastructure: Labels,
    /// `spec.addresses` are given: it stands for a Service that is there, and Istio deploys nothing.
    pub manual: bool,
}

/// One of `spec.listeners`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name, which a `parentRef` calls `sectionName`.
    pub name: String,
    /// `hostname`; empty for all.
    pub hostname: String,
    /// `port`.
    pub port: u16,
    /// `protocol`: HTTP, HTTPS, TLS, TCP, HBONE.
    pub protocol: String,
    /// `tls.mode`; empty where absent.
    pub tls: String,
}

/// A GatewayClass.
#[derive(Clone, Debug)]
pub struct GatewayClass {
    /// Its name and place.
    pub meta: Meta,
    /// `spec.controllerName`.
    pub controller: String,
}

/// An HTTPRoute, GRPCRoute, TLSRoute or TCPRoute.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name and place.
    pub meta: Meta,
    /// Its kind.
    pub kind: String,
    /// `spec.parentRefs`.
    pub parents: Vec<Parent>,
    /// `spec.hostnames`.
    pub hostnames: Vec<String>,
    /// The Services of `spec.rules[].backendRefs`: namespace, name, port.
    pub backends: Vec<(String, String, Option<u16>)>,
    /// `spec.rules` of an HTTPRoute or a GRPCRoute.
    pub http: Vec<HttpRule>,
}

/// One of `spec.parentRefs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// `kind`; `Gateway` by default, `Service` for routes of a waypoint.
    pub kind: String,
    /// `namespace`; the route's own by default.
    pub namespace: String,
    /// `name`.
    pub name: String,
    /// `sectionName`; empty for all listeners.
    pub section: String,
}

impl ApiGateway {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let spec = node.get("spec");
        let listed = |name: &str| spec.map_or(&[][..], |spec| list(spec, name));
        let listener = |node: &Node| {
            Some(Listener {
                name: text(node, "name").into(),
                hostname: text(node, "hostname").into(),
                port: port(node, "port")?,
                protocol: text(node, "protocol").into(),
                tls: node.get("tls").map_or("", |tls| text(tls, "mode")).into(),
            })
        };
        ApiGateway {
            meta,
            class: spec.map_or("", |spec| text(spec, "gatewayClassName")).into(),
            listeners: listed("listeners").iter().filter_map(listener).collect(),
            infrastructure: labels_at(node, &["spec", "infrastructure", "labels"]),
            manual: !listed("addresses").is_empty(),
        }
    }
}

impl GatewayClass {
    pub(super) fn read(node: &Node, meta: Meta) -> Self {
        let controller = at(node, &["spec", "controllerName"]).and_then(Node::as_str).unwrap_or_default();
        GatewayClass { meta, controller: controller.into() }
    }
}

impl Route {
    pub(super) fn read(node: &Node, meta: Meta, kind: &str) -> Self {
        let spec = node.get("spec");
        let listed = |name: &str| spec.map_or(&[][..], |spec| list(spec, name));
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let parent = |node: &Node| Parent {
            kind: or(text(node, "kind"), "Gateway"),
            namespace: or(text(node, "namespace"), &meta.namespace),
            name: text(node, "name").into(),
            section: text(node, "sectionName").into(),
        };
        let backends = listed("rules").iter().flat_map(|rule| list(rule, "backendRefs"));
        let services = backends.filter(|node| matches!(text(node, "kind"), "" | "Service"));
        let backend = |node: &Node| {
            (or(text(node, "namespace"), &meta.namespace), text(node, "name").to_owned(), port(node, "port"))
        };
        Route {
            kind: kind.into(),
            parents: listed("parentRefs").iter().map(parent).collect(),
            hostnames: spec.map(|spec| texts(spec, "hostnames")).unwrap_or_default(),
            backends: services.map(backend).collect(),
            http: match (spec, kind) {
                (Some(spec), "HTTPRoute" | "GRPCRoute") => http_route::of_route(spec, kind),
                _ => Vec::new(),
            },
            meta,
        }
    }
}
