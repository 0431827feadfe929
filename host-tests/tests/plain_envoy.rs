//! The examples for an Envoy without Istio, as they stand, in a real one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code may be blunt")]

use gnomon_host_tests::{
    Connection, Dial, Envoy, RequestBytes, access_log, filter, metrics::Scrape, tokens, tokens::TestKey,
};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};

/// Boots an example; only ports, the place of the module and of the access log are others.
fn boot(name: &str, change: impl FnOnce(&mut Value)) -> gnomon_host_tests::Result<Envoy> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plain-envoy").join(name);
    let (documents, problems) = gnomon_manifests::parse(&fs::read_to_string(path).unwrap(), &Arc::from(name));
    assert!(problems.is_empty(), "{problems:?}");
    let text = serde_json::to_string(&documents[0]).unwrap();
    let wasm = filter::wasm().unwrap();
    assert!(text.contains("\"gnomon-filter.wasm\""));
    let mut bootstrap: Value =
        serde_json::from_str(&text.replace("gnomon-filter.wasm", &wasm.to_string_lossy())).unwrap();
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(0);
    bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = json!(0);
    change(&mut bootstrap);
    Envoy::start_with(|log| {
        manager(&mut bootstrap)["access_log"] = json!([access_log::config(log, "web")]);
        bootstrap
    })
}

fn manager(bootstrap: &mut Value) -> &mut Value {
    &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn send(envoy: &Envoy, method: &str, path: &str, token: Option<&str>) -> (u16, Value) {
    let case = format!("{method}{path}{}", token.is_some());
    let mut request =
        RequestBytes::new(method, path).header("host", "web").header(access_log::CASE_HEADER, case.as_str());
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let dial = Dial::plain(envoy.address("web").unwrap());
    let code = Connection::open(&dial).unwrap().send(&request).unwrap().status().unwrap();
    let line = envoy.access_log().of_case(&case).unwrap();
    let state =
        access_log::text(&line, "gnomon").map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    (code, state)
}

#[test]
fn the_shadow_stands_in_front_of_jwt_authn_and_its_counters_have_labels() {
    let envoy = boot("shadow.yaml", |_| {}).unwrap();
    let token = tokens::sign(TestKey::RsaKid, &json!({"iss": "auth@istioinaction.io", "sub": "u"})).unwrap();
    let table = [
        ("GET", None, 401, "would_deny_differently"),
        ("GET", Some(&*token), 200, "agree"),
        ("DELETE", Some(&*token), 200, "would_deny"),
        ("GET", Some("no.token.x"), 401, "agree"),
    ];
    for (number, (method, token, code, result)) in table.into_iter().enumerate() {
        let (got, state) = send(&envoy, method, &format!("/{number}"), token);
        assert_eq!((got, &state["result"]), (code, &json!(result)), "{number}: {state}");
    }
    let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
    let labels = scrape.labels("gnomon_policy_requests_total");
    let expected = r#"gnomon_policy="ns[shop]-policy[no-delete]-rule[0]",gnomon_result="would_deny""#;
    assert!(labels.contains(&expected), "{labels:?}");
}

#[test]
fn what_is_enforced_is_what_the_filter_lets_pass() {
    let envoy = boot("enforce.yaml", |_| {}).unwrap();
    for (method, path, code) in
        [("GET", "/api/x", 200), ("GET", "/other", 403), ("POST", "/api/x", 403), ("GET", "/api/../x", 403)]
    {
        assert_eq!(send(&envoy, method, path, None).0, code, "{method} {path}");
    }
    // Without the filter nothing passes.
    let without = |bootstrap: &mut Value| {
        manager(bootstrap)["http_filters"]
            .as_array_mut()
            .unwrap()
            .retain(|filter| filter["name"] != "gnomon");
    };
    let envoy = boot("enforce.yaml", without).unwrap();
    assert_eq!(send(&envoy, "GET", "/api/x", None).0, 403);
}

/// The first configuration is a part of Envoy's own: a wrong one keeps it from starting, whatever the failure policy.
#[test]
fn a_first_configuration_that_is_wrong_keeps_envoy_from_starting() {
    let wrong = |bootstrap: &mut Value| {
        let filters = manager(bootstrap)["http_filters"].as_array_mut().unwrap();
        let gnomon = filters.iter_mut().find(|filter| filter["name"] == "gnomon").unwrap();
        assert_eq!(gnomon["typed_config"]["config"]["failure_policy"], "FAIL_OPEN");
        gnomon["typed_config"]["config"]["configuration"]["value"] = json!(r#"{"mode": "shadow"}"#);
    };
    let error = boot("shadow.yaml", wrong).err().expect("it must not start").to_string();
    assert!(error.contains("Envoy did not start") && error.contains("Unable to create Wasm"), "{error}");
}
