//! Which policies apply to a workload, at which level, and why the others do not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code may be blunt")]

use gnomon_engine::{
    Mesh, Node, Plan, Workload,
    attach::{Attachment, Level, attachments, not_applied},
    decode,
    request::{Peer, Request},
    resource::Resources,
    workload::{IstioVersion, ProxyKind},
};
use serde_json::{Value, json};
use std::sync::Arc;

fn decoded(manifests: &[Value]) -> Resources {
    let (mut resources, mut found) = (Resources::default(), Vec::new());
    for manifest in manifests {
        let node: Node = serde_json::from_value(manifest.clone()).unwrap();
        decode::object(&node, &Arc::from("p.json"), &mut resources, &mut found);
        decode::surroundings(&node, &mut resources);
    }
    assert!(found.iter().all(|one| one.code == "empty-selector"), "{found:?}");
    resources
}

fn policy(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

fn authorization(namespace: &str, name: &str, spec: Value) -> Value {
    policy("AuthorizationPolicy", namespace, name, &spec)
}

fn peer(namespace: &str, name: &str, stamp: Option<&str>, spec: Value) -> Value {
    let mut object = policy("PeerAuthentication", namespace, name, &spec);
    if let Some(stamp) = stamp {
        object["metadata"]["creationTimestamp"] = stamp.into();
    }
    object
}

fn web(proxy: ProxyKind) -> Workload {
    Workload {
        namespace: "shop".into(),
        labels: vec![("app".into(), "web".into())],
        proxy,
        ..Workload::default()
    }
}

/// `name: code: why`, of those that do not apply.
fn told(manifests: &[Value], workload: &Workload, mesh: &Mesh) -> Vec<String> {
    let resources = decoded(manifests);
    let told = not_applied(&resources, workload, mesh);
    let told: Vec<String> = told
        .iter()
        .map(|one| {
            let report = one.report();
            format!("{}: {}: {}", report.policy, report.reason, report.why)
        })
        .collect();
    let plan = Plan::build(&resources, workload, mesh);
    assert_eq!(plan.not_applied(), told.len(), "the plan counts the same");
    told
}

#[test]
fn each_has_its_reason() {
    let front = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"}]);
    let strict = json!({"mtls": {"mode": "STRICT"}});
    let manifests = [
        authorization("shop", "here", json!({"selector": {"matchLabels": {"app": "web"}}})),
        authorization(
            "shop",
            "other-label",
            json!({"selector": {"matchLabels": {"app": "db", "tier": "back"}}}),
        ),
        authorization("bank", "other-namespace", json!({})),
        authorization("shop", "gateway", json!({"targetRefs": front})),
        policy(
            "RequestAuthentication",
            "shop",
            "tokens",
            &json!({"selector": {"matchLabels": {"app": "db"}}, "jwtRules": [{"issuer": "a"}]}),
        ),
        peer("shop", "a", Some("2024-01-01T00:00:00Z"), strict.clone()),
        peer("shop", "b", Some("2025-01-01T00:00:00Z"), json!({"mtls": {"mode": "DISABLE"}})),
        peer("istio-system", "rooted", None, json!({"selector": {"matchLabels": {"app": "web"}}})),
    ];
    assert_eq!(
        told(&manifests, &web(ProxyKind::Sidecar), &Mesh::default()),
        [
            "shop/other-label: labels: label app is web, the selector wants db; the selector wants label tier=back, \
             the workload has none",
            "bank/other-namespace: other-namespace: it is in the namespace bank; the workload is in shop, the root \
             namespace is istio-system",
            "shop/gateway: targets-unread: it targets Gateway front; targetRefs never reach a sidecar",
            "shop/tokens: labels: label app is web, the selector wants db",
            "shop/b: older: shop/a is older, and of one level only the oldest counts",
            "istio-system/rooted: selector-in-root: a PeerAuthentication with a selector counts nowhere in the root \
             namespace",
        ]
    );
}

#[test]
fn each_has_its_reason_at_a_waypoint_at_ztunnel_and_at_agentgateway() {
    let of_service = json!({"targetRefs": [{"kind": "Service", "name": "api"}]});
    let custom = json!({"action": "CUSTOM", "provider": {"name": "p"}, "rules": [{}]});
    let mut dry = authorization("shop", "dry", json!({}));
    dry["metadata"]["annotations"] = json!({"istio.io/dry-run": "true"});
    let manifests = [
        authorization("shop", "plain", json!({})),
        authorization("shop", "service", of_service),
        authorization("shop", "empty", json!({"selector": {}})),
        authorization("shop", "custom", custom),
        dry,
        policy("RequestAuthentication", "shop", "tokens", &json!({"jwtRules": [{"issuer": "a"}]})),
        peer("istio-system", "mesh", None, json!({"selector": {}, "mtls": {"mode": "STRICT"}})),
    ];
    let codes = |workload: &Workload| -> Vec<String> {
        let told = told(&manifests, workload, &Mesh::default());
        told.iter().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect()
    };
    let waypoint = Workload { services: vec!["web".into()], ..web(ProxyKind::Waypoint) };
    assert_eq!(
        codes(&waypoint),
        [
            "shop/plain: no-targets",
            "shop/service: other-targets",
            "shop/empty: no-targets",
            "shop/custom: no-targets",
            "shop/dry: no-targets",
            "shop/tokens: no-targets",
        ]
    );
    assert_eq!(
        codes(&web(ProxyKind::Ztunnel)),
        [
            "shop/service: targets-unread",
            "shop/empty: empty-selector",
            "shop/custom: action-at-ztunnel",
            "shop/dry: dry-run-at-ztunnel",
            "shop/tokens: tokens-at-ztunnel",
            "istio-system/mesh: empty-selector",
        ]
    );
    let all = codes(&web(ProxyKind::Agentgateway));
    assert_eq!(all.len(), manifests.len());
    assert!(all.iter().all(|line| line.ends_with(": agentgateway")), "{all:?}");
}

#[test]
fn what_an_older_istio_refuses_does_not_apply() {
    let mesh = Mesh { istio_version: IstioVersion::parse("1.24").unwrap(), ..Mesh::default() };
    let rules = json!({"rules": [{"from": [{"source": {"serviceAccounts": ["a"]}}]}]});
    let told = told(&[authorization("shop", "accounts", rules)], &web(ProxyKind::Sidecar), &mesh);
    assert_eq!(told, ["shop/accounts: not-taken: Istio 1.24 does not take it"]);
}

#[test]
fn those_that_apply_say_at_which_level() {
    let manifests = [
        authorization("istio-system", "mesh", json!({})),
        authorization("shop", "namespace", json!({})),
        authorization("shop", "workload", json!({"selector": {"matchLabels": {"app": "web"}}})),
        peer("istio-system", "mesh", None, json!({})),
        peer("shop", "namespace", None, json!({"selector": {}})),
        peer("shop", "workload", None, json!({"selector": {"matchLabels": {"app": "web"}}})),
    ];
    let (resources, workload, mesh) = (decoded(&manifests), web(ProxyKind::Sidecar), Mesh::default());
    let levels: Vec<Attachment<'_>> =
        attachments(&resources, &workload, &mesh).into_iter().map(|(_, attachment)| attachment).collect();
    let three = [Level::Mesh, Level::Namespace, Level::Workload].map(Attachment::Applies);
    assert_eq!(levels, [three.clone(), three].concat());
}

/// Each without a time stamp may be the oldest; of those that have one only the oldest may.
#[test]
fn without_time_stamps_nobody_knows_which_is_the_oldest() {
    let spec = |mode: &str| json!({"mtls": {"mode": mode}});
    let manifests = [
        peer("shop", "c", None, spec("STRICT")),
        peer("shop", "a", None, spec("PERMISSIVE")),
        peer("shop", "old", Some("2024-01-01T00:00:00Z"), spec("STRICT")),
        peer("shop", "new", Some("2025-01-01T00:00:00Z"), spec("STRICT")),
    ];
    let why = "only the oldest of its level counts, and without creationTimestamp nothing says whether that is this \
               one or";
    assert_eq!(
        told(&manifests, &web(ProxyKind::Sidecar), &Mesh::default()),
        [
            format!("shop/c: age-unknown: {why} shop/a or one of 1 more"),
            format!("shop/a: age-unknown: {why} shop/c or one of 1 more"),
            format!("shop/old: age-unknown: {why} shop/a or one of 1 more"),
            "shop/new: older: shop/old is older, and of one level only the oldest counts".to_string(),
        ]
    );
    let resources = decoded(&manifests);
    let plan = Plan::build(&resources, &web(ProxyKind::Sidecar), &Mesh::default());
    let verdict = plan.evaluate(&Request { peer: Peer::Plaintext, ..Request::tcp() }, &NoKeys);
    assert_eq!(
        verdict.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["creationTimestamp of PeerAuthentication shop/a, shop/c and shop/old"]
    );
    assert!(verdict.reason().contains("shop/a, shop/c and shop/old"), "{}", verdict.reason());
}

struct NoKeys;

impl gnomon_engine::jwt::Crypto for NoKeys {
    fn verify(
        &self,
        _: gnomon_engine::jwt::Algorithm,
        _: &gnomon_engine::jwt::Key,
        _: &[u8],
        _: &[u8],
    ) -> gnomon_engine::jwt::Signature {
        gnomon_engine::jwt::Signature::Bad
    }
}
