//! The harness proves itself against Envoy's own filters: what it sends is what they see.
#![expect(
    clippy::unwrap_used,
    reason = "tests may be blunt, and clippy.toml reaches only the #[test] functions"
)]

use gnomon_engine::workload::{PathNormalization, ProxyKind, Workload};
use gnomon_host_tests::{
    Bootstrap, Ca, ClientCert, Connection, Dial, Envoy, Identity, Listener, Names, Proxy, Reply,
    RequestBytes, ServerTls, Tls,
    access_log::{CASE_HEADER, details, text},
    config::{believe_claimed_sources, cluster},
    ext_authz::ExtAuthz,
    tokens::{self, TestKey},
};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// Envoy's RBAC filter with one policy: ALLOW whom this principal describes (and no one else).
fn rbac(permission: Value, principal: Value) -> Value {
    json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {"p": {"permissions": [permission], "principals": [principal]}}},
    }})
}

fn network_rbac(principal: Value) -> Value {
    json!({"name": "envoy.filters.network.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
        "stat_prefix": "tcp.",
        "rules": {"action": "ALLOW", "policies": {"p": {"permissions": [{"any": true}], "principals": [principal]}}},
    }})
}

fn start(listeners: Vec<Listener>) -> Envoy {
    Envoy::start(&Bootstrap::new(&Workload::default(), listeners)).unwrap()
}

fn get(dial: &Dial<'_>, request: &RequestBytes) -> Reply {
    Connection::open(dial).unwrap().send(request).unwrap()
}

fn case(target: &str, id: &str) -> RequestBytes {
    RequestBytes::get(target).header("host", "a.test").header(CASE_HEADER, id)
}

const NONE: &str = "rbac_access_denied_matched_policy[none]";
const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

struct Pki {
    ca: Ca,
    sleep: Identity,
    stranger: Identity,
}

fn pki() -> Pki {
    let ca = Ca::new("cluster.local").unwrap();
    let sleep = ca.issue(&Names::principal(SLEEP)).unwrap();
    let stranger = Ca::new("elsewhere").unwrap().issue(&Names::principal(SLEEP)).unwrap();
    Pki { ca, sleep, stranger }
}

fn server(pki: &Pki, client: ClientCert) -> Option<ServerTls> {
    let names = Names { dns: vec!["web.test".into()], ..Names::principal("cluster.local/ns/web/sa/web") };
    Some(ServerTls { identity: pki.ca.issue(&names).unwrap(), client_ca: pki.ca.pem.clone(), client })
}

#[test]
fn rbac_sees_the_peer_of_mutual_tls() {
    let pki = pki();
    let only_sleep = || {
        let name = json!({"exact": format!("spiffe://{SLEEP}")});
        rbac(json!({"any": true}), json!({"authenticated": {"principal_name": name}}))
    };
    let permissive = Listener {
        tls: server(&pki, ClientCert::Optional),
        ..Listener::http("permissive", vec![only_sleep()])
    };
    let strict = Listener {
        tls: server(&pki, ClientCert::Required),
        plaintext: false,
        ..Listener::http("strict", vec![only_sleep()])
    };
    let envoy = start(vec![permissive, strict]);

    let webapp = pki.ca.issue(&Names::principal("spiffe://cluster.local/ns/x/sa/webapp")).unwrap();
    let shows = |identity| Some(Tls { identity, sni: Some("web.test"), alpn: &[] });
    // listener, TLS, status, details
    let table = [
        ("permissive", shows(Some(&pki.sleep)), Some(200), Some("direct_response")),
        ("permissive", shows(Some(&webapp)), Some(403), Some(NONE)),
        ("permissive", shows(None), Some(403), Some(NONE)),
        ("permissive", None, Some(403), Some(NONE)),
        ("permissive", shows(Some(&pki.stranger)), None, None),
        ("strict", shows(Some(&pki.sleep)), Some(200), Some("direct_response")),
        ("strict", shows(None), None, None),
        ("strict", None, None, Some("filter_chain_not_found")),
    ];
    for (number, (listener, tls, status, expected)) in table.into_iter().enumerate() {
        let id = format!("mtls-{number}");
        let dial = Dial { to: envoy.address(listener).unwrap(), from: None, proxy: None, tls };
        let mut connection = Connection::open(&dial).unwrap();
        let reply = connection.send(&case("/", &id)).unwrap();
        assert_eq!(reply.status(), status, "{id}: {reply:?}");
        if status.is_some() {
            let line = envoy.access_log().of_case(&id).unwrap();
            assert_eq!(details(&line), expected, "{id}: {line}");
            assert_eq!(text(&line, "listener"), Some(listener), "{id}");
            assert_eq!(text(&line, "sni"), tls.and(Some("web.test")), "{id}");
        } else if expected.is_some() {
            let line = envoy.access_log().of_port(connection.port()).unwrap();
            assert_eq!((details(&line), text(&line, "flags")), (expected, Some("NR")), "{id}: {line}");
        }
    }
}

#[test]
fn a_proxy_header_gives_addresses() {
    let cidr = |prefix: &str, length: u8| json!({"address_prefix": prefix, "prefix_len": length});
    let mut claimed = rbac(json!({"any": true}), json!({"direct_remote_ip": cidr("10.10.0.13", 32)}));
    believe_claimed_sources(&mut claimed);
    let listeners = vec![
        Listener::http(
            "direct",
            vec![rbac(json!({"any": true}), json!({"direct_remote_ip": cidr("127.10.0.13", 32)}))],
        ),
        Listener::http("claimed", vec![claimed]),
        Listener::http(
            "remote",
            vec![rbac(json!({"any": true}), json!({"remote_ip": cidr("203.0.113.0", 24)}))],
        ),
        Listener::http("port", vec![rbac(json!({"destination_port": 8080}), json!({"any": true}))]),
        Listener::http(
            "v6",
            vec![rbac(json!({"destination_ip": cidr("2001:db8::", 32)}), json!({"any": true}))],
        ),
    ];
    let envoy = start(listeners);
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    let to = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let plain = |source, destination| Some(Proxy::new(ip(source), to(destination)));
    let binary =
        |source, destination| Some(Proxy { binary: true, ..Proxy::new(ip(source), to(destination)) });
    // listener, own address, PROXY header, x-forwarded-for, status
    let own = Some(ip("127.10.0.13"));
    let table = [
        ("direct", None, None, None, 403),
        ("direct", own, None, None, 200),
        ("direct", own, plain("10.10.0.13", "10.10.0.3:8080"), Some("203.0.113.9"), 200),
        ("direct", None, plain("127.10.0.13", "10.10.0.3:8080"), None, 403),
        ("claimed", None, plain("10.10.0.13", "10.10.0.3:8080"), None, 200),
        ("claimed", None, plain("10.10.0.14", "10.10.0.3:8080"), None, 403),
        ("claimed", None, binary("10.10.0.13", "10.10.0.3:8080"), None, 200),
        ("claimed", None, plain("10.10.0.13", "10.10.0.3:8080"), Some("203.0.113.9"), 200),
        ("remote", None, plain("203.0.113.7", "10.10.0.3:8080"), None, 200),
        ("remote", None, plain("10.10.0.13", "10.10.0.3:8080"), None, 403),
        ("remote", None, plain("10.10.0.13", "10.10.0.3:8080"), Some("203.0.113.9"), 200),
        ("port", None, plain("10.10.0.13", "10.10.0.3:8080"), None, 200),
        ("port", None, plain("10.10.0.13", "10.10.0.3:8081"), None, 403),
        ("v6", None, plain("2001:db8::1", "[2001:db8::2]:8080"), None, 200),
        ("v6", None, binary("2001:db8::1", "[2001:db8::2]:8080"), None, 200),
        ("v6", None, binary("2001:db8::1", "[2001:db9::2]:8080"), None, 403),
    ];
    for (number, (listener, from, proxy, forwarded, status)) in table.into_iter().enumerate() {
        let id = format!("proxy-{number}");
        let dial = Dial { from, proxy, ..Dial::plain(envoy.address(listener).unwrap()) };
        let mut request = case("/", &id);
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        let reply = get(&dial, &request);
        let line = envoy.access_log().of_case(&id).unwrap();
        assert_eq!(reply.status(), Some(status), "{id} {listener} {proxy:?}: {line}");
    }
}

#[test]
fn a_gateway_counts_trusted_hops() {
    let seen = || {
        vec![rbac(
            json!({"any": true}),
            json!({"remote_ip": {"address_prefix": "203.0.113.9", "prefix_len": 32}}),
        )]
    };
    let gateway = |name, trusted_hops| Listener {
        proxy: ProxyKind::Gateway,
        trusted_hops,
        ..Listener::http(name, seen())
    };
    let envoy = start(vec![gateway("none", 0), gateway("one", 1)]);
    for (listener, forwarded, status) in
        [("none", "203.0.113.9", 403), ("one", "203.0.113.9", 200), ("one", "203.0.113.9, 10.0.0.1", 403)]
    {
        let dial = Dial::plain(envoy.address(listener).unwrap());
        let reply = get(&dial, &case("/", listener).header("x-forwarded-for", forwarded));
        assert_eq!(reply.status(), Some(status), "{listener} {forwarded}");
    }
}

#[test]
fn paths_arrive_as_sent_and_are_normalized_as_told() {
    let levels = [
        ("none", PathNormalization::None),
        ("base", PathNormalization::Base),
        ("merge", PathNormalization::MergeSlashes),
        ("decode", PathNormalization::DecodeAndMergeSlashes),
    ];
    let listeners =
        levels.map(|(name, level)| Listener { path: level.into(), ..Listener::http(name, Vec::new()) });
    let envoy = start(listeners.to_vec());
    // as sent, then as seen at each level
    let table = [
        ("/a/../b?x=/../y", ["/a/../b?x=/../y", "/b?x=/../y", "/b?x=/../y", "/b?x=/../y"]),
        ("//a//b", ["//a//b", "//a//b", "/a/b", "/a/b"]),
        ("/a%2Fb", ["/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"]),
        ("/%61%20[;", ["/%61%20[;", "/a%20[;", "/a%20[;", "/a%20[;"]),
        ("/a#b", ["/a", "/a", "/a", "/a"]),
    ];
    for (number, (listener, _)) in levels.into_iter().enumerate() {
        // One connection carries all of them.
        let mut connection = Connection::open(&Dial::plain(envoy.address(listener).unwrap())).unwrap();
        for (sent, seen) in table {
            let response = connection.send(&case(sent, "path")).unwrap().response().unwrap();
            assert_eq!(response.header("x-path"), Some(seen[number]), "{listener} {sent}");
            let line = envoy.access_log().of_case("path").unwrap();
            assert_eq!(text(&line, "path"), Some(seen[number]), "{listener} {sent}: {line}");
        }
    }
}

#[test]
fn what_envoy_refuses_before_its_filters_is_found_by_its_port() {
    let envoy = start(vec![Listener::http("web", Vec::new())]);
    let dial = Dial::plain(envoy.address("web").unwrap());
    let mut connection = Connection::open(&dial).unwrap();
    let response = connection.send(&RequestBytes::get("/no-host")).unwrap().response().unwrap();
    assert_eq!(response.status, 400);
    let line = envoy.access_log().of_port(connection.port()).unwrap();
    assert_eq!(text(&line, "details"), Some("missing_host_header"), "{line}");
}

#[test]
fn header_lines_stay_apart() {
    let value = |value: &str| json!({"header": {"name": "x-two", "string_match": {"exact": value}}});
    let listeners = vec![
        Listener::http("b", vec![rbac(value("b"), json!({"any": true}))]),
        Listener::http("ab", vec![rbac(value("a,b"), json!({"any": true}))]),
    ];
    let envoy = start(listeners);
    let two = case("/", "two").header("x-two", "a").header("X-Two", "b");
    let one = case("/", "one").header("x-two", "a,b");
    for (listener, request, status) in
        [("b", &two, 200), ("ab", &two, 403), ("b", &one, 403), ("ab", &one, 200)]
    {
        let dial = Dial::plain(envoy.address(listener).unwrap());
        assert_eq!(get(&dial, request).status(), Some(status), "{listener}");
    }
}

#[test]
fn tokens_are_good_to_envoy() {
    let keys = [TestKey::Rsa, TestKey::RsaKid, TestKey::Es256, TestKey::Es384, TestKey::Ed25519];
    let listeners = keys.map(|key| {
        let filter = json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"p": {
                "issuer": "me", "payload_in_metadata": "payload", "local_jwks": {"inline_string": key.jwks()},
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
        }});
        Listener::http(&format!("{key:?}"), vec![filter])
    });
    let envoy = start(listeners.to_vec());
    let expired = "jwt_authn_access_denied{Jwt_is_expired}";
    for key in keys {
        let dial = Dial::plain(envoy.address(&format!("{key:?}")).unwrap());
        for (exp, status, expected) in [(60, 200, "direct_response"), (-600, 401, expired)] {
            let token =
                tokens::sign(key, &json!({"iss": "me", "sub": "u", "exp": tokens::now() + exp})).unwrap();
            let id = format!("{key:?} {exp}");
            let reply = get(&dial, &case("/", &id).header("authorization", format!("Bearer {token}")));
            let line = envoy.access_log().of_case(&id).unwrap();
            assert_eq!((reply.status(), details(&line)), (Some(status), Some(expected)), "{line}");
            if status == 200 {
                assert_eq!(line.pointer("/jwt/payload/sub"), Some(&json!("u")), "{line}");
            }
        }
    }
}

#[test]
fn ext_authz_answers_as_istios_sample_does() {
    let provider = ExtAuthz::start().unwrap();
    let filter = json!({"name": "envoy.filters.http.ext_authz", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "http_service": {
            "server_uri": {"uri": "http://ext-authz", "cluster": "ext-authz", "timeout": "5s"},
            "authorization_request": {"allowed_headers": {"patterns": [{"exact": "x-ext-authz"}]}},
        },
    }});
    let mut bootstrap = Bootstrap::new(&Workload::default(), vec![Listener::http("web", vec![filter])]);
    bootstrap.clusters.push(cluster("ext-authz", provider.address(), false));
    let envoy = Envoy::start(&bootstrap).unwrap();
    let dial = Dial::plain(envoy.address("web").unwrap());
    for (header, status, expected) in [
        ("allow", 200, "direct_response"),
        ("deny", 403, "ext_authz_denied"),
        ("allow", 200, "direct_response"),
    ] {
        let reply = get(&dial, &case("/", "ext").header("x-ext-authz", header));
        let line = envoy.access_log().of_case("ext").unwrap();
        assert_eq!((reply.status(), details(&line)), (Some(status), Some(expected)), "{line}");
    }
}

#[test]
fn tcp_is_echoed_or_cut() {
    let pki = pki();
    let sni = json!({"authenticated": {"principal_name": {"prefix": "spiffe://cluster.local/"}}});
    let listener =
        Listener { tls: server(&pki, ClientCert::Required), ..Listener::tcp("tcp", vec![network_rbac(sni)]) };
    let envoy = start(vec![listener]);
    let to = envoy.address("tcp").unwrap();
    let source = Some(Proxy::new("10.1.2.3".parse().unwrap(), "10.0.0.1:9000".parse().unwrap()));
    let tls = Some(Tls { identity: Some(&pki.sleep), sni: Some("db.test"), alpn: &[] });

    let mut allowed = Connection::open(&Dial { to, from: None, proxy: source, tls }).unwrap();
    assert_eq!(allowed.exchange(b"hello").unwrap(), b"hello");
    let port = allowed.port();
    drop(allowed);
    let line = envoy.access_log().of_port(port).unwrap();
    assert_eq!((details(&line), text(&line, "sni")), (None, Some("db.test")), "{line}");
    assert_eq!(text(&line, "local"), Some("10.0.0.1:9000"), "{line}");

    let mut refused = Connection::open(&Dial { to, from: None, proxy: source, tls: None }).unwrap();
    assert_eq!(refused.exchange(b"hello").unwrap(), b"");
    let line = envoy.access_log().of_port(refused.port()).unwrap();
    assert_eq!(details(&line), Some(NONE), "{line}");
}

#[test]
fn a_refused_configuration_is_explained() {
    let filter = json!({"name": "x", "typed_config": {"@type": "type.googleapis.com/no.such.Filter"}});
    let error =
        Envoy::start(&Bootstrap::new(&Workload::default(), vec![Listener::http("web", vec![filter])]));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("no.such.Filter"), "{error}");
}

#[test]
fn envoy_knows_its_workload_and_leaves_nothing_behind() {
    let workload = Workload {
        namespace: "shop".into(),
        labels: vec![("app".into(), "web".into())],
        ..Workload::default()
    };
    let envoy = Envoy::start(&Bootstrap::new(&workload, vec![Listener::http("web", Vec::new())])).unwrap();
    let dump: Value = serde_json::from_str(&envoy.admin_get("/config_dump").unwrap()).unwrap();
    let metadata = dump.pointer("/configs/0/bootstrap/node/metadata").unwrap();
    assert_eq!(metadata.get("NAMESPACE"), Some(&json!("shop")));
    assert_eq!(metadata.pointer("/LABELS/app"), Some(&json!("web")));
    assert!(envoy.admin_get("/stats/prometheus").unwrap().contains("envoy_server_live"));

    let (admin, folder) = (envoy.admin(), envoy.folder().to_owned());
    drop(envoy);
    assert!(Connection::open(&Dial::plain(admin)).is_err());
    assert!(!folder.exists());
}
