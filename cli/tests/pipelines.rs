//! The templates for pipelines do what they say: their scripts are run, and their words are those of the program.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

use gnomon_engine::{Node, Value};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn document(path: &str) -> Node {
    let (mut documents, problems) = gnomon_manifests::parse(&text(path), &std::sync::Arc::from(path));
    assert!(problems.is_empty(), "{path}: {problems:?}");
    documents.remove(0)
}

fn lines(node: &Node) -> Vec<String> {
    let all = node.as_list().unwrap().iter();
    all.map(|line| if let Value::String(text) = &line.value { text.clone() } else { panic!("{line:?}") })
        .collect()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipelines").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("deploy/policies")).unwrap();
    folder
}

fn sh(folder: &Path, script: &str, environment: &[(&str, &str)]) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_gnomon")).parent().unwrap().to_str().unwrap();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(folder).env("PATH", path);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

const POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  rules: [{to: [{operation: {methods: [GET]}}]}]
";

#[test]
fn the_script_for_gitlab_runs() {
    let folder = folder("gitlab");
    let policy = folder.join("deploy/policies/orders.yaml");
    fs::write(&policy, POLICY).unwrap();
    fs::write(
        folder.join("deploy/orders.gnomon.yaml"),
        "policies: [policies]\nworkload: {namespace: shop, labels: {app: orders}}\ntests:\n- name: reads\n  request: \
         {path: /}\n  expect: allow\n",
    )
    .unwrap();
    let commit = "git -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit --quiet -m x";
    let (code, out) =
        sh(&folder, &format!("git init --quiet; git add --all; {commit}; git rev-parse HEAD"), &[]);
    assert_eq!(code, 0, "{out}");
    let base = out.trim().to_owned();
    let template = document("action/gitlab.yml");
    let script = lines(template.get("gnomon").unwrap().get("script").unwrap()).join("\n");
    let environment = [("GNOMON_PATHS", "deploy"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str())];
    let (code, out) = sh(&folder, &script, &environment);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("Nothing: every request fares as before."), "{out}");
    let junit = fs::read_to_string(folder.join("gnomon-junit.xml")).unwrap();
    assert!(junit.contains("tests=\"1\""), "{junit}");

    fs::write(&policy, POLICY.replace("[GET]", "[post]")).unwrap();
    let (code, out) = sh(&folder, &script, &environment);
    assert_eq!(code, 1, "{out}");
    let quality = fs::read_to_string(folder.join("gl-code-quality-report.json")).unwrap();
    assert!(quality.contains("method-case"), "{quality}");
    assert!(fs::read_to_string(folder.join("gnomon-diff.md")).unwrap().contains("newly denied"));
}

#[test]
fn the_hooks_of_pre_commit_run() {
    let folder = folder("hooks");
    fs::write(folder.join("deploy/policies/orders.yaml"), POLICY.replace("[GET]", "[post]")).unwrap();
    let hooks = document(".pre-commit-hooks.yaml");
    let entry = |hook: &Node| match &hook.get("entry").unwrap().value {
        Value::String(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let entries: Vec<String> = hooks.as_list().unwrap().iter().map(entry).collect();
    assert_eq!(entries, ["gnomon lint", "gnomon test"]);
    let (code, out) = sh(&folder, &format!("{} deploy/policies/orders.yaml", entries[0]), &[]);
    assert!(code == 1 && out.contains("method-case"), "{out}");
    assert_eq!(sh(&folder, &entries[1], &[]).0, 2, "no suite");
}

/// What is declared is read, and what is read is declared.
#[test]
fn the_inputs_of_the_action_are_those_of_its_script() {
    let Value::Map(inputs) = document("action/action.yml").get("inputs").unwrap().value.clone() else {
        panic!("no inputs")
    };
    let named = |name: &str| format!("INPUT_{}", name.replace('-', "_").to_uppercase());
    let mut declared: BTreeSet<String> = inputs.iter().map(|(key, _)| named(&key.name)).collect();
    assert!(declared.remove("INPUT_TOKEN"), "it is read as GITHUB_TOKEN");
    let script = text("action/gnomon_action.py");
    let read = script.split('"').filter(|part| part.starts_with("INPUT_") && *part != "INPUT_");
    assert_eq!(declared, read.map(str::to_owned).collect());
    let given: BTreeSet<String> = text("action/action.yml")
        .lines()
        .filter_map(|line| Some(line.trim().split_once(": ${{ inputs.")?.0.to_owned()))
        .filter(|name| name.starts_with("INPUT_"))
        .collect();
    assert_eq!(declared, given);
}

/// The commands after `word` in a text, each with the words behind it up to something that no argument is.
fn commands<'t>(text: &'t str, word: &str) -> Vec<Vec<&'t str>> {
    let plain = |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let behind = text.split(word).skip(1);
    behind
        .map(|rest| {
            let rest = rest.split(['\n', '`', ';', '|', '&', '"', '}', ',']).next().unwrap_or_default();
            rest.split_whitespace().take_while(plain).collect()
        })
        .collect()
}

/// The workflow and the Containerfile call what there is: tasks of `cargo xtask`, packages, jobs, paths.
#[test]
fn the_workflow_and_the_container_name_what_is_there() {
    let path = ".github/workflows/release.yml";
    let (workflow, container) = (text(path), text("Containerfile"));
    let document = document(path);
    let Value::Map(jobs) = &document.get("jobs").unwrap().value else { panic!("no jobs") };
    let names: BTreeSet<&str> = jobs.iter().map(|(key, _)| key.name.as_str()).collect();
    for (key, job) in jobs {
        if let Some(Value::String(needs)) = job.get("needs").map(|node| &node.value) {
            assert!(names.contains(needs.as_str()), "{}: needs {needs}", key.name);
        }
        let steps = job.get("steps").unwrap().as_list().unwrap();
        for step in steps {
            let does = ["uses", "run"].iter().filter(|word| step.get(word).is_some()).count();
            assert_eq!(does, 1, "{}: a step uses an action or runs a script", key.name);
        }
    }
    let tasks = text("xtask/src/main.rs");
    let known = |task: &[&str]| {
        let arm: Vec<String> = task.iter().map(|word| format!("\"{word}\"")).collect();
        let arm = format!("[{}", arm.join(", "));
        tasks.contains(&format!("{arm}]")) || tasks.contains(&format!("{arm}, "))
    };
    let mut called = 0;
    // A strategy names its tasks by themselves.
    let of_matrix = commands(&workflow, "command: ");
    for task in commands(&workflow, "cargo xtask ").into_iter().chain(of_matrix) {
        if !task.is_empty() {
            assert!(known(&task), "cargo xtask {task:?}");
            called += 1;
        }
    }
    assert_eq!(called, 4, "tasks that the workflow names");
    assert!(!known(&["no-such-task"]) && !known(&["dist", "--no-such-option"]));
    let manifest = text("Cargo.toml");
    for package in commands(&(workflow.clone() + &container), " -p ")
        .into_iter()
        .chain(commands(&container, "--package "))
    {
        let folder = package[0].strip_prefix("gnomon-").unwrap_or("cli");
        assert!(manifest.contains(&format!("\"{folder}\"")), "{package:?} is no member");
        let own = text(&format!("{folder}/Cargo.toml"));
        assert!(own.contains(&format!("name = \"{}\"", package[0])), "{package:?}");
    }
    let file = workflow.split("file: ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(root().join(file).is_file(), "{file}");
    let stages: Vec<&str> =
        container.split(" AS ").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert_eq!(stages, ["build", "ci"]);
    for line in container.lines().filter(|line| line.starts_with("COPY ")) {
        let mut words = line.split_whitespace().skip(1);
        let first = words.next().unwrap();
        match first.strip_prefix("--from=") {
            Some(stage) => assert!(stages.contains(&stage), "{line}"),
            None => assert!(root().join(first).exists(), "{line}"),
        }
    }
}
