//! Metrics by policy, a baseline, claims, too many lines.

use super::*;

fn reading() -> Value {
    policy("read", "ALLOW", json!([{"to": [{"operation": {"paths": ["/yes"]}}]}]))
}

fn counted(host: &mut WasmHost, policy: &str, result: &str) -> i64 {
    host.state().metric(&format!(
        "gnomon_policy=.={policy};.;gnomon_result=.={result};.;gnomon_policy_requests_total"
    ))
}

#[test]
fn requests_are_counted_by_policy_up_to_a_number_of_policies() {
    let paths = ["/a", "/b", "/c", "/d"];
    let policies: Vec<Value> = paths
        .iter()
        .map(|path| {
            policy(path.trim_start_matches('/'), "DENY", json!([{"to": [{"operation": {"paths": [path]}}]}]))
        })
        .collect();
    let mut configuration = configuration(Value::Array(policies));
    configuration["report"] = json!({"filterState": "all", "policies": 2, "log": "none"});
    let mut host = WasmHost::with(&configuration);
    host.state().answered(200, "via_upstream");
    for path in ["/a", "/a", "/", "/b", "/c", "/d", "/a"] {
        get(&mut host, path);
        host.request(Steps::All).expect("no trap");
    }
    let id = |name: &str| format!("ns[shop]-policy[{name}]-rule[0]");
    assert_eq!(counted(&mut host, &id("a"), "would_deny"), 3);
    assert_eq!(counted(&mut host, "(none)", "agree"), 1);
    assert_eq!(counted(&mut host, "other", "would_deny"), 3);
    assert_eq!(counted(&mut host, &id("b"), "would_deny"), 0);
    let series = host.state().metrics.iter().filter(|m| m.name.starts_with("gnomon_policy=")).count();
    assert_eq!(series, 3);

    // None at all.
    configuration["report"] = json!({"filterState": "all", "policies": 0});
    let mut host = WasmHost::with(&configuration);
    get(&mut host, "/a");
    host.request(Steps::All).expect("no trap");
    assert!(host.state().metrics.iter().all(|metric| !metric.name.starts_with("gnomon_policy=")));
}

#[test]
fn a_baseline_takes_the_place_of_what_was_enforced() {
    let other = policy("other", "ALLOW", json!([{"to": [{"operation": {"paths": ["/yes", "/old"]}}]}]));
    let mut configuration = configuration(json!([reading()]));
    configuration["baseline"] = json!({"resources": [other]});
    let mut host = WasmHost::with(&configuration);
    // Envoy enforces nothing here.
    host.state().answered(200, "via_upstream");
    for (path, expected) in [("/yes", "agree"), ("/old", "would_deny"), ("/no", "agree")] {
        get(&mut host, path);
        assert_eq!(verdict(&mut host)["result"], expected, "{path}");
        if expected != "agree" {
            let lines = host.state().lines();
            assert_eq!(lines[0]["baseline"]["verdict"], "allow", "{lines:?}");
            assert_eq!(lines[0]["baseline"]["policy"], "ns[shop]-policy[other]-rule[0]", "{lines:?}");
        }
    }
    let mut swapped = configuration.clone();
    swapped["candidate"] = configuration["baseline"].clone();
    swapped["baseline"] = configuration["candidate"].clone();
    let mut host = WasmHost::with(&swapped);
    host.state().answered(200, "via_upstream");
    get(&mut host, "/old");
    assert_eq!(verdict(&mut host)["result"], "would_allow");
}

#[test]
fn claims_are_logged_where_asked_for_and_tokens_never() {
    let policies = json!([authentication(TestKey::RsaKid), reading()]);
    let claims =
        json!({"iss": "me", "sub": "u1", "group": ["a", "b"], "secret": "s3cr3t", "long": "x".repeat(400)});
    let token = tokens::sign(TestKey::RsaKid, &claims).unwrap();
    let line = format!("Bearer {token}");
    for (asked, expected) in [
        (json!([]), Value::Null),
        (
            json!(["sub", "group", "absent", "long"]),
            json!({"sub": "u1", "group": ["a", "b"], "long": "(long)"}),
        ),
    ] {
        let mut configuration = configuration(policies.clone());
        configuration["report"] = json!({"filterState": "all", "log": "all", "claims": asked});
        let mut host = WasmHost::with(&configuration);
        for path in [&b"/yes?a=access_token"[..], b"/no"] {
            host.state().forget();
            host.state().set_headers(&[
                (":method", b"GET"),
                (":path", path),
                ("authorization", line.as_bytes()),
            ]);
            host.request(Steps::All).expect("no trap");
            let lines = host.state().lines();
            assert_eq!(lines[0]["request"]["claims"], expected, "{lines:?}");
            let state = host.state();
            let all = format!("{:?} {:?}", state.logs, state.filter_state);
            let signature = token.rsplit_once('.').unwrap().1;
            assert!(
                !all.contains("s3cr3t") && !all.contains(signature) && !all.contains("access_token"),
                "{all}"
            );
        }
    }
}

#[test]
fn lines_beyond_a_number_a_second_are_counted_instead() {
    let mut configuration = configuration(json!([reading()]));
    configuration["report"] = json!({"filterState": "all", "log": "all", "linesPerSecond": 3});
    let mut host = WasmHost::with(&configuration);
    get(&mut host, "/no");
    host.state().forget();
    for (second, lines) in [(1, 3), (2, 6)] {
        host.state().now += 1;
        for _ in 0..10 {
            host.request(Steps::All).expect("no trap");
        }
        assert_eq!(host.state().lines().len(), lines);
        assert_eq!(host.state().metric("gnomon_log_lines_dropped_total"), second * 7);
    }
}

#[test]
fn signs_of_life_and_of_trouble_are_counted() {
    let mut host = WasmHost::with(&configuration(json!([reading()])));
    assert_eq!(host.state().tick, 10_000);
    assert_eq!(host.state().metric("gnomon_heartbeats_total"), 1);
    host.tick().expect("no trap");
    assert_eq!(host.state().metric("gnomon_heartbeats_total"), 2);
    assert!(!host.configure(b"{}").expect("no trap"));
    assert_eq!(host.state().metric("gnomon_config_refused_total"), 1);
    assert!(host.state().logs.iter().any(|(_, line)| line.contains("the one before, if any, goes on")));
    get(&mut host, "/yes");
    for _ in 0..130 {
        host.request(Steps::All).expect("no trap");
    }
    assert_eq!(host.state().metric("gnomon_evaluation_microseconds"), 2, "every 64th");
}
