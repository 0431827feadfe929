//! Commits as one side of a comparison: read as the files beside them are.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn run(folder: &Path, program: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn gnomon(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(folder, env!("CARGO_BIN_EXE_gnomon"), arguments)
}

const POLICY: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec:\n  rules: [{to: \
                      [{operation: {methods: [GET]}}]}]\n";

/// A repository with a kustomization, a chart and a suite; nothing of it is changed yet.
fn repository(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("commits-{name}"));
    let _ = fs::remove_dir_all(&root);
    for (file, text) in [
        ("base/kustomization.yaml", "resources: [policy.yaml]\n"),
        ("base/policy.yaml", POLICY),
        ("prod/kustomization.yaml", "namespace: prod\nresources: [../base]\n"),
        ("chart/Chart.yaml", "name: c\n"),
        ("chart/templates/p.yaml", "kind: AuthorizationPolicy\nx: {{ .Values.x }}\n"),
        ("tests.gnomon.yaml", "name: nothing\n"),
    ] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let git = |arguments: &[&str]| assert_eq!(run(&root, "git", arguments).0, 0, "{arguments:?}");
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "."]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first"]);
    root
}

#[test]
fn a_tree_is_what_it_was() {
    let root = repository("same");
    for (folder, side) in [
        (root.clone(), "."),
        (root.clone(), "prod"),
        (root.join("prod"), "."),
        (root.join("prod"), "../base"),
    ] {
        let (code, out, err) = gnomon(&folder, &["diff", "git:HEAD", side]);
        assert_eq!((code, out.as_str()), (0, "equivalent: every request fares as before\n"), "{side}: {err}");
        assert!(!err.contains("error"), "{side}: {err}");
    }
    // By its whole path.
    let whole = root.join("prod");
    let (code, out, err) = gnomon(&root, &["diff", "git:HEAD", whole.to_str().unwrap()]);
    assert!(code == 0 && out.starts_with("equivalent"), "{out}{err}");
}

#[test]
fn a_change_is_told_by_the_files_own_names() {
    let root = repository("changed");
    fs::write(root.join("base/policy.yaml"), POLICY.replace("GET", "GET, POST")).unwrap();
    let (code, out, err) = gnomon(&root, &["diff", "git:HEAD", "."]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("prod\n  newly allowed: POST") && out.contains("prod/p rule 0 (./base/policy.yaml:5)"),
        "{out}"
    );
    assert!(!format!("{out}{err}").contains("gnomon-"), "{out}{err}");
    // Two commits.
    let (code, out, _) = gnomon(&root, &["diff", "git:HEAD:prod", "git:HEAD:prod"]);
    assert!(code == 0 && out.starts_with("equivalent"), "{out}");
}

#[test]
fn what_was_not_there_says_so() {
    let root = repository("absent");
    fs::create_dir_all(root.join("new")).unwrap();
    fs::write(root.join("new/policy.yaml"), POLICY).unwrap();
    for (folder, arguments, why) in [
        (root.clone(), ["diff", "git:HEAD", "new"], "`git:HEAD`: there is no new there"),
        (root.clone(), ["diff", "git:nothing", "."], "`git:nothing`: "),
        (root.clone(), ["diff", "git:--help", "."], "names no commit"),
        (root.join("new"), ["diff", "git:HEAD", "."], "`git:HEAD`: there is no . there"),
        (root.clone(), ["diff", "git:HEAD", "../.."], "`git:HEAD`: there is no ../.. there"),
    ] {
        let (code, _, err) = gnomon(&folder, &arguments);
        assert!(code == 2 && err.contains(why), "{arguments:?}: {err}");
    }
}
