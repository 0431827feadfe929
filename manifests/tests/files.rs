//! Files and folders.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod folder;

use folder::Folder;
use gnomon_manifests::{Loaded, Loader, Reason, load};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is read, with or without errors.
fn read(paths: &[PathBuf]) -> Loaded {
    load(paths).unwrap_or_else(|wrong| *wrong.loaded)
}

fn policy(name: &str) -> String {
    format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\n")
}

#[test]
fn a_folder() {
    let folder = Folder::new("a_folder");
    folder.write("b.yaml", policy("b"));
    folder.write("a.yml", policy("a"));
    folder.write("sub/c.json", r#"{"kind": "Secret"}"#);
    folder.write("sub/tests.gnomon.yaml", "name: a suite\n");
    folder.write("notes.txt", "not: [read");
    folder.write(".hidden/d.yaml", "not: [read");
    folder.write(".e.yaml", "not: [read");
    let loaded = read(&[folder.0.clone(), folder.0.join("a.yml")]);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(folder.files(&loaded), ["a.yml", "b.yaml", "sub/c.json"]);
    let names: Vec<_> = loaded.resources.authorization.iter().map(|read| read.meta.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(loaded.unread.kinds().collect::<Vec<_>>(), [("Secret", 1)]);
}

#[test]
fn a_suite_that_is_named_is_read() {
    let folder = Folder::new("a_suite");
    let path = folder.write("tests.gnomon.yaml", policy("a"));
    assert_eq!(read(&[path]).resources.authorization.len(), 1);
}

#[test]
fn problems_name_their_file() {
    let folder = Folder::new("problems");
    let bad = folder.write("bad.yaml", "a: [\n");
    let bytes = folder.write("bytes.yaml", b"a: \xff");
    let missing = folder.0.join("missing.yaml");
    let empty = folder.0.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let loaded = read(&[bad.clone(), bytes.clone(), missing.clone(), empty.clone()]);
    let found: Vec<_> = loaded.diagnostics.iter().map(|found| (found.code, found.file.to_string())).collect();
    let text = |path: &Path| path.to_string_lossy().to_string();
    assert_eq!(
        found,
        [
            ("yaml-syntax", text(&bad)),
            ("not-utf8", text(&bytes)),
            ("unreadable", text(&missing)),
            ("no-manifests", text(&empty)),
        ]
    );
    assert!(loaded.has_errors());
}

#[test]
fn objects_of_one_name_in_two_files() {
    let folder = Folder::new("two_files");
    folder.write("a.yaml", policy("p"));
    folder.write("b.yaml", format!("# second\n{}spec: {{rules: [{{}}]}}\n", policy("p")));
    let loaded = read(std::slice::from_ref(&folder.0));
    let [found] = loaded.diagnostics.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!((found.code, found.at.line), ("duplicate-object", 2));
    assert!(found.message.contains("a.yaml:1:1"), "{found}");
    // Which one of two equals is meant does not matter.
    folder.write("b.yaml", format!("# second\n{}", policy("p")));
    let loaded = read(std::slice::from_ref(&folder.0));
    assert_eq!((loaded.diagnostics.len(), loaded.resources.authorization.len()), (0, 1));
}

#[cfg(unix)]
#[test]
fn links_in_a_circle() {
    let folder = Folder::new("links");
    folder.write("sub/a.yaml", policy("a"));
    std::os::unix::fs::symlink(&folder.0, folder.0.join("sub/up")).unwrap();
    std::os::unix::fs::symlink("sub", folder.0.join("other")).unwrap();
    std::os::unix::fs::symlink("nowhere.yaml", folder.0.join("dangling.yaml")).unwrap();
    let loaded = read(std::slice::from_ref(&folder.0));
    assert_eq!(loaded.resources.authorization.len(), 1);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.unread.others().collect::<Vec<_>>(), [(&Reason::Unreadable, 1)]);
}

#[cfg(unix)]
#[test]
fn an_endless_file() {
    let loaded = read(&[PathBuf::from("/dev/zero")]);
    assert_eq!(loaded.diagnostics[0].code, "too-big");
}

/// The findings, and what was passed over.
fn outcome(loaded: &Loaded) -> (Vec<&'static str>, Vec<String>) {
    let found = loaded.diagnostics.iter().map(|found| found.code).collect();
    let kinds = loaded.unread.kinds().map(|(kind, count)| format!("{count} {kind}"));
    (found, kinds.chain(loaded.unread.others().map(|(reason, count)| reason.counted(count))).collect())
}

#[test]
fn what_is_no_object_is_counted() {
    let folder = Folder::new("no_objects");
    folder.write("a.yaml", policy("a"));
    folder.write("playbook.yml", "- hosts: all\n  tasks: []\n");
    folder.write("list.json", "[1, 2]");
    folder.write("values.yaml", "a: 1\n---\nb: 2\n");
    folder.write("patch.yaml", "- {op: add, path: /spec/rules/-, value: {}}\n");
    folder.write("broken.yaml", "kind: Deployment\nspec: {{ .Values.x }}\na: [\n");
    folder.write("twice.yaml", "kind: Deployment\nkind: Deployment\n---\nkind: Secret\n");
    folder.write("latin.yaml", b"kind: Service\nname: \xe9\n");
    folder.write("null.yaml", "kind: List\nitems: [~]\n");
    let loaded = read(std::slice::from_ref(&folder.0));
    let counted = [
        "1 Secret",
        "3 documents that are no Kubernetes objects",
        "1 list of values",
        "1 JSON patch",
        "1 Ansible playbook",
        "3 unreadable texts without Istio kinds",
    ];
    assert_eq!(outcome(&loaded), (vec![], counted.map(String::from).to_vec()));
    assert_eq!(loaded.resources.authorization.len(), 1);
    assert_eq!(loaded.unread.places().len(), 10);
    // What is named is told of, and is no error.
    let named = read(&[folder.0.join("playbook.yml"), folder.0.join("a.yaml")]);
    assert_eq!(outcome(&named).0, ["not-an-object"]);
    assert!(!named.has_errors());
}

#[test]
fn a_policy_that_cannot_be_read_is_an_error() {
    let folder = Folder::new("unreadable_policies");
    folder.write("broken.yaml", format!("{}spec: {{{{ .Values.x }}}}\na: [\n", policy("a")));
    folder.write("twice.yaml", format!("{}kind: AuthorizationPolicy\n---\na: 1\na: 2\n", policy("b")));
    folder.write("nameless.yaml", "apiVersion: security.istio.io/v1\nspec: {}\n");
    let (found, _) = outcome(&read(std::slice::from_ref(&folder.0)));
    assert_eq!(found, ["bad-key", "yaml-syntax", "missing-kind", "duplicate-key"]);
}

#[test]
fn charts_and_kustomizations() {
    let folder = Folder::new("charts");
    folder.write("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    folder.write("chart/values.yaml", "a: 1\n");
    folder.write("chart/values-prod.yaml", "a: 1\n");
    folder.write("chart/templates/authz.yaml", format!("{}spec: {{{{ .Values.x }}}}\n", policy("a")));
    folder.write("chart/templates/plain.yaml", policy("b"));
    folder.write("chart/templates/service.yaml", "kind: Service\n");
    folder.write("chart/charts/inner/Chart.yaml", "apiVersion: v2\n");
    folder.write("chart/charts/inner/templates/authz.yaml", policy("c"));
    folder.write("chart/crds/crd.yaml", "kind: CustomResourceDefinition\n");
    folder.write("base/policy.yaml", policy("d"));
    folder.write("base/kustomization.yaml", "resources: [policy.yaml]\n");
    folder.write("prod/patch.yaml", policy("d"));
    folder.write("prod/rules.yaml", format!("{}spec: {{action: DENY}}\n", policy("d")));
    folder.write("prod/gone.yaml", format!("{}$patch: delete\n", policy("e")));
    folder.write(
        "prod/kustomization.yaml",
        "kind: Kustomization\npatchesStrategicMerge: [patch.yaml, \"kind: X\\na: b\"]\npatches: [{path: rules.yaml}]\n",
    );
    let loaded = read(std::slice::from_ref(&folder.0));
    let counted = [
        "1 CustomResourceDefinition",
        "1 Kustomization",
        "1 document that is no Kubernetes object",
        "3 kustomize patches",
        "4 files of Helm charts",
        "4 templates of Helm charts",
    ];
    assert_eq!(outcome(&loaded), (vec![], counted.map(String::from).to_vec()));
    let names: Vec<_> = loaded.resources.authorization.iter().map(|read| read.meta.name.as_str()).collect();
    assert_eq!(names, ["d"]);
    let charts: Vec<_> = loaded.charts.iter().map(|chart| (chart.name.as_str(), chart.policies)).collect();
    assert_eq!(charts, [("c", 2), ("inner", 1)]);
    // The templates alone.
    let loaded = read(&[folder.0.join("chart/templates")]);
    assert_eq!(outcome(&loaded), (vec![], vec!["3 templates of Helm charts".to_string()]));
    assert_eq!(loaded.charts[0].name, "c");
    // A template that is named is read as what it is.
    let loaded = read(&[folder.0.join("chart/templates/plain.yaml")]);
    assert_eq!(loaded.resources.authorization.len(), 1);
}

#[test]
fn the_last_of_a_name_may_win() {
    let folder = Folder::new("last_wins");
    for (file, mode) in [("1.yaml", "DISABLE"), ("2.yaml", "PERMISSIVE"), ("3.yaml", "STRICT")] {
        let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n";
        folder.write(file, format!("{text}spec: {{mtls: {{mode: {mode}}}}}\n"));
    }
    let mut loader = Loader::new().last_wins(true);
    loader.path(&folder.0);
    let loaded = loader.finish();
    assert_eq!(loaded.diagnostics, []);
    let files: Vec<_> =
        loaded.resources.peer_authentication.iter().map(|read| read.meta.file.to_string()).collect();
    assert!(files.len() == 1 && files[0].ends_with("3.yaml"), "{files:?}");
    assert_eq!(outcome(&read(std::slice::from_ref(&folder.0))).0, ["duplicate-object"; 2]);
}

#[cfg(unix)]
#[test]
fn what_else_is_in_folders() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new("odd_names");
    // Whoever opens a pipe without a writer waits for ever.
    let pipe = folder.0.join("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let name = folder.0.join(std::ffi::OsStr::from_bytes(b"p\xff.yaml"));
    fs::write(name, policy("odd")).unwrap();
    folder.write("a name with\nlines.yaml", policy("lines"));
    let loaded = read(std::slice::from_ref(&folder.0));
    assert_eq!(loaded.diagnostics, []);
    let names: Vec<_> = loaded.resources.authorization.iter().map(|read| read.meta.name.as_str()).collect();
    assert_eq!(names, ["lines", "odd"]);
}

#[test]
fn a_hundred_thousand_policies() {
    let folder = Folder::new("many_policies");
    for file in 0..100 {
        let all: Vec<String> = (0..1_000).map(|number| policy(&format!("p{file}-{number}"))).collect();
        folder.write(&format!("{file}.yaml"), all.join("---\n"));
    }
    let loaded = read(std::slice::from_ref(&folder.0));
    assert_eq!((loaded.resources.authorization.len(), loaded.has_errors()), (100_000, false));
}
