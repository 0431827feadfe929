//! What reaches the log, and how much of it.

use super::*;

fn logging() -> Value {
    let mut configuration = configuration(json!([policy("no", "DENY", json!([{}]))]));
    configuration["report"] = json!({"filterState": "all", "log": "all", "linesPerSecond": 10_000});
    configuration
}

#[test]
fn secrets_in_paths_and_authorities_are_not_logged() {
    let mut host = WasmHost::with(&logging());
    let cases = [
        ("/p;access_token=s3cret", "a.test"),
        ("/p%3Faccess_token=s3cret", "a.test"),
        ("/p%253faccess_token=s3cret", "a.test"),
        ("/p;ACCESS%5fTOKEN%3Ds3cret/s3cret", "a.test"),
        ("/p?access_token=s3cret", "user:s3cret@a.test"),
        ("/proxy/https://user:s3cret@b.test/", "user%3As3cret%40a.test"),
        ("/p/eyJhbGciOiJub25lIn0.s3cret.", "a.test"),
    ];
    for (path, authority) in cases {
        host.state().forget();
        host.state().set_headers(&[
            (":method", b"GET"),
            (":path", path.as_bytes()),
            (":authority", authority.as_bytes()),
        ]);
        host.request(Steps::All).expect("no trap");
        assert_eq!(host.state().lines().len(), 1, "{path}");
        let state = host.state();
        let all = format!("{:?} {:?} {:?}", state.logs, state.filter_state, state.response_headers);
        assert!(!all.contains("s3cret"), "{path} {authority}: {all}");
        assert!(all.contains("a.test") && all.contains("/p"), "{all}");
    }
}

#[test]
fn a_line_is_one_line_to_every_reader() {
    let mut host = WasmHost::with(&logging());
    for character in ['\u{7f}', '\u{80}', '\u{85}', '\u{9b}', '\u{9f}', '\u{2028}', '\u{2029}', '\u{202e}'] {
        host.state().forget();
        get(&mut host, &format!("/a{character}b"));
        host.request(Steps::All).expect("no trap");
        let line = host.state().logs.last().unwrap().1.clone();
        assert!(
            !line.contains(character) && line.contains(&format!("\\u{:04x}", character as u32)),
            "{line}"
        );
        assert_eq!(host.state().lines()[0]["request"]["path"], format!("/a{character}b"));
    }
}

#[test]
fn a_flood_of_one_policys_lines_leaves_the_others_theirs() {
    let deny =
        |name: &str, path: &str| policy(name, "DENY", json!([{"to": [{"operation": {"paths": [path]}}]}]));
    let mut configuration = configuration(json!([deny("flooded", "/flood*"), deny("quiet", "/quiet")]));
    configuration["report"] = json!({"filterState": "all", "linesPerSecond": 2});
    let mut host = WasmHost::with(&configuration);
    host.state().answered(200, "via_upstream");
    for number in 0..50 {
        get(&mut host, &format!("/flood/{number}"));
        host.request(Steps::All).expect("no trap");
    }
    get(&mut host, "/quiet");
    host.request(Steps::All).expect("no trap");
    let lines = host.state().lines();
    let of = |name: &str| {
        let named = |line: &&Value| line["policy"].as_str().unwrap().contains(name);
        lines.iter().filter(named).count()
    };
    assert_eq!((of("flooded"), of("quiet")), (2, 1), "{lines:?}");
    assert_eq!(host.state().metric("gnomon_log_lines_dropped_total"), 48);
}

#[test]
fn what_a_configuration_says_is_bounded() {
    let odd: Vec<Value> = (0..4_000)
        .map(|number| {
            let mut odd = policy(&format!("p{number}"), "ALLOW", json!([{}]));
            odd["spec"]["unknown"] = json!(1);
            odd
        })
        .collect();
    // An unknown field is an error in a policy, a kind that is not read a warning.
    let other: Vec<Value> = (0..4_000).map(|_| json!({"apiVersion": "v1", "kind": "Service"})).collect();
    for (list, most) in [(odd, 230), (other, 30)] {
        let mut host = WasmHost::start();
        host.configure(configuration(json!(list)).to_string().as_bytes()).expect("no trap");
        let logs = &host.state().logs;
        assert!((10..most).contains(&logs.len()), "{}: {:?}", logs.len(), logs.first());
        assert!(logs.iter().any(|(_, line)| line.contains(" more; `gnomon lint` shows all of them")));
    }
    let twice = json!([
        policy("a", "ALLOW", json!([{}])),
        policy("b", "DENY", json!([{}])),
        policy("a", "DENY", json!([{}])),
    ]);
    let mut host = WasmHost::start();
    assert!(!host.configure(configuration(twice).to_string().as_bytes()).expect("no trap"));
    let logs = host.state().logs.clone();
    let told = |(_, line): &(u32, String)| {
        line.contains("AuthorizationPolicy shop/a") && line.contains("the object is there twice")
    };
    assert_eq!(logs.iter().filter(|line| told(line)).count(), 1, "{logs:?}");
    // The same name in another namespace or of another kind is another object.
    let mut elsewhere = policy("a", "ALLOW", json!([{}]));
    elsewhere["metadata"]["namespace"] = json!("istio-system");
    let mut jwt = authentication(TestKey::RsaKid);
    jwt["metadata"]["name"] = json!("a");
    WasmHost::with(&configuration(json!([policy("a", "ALLOW", json!([{}])), elsewhere, jwt])));
}

#[test]
fn a_cluster_that_is_missing_is_told_once() {
    let mut policy = authentication(TestKey::RsaKid);
    policy["spec"]["jwtRules"] = json!([{"issuer": "me", "jwksUri": "https://issuer.test/keys"}]);
    let text = configuration(json!([policy])).to_string();
    let mut host = WasmHost::start();
    assert!(host.configure(text.as_bytes()).expect("no trap"));
    for _ in 0..30 {
        host.state().now += 10;
        host.tick().expect("no trap");
    }
    assert!(host.update(text.as_bytes()).expect("no trap"));
    host.settle().expect("no trap");
    assert!(host.state().metric("gnomon_key_sets_failed_total") >= 30);
    let logs = host.state().logs.clone();
    let told: Vec<_> = logs.iter().filter(|(_, line)| line.contains("no key set from")).collect();
    assert_eq!(told.len(), 1, "{logs:?}");
    assert!(told[0].1.contains("outbound|443||issuer.test"), "{told:?}");
}

#[test]
fn counters_are_there_before_their_first_event() {
    let mut host = WasmHost::start();
    host.configure(b"{}").expect("no trap");
    assert_eq!(host.state().metric("gnomon_config_refused_total"), 1);
    let mut host = WasmHost::with(&configuration(json!([])));
    let names: Vec<String> = host.state().metrics.iter().map(|metric| metric.name.clone()).collect();
    let results = ["agree", "would_deny", "would_allow", "would_deny_differently", "unknown", "skipped"];
    let by_result = ["requests", "connections"]
        .iter()
        .flat_map(|what| results.iter().map(move |result| format!("gnomon_{what}_{result}_total")));
    let others = [
        "errors",
        "heartbeats",
        "log_lines_dropped",
        "key_sets_fetched",
        "key_sets_failed",
        "config_refused",
        "config_not_applied",
    ];
    for name in by_result.chain(others.iter().map(|name| format!("gnomon_{name}_total"))) {
        assert!(names.contains(&name), "{name}");
        let expected = i64::from(name.contains("heartbeats"));
        assert_eq!(host.state().metric(&name), expected, "{name}");
    }
}
