//! The JSON Schemas of what the program prints are what it prints.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may be blunt")]

#[path = "../../analysis/tests/json_schema/mod.rs"]
mod json_schema;

use gnomon_analysis::reference::FILES;
use json_schema::Schema;
use serde_json::Value;
use std::process::Command;

fn schema(name: &str) -> Schema {
    let path = format!("schemas/{name}.json");
    let (_, text) = FILES.iter().find(|(file, _)| *file == path).unwrap();
    Schema::new(&text()).closed()
}

fn printed(arguments: &[&str]) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output =
        Command::new(env!("CARGO_BIN_EXE_gnomon")).current_dir(root).args(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn test_results() {
    let mut schema = schema("test-results");
    let results = printed(&[
        "test",
        "-o",
        "json",
        "host-tests/corpus",
        "examples",
        "cli/tests/data/failing.suite.yaml",
    ]);
    assert_eq!(schema.check(&results), Vec::<String>::new());
    assert!(results["failed"].as_u64() > Some(0) && results["passed"].as_u64() > Some(1000));
    let unseen: Vec<String> = schema
        .unseen()
        .into_iter()
        .filter(|name| {
            !name.starts_with("notApplied.")
                && !name.starts_with("passage.")
                && !name.starts_with("suggestion.")
        })
        .collect();
    // What `gnomon eval` prints beside the verdict.
    assert_eq!(
        unseen,
        ["verdict.notApplied", "verdict.notes", "verdict.stages", "verdict.suggestion", "verdict.workload"]
    );
}

#[test]
fn verdicts() {
    let mut schema = schema("verdict");
    let one = ["eval", "-p", "cli/tests/data/tree/policy.yaml", "--path", "/", "-o", "json"];
    let many =
        ["eval", "-p", "examples/end-user-jwt/demo", "-r", "cli/tests/data/two-requests.yaml", "-o", "json"];
    let all = [
        "eval",
        "-p",
        "examples/end-user-jwt/3-who-may-do-what",
        "--path",
        "/",
        "--all-workloads",
        "-o",
        "json",
    ];
    for (arguments, is_list) in [(&one[..], false), (&many[..], true), (&all[..], true)] {
        let verdicts = printed(arguments);
        assert_eq!(verdicts.is_array(), is_list);
        assert_eq!(schema.check(&verdicts), Vec::<String>::new());
    }
    assert!(!schema.unseen().contains(&"verdict.workload".into()));
}

#[test]
fn differences() {
    let mut schema = schema("difference");
    for (old, new) in [("1-authentication", "2-require-a-token"), ("3-who-may-do-what", "demo")] {
        let [old, new] = [old, new].map(|folder| format!("examples/end-user-jwt/{folder}"));
        let printed = printed(&["diff", &old, &new, "-o", "json", "--curl"]);
        assert_eq!(schema.check(&printed), Vec::<String>::new());
        assert_eq!(printed["equivalent"], false);
        assert!(printed["workloads"][0]["newlyAllowed"]["curl"].is_string());
    }
}
