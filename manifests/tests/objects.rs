//! Objects as people have them: what kubectl prints, JSON, lists, other kinds, metadata.

mod common;

use common::{check, object};
use gnomon_manifests::{Loaded, Reason, load_text, parse};

/// What is read, with or without errors.
fn read_text(text: &str, file: &str) -> Loaded {
    load_text(text, file).unwrap_or_else(|wrong| *wrong.loaded)
}

#[test]
fn what_kubectl_prints() {
    let text = r#"
apiVersion: v1
items:
- apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy"}
    creationTimestamp: "2025-05-04T07:04:01Z"
    generation: 2
    labels: {app: x}
    managedFields:
    - apiVersion: security.istio.io/v1
      fieldsType: FieldsV1
      fieldsV1: {"f:spec": {".": {}, "f:rules": {}}}
    name: viewer
    namespace: foo
    resourceVersion: "123"
    uid: 0c0c
  spec:
    rules:
    - to:
      - operation:
          methods: [GET]
  status:
    conditions:
    - {type: Reconciled, status: "True"}
- apiVersion: v1
  kind: Service
  metadata: {name: svc}
- apiVersion: security.istio.io/v1beta1
  kind: PeerAuthenticationList
  items:
  - apiVersion: security.istio.io/v1beta1
    kind: PeerAuthentication
    metadata: {name: default, namespace: foo, creationTimestamp: null}
    spec: {mtls: {mode: STRICT}}
kind: List
metadata: {resourceVersion: ""}
"#;
    let loaded = check("list", text, &[]);
    let policy = &loaded.resources.authorization[0];
    assert_eq!((policy.meta.name.as_str(), policy.meta.at.line), ("viewer", 4));
    assert_eq!(policy.meta.creation_timestamp.as_deref(), Some("2025-05-04T07:04:01Z"));
    assert_eq!(loaded.resources.peer_authentication.len(), 1);
    assert_eq!((loaded.unread.kinds().count(), loaded.inventory.services.len()), (0, 1));
}

#[test]
fn kinds_and_versions() {
    for (name, text, expected) in [
        ("other kinds", "apiVersion: apps/v1\nkind: Deployment\nspec: [1]\n---\nkind: Foo\n", &[][..]),
        ("empty documents", "---\n---\n# nothing\n---\n~\n", &[]),
        ("no object", "«- 1\n", &["?not-an-object"]),
        ("no object", "«hello\n", &["?not-an-object"]),
        ("a JSON patch", "«- {op: add, path: /spec}\n", &["?not-an-object"]),
        ("a part", "«kind: PeerAuthentication\n$patch: delete\n", &["?not-an-object"]),
        ("a playbook", "«- {hosts: all, tasks: []}\n", &["?not-an-object"]),
        ("values of a chart", "«replicas: 1\n", &["?missing-kind"]),
        ("no kind", "«apiVersion: security.istio.io/v1\nmetadata: {name: a}\n", &["!missing-kind"]),
        ("no version", "«kind: PeerAuthentication\nmetadata: {name: a}\n", &["!missing-api-version"]),
        (
            "old version",
            "apiVersion: «security.istio.io/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a}\n",
            &["!unsupported-version apiVersion"],
        ),
        (
            "misspelt kind",
            "apiVersion: security.istio.io/v1\nkind: «AuthorisationPolicy\nmetadata: {name: a}\n",
            &["?unknown-kind kind"],
        ),
        (
            "misspelt group",
            "apiVersion: «securty.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n",
            &["?unknown-group apiVersion"],
        ),
        (
            "another project's kind",
            "apiVersion: policy.linkerd.io/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n",
            &[],
        ),
        ("null in a list", "kind: List\nitems:\n- «\n- kind: Foo\n", &["?not-an-object items[0]"]),
        ("no metadata", "«apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n", &["!missing-name"]),
        (
            "no name",
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: «{namespace: a}\n",
            &["!missing-name metadata"],
        ),
        (
            "bad names",
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: «A_b, namespace: «a.b}\n",
            &["!bad-name metadata.name", "!bad-name metadata.namespace"],
        ),
        (
            "name of a wrong type",
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: «1}\n",
            &["!wrong-type metadata.name"],
        ),
    ] {
        check(name, text, expected);
    }
    let unread = read_text("kind: A\n---\nkind: A\n---\nkind: B\n---\n{}\n", "t").unread;
    assert_eq!(unread.kinds().collect::<Vec<_>>(), [("A", 2), ("B", 1)]);
    assert_eq!(unread.others().collect::<Vec<_>>(), [(&Reason::NoObject, 1)]);
}

#[test]
fn namespaces() {
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n";
    assert_eq!(read_text(text, "t").resources.peer_authentication[0].meta.namespace, "default");
}

#[test]
fn the_same_object_twice() {
    let one = object("PeerAuthentication", "mtls: {mode: STRICT}");
    let other = one.replace("STRICT", "DISABLE");
    let text = format!("{one}---\n«{other}---\n{}", one.replace("namespace: ns", "namespace: other"));
    let loaded = check("twice", &text, &["!duplicate-object"]);
    assert_eq!(loaded.diagnostics[0].message, "two objects have this name: the first is in t.yaml:1:1");
    // Which of two equals is meant does not matter.
    assert_eq!(check("equal", &format!("{one}---\n{one}"), &[]).resources.peer_authentication.len(), 1);
}

#[test]
fn json() {
    let text = "{\n\t\"apiVersion\": \"security.istio.io/v1\",\n\t\"kind\": \"AuthorizationPolicy\",\n\t\
                \"metadata\": {\"name\": \"p\"},\n\t\"spec\": {\"action\": «\"NO\", \"rules\":[{\"to\":[{\"operation\":{\"ports\":[«80]}}]}]}\n}\n";
    check(
        "tabs",
        text,
        &["!unknown-value spec.action", "!wrong-type spec.rules[0].to[0].operation.ports[0]"],
    );
    // No YAML: a surrogate pair.
    let (nodes, problems) = parse(r#"{"a": "\ud83d\ude00\/"}"#, "t");
    assert_eq!(problems, []);
    assert_eq!(nodes[0].get("a").and_then(|node| node.as_str()), Some("😀/"));
}

#[test]
fn all_problems_of_all_documents() {
    let text = format!(
        "{}---\n{}---\n{}",
        object("PeerAuthentication", "mtls: {mode: «no-mode}"),
        object("AuthorizationPolicy", "rules: [{form: []}]").replace("{form", "{«form"),
        "a: «*nothing\n"
    );
    check(
        "three",
        &text,
        &["!unknown-value spec.mtls.mode", "?unknown-field spec.rules[0].form", "!yaml-syntax"],
    );
}

#[test]
fn problems_are_bounded() {
    let ports = "x,".repeat(5_000);
    let loaded = read_text(
        &object("AuthorizationPolicy", &format!("rules: [{{to: [{{operation: {{ports: [{ports}]}}}}]}}]")),
        "t",
    );
    assert_eq!(loaded.diagnostics.len(), 1_001);
    assert!(loaded.diagnostics.iter().any(|found| found.code == "too-many-problems"));
    assert!(loaded.resources.authorization.is_empty());
}

#[test]
fn unknown_fields_are_bounded() {
    let fields: String = (0..100_000).map(|n| format!("selectr{n}: x\n")).collect();
    let loaded = read_text(&object("AuthorizationPolicy", &fields), "t");
    assert_eq!(loaded.diagnostics.len(), 1_001);
    assert!(!loaded.has_errors());
}

#[test]
fn problems_of_many_objects_are_bounded() {
    let objects = "kind: PeerAuthentication\n---\n".repeat(3_000);
    let list = format!("kind: List\nitems: [{}]", "{kind: PeerAuthentication},".repeat(3_000));
    for text in [objects, list] {
        let loaded = read_text(&text, "t");
        assert!((1_001..1_010).contains(&loaded.diagnostics.len()), "{}", loaded.diagnostics.len());
        assert_eq!(loaded.diagnostics.last().map(|found| found.code), Some("too-many-problems"));
    }
}

/// Warnings have a bound of their own: however many there are, the text is read to its end and nothing is refused.
#[test]
fn warnings_are_bounded_and_refuse_nothing() {
    let policy = |index: usize| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: p{index}}}\nspec: {{mtsl: {{}}}}\n"
        )
    };
    let objects: Vec<String> = (0..2_500).map(policy).collect();
    let list =
        objects.iter().map(|text| format!("- {}", text.trim_end().replace('\n', "\n  "))).collect::<Vec<_>>();
    for text in [objects.join("---\n"), format!("kind: List\nitems:\n{}\n", list.join("\n"))] {
        let loaded = read_text(&text, "t");
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.last());
        assert_eq!(loaded.resources.peer_authentication.len(), 2_500);
        assert_eq!(loaded.diagnostics.len(), 1_001);
        assert_eq!(loaded.diagnostics.iter().filter(|found| found.code == "too-many-problems").count(), 1);
    }
    // An error behind so many warnings is still found.
    let broken =
        format!("{}---\n{}", objects.join("---\n"), policy(9_999).replace("mtsl: {}", "mtls: {mode: NO}"));
    assert!(read_text(&broken, "t").has_errors());
}

#[test]
fn lists_in_lists() {
    let deep = (0..100).fold("{kind: Foo}".to_string(), |inner, _| {
        if inner.len() > 1_000 { inner } else { format!("{{kind: List, items: [{inner}]}}") }
    });
    let loaded = read_text(&deep, "t");
    assert_eq!(loaded.diagnostics[0].code, "list-too-deep");
}
