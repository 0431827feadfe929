//! The rules and the dashboard of `examples/observability` against what Prometheus really gets.
#![allow(clippy::unwrap_used, reason = "test code may be blunt")]

use gnomon_engine::{Mesh, Node, Value as Yaml, request::Protocol};
use gnomon_envoy_config::export;
use gnomon_host_tests::{
    Bootstrap, Connection, Dial, Envoy, Listener, RequestBytes, access_log, filter, measured,
    metrics::Scrape, xds::Discovery,
};
use gnomon_manifests::parse;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

/// What else begins like a metric.
const LABELS: [&str; 2] = ["gnomon_policy", "gnomon_result"];

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

/// What Istio makes of `extraStatTags: [gnomon_policy, gnomon_result]`.
fn stats_tags() -> Value {
    let tag = |name: &str| json!({"tag_name": name, "regex": format!(r"({name}=\.=(.*?);\.;)")});
    json!({"stats_tags": [tag("gnomon_policy"), tag("gnomon_result")]})
}

/// What the proxy exposes once it has seen requests, connections, an issuer whose keys it cannot fetch, and an update
/// that is wrong.
fn scrape(used: &BTreeSet<String>) -> Scrape {
    let wasm = filter::wasm().unwrap();
    let candidate = |resources| json!({"candidate": {"resources": resources}});
    let keyless = json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "keyless", "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwksUri": "https://keys.example.com/jwks.json"}]},
    });
    let two = candidate([measured::manifests(2), vec![keyless]].concat());
    let none = candidate(Vec::new());
    // Rules about requests match no connection, so nothing is allowed there.
    let refuses = export(&measured::resources(1), &measured::workload(), &Mesh::default(), Protocol::Tcp);
    let tcp = |name, configuration, native: &[Value]| {
        let shadow = filter::network_filter(&wasm, configuration);
        Listener::tcp(name, [&[shadow], native].concat())
    };
    let discovery = Discovery::new(&filter::http_filter(&wasm, &two)).unwrap();
    let listeners = vec![
        Listener::http("web", vec![discovery.filter()]),
        tcp("agree", &none, &[]),
        tcp("would_deny", &two, &[]),
        tcp("would_allow", &none, &refuses),
    ];
    let bootstrap = Bootstrap::new(&measured::workload(), listeners);
    let envoy = Envoy::start_with(|log| {
        let mut bootstrap = bootstrap.to_json(log);
        bootstrap.as_object_mut().unwrap().insert("stats_config".into(), stats_tags());
        bootstrap
    })
    .unwrap();
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
    // Every 64th evaluation is timed.
    let mut connection = Connection::open(&Dial::plain(envoy.address("web").unwrap())).unwrap();
    for _ in 0..64 {
        connection
            .send(&RequestBytes::get("/api/00000/y").header("host", "web"))
            .unwrap()
            .response()
            .unwrap();
    }
    let wrong = json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "wrong", "namespace": "shop"},
        "spec": {"action": "DENNY"},
    });
    discovery.publish(&filter::http_filter(&wasm, &candidate(vec![wrong]))).unwrap();
    // Histograms come with the next flush, key sets are given up after a while.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
        if used.iter().all(|metric| scrape.sum(metric).is_some()) {
            return scrape;
        }
        let missing: Vec<&String> = used.iter().filter(|metric| scrape.sum(metric).is_none()).collect();
        assert!(
            Instant::now() < deadline,
            "{missing:?} are used, and Envoy exposes only {:?}\n{}",
            scrape.names("gnomon"),
            envoy.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_metric_in_the_rules_and_on_the_dashboard_is_scraped() {
    let (mut recorded, mut queries) = (Vec::new(), Vec::new());
    strings(&read("rules.yaml"), &["record"], &mut recorded);
    strings(&read("rules.yaml"), &["expr"], &mut queries);
    strings(&read("dashboard.json"), &["expr", "query"], &mut queries);
    let mut used: BTreeSet<String> = queries.iter().flat_map(|query| metrics(query)).collect();
    assert!(used.len() > 15, "{used:?}");
    used.retain(|metric| !recorded.contains(metric) && !LABELS.contains(&metric.as_str()));
    let scrape = scrape(&used);
    // And the alert's own condition holds after a request that the candidate would have refused.
    assert_eq!(scrape.sum("gnomon_requests_would_deny_total"), Some(1.0));
    assert_eq!(scrape.sum("gnomon_requests_agree_total"), Some(65.0));
    let labels = scrape.labels("gnomon_policy_requests_total");
    assert!(labels.iter().any(|labels| LABELS.iter().all(|label| labels.contains(label))), "{labels:?}");
}

/// Prometheus itself evaluates the alerts, from the first event on.
#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/observability");
    let promtool = |words: &[&str]| {
        let output =
            Command::new(filter::promtool().unwrap()).current_dir(&folder).args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&text));
    };
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["test", "rules", "rules_test.yaml"]);
    // Every alert has its test.
    let mut alerts = Vec::new();
    strings(&read("rules.yaml"), &["alert"], &mut alerts);
    let tested = fs::read_to_string(folder.join("rules_test.yaml")).unwrap();
    assert!(alerts.len() > 9);
    for alert in alerts {
        let fires = format!("alertname: {alert}\n    exp_alerts:\n    - exp_labels");
        assert!(tested.contains(&fires), "{alert}");
    }
}
