//! What to change in a policy so that a refused request passes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

use gnomon_analysis::{
    Evaluator,
    suggest::{Refusal, Suggestion, suggestion},
};
use gnomon_engine::{Mesh, Node, Plan, Workload, jwt::SoftwareCrypto};
use gnomon_manifests::{load_text, request::request};
use std::{process::Command, sync::Arc};

const HEAD: &str =
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\nspec:\n  rules:\n";

fn suggested(policy: &str, asked: serde_json::Value) -> Option<Suggestion> {
    let loaded = load_text(policy, "p.yaml").unwrap();
    let (workload, mesh) = (Workload::default(), Mesh::default());
    let plan = Plan::build(&loaded.resources, &workload, &mesh);
    let document: Node = serde_json::from_value(asked).unwrap();
    let spec = request(&Arc::from("r"), "", "", &document).unwrap();
    let evaluator = Evaluator::Policies { plan: &plan, workload: &workload, mesh: &mesh };
    let explanation = evaluator.explain(&spec, 0, &SoftwareCrypto).unwrap();
    let refusal = Refusal {
        resources: &loaded.resources,
        workload: &workload,
        mesh: &mesh,
        request: &spec,
        explanation: &explanation,
    };
    suggestion(refusal, &|file| (file == "p.yaml").then(|| policy.to_owned()), 0, &SoftwareCrypto)
}

/// What `patch` makes of it.
fn patched(policy: &str, patch: &str, name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("suggest-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("p.yaml"), policy).unwrap();
    std::fs::write(folder.join("p.diff"), patch).unwrap();
    let git =
        Command::new("git").args(["apply", "--unsafe-paths", "-p0", "p.diff"]).current_dir(&folder).output();
    let output = git.unwrap();
    assert!(output.status.success(), "{}{patch}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(folder.join("p.yaml")).unwrap()
}

#[test]
fn one_value_more() {
    let request = |method: &str, path: &str| serde_json::json!({"method": method, "path": path, "source": {"principal": "cluster.local/ns/a/sa/b"}});
    for (name, rules, asked, added) in [
        (
            "block",
            "  - to:\n    - operation:\n        methods:\n        - GET\n        - HEAD\n        paths:\n        - /api/*\n",
            request("POST", "/api/x"),
            &["        - POST"][..],
        ),
        (
            "both",
            "  - to:\n    - operation:\n        methods: [ GET ]\n        paths: ['/api/*', /x]\n",
            request("POST", "/other"),
            &["        methods: [ GET, POST ]", "        paths: ['/api/*', /other, /x]"],
        ),
        (
            "source",
            "  - from: [{source: {principals: [\"cluster.local/ns/x/sa/y\"]}}]\n",
            request("GET", "/"),
            &["  - from: [{source: {principals: [\"cluster.local/ns/x/sa/y\", cluster.local/ns/a/sa/b]}}]"],
        ),
        (
            "when",
            "  - when:\n    - key: request.headers[x-env]\n      values: [\"prod\"] # by the gateway\n",
            serde_json::json!({"headers": {"x-env": "8"}}),
            &["      values: [\"prod\", \"8\"] # by the gateway"],
        ),
    ] {
        let policy = format!("{HEAD}{rules}");
        let found = suggested(&policy, asked).unwrap_or_else(|| panic!("{name}"));
        let new = patched(&policy, &found.patch, name);
        let new_lines: Vec<&str> =
            new.lines().filter(|line| !policy.lines().any(|old| old == *line)).collect();
        assert_eq!(new_lines, added, "{name}: {}", found.patch);
        assert!(found.complete && !found.lets_in.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn where_a_value_more_is_not_enough() {
    for (rules, asked) in [
        // Nobody is named.
        ("  - from: [{source: {principals: [a/ns/b/sa/c]}}]\n", serde_json::json!({"path": "/"})),
        // A value would have to go.
        ("  - to: [{operation: {notPaths: [/admin]}}]\n", serde_json::json!({"path": "/admin"})),
        // An anchor: other lists have it, too.
        (
            "  - to: [{operation: {methods: &m [GET]}}]\n  - to: [{operation: {methods: *m, paths: [/x]}}]\n",
            serde_json::json!({"method": "POST", "path": "/y", "headers": {"x": "y"}, "host": "h"}),
        ),
    ] {
        let policy = format!("{HEAD}{rules}");
        let found = suggested(&policy, asked);
        // What is proposed for an anchor is checked like everything else.
        if let Some(found) = found {
            assert!(rules.contains('&'), "{rules}: {}", found.patch);
        }
    }
}

#[test]
fn what_comes_in_with_it() {
    let policy = format!("{HEAD}  - to: [{{operation: {{methods: [GET], paths: [/a/*]}}}}]\n");
    let found = suggested(&policy, serde_json::json!({"method": "POST", "path": "/a/b"})).unwrap();
    assert_eq!(found.lets_in, ["POST /a/*"]);
    assert_eq!((found.policy.as_str(), found.line), ("ns[default]-policy[p]-rule[0]", 7));
}
