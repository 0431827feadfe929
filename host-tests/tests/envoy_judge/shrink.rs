//! An engine that is wrong on purpose: the disagreement must be found, and made as small as it can be.

use gnomon_engine::{Plan, verdict::Report};
use gnomon_host_tests::{
    conformance::{self, Settings, World, compare::engine, shrink::shrink, yaml},
    judge::{Judge, Question},
};
use gnomon_manifests::suite;
use serde_json::json;

/// Takes methods in lower case for those in upper case.
fn wrong(question: &Question<'_>, plan: &Plan) -> Report {
    let mut request = question.request.clone();
    request.method = match request.method.as_str() {
        "DELETE" => "GET".into(),
        _ => request.method,
    };
    engine(&Question { request: &request, ..question.clone() }, plan)
}

#[test]
fn a_wrong_answer_is_found_and_made_small() {
    // Of random worlds some show it.
    let summary = conformance::run(&Settings {
        seed: 3,
        cases: 960,
        workers: 2,
        engine: &wrong,
        filter: None,
        on_answer: None,
        progress: &|_, _| {},
    })
    .unwrap();
    assert!(summary.disagreements > 0, "{summary}");
    let found = summary.kept.first().unwrap();

    let small = shrink(&Judge::new().unwrap(), &wrong, &found.world).unwrap().unwrap();
    let text = yaml(&small);
    println!("{text}");
    let count = |world: &World, what: &str| world.suite().to_string().matches(what).count();
    // One policy that names the method once, and one request.
    assert_eq!(count(&small, "\"kind\""), 1, "{text}");
    assert_eq!(small.suite().pointer("/tests/0/request/method"), Some(&json!("DELETE")), "{text}");
    assert!(text.len() < 800 && text.len() < yaml(&found.world).len(), "{text}");

    // What is written is a suite that expects what Envoy says: the engine passes it.
    let suite = suite::from_text(&text, &"small.gnomon.yaml".into())
        .unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    let world = small.read().unwrap();
    let (test, plan) = (&suite.tests[0], Plan::build(&world.resources, &world.workload, &world.mesh));
    let request = &test.cases[0].request;
    let question =
        Question { resources: &world.resources, workload: &test.workload, mesh: &test.mesh, request };
    let expect = &test.cases[0].expect;
    assert!(gnomon_analysis::differences(expect, &engine(&question, &plan)).is_empty(), "{text}");
    assert!(!gnomon_analysis::differences(expect, &wrong(&question, &plan)).is_empty(), "{text}");

    // Where the engine is right there is nothing to shrink.
    assert_eq!(shrink(&Judge::new().unwrap(), &engine, &found.world).unwrap(), None);
}
