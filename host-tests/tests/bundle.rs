//! What `gnomon bundle` prints, against what Istio publishes and in real Envoy.
#![allow(clippy::unwrap_used, reason = "test code may be blunt")]

use gnomon_analysis::bundle::{self, Kind, OBJECT_LIMIT, Plugin};
use gnomon_engine::{
    Mesh, Position, Workload,
    attach::Subject,
    request::Protocol,
    resource::{TargetKind, TargetRef, manifest::manifests},
    workload::ProxyKind,
};
use gnomon_host_tests::{Bootstrap, Connection, Dial, Envoy, Listener, RequestBytes, access_log, filter};
use gnomon_manifests::load_text;
use serde_json::{Value, json};

/// A field's place (`[]` for elements), its type, and its words where only some are allowed. From the schemas of
/// `extensions.istio.io/v1alpha1` in Istio 1.30's CRDs.
type Field = (&'static str, &'static str, &'static [&'static str]);

const PLACEMENT: &[Field] = &[
    ("spec.selector.matchLabels.*", "string", &[]),
    ("spec.targetRefs[].group", "string", &["", "core", "gateway.networking.k8s.io", "networking.istio.io"]),
    ("spec.targetRefs[].kind", "string", &["Gateway", "GatewayClass", "Service", "ServiceEntry"]),
    ("spec.targetRefs[].name", "string", &[]),
    ("spec.phase", "string", &["AUTHN", "AUTHZ", "STATS"]),
    ("spec.priority", "number", &[]),
    ("spec.match[].mode", "string", &["CLIENT", "SERVER", "CLIENT_AND_SERVER"]),
    ("spec.match[].ports[].number", "number", &[]),
];
/// Under `spec` in a WasmPlugin, under `spec.wasm` in a TrafficExtension.
const MODULE: &[Field] = &[
    ("url", "string", &[]),
    ("sha256", "string", &[]),
    ("imagePullPolicy", "string", &["IfNotPresent", "Always"]),
    ("imagePullSecret", "string", &[]),
    ("pluginName", "string", &[]),
    ("failStrategy", "string", &["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]),
    ("type", "string", &["HTTP", "NETWORK"]),
    ("vmConfig.env[].name", "string", &[]),
    ("vmConfig.env[].value", "string", &[]),
];

/// What is in `value` that the tables do not allow. `pluginConfig` is the filter's own.
fn unpublished(module: &str, path: &str, value: &Value, found: &mut Vec<String>) {
    let plugin_config = format!("{module}.pluginConfig");
    if path == plugin_config {
        return;
    }
    let of_module = path.strip_prefix(module).and_then(|rest| rest.strip_prefix('.'));
    let entry = PLACEMENT
        .iter()
        .find(|(name, ..)| {
            *name == path || (path.starts_with("spec.selector.matchLabels.") && name.ends_with(".*"))
        })
        .or_else(|| MODULE.iter().find(|(name, ..)| Some(*name) == of_module));
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| unpublished(module, &format!("{path}.{name}"), value, found)),
        Value::Array(items) => {
            items.iter().for_each(|item| unpublished(module, &format!("{path}[]"), item, found));
        }
        Value::String(text) => {
            let right = |(_, kind, words): &Field| {
                *kind == "string" && (words.is_empty() || words.contains(&text.as_str()))
            };
            if !entry.is_some_and(right) {
                found.push(format!("{path}: {text}"));
            }
        }
        other => found.push(format!("{path}: {other}")),
    }
}

const POLICIES: &str = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  rules:
  - to: [{operation: {methods: [GET], paths: ["/api/*"]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: elsewhere, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
"#;

fn web() -> Workload {
    Workload { namespace: "shop".into(), labels: vec![("app".into(), "web".into())], ..Workload::default() }
}

/// The policies above as a candidate for `web`.
fn candidate(workload: &Workload) -> Vec<Value> {
    let loaded = load_text(POLICIES, "policies.yaml").unwrap();
    let mesh = Mesh::default();
    let reach = Subject::within_reach(&loaded.resources, workload, &[], &mesh, false);
    let (selected, left_out) = bundle::select(&loaded.resources, &reach);
    assert_eq!((selected.authorization.len(), left_out), (1, 1));
    manifests(&selected)
}

fn plugin<'a>(
    workload: &'a Workload,
    targets: &'a [TargetRef],
    image: &'a str,
    configuration: Value,
) -> Plugin<'a> {
    Plugin {
        name: "gnomon-shadow",
        namespace: &workload.namespace,
        labels: &workload.labels,
        targets,
        proxy: workload.proxy,
        protocol: Protocol::Http,
        image,
        sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        pull_secret: "registry",
        configuration,
    }
}

#[test]
fn every_field_is_one_that_istio_publishes() {
    let targets = [
        (TargetKind::Gateway, "front"),
        (TargetKind::GatewayClass, "istio-waypoint"),
        (TargetKind::Service, "web"),
        (TargetKind::ServiceEntry, "out"),
    ];
    let targets: Vec<TargetRef> = targets
        .into_iter()
        .map(|(kind, name)| TargetRef { kind, name: name.into(), at: Position::default() })
        .collect();
    for (kind, module) in [(Kind::WasmPlugin, "spec"), (Kind::TrafficExtension, "spec.wasm")] {
        for proxy in [ProxyKind::Sidecar, ProxyKind::Gateway, ProxyKind::Waypoint] {
            for protocol in [Protocol::Http, Protocol::Tcp] {
                for targets in [&[][..], &targets] {
                    let workload = Workload { proxy, ..web() };
                    let configuration = json!({"candidate": {"resources": [{"free": ["form", 1]}]}});
                    let mut plugin =
                        plugin(&workload, targets, "oci://a.example/gnomon:1", configuration.clone());
                    plugin.protocol = protocol;
                    let object = bundle::object(kind, &plugin);
                    assert_eq!(object["apiVersion"], "extensions.istio.io/v1alpha1");
                    assert_eq!(object["kind"], format!("{kind:?}"));
                    assert_eq!(object["metadata"], json!({"name": "gnomon-shadow", "namespace": "shop"}));
                    let mut found = Vec::new();
                    unpublished(module, "spec", &object["spec"], &mut found);
                    assert!(found.is_empty(), "{kind:?}: {found:?}");
                    let of_module =
                        |name| object.pointer(&format!("/{}/{name}", module.replace('.', "/"))).unwrap();
                    assert_eq!(of_module("url"), "oci://a.example/gnomon:1");
                    assert_eq!(of_module("failStrategy"), "FAIL_OPEN");
                    assert_eq!(of_module("pluginConfig"), &configuration);
                    assert_eq!(object["spec"]["phase"], "AUTHN");
                    let mode = if proxy == ProxyKind::Gateway { "CLIENT" } else { "SERVER" };
                    assert_eq!(object["spec"]["match"], json!([{"mode": mode}]));
                    // Istio takes only one of them.
                    assert_eq!(object["spec"]["selector"].is_null(), !targets.is_empty());
                    assert_eq!(object["spec"]["targetRefs"].is_null(), targets.is_empty());
                }
            }
        }
    }
    // The check itself finds what is wrong.
    let wrong =
        json!({"spec": {"phase": "AUTHN_FIRST", "failstrategy": "FAIL_OPEN", "match": [{"mode": 1}]}});
    let mut found = Vec::new();
    unpublished("spec", "spec", &wrong["spec"], &mut found);
    assert_eq!(found.len(), 3, "{found:?}");
}

/// What istiod makes of a WasmPlugin or a TrafficExtension: the configuration as JSON text, nothing else of it reaches
/// the proxy unchanged.
fn as_istio_passes_it(object: &Value, wasm: &std::path::Path) -> Value {
    let spec = &object["spec"];
    let module = if spec["wasm"].is_null() { spec } else { &spec["wasm"] };
    filter::http_filter(wasm, &module["pluginConfig"])
}

#[test]
fn envoy_evaluates_what_is_bundled() {
    let wasm = filter::wasm().unwrap();
    let image = wasm.to_string_lossy().into_owned();
    let workload = web();
    let carried = candidate(&workload);
    let mesh = Mesh { trust_domain: "example.org".into(), ..Mesh::default() };
    let fields = bundle::workload_fields(&workload);
    let mut listeners = Vec::new();
    for (form, candidate) in
        [("plain", json!({"resources": carried})), ("packed", bundle::packed_list(&carried))]
    {
        for kind in [Kind::WasmPlugin, Kind::TrafficExtension, Kind::Envoy] {
            let told = (kind == Kind::Envoy).then(|| fields.clone());
            let configuration = bundle::configuration(
                candidate.clone(),
                told,
                &mesh,
                json!({"log": "none", "filterState": "all"}),
            );
            let object = bundle::object(kind, &plugin(&workload, &[], &image, configuration));
            let entry = if kind == Kind::Envoy { object } else { as_istio_passes_it(&object, &wasm) };
            listeners.push(Listener::http(&format!("{kind:?}-{form}"), vec![entry]));
        }
    }
    // And the native module, alone and as Istio would put it there.
    let module = filter::module().unwrap().to_string_lossy().into_owned();
    for kind in [Kind::ModuleEnvoy, Kind::Module] {
        let candidate = json!({"resources": carried});
        let told = (kind == Kind::ModuleEnvoy).then(|| fields.clone());
        let configuration =
            bundle::configuration(candidate, told, &mesh, json!({"log": "none", "filterState": "all"}));
        let object = bundle::object(kind, &plugin(&workload, &[], &module, configuration));
        let value = |place: usize| object["spec"]["configPatches"][place]["patch"]["value"].clone();
        let (before, entry) =
            if kind == Kind::Module { (vec![value(0)], value(1)) } else { (Vec::new(), object.clone()) };
        let mut listener = Listener::http(&format!("{kind:?}"), vec![entry]);
        listener.on_connection = before;
        listeners.push(listener);
    }
    let names: Vec<String> = listeners.iter().map(|listener| listener.name.clone()).collect();
    let envoy = Envoy::start(&Bootstrap::new(&workload, listeners)).unwrap();
    for name in names {
        for (path, expected) in [("/api/x", "allow"), ("/other", "deny")] {
            let case = format!("{name}{path}");
            let request =
                RequestBytes::get(path).header("host", "web").header(access_log::CASE_HEADER, case.clone());
            let mut connection = Connection::open(&Dial::plain(envoy.address(&name).unwrap())).unwrap();
            // Only a shadow: everything is served.
            assert_eq!(connection.send(&request).unwrap().response().unwrap().status, 200, "{case}");
            let line = envoy.access_log().of_case(&case).unwrap();
            let state: Value = serde_json::from_str(access_log::text(&line, "gnomon").unwrap()).unwrap();
            assert_eq!(state["verdict"], expected, "{case}: {state}\n{}", envoy.log());
        }
    }
}

#[test]
fn ten_thousand_policies_fit_when_packed() {
    let policy = |n: usize| {
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": format!("service-{n}-callers"), "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": format!("service-{}", n / 10)}},
                "rules": [{
                    "from": [{"source": {"principals": [format!("cluster.local/ns/team-{}/sa/client-{n}", n % 97)]}}],
                    "to": [{"operation": {"methods": ["GET", "POST"], "paths": [format!("/v1/{}/*", n * 7919)]}}],
                }],
            },
        })
    };
    let policies: Vec<Value> = (0..10_000).map(policy).collect();
    let workload = web();
    let size = |candidate| {
        let configuration = bundle::configuration(candidate, None, &Mesh::default(), json!({}));
        bundle::object(Kind::WasmPlugin, &plugin(&workload, &[], "oci://a.example/gnomon:1", configuration))
            .to_string()
            .len()
    };
    let (plain, packed) = (size(json!({"resources": policies})), size(bundle::packed_list(&policies)));
    assert!(plain > 3 * OBJECT_LIMIT && packed < OBJECT_LIMIT / 2, "{plain} and {packed} bytes");
}
