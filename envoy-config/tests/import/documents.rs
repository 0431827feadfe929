//! Where filters stand, which listener and chain are meant, and hostile documents.

use super::*;

#[test]
fn wrappings() {
    let rules = json!({ "action": "DENY", "policies": { "p": { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } });
    let typed = |wrapper: &str, field: &str| {
        json!({ "name": "odd", "typed_config": {
            "@type": format!("type.googleapis.com/{wrapper}"), field: "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "value": { "rules": rules } } })
    };
    let filter = json!({ "name": "envoy.filters.http.rbac", "config": { "rules": rules } });
    let manager = json!({ "name": "m", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "httpFilters": [{ "name": "envoy.filters.http.router" }, filter] } });
    let listener = json!({ "name": "l", "address": { "socketAddress": { "portValue": 80 } }, "filterChains": [{ "filters": [manager] }] });
    for document in [
        typed("udpa.type.v1.TypedStruct", "type_url"),
        typed("xds.type.v3.TypedStruct", "typeUrl"),
        filter.clone(),
        json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": rules }),
        json!({ "@type": "type.googleapis.com/envoy.config.filter.http.rbac.v2.RBAC", "rules": rules }),
        json!({ "rules": rules }),
        rules.clone(),
        json!([filter]),
        manager.clone(),
        json!({ "filters": [manager] }),
        listener.clone(),
        json!([listener]),
        json!({ "configs": [{ "@type": "x/envoy.admin.v3.ClustersConfigDump" }, { "dynamic_listeners": [{ "name": "l", "active_state": { "listener": listener } }] }] }),
        json!({ "configs": [{ "bootstrap": { "static_resources": { "listeners": [listener] } } }, { "static_listeners": [{ "listener": listener }] }] }),
        json!({ "staticResources": { "listeners": [listener] } }),
    ] {
        let imported = import(&document);
        assert_eq!(imported.listeners.len(), 1, "{document}");
        assert_eq!(imported.findings, [], "{document}");
        let report = ask(&document, &Request { peer: Peer::Plaintext, sni: b"", ..request(HEADERS) });
        assert_eq!((report.verdict, report.policy.as_deref()), (Outcome::Deny, Some("p")), "{document}");
    }
    for document in [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!({ "filterChains": [] }),
        json!({ "a": { "b": 1 } }),
        // Dumps of other things, and dumps that have listeners no more.
        json!({ "configs": [{ "@type": "x/envoy.admin.v3.SecretsConfigDump" }] }),
        json!({ "configs": [{ "@type": "x/envoy.admin.v3.RoutesConfigDump", "dynamicRouteConfigs": [{ "routeConfig": {} }] }] }),
        json!({ "configs": [{ "@type": "x/envoy.admin.v3.ListenersConfigDump", "versionInfo": "1" }] }),
        json!({ "configs": [{ "@type": "x/envoy.admin.v3.ClustersConfigDump", "staticClusters": [] }] }),
        json!({ "@type": "x/envoy.admin.v3.SecretsConfigDump" }),
        json!([{ "name": "r", "virtualHosts": [] }]),
        json!({ "name": "envoy.access_loggers.file", "typedConfig": { "@type": "x/envoy.extensions.access_loggers.file.v3.FileAccessLog" } }),
        json!({ "name": "tls", "typedConfig": { "@type": "x/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext" } }),
        json!([{ "name": "envoy.filters.http.router", "typedConfig": {} }]),
        json!({ "name": "pass", "filters": [] }),
    ] {
        assert_eq!(
            import(&document).listeners.len(),
            usize::from(document.get("filterChains").is_some()),
            "{document}"
        );
        assert!(import(&document).select(None, &request(HEADERS)).is_err(), "{document}");
    }
    // A Lua filter may do anything: it is named.
    let lua = json!([{ "name": "my.default-lua", "typedConfig": {} }, filter]);
    let findings = import(&lua).findings;
    assert_eq!((findings.len(), findings[0].code), (1, "passed-over"));
}

/// A connection manager whose RBAC filter has nothing of its own, and a dump of it with its routes.
fn by_routes(filter: &Value, routes: &Value) -> Value {
    let manager = json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": {
        "@type": "x/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "httpFilters": [filter], "rds": { "routeConfigName": "r" },
    } });
    json!({ "configs": [
        { "@type": "x/envoy.admin.v3.ListenersConfigDump", "dynamicListeners": [{ "activeState": { "listener": { "name": "l", "filterChains": [{ "filters": [manager] }] } } }] },
        { "@type": "x/envoy.admin.v3.RoutesConfigDump", "dynamicRouteConfigs": [{ "routeConfig": routes }] },
    ] })
}

#[test]
fn routes_that_change_a_filter() {
    let filter = json!({ "name": "envoy.filters.http.rbac", "typedConfig": { "@type": "x/envoy.extensions.filters.http.rbac.v3.RBAC" } });
    // Everything is refused under this name.
    let refuses = |name: &str| {
        let rules = json!({ "action": "DENY", "policies": { name: { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } });
        json!({ "envoy.filters.http.rbac": { "@type": "x/envoy.extensions.filters.http.rbac.v3.RBACPerRoute", "rbac": { "rules": rules } } })
    };
    let route = |matching: Value, changes: Value| json!({ "match": matching, "route": { "cluster": "c" }, "typedPerFilterConfig": changes });
    let off = json!({ "envoy.filters.http.rbac": { "@type": "x/envoy.extensions.filters.http.rbac.v3.RBACPerRoute" } });
    let disabled = json!({ "envoy.filters.http.rbac": { "@type": "x/envoy.config.route.v3.FilterConfig", "disabled": true } });
    let routes = json!({ "name": "r", "ignorePortInHostMatching": true, "typedPerFilterConfig": refuses("all"), "virtualHosts": [
        { "domains": ["*"], "routes": [route(json!({ "prefix": "/" }), json!({}))] },
        { "domains": ["*.example.com"], "typedPerFilterConfig": refuses("wild"), "routes": [
            route(json!({ "path": "/open" }), off),
            route(json!({ "pathSeparatedPrefix": "/api", "headers": [{ "name": ":method", "stringMatch": { "exact": "GET" } }] }), refuses("api")),
            route(json!({ "prefix": "/API", "caseSensitive": false }), disabled),
            route(json!({ "safeRegex": { "regex": "/x[0-9]+" } }), json!({})),
        ] },
        { "domains": ["web.example.com"], "typedPerFilterConfig": refuses("web"), "routes": [route(json!({ "prefix": "/only" }), json!({}))] },
        { "domains": ["*.web.example.com", "odd.*"], "routes": [
            route(json!({ "prefix": "/q", "queryParameters": [{ "name": "a", "presentMatch": true }] }), json!({})),
            route(json!({ "prefix": "/" }), refuses("odd")),
        ] },
    ] });
    let dump = by_routes(&filter, &routes);
    for (host, method, path, expected) in [
        ("other.org", "GET", "/", "deny all"),
        (".example.com", "GET", "/", "deny all"),
        ("a.example.com", "GET", "/open", "allow"),
        ("A.Example.com:8443", "GET", "/open?x", "allow"),
        ("a.example.com", "GET", "/api", "deny api"),
        ("a.example.com", "GET", "/api/v1", "deny api"),
        ("a.example.com", "GET", "/apis", "allow"),
        ("a.example.com", "POST", "/api", "allow"),
        ("a.example.com", "GET", "/x12", "deny wild"),
        ("a.example.com", "GET", "/x", "404"),
        // No other virtual host is asked.
        ("web.example.com", "GET", "/open", "404"),
        ("web.example.com:80", "GET", "/only/x", "deny web"),
        ("b.web.example.com", "GET", "/", "deny odd"),
        ("odd.org", "GET", "/", "deny odd"),
        ("odd.example.com", "GET", "/open", "allow"),
        ("odd.[::1]", "GET", "/", "deny odd"),
        ("b.web.example.com", "GET", "/q", "unknown"),
    ] {
        let headers = [(":authority", host), (":method", method), (":path", path)];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let report = ask(&dump, &request(&headers));
        let found = match (report.verdict, report.status) {
            (Outcome::Allow, _) => "allow".into(),
            (Outcome::Deny, Some(404)) => "404".into(),
            (Outcome::Deny, _) => format!("deny {}", report.policy.unwrap()),
            (Outcome::Unknown | Outcome::Redirect, _) => "unknown".into(),
        };
        assert_eq!(found, expected, "{method} {host}{path}: {}", report.reason);
    }
    // Without the routes nobody knows what such a filter does; one that is disabled may be enabled by them.
    let mut elsewhere = dump.clone();
    elsewhere["configs"].as_array_mut().unwrap().pop();
    let report = ask(&elsewhere, &request(HEADERS));
    assert_eq!(report.verdict, Outcome::Unknown);
    assert!(report.missing[0].to_string().contains("rds[\"r\"]"), "{:?}", report.missing);
    let mut own = rbac(&json!({ "any": true }), &json!({ "notId": { "any": true } }));
    own["disabled"] = json!(true);
    let none = json!({ "name": "r", "virtualHosts": [{ "domains": ["*"], "routes": [route(json!({ "prefix": "/" }), json!({}))] }] });
    assert_eq!(ask(&by_routes(&own, &none), &request(HEADERS)).verdict, Outcome::Allow);
    let mut on = none.clone();
    on["virtualHosts"][0]["typedPerFilterConfig"] = refuses("on");
    assert_eq!(ask(&by_routes(&own, &on), &request(HEADERS)).policy.as_deref(), Some("on"));
    // What of another kind a route has for a filter is named.
    on["virtualHosts"][0]["typedPerFilterConfig"] =
        json!({ "envoy.filters.http.rbac": { "@type": "x/other.Config" } });
    let report = ask(&by_routes(&filter, &on), &request(HEADERS));
    assert_eq!((report.verdict, report.missing.len()), (Outcome::Unknown, 1));
    assert!(
        report.missing[0].to_string().contains("typedPerFilterConfig[\"envoy.filters.http.rbac\"]"),
        "{:?}",
        report.missing
    );
}

#[test]
fn listeners_and_chains() {
    let chain = |name: &str, matching: Value, mutual: bool| {
        let rules = json!({ "action": "DENY", "policies": { name: { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } });
        let config = json!({ "@type": "x/envoy.extensions.filters.network.rbac.v3.RBAC", "rules": rules });
        let mut chain = json!({ "name": name, "filterChainMatch": matching, "filters": [{ "name": "envoy.filters.network.rbac", "typedConfig": config }] });
        if mutual {
            chain["transportSocket"] = json!({ "name": "envoy.transport_sockets.tls", "typedConfig": { "requireClientCertificate": true } });
        }
        chain
    };
    let istio = json!(["istio-peer-exchange", "istio"]);
    let inbound = json!({ "name": "virtualInbound", "trafficDirection": "INBOUND", "address": { "socketAddress": { "portValue": 15006 } }, "filterChains": [
        chain("blackhole", json!({ "destinationPort": 15006 }), false),
        chain("8080-mtls", json!({ "destinationPort": 8080, "transportProtocol": "tls", "applicationProtocols": istio }), true),
        chain("8080-plain", json!({ "destinationPort": 8080, "transportProtocol": "raw_buffer" }), false),
        chain("9090-mtls", json!({ "destinationPort": 9090, "transportProtocol": "tls" }), true),
        chain("any-mtls", json!({ "transportProtocol": "tls", "applicationProtocols": istio }), true),
        chain("any-tls", json!({ "transportProtocol": "tls" }), false),
        chain("any-plain", json!({ "transportProtocol": "raw_buffer" }), false),
    ] });
    let outbound = json!({ "name": "0.0.0.0_8080", "trafficDirection": "OUTBOUND", "address": { "socketAddress": { "portValue": 8080 } },
        "filterChains": [chain("out", json!({}), false)] });
    let gateway = json!({ "name": "gw", "address": { "socketAddress": { "portValue": 443 } }, "filterChains": [
        chain("a", json!({ "serverNames": ["a.com"] }), false),
        chain("wild", json!({ "serverNames": ["*.com"] }), false),
    ] });
    let plain = Peer::Plaintext;
    let mtls = Peer::Tls { names: &[SLEEP], complete: true };
    let tls = Peer::Tls { names: &[], complete: true };
    let (sidecar, gateway) = (json!([inbound, outbound]), json!([gateway]));
    for (document, wanted, port, peer, sni, expected) in [
        (&sidecar, None, Some(8080), mtls, "", Some("8080-mtls")),
        (&sidecar, None, Some(8080), plain, "", Some("8080-plain")),
        (&sidecar, None, Some(9090), mtls, "", Some("9090-mtls")),
        // STRICT: no chain takes plaintext.
        (&sidecar, None, Some(9090), plain, "", None),
        (&sidecar, None, Some(9090), tls, "", None),
        (&sidecar, None, Some(7070), mtls, "", Some("any-mtls")),
        (&sidecar, None, Some(7070), plain, "", Some("any-plain")),
        (&sidecar, None, Some(7070), tls, "", Some("any-tls")),
        (&sidecar, Some("virtualInbound"), Some(8080), plain, "", Some("8080-plain")),
        (&sidecar, Some("8080"), None, plain, "", Some("8080-plain")),
        (&sidecar, Some("any-tls"), Some(8080), plain, "", Some("any-tls")),
        (&sidecar, Some("0.0.0.0_8080"), None, plain, "", Some("out")),
        (&gateway, None, None, tls, "a.com", Some("a")),
        (&gateway, None, None, tls, "b.com", Some("wild")),
        (&gateway, None, None, tls, "b.org", None),
    ] {
        let request = Request {
            destination_port: port.map_or(Input::Absent, Input::Is),
            peer,
            sni: sni.as_bytes(),
            destination_ip: Input::Absent,
            ..Request::tcp()
        };
        let imported = import(document);
        assert_eq!(imported.findings, []);
        let found = match imported.select(wanted, &request) {
            Ok(Selected::Chain(chain)) => Some(chain.name.as_str()),
            Ok(Selected::Refused(_)) => None,
            Err(error) => panic!("{wanted:?} {port:?}: {error}"),
        };
        assert_eq!(found, expected, "{wanted:?} {port:?} {peer:?} {sni}");
    }
    // Nothing says which.
    let request = Request { destination_port: Input::Absent, ..Request::tcp() };
    assert!(import(&json!([outbound, outbound])).select(None, &request).is_err());
    assert!(
        import(&sidecar)
            .select(Some("nowhere"), &request)
            .unwrap_err()
            .to_string()
            .contains("virtualInbound")
    );
}

#[test]
fn hostile() {
    // As deep as the JSON reader lets it be.
    let mut deep = json!({ "any": true });
    for _ in 0..50 {
        deep = json!({ "notRule": deep });
    }
    let report = ask(&rbac(&deep, &json!({ "any": true })), &request(HEADERS));
    assert_eq!(report.verdict, Outcome::Allow);
    let mut node: Node = serde_json::from_value(json!({ "any": true })).unwrap();
    let key = |name: &str| gnomon_engine::node::Key { name: name.into(), at: Default::default() };
    for _ in 0..2_000 {
        node =
            Node { value: gnomon_engine::Value::Map(vec![(key("notRule"), node)]), at: Default::default() };
    }
    let filter: Node = serde_json::from_value(
        json!({ "rules": { "policies": { "p": { "permissions": [], "principals": [{ "any": true }] } } } }),
    )
    .unwrap();
    let mut filter = filter;
    fn permissions(node: &mut Node) -> Option<&mut Vec<Node>> {
        match &mut node.value {
            gnomon_engine::Value::Map(entries) => entries.iter_mut().find_map(|(key, node)| {
                if key.name == "permissions" {
                    match &mut node.value {
                        gnomon_engine::Value::List(items) => return Some(items),
                        _ => return None,
                    }
                }
                permissions(node)
            }),
            _ => None,
        }
    }
    permissions(&mut filter).unwrap().push(node);
    let imported = Imported::read(&filter, &Arc::from(""));
    assert_eq!(imported.findings.len(), 1);

    // Many expressions that are large, and one that is too large.
    let policies: serde_json::Map<String, Value> = (0..3_000)
        .map(|index| {
            let regex = json!({ "header": { "name": "x", "stringMatch": { "safeRegex": { "regex": format!("x{index}{{1000}}.*") } } } });
            (format!("{index}"), json!({ "permissions": [regex], "principals": [{ "any": true }] }))
        })
        .collect();
    let started = std::time::Instant::now();
    let imported = import(&json!({ "rules": { "policies": policies } }));
    assert_eq!(imported.findings.len(), 1_000, "the findings are bounded");
    assert!(started.elapsed().as_secs() < 20);

    // A value on which backtracking would never end.
    let regex =
        json!({ "header": { "name": "x", "stringMatch": { "safeRegex": { "regex": "(a|aa)*(a*)*b" } } } });
    let value = "a".repeat(60_000);
    let headers: &[(&[u8], &[u8])] = &[(b"x", value.as_bytes())];
    let report = ask(&rbac(&regex, &json!({ "any": true })), &request(headers));
    assert_eq!(report.verdict, Outcome::Deny);
}
