//! Two verdicts, one comparison: over every protocol, whoever answers, wherever the native filters stand.

use super::*;
use gnomon_host_tests::{config::cluster, metrics::Scrape};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    One,
    Two,
    Grpc,
    WebSocket,
    /// The client goes away while the upstream holds the request back.
    Reset,
}

fn start(upstream: SocketAddr) -> Envoy {
    let candidate = json!([deny_paths("candidate", &["*/candidate", "*/both"])]);
    let enforced = json!([deny_paths("native", &["*/native", "*/both"])]);
    let fault = json!({"name": "envoy.filters.http.fault", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "abort": {"header_abort": {}, "percentage": {"numerator": 100}},
    }});
    let native = native(&enforced);
    let before = [vec![shadow(&candidate), fault.clone()], native.clone()].concat();
    let after = [vec![fault], native, vec![shadow(&candidate)]].concat();
    let listeners = vec![Listener::http("before", before), Listener::http("after", after)];
    let mut bootstrap = Bootstrap::new(&workload(), listeners);
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    bootstrap.clusters = vec![cluster("upstream", upstream, false), cluster("nobody", nobody, false)];
    let routes = json!([
        {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}},
        {"match": {"prefix": "/dead"}, "route": {"cluster": "nobody"}},
        {"match": {"prefix": "/up"}, "route": {
            "cluster": "upstream", "internal_redirect_policy": {"max_internal_redirects": 1},
        }},
    ]);
    Envoy::start_with(|log| with_routes(bootstrap.to_json(log), &routes)).unwrap()
}

fn send(envoy: &Envoy, listener: &str, way: Way, path: &str, case: &str, more: &[(&str, &str)]) {
    let address = to(envoy, listener);
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a.test")];
    let own = [(access_log::CASE_HEADER, case)];
    match way {
        Way::One => {
            let request =
                more.iter().fold(get(path, case), |request, (name, value)| request.header(*name, *value));
            Connection::open(&Dial::plain(address)).unwrap().send(&request).unwrap().response().unwrap();
        }
        Way::Two => {
            let mut stream = Connection::open(&Dial::plain(address)).unwrap();
            h2::send(&mut stream, &[&pseudo[..], &own, more].concat(), None).unwrap();
        }
        Way::Grpc => {
            let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
            let mut stream = Connection::open(&Dial::plain(address)).unwrap();
            h2::send(&mut stream, &[&pseudo[..], &own, &grpc, more].concat(), Some(&[0; 5])).unwrap();
        }
        Way::WebSocket | Way::Reset => {
            let mut stream = TcpStream::connect(address).unwrap();
            let upgrade = match way {
                Way::WebSocket => {
                    "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
                }
                _ => "",
            };
            let case_header = access_log::CASE_HEADER;
            let head =
                format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n{case_header}: {case}\r\n{upgrade}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            if way == Way::WebSocket {
                let mut start = [0; 12];
                stream.read_exact(&mut start).unwrap();
                assert!(start.starts_with(b"HTTP/1.1 "), "{start:?}");
            } else {
                // The upstream has it: its cluster counts a request under way.
                let stat = "cluster.upstream.upstream_rq_active: 1";
                until("the upstream has the request", envoy, || {
                    envoy.admin_get("/stats").unwrap().contains(stat).then_some(())
                });
            }
        }
    }
}

#[test]
fn verdicts_are_compared_whoever_answers() {
    let envoy = start(upstream::start());
    // listener, way, path, further headers, result
    type Row<'a> = (&'a str, Way, String, &'a [(&'a str, &'a str)], &'a str);
    let mut table: Vec<Row<'_>> = Vec::new();
    let endings =
        [("none", "agree"), ("native", "would_allow"), ("candidate", "would_deny"), ("both", "agree")];
    for listener in ["before", "after"] {
        for (ending, expected) in endings {
            for way in [Way::One, Way::Two, Way::Grpc] {
                table.push((listener, way, format!("/direct/{ending}"), &[], expected));
            }
            table.push((listener, Way::Two, format!("/up/{ending}"), &[], expected));
            table.push((listener, Way::WebSocket, format!("/up/{ending}"), &[], expected));
            table.push((listener, Way::One, format!("/up/{ending}?query=/none"), &[], expected));
            // No route, a dead upstream: the policies had let the request through, or not.
            table.push((listener, Way::One, format!("/nowhere/{ending}"), &[], expected));
            table.push((listener, Way::One, format!("/dead/{ending}"), &[], expected));
        }
        for (ending, expected) in [("none", "agree"), ("candidate", "would_deny")] {
            table.push((listener, Way::Reset, format!("/up/hold/{ending}"), &[], expected));
        }
        // Another filter answers. In front of this one it hides the request from all policies; behind it, nobody knows
        // whether they had been asked.
        let unknown = if listener == "before" { "unknown" } else { "" };
        table.push((
            listener,
            Way::One,
            "/direct/none".into(),
            &[("x-envoy-fault-abort-request", "429")],
            unknown,
        ));
    }
    for (number, (listener, way, path, more, expected)) in table.iter().enumerate() {
        let case = format!("case-{number}");
        send(&envoy, listener, *way, path, &case, more);
        let line = envoy.access_log().of_case(&case).unwrap();
        let state =
            access_log::text(&line, "gnomon").map(|text| serde_json::from_str::<Value>(text).unwrap());
        let result = state.as_ref().and_then(|state| state["result"].as_str()).unwrap_or_default();
        assert_eq!(result, *expected, "{listener} {way:?} {path} {more:?}: {line}");
    }

    // Every request is counted once, by its result and by its policy.
    let scrape = Scrape::complete(&envoy).unwrap();
    let counted = |result: &str| scrape.sum(&format!("gnomon_requests_{result}_total"));
    for result in ["agree", "would_deny", "would_allow", "unknown"] {
        let expected = table.iter().filter(|(.., wanted)| *wanted == result).count();
        assert_eq!(counted(result), Some(expected as f64), "{result}");
    }
    assert_eq!(counted("skipped"), Some(1.0));
    let labels = scrape.labels("gnomon_policy_requests_total");
    let expected = r#"gnomon_policy="ns[shop]-policy[candidate]-rule[0]",gnomon_result="would_deny""#;
    assert!(labels.contains(&expected), "{labels:#?}");
    assert!(labels.contains(&r#"gnomon_policy="(none)",gnomon_result="agree""#), "{labels:#?}");
    assert_eq!(scrape.sum("gnomon_policy_requests_total"), Some(table.len() as f64 - 1.0));
    assert_eq!(scrape.sum("gnomon_errors_total"), Some(0.0));
    // One sign of life at least from the worker's instance and from the main thread's.
    let heartbeats = scrape.sum("gnomon_heartbeats_total");
    assert!(heartbeats >= Some(2.0), "{heartbeats:?}");
    // Each listener has a configuration of its own in the native module, and not as many requests.
    if is_module() {
        return;
    }
    let timed = until("histograms are merged", &envoy, || {
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
        scrape.sum("gnomon_evaluation_microseconds_count").filter(|count| *count > 0.0)
    });
    assert_eq!(timed, (table.len() / 64) as f64, "of {} requests", table.len());
}

#[test]
fn each_way_through_the_filters_is_compared_where_envoy_redirects_by_itself() {
    let envoy = start(upstream::start());
    // way there, way after the redirect: one request of the client's, two of the filters'
    let results = ["agree", "would_deny", "would_allow", "would_deny_differently", "unknown", "skipped"];
    let count = || -> Vec<f64> {
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
        results.map(|result| scrape.sum(&format!("gnomon_requests_{result}_total")).unwrap_or(0.0)).into()
    };
    for (number, (ending, expected)) in
        [("none", [2.0, 0.0, 0.0]), ("candidate", [0.0, 2.0, 0.0])].into_iter().enumerate()
    {
        let before = count();
        let case = format!("redirect-{number}");
        send(&envoy, "before", Way::One, &format!("/up/redirect/{ending}"), &case, &[]);
        envoy.access_log().of_case(&case).unwrap();
        let grown: Vec<f64> = count().iter().zip(&before).map(|(now, then)| now - then).collect();
        assert_eq!(grown, [&expected[..], &[0.0; 3]].concat(), "{ending}");
    }
}
