//! What goes in and comes out, natively: the same code as in the browser, without wasm-bindgen.
#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_web_playground::{Input, Session, SuiteInput, read_suite, run_suite};
use serde_json::{Value, json};
use std::{fs, path::Path};

const POLICY: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: shop}\nspec:\n  rules:\n  - to: [{operation: {methods: [GET]}}]\n";

fn input(policy: &str, requests: &Value) -> Input {
    serde_json::from_value(json!({
        "policies": [{"name": "a.yaml", "text": policy}],
        "targets": [{"workload": {"namespace": "shop"}}, {"workload": {"namespace": "bank"}, "mesh": null}],
        "requests": requests,
        "now": 0,
    }))
    .unwrap()
}

#[test]
fn verdicts_and_what_was_expected() {
    let requests = json!([
        {"request": {"method": "GET"}, "expect": "allow"},
        {"request": {"method": "POST"}, "expect": {"verdict": "allow", "status": 200}},
        {"request": {"method": "POST"}, "target": 1},
        {"request": {"methd": "POST"}},
    ]);
    let answer = serde_json::to_value(Session::default().evaluate(&input(POLICY, &requests))).unwrap();
    let verdict = |index: usize| answer["results"][index]["report"]["verdict"].clone();
    assert_eq!([verdict(0), verdict(1), verdict(2)], ["allow", "deny", "allow"]);
    assert_eq!(answer["results"][0]["differences"], json!([]));
    assert_eq!(
        answer["results"][1]["differences"][1],
        json!({"field": "status", "expected": "200", "got": "403"})
    );
    assert_eq!(answer["results"][2]["differences"], Value::Null);
    assert_eq!(answer["results"][3]["report"], Value::Null);
    assert_eq!(answer["results"][3]["problems"][0]["code"], "unknown-field");
}

#[test]
fn the_way_to_a_verdict() {
    let mut session = Session::default();
    let explained =
        serde_json::to_value(session.explain(&input(POLICY, &json!([{"request": {"method": "POST"}}]))))
            .unwrap();
    let explanation = &explained["explanation"];
    assert_eq!(explanation["nearest"]["unmet"][0]["field"], "to.operation.methods");
    let rule = &explanation["stages"][1]["rules"][0];
    assert_eq!((&rule["file"], &rule["line"]), (&json!("a.yaml"), &json!(6)));
    let elsewhere = session.explain(&input(POLICY, &json!([{"target": 1}])));
    assert_eq!(elsewhere.elsewhere.len(), 1);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_evaluated() {
    let wrong = Session::default().evaluate(&input(&POLICY.replace("[GET]", "GET"), &json!([{}])));
    assert!(wrong.results.is_empty());
    let found: Vec<_> = wrong.diagnostics.iter().map(|f| (f.file.as_str(), f.code, f.line)).collect();
    assert_eq!(found, [("a.yaml", "wrong-type", 6)]);
}

#[test]
fn a_suite_with_its_texts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/end-user-jwt");
    let files = ["1-authentication/jwt-token-request-authn.yaml", "1-authentication.gnomon.yaml"];
    let files = files.map(|name| json!({"name": name, "text": fs::read_to_string(root.join(name)).unwrap()}));
    let given = json!({"files": files, "path": "1-authentication.gnomon.yaml", "now": 1_795_000_000});
    let given: SuiteInput = serde_json::from_value(given).unwrap();
    let run = run_suite(&given);
    assert_eq!((run.failed, run.diagnostics.len()), (0, 0));
    assert!(run.passed > 0);
    let contents = read_suite(&given);
    assert_eq!(contents.requests.len(), run.passed);
    assert_eq!(contents.policies.len(), 1);
    assert_eq!(contents.targets.len(), 1);

    // What was taken apart gives the same verdicts as the suite.
    let requests: Vec<Value> = contents
        .requests
        .iter()
        .map(|r| json!({"request": r.request, "target": r.target, "expect": r.expect}))
        .collect();
    let again = json!({
        "policies": contents.policies, "targets": contents.targets, "requests": requests, "now": 1_795_000_000,
    });
    let answer = Session::default().evaluate(&serde_json::from_value(again).unwrap());
    assert_eq!(answer.results.len(), run.passed);
    assert!(answer.results.iter().all(|r| r.differences.as_ref().is_some_and(Vec::is_empty)));
}
