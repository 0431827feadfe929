//! Requests and configurations as Envoy sends them.

use super::{
    Ours, allowing, alone, configure, envoy_dynamic_module_on_http_filter_config_destroy as destroy,
    envoy_dynamic_module_on_http_filter_config_scheduled as scheduled,
    envoy_dynamic_module_on_http_filter_destroy, envoy_dynamic_module_on_http_filter_new, pass, request,
    stand_ins::{Fake, LOG, metric},
};
use crate::{configuration::Configuration, guard, ticker};
use std::sync::{Arc, Weak};

fn note(fake: &Fake) -> String {
    String::from_utf8(fake.notes.borrow().get("wasm.gnomon").cloned().unwrap_or_default()).unwrap()
}

#[test]
fn a_request_is_evaluated_compared_and_counted() {
    let _alone = alone();
    let config = Fake::default();
    let ours = configure(&config, &allowing("shadow", "/a"));
    assert!(!ours.is_null(), "{:?}", LOG.lock().unwrap());
    for (path, verdict, result) in [("/a", "allow", "agree"), ("/b", "deny", "would_deny")] {
        let fake = request(path);
        assert!(pass(ours, &fake), "the shadow lets everything pass");
        let state = note(&fake);
        assert!(state.contains(&format!(r#""verdict":"{verdict}""#)), "{state}");
        assert!(state.contains(&format!(r#""result":"{result}""#)), "{state}");
        assert!(fake.replies.borrow().is_empty() && !fake.ended.get());
    }
    assert_eq!(metric("gnomon_requests_agree_total"), 1);
    assert_eq!(metric("gnomon_requests_would_deny_total"), 1);
    destroy(ours);
}

#[test]
fn counters_with_labels_are_told_every_second_and_by_the_next_configuration() {
    let _alone = alone();
    let config = Fake::default();
    let counters = || {
        ["ns[shop]-policy[a]-rule[0]|agree", "(allow)|would_deny"]
            .map(|labels| metric(&format!("gnomon_policy_requests_total|{labels}")))
    };
    let first = configure(&config, &allowing("shadow", "/a"));
    for path in ["/a", "/b", "/a"] {
        assert!(pass(first, &request(path)));
    }
    assert_eq!(counters(), [0, 0]);
    for _ in 0..2 {
        scheduled(config.at(), first, 0);
        assert_eq!(counters(), [2, 1]);
    }
    // What comes between the last second and the end of a configuration.
    assert!(pass(first, &request("/b")));
    destroy(first);
    let second = configure(&config, &allowing("shadow", "/a"));
    assert_eq!(counters(), [2, 1]);
    scheduled(config.at(), second, 0);
    assert_eq!(counters(), [2, 2]);
    destroy(second);
}

#[test]
fn filter_state_is_noted_where_it_is_wanted() {
    let _alone = alone();
    let config = Fake::default();
    let all = allowing("shadow", "/a");
    for (wanted, noted) in [
        ("\"divergent\"", [false, true]),
        ("\"none\"", [false; 2]),
        ("true", [true; 2]),
        ("false", [false; 2]),
    ] {
        let ours = configure(&config, &all.replace("\"all\"", wanted));
        for (path, noted) in ["/a", "/b"].into_iter().zip(noted) {
            let fake = request(path);
            assert!(pass(ours, &fake));
            assert_eq!(!note(&fake).is_empty(), noted, "{wanted} {path}");
        }
        destroy(ours);
    }
}

#[test]
fn a_refused_configuration_is_told_and_leaves_the_one_before_at_work() {
    let _alone = alone();
    let config = Fake::default();
    let ours = configure(&config, &allowing("enforce", "/a"));
    assert!(configure(&config, "{\"candidate\": 7}").is_null());
    assert!(configure(&config, "").is_null());
    assert!(configure(&config, "\u{0}{").is_null());
    assert_eq!(metric("gnomon_config_refused_total"), 3);
    assert!(LOG.lock().unwrap().iter().any(|line| line.contains("the configuration is refused")));
    let refused = request("/b");
    assert!(!pass(ours, &refused));
    assert_eq!(*refused.replies.borrow(), [(403, "rbac_access_denied_matched_policy[none]".into())]);
    destroy(ours);
}

/// What a pointer of the module's stands for.
fn weak(ours: Ours) -> Weak<Configuration> {
    // SAFETY: it was made by `config_new` and has not been destroyed.
    let held = unsafe {
        Arc::increment_strong_count(ours.cast::<Configuration>());
        Arc::from_raw(ours.cast::<Configuration>())
    };
    Arc::downgrade(&held)
}

#[test]
fn plans_go_with_their_last_request_and_nothing_else_keeps_them() {
    let _alone = alone();
    let config = Fake::default();
    let ours = configure(&config, &allowing("shadow", "/a"));
    let configuration = weak(ours);
    let plans = Arc::downgrade(&configuration.upgrade().unwrap().plans().unwrap());
    let fake = request("/a");
    // One that waits, and one that has been decided on.
    assert!(pass(ours, &fake));
    let waiting = envoy_dynamic_module_on_http_filter_new(ours, fake.at());
    destroy(ours);
    assert!(configuration.upgrade().is_none());
    ticker::tick_for_tests();
    assert!(plans.upgrade().is_some(), "a request waits for its verdict");
    envoy_dynamic_module_on_http_filter_destroy(waiting);
    ticker::tick_for_tests();
    assert!(plans.upgrade().is_none());
}

#[test]
fn a_configuration_that_nobody_uses_any_more_gives_its_plans_up() {
    let _alone = alone();
    let config = Fake::default();
    let first = configure(&config, &allowing("shadow", "/a"));
    let fake = request("/b");
    assert!(pass(first, &fake));
    let second = configure(&config, &allowing("shadow", "/b"));
    ticker::tick_for_tests();
    assert!(
        weak(first).upgrade().unwrap().plans().is_some(),
        "one later configuration may be another filter"
    );
    // That was a stream; now come two configurations.
    let third = configure(&config, &allowing("shadow", "/c"));
    let fourth = configure(&config, &allowing("shadow", "/d"));
    ticker::tick_for_tests();
    assert!(weak(first).upgrade().unwrap().plans().is_none());
    let late = request("/a");
    assert!(pass(first, &late));
    let state = note(&late);
    assert!(state.contains(r#""verdict":"unknown""#) && state.contains("taken the place"), "{state}");
    for ours in [first, second, third, fourth] {
        destroy(ours);
    }
}

#[test]
fn a_panic_costs_one_verdict_and_three_the_module() {
    let _alone = alone();
    let config = Fake::default();
    let shadow = configure(&config, &allowing("shadow", "/a"));
    let enforce = configure(&config, &allowing("enforce", "/a"));
    assert!(pass(shadow, &request("/b")) && pass(enforce, &request("/a")));
    for (ours, passes) in [(shadow, true), (enforce, false)] {
        // The request's headers, after its beginning.
        guard::tests::set_trap(2);
        let fake = request("/a");
        assert_eq!(pass(ours, &fake), passes);
        let replies = fake.replies.borrow();
        assert_eq!(replies.len(), usize::from(!passes));
        assert!(replies.iter().all(|reply| *reply == (403, "gnomon_verdict_unknown".into())));
    }
    assert_eq!((guard::tests::panics(), metric("gnomon_panics_total")), (2, 2));
    assert!(!pass(enforce, &request("/b")) && pass(enforce, &request("/a")), "the module goes on");
    guard::tests::set_trap(1);
    assert!(pass(shadow, &request("/a")));
    assert!(guard::is_off());
    let evaluated = metric("gnomon_requests_agree_total");
    for path in ["/a", "/b"] {
        assert!(pass(shadow, &request(path)), "off: what is only watched goes on");
        assert!(!pass(enforce, &request(path)), "off: what is guarded does not");
    }
    assert_eq!(metric("gnomon_requests_agree_total"), evaluated);
    assert!(configure(&config, &allowing("shadow", "/a")).is_null());
    assert!(LOG.lock().unwrap().iter().any(|line| line.contains("the module is off")));
    destroy(shadow);
    destroy(enforce);
    guard::tests::reset();
}
