//! Ways through gateways of the Gateway API, to ambient workloads and waypoints.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

use gnomon_analysis::hops::{End, Way, World, follow, gateways};
use gnomon_engine::{Mesh, Node, jwt::SoftwareCrypto};
use gnomon_manifests::{load_text, request::request};
use std::sync::Arc;

const MESH: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: istio
  listeners:
  - {name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}
  - {name: admin, port: 8081, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec:
  gatewayClassName: istio-waypoint
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: edge, namespace: infra, sectionName: web}]
  hostnames: [shop.example.com]
  rules:
  - backendRefs: [{name: plain, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /api}}]
    filters:
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2/}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {add: [{name: x-a, value: b}]}
    backendRefs: [{name: behind, port: 80}]
  - matches: [{path: {type: Exact, value: /api/exact}}]
    filters: [{type: RequestRedirect, requestRedirect: {}}]
  - matches: [{method: POST}, {headers: [{name: X-Kind, type: RegularExpression, value: "a+"}]}]
    backendRefs: [{name: none, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: grpc, namespace: shop}
spec:
  parentRefs: [{name: edge, namespace: infra}]
  hostnames: [grpc.example.com]
  rules:
  - matches: [{method: {service: shop.Orders}}]
    backendRefs: [{name: plain, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: shop}
spec: {selector: {app: plain}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: behind, namespace: shop, labels: {istio.io/use-waypoint: waypoint, istio.io/ingress-use-waypoint: "true"}}
spec: {selector: {app: behind}, ports: [{port: 80, targetPort: 9090}]}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {selector: {app: none}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: shop, labels: {app: plain}}
spec: {serviceAccountName: plain, containers: [{name: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: behind, namespace: shop, labels: {app: behind}}
spec: {containers: [{name: a}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: waypoint, namespace: shop}
spec:
  targetRefs: [{kind: Service, group: "", name: behind}]
  rules: [{to: [{operation: {paths: ["/v2/orders"]}}]}]
"#;

fn way(asked: serde_json::Value) -> Way {
    let loaded = load_text(MESH, "mesh.yaml").unwrap();
    let document: Node = serde_json::from_value(asked).unwrap();
    let spec = request(&Arc::from("r"), "", "", &document).unwrap();
    let mesh = Mesh::default();
    let world = World {
        inventory: &loaded.inventory,
        resources: &loaded.resources,
        mesh: &mesh,
        now: 0,
        crypto: &SoftwareCrypto,
    };
    let all = gateways(&loaded.inventory);
    let [gateway] = &all[..] else { panic!("{all:?}") };
    follow(world, gateway, &spec)
}

/// The names of the proxies, and the end.
fn told(way: &Way) -> (Vec<&str>, &End) {
    (way.hops.iter().map(|hop| hop.name.as_str()).collect(), &way.end)
}

#[test]
fn the_most_particular_rule_leads() {
    let get = |path: &str| way(serde_json::json!({"host": "shop.example.com", "path": path}));
    let plain = get("/other");
    assert_eq!(
        told(&plain),
        (vec!["gateway infra/edge-istio", "ztunnel of shop/plain"], &End::Arrives),
        "{:?}",
        plain.hops.last().map(|hop| &hop.how)
    );
    let last = plain.hops.last().unwrap();
    assert_eq!(last.request.principal.as_deref(), Some("cluster.local/ns/infra/sa/edge-istio"));
    assert_eq!(last.request.destination_port, Some(8080));
    // An exact path is more particular than a prefix.
    assert!(matches!(&get("/api/exact").end, End::Stops(why) if why.contains("a redirect")));
    // `/apix` does not begin with the segment `/api`.
    assert_eq!(get("/apix").hops.len(), 2);
    let post = way(serde_json::json!({"host": "shop.example.com", "path": "/x", "method": "POST"}));
    assert!(
        matches!(&post.end, End::Undecided(why) if why.contains("behind the Service shop/none")),
        "{:?}",
        post.end
    );
    let header = way(serde_json::json!({"host": "shop.example.com:80", "headers": {"x-kind": "aa"}}));
    assert!(matches!(&header.end, End::Undecided(_)));
}

#[test]
fn a_waypoint_stands_between() {
    let api = way(serde_json::json!({"host": "shop.example.com", "path": "/api/orders?x=1"}));
    let (hops, end) = told(&api);
    assert_eq!(
        (hops, end),
        (vec!["gateway infra/edge-istio", "waypoint shop/waypoint", "ztunnel of shop/behind"], &End::Arrives)
    );
    let [_, waypoint, last] = &api.hops[..] else { panic!() };
    assert_eq!(
        (waypoint.request.path.as_str(), waypoint.request.destination_port),
        ("/v2/orders?x=1", Some(80))
    );
    assert_eq!(waypoint.request.headers, [("x-a".to_owned(), "b".to_owned())]);
    assert_eq!(last.request.principal.as_deref(), Some("cluster.local/ns/shop/sa/waypoint"));
    let refused = way(serde_json::json!({"host": "shop.example.com", "path": "/api"}));
    assert_eq!(told(&refused), (vec!["gateway infra/edge-istio", "waypoint shop/waypoint"], &End::Refused));
    assert_eq!(refused.hops[1].request.path, "/v2");
}

#[test]
fn listeners_and_grpc() {
    let grpc =
        |path: &str| way(serde_json::json!({"host": "grpc.example.com", "path": path, "method": "POST"}));
    assert_eq!(grpc("/shop.Orders/Get").end, End::Arrives);
    assert!(matches!(grpc("/shop.Other/Get").end, End::Stops(_)));
    // The route is for one listener, and that one is at another port.
    let other = way(serde_json::json!({"host": "shop.example.com", "destination": {"port": 8081}}));
    assert!(matches!(&other.end, End::Stops(why) if why.contains("no route for the host shop.example.com")));
    assert!(matches!(way(serde_json::json!({"path": "/"})).end, End::Undecided(_)));
}
