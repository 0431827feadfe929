//! Charts and kustomizations, rendered with what is installed. Where a tool is not, its failure is what is tested.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("render-{name}"));
        let _ = fs::remove_dir_all(&folder);
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Tree(folder)
    }

    /// A program, first in PATH.
    fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(".bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\necho \"$0 $@\" >> {}/calls.log\n{script}", self.0.display()))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, path: &str, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
        command.args(arguments).current_dir(&self.0).env("PATH", format!("{}/.bin{path}", self.0.display()));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

const TEMPLATE: &str = "{{- if .Values.enabled }}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
spec:
  action: {{ .Values.action }}
  rules:
  {{- range .Values.paths }}
  - to:
    - operation:
        paths: [{{ . | quote }}]
  {{- end }}
{{- end }}
";

/// What `helm template` (3.16.4) prints of it with `--namespace=prod --values values-prod.yaml`.
const PRINTED: &str = "---
# Source: shop/templates/authz.yaml
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: shop
  namespace: prod
spec:
  action: DNEY
  rules:
  - to:
    - operation:
        paths: [\"/a\"]
  - to:
    - operation:
        paths: [\"/b/*/c*\"]
";

fn chart(name: &str) -> Tree {
    Tree::new(
        name,
        &[
            ("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
            ("shop/values.yaml", "enabled: true\naction: DENY\npaths: [/a]\n"),
            ("shop/templates/authz.yaml", TEMPLATE),
            ("values-prod.yaml", "action: DNEY\npaths: [/a, '/b/*/c*']\n"),
        ],
    )
}

const WITH_VALUES: [&str; 9] =
    ["envoy-config", "-p", ".", "--render", "--values", "values-prod.yaml", "-n", "prod", "-o=json"];

#[test]
fn what_helm_prints_has_its_places_in_the_template() {
    let tree = chart("helm");
    tree.program("helm", &format!("cat <<'END'\n{PRINTED}END\n"));
    let (code, _, err) = tree.run(":/usr/bin:/bin", &WITH_VALUES);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("./shop/templates/authz.yaml:8:1: error[unknown-value]"), "{err}");
    assert!(err.contains("8 |   action: {{ .Values.action }}"), "{err}");
    let calls = fs::read_to_string(tree.0.join("calls.log")).unwrap();
    assert!(
        calls.ends_with("helm template shop ./shop --values values-prod.yaml --namespace=prod\n"),
        "{calls}"
    );
}

/// The real one prints what the test above replays.
#[test]
fn the_real_helm_prints_that() {
    let tree = chart("real-helm");
    let path = format!(":{}", env::var("PATH").unwrap());
    let installed = Command::new("helm").arg("version").output().is_ok();
    let (code, _, err) = tree.run(&path, &WITH_VALUES);
    assert_eq!(code, 2, "{err}");
    if installed {
        assert!(err.contains("./shop/templates/authz.yaml:8:1: error[unknown-value]"), "{err}");
        let arguments = ["template", "shop", "./shop", "--values", "values-prod.yaml", "--namespace=prod"];
        let output = Command::new("helm").args(arguments).current_dir(&tree.0).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), PRINTED);
    } else {
        assert!(
            err.contains("`helm template` is not installed: install it, or give what `helm template` prints"),
            "{err}"
        );
    }
}

#[test]
fn without_the_tool_or_without_the_wish() {
    let tree = chart("no-helm");
    let (code, _, err) = tree.run("", &WITH_VALUES);
    assert!(
        code == 2 && err.contains("shop/Chart.yaml: error[not-rendered]: `helm template` is not installed"),
        "{err}"
    );
    let (code, _, err) = tree.run("", &["lint", "."]);
    assert!(
        code == 0
            && err.contains("note: chart `shop` in ./shop: 1 policy template not rendered; give --render"),
        "{err}"
    );
    let tree = chart("helm-fails");
    tree.program("helm", "echo 'Error: values do not meet the specification' >&2; exit 1");
    let (code, _, err) = tree.run("", &WITH_VALUES);
    assert!(
        code == 2 && err.contains("`helm template` failed: Error: values do not meet the specification"),
        "{err}"
    );
}

#[test]
fn kustomizations() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {action: ALLOW, rules: \
                  [{}]}\n";
    let tree = Tree::new(
        "kustomize",
        &[
            ("base/kustomization.yaml", "resources: [policy.yaml]\n"),
            ("base/policy.yaml", policy),
            (
                "prod/kustomization.yaml",
                "namespace: prod\nresources: [../base]\npatches: [{path: patch.yaml}]\n",
            ),
            ("prod/patch.yaml", &policy.replace("ALLOW", "DENY")),
        ],
    );
    let arguments = ["eval", "-p", ".", "-n", "prod", "--path", "/"];
    // Without the patch, and it is said.
    let (_, out, err) = tree.run("", &arguments);
    assert!(out.starts_with("ALLOW 200"), "{out}{err}");
    assert!(
        err.contains("note: kustomization in ./prod: 1 patch of policies not applied; give --render"),
        "{err}"
    );
    // The base is there once, in its namespace.
    let (_, out, _) = tree.run("", &["lint", "."]);
    assert!(out.starts_with("1 policy valid in 4 files"), "{out}");
    let rendered = [&arguments[..], &["--render"]].concat();
    let real = Command::new("kubectl").arg("kustomize").arg(tree.0.join("prod")).output();
    let path = format!(":{}", env::var("PATH").unwrap());
    if real.is_ok_and(|output| output.status.success()) {
        let (_, out, err) = tree.run(&path, &rendered);
        assert!(out.starts_with("DENY 403") && !err.contains("not applied"), "{out}{err}");
        assert!(out.contains("./prod (kustomize build):"), "{out}");
    }
    let (code, _, err) = tree.run("", &rendered);
    assert!(code == 2 && err.contains("`kubectl kustomize` is not installed: install it, or give"), "{err}");
    tree.program(
        "kustomize",
        &format!(
            "cat <<'END'\n{}END\n",
            policy.replace("{name: a}", "{name: a, namespace: prod}").replace("ALLOW", "DENY")
        ),
    );
    let (_, out, err) = tree.run(":/usr/bin:/bin", &rendered);
    assert!(out.starts_with("DENY 403"), "{out}{err}");
    let calls = fs::read_to_string(tree.0.join("calls.log")).unwrap();
    assert!(calls.ends_with("kustomize build ./prod\n"), "{calls}");
}
