//! The exported filters, piece by piece, in the shape that istiod gives them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests may be blunt")]

use gnomon_engine::{
    Attribute, Node,
    attribute::{Key, Part},
    decode,
    request::Protocol,
    resource::Resources,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Exports `objects` (kind and spec) for a workload of namespace `foo`; panics where admission has an objection.
fn export(objects: Value, workload: Value, mesh: Value, protocol: Protocol) -> Vec<Value> {
    let node = |value: &Value| -> Node { serde_json::from_str(&value.to_string()).unwrap() };
    let (file, mut resources, mut diagnostics) = (Arc::from(""), Resources::default(), Vec::new());
    for (index, object) in objects.as_array().unwrap().iter().enumerate() {
        let mut object = object.clone();
        object["apiVersion"] = "security.istio.io/v1".into();
        object["metadata"]["name"] = format!("p{index}").into();
        object["metadata"]["namespace"] = "foo".into();
        decode::object(&node(&object), &file, &mut resources, &mut diagnostics);
    }
    let mut place = json!({ "namespace": "foo" });
    place.as_object_mut().unwrap().extend(workload.as_object().unwrap().clone());
    let workload = decode::workload(&node(&place), &file, &mut diagnostics);
    let mesh = decode::mesh(&node(&mesh), &file, &mut diagnostics);
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|d| d.severity == gnomon_engine::Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    gnomon_envoy_config::export(&resources, &workload, &mesh, protocol)
}

fn policy(spec: Value) -> Value {
    json!({ "kind": "AuthorizationPolicy", "spec": spec })
}

/// The RBAC policy of the only rule of a policy.
fn rule(rule: Value, action: &str, protocol: Protocol) -> Option<Value> {
    let filters =
        export(json!([policy(json!({ "action": action, "rules": [rule] }))]), json!({}), json!({}), protocol);
    filters[0]["typedConfig"]["rules"]["policies"].get("ns[foo]-policy[p0]-rule[0]").cloned()
}

fn types(filters: &[Value]) -> Vec<&str> {
    filters.iter().map(|filter| filter["typedConfig"]["@type"].as_str().unwrap()).collect()
}

const ANY_PERMISSION: &str = r#"[{"andRules":{"rules":[{"any":true}]}}]"#;

#[test]
fn principals() {
    let name = |matcher: Value| json!({ "authenticated": { "principalName": matcher } });
    let regex = |regex: &str| json!({ "safeRegex": { "regex": regex } });
    for (field, value, expected) in [
        ("principals", "td/ns/a/sa/b", name(json!({ "exact": "spiffe://td/ns/a/sa/b" }))),
        ("principals", "*", name(regex(".+"))),
        ("principals", "*/sa/b.c", name(regex(r"spiffe://.*/sa/b\.c"))),
        ("principals", "td/*", name(json!({ "prefix": "spiffe://td/" }))),
        ("namespaces", "a*.b", name(regex(r".*/ns/a.*\.b/.*"))),
        ("serviceAccounts", "web", name(regex("spiffe://.+/ns/foo/(.+/|)sa/web(/.+)?"))),
        ("serviceAccounts", "shop/web", name(regex("spiffe://.+/ns/shop/(.+/|)sa/web(/.+)?"))),
        ("trustDomains", "td", name(json!({ "prefix": "spiffe://td/" }))),
        ("trustDomains", "*", name(json!({ "prefix": "spiffe://" }))),
        ("trustDomains", "a.*", name(regex(r"spiffe://a\.[^/]*/.*"))),
        (
            "ipBlocks",
            "10.1.2.3/8",
            json!({ "directRemoteIp": { "addressPrefix": "10.1.2.3", "prefixLen": 8 } }),
        ),
        ("remoteIpBlocks", "::1", json!({ "remoteIp": { "addressPrefix": "::1", "prefixLen": 128 } })),
    ] {
        for protocol in [Protocol::Http, Protocol::Tcp] {
            let got = rule(json!({ "from": [{ "source": { field: [value] } }] }), "ALLOW", protocol).unwrap();
            let expected = json!([{ "andIds": { "ids": [{ "orIds": { "ids": [expected] } }] } }]);
            assert_eq!(got["principals"], expected, "{field} {value}");
            assert_eq!(got["permissions"].to_string(), ANY_PERMISSION);
        }
        let not = format!("not{}{}", field[..1].to_uppercase(), &field[1..]);
        let got = rule(json!({ "from": [{ "source": { not: [value] } }] }), "ALLOW", Protocol::Http).unwrap();
        let expected = json!([{ "andIds": { "ids": [{ "notId": { "orIds": { "ids": [expected] } } }] } }]);
        assert_eq!(got["principals"], expected, "not {field} {value}");
    }
}

#[test]
fn request_principals() {
    let any = json!({ "safeRegex": { "regex": ".+" } });
    let exact = |value: &str| json!({ "exact": value });
    for (value, issuer, subject) in [
        ("*", any.clone(), any.clone()),
        ("*.com/*", json!({ "suffix": ".com" }), exact("*")),
        ("*/x", any.clone(), exact("x")),
        ("*x", any.clone(), json!({ "suffix": "x" })),
        ("https://i/*", exact("https://i"), any.clone()),
        ("i/s*", exact("i"), json!({ "prefix": "s" })),
        ("i*", json!({ "prefix": "i" }), any.clone()),
        ("a/b/c", exact("a/b"), exact("c")),
        ("i", exact("i"), exact("")),
    ] {
        let got = rule(
            json!({ "from": [{ "source": { "requestPrincipals": [value] } }] }),
            "ALLOW",
            Protocol::Http,
        );
        let claim = |name: &str, value: Value| {
            json!({ "metadata": {
                "filter": "envoy.filters.http.jwt_authn",
                "path": [{ "key": "payload" }, { "key": name }],
                "value": { "stringMatch": value },
            } })
        };
        let both = json!({ "andIds": { "ids": [claim("iss", issuer), claim("sub", subject)] } });
        assert_eq!(got.unwrap()["principals"], json!([{ "andIds": { "ids": [both] } }]), "{value}");
    }
}

#[test]
fn permissions() {
    let string = |name: &str, value: Value| json!({ "header": { "name": name, "stringMatch": value } });
    let path = |value: Value| json!({ "urlPath": { "path": value } });
    for (field, value, expected) in [
        ("hosts", "a.com", string(":authority", json!({ "exact": "a.com", "ignoreCase": true }))),
        ("hosts", "*.com", string(":authority", json!({ "suffix": ".com", "ignoreCase": true }))),
        ("hosts", "*", json!({ "header": { "name": ":authority", "presentMatch": true } })),
        ("methods", "GET", string(":method", json!({ "exact": "GET" }))),
        ("methods", "P*", string(":method", json!({ "prefix": "P" }))),
        ("paths", "/a", path(json!({ "exact": "/a" }))),
        ("paths", "*", path(json!({ "safeRegex": { "regex": ".+" } }))),
        ("paths", "*a*", path(json!({ "suffix": "a*" }))),
        (
            "paths",
            "/a/{*}/{**}",
            json!({ "uriTemplate": { "name": "uri-template", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                "pathTemplate": "/a/*/**",
            } } }),
        ),
        ("ports", "0", json!({ "destinationPort": 0 })),
        ("ports", "080", json!({ "destinationPort": 80 })),
    ] {
        let operation = json!({ "to": [{ "operation": { field: [value] } }] });
        let got = rule(operation.clone(), "DENY", Protocol::Http).unwrap();
        let expected = json!([{ "andRules": { "rules": [{ "orRules": { "rules": [expected] } }] } }]);
        assert_eq!(got["permissions"], expected, "{field} {value}");

        // On TCP an HTTP field drops an ALLOW rule, and widens a DENY rule.
        let allow = rule(operation.clone(), "ALLOW", Protocol::Tcp);
        let deny = rule(operation, "DENY", Protocol::Tcp).unwrap()["permissions"].clone();
        if field == "ports" {
            assert_eq!((allow.unwrap()["permissions"].clone(), deny), (expected.clone(), expected));
        } else {
            assert_eq!((allow, deny.to_string().as_str()), (None, ANY_PERMISSION), "{field} {value}");
        }
    }
}

#[test]
fn conditions() {
    let metadata = |path: &[&str], value: Value| {
        let path: Vec<Value> = path.iter().map(|key| json!({ "key": key })).collect();
        json!({ "metadata": { "filter": "envoy.filters.http.jwt_authn", "path": path, "value": value } })
    };
    let one = |value: Value| {
        let value = json!({ "stringMatch": value });
        json!({ "orMatch": { "valueMatchers": [{ "listMatch": { "oneOf": value.clone() } }, value] } })
    };
    let or = |ids: Value| json!({ "orIds": { "ids": [ids] } });
    for (key, value, expected) in [
        (
            "request.headers[X-A]",
            "b",
            or(json!({ "header": { "name": "X-A", "stringMatch": { "exact": "b" } } })),
        ),
        ("request.headers[a]", "*", or(json!({ "header": { "name": "a", "presentMatch": true } }))),
        ("request.auth.audiences", "a", metadata(&["payload", "aud"], one(json!({ "exact": "a" })))),
        ("request.auth.presenter", "a*", metadata(&["payload", "azp"], one(json!({ "prefix": "a" })))),
        (
            "request.auth.claims[a][b.c]",
            "*x",
            metadata(&["payload", "a", "b.c"], one(json!({ "suffix": "x" }))),
        ),
        ("request.auth.claims[a[b]]", "x", metadata(&["payload", "a[b]"], one(json!({ "exact": "x" })))),
        (
            "source.namespace",
            "a",
            or(json!({ "authenticated": { "principalName": { "safeRegex": { "regex": ".*/ns/a/.*" } } } })),
        ),
    ] {
        for (list, wrap) in [("values", false), ("notValues", true)] {
            let got =
                rule(json!({ "when": [{ "key": key, list: [value] }] }), "ALLOW", Protocol::Http).unwrap();
            let expected = if wrap { json!({ "notId": expected }) } else { expected.clone() };
            assert_eq!(got["principals"], json!([{ "andIds": { "ids": [expected] } }]), "{key} {list}");
        }
    }
    let got = rule(
        json!({ "when": [{ "key": "experimental.envoy.filters.a.b[c]", "values": ["[x]", "y"] }] }),
        "ALLOW",
        Protocol::Tcp,
    );
    let list = json!({ "listMatch": { "oneOf": { "stringMatch": { "exact": "x" } } } });
    let values = json!([list, { "stringMatch": { "exact": "y" } }]);
    let metadata = json!({ "metadata": {
        "filter": "envoy.filters.a.b",
        "path": [{ "key": "c" }],
        "value": { "orMatch": { "valueMatchers": values } },
    } });
    assert_eq!(got.unwrap()["permissions"], json!([{ "andRules": { "rules": [metadata] } }]));
}

#[test]
fn sources_and_conditions_are_ordered_as_istiod_has_them() {
    let got = rule(
        json!({
            "from": [{ "source": {
                "ipBlocks": ["1.1.1.1"], "remoteIpBlocks": ["1.1.1.1"], "namespaces": ["n"], "trustDomains": ["t"],
                "requestPrincipals": ["i/s"], "principals": ["p"], "notPrincipals": ["q"],
            } }],
            "to": [{ "operation": { "ports": ["1"], "paths": ["/"], "methods": ["GET"], "hosts": ["h"] } }],
            "when": [{ "key": "source.ip", "values": ["2.2.2.2"] }, { "key": "destination.port", "values": ["2"] }],
        }),
        "ALLOW",
        Protocol::Http,
    )
    .unwrap();
    let flat = |list: &Value, set: &str| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|part| {
                let text = part.to_string();
                [
                    "notId",
                    "andIds",
                    "directRemoteIp",
                    "remoteIp",
                    "/ns/n/",
                    "spiffe://t/",
                    "spiffe://p",
                    "destinationPort\":1",
                    "destinationPort\":2",
                    "urlPath",
                    ":method",
                    ":authority",
                ]
                .iter()
                .find(|word| text.contains(*word))
                .unwrap_or(&set)
                .to_string()
            })
            .collect()
    };
    assert_eq!(
        flat(&got["principals"][0]["andIds"]["ids"], "?"),
        [
            "spiffe://p",
            "notId",
            "andIds",
            "spiffe://t/",
            "/ns/n/",
            "remoteIp",
            "directRemoteIp",
            "directRemoteIp"
        ]
    );
    assert_eq!(
        flat(&got["permissions"][0]["andRules"]["rules"], "?"),
        [":authority", ":method", "urlPath", "destinationPort\":1", "destinationPort\":2"]
    );
}

#[test]
fn trust_domain_aliases() {
    let mesh = json!({ "trustDomain": "td1", "trustDomainAliases": ["old-td"] });
    for (field, value, expected) in [
        ("principals", "td1/ns/a/sa/b", vec!["spiffe://td1/ns/a/sa/b", "spiffe://old-td/ns/a/sa/b"]),
        (
            "principals",
            "cluster.local/ns/a/sa/b",
            vec!["spiffe://td1/ns/a/sa/b", "spiffe://old-td/ns/a/sa/b"],
        ),
        ("principals", "*-td/ns/a/sa/b", vec!["spiffe://td1/ns/a/sa/b", "spiffe://.*-td/ns/a/sa/b"]),
        ("principals", "other/ns/a/sa/b", vec!["spiffe://other/ns/a/sa/b"]),
        ("principals", "*/ns/a/sa/b", vec!["spiffe://.*/ns/a/sa/b"]),
        ("principals", "td1/a", vec!["spiffe://td1/a"]),
        ("trustDomains", "td1", vec!["spiffe://td1/", "spiffe://old-td/"]),
        ("trustDomains", "cluster.local", vec!["spiffe://cluster.local/"]),
    ] {
        let objects = json!([policy(json!({ "rules": [{ "from": [{ "source": { field: [value] } }] }] }))]);
        let filters = export(objects, json!({}), mesh.clone(), Protocol::Http);
        let rule = &filters[0]["typedConfig"]["rules"]["policies"]["ns[foo]-policy[p0]-rule[0]"];
        let ids = &rule["principals"][0]["andIds"]["ids"][0]["orIds"]["ids"];
        let got: Vec<&str> = ids
            .as_array()
            .unwrap()
            .iter()
            .map(|id| &id["authenticated"]["principalName"])
            .map(|m| {
                let plain = m.get("exact").or(m.get("prefix"));
                plain.unwrap_or(&m["safeRegex"]["regex"]).as_str().unwrap()
            })
            .collect();
        assert_eq!(got, expected, "{value}");
    }
}

#[test]
fn many_sources_cannot_blow_up_a_shared_condition() {
    let sources: Vec<Value> =
        (0..64).map(|i| json!({ "source": { "namespaces": [format!("n{i}")] } })).collect();
    let when = json!([{ "key": "source.principal", "values": ["td/ns/a/sa/b"] }]);
    let objects = json!([policy(json!({ "rules": [{ "from": sources, "when": when }] }))]);
    let mesh = json!({ "trustDomain": "td", "trustDomainAliases": ["t2", "t3"] });
    let filters = export(objects, json!({}), mesh, Protocol::Tcp);
    let rule = &filters[0]["typedConfig"]["rules"]["policies"]["ns[foo]-policy[p0]-rule[0]"];
    let values = rule["principals"][63]["andIds"]["ids"][1]["orIds"]["ids"].as_array().unwrap().len();
    assert!((3..=3 * 256).contains(&values), "{values}");
}

#[test]
fn stages_and_prefixes() {
    let dry = |action: &str| {
        json!({ "kind": "AuthorizationPolicy", "metadata": { "annotations": { "istio.io/dry-run": "true" } },
            "spec": { "action": action, "rules": [{}] } })
    };
    let all = json!({ "permissions": [{ "andRules": { "rules": [{ "any": true }] } }],
        "principals": [{ "andIds": { "ids": [{ "any": true }] } }] });
    let never = json!({ "permissions": [{ "notRule": { "any": true } }], "principals": [{ "notId": { "any": true } }] });
    let rbac = |rules: Option<Value>, shadow: Option<Value>, prefix: &str| {
        let mut config = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC" });
        if let Some(rules) = rules {
            config["rules"] = rules;
        }
        if let Some(shadow) = shadow {
            config["shadowRules"] = shadow;
        }
        config["shadowRulesStatPrefix"] = prefix.into();
        json!({ "name": "envoy.filters.http.rbac", "typedConfig": config })
    };
    let name = "ns[foo]-policy[p0]-rule[0]";
    for (object, expected) in [
        (policy(json!({})), rbac(Some(json!({ "policies": { name: never } })), None, "istio_dry_run_allow_")),
        (
            policy(json!({ "rules": [{}] })),
            rbac(Some(json!({ "policies": { name: all } })), None, "istio_dry_run_allow_"),
        ),
        (
            policy(json!({ "action": "DENY", "rules": [{}] })),
            rbac(Some(json!({ "action": "DENY", "policies": { name: all } })), None, "istio_dry_run_allow_"),
        ),
        (
            policy(json!({ "action": "AUDIT", "rules": [{}] })),
            rbac(Some(json!({ "action": "LOG", "policies": { name: all } })), None, "istio_dry_run_allow_"),
        ),
        (dry("ALLOW"), rbac(None, Some(json!({ "policies": { name: all } })), "istio_dry_run_allow_")),
        (
            dry("DENY"),
            rbac(None, Some(json!({ "action": "DENY", "policies": { name: all } })), "istio_dry_run_deny_"),
        ),
    ] {
        assert_eq!(export(json!([object]), json!({}), json!({}), Protocol::Http), [expected]);
    }

    // Every ALLOW rule dropped on TCP: an empty set of rules refuses all.
    let http_only = policy(json!({ "rules": [{ "to": [{ "operation": { "methods": ["GET"] } }] }] }));
    let filters = export(json!([http_only]), json!({}), json!({}), Protocol::Tcp);
    assert_eq!(
        filters[0],
        json!({ "name": "envoy.filters.network.rbac", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
        "rules": {}, "statPrefix": "tcp.", "shadowRulesStatPrefix": "istio_dry_run_allow_",
    } })
    );
}

#[test]
fn filters_stand_in_istiods_order() {
    let objects = json!([
        policy(json!({ "rules": [{}] })),
        policy(json!({ "action": "DENY", "rules": [{}] })),
        policy(json!({ "action": "AUDIT", "rules": [{}] })),
        policy(json!({ "action": "CUSTOM", "provider": { "name": "p" }, "rules": [{}] })),
        { "kind": "RequestAuthentication", "spec": { "jwtRules": [{ "issuer": "i", "jwksUri": "https://i/k" }] } },
    ]);
    let mesh = json!({ "extensionProviders": ["p"] });
    let filters = export(objects.clone(), json!({}), mesh.clone(), Protocol::Http);
    let kinds: Vec<&str> = types(&filters).iter().map(|kind| kind.split('.').nth(6).unwrap()).collect();
    assert_eq!(kinds, ["rbac", "ext_authz", "jwt_authn", "rbac", "rbac", "rbac"]);
    let actions: Vec<&Value> =
        filters[3..].iter().map(|filter| &filter["typedConfig"]["rules"]["action"]).collect();
    assert_eq!(actions, [&json!("LOG"), &json!("DENY"), &Value::Null]);

    let filters = export(objects.clone(), json!({}), mesh.clone(), Protocol::Tcp);
    let kinds: Vec<&str> = types(&filters).iter().map(|kind| kind.split('.').nth(6).unwrap()).collect();
    assert_eq!(kinds, ["rbac", "ext_authz", "rbac", "rbac", "rbac"]);
    assert!(export(objects, json!({ "proxy": "ztunnel" }), mesh, Protocol::Http).is_empty());
}

/// `ENABLE_GATEWAY_API_HTTPROUTE_AUTH`, Istio 1.32.
#[test]
fn the_allow_filter_of_a_gateway_may_have_another_name() {
    let allow = policy(json!({ "rules": [{}] }));
    let deny = policy(json!({ "action": "DENY", "rules": [{}] }));
    let names = |workload: Value, mesh: Value, protocol| -> Vec<String> {
        let filters = export(json!([allow.clone(), deny.clone()]), workload, mesh, protocol);
        filters.iter().map(|filter| filter["name"].as_str().unwrap().to_string()).collect()
    };
    let gateway = || json!({ "proxy": "gateway" });
    let on = || json!({ "gatewayApiHttpRouteAuth": true });
    let (http, tcp) = ("envoy.filters.http.rbac", "envoy.filters.network.rbac");
    assert_eq!(names(gateway(), on(), Protocol::Http), [http, "istio.authorization.allow"]);
    assert_eq!(names(gateway(), json!({}), Protocol::Http), [http, http]);
    assert_eq!(names(json!({}), on(), Protocol::Http), [http, http], "a sidecar");
    assert_eq!(names(gateway(), on(), Protocol::Tcp), [tcp, tcp]);
    let older = json!({ "gatewayApiHttpRouteAuth": true, "istioVersion": "1.31" });
    assert_eq!(names(gateway(), older, Protocol::Http), [http, http]);
    assert!(names(json!({ "proxy": "agentgateway" }), on(), Protocol::Http).is_empty());
}

#[test]
fn a_waypoint_reads_the_peer_from_filter_state() {
    let objects = json!([policy(json!({
        "targetRefs": [{ "kind": "Service", "group": "", "name": "s" }],
        "rules": [{ "from": [{ "source": { "principals": ["*"] } }] }],
    }))]);
    let filters =
        export(objects, json!({ "proxy": "waypoint", "services": ["s"] }), json!({}), Protocol::Http);
    let rule = &filters[0]["typedConfig"]["rules"]["policies"]["ns[foo]-policy[p0]-rule[0]"];
    let peer = json!({ "filterState": {
        "key": "io.istio.peer_principal", "stringMatch": { "safeRegex": { "regex": ".+" } },
    } });
    assert_eq!(rule["principals"][0]["andIds"]["ids"][0]["orIds"]["ids"], json!([peer]));
}

#[test]
fn custom_providers() {
    let custom = |provider: &str| {
        policy(json!({ "action": "CUSTOM", "provider": { "name": provider }, "rules": [{}] }))
    };
    let http = json!({ "name": "p", "envoyExtAuthzHttp": {
        "service": "ns/auth.ns.svc.cluster.local", "port": 8000, "timeout": "1.50s", "statusOnError": "503",
        "pathPrefix": "/check", "headersToUpstreamOnAllow": ["x-*"], "includeRequestHeadersInCheck": ["cookie"],
    } });
    let grpc = json!({ "name": "p", "envoyExtAuthzGrpc": { "service": "auth.svc", "port": 9000, "failOpen": true } });
    let mesh = |providers: Value| json!({ "extensionProviders": providers });
    let enabled = |rbac: &str, prefix: &str| {
        json!({ "filter": rbac, "path": [{ "key": "istio_ext_authz_shadow_effective_policy_id" }],
            "value": { "stringMatch": { "prefix": prefix } } })
    };

    let filters = export(json!([custom("p")]), json!({}), mesh(json!([http])), Protocol::Http);
    let rbac = &filters[0]["typedConfig"];
    assert_eq!(rbac["shadowRulesStatPrefix"], "istio_ext_authz_");
    assert_eq!(rbac.get("rules"), None);
    assert_eq!(rbac["shadowRules"]["action"], "DENY");
    assert!(rbac["shadowRules"]["policies"].get("istio-ext-authz-p-ns[foo]-policy[p0]-rule[0]").is_some());
    assert_eq!(
        filters[1]["typedConfig"],
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transportApiVersion": "V3",
            "statusOnError": { "code": "ServiceUnavailable" },
            "filterEnabledMetadata": enabled("envoy.filters.http.rbac", "istio-ext-authz-p"),
            "allowedHeaders": { "patterns": [{ "exact": "cookie", "ignoreCase": true }] },
            "httpService": {
                "pathPrefix": "/check",
                "serverUri": {
                    "uri": "http://auth.ns.svc.cluster.local", "timeout": "1.500s",
                    "cluster": "outbound|8000||auth.ns.svc.cluster.local",
                },
                "authorizationResponse": {
                    "allowedUpstreamHeaders": { "patterns": [{ "prefix": "x-", "ignoreCase": true }] },
                },
            },
        })
    );
    // An HTTP provider is left out on TCP, a gRPC one is asked there too.
    assert!(export(json!([custom("p")]), json!({}), mesh(json!([http])), Protocol::Tcp).is_empty());
    let filters = export(json!([custom("p")]), json!({}), mesh(json!([grpc])), Protocol::Tcp);
    assert_eq!(
        filters[1]["typedConfig"],
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
            "transportApiVersion": "V3",
            "failureModeAllow": true,
            "statPrefix": "tcp.",
            "filterEnabledMetadata": enabled("envoy.filters.network.rbac", "istio-ext-authz-p"),
            "grpcService": { "envoyGrpc": { "clusterName": "outbound|9000||auth.svc", "authority": "auth.svc" }, "timeout": "600s" },
        })
    );

    // Unknown, or more than one: the rules are enforced as DENY.
    for objects in [json!([custom("other")]), json!([custom("a"), custom("b")])] {
        let filters = export(objects.clone(), json!({}), mesh(json!([grpc, "a", "b"])), Protocol::Http);
        assert_eq!(filters.len(), objects.as_array().unwrap().len());
        for filter in &filters {
            assert_eq!(filter["typedConfig"]["rules"]["action"], "DENY");
            let policies = filter["typedConfig"]["rules"]["policies"].as_object().unwrap();
            assert!(
                policies.keys().all(|name| name.ends_with("]-deny-due-to-bad-CUSTOM-action")),
                "{policies:?}"
            );
        }
    }
    // Before 1.30 the provider was no part of the name.
    let old = json!({ "extensionProviders": ["p"], "istioVersion": "1.29" });
    let filters = export(json!([custom("p")]), json!({}), old, Protocol::Http);
    let policies = &filters[0]["typedConfig"]["shadowRules"]["policies"];
    assert!(policies.get("istio-ext-authz-ns[foo]-policy[p0]-rule[0]").is_some());
    assert_eq!(
        filters[1]["typedConfig"]["filterEnabledMetadata"],
        enabled("envoy.filters.http.rbac", "istio-ext-authz")
    );
}

#[test]
fn jwt_rules() {
    let keys =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let authentication =
        |rules: Value| json!({ "kind": "RequestAuthentication", "spec": { "jwtRules": rules } });
    let full = json!({
        "issuer": "b", "jwks": keys, "audiences": ["x"], "fromHeaders": [{ "name": "x-a", "prefix": "B " }, { "name": "x-b" }],
        "fromParams": ["p"], "fromCookies": ["c"], "forwardOriginalToken": true, "outputPayloadToHeader": "x-p",
        "outputClaimToHeaders": [{ "header": "x-s", "claim": "sub" }], "spaceDelimitedClaims": ["z", "a", "scope"],
    });
    let plain = json!({ "issuer": "a", "jwksUri": "https://a/k" });
    let any = |list: Value| json!({ "requiresAny": { "requirements": list } });
    let optional = |name: &str| any(json!([{ "providerName": name }, { "allowMissing": {} }]));

    let one = export(json!([authentication(json!([full]))]), json!({}), json!({}), Protocol::Http);
    assert_eq!(
        one,
        [json!({ "name": "envoy.filters.http.jwt_authn", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "bypassCorsPreflight": true,
        "rules": [{ "match": { "prefix": "/" }, "requires": optional("origins-0") }],
        "providers": { "origins-0": {
            "issuer": "b", "audiences": ["x"], "forward": true, "forwardPayloadHeader": "x-p",
            "fromHeaders": [{ "name": "x-a", "valuePrefix": "B " }, { "name": "x-b" }],
            "fromParams": ["p"], "fromCookies": ["c"],
            "claimToHeaders": [{ "headerName": "x-s", "claimName": "sub" }],
            "payloadInMetadata": "payload",
            "normalizePayloadInMetadata": { "spaceDelimitedClaims": ["a", "permission", "scope", "z"] },
            "localJwks": { "inlineString": keys },
        } },
    } })]
    );

    // Sorted by issuer; on a gateway a new claim header may choose another route.
    let two = export(
        json!([authentication(json!([full, plain]))]),
        json!({ "proxy": "gateway" }),
        json!({}),
        Protocol::Http,
    );
    let config = &two[0]["typedConfig"];
    assert_eq!(
        config["rules"][0]["requires"],
        any(json!([
            { "providerName": "origins-0" },
            { "providerName": "origins-1" },
            { "requiresAll": { "requirements": [optional("origins-0"), optional("origins-1")] } },
        ]))
    );
    let first = &config["providers"]["origins-0"];
    assert_eq!((&first["issuer"], &first["clearRouteCache"]), (&json!("a"), &json!(true)));
    let fallback = first["localJwks"]["inlineString"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(fallback).unwrap()["keys"][0].get("d").is_none());
}

/// Every row of the table of attributes, as a field and as a key: it goes into the half that its row says, and nowhere
/// on a TCP chain where its row says so.
#[test]
fn every_attribute_goes_where_its_row_says() {
    let any_permission = json!([{ "andRules": { "rules": [{ "any": true }] } }]);
    let any_principal = json!([{ "andIds": { "ids": [{ "any": true }] } }]);
    for attribute in Attribute::ALL {
        let (row, value) = (attribute.row(), attribute.samples()[0]);
        let mut rules = Vec::new();
        for name in row.field.map(|(name, not_name)| [name, not_name]).into_iter().flatten() {
            rules.push(match row.part {
                Part::Source => json!({ "from": [{ "source": { name: [value] } }] }),
                Part::Operation => json!({ "to": [{ "operation": { name: [value] } }] }),
            });
        }
        if let Some(Key::Whole(start) | Key::Bracketed(start)) = row.key {
            let key = match row.key {
                Some(Key::Bracketed(_)) if start.ends_with('.') => format!("{start}f[n]"),
                Some(Key::Bracketed(_)) => format!("{start}[n]"),
                _ => start.to_string(),
            };
            rules.push(json!({ "when": [{ "key": key, "values": [value] }] }));
            rules.push(json!({ "when": [{ "key": key, "notValues": [value] }] }));
        }
        for written in rules {
            let policy = rule(written.clone(), "ALLOW", Protocol::Http).unwrap();
            let asked = (policy["permissions"] != any_permission, policy["principals"] != any_principal);
            let operation = row.part == Part::Operation;
            assert_eq!(asked, (operation, !operation), "{written}: {policy}");
            assert_eq!(rule(written.clone(), "ALLOW", Protocol::Tcp).is_some(), !row.http_only, "{written}");
        }
    }
}
