//! The rules and the dashboard of `examples/observability` against what Prometheus really gets.
#![allow(clippy::unwrap_used, reason = "test code may be blunt")]

use gnomon_engine::{Mesh, Node, Value as Yaml, envoy::export, request::Protocol};
use gnomon_host_tests::{
    Bootstrap, Connection, Dial, Envoy, Listener, RequestBytes, access_log, filter, metrics::Scrape, scene,
};
use gnomon_manifests::parse;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Istio's own, which the rules compare with.
const NOT_OURS: &[&str] = &["istio_requests_total"];

/// Every string under the key `expr`, `query` or `record`, wherever it stands.
fn strings(node: &Node, keys: &[&str], found: &mut Vec<String>) {
    match &node.value {
        Yaml::Map(entries) => {
            for (key, value) in entries {
                match &value.value {
                    Yaml::String(text) if keys.contains(&key.name.as_str()) => found.push(text.clone()),
                    _ => strings(value, keys, found),
                }
            }
        }
        Yaml::List(items) => items.iter().for_each(|item| strings(item, keys, found)),
        _ => {}
    }
}

/// The metrics in a query: words that begin as ours or Istio's do, outside of quotes.
fn metrics(query: &str) -> BTreeSet<String> {
    let unquoted: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    unquoted
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| ["gnomon", "istio_", "envoy_"].iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

fn read(name: &str) -> Node {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/observability").join(name);
    let text = fs::read_to_string(path).unwrap();
    let (mut documents, problems) = parse(&text, &Arc::from(name));
    assert!(problems.is_empty() && documents.len() == 1, "{name}: {problems:?}");
    documents.remove(0)
}

/// What the proxy exposes once it has seen requests and connections.
fn scrape() -> Scrape {
    let wasm = filter::wasm().unwrap();
    let candidate = |resources| json!({"candidate": {"resources": resources}});
    let two = candidate(scene::manifests(2));
    let none = candidate(Vec::new());
    // Rules about requests match no connection, so nothing is allowed there.
    let refuses = export(&scene::resources(1), &scene::workload(), &Mesh::default(), Protocol::Tcp);
    let tcp = |name, configuration, native: &[Value]| {
        let shadow = filter::network_filter(&wasm, configuration);
        Listener::tcp(name, [&[shadow], native].concat())
    };
    let listeners = vec![
        Listener::http("web", vec![filter::http_filter(&wasm, &two)]),
        tcp("agree", &none, &[]),
        tcp("would_deny", &two, &[]),
        tcp("would_allow", &none, &refuses),
    ];
    let envoy = Envoy::start(&Bootstrap::new(&scene::workload(), listeners)).unwrap();
    for path in ["/api/00000/x", "/elsewhere"] {
        let request = RequestBytes::get(path).header("host", "web").header(access_log::CASE_HEADER, path);
        let dial = Dial::plain(envoy.address("web").unwrap());
        assert_eq!(Connection::open(&dial).unwrap().send(&request).unwrap().status(), Some(200));
        envoy.access_log().of_case(path).unwrap();
    }
    for listener in ["agree", "would_deny", "would_allow"] {
        let mut stream = TcpStream::connect(envoy.address(listener).unwrap()).unwrap();
        stream.write_all(b"hello").unwrap();
        // The echo, or the end.
        let _ = stream.read(&mut [0; 16]);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
        let counted = |result| scrape.sum(&format!("gnomon_connections_{result}_total")) == Some(1.0);
        if ["agree", "would_deny", "would_allow"].into_iter().all(counted) {
            return scrape;
        }
        assert!(Instant::now() < deadline, "{scrape:?}\n{}", envoy.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_metric_in_the_rules_and_on_the_dashboard_is_scraped() {
    let scrape = scrape();
    let (mut recorded, mut queries) = (Vec::new(), Vec::new());
    strings(&read("rules.yaml"), &["record"], &mut recorded);
    strings(&read("rules.yaml"), &["expr"], &mut queries);
    strings(&read("dashboard.json"), &["expr", "query"], &mut queries);
    let used: BTreeSet<String> = queries.iter().flat_map(|query| metrics(query)).collect();
    assert!(used.len() > 8, "{used:?}");
    for metric in used {
        let known = scrape.sum(&metric).is_some()
            || recorded.contains(&metric)
            || NOT_OURS.contains(&metric.as_str());
        assert!(known, "{metric} is used, and Envoy exposes only {:?}", scrape.names("gnomon"));
    }
    // And the alert's own condition holds after a request that the candidate would have refused.
    assert_eq!(scrape.sum("gnomon_requests_would_deny_total"), Some(1.0));
    assert_eq!(scrape.sum("gnomon_requests_agree_total"), Some(1.0));
}
