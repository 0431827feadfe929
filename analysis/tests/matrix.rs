//! Who may do what: cells against policies whose answer is known.
#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_analysis::{
    diff::{Change, State},
    matrix::{Cell, May, Part, callers, cell, change, lines},
};
use gnomon_engine::{Mesh, Workload, jwt::SoftwareCrypto, workload::ProxyKind};
use gnomon_manifests::{Loaded, load_text};

const STRICT: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: d, namespace: shop}\n\
    spec: {mtls: {mode: STRICT}}\n---\n";
const ISSUER: &str = "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: r, namespace: shop}\n\
    spec: {jwtRules: [{issuer: 'https://i.test'}]}\n---\n";

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n---\n"
    )
}

fn loaded(text: &str) -> Loaded {
    load_text(text, "p.yaml").unwrap()
}

/// `CALLER: everything`, `CALLER: GET /a`, for each caller.
fn cells(text: &str, proxy: ProxyKind) -> Vec<String> {
    let (loaded, mesh) = (loaded(text), Mesh::default());
    let workload = Workload { namespace: "shop".into(), proxy, ..Workload::default() };
    let state = State { resources: &loaded.resources, workload: &workload, mesh: &mesh };
    let said = |cell: Cell| {
        assert_eq!(cell.example.is_some(), matches!(cell.may, May::Everything | May::Something));
        match cell.may {
            May::Something => cell.requests.join("; "),
            may => format!("{may:?}").to_lowercase(),
        }
    };
    callers(&[(&loaded.inventory, &loaded.resources)], &mesh)
        .iter()
        .filter_map(|caller| {
            let cell = cell(state, caller, &Part::everything(false), 0, &SoftwareCrypto).unwrap()?;
            Some(format!("{}: {}", caller.name, said(cell)))
        })
        .collect()
}

#[test]
fn cells_of_one_workload() {
    let reads = policy(
        "{rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}], to: [{operation: {methods: [GET], paths: ['/a/*']}}]}]}",
    );
    assert_eq!(
        cells(&reads, ProxyKind::Sidecar),
        ["a/b: GET /a/*", "other identities: nothing", "plaintext: nothing"]
    );
    assert_eq!(cells("---\n", ProxyKind::Sidecar), ["other identities: everything", "plaintext: everything"]);
    assert_eq!(cells(STRICT, ProxyKind::Sidecar), ["other identities: everything", "plaintext: nothing"]);
    let token = policy("{rules: [{from: [{source: {requestPrincipals: ['https://i.test/*']}}]}]}");
    assert_eq!(
        cells(&(token + ISSUER), ProxyKind::Sidecar),
        ["other identities: nothing", "plaintext: nothing", "token of https://i.test: everything"]
    );
    // ztunnel knows nothing of tokens, and takes no rule on paths.
    assert_eq!(
        cells(&(reads + ISSUER), ProxyKind::Ztunnel),
        ["a/b: nothing", "other identities: nothing", "plaintext: nothing"]
    );
}

#[test]
fn what_changes_for_whom() {
    let rules = |methods: &str| {
        policy(&format!(
            "{{rules: [{{from: [{{source: {{namespaces: [a]}}}}], to: [{{operation: {{methods: [{methods}]}}}}]}}]}}"
        ))
    };
    let (old, new, mesh) = (loaded(&rules("GET, PUT")), loaded(&rules("GET, POST")), Mesh::default());
    let workload = Workload { namespace: "shop".into(), ..Workload::default() };
    let state = |of| State { resources: of, workload: &workload, mesh: &mesh };
    let found: Vec<String> = callers(&[(&new.inventory, &new.resources)], &mesh)
        .iter()
        .map(|caller| {
            let (a, b) = (state(&old.resources), state(&new.resources));
            let changes =
                change(a, b, caller, &Part::everything(false), 0, &SoftwareCrypto).unwrap().unwrap();
            let [more, less] =
                [Change::Allowed, Change::Denied].map(|way| lines(&changes, &[way], caller).join("; "));
            format!("{}: +{more} -{less}", caller.name)
        })
        .collect();
    assert_eq!(found, ["other identities: +POST from namespace a -PUT from namespace a", "plaintext: + -"]);
}
