//! The script of the GitHub Action, run as GitHub runs it: a repository, an event, and a stand-in for the API.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

#[path = "action/github.rs"]
mod github;
#[path = "action/step.rs"]
mod step;

use github::GitHub;
use serde_json::json;
use step::Step;

const BEFORE: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  rules: [{to: [{operation: {methods: [GET]}}]}]
";

const SUITE: &str = "\
policies: [policies]
workload: {namespace: shop, labels: {app: orders}}
tests:
- name: nobody deletes
  request: {method: DELETE, path: /orders/1}
  expect: deny
";

fn after() -> String {
    BEFORE.replace("[GET]", "[GET, DELETE, post]")
}

#[test]
fn a_pull_request_has_one_comment_that_is_updated() {
    let github = GitHub::start();
    let mut step = Step::new("updated", &github);
    step.write("deploy/policies/orders.yaml", BEFORE);
    step.write("deploy/orders.gnomon.yaml", SUITE);
    let base = step.commit("before");
    step.write("deploy/policies/orders.yaml", &after());
    step.commit("after");
    step.pull_request(7, &base);
    step.set("INPUT_PATHS", "deploy\n");

    let first = step.run("run");
    assert_eq!(first.code, 1, "{}", first.out);
    assert!(first.out.contains("::error file=deploy/policies/orders.yaml"), "{}", first.out);
    assert!(first.out.contains("gnomon lint, gnomon test failed"), "{}", first.out);
    let comments = github.comments();
    assert_eq!(comments.len(), 1, "{comments:?}");
    let body = comments[0].1.clone();
    assert!(body.starts_with("<!-- gnomon-action: gnomon -->\n**gnomon lint**: 1 "), "{body}");
    assert!(body.contains("`method-case`") && body.contains("**gnomon test**: 0 passed, 1 failed"), "{body}");
    assert!(body.contains("| newly allowed |") && body.contains("DELETE"), "{body}");
    let sarif: serde_json::Value = serde_json::from_str(&step.read("gnomon.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], json!("method-case"));
    assert!(step.summary().contains("**gnomon test**"));
    assert!(
        step.outputs().contains("sarif=gnomon.sarif\n") && step.outputs().contains("comment-url=https://")
    );

    step.write("deploy/policies/orders.yaml", &BEFORE.replace("[GET]", "[GET, HEAD]"));
    step.commit("mended");
    let second = step.run("run");
    assert_eq!(second.code, 0, "{}", second.out);
    let comments = github.comments();
    assert_eq!(comments.len(), 1, "{comments:?}");
    let body = &comments[0].1;
    assert!(body.contains("nothing found") && body.contains("1 passed") && body.contains("HEAD"), "{body}");
    assert!(!body.contains("DELETE"), "{body}");
    assert_eq!(
        github.writes(),
        ["POST /repos/shop/policies/issues/7/comments", "PATCH /repos/shop/policies/issues/comments/1"]
    );
    for run in [first, second] {
        assert!(!run.out.contains(github::TOKEN), "the token is printed: {}", run.out);
    }
}

#[test]
fn new_access_fails_where_it_is_not_wanted() {
    let github = GitHub::start();
    let mut step = Step::new("access", &github);
    step.write("orders.yaml", BEFORE);
    let base = step.commit("before");
    step.write("orders.yaml", &BEFORE.replace("[GET]", "[GET, DELETE]"));
    step.commit("after");
    step.pull_request(7, &base);
    assert_eq!(step.run("run").code, 0);
    assert!(github.comments()[0].1.contains("there is no suite yet"));
    step.set("INPUT_DENY_NEW_ACCESS", "true");
    let run = step.run("run");
    assert_eq!(run.code, 1);
    assert!(run.out.contains("::error::gnomon diff failed"), "{}", run.out);
}

#[test]
fn nothing_is_written_where_nothing_may_be() {
    let github = GitHub::start();
    let mut step = Step::new("silent", &github);
    step.write("orders.yaml", BEFORE);
    let base = step.commit("before");
    // A push.
    assert_eq!(step.run("run").code, 0);
    step.pull_request(7, &base);
    step.set("INPUT_COMMENT", "false");
    assert_eq!(step.run("run").code, 0);
    assert_eq!(github.requests(), 0);
    // Somebody else's comment with the marker stays as it is.
    step.set("INPUT_COMMENT", "true");
    github.comment_of_a_person("<!-- gnomon-action: gnomon -->\nmine");
    assert_eq!(step.run("run").code, 0);
    assert_eq!(github.comments()[0].1, "<!-- gnomon-action: gnomon -->\nmine");
    assert_eq!(github.comments().len(), 2);
    // From a fork the token only reads: the findings count, the comment does not.
    github.refuse();
    let run = step.run("run");
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("::warning::no comment was written: GitHub answers 403"), "{}", run.out);
    // No base that is there.
    step.pull_request(7, "0123456789012345678901234567890123456789");
    assert!(step.run("run").out.contains("::warning::gnomon diff of .:"));
    step.set("INPUT_PATHS", "--fix");
    assert!(step.run("run").out.contains("::error::'--fix' is no path"));
}

#[test]
fn a_release_is_installed_by_its_checksum() {
    let github = GitHub::start();
    let mut step = Step::new("install", &github);
    assert!(step.run("install").out.contains("gnomon 0."), "what is there is taken");
    let archive = step.archive();
    github.serve("/gnomon.tar.gz", archive.clone());
    let url = format!("{}/gnomon.tar.gz", github.url());
    step.set("INPUT_URL", &url);
    assert!(step.run("install").out.contains("has no checksum"));
    step.set("INPUT_SHA256", &"0".repeat(64));
    assert!(step.run("install").out.contains("and should have 000"));
    assert_eq!(step.path_additions(), "");
    // A release with its list of checksums.
    step.set("INPUT_URL", "");
    step.set("INPUT_VERSION", "1.2.3");
    step.set("RELEASES", &format!("{}/releases", github.url()));
    let name = format!("gnomon-{}-unknown-linux-musl.tar.gz", std::env::consts::ARCH);
    if !cfg!(target_os = "linux") {
        return;
    }
    github
        .serve("/releases/download/v1.2.3/SHA256SUMS", format!("{}  {name}\n", step.sha256(&archive)).into());
    github.serve(&format!("/releases/download/v1.2.3/{name}"), archive);
    let run = step.run("install");
    assert_eq!(run.code, 0, "{}", run.out);
    let folder = step.path_additions();
    let program = std::path::Path::new(folder.trim()).join("gnomon");
    let version = std::process::Command::new(program).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&version.stdout), "stand-in\n");
}
