//! The same policies under two versions of Istio: which verdicts change, and which advisories concern them.
#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_analysis::{
    diff::{Changes, State, document, of_versions},
    upgrade::{State as Stands, notes},
};
use gnomon_engine::{Mesh, Workload, jwt::SoftwareCrypto, workload::IstioVersion};
use gnomon_manifests::{Loaded, load_text};

const NOW: i64 = 1_795_000_000;

fn policy(action: &str, rule: &str) -> Loaded {
    let text = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: shop}}\nspec:\n  \
         action: {action}\n  rules: [{rule}]\n"
    );
    load_text(&text, "a.yaml").unwrap()
}

fn version(text: &str) -> IstioVersion {
    IstioVersion::parse(text).unwrap()
}

fn upgraded(loaded: &Loaded, from: &str, to: &str) -> Changes {
    let mesh = |text| Mesh { istio_version: version(text), ..Mesh::default() };
    let (old, new) = (mesh(from), mesh(to));
    let workload = Workload { namespace: "shop".into(), ..Workload::default() };
    let state = |mesh| State { resources: &loaded.resources, workload: &workload, mesh };
    of_versions(state(&old), state(&new), NOW, &SoftwareCrypto, Default::default()).unwrap()
}

/// Envoy's fix of CVE-2026-73551 (Istio 1.29.7): the path is another one, before any policy is asked.
#[test]
fn a_path_that_is_read_otherwise() {
    let denied = policy("DENY", "{to: [{operation: {paths: [/internal, /internal/*]}}]}");
    let changes = upgraded(&denied, "1.29.6", "1.29.7");
    assert_eq!(changes.newly_denied.unwrap().request.path, "/x/..;/internal");
    assert!(changes.newly_allowed.unwrap().request.path.starts_with("/internal/..;"));
    assert_eq!(changes.except, ["paths with a segment such as `/..;x`"]);
    // Both read it alike.
    let same = upgraded(&denied, "1.29.7", "1.30.4");
    assert!(same.is_equivalent() && same.except.is_empty());
    // Nobody looks at the path.
    let methods = policy("DENY", "{to: [{operation: {methods: [GET]}}]}");
    assert!(upgraded(&methods, "1.29.6", "1.29.7").except.is_empty());
}

/// Who is let in by one rule alone shows a change that whoever may do everything does not.
#[test]
fn of_several_callers_the_one_who_is_concerned() {
    let both = policy(
        "ALLOW",
        "{from: [{source: {namespaces: [admin]}}]}, {from: [{source: {namespaces: [jobs]}}], to: [{operation: {paths: \
         [/reports/*]}}]}",
    );
    let changes = upgraded(&both, "1.29.6", "1.29.7");
    for found in [changes.newly_allowed.unwrap(), changes.newly_denied.unwrap()] {
        assert!(document(&found.request).to_string().contains("/ns/jobs/"), "{found:?}");
    }
}

/// Envoy's fix of CVE-2026-26308 (Istio 1.28.5): a header of two lines.
#[test]
fn a_header_that_is_read_otherwise() {
    let denied = policy("DENY", r#"{when: [{key: "request.headers[x-role]", values: [guest]}]}"#);
    let changes = upgraded(&denied, "1.28.4", "1.28.5");
    let found = changes.newly_denied.unwrap();
    assert_eq!(found.request.headers.iter().filter(|(name, _)| name == "x-role").count(), 2);
    assert_eq!(changes.except, ["headers of several lines"]);
    assert!(upgraded(&denied, "1.28.5", "1.29.1").is_equivalent());
}

/// Envoy 1.40 refuses QUERY without a content-type; no policy is asked.
#[test]
fn a_method_that_is_read_otherwise() {
    let changes = upgraded(&policy("ALLOW", "{to: [{operation: {methods: [GET]}}]}"), "1.31.0", "1.32.0");
    assert!(changes.is_equivalent());
    assert_eq!(changes.except, ["the method QUERY without a content-type"]);
}

#[test]
fn what_concerns_policies() {
    let told = |rule: &str, from: &str, to: &str| -> Vec<(&'static str, Stands)> {
        let found = notes(&policy("ALLOW", rule).resources, version(from), version(to));
        assert!(
            found.iter().all(|note| note.policies.len() == 1 && note.link.starts_with("https://istio.io/"))
        );
        found.iter().map(|note| (note.advisory, note.state)).collect()
    };
    let dotted = r#"{from: [{source: {serviceAccounts: ["shop/a.b"]}}]}"#;
    let [accounts, names] =
        ["ISTIO-SECURITY-2026-003 (CVE-2026-39350)", "ISTIO-SECURITY-2026-005 (CVE-2026-47778)"];
    assert_eq!(told(dotted, "1.28.5", "1.28.6"), [(accounts, Stands::New), (names, Stands::Open)]);
    assert_eq!(told(dotted, "1.30.4", "1.29.1"), [(accounts, Stands::Lost), (names, Stands::Lost)]);
    assert_eq!(told(dotted, "1.30.4", "1.32"), []);
    // A name without a dot was literal all the time.
    let plain = r#"{from: [{source: {serviceAccounts: ["shop/ab"]}}]}"#;
    assert_eq!(told(plain, "1.28.5", "1.28.6"), [(names, Stands::Open)]);
    assert_eq!(told("{to: [{operation: {methods: [GET]}}]}", "1.24", "1.32"), []);
    assert_eq!(told(plain, "1.24", "1.25"), [("", Stands::New), (names, Stands::Open)]);
}

/// What was found by examples stands in the summary, at the rules that decide, and the summary says that it is not all.
#[test]
fn examples_are_lines_of_the_summary() {
    let denied = policy("DENY", "{to: [{operation: {paths: [/internal, /internal/*]}}]}");
    let changes = upgraded(&denied, "1.29.6", "1.29.7");
    let lines: Vec<(&str, u32, u32)> =
        changes.summary.iter().map(|line| (line.requests.as_str(), line.old.line, line.new.line)).collect();
    let paths = "paths with a segment such as `/..;x`";
    assert_eq!(lines, [(paths, 0, 6), (paths, 6, 0)]);
    assert!(!changes.complete);
}
