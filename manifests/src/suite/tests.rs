use super::*;
use gnomon_engine::verdict::{Outcome, Stage};

fn read(json: &str) -> Result<Suite, Vec<String>> {
    let node: Node = serde_json::from_str(json).unwrap();
    Suite::read(&"a/b.gnomon.yaml".into(), &node).map_err(|found| {
        found.0.iter().map(|d| format!("{}: {}: {}", d.object, d.field, d.message)).collect()
    })
}

fn tests(tests: &str) -> Suite {
    read(&format!(r#"{{"workload": {{"namespace": "ns", "labels": {{"app": "web"}}}}, "defaults": {{"host": "h", "headers": {{"x-a": "1"}}}}, "tests": [{tests}]}}"#)).unwrap()
}

#[test]
fn defaults_lie_below_each_request() {
    let suite = tests(
        r#"{"name": "a", "request": {"path": "/x", "headers": {"X-A": null, "x-b": "2"}}, "expect": "allow"},
           {"name": "b", "expect": "deny"}"#,
    );
    let requests: Vec<_> =
        suite.tests.iter().flat_map(|test| &test.cases).map(|case| &case.request).collect();
    assert_eq!(requests[0].host.as_deref(), Some("h"));
    assert_eq!(requests[0].headers, [("x-b".to_string(), "2".to_string())]);
    assert_eq!(requests[1].headers, [("x-a".to_string(), "1".to_string())]);
    assert_eq!(suite.name, "b");
    assert_eq!(suite.len(), 2);
}

#[test]
fn a_test_has_its_own_workload_and_mesh() {
    let suite = tests(
        r#"{"expect": "allow", "workload": {"labels": {"v": "1"}}, "mesh": {"trustDomain": "td"}},
           {"expect": "allow", "workload": {"labels": {"app": "api"}, "proxy": "gateway"}}"#,
    );
    let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
    assert_eq!(suite.tests[0].workload.labels, [pair("app", "web"), pair("v", "1")]);
    assert_eq!(suite.tests[0].workload.namespace, "ns");
    assert_eq!(suite.tests[0].mesh.trust_domain, "td");
    assert_eq!(suite.tests[1].workload.labels, [pair("app", "api")]);
    assert_eq!(suite.tests[1].mesh.trust_domain, "cluster.local");
}

#[test]
fn the_matrix_is_a_product_with_exceptions() {
    let suite = tests(
        r#"{"name": "m", "request": {"path": "/x", "source": {"principal": "p", "ip": "10.0.0.1"}},
            "matrix": {"method": ["GET", "POST", "DELETE"], "source.principal": [null, "q"]}, "expect": "allow",
            "except": [{"when": {"method": ["POST", "DELETE"], "source.principal": null}, "expect": {"verdict": "deny", "status": null}},
                       {"when": {"source": {"principal": "q"}, "method": "DELETE"}, "expect": "unknown"}]}"#,
    );
    let cases: Vec<_> = suite.tests[0]
        .cases
        .iter()
        .map(|case| (case.variant.as_str(), case.request.principal.as_deref(), case.expect.verdict.unwrap()))
        .collect();
    let expected = [
        ("method=GET, source.principal=-", None, Outcome::Allow),
        ("method=GET, source.principal=q", Some("q"), Outcome::Allow),
        ("method=POST, source.principal=-", None, Outcome::Deny),
        ("method=POST, source.principal=q", Some("q"), Outcome::Allow),
        ("method=DELETE, source.principal=-", None, Outcome::Deny),
        ("method=DELETE, source.principal=q", Some("q"), Outcome::Unknown),
    ];
    assert_eq!(cases, expected);
    assert_eq!(suite.tests[0].cases[2].expect.status, Some(None));
    assert!(suite.tests[0].cases.iter().all(|case| case.request.source_ip.is_some()));
}

#[test]
fn expectations() {
    let suite = tests(
        r#"{"expect": {"verdict": "deny", "status": 403, "stage": "allow", "details": null, "policy": "p", "audit": false,
            "missing": ["x"], "location": "/l", "reason": "r", "dryRun": {"allow": null, "deny": {"result": "denied"}},
            "nearest": {"policy": "p", "unmet": [{"field": "f", "expected": ["e"], "got": null}]}}},
           {"expect": {"dryRun": null, "nearest": null}}"#,
    );
    let full = Expect {
        at: Position::default(),
        verdict: Some(Outcome::Deny),
        status: Some(Some(403)),
        stage: Some(Stage::Allow),
        details: Some(None),
        policy: Some(Some("p".into())),
        location: Some(Some("/l".into())),
        reason: Some("r".into()),
        audit: Some(false),
        missing: Some(vec!["x".into()]),
        dry_run_allow: Some(None),
        dry_run_deny: Some(Some(ExpectShadow { result: Some("denied"), policy: None })),
        nearest: Some(Some(ExpectNearest {
            policy: Some("p".into()),
            unmet: Some(vec![ExpectUnmet {
                field: Some("f".into()),
                expected: Some(vec!["e".into()]),
                got: Some(None),
            }]),
        })),
    };
    assert_eq!(*suite.tests[0].cases[0].expect, full);
    let nulls = Expect {
        dry_run_allow: Some(None),
        dry_run_deny: Some(None),
        nearest: Some(None),
        ..Expect::default()
    };
    assert_eq!(*suite.tests[1].cases[0].expect, nulls);
}

#[test]
fn refusals() {
    for (json, expected) in [
        ("[]", ": : expected a map, got a list"),
        ("{}", ": : a suite needs `tests`"),
        (r#"{"tests": []}"#, ": tests: a suite needs at least one test"),
        (
            r#"{"policies": ["p"], "envoyConfig": "c", "tests": [{"expect": "deny"}]}"#,
            ": : a suite has either policies or `envoyConfig`",
        ),
        (r#"{"listener": "l", "tests": [{"expect": "deny"}]}"#, ": : `listener` is one of `envoyConfig`"),
        (r#"{"tests": [{"name": "a"}]}"#, ": tests[0]: a test needs `expect`"),
        (
            r#"{"tests": [{"expect": "no"}]}"#,
            ": tests[0].expect: expected one of allow, deny, unknown, redirect, got \"no\"",
        ),
        (r#"{"tests": [{"expect": {}}]}"#, ": tests[0].expect: expects nothing, so it can never fail"),
        (r#"{"tests": [{"expect": {"state": "deny"}}]}"#, ": tests[0].expect.state: unknown field `state`"),
        (
            r#"{"tests": [{"expect": "deny", "requests": {}}]}"#,
            ": tests[0].requests: unknown field `requests`",
        ),
        (
            r#"{"tests": [{"name": "a", "expect": "deny", "request": {"verb": "x"}}]}"#,
            "test \"a\": request.verb: unknown field `verb`",
        ),
        (
            r#"{"workload": {"label": {}}, "tests": [{"expect": "deny"}]}"#,
            ": workload.label: unknown field `label`",
        ),
        (
            r#"{"tests": [{"name": "a", "expect": "deny", "matrix": {"method": ["A", 5, 6]}}]}"#,
            "test \"a\": request.method: expected a string, got a number",
        ),
        (r#"{"tests": [{"expect": "deny", "matrix": {}}]}"#, ": tests[0].matrix: the matrix has no axis"),
        (
            r#"{"tests": [{"expect": "deny", "matrix": {"method": []}}]}"#,
            ": tests[0].matrix.method: an axis without values makes no case",
        ),
        (
            r#"{"tests": [{"expect": "deny", "except": [{"when": {"method": "A"}, "expect": "allow"}]}]}"#,
            ": tests[0].except: `except` needs a `matrix`",
        ),
        (
            r#"{"tests": [{"expect": "deny", "matrix": {"method": ["A"]}, "except": [{"when": {"method": "B"}, "expect": "allow"}]}]}"#,
            ": tests[0].except[0]: no case of the matrix matches this `when`",
        ),
    ] {
        assert_eq!(read(json).err(), Some(vec![expected.to_string()]), "{json}");
    }
}

#[test]
fn the_product_is_bounded() {
    let axis = |name: &str| format!(r#""headers.{name}": [{}]"#, vec!["\"v\""; 60].join(","));
    let axes: Vec<String> = (0..20).map(|n| axis(&format!("x{n}"))).collect();
    let json = format!(r#"{{"tests": [{{"expect": "deny", "matrix": {{{}}}}}]}}"#, axes.join(","));
    assert_eq!(
        read(&json).err(),
        Some(vec![": tests[0].matrix: more than 100000 cases in this file".to_string()])
    );
}
