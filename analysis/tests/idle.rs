//! Rules that make no difference, and rules that do.
#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_analysis::{
    diff::{State, of_workload},
    idle::{Why, rules},
    lint,
};
use gnomon_engine::{Mesh, Workload, jwt::SoftwareCrypto, workload::IstioVersion};
use gnomon_manifests::load_text;

/// `read rule 1: covered by read rule 0`, for each rule that makes no difference.
fn idle(policies: &[(&str, &str, &str)]) -> Vec<String> {
    let mut text = String::new();
    for (name, action, rules) in policies {
        text += &format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{action: {action}, rules: {rules}}}\n---\n"
        );
    }
    let resources = load_text(&text, "policies.yaml").unwrap().resources;
    let workload = Workload { namespace: "shop".into(), ..Workload::default() };
    let mesh = Mesh { istio_version: IstioVersion::minor(32), ..Mesh::default() };
    let state = State { resources: &resources, workload: &workload, mesh: &mesh };
    let found = rules(state, Default::default()).unwrap();
    let name = |origin: &gnomon_engine::plan::Origin| format!("{} rule {}", origin.policy.name, origin.index);
    found
        .iter()
        .map(|one| match &one.why {
            Why::MatchesNothing => format!("{}: matches nothing", name(&one.rule)),
            Why::CoveredBy(by) => {
                let by: Vec<String> = by.iter().map(name).collect();
                format!("{}: covered by {}", name(&one.rule), by.join(", "))
            }
            Why::RefusedAnyway => format!("{}: refused anyway", name(&one.rule)),
        })
        .collect()
}

#[test]
fn what_makes_no_difference() {
    let read = ("read", "ALLOW", "[{to: [{operation: {paths: ['/api/*'], ports: ['80']}}]}]");
    let none: [String; 0] = [];
    assert_eq!(idle(&[read]), none);
    let narrower = ("some", "ALLOW", "[{to: [{operation: {paths: ['/api/a', '/api/b/*'], ports: ['80']}}]}]");
    assert_eq!(idle(&[read, narrower]), ["some rule 0: covered by read rule 0"]);
    // Together, not one alone.
    let halves = (
        "halves",
        "ALLOW",
        "[{to: [{operation: {methods: [GET], ports: ['81']}}]}, {to: [{operation: {notMethods: [GET], ports: ['81']}}]}]",
    );
    let whole = ("whole", "ALLOW", "[{to: [{operation: {paths: ['/x'], ports: ['81']}}]}]");
    assert_eq!(idle(&[halves, whole]), ["whole rule 0: covered by halves rule 0, halves rule 1"]);
    let empty =
        ("never", "ALLOW", "[{to: [{operation: {methods: [GET], notMethods: ['*'], ports: ['80']}}]}]");
    assert_eq!(idle(&[read, empty]), ["never rule 0: matches nothing"]);
    let rewritten = ("dots", "ALLOW", "[{to: [{operation: {paths: ['/api/../x'], ports: ['80']}}]}]");
    assert_eq!(idle(&[read, rewritten]), ["dots rule 0: matches nothing"]);
    let denied = ("deny", "DENY", "[{to: [{operation: {paths: ['/other/*'], ports: ['80']}}]}]");
    // On TCP it denies the whole port, but nothing is allowed there anyway.
    assert_eq!(idle(&[read, denied]), ["deny rule 0: refused anyway"]);
    let all = ("all", "DENY", "[{to: [{operation: {ports: ['80']}}]}]");
    assert_eq!(idle(&[read, all]), ["read rule 0: refused anyway"]);
    assert_eq!(idle(&[all]), none);
    let twice = ("again", "ALLOW", read.2);
    assert_eq!(
        idle(&[read, twice]),
        ["again rule 0: covered by read rule 0", "read rule 0: covered by again rule 0"]
    );
}

/// The manifests with what lints propose to take out: every request fares as before, and nothing more is to be taken out.
#[test]
fn what_is_taken_out_changes_nothing() {
    let rule = |operation: &str| format!("  - to: [{{operation: {{{operation}}}}}]\n");
    let policy = |name: &str, rules: &[&str]| {
        let rules: String = rules.iter().map(|operation| rule(operation)).collect();
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec:\n  rules:\n{rules}---\n"
        )
    };
    // Each of the first three is covered by the others, and so are both of the same wording.
    let before =
        policy("p", &["methods: [GET, PUT]", "methods: [PUT, POST]", "methods: [GET, POST]", "hosts: [a]"])
            + &policy(
                "q",
                &["paths: ['/a/*']", "paths: ['/a/b', '/a/c']", "paths: ['/a/*'], methods: ['*']"],
            );
    let mesh = Mesh::default();
    let found = |text: &str| {
        let loaded = load_text(text, "p.yaml").unwrap();
        let wanted = |lint: &lint::Lint| lint.code == "idle-rule";
        let mut settings = lint::Settings::new(&mesh);
        settings.wanted = &wanted;
        lint::findings(&loaded, &settings, &|_| None)
    };
    let findings = found(&before);
    let fixed = lint::apply(&findings, &|_| Some(before.clone()));
    let after = fixed.texts.get("p.yaml").unwrap();
    assert_eq!(fixed.mended.len(), 3, "{after}");
    assert_eq!(after.matches("- to").count(), 4, "{after}");
    assert!(found(after).is_empty(), "{after}");
    let workload = Workload { namespace: "shop".into(), ..Workload::default() };
    let [old, new] = [&before, after].map(|text| load_text(text, "p.yaml").unwrap().resources);
    let state = |resources| State { resources, workload: &workload, mesh: &mesh };
    let changes = of_workload(state(&old), state(&new), 0, &SoftwareCrypto, Default::default()).unwrap();
    assert!(changes.is_equivalent(), "{changes:?}");
}
