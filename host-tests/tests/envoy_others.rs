//! Configurations in the forms of others than Istio, in a real Envoy: it must answer as the evaluation of what is loaded
//! says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code may be blunt")]

use gnomon_analysis::imported::Proxy;
use gnomon_engine::{
    Mesh, Node, Workload, jwt::SoftwareCrypto, prepare::RequestSpec, verdict::Outcome, workload::IstioVersion,
};
use gnomon_envoy_config::import::Imported;
use gnomon_host_tests::{Connection, Dial, Envoy, RequestBytes};
use gnomon_oracle::{
    others::{AUTHORITIES, LINES, METHODS, TARGETS, matchers, routes, texts},
    tape::{Tape, choices},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What answers where a route is taken.
fn answering(listener: &mut Value) {
    let manager = &mut listener["filterChains"][0]["filters"][0]["typedConfig"];
    manager["statPrefix"] = json!("edge");
    let router = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" });
    let filters = manager["httpFilters"].as_array_mut().unwrap();
    filters.push(json!({ "name": "envoy.filters.http.router", "typedConfig": router }));
    if manager["routeConfig"].is_null() {
        let all = json!({ "match": { "prefix": "/" } });
        manager["routeConfig"] =
            json!({ "name": "all", "virtualHosts": [{ "name": "all", "domains": ["*"], "routes": [all] }] });
    }
    for host in manager["routeConfig"]["virtualHosts"].as_array_mut().unwrap() {
        for route in host["routes"].as_array_mut().unwrap() {
            route.as_object_mut().unwrap().remove("route");
            route["directResponse"] = json!({ "status": 200 });
        }
    }
}

#[test]
fn envoy_answers_as_what_is_loaded_is_evaluated() {
    let mut listeners = Vec::new();
    for (kind, make) in [matchers, texts, routes].into_iter().enumerate() {
        for seed in 1..=40 {
            let mut listener = make(&mut Tape::new(&choices(seed, 1_000)));
            listener["name"] = json!(format!("{kind}-{seed}"));
            listener["address"] = json!({ "socketAddress": { "address": "127.0.0.1", "portValue": 0 } });
            answering(&mut listener);
            listeners.push(listener);
        }
    }
    let envoy = Envoy::start_with(|_| {
        json!({
            "admin": { "address": { "socketAddress": { "address": "127.0.0.1", "portValue": 0 } } },
            "staticResources": { "listeners": listeners },
        })
    })
    .unwrap();
    let (workload, mesh) =
        (&Workload::default(), &Mesh { istio_version: IstioVersion::NEWEST, ..Mesh::default() });
    let lines = LINES.into_iter().chain([&[("x-r", "u"), ("x-r", "v")][..]]);
    let lines: Vec<&[(&str, &str)]> = lines.collect();
    let (mut asked, mut answers) = (0, std::collections::BTreeMap::new());
    for (number, listener) in listeners.iter().enumerate() {
        let node: Node = serde_json::from_value(listener.clone()).unwrap();
        let imported = Imported::read(&node, &Arc::from("loaded.json"));
        let at = envoy.address(listener["name"].as_str().unwrap()).unwrap();
        // Routes that change no filter are left aside: whether one is taken is not asked.
        let routed = listener.to_string().contains("typedPerFilterConfig");
        let proxy = Proxy { imported: &imported, listener: None, workload, mesh };
        let mut connection = Connection::open(&Dial::plain(at)).unwrap();
        for (method, target) in METHODS.iter().flat_map(|m| TARGETS.iter().map(move |t| (*m, *t))) {
            for authority in AUTHORITIES {
                // Some of them for each configuration.
                let headers = lines[(number + asked) % lines.len()];
                let spec = RequestSpec {
                    method: method.into(),
                    path: target.into(),
                    host: Some(authority.into()),
                    headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                    source_ip: Some(at.ip()),
                    destination_ip: Some(at.ip()),
                    destination_port: Some(at.port()),
                    ..RequestSpec::default()
                };
                let report = proxy.report(&spec, 0, &SoftwareCrypto).unwrap();
                let expected = match report.verdict {
                    Outcome::Allow => Some(200),
                    _ => report.status,
                };
                let mut request = RequestBytes::new(method, target).header("host", authority);
                if method == "POST" {
                    request = request.header("content-length", "0");
                }
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let status = connection.send(&request).unwrap().status();
                if !routed && status == Some(404) && expected == Some(200) {
                    continue;
                }
                assert_eq!(status, expected, "{spec:?}\n{}\n{listener:#}", report.reason);
                *answers.entry(status).or_insert(0) += 1;
                asked += 1;
            }
        }
    }
    println!("{asked} requests to {} listeners: {answers:?}", listeners.len());
    assert!([200, 403, 404].iter().all(|status| answers.contains_key(&Some(*status))), "{answers:?}");
}
