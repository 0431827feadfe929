//! Updates in real Envoy while streams live that began with earlier ones, and a worker that the filter is missing on.

use super::*;
use gnomon_host_tests::{
    config::cluster,
    load::{self, Shot},
    measured,
    metrics::Scrape,
    process,
    xds::Discovery,
};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

fn configuration(policies: usize, path: &str) -> Value {
    let mut resources = measured::manifests(policies);
    resources.push(policy("it", "ALLOW", json!([{"to": [{"operation": {"paths": [path, "/hold*"]}}]}])));
    configured(&json!({"candidate": {"resources": resources}}))
}

fn metric(envoy: &Envoy, name: &str) -> f64 {
    Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap()).sum(name).unwrap_or(0.0)
}

/// Envoy whose filter is configured by discovery, in front of an upstream.
fn start(discovery: &Discovery) -> Envoy {
    let mut bootstrap = Bootstrap::new(&workload(), vec![Listener::http("web", vec![discovery.filter()])]);
    bootstrap.clusters = vec![cluster("upstream", upstream::start(), false)];
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}]);
    Envoy::start_with(|log| with_routes(bootstrap.to_json(log), &routes)).unwrap()
}

/// A request whose answer never comes.
fn held(envoy: &Envoy, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(to(envoy, "web")).unwrap();
    write!(stream, "GET /hold/{number} HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_stream_for_each_update_keeps_no_plan() {
    let discovery = Discovery::new(&configuration(2_000, "/0")).unwrap();
    let envoy = start(&discovery);
    let (mut streams, mut memory) = (Vec::new(), Vec::new());
    for number in 1..=12 {
        streams.push(held(&envoy, number));
        until("the request is under way", &envoy, || {
            let active = envoy.admin_get("/stats?filter=cluster.upstream.upstream_rq_active$").unwrap();
            active.trim().ends_with(&format!(": {number}")).then_some(())
        });
        let path = format!("/{number}");
        discovery.publish(&configuration(2_000, &path)).unwrap();
        let mut asked = 0;
        until("the update is at work", &envoy, || {
            asked += 1;
            let case = format!("u-{number}-{asked}");
            let reply = Connection::open(&Dial::plain(to(&envoy, "web"))).unwrap().send(&get(&path, &case));
            assert_eq!(reply.unwrap().status(), Some(200));
            (state(&envoy, &case)["verdict"] == "allow").then_some(())
        });
        memory.push(process::resident(envoy.pid()).unwrap() >> 20);
    }
    // A plan of 2,000 policies takes some 8 MB on the worker.
    assert!(memory[11] < memory[3] + 24, "MB after each update: {memory:?}");
    let beats = metric(&envoy, "gnomon_heartbeats_total");
    std::thread::sleep(Duration::from_secs(21));
    let beats = metric(&envoy, "gnomon_heartbeats_total") - beats;
    assert!((3.0..=6.0).contains(&beats), "{beats} signs of life of two instances in 21 seconds");
    assert_eq!(metric(&envoy, "gnomon_errors_total"), 0.0);
    assert_eq!(metric(&envoy, "gnomon_config_not_applied_total"), 0.0);

    // And they are still reported, each as it was decided.
    let unknown = metric(&envoy, "gnomon_requests_unknown_total");
    drop(streams);
    until("they have ended", &envoy, || {
        (metric(&envoy, "gnomon_policy_requests_total") - metric(&envoy, "gnomon_requests_skipped_total")
            >= 24.0)
            .then_some(())
    });
    assert_eq!(metric(&envoy, "gnomon_requests_unknown_total"), unknown);
}

/// The longest that a request waits while 10,000 policies come.
#[test]
fn requests_do_not_wait_for_a_large_plan() {
    const MOST: Duration = Duration::from_millis(20);
    let large = |number: usize| {
        configured(
            &json!({"candidate": {"resources": measured::varied(10_000)}, "report": {"policies": number}}),
        )
    };
    let discovery = Discovery::new(&configuration(1, "/x")).unwrap();
    let listener = Listener::http("web", vec![discovery.filter()]);
    let bootstrap = Bootstrap::new(&workload(), vec![listener]);
    let envoy = Envoy::start_with(|log| measured::bare(bootstrap.to_json(log))).unwrap();
    let request = RequestBytes::get("/x").header("host", "a.test");
    let shot = Shot::learn(to(&envoy, "web"), &request).unwrap();
    let paced = || load::paced(to(&envoy, "web"), &shot, 4, 200.0, Duration::from_secs(4)).unwrap();
    // The main thread, which answers for the counters, reads such a configuration in one piece.
    let asked = |name| {
        let answer = envoy.admin_get("/stats/prometheus").ok();
        answer.map_or(0.0, |text| Scrape::read(&text).sum(name).unwrap_or(0.0))
    };
    // Whoever else uses this machine makes a request wait too, and not every time.
    let most = MOST.max(3 * *paced().last().unwrap());
    let mut longest = Vec::new();
    for number in 0..6 {
        let took = std::thread::scope(|scope| {
            let load = scope.spawn(paced);
            discovery.publish(&large(number)).unwrap();
            load.join().unwrap()
        });
        longest.push(*took.last().unwrap());
        if longest.last() < Some(&most) {
            break;
        }
    }
    println!("the longest waits: {longest:?}");
    assert!(longest.iter().min() < Some(&most), "{longest:?}, with {most:?} allowed");
    until("they are at work", &envoy, || (asked("gnomon_policies_loaded") == 10_000.0).then_some(()));
}

/// A module whose first two instances take their configuration (the one that Envoy's main thread checks it with, and the
/// main thread's own), and whose third traps: that of the first worker. They count by the version of a shared value, which
/// is 1 when the first has set it, and of which each says that it expects 1.
fn fails_on_the_worker() -> Vec<u8> {
    let counted = |items: &[&[u8]]| [&[items.len() as u8][..], &items.concat()].concat();
    let section = |id: u8, content: Vec<u8>| [&[id, content.len() as u8][..], &content].concat();
    let name = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    let export = |text: &str, kind: u8, index: u8| [&name(text)[..], &[kind, index]].concat();
    let (i32, function) = (0x7f, 0x60);
    let types = counted(&[
        &[function, 5, i32, i32, i32, i32, i32, 1, i32],
        &[function, 0, 0],
        &[function, 1, i32, 1, i32],
        &[function, 2, i32, i32, 1, i32],
        &[function, 2, i32, i32, 0],
    ]);
    let imports = counted(&[&[&name("env")[..], &name("proxy_set_shared_data"), &[0, 0]].concat()]);
    let exports = counted(&[
        &export("memory", 2, 0),
        &export("proxy_abi_version_0_2_1", 0, 1),
        &export("proxy_on_memory_allocate", 0, 2),
        &export("proxy_on_configure", 0, 3),
        &export("proxy_on_context_create", 0, 4),
    ]);
    let body = |code: &[u8]| [&[code.len() as u8 + 2, 0][..], code, &[0x0b]].concat();
    let code = counted(&[
        &body(&[]),
        &body(&[0x41, 16]),
        // set_shared_data(key: 0, 1, value: 0, 1, version: 1); where that is not 0: unreachable; true
        &body(&[0x41, 0, 0x41, 1, 0x41, 0, 0x41, 1, 0x41, 1, 0x10, 0, 0x04, 0x40, 0x00, 0x0b, 0x41, 1]),
        &body(&[]),
    ]);
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, types),
        section(2, imports),
        section(3, vec![4, 1, 2, 3, 4]),
        section(5, vec![1, 0, 1]),
        section(7, exports),
        section(10, code),
    ]
    .concat()
}

/// What Envoy does: nothing stands in the place of the filter, whatever its failure policy. What helps is a filter behind
/// it that wants to see its mark (`examples/plain-envoy/enforce.yaml`).
#[test]
fn a_filter_that_is_missing_on_a_worker_lets_everything_pass_unless_its_mark_is_asked_for() {
    if is_module() {
        return;
    }
    let module = std::env::temp_dir().join(format!("gnomon-missing-{}.wasm", std::process::id()));
    std::fs::write(&module, fails_on_the_worker()).unwrap();
    let enforce = json!({
        "mode": "enforce",
        "candidate": {"resources": [policy("r", "ALLOW", json!([{"to": [{"operation": {"paths": ["/yes"]}}]}]))]},
    });
    let entry = |path: &std::path::Path, policy: &str| {
        let mut entry = filter::http_filter(path, &enforce);
        let config = &mut entry["typed_config"]["config"];
        config["failure_policy"] = json!(policy);
        // Each instance of the test counts for itself.
        config["vm_config"]["vm_id"] = json!(format!("{policy}-{}", path.display()));
        entry
    };
    let guard = guard(include_str!("../../../examples/plain-envoy/enforce.yaml"), "istio-system.gnomon");
    let listeners = |path: &std::path::Path| {
        let closed = entry(path, "FAIL_CLOSED");
        vec![
            Listener::http("bare", vec![closed]),
            Listener::http("guarded", vec![entry(path, "FAIL_RELOAD"), guard.clone()]),
        ]
    };
    let ask = |envoy: &Envoy, listener: &str, path: &str, case: &str| {
        sent(envoy, &Dial::plain(to(envoy, listener)), &get(path, case), case).0
    };
    let well = Envoy::start(&Bootstrap::new(&workload(), listeners(&filter::wasm().unwrap()))).unwrap();
    for (listener, path, code) in
        [("bare", "/yes", 200), ("bare", "/no", 403), ("guarded", "/yes", 200), ("guarded", "/no", 403)]
    {
        assert_eq!(ask(&well, listener, path, &format!("well-{listener}{path}")), code, "{listener}{path}");
    }
    let ill = Envoy::start(&Bootstrap::new(&workload(), listeners(&module))).unwrap();
    for number in 0..20 {
        assert_eq!(ask(&ill, "bare", "/no", &format!("bare-{number}")), 200, "nobody is asked");
        assert_eq!(ask(&ill, "guarded", "/yes", &format!("guarded-{number}")), 403);
    }
    let log = ill.log();
    assert!(log.contains("proxy_on_configure"), "{log}");
    std::fs::remove_file(&module).unwrap();
}

/// The entry that asks for the mark of the filter of this name, as the example has it.
fn guard(example: &str, name: &str) -> Value {
    let (documents, problems) = gnomon_manifests::parse(example, &std::sync::Arc::from("enforce.yaml"));
    assert!(problems.is_empty(), "{problems:?}");
    let example = serde_json::to_value(&documents[0]).unwrap();
    let chain =
        &example["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let filters = chain["http_filters"].as_array().unwrap();
    let guard = filters.iter().find(|filter| filter["name"] == "gnomon-was-asked").unwrap();
    let guard = guard.to_string().replace("\"exact\":\"gnomon\"", &format!("\"exact\":\"{name}\""));
    serde_json::from_str(&guard).unwrap()
}

/// The same for connections, where what stands behind is the network RBAC filter.
#[test]
fn connections_carry_the_mark_too() {
    let enforce = |ports: &str| {
        json!({
            "mode": "enforce",
            "candidate": {"resources": [policy("r", "ALLOW", json!([{"to": [{"operation": {"ports": [ports]}}]}]))]},
        })
    };
    let guard = json!({
        "name": "gnomon-was-asked",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
            "stat_prefix": "guard",
            "rules": {"action": "ALLOW", "policies": {"gnomon-let-it-pass": {
                "permissions": [{"any": true}],
                "principals": [{"filter_state": {
                    "key": "wasm.gnomon.passed", "string_match": {"exact": "istio-system.gnomon"},
                }}],
            }}},
        },
    });
    let wasm = filter::wasm().unwrap();
    let mut listeners = vec![Listener::tcp("without", vec![guard.clone()])];
    for (name, port) in [("passes", "8080"), ("refused", "9")] {
        let filter = filter::network_filter(&wasm, &enforce(port));
        listeners.push(Listener::tcp(name, vec![filter, guard.clone()]));
    }
    let envoy = Envoy::start(&Bootstrap::new(&workload(), listeners)).unwrap();
    let echoed = |listener: &str| {
        let mut stream = TcpStream::connect(to(&envoy, listener)).unwrap();
        // A PROXY header gives the connection its port.
        stream.write_all(b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 8080\r\nhello").unwrap();
        let mut bytes = [0; 16];
        stream.read(&mut bytes).is_ok_and(|count| &bytes[..count] == b"hello")
    };
    assert!(echoed("passes"), "{}", envoy.log());
    assert!(!echoed("refused"));
    assert!(!echoed("without"));
}

/// Two instances of the filter in one chain, each with its name and its VM.
#[test]
fn two_instances_with_names_of_their_own_judge_apart() {
    let named = |name: &str, path: &str| {
        let mut entry = filter::named(shadow(&json!([deny_paths("no", &[path])])), name);
        entry["name"] = json!(name);
        entry
    };
    let listener = Listener::http("web", vec![named("one", "/one"), named("two", "/two")]);
    let envoy = Envoy::start(&Bootstrap::new(&workload(), vec![listener])).unwrap();
    for path in ["/one", "/two", "/three"] {
        let case = path.trim_start_matches('/');
        sent(&envoy, &Dial::plain(to(&envoy, "web")), &get(path, case), case);
    }
    until("all are counted", &envoy, || (metric(&envoy, "gnomon_requests_agree_total") == 4.0).then_some(()));
    assert_eq!(metric(&envoy, "gnomon_requests_would_deny_total"), 2.0);
}
