//! Connections written down by the native module's access logger, where Istio logs them: in `tcp_proxy`, and on the listener
//! where there is no filter chain. Each line, evaluated, fares as its connection did.

use super::*;
use gnomon_engine::verdict::{Outcome, Report};
use gnomon_host_tests::config::cluster;
use gnomon_host_tests::{
    Ca, ClientCert, Names, Proxy, ServerTls, Tls, conformance::compare::engine, judge::Question,
};
use gnomon_manifests::request::{Requests, requests};
use std::{
    cell::RefCell,
    fs,
    io::{Read, Write},
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a client sends and gets back.
const HELLO: &[u8] = b"\0hello\r\n";

/// A server that gives back what it gets, until the end of the process.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// One listener of the test.
struct Case {
    name: &'static str,
    resources: Value,
    /// No line about a peer with two URI SANs: a request has one.
    reads_peer: bool,
}

fn cases() -> Vec<Case> {
    let case = |name, reads_peer, resources| Case { name, resources, reads_peer };
    let allow = |rules| policy("p", "ALLOW", rules);
    let cart = json!({"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}});
    let sni = json!([{"key": "connection.sni", "values": ["a.test"]}]);
    let strict = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "strict", "namespace": "shop"}, "spec": {"mtls": {"mode": "STRICT"}},
    });
    vec![
        case("none", false, json!([])),
        case("peer", true, json!([allow(json!([{"from": [cart]}]))])),
        case("sni", false, json!([allow(json!([{"when": sni}]))])),
        case(
            "socket",
            false,
            json!([policy("p", "DENY", json!([{"from": [{"source": {"ipBlocks": ["127.0.0.9"]}}]}]))]),
        ),
        case(
            "client",
            false,
            json!([allow(json!([{"from": [{"source": {"remoteIpBlocks": ["203.0.113.0/24"]}}]}]))]),
        ),
        case("port", false, json!([allow(json!([{"to": [{"operation": {"ports": ["9000"]}}]}]))])),
        case(
            "destination",
            false,
            json!([allow(json!([{"when": [{"key": "destination.ip", "values": ["10.0.0.7"]}]}]))]),
        ),
        // Of a connection no rule about HTTP allows anything, and one that denies counts without it.
        case(
            "http",
            false,
            json!([
                policy(
                    "d",
                    "DENY",
                    json!([{"to": [{"operation": {"methods": ["GET"], "ports": ["9000"]}}]}])
                ),
                allow(json!([{"to": [{"operation": {"paths": ["/a"]}}]}, {"when": sni}])),
            ]),
        ),
        case(
            "strict",
            true,
            json!([
                strict,
                allow(json!([{"from": [cart], "when": sni, "to": [{"operation": {"ports": ["9000"]}}]}]))
            ]),
        ),
    ]
}

/// `tcp_proxy` in the place of what ends the chains, with both logs where Istio has them.
fn proxied(mut bootstrap: Value, log: &Path, module: &Path, cases: &[Case]) -> Value {
    for (listener, case) in
        bootstrap["static_resources"]["listeners"].as_array_mut().unwrap().iter_mut().zip(cases)
    {
        let file = log.with_file_name(format!("{}.jsonl", case.name));
        let configuration = json!({
            "candidate": {"resources": case.resources}, "requests": {"file": file.to_string_lossy()},
        });
        let logs = [access_log::config(log, case.name), filter::access_logger(module, &configuration)];
        for chain in listener["filter_chains"].as_array_mut().unwrap() {
            let filters = chain["filters"].as_array_mut().unwrap();
            *filters.last_mut().unwrap() = json!({"name": "envoy.filters.network.tcp_proxy", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": case.name, "cluster": "echo", "access_log": logs,
            }});
        }
        let of_listener = logs.map(|mut log| {
            log["filter"] = json!({"response_flag_filter": {"flags": ["NR"]}});
            log
        });
        listener["access_log"] = json!(of_listener);
    }
    bootstrap
}

/// What the engine says about a line.
fn evaluated(line: &str, case: &Case) -> Report {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": case.resources});
    let resources = Arc::new(load_text(&list.to_string(), "policies.json").unwrap().resources);
    let document: Node = serde_json::from_str(line).unwrap();
    let read = requests(&"requests.jsonl".into(), &document);
    let Ok(Requests::One(request)) = &read else { panic!("{line} is no request: {read:?}") };
    assert_eq!(request.protocol, Protocol::Tcp, "{line}");
    let (workload, mesh) = (workload(), Mesh::default());
    let plan = gnomon_engine::Plan::build(&resources, &workload, &mesh);
    engine(&Question { resources: &resources, workload: &workload, mesh: &mesh, request }, &plan)
}

#[test]
fn each_line_about_a_connection_fares_as_the_connection_did() {
    let module = filter::wasm().unwrap();
    if !filter::is_module(&module) {
        return;
    }
    let cases = cases();
    let ca = Ca::new("cluster.local").unwrap();
    let identity = |names: &[&str]| {
        let uris = names.iter().map(|name| format!("spiffe://cluster.local/ns/shop/sa/{name}"));
        ca.issue(&Names { uris: uris.collect(), ..Names::default() }).unwrap()
    };
    let [cart, other, both] = [identity(&["cart"]), identity(&["other"]), identity(&["other", "cart"])];
    let listeners = cases.iter().map(|case| Listener {
        plaintext: case.name != "strict",
        tls: Some(ServerTls {
            identity: identity(&["web"]),
            client_ca: ca.pem.clone(),
            client: ClientCert::Required,
        }),
        ..Listener::tcp(case.name, native_for(&workload(), &json!({}), &case.resources, Protocol::Tcp))
    });
    let mut bootstrap = Bootstrap::new(&workload(), listeners.collect());
    bootstrap.clusters = vec![cluster("echo", echo(), false)];
    let folder = RefCell::new(PathBuf::new());
    let envoy = Envoy::start_with(|log| {
        *folder.borrow_mut() = log.parent().unwrap().to_owned();
        proxied(bootstrap.to_json(log), log, &module, &cases)
    })
    .unwrap();

    let peers = [
        None,
        Some((&cart, "a.test")),
        Some((&cart, "b.test")),
        Some((&other, "a.test")),
        Some((&both, "a.test")),
    ];
    let sockets: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "127.0.0.9".parse().unwrap()];
    let claimed = Proxy::new("203.0.113.5".parse().unwrap(), "10.0.0.7:9000".parse().unwrap());
    for case in &cases {
        // What a connection was, and how it ended, of those that are written.
        let mut ended: Vec<(String, bool, Option<String>)> = Vec::new();
        for (number, peer) in peers.iter().enumerate() {
            for from in sockets {
                for proxy in [None, Some(claimed)] {
                    let tls = peer.map(|(identity, sni)| Tls {
                        identity: Some(identity),
                        sni: Some(sni),
                        alpn: &[],
                    });
                    let dial = Dial { to: to(&envoy, case.name), from: Some(from), proxy, tls };
                    let mut connection = Connection::open(&dial).unwrap();
                    let port = connection.port();
                    let passed = connection.exchange(HELLO).unwrap() == HELLO;
                    drop(connection);
                    let line = envoy.access_log().of_port(port).unwrap();
                    let details = access_log::details(&line).map(str::to_owned);
                    if !(case.reads_peer && number == 4) {
                        ended.push((
                            format!("{} peer {number} from {from}, {proxy:?}", case.name),
                            passed,
                            details,
                        ));
                    }
                }
            }
        }
        // What sends nothing is decided on when it ends. A refusal is told; what got through cannot be told from what never
        // was decided on.
        let tls = Tls { identity: Some(&other), sni: Some("c.test"), alpn: &[] };
        let mut silent =
            Connection::open(&Dial { tls: Some(tls), ..Dial::plain(to(&envoy, case.name)) }).unwrap();
        silent.flush().unwrap();
        let port = silent.port();
        drop(silent);
        let line = envoy.access_log().of_port(port).unwrap();
        if let Some(details) = access_log::details(&line) {
            ended.push((format!("{} silent", case.name), false, Some(details.to_owned())));
        }

        let file = folder.borrow().join(format!("{}.jsonl", case.name));
        let expected = ended.len();
        let lines = until(&format!("{expected} lines in {}", file.display()), &envoy, || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            (text.lines().count() >= expected).then_some(text)
        });
        let (mut allowed, mut denied) = (0, 0);
        for (line, (what, passed, details)) in lines.lines().zip(&ended) {
            let report = evaluated(line, case);
            assert_eq!(report.verdict == Outcome::Allow, *passed, "{what}: {line}\n{}", report.reason);
            assert_eq!(report.details, *details, "{what}: {line}");
            allowed += usize::from(*passed);
            denied += usize::from(!passed);
        }
        // Each listener shows both, but the one without policies.
        assert!(allowed > 0 && (denied > 0 || case.name == "none"), "{}: {allowed}, {denied}", case.name);
        assert_eq!(lines.lines().count(), expected, "{}: {lines}", case.name);
    }
}
