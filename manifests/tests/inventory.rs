//! Which workloads there are, what they are made of, and which Services lead to them.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use gnomon_engine::workload::ProxyKind;
use gnomon_manifests::{
    Loaded,
    inventory::{Candidate, Protocol, TargetPort},
    load_text,
};

fn load(text: &str) -> Loaded {
    let loaded = load_text(text, "t.yaml").unwrap();
    assert_eq!(loaded.diagnostics, []);
    loaded
}

/// One line for a workload: `Deployment shop/web (web) sidecar: http=svc:80->8080`.
fn line(candidate: &Candidate<'_>) -> String {
    let workload = &candidate.workload;
    let proxy = match (candidate.has_proxy, workload.proxy) {
        (false, _) => "none",
        (_, ProxyKind::Sidecar) => "sidecar",
        (_, ProxyKind::Gateway) => "gateway",
        (_, ProxyKind::Waypoint) => "waypoint",
        (_, ProxyKind::Ztunnel) => "ztunnel",
        _ => "another",
    };
    let reached = candidate.reached.iter().map(|reached| {
        let target = reached.target.map_or("?".to_string(), |port| port.to_string());
        format!(
            " {:?}={}:{}->{target}",
            reached.port.protocol, reached.service.meta.name, reached.port.number
        )
    });
    format!(
        "{} {}/{} ({}) {proxy}{}",
        candidate.kind,
        workload.namespace,
        workload.name,
        workload.service_account,
        reached.collect::<String>()
    )
}

fn lines(text: &str) -> Vec<String> {
    load(text).inventory.workloads().iter().map(line).collect()
}

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {ignored: here}}
spec:
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        ports: [{name: main, containerPort: 8080}, {containerPort: 9090}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: main}
  - {name: grpc-api, port: 81, targetPort: 9090}
  - {name: other, port: 82, targetPort: nowhere}
  - {name: plain, port: 3306}
---
apiVersion: v1
kind: Service
metadata: {name: both, namespace: shop}
spec: {selector: {app: web, tier: front}, ports: [{port: 443, targetPort: '8443', appProtocol: https}]}
---
apiVersion: v1
kind: Service
metadata: {name: another-tier, namespace: shop}
spec: {selector: {app: web, tier: back}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: another-namespace}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: external, namespace: shop}
spec: {type: ExternalName, externalName: x.test, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {ports: [{port: 80}]}
";

#[test]
fn services_lead_to_workloads() {
    assert_eq!(
        lines(SHOP),
        [
            "Deployment shop/web (web) sidecar Http=web:80->8080 Grpc=web:81->9090 Sniffed=web:82->? Tcp=web:3306->3306 \
          Https=both:443->8443"
        ]
    );
    let loaded = load(SHOP);
    let web = &loaded.inventory.workloads()[0];
    assert_eq!(web.workload.labels, [("app".into(), "web".into()), ("tier".into(), "front".into())]);
    assert_eq!(web.workload.services, ["web", "both"]);
    assert_eq!((web.meta.at.line, &*web.meta.file), (2, "t.yaml"));
    let ports: Vec<_> = web.ports().into_iter().collect();
    use Protocol::{Grpc, Http, Https, Tcp};
    assert_eq!(ports, [(3306, Tcp), (8080, Http), (8443, Https), (9090, Grpc)]);
    let service = &loaded.inventory.services[0];
    assert_eq!(service.ports[0].target, TargetPort::Name("main".into()));
    assert_eq!(loaded.unread.kinds().count(), 0);
}

#[test]
fn all_kinds_of_workloads() {
    let template = "template: {metadata: {labels: {app: a}}, spec: {serviceAccount: old}}";
    let of = |version: &str, kind: &str, spec: &str| {
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{{spec}}}\n---\n")
    };
    let text = [
        of("apps/v1", "Deployment", template),
        of("apps/v1", "StatefulSet", template),
        of("apps/v1", "DaemonSet", template),
        of("apps/v1", "ReplicaSet", template),
        of("v1", "ReplicationController", template),
        of("batch/v1", "Job", template),
        of("batch/v1", "CronJob", &format!("jobTemplate: {{spec: {{{template}}}}}")),
        of("v1", "Pod", "serviceAccountName: own"),
        of("apps/v1", "Deployment", "").replace("name: a", "name: b"),
        // Of other groups: nothing that runs.
        of("example.com/v1", "Deployment", template),
        of("batch/v1", "Pod", template),
    ]
    .concat();
    let loaded = load(&text);
    let found: Vec<_> = loaded.inventory.workloads().iter().map(line).collect();
    assert_eq!(
        found,
        [
            "Deployment default/a (old) sidecar",
            "StatefulSet default/a (old) sidecar",
            "DaemonSet default/a (old) sidecar",
            "ReplicaSet default/a (old) sidecar",
            "ReplicationController default/a (old) sidecar",
            "Job default/a (old) sidecar",
            "CronJob default/a (old) sidecar",
            "Pod default/a (own) sidecar",
            "Deployment default/b (default) sidecar",
        ]
    );
    assert_eq!(loaded.unread.kinds().collect::<Vec<_>>(), [("Deployment", 1), ("Pod", 1)]);
}

#[test]
fn what_another_object_makes_is_no_workload_of_its_own() {
    let owned = |version: &str, kind: &str, name: &str, owner: &str, by: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, ownerReferences: [{{kind: Node, name: n}}, \
             {{kind: {owner}, name: {by}, controller: true}}]}}\n---\n"
        )
    };
    let text = [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n".to_string(),
        owned("apps/v1", "ReplicaSet", "web-5f", "Deployment", "web"),
        owned("v1", "Pod", "web-5f-1", "ReplicaSet", "web-5f"),
        owned("apps/v1", "ReplicaSet", "web-7c", "Deployment", "gone"),
        owned("v1", "Pod", "lone", "ReplicaSet", "gone"),
        owned("v1", "Pod", "rollout", "Rollout", "r"),
    ]
    .concat();
    let found = lines(&text);
    let names: Vec<_> =
        found.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        names,
        ["Deployment default/web", "ReplicaSet default/web-7c", "Pod default/lone", "Pod default/rollout"]
    );
}

#[test]
fn proxies() {
    let pod = |namespace: &str, metadata: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: {namespace}{metadata}}}\nspec: {{{spec}}}\n---\n"
        )
    };
    let namespace = |name: &str, labels: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n---\n")
    };
    let around = namespace("ambient", "istio.io/dataplane-mode: ambient")
        + &namespace("both", "istio.io/dataplane-mode: ambient, istio-injection: enabled")
        + &namespace("refused", "istio-injection: disabled")
        + "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: other}\n\
           spec: {selector: {edge: 'yes'}, servers: []}\n---\n";
    for (namespace, metadata, spec, expected) in [
        ("plain", "", "", "sidecar"),
        ("plain", ", labels: {sidecar.istio.io/inject: 'false'}", "", "none"),
        ("plain", ", annotations: {sidecar.istio.io/inject: 'false'}", "", "none"),
        (
            "plain",
            ", labels: {sidecar.istio.io/inject: 'true'}, annotations: {sidecar.istio.io/inject: 'false'}",
            "",
            "sidecar",
        ),
        ("plain", "", "hostNetwork: true", "none"),
        ("plain", "", "containers: [{name: istio-proxy, args: [proxy, router]}]", "gateway"),
        ("plain", "", "containers: [{name: istio-proxy, args: [proxy, waypoint]}]", "waypoint"),
        ("refused", "", "initContainers: [{name: istio-proxy, args: [proxy, sidecar]}]", "sidecar"),
        ("plain", ", annotations: {inject.istio.io/templates: gateway}", "", "gateway"),
        ("plain", ", labels: {gateway.networking.k8s.io/gateway-name: g}", "", "gateway"),
        ("plain", ", labels: {gateway.networking.k8s.io/gateway-class-name: istio-waypoint}", "", "waypoint"),
        ("plain", ", labels: {edge: 'yes', app: x}", "", "gateway"),
        ("plain", ", labels: {edge: 'no'}", "", "sidecar"),
        ("ambient", "", "", "ztunnel"),
        ("ambient", "", "hostNetwork: true", "none"),
        ("ambient", ", labels: {istio.io/dataplane-mode: none}", "", "sidecar"),
        ("ambient", ", labels: {sidecar.istio.io/inject: 'true'}", "", "sidecar"),
        ("plain", ", labels: {istio.io/dataplane-mode: ambient}", "", "ztunnel"),
        ("both", "", "", "sidecar"),
        ("refused", "", "", "none"),
        ("refused", ", labels: {sidecar.istio.io/inject: 'true'}", "", "sidecar"),
    ] {
        let found = lines(&format!("{around}{}", pod(namespace, metadata, spec)));
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(found.rsplit(' ').next(), Some(expected), "{namespace}{metadata} {spec}");
    }
}

#[test]
fn gateways_that_istio_deploys() {
    let gateway = |metadata: &str, spec: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{{metadata}}}\n\
             spec: {{{spec}, listeners: [{{name: l, port: 80, protocol: HTTP}}]}}\n---\n"
        )
    };
    let text = [
        gateway("name: edge, namespace: infra, labels: {a: b}", "gatewayClassName: istio"),
        gateway("name: way, namespace: shop", "gatewayClassName: istio-waypoint"),
        gateway("name: named, annotations: {gateway.istio.io/name-override: other, gateway.istio.io/service-account: s}", "gatewayClassName: istio"),
        gateway("name: own", "gatewayClassName: ours, infrastructure: {labels: {x: z}}"),
        gateway("name: foreign", "gatewayClassName: nginx"),
        gateway("name: manual", "gatewayClassName: istio, addresses: [{value: ingress}]"),
        gateway("name: deployed", "gatewayClassName: istio"),
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: ours}\n\
         spec: {controllerName: istio.io/gateway-controller}\n---\n"
            .to_string(),
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: deployed-istio}\nspec: {template: {metadata: {labels: \
         {gateway.networking.k8s.io/gateway-name: deployed}}}}\n---\n"
            .to_string(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: one, namespace: shop, labels: {istio.io/use-waypoint: way}}\n---\n".to_string(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: two, namespace: far, labels: {istio.io/use-waypoint: way, \
         istio.io/use-waypoint-namespace: shop}}\n---\n"
            .to_string(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: three, namespace: shop, labels: {istio.io/use-waypoint: none}}\n---\n".to_string(),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: far, labels: {istio.io/use-waypoint: way}}\n---\n".to_string(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: four, namespace: far}\n".to_string(),
    ]
    .concat();
    let loaded = load(&text);
    let found = loaded.inventory.workloads();
    assert_eq!(
        found.iter().map(line).collect::<Vec<_>>(),
        [
            "Deployment default/deployed-istio (default) gateway",
            "Gateway infra/edge-istio (edge-istio) gateway",
            "Gateway shop/way (way) waypoint",
            "Gateway default/other (s) gateway",
            "Gateway default/own-ours (own-ours) gateway",
        ]
    );
    let label = |name: &str, value: &str| (name.to_string(), value.to_string());
    let name = "gateway.networking.k8s.io/gateway-name";
    assert_eq!(found[1].workload.labels, [label("a", "b"), label(name, "edge")]);
    assert_eq!(found[4].workload.labels, [label(name, "own"), label("x", "z")]);
    assert_eq!(found[2].workload.services, ["one", "far/two"]);
    assert_eq!(loaded.inventory.api_gateways[0].listeners[0].port, 80);
}

#[test]
fn routes_and_traffic() {
    let text = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: shop}
spec:
  parentRefs: [{name: edge, namespace: infra, sectionName: l}, {kind: Service, name: web}]
  hostnames: [shop.test]
  rules: [{backendRefs: [{name: web, port: 80}, {kind: Other, name: x}, {name: far, namespace: away, port: 81}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: [shop.test]
  gateways: [edge, mesh]
  http: [{route: [{destination: {host: web}}]}]
  tcp: [{route: [{destination: {host: db}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: e}
spec: {hosts: [api.test], ports: [{number: 443, name: x, protocol: TLS}], workloadSelector: {labels: {app: e}}}
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: w}
spec: {selector: {matchLabels: {app: web}}, url: 'oci://x', phase: AUTHN}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: s}
";
    let loaded = load(text);
    let inventory = &loaded.inventory;
    let route = &inventory.routes[0];
    let parents: Vec<_> = route
        .parents
        .iter()
        .map(|parent| (&*parent.kind, &*parent.namespace, &*parent.name, &*parent.section))
        .collect();
    assert_eq!(parents, [("Gateway", "infra", "edge", "l"), ("Service", "shop", "web", "")]);
    let backends = [("shop".into(), "web".into(), Some(80)), ("away".into(), "far".into(), Some(81))];
    assert_eq!((route.backends.as_slice(), &*route.kind), (&backends[..], "HTTPRoute"));
    let routes = &inventory.virtual_services[0];
    assert_eq!(
        (&routes.destinations[..], &routes.gateways[..]),
        (&["web".into(), "db".into()][..], &["edge".into(), "mesh".into()][..])
    );
    let entry = &inventory.service_entries[0];
    assert_eq!((entry.ports[0].number, entry.ports[0].protocol), (443, Protocol::Tls));
    assert_eq!(
        (inventory.wasm_plugins[0].phase.as_str(), inventory.service_accounts[0].name.as_str()),
        ("AUTHN", "s")
    );
    assert_eq!(inventory.len(), 5);
}

#[test]
fn the_mesh_in_its_config_map() {
    let text = "
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |-
    rootNamespace: root
    trustDomain: corp
    trustDomainAliases: [old]
    pathNormalization: {normalization: MERGE_SLASHES}
    accessLogFile: /dev/stdout
    defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}
    extensionProviders:
    - {name: traces, zipkin: {service: z, port: 9411}}
    - {name: ext, envoyExtAuthzHttp: {service: e.test, port: 8000}}
  meshNetworks: 'networks: {}'
";
    let loaded = load(text);
    let mut found = Vec::new();
    let (meta, mesh) = loaded.inventory.mesh(&mut found).unwrap();
    assert_eq!(found, []);
    assert_eq!((meta.name.as_str(), meta.at.line), ("istio", 2));
    assert_eq!((mesh.root_namespace.as_str(), mesh.trust_domain.as_str()), ("root", "corp"));
    assert_eq!((mesh.trust_domain_aliases, mesh.num_trusted_proxies), (vec!["old".to_string()], 2));
    let providers: Vec<_> = mesh.extension_providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(providers, ["ext"]);
    // Two of them: which one is meant is not known. Others are other ConfigMaps.
    let two = format!("{text}---\n{}", text.replace("name: istio,", "name: istio-canary,"));
    assert!(load(&two).inventory.mesh(&mut found).is_none());
    for other in [text.replace("name: istio,", "name: settings,"), text.replace("  mesh: |-", "  other: |-")]
    {
        let loaded = load(&other);
        assert_eq!(loaded.unread.kinds().collect::<Vec<_>>(), [("ConfigMap", 1)]);
    }
}

#[test]
fn a_list_of_mixed_kinds_is_read_whatever_is_wrong_in_it() {
    let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: x}, {port: 80}, 7], selector: {app: 1, tier: b}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: 7, spec: [7]}
- {apiVersion: v1, kind: Pod, metadata: {labels: [a]}, spec: {containers: [7, {ports: [{containerPort: 70000}]}]}}
- {apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p}}
- {apiVersion: v1, kind: Secret, metadata: {name: x}}
- {apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g}, spec: {servers: [{port: {number: 80}}]}}
";
    let loaded = load(text);
    let inventory = &loaded.inventory;
    assert_eq!((inventory.services[0].ports.len(), inventory.services[0].selector.len()), (1, 1));
    assert_eq!((inventory.pods.len(), inventory.gateways.len()), (2, 1));
    assert_eq!(loaded.resources.peer_authentication.len(), 1);
    assert_eq!(loaded.unread.kinds().collect::<Vec<_>>(), [("Secret", 1)]);
    assert_eq!(inventory.services[0].meta.at.line, 5);
}
