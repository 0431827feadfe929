use super::*;
use gnomon_engine::{
    Node,
    verdict::{DryRun, Missing, Outcome, Stage, Unmet},
};
use gnomon_manifests::suite::Suite;

fn report() -> Report {
    Report {
        verdict: Outcome::Deny,
        status: Some(403),
        stage: Stage::Allow,
        details: Some("d".into()),
        policy: None,
        location: None,
        reason: "r".into(),
        dry_run: DryRun {
            allow: None,
            deny: Some(ShadowResult { result: "denied", policy: Some("x".into()) }),
        },
        audit: false,
        missing: vec![Missing::NotEvaluated("m".into())],
        nearest: Some(Nearest {
            policy: "n".into(),
            unmet: vec![Unmet { field: "f".into(), expected: vec!["e".into()], got: None, note: None }],
        }),
        without_token: false,
    }
}

fn compare(expect: &str) -> Vec<String> {
    let text = format!(r#"{{"tests": [{{"expect": {expect}}}]}}"#);
    let node: Node = serde_json::from_str(&text).unwrap();
    let suite = Suite::read(&"t.gnomon.yaml".into(), &node).unwrap();
    let found = differences(&suite.tests[0].cases[0].expect, &report());
    found.iter().map(|d| format!("{} {} {}", d.field, shown(&d.expected), shown(&d.got))).collect()
}

#[test]
fn only_named_fields_are_compared() {
    for (expect, found) in [
        (r#""deny""#, vec![]),
        (r#""allow""#, vec!["verdict allow deny"]),
        (r#"{"status": 403, "stage": "allow", "details": "d", "policy": null, "audit": false}"#, vec![]),
        (
            r#"{"status": null, "stage": "jwt", "details": null, "policy": "p", "audit": true}"#,
            vec!["status null 403", "stage jwt allow", "details null d", "policy p null", "audit true false"],
        ),
        (r#"{"status": 401, "reason": "s"}"#, vec!["status 401 403", "reason s r"]),
        (r#"{"missing": ["m"]}"#, vec![]),
        (r#"{"missing": []}"#, vec![r#"missing [] ["m"]"#]),
        (r#"{"dryRun": {"allow": null, "deny": {"result": "denied"}}}"#, vec![]),
        (r#"{"dryRun": {"deny": {"policy": "x"}}}"#, vec![]),
        (
            r#"{"dryRun": {"deny": {"result": "allowed", "policy": null}}}"#,
            vec!["dryRun.deny.result allowed denied", "dryRun.deny.policy null x"],
        ),
        (r#"{"dryRun": null}"#, vec!["dryRun.deny null denied"]),
        (r#"{"dryRun": {"allow": {"result": "allowed"}}}"#, vec!["dryRun.allow allowed null"]),
        (r#"{"nearest": {"policy": "n"}}"#, vec![]),
        (r#"{"nearest": {"unmet": [{"field": "f", "got": null}]}}"#, vec![]),
        (r#"{"nearest": null}"#, vec!["nearest null n"]),
        (
            r#"{"nearest": {"policy": "o", "unmet": []}}"#,
            vec!["nearest.policy o n", r#"nearest.unmet 0 of them ["f"]"#],
        ),
        (
            r#"{"nearest": {"unmet": [{"field": "g", "expected": ["x"], "got": "y"}]}}"#,
            vec![
                "nearest.unmet[0].field g f",
                r#"nearest.unmet[0].expected ["x"] ["e"]"#,
                "nearest.unmet[0].got y null",
            ],
        ),
    ] {
        assert_eq!(compare(expect), found, "{expect}");
    }
}
