//! Updates as Envoy brings them: each with a root of its own, while streams live that began with earlier ones.

use super::*;
use gnomon_analysis::bundle;
use gnomon_host_tests::measured;

/// An update that lets this path pass and no other, among so many policies.
fn allowing(path: &str, policies: usize) -> Vec<u8> {
    let mut resources = measured::manifests(policies);
    resources.push(policy("it", "ALLOW", json!([{"to": [{"operation": {"paths": [path]}}]}])));
    configuration(json!(resources)).to_string().into_bytes()
}

fn ask(host: &mut WasmHost, path: &str) -> String {
    get(host, path);
    verdict(host)["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn streams_that_have_been_decided_on_hold_no_plan() {
    let mut host = WasmHost::start();
    assert!(host.configure(&allowing("/0", 300)).expect("no trap"));
    let first = host.root();
    let (mut streams, mut sizes) = (Vec::new(), Vec::new());
    for number in 1..60 {
        get(&mut host, &format!("/{}", number - 1));
        host.state().has_request_headers = true;
        let (decided, waiting) = (host.create().expect("no trap"), host.create().expect("no trap"));
        host.continues("proxy_on_request_headers", decided).expect("no trap");
        host.state().has_request_headers = false;
        streams.push((decided, waiting));
        assert!(host.update(&allowing(&format!("/{number}"), 300)).expect("no trap"));
        host.settle().expect("no trap");
        sizes.push(host.memory());
    }
    // One plan is at work, one is kept for a while, one is being built, one is being taken apart: half a megabyte each.
    // What is left of a configuration that has streams is a few kB, and so is a stream.
    assert!(sizes[58] <= sizes[5] + (512 << 10), "{sizes:?}");
    assert_eq!(host.state().metric("gnomon_policies_loaded"), 301);

    // The earlier roots stop, without a sign of life of their own.
    let beats = host.state().metric("gnomon_heartbeats_total");
    for root in [first, first + 3] {
        host.state().tick = 7;
        host.tick_of(root).expect("no trap");
        assert_eq!(host.state().tick, 0, "of {root}");
    }
    assert_eq!(host.state().metric("gnomon_heartbeats_total"), beats);

    // A stream keeps what was decided. One that had not been decided on when its configuration was superseded is unknown.
    for (number, (decided, waiting)) in streams.into_iter().enumerate() {
        host.state().forget();
        get(&mut host, "/59");
        host.state().answered(200, "via_upstream");
        host.state().has_request_headers = true;
        host.call::<u32, ()>("proxy_on_log", decided).expect("no trap");
        assert_eq!(host.state().verdict()["verdict"], "allow", "{number}");
        host.continues("proxy_on_request_headers", waiting).expect("no trap");
        host.call::<u32, ()>("proxy_on_log", waiting).expect("no trap");
        let expected = if number < 58 { "unknown" } else { "deny" };
        assert_eq!(host.state().verdict()["verdict"], expected, "{number}");
        host.state().has_request_headers = false;
        host.delete(decided).and_then(|()| host.delete(waiting)).expect("no trap");
    }
}

#[test]
fn an_instance_at_work_never_fails_a_configuration() {
    let mut host = WasmHost::start();
    assert!(host.configure(&allowing("/a", 20)).expect("no trap"));
    let garbage: [&[u8]; 4] = [b"", b"{}", b"\xff", b"{\"candidate\": {\"gzip\": \"H4sI\"}}"];
    for (number, text) in garbage.into_iter().enumerate() {
        host.state().forget();
        assert!(host.update(text).expect("no trap"), "the main thread has taken it");
        host.settle().expect("no trap");
        let logs = host.state().logs.clone();
        assert!(logs.iter().any(|(_, line)| line.contains("the one before goes on")), "{logs:?}");
        assert_eq!(host.state().metric("gnomon_config_not_applied_total"), number as i64 + 1);
        assert_eq!((ask(&mut host, "/a"), ask(&mut host, "/b")), ("allow".into(), "deny".into()));
    }
    assert_eq!(host.state().metric("gnomon_config_refused_total"), 0);
    host.state().fault = Some(Fault::Named("proxy_get_buffer_bytes", 10));
    assert!(host.update(&allowing("/b", 20)).expect("no trap"));
    host.state().fault = None;
    assert_eq!(ask(&mut host, "/a"), "allow");
    assert!(host.update(&allowing("/b", 20)).expect("no trap"));
    host.settle().expect("no trap");
    assert_eq!((ask(&mut host, "/a"), ask(&mut host, "/b")), ("deny".into(), "allow".into()));
}

/// Every size between "there is not even room for the text" and "there is room for all of it" is met.
#[test]
fn without_memory_for_a_plan_the_one_before_goes_on() {
    let big = [measured::varied(1_500), measured::manifests(1_500)].concat();
    let packed =
        json!({"candidate": bundle::packed_list(&big), "workload": {"namespace": "shop", "labels": {"app": "web"}}, "report": {"filterState": "all"}})
            .to_string();
    let plain = configuration(json!(big)).to_string();
    let mut applied = 0;
    for text in [&plain, &packed] {
        for megabytes in 1..14 {
            let mut host = WasmHost::start();
            host.state().limit_memory(megabytes << 20);
            assert!(host.configure(&allowing("/a", 20)).expect("no trap"));
            assert!(host.update(text.as_bytes()).expect("no trap"), "{megabytes} MB");
            host.settle().expect("no trap");
            let failed = host.state().metric("gnomon_config_not_applied_total");
            let told = |(_, line): &(u32, String)| line.contains("no memory for the plan");
            assert_eq!(host.state().logs.iter().any(told), failed == 1);
            let logs = &host.state().logs.clone();
            assert_eq!(
                ask(&mut host, "/a"),
                if failed == 1 { "allow" } else { "deny" },
                "{megabytes} MB: {logs:?} {}",
                host.memory()
            );
            applied += 1 - failed;
            // A small one still finds room.
            assert!(host.update(&allowing("/c", 20)).expect("no trap"));
            host.settle().expect("no trap");
            assert_eq!(ask(&mut host, "/c"), "allow", "{megabytes} MB");
            // As the first configuration, it is refused.
            let mut host = WasmHost::start();
            host.state().limit_memory(megabytes << 20);
            let taken = host.configure(text.as_bytes()).expect("no trap");
            assert_eq!(host.state().metric("gnomon_config_refused_total"), i64::from(!taken));
        }
    }
    assert!((2..24).contains(&applied), "{applied} of 26 had enough");
}

#[test]
fn a_large_plan_is_built_in_slices_between_requests() {
    let policies = measured::varied(10_000);
    let plain = configuration(json!(policies)).to_string();
    let mut packed = configuration(json!([]));
    packed["candidate"] = bundle::packed_list(&policies);
    let packed = packed.to_string();
    let mut host = WasmHost::start();
    assert!(host.configure(&allowing("/a", 1)).expect("no trap"));
    // Before anything is served, nobody waits, and all is done at once.
    assert_eq!(ask(&mut host, "/a"), "allow");
    // A quarter of a millisecond for each few steps: a slice is 20 of these at most.
    host.state().pace = 250_000;
    for (text, before) in [(&plain, "allow"), (&packed, "deny")] {
        host.state().blind = 0;
        let start = host.instructions();
        assert!(host.update(text.as_bytes()).expect("no trap"));
        let (mut slices, mut longest) = (1, host.instructions() - start);
        while host.state().tick == 1 {
            if slices == 2 {
                assert_eq!(ask(&mut host, "/a"), before, "what was there goes on");
            }
            let start = host.instructions();
            host.tick().expect("no trap");
            longest = longest.max(host.instructions() - start);
            slices += 1;
        }
        let blind = host.state().blind;
        println!("{} slices, the longest {longest} instructions, at most {blind} without the clock", slices);
        // An instruction is a nanosecond at most: no slice is longer than planned by more than a few milliseconds.
        assert!(blind < 8_000_000, "{blind}");
        assert!(slices > 20, "{slices}");
        assert_eq!(host.state().metric("gnomon_policies_loaded"), 10_000);
        assert_eq!(ask(&mut host, "/a"), "deny");
    }
}

#[test]
fn an_instance_has_one_pulse_however_often_it_is_configured() {
    let mut host = WasmHost::start();
    assert!(host.configure(&allowing("/a", 1)).expect("no trap"));
    let beats = |host: &mut WasmHost| host.state().metric("gnomon_heartbeats_total");
    assert_eq!(beats(&mut host), 1);
    // An update every three seconds for five minutes: no tick ever comes.
    for _ in 0..100 {
        host.state().now += 3;
        assert!(host.update(&allowing("/a", 1)).expect("no trap"));
        host.settle().expect("no trap");
    }
    assert!((30..=32).contains(&beats(&mut host)), "{}", beats(&mut host));
    // Updates in no time, and a clock that is set: no more than that.
    for now in [0, 0, 1 << 30, 1] {
        host.state().now = now;
        assert!(host.update(&allowing("/a", 1)).expect("no trap"));
        host.settle().expect("no trap");
    }
    assert!(beats(&mut host) <= 34, "{}", beats(&mut host));
}

#[test]
fn key_sets_are_not_fetched_once_for_each_update() {
    let uri = "https://issuer.test/keys";
    let mut policy = authentication(TestKey::RsaKid);
    policy["spec"]["jwtRules"] = json!([{"issuer": "me", "jwksUri": uri}]);
    let mut text = configuration(json!([policy]));
    text["keySets"] = json!({"clusters": {uri: "keys"}, "refreshSeconds": 60});
    let mut host = WasmHost::start();
    host.state().clusters = vec!["keys".into()];
    assert!(host.configure(text.to_string().as_bytes()).expect("no trap"));
    host.answer(0, Some(("200", TestKey::RsaKid.jwks().as_bytes()))).expect("no trap");
    let mut roots = vec![host.root()];
    for number in 0..20 {
        ask(&mut host, "/");
        text["report"] = json!({"policies": number, "filterState": "all"});
        assert!(host.update(text.to_string().as_bytes()).expect("no trap"));
        host.settle().expect("no trap");
        roots.push(host.root());
    }
    for root in &roots {
        host.tick_of(*root).expect("no trap");
    }
    assert_eq!(host.state().sent.len(), 1);
    assert_eq!(host.state().metric("gnomon_key_sets_missing"), 0);
    host.state().now += 61;
    for root in roots {
        host.tick_of(root).expect("no trap");
    }
    assert!(host.state().sent.len() <= 3, "the latest root, and the one before as long as it is kept");
    // Another cluster is asked at once.
    text["keySets"]["clusters"] = json!({uri: "others"});
    host.state().clusters.push("others".into());
    let before = host.state().sent.len();
    assert!(host.update(text.to_string().as_bytes()).expect("no trap"));
    host.settle().expect("no trap");
    assert_eq!(host.state().sent.len(), before + 1);
}

/// Nothing says whether two configurations of one name are an update, or stand in two listeners.
#[test]
fn what_still_has_streams_is_not_taken_for_superseded() {
    let mut host = WasmHost::start();
    assert!(host.configure(&allowing("/a", 1)).expect("no trap"));
    let one = host.root();
    assert!(host.update(&allowing("/b", 1)).expect("no trap"));
    let two = host.root();
    let ask_of = |host: &mut WasmHost, root: u32, path: &str| {
        host.set_root(root);
        ask(host, path)
    };
    for _ in 0..3 {
        assert_eq!(ask_of(&mut host, one, "/a"), "allow");
        assert_eq!(ask_of(&mut host, two, "/b"), "allow");
        host.state().now += 100;
        host.tick().expect("no trap");
    }
    // Two updates of one of them, while the other has its streams.
    for path in ["/c", "/d"] {
        host.set_root(two);
        assert!(host.update(&allowing(path, 1)).expect("no trap"));
        host.settle().expect("no trap");
        let latest = host.root();
        assert_eq!(ask_of(&mut host, latest, path), "allow");
        assert_eq!(ask_of(&mut host, one, "/a"), "allow");
        host.set_root(latest);
    }
    // Then that one has had none for some time, and a later one has come: nobody knows.
    assert!(host.update(&allowing("/e", 1)).expect("no trap"));
    let latest = host.root();
    assert_eq!(ask(&mut host, "/e"), "allow");
    host.state().now += 11;
    host.tick().expect("no trap");
    assert_eq!(ask_of(&mut host, one, "/a"), "unknown");
    host.state().tick = 7;
    host.tick_of(one).expect("no trap");
    assert_eq!(host.state().tick, 0);
    assert_eq!(ask_of(&mut host, latest, "/e"), "allow");

    // With a name of its own, each has its own life.
    let mut host = WasmHost::start();
    let name = |host: &mut WasmHost, name: &str| host.state().set("plugin_name", Property::Text(name.into()));
    name(&mut host, "one");
    assert!(host.configure(&allowing("/a", 1)).expect("no trap"));
    let one = host.root();
    assert_eq!(ask(&mut host, "/a"), "allow");
    name(&mut host, "two");
    for path in ["/b", "/c", "/d", "/e"] {
        assert!(host.update(&allowing(path, 1)).expect("no trap"));
        assert_eq!(ask(&mut host, path), "allow");
        host.state().now += 100;
        host.tick().expect("no trap");
    }
    assert_eq!(ask_of(&mut host, one, "/a"), "allow");
}
