//! The filter in real Envoy: what it sees of every kind of request, what it reports, what it enforces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code may be blunt"
)]

mod baseline;
mod enforced;
mod generations;
mod h2;
mod hostile;
mod identity;
mod long_tokens;
mod native_claims;
mod protocols;
mod providers;
mod reports;
mod skipped;
mod software_crypto;
mod updates;
mod upstream;
mod workloads;
mod written_connections;

use gnomon_engine::{Mesh, Node, Workload, decode, request::Protocol};
use gnomon_envoy_config::export;
use gnomon_host_tests::{Bootstrap, Connection, Dial, Envoy, Listener, RequestBytes, access_log, filter};
use gnomon_manifests::load_text;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

fn workload() -> Workload {
    Workload { namespace: "shop".into(), labels: vec![("app".into(), "web".into())], ..Workload::default() }
}

fn policy(name: &str, action: &str, rules: Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"action": action, "rules": rules},
    })
}

fn deny_paths(name: &str, paths: &[&str]) -> Value {
    policy(name, "DENY", json!([{"to": [{"operation": {"paths": paths}}]}]))
}

/// Whether the tests are about the native module: `GNOMON_FILTER_WASM` names it. What belongs to WebAssembly, or to what
/// Envoy shows to it alone, is then left out.
fn is_module() -> bool {
    filter::is_module(&filter::wasm().unwrap())
}

/// The shadow filter with these policies.
fn shadow(resources: &Value) -> Value {
    configured(&json!({"candidate": {"resources": resources}}))
}

/// The filter with this configuration.
fn configured(configuration: &Value) -> Value {
    filter::http_filter(&filter::wasm().unwrap(), &telling(configuration))
}

/// The configuration with filter state for every request, unless it says something else.
fn telling(configuration: &Value) -> Value {
    let mut configuration = configuration.clone();
    let report = configuration.as_object_mut().unwrap().entry("report").or_insert_with(|| json!({}));
    report.as_object_mut().unwrap().entry("filterState").or_insert_with(|| "all".into());
    configuration
}

/// Envoy's own filters with these.
fn native(resources: &Value) -> Vec<Value> {
    native_for(&workload(), &json!({}), resources, Protocol::Http)
}

/// The same for any workload, in a mesh as in docs/formats.md, "Workload and mesh".
fn native_for(workload: &Workload, mesh: &Value, resources: &Value, protocol: Protocol) -> Vec<Value> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": resources});
    let loaded = load_text(&list.to_string(), "native.json").unwrap();
    let mesh: Node = serde_json::from_value(mesh.clone()).unwrap();
    let mut wrong = Vec::new();
    let mesh: Mesh = decode::mesh(&mesh, &"mesh".into(), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
    export(&loaded.resources, workload, &mesh, protocol)
}

fn get(path: &str, case: &str) -> RequestBytes {
    RequestBytes::get(path).header("host", "a.test").header(access_log::CASE_HEADER, case)
}

fn to(envoy: &Envoy, listener: &str) -> SocketAddr {
    envoy.address(listener).unwrap()
}

/// Sends a request over a connection of its own: the code, the details, and what the filter says about it (null:
/// nothing).
fn sent(envoy: &Envoy, dial: &Dial<'_>, request: &RequestBytes, case: &str) -> (u16, String, Value) {
    let reply = Connection::open(dial).unwrap().send(request).unwrap();
    let code = reply.response().unwrap_or_else(|closed| panic!("{case}: {closed}\n{}", envoy.log())).status;
    let line = envoy.access_log().of_case(case).unwrap();
    let details = access_log::details(&line).unwrap_or_default().to_owned();
    let state =
        access_log::text(&line, "gnomon").map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    (code, details, state)
}

/// What the filter says about a case, once the request is over.
fn state(envoy: &Envoy, case: &str) -> Value {
    let line = envoy.access_log().of_case(case).unwrap();
    let state =
        access_log::text(&line, "gnomon").unwrap_or_else(|| panic!("no state in {line}\n{}", envoy.log()));
    serde_json::from_str(state).unwrap()
}

/// Waits for something that Envoy does in its own time.
fn until<T>(what: &str, envoy: &Envoy, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}\n{}", envoy.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All routes of all listeners become these.
fn with_routes(mut bootstrap: Value, routes: &Value) -> Value {
    for listener in bootstrap["static_resources"]["listeners"].as_array_mut().unwrap() {
        for chain in listener["filter_chains"].as_array_mut().unwrap() {
            for filter in chain["filters"].as_array_mut().unwrap() {
                let manager = &mut filter["typed_config"];
                if manager.get("route_config").is_some() {
                    manager["route_config"]["virtual_hosts"][0]["routes"] = routes.clone();
                    manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
                }
            }
        }
    }
    bootstrap
}
