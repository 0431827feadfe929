//! What Envoy is given when it is measured: policy sets of any size, and listeners without anything that a measurement
//! would measure as well.

use gnomon_engine::{Workload, resource::Resources};
use gnomon_manifests::load_text;
use serde_json::{Value, json};

/// The workload that all sets are for.
pub fn workload() -> Workload {
    Workload { namespace: "shop".into(), labels: vec![("app".into(), "web".into())], ..Workload::default() }
}

/// ALLOW policies, each for a method and a path of its own.
pub fn manifests(count: usize) -> Vec<Value> {
    let policy = |number: usize| {
        json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": format!("api-{number:05}"), "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "rules": [{"to": [{"operation": {"methods": ["GET"], "paths": [format!("/api/{number:05}/*")]}}]}],
            },
        })
    };
    (0..count).map(policy).collect()
}

/// The same, decoded.
pub fn resources(count: usize) -> Resources {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests(count)});
    load_text(&list.to_string(), "scene.json").resources
}

/// A path that only the last of so many policies allows: RBAC tries them in the order of their names.
pub fn path(count: usize) -> String {
    format!("/api/{:05}/items", count.saturating_sub(1))
}

/// The bootstrap without access logs, and without what tests need in front of the filters.
pub fn bare(mut bootstrap: Value) -> Value {
    strip(&mut bootstrap);
    bootstrap
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["access_log", "listener_filters", "response_headers_to_add"] {
                fields.remove(name);
            }
            // With one kind of connection nothing has to be told apart.
            fields.remove("filter_chain_match");
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
