//! Suites in folders, with the policies that they name.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_manifests::suite::{LoadedSuite, from_text, load};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

fn policy(name: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: a}}\n"
    )
}

/// A folder of its own: `policies/{a,b}.yaml`, `policies/deep/c.yaml`, `bad.yaml`, `[x]/d.yaml`.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("suite-load-{test}"));
    let _fresh = fs::remove_dir_all(&folder);
    for (file, name) in [
        ("policies/a.yaml", "a"),
        ("policies/b.yaml", "b"),
        ("policies/deep/c.yaml", "c"),
        ("[x]/d.yaml", "d"),
    ] {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, policy(name)).unwrap();
    }
    fs::write(folder.join("bad.yaml"), policy("bad") + "spec: {action: MAYBE, rules: 1}\n").unwrap();
    folder
}

fn suite(folder: &Path, head: &str, test: &str) -> Result<LoadedSuite, Vec<String>> {
    let path = folder.join("s.gnomon.yaml");
    fs::write(
        &path,
        format!("{head}\ntests:\n- {{name: t, expect: allow, {test}}}\n- {{name: u, expect: deny}}\n"),
    )
    .unwrap();
    load(&path).map_err(|problems| {
        let found = problems.loaded.diagnostics.iter();
        found
            .map(|d| {
                format!("{}:{}:{}: {}", d.file.rsplit('/').next().unwrap(), d.at.line, d.at.column, d.message)
            })
            .collect()
    })
}

fn names(loaded: &LoadedSuite, test: usize) -> Vec<&str> {
    loaded.resources[test].authorization.iter().map(|policy| policy.meta.name.as_str()).collect()
}

#[test]
fn paths_and_globs() {
    let folder = folder("paths");
    for (policies, expected) in [
        ("policies: [policies/a.yaml]", vec!["a"]),
        ("policies: [policies]", vec!["a", "b", "c"]),
        ("policies: [policies/]", vec!["a", "b", "c"]),
        ("policies: ['policies/*.yaml']", vec!["a", "b"]),
        ("policies: ['policies/**/*.yaml']", vec!["a", "b", "c"]),
        ("policies: ['policies/[bc].yaml', policies/deep]", vec!["b", "c"]),
        ("policies: ['[[]x[]]/*']", vec!["d"]),
        ("policies: [policies, policies/a.yaml]", vec!["a", "b", "c"]),
        ("policies: [./policies/../policies/b.yaml]", vec!["b"]),
        ("name: none", vec![]),
    ] {
        let loaded = suite(&folder, policies, "").unwrap();
        assert_eq!(names(&loaded, 0), expected, "{policies}");
        assert!(Arc::ptr_eq(&loaded.resources[0], &loaded.resources[1]), "{policies}: read twice");
    }
}

#[test]
fn a_test_adds_its_own() {
    let folder = folder("own");
    let inline =
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: e, namespace: a}}";
    let loaded = suite(
        &folder,
        "policies: [policies/a.yaml]",
        &format!("policies: [policies/b.yaml], resources: [{inline}]"),
    )
    .unwrap();
    assert_eq!(names(&loaded, 0), ["a", "b", "e"]);
    assert_eq!(names(&loaded, 1), ["a"]);
}

#[test]
fn a_folder_whose_name_looks_like_a_glob() {
    let folder = folder("strange").join("[x]");
    let loaded = suite(&folder, "policies: ['*.yaml']", "").unwrap();
    assert_eq!(names(&loaded, 0), ["d"]);
}

#[test]
fn problems() {
    let folder = folder("problems");
    for (head, expected) in [
        ("policies: [nowhere.yaml]", vec!["s.gnomon.yaml:1:12: there is no \"nowhere.yaml\""]),
        ("policies: ['nowhere/*']", vec!["s.gnomon.yaml:1:12: nothing matches \"nowhere/*\""]),
        ("policies: ['a[']", vec!["s.gnomon.yaml:1:12: \"a[\" is no glob: invalid range pattern"]),
        ("policies: policies", vec!["s.gnomon.yaml:1:11: expected a list of strings, got a string"]),
        (
            "policies: [bad.yaml]",
            vec![
                "bad.yaml:4:16: expected one of ALLOW, DENY, AUDIT, CUSTOM, got \"MAYBE\"",
                "bad.yaml:4:30: expected a list, got a number",
            ],
        ),
        ("workload: [", vec!["s.gnomon.yaml:2:6: unexpected character"]),
    ] {
        let found = suite(&folder, head, "").unwrap_err();
        // What the YAML parser says is its own affair; that it says where is ours.
        match head {
            "workload: [" => {
                assert!(found.iter().all(|line| line.starts_with("s.gnomon.yaml:")), "{found:?}")
            }
            _ => assert_eq!(found, expected, "{head}"),
        }
    }
    let found = load(&folder.join("none.gnomon.yaml")).unwrap_err();
    assert!(found.loaded.diagnostics[0].message.starts_with("cannot be read"));
}

#[test]
fn one_suite_to_a_file() {
    let file = "s.gnomon.yaml".into();
    let message = |text: &str| from_text(text, &file).unwrap_err().0[0].message.clone();
    assert_eq!(message(""), "the file is empty");
    let one = "tests: [{expect: allow}]\n";
    assert!(from_text(one, &file).is_ok());
    assert_eq!(
        message(&format!("{one}---\n{one}")),
        "a file holds one suite, and here begins another document"
    );
}
