//! A suite drafted from policies passes, and names what has no test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn gnomon(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    let Output { status, stdout, stderr } = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

const POLICIES: &str = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  rules:
  - from: [{source: {principals: ["cluster.local/ns/web/sa/web"]}}]
    to: [{operation: {methods: [GET], paths: ["/orders/*"]}}]
  - from: [{source: {requestPrincipals: ["https://login.example.com/*"]}}]
    when: [{key: "request.auth.claims[group]", values: [admin]}]
  - from: [{source: {ipBlocks: [10.0.0.0/8]}}]
    to: [{operation: {ports: ["9090"]}}]
  - to: [{operation: {paths: ["no-slash"]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-delete, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {methods: [DELETE], ports: ["8080"]}}]}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: login, namespace: shop}
spec:
  jwtRules: [{issuer: "https://login.example.com", jwksUri: "https://login.example.com/keys"}]
"#;

#[test]
fn a_drafted_suite_passes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("k8s")).unwrap();
    fs::write(folder.join("k8s/policies.yaml"), POLICIES).unwrap();
    let (code, out, err) = gnomon(&folder, &["init"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("8 tests in policies.gnomon.yaml: review each verdict"), "{out}");
    assert!(err.contains("no test for rule 3 of shop/orders: no request is decided by it alone"), "{err}");
    let suite = fs::read_to_string(folder.join("policies.gnomon.yaml")).unwrap();
    assert!(suite.contains("# review: ./k8s/policies.yaml:8"), "{suite}");
    let (code, out, err) = gnomon(&folder, &["test"]);
    assert!(code == 0 && out.contains("8 passed"), "{out}{err}");
    // Each test fails where its rule is gone or another.
    let less = POLICIES
        .replace("methods: [GET]", "methods: [HEAD]")
        .replace("DELETE", "PATCH")
        .replace("9090", "9091");
    fs::write(folder.join("k8s/policies.yaml"), less.replace("values: [admin]", "values: [user]")).unwrap();
    let (code, out, _) = gnomon(&folder, &["test"]);
    assert!(code == 1 && out.contains("of 8 failed"), "{out}");
    // Nothing is written over, and a suite elsewhere finds its policies.
    let (code, _, err) = gnomon(&folder, &["init"]);
    assert!(code == 2 && err.contains("is there already"), "{err}");
    fs::create_dir_all(folder.join("tests")).unwrap();
    assert_eq!(gnomon(&folder, &["init", "-p", "k8s", "--output", "tests/all.gnomon.yaml"]).0, 0);
    let (code, out, err) = gnomon(&folder, &["test", "tests"]);
    assert!(code == 0 && out.contains("8 passed"), "{out}{err}");
    let (code, out, _) = gnomon(&folder, &["init", "-p", "k8s", "--output", "-"]);
    assert!(code == 0 && out.starts_with("# Drafted by `gnomon init`"), "{out}");
    fs::write(folder.join("k8s/policies.yaml"), "kind: Secret\n").unwrap();
    let (code, _, err) = gnomon(&folder, &["init", "--output", "x.gnomon.yaml"]);
    assert!(code == 2 && err.contains("there is no rule to write a test for"), "{err}");
}
