//! `gnomon lint` in CI: configuration, baselines, only what is new, mending, and the forms that other tools read.
#![expect(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const METHOD: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec:
  action: DENY
  rules:
  # the console
  - to: [{operation: {methods: [delete], ports: [\"8080\"]}}]
";
const PORT: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: db, namespace: shop}
spec: {rules: [{to: [{operation: {ports: [\"30000\"]}}]}]}
";

/// A folder of its own with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lint-{name}"));
    let _old = fs::remove_dir_all(&folder);
    for (file, text) in files {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}

fn lint(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gnomon"))
        .arg("lint")
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The codes found, in order.
fn codes(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let output = lint(folder, &[arguments, &["-o", "json"]].concat());
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    all.iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn lints_are_chosen_and_weighed() {
    let folder = folder("chosen", &[("a.yaml", METHOD), ("b.yaml", PORT)]);
    assert_eq!(codes(&folder, &[]), ["method-case", "node-port"]);
    assert_eq!(codes(&folder, &["--disable", "method-case,source-nat"]), ["node-port"]);
    assert_eq!(codes(&folder, &["--only", "method-case"]), ["method-case"]);
    assert_eq!(code(&lint(&folder, &["--disable", "no-such-lint"])), 2);
    for (arguments, expected) in [
        (&[][..], 1),
        (&["--fail-on", "never"], 0),
        (&["b.yaml"], 0),
        (&["b.yaml", "--fail-on", "warning"], 1),
        (&["nowhere.yaml", "--fail-on", "never"], 2),
    ] {
        assert_eq!(code(&lint(&folder, arguments)), expected, "{arguments:?}");
    }
}

#[test]
fn a_project_says_it_once() {
    let config = "\
paths = ['deploy']
exclude = ['deploy/**/vendor']
[lint]
fail-on = 'warning'
[lint.severity]
node-port = 'error'
[[lint.path]]
path = 'deploy/old'
severity = {method-case = 'hint', node-port = 'off'}
[environments.prod]
paths = ['prod']
";
    let folder = folder(
        "config",
        &[
            ("gnomon.toml", config),
            ("deploy/a.yaml", PORT),
            ("deploy/old/b.yaml", METHOD),
            ("deploy/old/c.yaml", &PORT.replace("30000", "30001").replace("name: db", "name: old")),
            ("deploy/x/vendor/d.yaml", &PORT.replace("name: db", "name: out")),
            ("prod/a.yaml", METHOD),
        ],
    );
    let output = lint(&folder, &["-o", "json"]);
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let told: Vec<(&str, &str)> = all
        .iter()
        .map(|found| (found["file"].as_str().unwrap(), found["severity"].as_str().unwrap()))
        .map(|(file, severity)| (file.rsplit_once('/').unwrap().1, severity))
        .collect();
    assert_eq!(told, [("a.yaml", "error"), ("b.yaml", "hint")]);
    assert_eq!(codes(&folder, &["--environment", "prod"]), ["method-case"]);
    // From a folder below, and with a path that is named, too.
    assert_eq!(codes(&folder.join("deploy"), &["old"]), ["method-case"]);
    for (text, says) in [
        ("pahts = []", "unknown field `pahts`"),
        ("[lint]\ndisable = ['no-such']", "no finding has the code `no-such`"),
        ("exclude = ['[']", "`[`"),
        ("istio-version = '9.9'", "istio-version `9.9`"),
    ] {
        fs::write(folder.join("gnomon.toml"), text).unwrap();
        let output = lint(&folder, &[]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) == 2 && told.contains(says), "{text}: {told}");
    }
    assert_eq!(code(&lint(&folder, &["--config", "nowhere.toml"])), 2);
}

#[test]
fn a_baseline_hides_what_is_known_and_nothing_else() {
    let folder = folder("baseline", &[("a.yaml", METHOD)]);
    assert_eq!(code(&lint(&folder, &["--baseline", "known.json"])), 2);
    assert_eq!(code(&lint(&folder, &["--baseline", "known.json", "--write-baseline"])), 0);
    assert_eq!(code(&lint(&folder, &["a.yaml", "--baseline", "known.json"])), 0);
    // The same finding on another line is known, and a second one is not.
    fs::write(folder.join("a.yaml"), format!("# moved\n{METHOD}")).unwrap();
    assert!(codes(&folder, &["a.yaml", "--baseline", "known.json"]).is_empty());
    let twice = METHOD.replace("[delete]", "[delete, delete]");
    fs::write(folder.join("a.yaml"), twice).unwrap();
    assert_eq!(codes(&folder, &["a.yaml", "--baseline", "known.json"]), ["duplicate-value", "method-case"]);
    fs::write(folder.join("a.yaml"), PORT).unwrap();
    let told = String::from_utf8(lint(&folder, &["a.yaml", "--baseline", "known.json"]).stdout).unwrap();
    assert!(told.contains("1 are not there any more"), "{told}");
}

#[test]
fn only_what_a_change_brings() {
    let folder = folder("new", &[("deploy/a.yaml", METHOD)]);
    git(&folder, &["init", "-q", "-b", "main"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "one"]);
    git(&folder, &["checkout", "-q", "-b", "change"]);
    fs::write(folder.join("deploy/b.yaml"), PORT).unwrap();
    assert_eq!(codes(&folder, &["--new-only", "main"]), ["node-port"]);
    assert_eq!(codes(&folder, &["deploy/a.yaml", "--new-only", "main"]), Vec::<String>::new());
    assert_eq!(codes(&folder, &["./deploy", "--new-only", "HEAD"]), ["node-port"]);
    // What main has got since does not count.
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "two"]);
    git(&folder, &["checkout", "-q", "main"]);
    fs::remove_file(folder.join("deploy/a.yaml")).unwrap();
    git(&folder, &["commit", "-q", "-a", "-m", "three"]);
    git(&folder, &["checkout", "-q", "change"]);
    assert_eq!(codes(&folder, &["--new-only", "main"]), ["node-port"]);
    for reference in ["no-such", "--help"] {
        assert_eq!(code(&lint(&folder, &[&format!("--new-only={reference}")])), 2, "{reference}");
    }
}

#[test]
fn what_is_certain_is_mended() {
    let folder = folder("fix", &[("a.yaml", METHOD)]);
    let told = lint(&folder, &["--fix", "--diff"]);
    let diff = String::from_utf8(told.stdout.clone()).unwrap();
    assert!(
        diff.contains("-  - to: [{operation: {methods: [delete]")
            && diff.contains("+  - to: [{operation: {methods: [DELETE]"),
        "{diff}"
    );
    assert_eq!((code(&told), fs::read_to_string(folder.join("a.yaml")).unwrap().as_str()), (1, METHOD));
    assert_eq!(code(&lint(&folder, &["--fix"])), 0);
    let text = fs::read_to_string(folder.join("a.yaml")).unwrap();
    assert_eq!(text, METHOD.replace("[delete]", "[DELETE]"), "and nothing else, comments neither");
}

#[test]
fn a_fix_that_a_suite_is_against_is_not_made() {
    let suite = "\
policies: [a.yaml]
tests:
- name: the console deletes
  workload: {namespace: shop}
  request: {method: DELETE, destination: {port: 8080}}
  expect: allow
";
    let folder = folder("against", &[("a.yaml", METHOD), ("a.gnomon.yaml", suite)]);
    let output = lint(&folder, &["--fix"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("passes now, and would fail"), "{told}");
    assert_eq!((code(&output), fs::read_to_string(folder.join("a.yaml")).unwrap().as_str()), (1, METHOD));
}

#[test]
fn the_forms_that_other_tools_read() {
    let folder = folder("forms", &[("a.yaml", METHOD)]);
    let told = |form: &str| String::from_utf8(lint(&folder, &["-o", form]).stdout).unwrap();
    let gitlab: Value = serde_json::from_str(&told("gitlab")).unwrap();
    let first = &gitlab[0];
    for field in ["description", "check_name", "fingerprint", "severity"] {
        assert!(first[field].is_string(), "{first}");
    }
    assert_eq!(
        (&first["location"]["path"], &first["location"]["lines"]["begin"]),
        (&"a.yaml".into(), &8.into())
    );
    let rdjson: Value = serde_json::from_str(&told("rdjson")).unwrap();
    let first = &rdjson["diagnostics"][0];
    assert_eq!((&first["severity"], &first["code"]["value"]), (&"ERROR".into(), &"method-case".into()));
    assert_eq!(first["location"]["range"]["start"]["line"], 8);
    let markdown = told("markdown");
    assert!(markdown.starts_with("**gnomon lint**: 1 error in 1 policy of 1 file\n"), "{markdown}");
    assert!(markdown.contains("| error `method-case` | `a.yaml:8`<br>"), "{markdown}");
}
