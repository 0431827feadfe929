//! The object itself: Istio's `WasmPlugin` or `TrafficExtension`, or an entry of Envoy's filter chain.

use super::module;
use gnomon_engine::{
    request::Protocol,
    resource::{Labels, TargetKind, TargetRef},
    workload::ProxyKind,
};
use serde_json::{Map, Value, json};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `extensions.istio.io/v1alpha1` WasmPlugin, every version of Istio that is supported.
    WasmPlugin,
    /// `extensions.istio.io/v1alpha1` TrafficExtension, Istio 1.30 and later.
    TrafficExtension,
    /// An element of `http_filters`, or of a chain's `filters` for TCP, of an Envoy without Istio.
    Envoy,
    /// The native module: `networking.istio.io/v1alpha3` EnvoyFilter, for proxies of Istio 1.31 and later.
    Module,
    /// The native module for Envoy Gateway: `gateway.envoyproxy.io/v1alpha1` EnvoyExtensionPolicy.
    ModuleGateway,
    /// The native module as an element of `http_filters`, or of a chain's `filters` for TCP.
    ModuleEnvoy,
}

/// Where the filter goes and what it is given.
#[derive(Clone, Debug)]
pub struct Plugin<'a> {
    /// The object's name.
    pub name: &'a str,
    /// Its namespace: also that of the workloads, but for the root namespace.
    pub namespace: &'a str,
    /// `selector.matchLabels`; empty: all workloads.
    pub labels: &'a Labels,
    /// In place of labels.
    pub targets: &'a [TargetRef],
    /// Decides about the direction of the traffic that is looked at.
    pub proxy: ProxyKind,
    /// HTTP filter or network filter.
    pub protocol: Protocol,
    /// `oci://`, `https://`, `http://` or `file://`; for [`Kind::Envoy`] and the native module a path in
    /// the proxy's file system; the module may also be named.
    pub image: &'a str,
    /// The module's or image's SHA-256 in hex; empty: not checked.
    pub sha256: &'a str,
    /// A Secret with the registry's credentials; empty: none.
    pub pull_secret: &'a str,
    /// docs/formats.md, "Filter configuration".
    pub configuration: Value,
}

/// The object as JSON.
pub fn object(kind: Kind, plugin: &Plugin<'_>) -> Value {
    match kind {
        Kind::WasmPlugin => {
            let mut spec = placement(plugin);
            spec.append(&mut image(plugin));
            istio("WasmPlugin", plugin, spec)
        }
        Kind::TrafficExtension => {
            let mut spec = placement(plugin);
            spec.insert("wasm".into(), image(plugin).into());
            istio("TrafficExtension", plugin, spec)
        }
        Kind::Envoy => envoy(plugin),
        Kind::Module => module::istio(plugin),
        Kind::ModuleGateway => module::gateway(plugin),
        Kind::ModuleEnvoy => module::envoy(plugin),
    }
}

fn istio(kind: &str, plugin: &Plugin<'_>, spec: Map<String, Value>) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": plugin.name, "namespace": plugin.namespace},
        "spec": spec,
    })
}

/// Which workloads, and where in their filter chains.
fn placement(plugin: &Plugin<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    if !plugin.targets.is_empty() {
        fields.insert("targetRefs".into(), plugin.targets.iter().map(target).collect());
    } else if !plugin.labels.is_empty() {
        let labels: Map<String, Value> =
            plugin.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        fields.insert("selector".into(), json!({"matchLabels": labels}));
    }
    // In front of jwt_authn, which takes the token out of the request.
    fields.insert("phase".into(), "AUTHN".into());
    // What comes in. Istio calls that SERVER, but for gateways, all of whose listeners count as CLIENT.
    let mode = if plugin.proxy == ProxyKind::Gateway { "CLIENT" } else { "SERVER" };
    fields.insert("match".into(), json!([{"mode": mode}]));
    fields
}

pub(super) fn target(target: &TargetRef) -> Value {
    let (group, kind) = match target.kind {
        TargetKind::Service => ("", "Service"),
        TargetKind::ServiceEntry => ("networking.istio.io", "ServiceEntry"),
        TargetKind::Gateway => ("gateway.networking.k8s.io", "Gateway"),
        TargetKind::GatewayClass => ("gateway.networking.k8s.io", "GatewayClass"),
    };
    json!({"group": group, "kind": kind, "name": target.name})
}

fn image(plugin: &Plugin<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("url".into(), plugin.image.into());
    for (name, value) in [("sha256", plugin.sha256), ("imagePullSecret", plugin.pull_secret)] {
        if !value.is_empty() {
            fields.insert(name.into(), value.into());
        }
    }
    fields.insert("pluginName".into(), "gnomon".into());
    if plugin.protocol == Protocol::Tcp {
        fields.insert("type".into(), "NETWORK".into());
    }
    // A filter that only observes must never fail a request.
    fields.insert("failStrategy".into(), "FAIL_OPEN".into());
    fields.insert("pluginConfig".into(), plugin.configuration.clone());
    fields
}

fn envoy(plugin: &Plugin<'_>) -> Value {
    let layer = match plugin.protocol {
        Protocol::Http => "http",
        Protocol::Tcp => "network",
    };
    json!({
        "name": plugin.name,
        "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{layer}.wasm.v3.Wasm"),
            "config": {
                "name": plugin.name,
                "root_id": "gnomon",
                "failure_policy": "FAIL_OPEN",
                "vm_config": {
                    // Plugins of one VM share each other's crashes.
                    "vm_id": plugin.name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": plugin.image.strip_prefix("file://").unwrap_or(plugin.image)}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": plugin.configuration.to_string(),
                },
            },
        },
    })
}
