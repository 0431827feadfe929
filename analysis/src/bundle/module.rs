//! The native module: an entry of Envoy's filter chain, and the objects that put it there.

use super::Plugin;
use gnomon_engine::{
    request::Protocol,
    resource::{Labels, TargetKind},
    workload::ProxyKind,
};
use serde_json::{Map, Value, json};

/// What Envoy loads: a path, or a name that is looked for in `ENVOY_DYNAMIC_MODULES_SEARCH_PATH`.
fn source(plugin: &Plugin<'_>) -> Value {
    // Its metrics are then called as the wasm filter's, where the proxy leaves this out in front of them.
    const NAMESPACE: &str = "gnomon";
    let path = plugin.image.strip_prefix("file://").unwrap_or(plugin.image);
    match path.contains('/') {
        true => json!({"module": {"local": {"filename": path}}, "metrics_namespace": NAMESPACE}),
        false => json!({"name": path, "metrics_namespace": NAMESPACE}),
    }
}

fn entry(plugin: &Plugin<'_>, protocol: Protocol, name: &str, configuration: Option<String>) -> Value {
    let kind = match protocol {
        Protocol::Http => "http.dynamic_modules.v3.DynamicModuleFilter",
        Protocol::Tcp => "network.dynamic_modules.v3.DynamicModuleNetworkFilter",
    };
    let mut config = Map::new();
    let kind = format!("type.googleapis.com/envoy.extensions.filters.{kind}");
    config.insert("@type".into(), kind.into());
    config.insert("dynamic_module_config".into(), source(plugin));
    config.insert("filter_name".into(), plugin.name.into());
    if let Some(text) = configuration {
        let text = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text});
        config.insert("filter_config".into(), text);
    }
    json!({"name": name, "typed_config": config})
}

/// An element of `http_filters`, or of a chain's `filters` for TCP.
pub(super) fn envoy(plugin: &Plugin<'_>) -> Value {
    entry(plugin, plugin.protocol, plugin.name, Some(plugin.configuration.to_string()))
}

/// Stands in front of the connection manager, and notes all names of the peer's certificate.
fn peer_names(plugin: &Plugin<'_>) -> Value {
    entry(plugin, Protocol::Tcp, &format!("{}-peer-names", plugin.name), None)
}

/// Istio's `EnvoyFilter`, for proxies of 1.31 and later.
pub(super) fn istio(plugin: &Plugin<'_>) -> Value {
    const MANAGER: &str = "envoy.filters.network.http_connection_manager";
    let context = if plugin.proxy == ProxyKind::Gateway { "GATEWAY" } else { "SIDECAR_INBOUND" };
    let patch = |layer: &str, filter: Option<&str>, operation: &str, value: Value| {
        let listener = filter.map(|name| json!({"filterChain": {"filter": {"name": name}}}));
        let mut places = Map::new();
        places.insert("context".into(), context.into());
        places.extend(listener.map(|listener| ("listener".to_owned(), listener)));
        json!({"applyTo": layer, "match": places, "patch": {"operation": operation, "value": value}})
    };
    let patches = match plugin.protocol {
        Protocol::Http => vec![
            patch("NETWORK_FILTER", Some(MANAGER), "INSERT_BEFORE", peer_names(plugin)),
            // In front of jwt_authn, which takes the token out of the request.
            patch("HTTP_FILTER", Some(MANAGER), "INSERT_FIRST", envoy(plugin)),
        ],
        Protocol::Tcp => vec![patch(
            "NETWORK_FILTER",
            Some("envoy.filters.network.tcp_proxy"),
            "INSERT_FIRST",
            envoy(plugin),
        )],
    };
    let mut spec = Map::new();
    if !plugin.targets.is_empty() {
        spec.insert("targetRefs".into(), plugin.targets.iter().map(super::object::target).collect());
    } else if !plugin.labels.is_empty() {
        spec.insert("workloadSelector".into(), json!({"labels": labels(plugin.labels)}));
    }
    spec.insert("configPatches".into(), patches.into());
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": plugin.name, "namespace": plugin.namespace},
        "spec": spec,
    })
}

fn labels(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
}

/// Envoy Gateway's `EnvoyExtensionPolicy`. The module itself is registered under its name in the `EnvoyProxy` of the
/// gateway class (`spec.dynamicModules`).
pub(super) fn gateway(plugin: &Plugin<'_>) -> Value {
    let gateways = plugin.targets.iter().filter(|target| target.kind == TargetKind::Gateway);
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyExtensionPolicy",
        "metadata": {"name": plugin.name, "namespace": plugin.namespace},
        "spec": {
            "targetRefs": gateways.map(super::object::target).collect::<Vec<_>>(),
            "dynamicModule": [{
                "name": plugin.image,
                "filterName": plugin.name,
                "config": plugin.configuration,
            }],
        },
    })
}
