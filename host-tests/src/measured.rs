//! What Envoy is given when it is measured: policy sets of any size, and listeners without anything that a measurement
//! would measure as well.

use gnomon_engine::{
    Workload,
    resource::{Resources, manifest},
};
use gnomon_manifests::Loader;
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

/// Policies as people have them, for sizes: callers by service account, methods, a few paths, now and then a host or a
/// claim; names and paths that do not repeat much, so that compression has no easier task than in a real mesh. Always
/// the same ones.
pub fn varied(count: usize) -> Vec<Value> {
    const WORDS: [&str; 24] = [
        "orders", "billing", "catalog", "users", "search", "stock", "ledger", "reports", "images", "auth",
        "mail", "events", "pricing", "carts", "refunds", "shipping", "reviews", "audit", "quotes", "exports",
        "tax", "fraud", "loyalty", "profiles",
    ];
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        // Knuth's constants for a linear congruence; its upper bits are good enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap_or(0) % below.max(1)
    };
    let mut policies = Vec::with_capacity(count);
    for number in 0..count {
        let mut word = || WORDS.get(random(WORDS.len())).copied().unwrap_or_default();
        let (service, caller, area) = (word(), word(), word());
        let principals: Vec<String> = (0..=number % 3)
            .map(|_| format!("cluster.local/ns/{}/sa/{}-{}", word(), word(), word()))
            .collect();
        let paths: Vec<String> = (0..=number % 4).map(|_| format!("/{area}/v2/{}/*", word())).collect();
        let unique = random(1 << 24);
        let hosts = if number % 5 == 0 { vec![format!("{service}.{area}.example.com")] } else { Vec::new() };
        let when = match number % 7 {
            0 => vec![json!({"key": "request.auth.claims[group]", "values": [caller, area]})],
            _ => Vec::new(),
        };
        // What is empty is left out when the policies are read and written again.
        let rule = json!({
            "from": [{"source": {"principals": principals}}],
            "to": [{"operation": {"methods": ["GET", "POST"], "paths": paths, "hosts": hosts}}],
            "when": when,
        });
        policies.push(json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": format!("{service}-{caller}-{unique:06x}"), "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "rules": [rule]},
        }));
    }
    written_again(&policies)
}

/// The policies as they are bundled.
fn written_again(policies: &[Value]) -> Vec<Value> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": policies});
    manifest::manifests(&read(&list))
}

/// [`manifests`], decoded.
pub fn resources(count: usize) -> Resources {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests(count)});
    read(&list)
}

/// All that is right in a list.
pub fn read(list: &Value) -> Resources {
    let mut loader = Loader::new();
    loader.text(&list.to_string(), "measured.json");
    loader.finish().resources
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
