//! What a bundle carries is enough for every workload that it reaches, and not more than some such workload has use for.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code may be blunt")]

use gnomon_analysis::bundle::{Kind, Plugin, object, pack, packed_list, select};
use gnomon_engine::{
    Mesh, Position, Workload,
    attach::{Attached, GATEWAY_NAME_LABEL, Subject, attach},
    request::Protocol,
    resource::{Labels, Meta, Resources, TargetKind, TargetRef},
    workload::ProxyKind,
};
use gnomon_manifests::load_text;
use gnomon_shadow::gzip;
use serde_json::{Value, json};

const NAMESPACES: [&str; 3] = ["istio-system", "shop", "other"];

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let mut labels: Labels = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    labels.sort();
    labels
}

/// Every place that a policy can be attached to, in every namespace.
fn everything() -> Resources {
    let selectors = [
        json!({}),
        json!({"selector": {"matchLabels": {"app": "web"}}}),
        json!({"selector": {"matchLabels": {"app": "cart"}}}),
        json!({"selector": {"matchLabels": {"version": "v1"}}}),
        json!({"selector": {"matchLabels": {"app": "web", "version": "v2"}}}),
    ];
    let reference = |group: &str, kind: &str, name: &str| json!({"targetRefs": [{"group": group, "kind": kind, "name": name}]});
    let references = [
        reference("gateway.networking.k8s.io", "Gateway", "front"),
        reference("gateway.networking.k8s.io", "Gateway", "back"),
        reference("gateway.networking.k8s.io", "GatewayClass", "istio-waypoint"),
        reference("", "Service", "web"),
        reference("networking.istio.io", "ServiceEntry", "cart"),
    ];
    let mut items: Vec<Value> = Vec::new();
    for namespace in NAMESPACES {
        let mut add = |kind: &str, mut spec: Value, more: Value| {
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let name = format!("p{}", items.len());
            let metadata = json!({"name": name, "namespace": namespace});
            items.push(json!({"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}));
        };
        for target in selectors.iter().chain(&references) {
            // Classes are named from the root namespace alone.
            let class = target.to_string().contains("GatewayClass");
            if !class || namespace == "istio-system" {
                add("AuthorizationPolicy", target.clone(), json!({"rules": [{}]}));
                add(
                    "RequestAuthentication",
                    target.clone(),
                    json!({"jwtRules": [{"issuer": "me", "jwksUri": "https://a.b"}]}),
                );
            }
        }
        for target in &selectors {
            let root = namespace == "istio-system";
            if !root || target == &json!({}) {
                add("PeerAuthentication", target.clone(), json!({"mtls": {"mode": "STRICT"}}));
            }
        }
    }
    let loaded =
        load_text(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string(), "all.json")
            .unwrap();
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    loaded.resources
}

/// What applies, by name.
fn names(attached: &Attached<'_>) -> Vec<String> {
    let name = |meta: &Meta| format!("{}/{}", meta.namespace, meta.name);
    let peer = [&attached.peer.mesh, &attached.peer.namespace, &attached.peer.workload];
    let authorization = attached.authorization.iter().map(|policy| name(&policy.meta));
    let jwt = attached.jwt_rules.iter().map(|(meta, _)| name(meta));
    authorization.chain(jwt).chain(peer.into_iter().flatten().map(|policy| name(&policy.meta))).collect()
}

/// Every workload that has these labels beside others.
fn workloads(proxy: ProxyKind, known: &Labels) -> Vec<Workload> {
    let mut all = Vec::new();
    for namespace in NAMESPACES {
        for app in ["web", "cart", ""] {
            for version in ["v1", "v2", ""] {
                for gateway in ["front", "back", ""] {
                    let pairs = [("app", app), ("version", version), (GATEWAY_NAME_LABEL, gateway)];
                    let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
                    let labels = labels(&pairs);
                    let is_gateway = labels.iter().any(|(key, _)| key == GATEWAY_NAME_LABEL);
                    let fits = match proxy {
                        ProxyKind::Sidecar => !is_gateway,
                        ProxyKind::Waypoint => is_gateway,
                        _ => true,
                    };
                    if fits && known.iter().all(|pair| labels.contains(pair)) {
                        all.push(Workload {
                            namespace: namespace.into(),
                            labels,
                            proxy,
                            ..Workload::default()
                        });
                    }
                }
            }
        }
    }
    all
}

fn check(resources: &Resources, reach: &Subject<'_>, proxy: ProxyKind, services: &[String], case: &str) {
    let mesh = Mesh::default();
    let (selected, left_out) = select(resources, reach);
    let mut used: Vec<String> = Vec::new();
    for mut workload in workloads(proxy, &reach.known_labels()) {
        if reach.namespace().is_some_and(|namespace| namespace != workload.namespace) {
            continue;
        }
        workload.services = services.to_vec();
        let (of_all, of_selected) =
            (names(&attach(resources, &workload, &mesh)), names(&attach(&selected, &workload, &mesh)));
        assert_eq!(of_selected, of_all, "{case}: {workload:?}");
        used.extend(of_all);
    }
    assert!(left_out > 0, "{case}: nothing is left out");
    let carried = selected.authorization.iter().map(|policy| &policy.meta);
    for meta in carried.chain(selected.request_authentication.iter().map(|policy| &policy.meta)) {
        let name = format!("{}/{}", meta.namespace, meta.name);
        assert!(used.contains(&name), "{case}: {name} is carried for nobody");
    }
}

#[test]
fn every_workload_within_reach_gets_its_policies_and_nothing_is_carried_for_nobody() {
    let resources = everything();
    let mesh = Mesh::default();
    for namespace in NAMESPACES {
        for proxy in [ProxyKind::Sidecar, ProxyKind::Gateway] {
            for known in [
                labels(&[]),
                labels(&[("app", "web")]),
                labels(&[("version", "v2")]),
                labels(&[("app", "cart"), ("version", "v1")]),
            ] {
                for only_namespace in [false, true] {
                    let workload = Workload {
                        namespace: namespace.into(),
                        labels: known.clone(),
                        proxy,
                        ..Workload::default()
                    };
                    let reach = Subject::within_reach(&resources, &workload, &[], &mesh, only_namespace);
                    let mesh_wide = namespace == "istio-system" && !only_namespace;
                    assert_eq!(reach.namespace().is_none(), mesh_wide);
                    if mesh_wide && known.is_empty() && proxy == ProxyKind::Gateway {
                        continue; // everything but what waypoints have, and `check` wants something left out
                    }
                    check(
                        &resources,
                        &reach,
                        proxy,
                        &[],
                        &format!("{proxy:?} {namespace} {known:?} {only_namespace}"),
                    );
                }
            }
        }
        // A waypoint, by its name: policies for itself, for its class, for the services behind it.
        let target = TargetRef { kind: TargetKind::Gateway, name: "front".into(), at: Position::default() };
        let services = vec!["web".to_owned()];
        let workload = Workload {
            namespace: namespace.into(),
            proxy: ProxyKind::Waypoint,
            services: services.clone(),
            ..Workload::default()
        };
        let targets = [target];
        let reach = Subject::within_reach(&resources, &workload, &targets, &mesh, false);
        assert_eq!(reach.namespace(), Some(namespace), "a target is in the object's own namespace");
        check(&resources, &reach, ProxyKind::Waypoint, &services, &format!("waypoint of {namespace}"));
    }
}

#[test]
fn packing_is_undone_by_unpacking_and_always_the_same() {
    let resources: Vec<Value> =
        (0..500).map(|n| json!({"metadata": {"name": format!("policy-{n}")}, "π": n})).collect();
    let packed = packed_list(&resources);
    let text = packed["gzip"].as_str().unwrap();
    let back: Vec<Value> = serde_json::from_slice(&gzip::unpack(text.as_bytes(), 1 << 20).unwrap()).unwrap();
    assert_eq!(back, resources);
    let plain = serde_json::to_string(&resources).unwrap();
    assert!(text.len() * 5 < plain.len(), "{} of {}", text.len(), plain.len());
    assert_eq!(pack(plain.as_bytes()), pack(plain.as_bytes()));
}

#[test]
fn the_native_module_stands_where_it_has_to() {
    let gateway = TargetRef { kind: TargetKind::Gateway, name: "front".into(), at: Position::default() };
    let known = labels(&[("app", "web")]);
    let plugin = |image, proxy, protocol, targets| Plugin {
        name: "gnomon-shadow",
        namespace: "shop",
        labels: &known,
        targets,
        proxy,
        protocol,
        image,
        sha256: "",
        pull_secret: "",
        configuration: json!({"candidate": {"resources": []}}),
    };
    let (http, path) = (Protocol::Http, "file:///m/libgnomon_envoy_module.so");
    let patches = |object: &Value| object.pointer("/spec/configPatches").unwrap().as_array().unwrap().clone();

    let sidecar = object(Kind::Module, &plugin(path, ProxyKind::Sidecar, http, &[]));
    assert_eq!(sidecar.pointer("/spec/workloadSelector/labels"), Some(&json!({"app": "web"})));
    let [names, filter] = &patches(&sidecar)[..] else { panic!("{sidecar}") };
    // All names of the peer's certificate are noted before the HTTP filter, which comes before jwt_authn.
    assert_eq!(
        (&names["applyTo"], &names["patch"]["operation"]),
        (&json!("NETWORK_FILTER"), &json!("INSERT_BEFORE"))
    );
    assert!(names.pointer("/patch/value/typed_config/filter_config").is_none());
    assert_eq!(
        (&filter["applyTo"], &filter["patch"]["operation"]),
        (&json!("HTTP_FILTER"), &json!("INSERT_FIRST"))
    );
    let file = "/patch/value/typed_config/dynamic_module_config/module/local/filename";
    assert_eq!(filter.pointer(file), Some(&json!("/m/libgnomon_envoy_module.so")));
    assert!(patches(&sidecar).iter().all(|patch| patch["match"]["context"] == "SIDECAR_INBOUND"));

    let front = object(Kind::Module, &plugin(path, ProxyKind::Gateway, http, std::slice::from_ref(&gateway)));
    assert!(patches(&front).iter().all(|patch| patch["match"]["context"] == "GATEWAY"));
    assert_eq!(front.pointer("/spec/targetRefs/0/name"), Some(&json!("front")));
    assert!(front.pointer("/spec/workloadSelector").is_none());

    let tcp = object(Kind::Module, &plugin(path, ProxyKind::Sidecar, Protocol::Tcp, &[]));
    assert_eq!(patches(&tcp).len(), 1);

    let named = plugin("gnomon_envoy_module", ProxyKind::Gateway, http, std::slice::from_ref(&gateway));
    let entry = object(Kind::ModuleEnvoy, &named);
    assert_eq!(
        entry.pointer("/typed_config/dynamic_module_config/name"),
        Some(&json!("gnomon_envoy_module"))
    );
    let policy = object(Kind::ModuleGateway, &named);
    assert_eq!(policy["kind"], "EnvoyExtensionPolicy");
    let module =
        json!({"name": "gnomon_envoy_module", "filterName": "gnomon-shadow", "config": named.configuration});
    assert_eq!(policy["spec"]["dynamicModule"], json!([module]));
    assert_eq!(policy.pointer("/spec/targetRefs/0/kind"), Some(&json!("Gateway")));
}
