//! What belongs to the proxy and its place: the workload out of the node's metadata, addresses, ports, hops.

use super::*;
use gnomon_engine::workload::ProxyKind;
use gnomon_host_tests::{Proxy, metrics::Scrape};

/// A DENY policy for one path, for these labels (null: all) of this namespace.
fn selecting(name: &str, namespace: &str, labels: Value) -> Value {
    let mut policy = deny_paths(name, &[&format!("/{name}")]);
    policy["metadata"]["namespace"] = namespace.into();
    if !labels.is_null() {
        policy["spec"]["selector"] = json!({"matchLabels": labels});
    }
    policy
}

#[test]
fn the_workload_is_the_one_in_the_nodes_metadata() {
    let resources = json!([
        selecting("own", "shop", json!(null)),
        selecting("web", "shop", json!({"app": "web"})),
        selecting("web-v2", "shop", json!({"app": "web", "version": "v2"})),
        selecting("db", "shop", json!({"app": "db"})),
        selecting("bank", "bank", json!(null)),
        selecting("bank-web", "bank", json!({"app": "web"})),
        selecting("mesh", "istio-system", json!(null)),
        selecting("mesh-web", "istio-system", json!({"app": "web"})),
        selecting("mesh-db", "istio-system", json!({"app": "db"})),
    ]);
    let labels = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    // namespace, proxy, labels; the policies that apply
    type Row<'a> = (&'a str, ProxyKind, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: [Row<'_>; 4] = [
        ("shop", ProxyKind::Sidecar, &[("app", "web")], &["own", "web", "mesh", "mesh-web"]),
        ("shop", ProxyKind::Sidecar, &[("app", "db"), ("version", "v2")], &["own", "db", "mesh", "mesh-db"]),
        (
            "bank",
            ProxyKind::Sidecar,
            &[("app", "web"), ("version", "v2")],
            &["bank", "bank-web", "mesh", "mesh-web"],
        ),
        ("istio-system", ProxyKind::Gateway, &[], &["mesh"]),
    ];
    for (namespace, proxy, own, expected) in table {
        let workload =
            Workload { namespace: namespace.into(), labels: labels(own), proxy, ..Workload::default() };
        // Nothing in the configuration says whose policies these are.
        let filters =
            [vec![shadow(&resources)], native_for(&workload, &json!({}), &resources, Protocol::Http)]
                .concat();
        let listener = Listener { proxy, ..Listener::http("web", filters) };
        let envoy = Envoy::start(&Bootstrap::new(&workload, vec![listener])).unwrap();
        for policy in resources.as_array().unwrap() {
            let name = policy["metadata"]["name"].as_str().unwrap();
            let (code, _, state) =
                sent(&envoy, &Dial::plain(to(&envoy, "web")), &get(&format!("/{name}"), name), name);
            let wanted = if expected.contains(&name) { ("deny", 403) } else { ("allow", 200) };
            assert_eq!(
                (state["verdict"].as_str().unwrap(), code),
                wanted,
                "{namespace} {own:?} {name}: {state}"
            );
            assert_eq!(state["result"], "agree", "{namespace} {own:?} {name}: {state}");
        }
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
        assert_eq!(scrape.sum("gnomon_errors_total"), Some(0.0));
    }
}

#[test]
fn the_client_is_the_one_that_trusted_hops_name() {
    let clients = json!([policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"remoteIpBlocks": ["203.0.113.0/24", "2001:db8::/32"]}}]}])
    )]);
    let both = || [vec![shadow(&clients)], native(&clients)].concat();
    let listener =
        |name: &str, proxy, trusted_hops| Listener { proxy, trusted_hops, ..Listener::http(name, both()) };
    let listeners = vec![
        listener("sidecar", ProxyKind::Sidecar, 0),
        listener("edge", ProxyKind::Gateway, 0),
        listener("one", ProxyKind::Gateway, 1),
        listener("two", ProxyKind::Gateway, 2),
    ];
    let envoy = Envoy::start(&Bootstrap::new(&workload(), listeners)).unwrap();
    let (client, other, us) = ("203.0.113.9", "198.51.100.1", "127.0.0.1");
    let lists = [
        String::new(),
        client.into(),
        format!("{client},{other}"),
        format!("{other}, {client}"),
        format!("{other},{client},{other}"),
        format!("{client},{other},{us}"),
        "2001:db8::7".into(),
        "203.0.113.9:4711".into(),
        "garbage".into(),
    ];
    // For each listener: which of these lists name the client.
    let table = [
        ("sidecar", [false, true, false, true, false, false, true, false, false]),
        ("edge", [false; 9]),
        ("one", [false, true, false, true, false, false, true, false, false]),
        ("two", [false, false, true, false, true, false, false, false, false]),
    ];
    for (listener, expected) in table {
        for (number, (list, allowed)) in lists.iter().zip(expected).enumerate() {
            let case = format!("{listener}-{number}");
            let mut request = get("/", &case);
            if !list.is_empty() {
                request = request.header("x-forwarded-for", list.as_str());
            }
            let (code, _, state) = sent(&envoy, &Dial::plain(to(&envoy, listener)), &request, &case);
            let verdict = if allowed { "allow" } else { "deny" };
            assert_eq!(
                (&state["verdict"], &state["result"]),
                (&json!(verdict), &json!("agree")),
                "{case} {list}: {state}"
            );
            assert_eq!(code == 200, allowed, "{case} {list}");
        }
    }
}

#[test]
fn the_destination_is_the_one_that_the_connection_was_made_for() {
    let ports = json!([policy(
        "p",
        "ALLOW",
        json!([
            {"to": [{"operation": {"ports": ["8443"]}}]},
            {"when": [{"key": "destination.ip", "values": ["10.9.0.0/16", "2001:db8::1"]}]},
        ])
    )]);
    let listener = Listener::http("web", [vec![shadow(&ports)], native(&ports)].concat());
    let envoy = Envoy::start(&Bootstrap::new(&workload(), vec![listener])).unwrap();
    let table = [
        ("10.0.0.1:8443", true),
        ("10.0.0.1:8080", false),
        ("10.9.1.2:8080", true),
        ("[2001:db8::1]:80", true),
        ("[2001:db8::2]:80", false),
        ("[2001:db8::2]:8443", true),
    ];
    for (destination, allowed) in table {
        let destination: SocketAddr = destination.parse().unwrap();
        let source = if destination.is_ipv4() { "198.51.100.7" } else { "2001:db8::99" }.parse().unwrap();
        let dial = Dial { proxy: Some(Proxy::new(source, destination)), ..Dial::plain(to(&envoy, "web")) };
        let case = destination.to_string();
        let (code, _, state) = sent(&envoy, &dial, &get("/", &case), &case);
        let verdict = if allowed { "allow" } else { "deny" };
        assert_eq!(
            (&state["verdict"], &state["result"]),
            (&json!(verdict), &json!("agree")),
            "{case}: {state}"
        );
        assert_eq!(code == 200, allowed, "{case}");
    }
}
