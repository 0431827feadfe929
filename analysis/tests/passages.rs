//! Who may send what through gateways, held against requests that are followed one by one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at once")]

use gnomon_analysis::{
    hops::{End, Passages, World, follow, gateways, who_can},
    invariant::Requests,
};
use gnomon_engine::{
    Mesh,
    jwt::{Json, SoftwareCrypto},
    prepare::RequestSpec,
    request::Protocol,
};
use gnomon_manifests::{Loaded, load_text};
use serde_json::json;

fn around<'a>(loaded: &'a Loaded, mesh: &'a Mesh) -> World<'a> {
    World {
        inventory: &loaded.inventory,
        resources: &loaded.resources,
        mesh,
        now: 1_900_000_000,
        crypto: &SoftwareCrypto,
    }
}

fn workload(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{serviceAccountName: {name}, containers: [{{name: a}}]}}}}}}\n---\n"
    )
}

fn policy(app: &str, action: &str, rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: {app}-{}, namespace: shop}}\n\
         spec: {{selector: {{matchLabels: {{app: {app}}}}}, action: {action}, rules: {rules}}}\n---\n",
        action.to_lowercase()
    )
}

const EDGE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress, namespace: istio-system}
spec:
  template:
    metadata: {labels: {istio: ingressgateway, app: ingress}}
    spec: {serviceAccountName: ingress, containers: [{name: istio-proxy, args: [proxy, router]}]}
---
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {selector: {app: ingress}, ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["shop.example.com", "admin.example.com"], tls: {mode: SIMPLE, credentialName: shop}}
---
"#;

const ROUTES: &str = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [edge]
  http:
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /}
  - match: [{uri: {prefix: /api/}, method: {exact: GET}}, {uri: {exact: /list}}]
    rewrite: {uri: /v1/, authority: a.internal}
    headers: {request: {set: {x-edge: "1"}, remove: [x-debug]}}
    route: [{destination: {host: a}}]
  - match: [{uri: {prefix: /b}}]
    rewrite: {uri: /v2}
    route: [{destination: {host: b}}]
  - match: [{uri: {regex: "/r[a-z]*"}}]
    route: [{destination: {host: b}}]
  - route: [{destination: {host: c}, weight: 90}, {destination: {host: a}, weight: 10}, {destination: {host: b}, weight: 0}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rest, namespace: shop}
spec:
  hosts: ["*.example.com"]
  gateways: [shop/edge]
  http:
  - match: [{uri: {prefix: /}, port: 443}]
    route: [{destination: {host: b}}]
  - match: [{gateways: [mesh], uri: {prefix: /}}]
    route: [{destination: {host: c}}]
  - match: [{uri: {prefix: /a}, gateways: [mesh, edge]}]
    route: [{destination: {host: a}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: c, namespace: shop}
spec: {host: c, trafficPolicy: {tls: {mode: DISABLE}}}
---
"#;

const API: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: istio
  listeners: [{name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}, {name: other, port: 8081, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: edge, namespace: infra}]
  hostnames: [shop.example.com, admin.example.com]
  rules:
  - backendRefs: [{name: a, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /api}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
    backendRefs: [{name: b, port: 80}]
  - matches: [{path: {type: Exact, value: /api/v1/x}}]
    filters: [{type: RequestRedirect, requestRedirect: {}}]
  - matches: [{method: POST, path: {type: PathPrefix, value: /b}}]
    filters: [{type: URLRewrite, urlRewrite: {hostname: a.internal, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}]
    backendRefs: [{name: c, port: 80}]
---
"#;

const TOKENS: &str = r#"
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: login, namespace: NAMESPACE}
spec:
  selector: {matchLabels: SELECTOR}
  jwtRules: [{issuer: "https://i", jwksUri: "https://i/keys", forwardOriginalToken: FORWARD, outputClaimToHeaders: [{header: x-user, claim: sub}]}]
---
"#;

fn tokens(namespace: &str, selector: &str, forwards: bool) -> String {
    let text = TOKENS.replace("NAMESPACE", namespace).replace("SELECTOR", selector);
    text.replace("FORWARD", if forwards { "true" } else { "false" })
}

/// Every request of a small alphabet, as it comes to the gateway.
fn every() -> Vec<RequestSpec> {
    let mut all = Vec::new();
    for host in ["shop.example.com", "admin.example.com", "x.example.com", "other.test"] {
        for path in [
            "/",
            "/old",
            "/list",
            "/api",
            "/api/",
            "/api/x",
            "/api/v1/x",
            "/api/v1",
            "/apix",
            "/b",
            "/b/x",
            "/bx",
            "/a",
            "/a/v1",
            "/v1/x",
            "/v2/x",
            "/r",
            "/c/d",
        ] {
            for method in ["GET", "POST"] {
                for token in 0..3 {
                    let claims = match token {
                        0 => None,
                        sub => {
                            let text = format!(r#"{{"iss": "https://i", "sub": "u{sub}"}}"#);
                            Some(Json::parse(text.as_bytes()).unwrap())
                        }
                    };
                    for (port, source) in [(8080, "10.0.0.1"), (8443, "192.0.2.7"), (80, "10.0.0.1")] {
                        all.push(RequestSpec {
                            method: method.into(),
                            path: path.into(),
                            host: Some(host.into()),
                            claims: claims.clone(),
                            source_ip: Some(source.parse().unwrap()),
                            destination_port: Some(port),
                            headers: vec![("x-edge".into(), "1".into()), ("x-debug".into(), "1".into())],
                            ..RequestSpec::default()
                        });
                    }
                }
            }
        }
    }
    all
}

/// Requests by method, path, host and port; of each whether it arrives somewhere, by whatever else it has.
fn compare(text: &str, ports: &[u16]) -> (usize, usize) {
    let loaded: Loaded = load_text(text, "mesh.yaml").unwrap_or_else(|why| panic!("{why}\n{text}"));
    let mesh = Mesh::default();
    let world = around(&loaded, &mesh);
    let all = gateways(&loaded.inventory);
    let [gateway] = &all[..] else { panic!("{all:?}") };
    let candidates = loaded.inventory.workloads();
    let targets = candidates.iter().filter(|one| {
        one.workload.namespace == "shop" && one.workload.proxy != gnomon_engine::workload::ProxyKind::Waypoint
    });
    let mut arrived: Vec<(&RequestSpec, String)> = Vec::new();
    // Without a rule for tokens a token is nothing.
    let reads_tokens = text.contains("jwtRules");
    let asked = |one: &RequestSpec| {
        ports.contains(&one.destination_port.unwrap()) && (reads_tokens || one.claims.is_none())
    };
    let every: Vec<RequestSpec> = every().into_iter().filter(asked).collect();
    for spec in &every {
        let way = follow(world, gateway, spec);
        if way.end == End::Arrives {
            arrived.push((spec, way.hops.last().unwrap().workload.name.clone()));
        }
    }
    let mut asked = 0;
    for target in targets {
        let answer = |spec: Option<&RequestSpec>| -> Passages {
            let rule = match spec {
                None => json!({}),
                Some(spec) => {
                    let mut rule = json!({"to": [{"operation": {
                        "methods": [spec.method], "paths": [spec.path], "hosts": [spec.host],
                        "ports": [spec.destination_port.unwrap().to_string()],
                    }}], "from": [{"source": {"ipBlocks": [spec.source_ip.unwrap().to_string()]}}], "when": [
                        {"key": "request.headers[x-edge]", "values": ["1"]}, {"key": "request.headers[x-debug]", "values": ["1"]},
                    ]});
                    let claims = spec.claims.as_ref().and_then(|claims| claims.get(&["sub"])).and_then(
                        |sub| match sub {
                            Json::String(text) => Some(text.clone()),
                            _ => None,
                        },
                    );
                    match claims {
                        Some(sub) => {
                            rule["from"][0]["source"]["requestPrincipals"] =
                                json!([format!("https://i/{sub}")])
                        }
                        None => rule["from"][0]["source"]["notRequestPrincipals"] = json!(["*"]),
                    }
                    rule
                }
            };
            let requests = Requests::new(rule, Protocol::Http).unwrap();
            who_can(world, gateway, &target.workload, &requests).unwrap_or_else(|why| panic!("{why}\n{text}"))
        };
        let whole = answer(None);
        let told: Vec<&str> = whole.unknown.iter().map(String::as_str).collect();
        // What is not followed is said to be left out, and here it is the expression alone.
        assert!(told.iter().all(|why| why.contains("`regex` is not followed")), "{told:?}\n{text}");
        // One in nineteen, since each is a question of its own.
        for spec in every.iter().skip(asked % 19).step_by(19) {
            let comes =
                arrived.iter().any(|(one, name)| std::ptr::eq(*one, spec) && *name == target.workload.name);
            // Of several destinations with a share only one is followed: the others are asked about as well.
            let shared = spec.host.as_deref() == Some("shop.example.com") && text.contains("weight: 10");
            let found = answer(Some(spec));
            asked += 1;
            let unread = !found.unknown.is_empty() && spec.path.starts_with("/r");
            if comes && !unread {
                assert!(
                    !found.all.is_empty(),
                    "{spec:?} comes to {}, and is not found\n{text}",
                    target.workload.name
                );
            } else if !comes && !shared {
                assert!(
                    found.all.is_empty(),
                    "{spec:?} does not come to {}: {:?}\n{text}",
                    target.workload.name,
                    found.all
                );
            }
        }
    }
    (asked, arrived.len())
}

#[test]
fn every_request_through_virtual_services() {
    let mesh = EDGE.to_owned() + ROUTES + &workload("a") + &workload("b") + &workload("c");
    let edge = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: edge, namespace: istio-system}\n\
                spec: {selector: {matchLabels: {app: ingress}}, action: DENY, rules: [{to: [{operation: {paths: ['/api/v1/*'], ports: ['8443']}}]}]}\n---\n";
    let ingress = "cluster.local/ns/istio-system/sa/ingress";
    let policies = policy(
        "a",
        "ALLOW",
        &format!(
            "[{{from: [{{source: {{principals: [{ingress}]}}}}], to: [{{operation: {{paths: ['/v1/x', '/a*'], hosts: [a.internal, '*.example.com']}}}}], when: [{{key: 'request.headers[x-user]', values: [u1]}}]}}, {{to: [{{operation: {{paths: ['/v1/'], ports: ['8080']}}}}], when: [{{key: 'request.headers[x-edge]', values: ['1']}}]}}]"
        ),
    ) + &policy(
        "a",
        "DENY",
        "[{when: [{key: 'request.headers[x-debug]', values: ['*']}], to: [{operation: {paths: ['/a/v1']}}]}]",
    ) + &policy(
        "b",
        "ALLOW",
        "[{to: [{operation: {paths: ['/v2/*', '/v2'], notPaths: [/v2/y]}}], from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}, {from: [{source: {namespaces: [istio-system]}}], to: [{operation: {methods: [POST], notHosts: [x.example.com]}}]}]",
    ) + &policy(
        "c",
        "ALLOW",
        "[{from: [{source: {notPrincipals: ['*']}}], to: [{operation: {notPaths: ['/c/*']}}]}]",
    );
    let gateway_tokens = tokens("istio-system", "{app: ingress}", false);
    let (asked, arrived) = compare(&(mesh.clone() + edge + &policies + &gateway_tokens), &[8080, 8443]);
    assert!(asked > 100 && arrived > 60, "{asked} {arrived}");
    // Strict mutual TLS shuts the workload out that is called in plaintext.
    let strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n---\n";
    let (_, fewer) = compare(&(mesh + edge + &policies + &gateway_tokens + strict), &[8080]);
    assert!(fewer > 0 && fewer < arrived, "{fewer}");
}

#[test]
fn every_request_through_routes_of_the_gateway_api() {
    let with_waypoint = workload("b").replacen(
        "metadata: {name: b, namespace: shop}",
        "metadata: {name: b, namespace: shop, labels: {istio.io/use-waypoint: waypoint, istio.io/ingress-use-waypoint: 'true'}}",
        1,
    );
    let mesh = API.to_owned() + &workload("a") + &with_waypoint + &workload("c");
    let waypoint = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: way, namespace: shop}\n\
                    spec: {targetRefs: [{kind: Service, group: '', name: b}], rules: [{to: [{operation: {paths: ['/', '/v1*', '/x']}}]}]}\n---\n";
    let policies = policy(
        "a",
        "ALLOW",
        "[{from: [{source: {principals: ['*/ns/infra/*']}}], to: [{operation: {ports: ['8080']}}]}]",
    ) + &policy("b", "ALLOW", "[{from: [{source: {namespaces: [shop]}}]}]")
        + &policy(
            "c",
            "DENY",
            "[{from: [{source: {namespaces: [infra]}}], to: [{operation: {ports: ['9999']}}]}]",
        );
    let (asked, arrived) = compare(&(mesh + waypoint + &policies), &[80]);
    assert!(asked > 15 && arrived > 15, "{asked} {arrived}");
}

/// Where one request goes that comes to port 8080.
fn end(gateway: &str, host: &str) -> End {
    let text = gateway.to_owned() + ROUTES + &workload("a") + &workload("b") + &workload("c");
    let loaded = load_text(&text, "mesh.yaml").unwrap();
    let mesh = Mesh::default();
    let world = around(&loaded, &mesh);
    let all = gateways(&loaded.inventory);
    let request = RequestSpec {
        method: "GET".into(),
        path: "/a".into(),
        host: Some(host.into()),
        destination_port: Some(8080),
        ..RequestSpec::default()
    };
    let way = follow(world, &all[0], &request);
    if way.end == End::Arrives {
        // And not at `c`, whose match is for the mesh alone.
        assert_eq!(way.hops.last().unwrap().name, "sidecar of shop/a");
    }
    way.end
}

#[test]
fn servers_of_gateways() {
    let with = |hosts: &str, more: &str| {
        EDGE.replace(r#"hosts: ["*.example.com"]}"#, &format!("hosts: [{hosts}]{more}}}"))
    };
    let stops = |end: End, what: &str| matches!(end, End::Stops(why) if why.contains(what));
    // A server may be for the routes of some namespaces only.
    for hosts in ["'*.example.com'", "'*/*.example.com'", "'./*.example.com'", "'shop/*.example.com'"] {
        assert_eq!(end(&with(hosts, ""), "x.example.com"), End::Arrives, "{hosts}");
    }
    assert!(stops(end(&with("'other/*.example.com'", ""), "x.example.com"), "no route for the host"));
    let redirects = with("'*.example.com'", ", tls: {httpsRedirect: true}");
    assert!(stops(end(&redirects, "x.example.com"), "redirects to https"));
    // Bytes have no routes of HTTP.
    let bytes = EDGE.replace("protocol: HTTP}", "protocol: TCP}");
    assert!(stops(end(&bytes, "x.example.com"), "no route for the host"));
    // Where nothing comes through a port, nobody may send anything to it; what comes through the other stays.
    let mesh = redirects + ROUTES + &workload("a") + &workload("b") + &workload("c");
    let (asked, arrived) = compare(&mesh, &[8080, 8443]);
    assert!(asked > 20 && arrived > 20, "{asked} {arrived}");
}

#[test]
fn what_cannot_be_followed_is_said() {
    let about = |policies: &str| {
        let mesh = EDGE.to_owned() + ROUTES + &workload("a") + &workload("b") + &workload("c") + policies;
        let loaded = load_text(&mesh, "mesh.yaml").unwrap();
        let mesh = Mesh::default();
        let world = around(&loaded, &mesh);
        let all = gateways(&loaded.inventory);
        let candidates = loaded.inventory.workloads();
        let target = candidates.iter().find(|one| one.workload.name == "a").unwrap();
        let requests = Requests::new(json!({}), Protocol::Http).unwrap();
        who_can(world, &all[0], &target.workload, &requests).unwrap().unknown.join("\n")
    };
    for (policies, said) in [
        (policy("a", "ALLOW", "[{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]"), "the gateway's own address"),
        (policy("a", "ALLOW", "[{to: [{operation: {paths: ['*/x']}}]}]"), "paths by their end"),
        (policy("a", "ALLOW", "[{to: [{operation: {paths: ['/v1/{*}/x']}}]}]"), "a path template"),
        (
            policy("a", "ALLOW", "[{when: [{key: 'request.headers[x-forwarded-for]', values: ['*']}]}]"),
            "a header that proxies write",
        ),
        (
            tokens("istio-system", "{app: ingress}", false) + &tokens("shop", "{app: a}", false),
            "the gateway takes tokens out",
        ),
    ] {
        assert!(about(&policies).contains(said), "{said}: {}", about(&policies));
    }
}
