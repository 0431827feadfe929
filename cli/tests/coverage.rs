//! `gnomon test --coverage`: a gap is found, with the request that shows it, and what cannot be tested is proven so.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Nobody asks for PUT, and of the rule for `/api/health` the wildcard allows all.
const POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: api, namespace: shop}
spec:
  rules:
  - to:
    - operation:
        methods: [GET, PUT]
        paths: [\"/api/*\"]
  - to: [{operation: {methods: [GET], paths: [/api/health]}}]
";
const SUITE: &str = "\
policies: [api.yaml]
workload: {namespace: shop}
tests:
- {name: reading, request: {method: GET, path: /api/x}, expect: allow}
- {name: elsewhere, request: {method: GET, path: /other}, expect: deny}
- {name: writing, request: {method: POST, path: /api/x}, expect: deny}
";

fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coverage-{name}"));
    let _old = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    files.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    let command =
        command.args(["test", "--coverage"]).args(arguments).current_dir(folder).env("NO_COLOR", "1");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn fates(folder: &Path) -> Vec<(String, String, Value)> {
    let (_, out, _) = run(folder, &["-o", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = document["changes"].as_array().unwrap().iter();
    all.map(|one| (text(&one["change"]), text(&one["fate"]), one["request"].clone())).collect()
}

fn fate<'f>(all: &'f [(String, String, Value)], what: &str) -> &'f (String, String, Value) {
    all.iter().find(|(change, ..)| change == what).unwrap()
}

#[test]
fn a_gap_comes_with_the_request_that_shows_it() {
    let folder = folder("gap", &[("api.yaml", POLICY), ("a.gnomon.yaml", SUITE)]);
    let all = fates(&folder);
    for noticed in [
        "without the policy",
        "without rule 0",
        "without the value GET of methods",
        "without the condition on methods",
    ] {
        assert_eq!(fate(&all, noticed).1, "noticed", "{noticed}");
    }
    let (_, missed, request) = fate(&all, "without the value PUT of methods");
    assert_eq!((missed.as_str(), &request["method"]), ("missed", &"PUT".into()));
    // The wildcard of rule 0 allows it, too: no request shows whether rule 1 is there.
    assert_eq!(fate(&all, "without rule 1").1, "equivalent");
    assert_eq!(fate(&all, "with /api/health* for /api/health of paths").1, "equivalent");

    // The request, as a test, closes the gap.
    let more = format!("{SUITE}- {{name: putting, request: {request}, expect: allow}}\n");
    fs::write(folder.join("a.gnomon.yaml"), more).unwrap();
    assert_eq!(fate(&fates(&folder), "without the value PUT of methods").1, "noticed");
}

#[test]
fn what_no_test_is_about_is_told() {
    let other = SUITE.replace("workload: {namespace: shop}", "workload: {namespace: bank}");
    let other = other.replace("expect: deny", "expect: allow");
    let folder = folder("unreached", &[("api.yaml", POLICY), ("a.gnomon.yaml", &other)]);
    assert!(fates(&folder).iter().all(|(_, fate, _)| fate == "unreached"));
    let (code, out, told) = run(&folder, &["--fail-under", "50"]);
    assert!(out.contains("no test asks about a workload that the policy applies to"), "{out}");
    assert!(code == 1 && told.contains("tests notice 0.0 % of the changes, and should 50 %"), "{told}");
}

#[test]
fn the_forms() {
    let folder = folder("forms", &[("api.yaml", POLICY), ("a.gnomon.yaml", SUITE)]);
    let (code, text, _) = run(&folder, &["--fail-under", "50"]);
    assert!(
        code == 0
            && text
                .contains("✗ shop/api without the value PUT of methods  api.yaml:8:24\n    would notice: "),
        "{text}"
    );
    assert!(text.contains("= shop/api without rule 1  api.yaml:10:5\n    equivalent: "), "{text}");
    let (_, lcov, _) = run(&folder, &["-o", "lcov"]);
    assert!(lcov.starts_with("TN:\nSF:api.yaml\n") && lcov.ends_with("end_of_record\n"), "{lcov}");
    assert!(lcov.contains("\nDA:8,0\n"), "{lcov}");
    let (_, html, _) = run(&folder, &["-o", "html"]);
    assert!(html.contains("<tr class=\"missed\"><td>8</td>"), "{html}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    let output = command.args(["test", "-o", "lcov"]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
