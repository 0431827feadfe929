//! Trees as people have them: kustomizations, charts, many clusters, archives and dumps.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

mod folder;

use flate2::{Compression, write::GzEncoder};
use folder::Folder;
use gnomon_manifests::{Loaded, Loader, Renderer, load};
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

fn policy(namespace: &str, name: &str, action: &str) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}{namespace}}}\nspec: \
         {{action: {action}, rules: [{{}}]}}\n"
    )
}

fn read(path: &Path) -> Loaded {
    load(&[path.to_path_buf()]).unwrap_or_else(|wrong| *wrong.loaded)
}

/// The policies with their files.
fn policies(folder: &Folder, loaded: &Loaded) -> Vec<String> {
    let name =
        |file: &str| file.strip_prefix(&*folder.0.to_string_lossy()).unwrap_or(file).replace('\\', "/");
    let all = loaded.resources.authorization.iter();
    all.map(|one| format!("{}/{} {}", one.meta.namespace, one.meta.name, name(&one.meta.file))).collect()
}

fn codes(loaded: &Loaded) -> Vec<(&'static str, String)> {
    loaded.diagnostics.iter().map(|found| (found.code, found.message.clone())).collect()
}

/// A base, and two overlays that put it into namespaces of their own.
fn overlays(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("base/policy.yaml", policy("", "api", "ALLOW"));
    folder.write(
        "base/app.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: api}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: \
         {name: api}\nspec:\n  template:\n    metadata: {labels: {app: api}}\n    spec: {serviceAccountName: api}\n",
    );
    folder.write("base/kustomization.yaml", "resources: [policy.yaml, app.yaml]\n");
    folder.write(
        "overlays/prod/kustomization.yaml",
        "namespace: prod\nnamePrefix: p-\nnameSuffix: \"-1\"\nresources: [../../base, deny.yaml]\n",
    );
    folder.write("overlays/prod/deny.yaml", policy("elsewhere", "deny", "DENY"));
    folder.write("overlays/dev/kustomization.yaml", "namespace: dev\nresources:\n- ../../base\n");
    folder
}

#[test]
fn a_kustomization_that_says_a_namespace_is_built() {
    let folder = overlays("overlays");
    let loaded = read(&folder.0);
    assert_eq!(codes(&loaded), []);
    let mut found = policies(&folder, &loaded);
    found.sort();
    assert_eq!(
        found,
        [
            "dev/api /base/policy.yaml",
            "prod/p-api-1 /base/policy.yaml",
            "prod/p-deny-1 /overlays/prod/deny.yaml"
        ]
    );
    let mut workloads: Vec<_> = loaded
        .inventory
        .workloads()
        .into_iter()
        .map(|one| {
            format!("{}/{} {}", one.workload.namespace, one.workload.name, one.workload.service_account)
        })
        .collect();
    workloads.sort();
    assert_eq!(workloads, ["dev/api api", "prod/p-api-1 p-api-1"]);
    // An account may be in a file that is read much later than the workload.
    for number in 0..200 {
        folder
            .write(&format!("base/m{number}.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n");
    }
    folder.write(
        "base/app.yaml",
        fs::read_to_string(folder.0.join("base/app.yaml")).unwrap().split_once("---\n").unwrap().1,
    );
    folder.write("base/z.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: api}\n");
    let all: Vec<String> = (0..200).map(|number| format!("m{number}.yaml")).collect();
    folder.write(
        "base/kustomization.yaml",
        format!("resources: [policy.yaml, app.yaml, {}, z.yaml]\n", all.join(", ")),
    );
    let loaded = read(&folder.0);
    let accounts: Vec<_> =
        loaded.inventory.workloads().into_iter().map(|one| one.workload.service_account).collect();
    assert!(accounts.contains(&"p-api-1".to_owned()), "{accounts:?}");
    // The overlay alone has its base, too.
    let prod = read(&folder.0.join("overlays/prod"));
    let mut found = policies(&folder, &prod);
    found.sort();
    assert_eq!(found, ["prod/p-api-1 /base/policy.yaml", "prod/p-deny-1 /overlays/prod/deny.yaml"]);
}

#[test]
fn what_a_kustomization_does_besides_is_told() {
    let folder = Folder::new("left_out");
    folder.write("policy.yaml", policy("a", "api", "ALLOW"));
    folder.write(
        "kustomization.yaml",
        "resources: [policy.yaml, \"https://example.com/x?ref=1\", gone.yaml]\npatches:\n- target: {kind: \
         AuthorizationPolicy}\n  patch: |-\n    - {op: remove, path: /spec}\n- patch: |-\n    kind: Deployment\n    metadata: \
         {name: a}\nreplacements: [{}]\nimages: [{}]\ncommonLabels: {a: b}\n",
    );
    let loaded = read(&folder.0);
    let [one] = &loaded.kustomizations[..] else { panic!("{:?}", loaded.kustomizations) };
    assert_eq!(
        one.left_out,
        ["1 patch of policies", "`gone.yaml`", "`https://example.com/x?ref=1`", "replacements"]
    );
    // Kustomizations that stand upon one another are read to the end.
    folder.write("a/kustomization.yaml", "resources: [../b, p.yaml]\n");
    folder.write("a/p.yaml", policy("a", "p", "DENY"));
    folder.write("b/kustomization.yaml", "namespace: x\nresources: [../a]\n");
    assert_eq!(codes(&read(&folder.0)), []);
}

#[test]
fn folders_of_many_clusters() {
    let folder = Folder::new("clusters");
    folder.write("common/base.yaml", policy("shop", "base", "ALLOW"));
    for (cluster, action) in [("eu", "ALLOW"), ("us", "DENY"), ("asia", "AUDIT")] {
        folder.write(&format!("clusters/{cluster}/shop/a.yaml"), policy("shop", "a", action));
        folder.write(&format!("clusters/{cluster}/shop/b.yaml"), policy("shop", "b", action));
    }
    let loaded = read(&folder.0);
    let [found] = &loaded.diagnostics[..] else { panic!("{:?}", codes(&loaded)) };
    let clusters = folder.0.join("clusters");
    let clusters = clusters.display();
    assert_eq!(
        (found.code, found.message.as_str()),
        (
            "duplicate-object",
            format!(
                "2 objects of one name are in `{clusters}/asia`, `{clusters}/eu` and `{clusters}/us`, and differ: \
                 AuthorizationPolicy shop/a in {clusters}/asia/shop/a.yaml:1:1 and {clusters}/eu/shop/a.yaml:1:1"
            )
            .as_str()
        )
    );
    assert!(
        found.help.contains(&format!("-p {clusters}/asia")) && found.help.contains("--last-wins"),
        "{found}"
    );
    // Each by itself, with what they share.
    let mut loader = Loader::new().apart();
    loader.path(&folder.0);
    let loaded = loader.finish();
    assert_eq!(codes(&loaded), []);
    let found: Vec<_> = loaded
        .clusters()
        .iter()
        .map(|one| (one.name.rsplit('/').next().unwrap().to_owned(), policies(&folder, &one.loaded).len()))
        .collect();
    assert_eq!(found, [("asia".to_owned(), 3), ("eu".to_owned(), 3), ("us".to_owned(), 3)]);
    // Nothing to tell apart.
    let one = read(&folder.0.join("clusters/eu"));
    assert_eq!(one.clusters().iter().map(|one| &*one.name).collect::<Vec<_>>(), [""]);
}

#[test]
fn overlays_of_many_applications_go_together_by_their_names() {
    let folder = Folder::new("applications");
    for application in ["cart", "orders"] {
        for (overlay, action) in [("dev", "ALLOW"), ("prod", "DENY")] {
            folder.write(&format!("{application}/{overlay}/p.yaml"), policy("shop", application, action));
        }
    }
    let mut loader = Loader::new().apart();
    loader.path(&folder.0);
    let loaded = loader.finish();
    let clusters = loaded.clusters();
    let found: Vec<_> = clusters.iter().map(|one| policies(&folder, &one.loaded)).collect();
    let files =
        |overlay: &str| ["cart", "orders"].map(|one| format!("shop/{one} /{one}/{overlay}/p.yaml")).to_vec();
    assert_eq!(found, [files("dev"), files("prod")]);
}

/// Prints what is in it, and notes what was asked.
#[derive(Default)]
struct Printed {
    charts: Vec<(String, String)>,
    kustomizations: Vec<String>,
}

impl Renderer for Printed {
    fn chart(&mut self, folder: &Path, name: &str) -> Result<String, String> {
        self.charts.push((folder.file_name().unwrap().to_string_lossy().into_owned(), name.to_owned()));
        if name == "broken" {
            return Err("helm template: no such value".into());
        }
        Ok("---\n# Source: shop/templates/authz.yaml\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: \
            {name: a, namespace: x}\nspec:\n  actoin: DENY\n---\n# Source: shop/charts/inner/templates/inner.yaml\n"
            .to_owned()
            + &policy("x", "inner", "DENY"))
    }

    fn kustomization(&mut self, folder: &Path) -> Result<String, String> {
        self.kustomizations.push(folder.file_name().unwrap().to_string_lossy().into_owned());
        Ok(policy("x", "built", "DENY") + "---\n" + &policy("x", "wrong", "DNEY"))
    }
}

#[test]
fn charts_and_kustomizations_are_rendered() {
    let folder = Folder::new("rendered");
    folder.write("shop/Chart.yaml", "name: shop\n");
    let template = folder.write(
        "shop/templates/authz.yaml",
        "{{- if .Values.x }}\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: {{ \
         .Release.Namespace }}}\nspec:\n  actoin: {{ .Values.action }}\n{{- end }}\n",
    );
    folder.write("shop/charts/inner/Chart.yaml", "name: inner\n");
    folder.write("shop/charts/inner/templates/inner.yaml", policy("{{ .x }}", "inner", "DENY"));
    folder.write("library/Chart.yaml", "name: library\ntype: library\n");
    folder.write("library/templates/_x.yaml", policy("{{ .x }}", "x", "DENY"));
    folder.write("broken/Chart.yaml", "name: broken\n");
    folder.write("base/kustomization.yaml", "resources: [a.yaml]\n");
    folder.write("base/a.yaml", policy("x", "not-built", "DENY"));
    folder.write("over/kustomization.yaml", "resources: [../base]\npatches: [{path: p.yaml}]\n");
    folder.write("over/p.yaml", policy("x", "not-built", "ALLOW"));
    folder.write("other.yaml", policy("x", "other", "ALLOW"));
    let mut printed = Printed::default();
    let mut loader = Loader::new().render(&mut printed);
    loader.path(&folder.0);
    let loaded = loader.finish();
    let names: Vec<_> = loaded.resources.authorization.iter().map(|one| one.meta.name.as_str()).collect();
    assert_eq!(names, ["a", "inner", "built", "other"]);
    assert!(loaded.resources.authorization[1].meta.file.ends_with("shop/charts/inner/templates/inner.yaml"));
    let mut found: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|found| (found.code, found.file.rsplit('/').next().unwrap().to_owned(), found.at.line))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            ("not-rendered", "Chart.yaml".to_owned(), 0),
            ("unknown-field", "authz.yaml".to_owned(), 6),
            ("unknown-value", "over (kustomize build)".to_owned(), 9),
        ]
    );
    let unknown = loaded.diagnostics.iter().find(|found| found.code == "unknown-field").unwrap();
    assert_eq!(*unknown.file, *template.to_string_lossy());
    assert!(loaded.render(unknown, gnomon_manifests::Colour::Never).contains("actoin: {{ .Values.action }}"));
    assert_eq!((loaded.charts.len(), loaded.kustomizations.len()), (1, 0));
    assert_eq!(printed.charts, [("broken".into(), "broken".into()), ("shop".into(), "shop".into())]);
    assert_eq!(printed.kustomizations, ["over"]);
}

fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn archives() {
    let folder = Folder::new("archives");
    let list = |policies: &[String]| {
        let indented = |text: &String| format!("- {}", text.trim_end().replace('\n', "\n  "));
        let items: Vec<String> = policies.iter().map(indented).collect();
        format!(
            "apiVersion: v1\nitems:\n{}\nkind: List\nmetadata: {{resourceVersion: \"\"}}\n",
            items.join("\n")
        )
    };
    let report = tar(&[
        ("bug-report/versions", "CLI version: 1.31\n"),
        ("bug-report/cluster/crs", &list(&[policy("a", "p", "DENY"), policy("a", "q", "DNEY")])),
        ("bug-report/cluster/secrets", "NAMESPACE NAME\n"),
        ("bug-report/proxies/a/b/istio-proxy.log", &policy("a", "log", "DENY")),
        ("bug-report/.hidden.yaml", &policy("a", "hidden", "DENY")),
        (
            "must-gather/namespaces/a/security.istio.io/authorizationpolicies/r.yaml",
            &policy("a", "r", "DENY"),
        ),
    ]);
    let named = [
        folder.write("plain.tar", &report),
        folder.write("packed.tar.gz", gz(&report)),
        folder.write("packed.tgz", gz(&report)),
    ];
    for path in named {
        let loaded = read(&path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(
            policies(&folder, &loaded),
            [
                format!("a/p /{name}/bug-report/cluster/crs"),
                format!(
                    "a/r /{name}/must-gather/namespaces/a/security.istio.io/authorizationpolicies/r.yaml"
                )
            ]
        );
        let [found] = &loaded.diagnostics[..] else { panic!("{:?}", codes(&loaded)) };
        assert_eq!((found.code, found.at.line), ("unknown-value", 10));
    }
    let one = folder.write("policy.yaml.gz", gz(policy("a", "z", "DENY").as_bytes()));
    assert_eq!(policies(&folder, &read(&one)), ["a/z /policy.yaml.gz"]);
    // What cannot be unpacked says so.
    let broken = folder.write("broken.tar.gz", &gz(&report)[..40]);
    assert_eq!(codes(&read(&broken))[0].0, "unreadable");
    let empty = folder.write("empty.tar", tar(&[("a.txt", "x")]));
    assert_eq!(codes(&read(&empty))[0].0, "no-manifests");
}

#[test]
fn a_long_dump_is_read_as_a_short_one() {
    let folder = Folder::new("dump");
    let (mut yaml, mut items) = ("apiVersion: v1\nitems:\n".to_owned(), Vec::new());
    for number in 0..1500 {
        let wrong = if number == 700 { "DNEY" } else { "DENY" };
        write!(
            yaml,
            "- apiVersion: v1\n  data:\n    text: |\n      kind: Pod\n\n      {}\n  kind: Secret\n  metadata: {{name: \
             s{number}}}\n- apiVersion: security.istio.io/v1\n  kind: AuthorizationPolicy\n  metadata:\n    name: p{number}\n    \
             namespace: a\n  spec:\n    action: {wrong}\n    rules: [{{}}]\n",
            "x".repeat(200)
        )
        .unwrap();
        items.push(serde_json::json!({"apiVersion": "v1", "kind": "Secret", "data": {"kind": "Pod", "x": "x".repeat(200)}}));
        items.push(serde_json::json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": format!("p{number}"), "namespace": "a"}, "spec": {"action": wrong, "rules": [{}]}}));
        items.push(serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "a"}}));
    }
    yaml += "kind: List\nmetadata:\n  resourceVersion: \"\"\n";
    let json = serde_json::to_string_pretty(
        &serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}),
    );
    for (name, text) in [("dump.yaml", yaml), ("dump.json", json.unwrap())] {
        let path = folder.write(name, &text);
        let loaded = read(&path);
        assert_eq!(
            (loaded.resources.authorization.len(), loaded.unread.kinds().collect::<Vec<_>>()),
            (1499, vec![("Secret", 1500)])
        );
        // Places are those of the text.
        let [found] = &loaded.diagnostics[..] else { panic!("{:?}", codes(&loaded)) };
        let line = text.lines().nth(found.at.line as usize - 1).unwrap();
        assert!(line.contains("DNEY"), "{name}: {found}: {line}");
        let last = &loaded.resources.authorization.last().unwrap().meta;
        let begins = text.lines().nth(last.at.line as usize - 1).unwrap();
        let column = last.at.column as usize - 1;
        assert!(
            begins.chars().skip(column).collect::<String>().starts_with(['a', '{']),
            "{name}: {begins} {column}"
        );
    }
    // All of it on one line: places are still found in one pass.
    let item = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "data": {"x": "x".repeat(500)}});
    let policy = serde_json::json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "last"}, "spec": {"action": "DNEY"}});
    let items: Vec<_> = std::iter::repeat_n(item, 40_000).chain([policy]).collect();
    let text = serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List"}).to_string();
    let loaded = read(&folder.write("line.json", &text));
    let [found] = &loaded.diagnostics[..] else { panic!("{:?}", codes(&loaded)) };
    let before: String = text.chars().take(found.at.column as usize - 1).collect();
    assert!(found.at.line == 1 && before.ends_with("\"action\":"), "{found}");
    // Too long for anything but a dump.
    let long = folder.write("long.yaml", format!("a: |\n{}", "  text\n".repeat(5 << 20)));
    assert_eq!(codes(&read(&long))[0].0, "too-big");
    let many: PathBuf = folder.0.join("long.yaml");
    fs::remove_file(many).unwrap();
}
