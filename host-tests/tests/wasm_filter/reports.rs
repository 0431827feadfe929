//! What is compared, counted, written and read.

use super::*;

#[test]
fn what_was_enforced_and_what_would_be() {
    let configuration = configuration(json!([policy(
        "read",
        "ALLOW",
        json!([{"to": [{"operation": {"paths": ["/yes"]}}]}])
    )]));
    let expired = "jwt_authn_access_denied{Jwt_is_expired}";
    let table = [
        ("/yes", 200, "via_upstream", Steps::All, "agree"),
        ("/yes", 403, "via_upstream", Steps::All, "agree"),
        ("/no", 200, "via_upstream", Steps::All, "would_deny"),
        ("/yes", 403, NONE, Steps::All, "would_allow"),
        ("/yes", 200, NONE, Steps::All, "would_allow"),
        ("/no", 403, NONE, Steps::All, "agree"),
        ("/no", 403, NONE, Steps::OnlyLog, "agree"),
        ("/no", 401, expired, Steps::All, "would_deny_differently"),
        ("/no", 401, expired, Steps::OnlyLog, "would_deny_differently"),
        ("/no", 0, "downstream_remote_disconnect", Steps::All, "unknown"),
        ("/no", 404, "route_not_found", Steps::All, "would_deny"),
        ("/no", 400, "path_normalization_failed", Steps::OnlyLog, "skipped"),
        ("/no", 429, "request_rate_limited", Steps::OnlyLog, "skipped"),
        // Whether it was asked before or after the policies is not known.
        ("/no", 429, "request_rate_limited", Steps::All, "unknown"),
    ];
    for (path, code, details, steps, expected) in table {
        let mut host = WasmHost::with(&configuration);
        get(&mut host, path);
        host.state().answered(code, details);
        host.request(steps).expect("no trap");
        let state = host.state();
        for result in ["agree", "would_deny", "would_allow", "would_deny_differently", "unknown", "skipped"] {
            let count = state.metric(&format!("gnomon_requests_{result}_total"));
            assert_eq!(
                count,
                i64::from(result == expected),
                "{path} {details}: {result}, expected {expected}"
            );
        }
        assert_eq!(state.metric("gnomon_policies_loaded"), 1);
        assert_ne!(state.metric("gnomon_config_generation"), 0);
        assert_eq!(state.metric("gnomon_errors_total"), 0);
        let diverges = expected.starts_with("would");
        let lines = state.lines();
        assert_eq!(lines.len(), usize::from(diverges), "{lines:#?}");
        if let Some(line) = lines.first() {
            assert_eq!(line["gnomon"], expected);
            assert_eq!(line["workload"], "shop/web");
            assert_eq!(line["request"]["path"], path);
            assert_eq!(line["enforced"]["details"], details);
            assert_eq!(line.get("late").is_some(), steps == Steps::OnlyLog, "{line}");
        }
        if expected == "skipped" {
            assert!(state.filter_state.is_empty());
        } else {
            assert_eq!(state.verdict()["result"], expected);
            assert_eq!(state.verdict()["enforced"], json!({"status": code, "details": details}));
        }
        // Nothing is done to the traffic.
        assert!(state.response_headers.is_empty());
    }
}

#[test]
fn lines_are_written_as_configured() {
    let paths = [("/yes", 200, "via_upstream"), ("/no", 200, "via_upstream"), ("/no", 403, NONE)];
    let table = [
        ("none", 1.0, [0, 0, 0]),
        ("denied", 1.0, [0, 8, 8]),
        ("divergent", 1.0, [0, 8, 0]),
        ("all", 1.0, [8, 8, 8]),
        ("all", 0.5, [4, 4, 4]),
        ("divergent", 0.0, [0, 0, 0]),
    ];
    for (log, sample, expected) in table {
        let mut configuration = configuration(json!([policy(
            "read",
            "ALLOW",
            json!([{"to": [{"operation": {"paths": ["/yes"]}}]}])
        )]));
        configuration["report"] = json!({"log": log, "sample": sample, "linesPerSecond": 100, "filterState": false, "responseHeader": "X-Gnomon-Shadow"});
        let mut host = WasmHost::with(&configuration);
        for ((path, code, details), lines) in paths.iter().zip(expected) {
            get(&mut host, path);
            host.state().answered(*code, details);
            host.state().forget();
            for _ in 0..8 {
                host.request(Steps::All).expect("no trap");
            }
            let state = host.state();
            assert_eq!(state.lines().len(), lines, "log: {log}, sample: {sample}, {path} {details}");
            assert!(state.filter_state.is_empty(), "filterState is off");
            let value = if *path == "/yes" {
                "allow; status=200; stage=allow; policy=ns[shop]-policy[read]-rule[0]"
            } else {
                "deny; status=403; stage=allow"
            };
            let header = (b"x-gnomon-shadow".to_vec(), value.as_bytes().to_vec());
            assert_eq!(state.response_headers, vec![header; 8]);
        }
    }
}

#[test]
fn only_what_is_needed_is_read_and_only_once() {
    let mesh = "spiffe://cluster.local/ns/shop/sa/cart";
    let by_path = policy("p", "ALLOW", json!([{"to": [{"operation": {"paths": ["/a"]}}]}]));
    let by_peer = policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}]}]),
    );
    let by_other = policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/other"]}}]}]),
    );
    let by_port = policy("p", "ALLOW", json!([{"to": [{"operation": {"ports": ["1"]}}]}]));
    let uri = "connection.uri_san_peer_certificate";
    let more = [
        "connection.sha256_peer_certificate_digest",
        "connection.peer_certificate",
        "filter_state.gnomon.peer_uri_san",
        "connection.dns_san_peer_certificate",
        "connection.subject_peer_certificate",
    ];
    // policy, peer, header map read, properties
    let table: [(&Value, &str, bool, Vec<&str>); 5] = [
        (&by_path, mesh, true, vec![]),
        (&by_peer, mesh, false, vec![uri]),
        (&by_other, mesh, false, [vec![uri], more.to_vec()].concat()),
        (&by_peer, "", false, vec![uri, "connection.mtls"]),
        (&by_port, mesh, false, vec!["destination.address"]),
    ];
    for (policy, peer, map, mut expected) in table {
        let mut host = WasmHost::with(&configuration(json!([policy])));
        get(&mut host, "/a");
        host.state().set(uri, Property::Text(peer.into()));
        host.state().set("connection.mtls", Property::Bool(!peer.is_empty()));
        host.state().set("destination.address", Property::Text("10.0.0.1:1".into()));
        host.state().answered(403, NONE);
        host.state().forget();
        let id = host.create().unwrap();
        host.state().has_request_headers = true;
        host.continues("proxy_on_request_headers", id).expect("no trap");
        let state = host.state();
        let maps = state.calls.iter().filter(|name| **name == "proxy_get_header_map_pairs").count();
        assert_eq!(maps, usize::from(map), "{policy}");
        expected.sort_unstable();
        state.asked.sort();
        assert_eq!(state.asked, expected, "{policy} {peer}");
        assert_eq!(state.calls.len(), maps + expected.len(), "no other call: {:?}", state.calls);
    }
}
