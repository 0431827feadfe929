//! Requests that nobody means well: evaluated or unknown, and the traffic goes on.

use super::*;
use gnomon_engine::jwt::{Json, unsigned_token};
use gnomon_host_tests::{Reply, metrics::Scrape, tokens::TestKey};

fn start() -> Envoy {
    let resources = json!([
        {
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": "jwt", "namespace": "shop"},
            "spec": {"jwtRules": [{"issuer": "me", "jwks": TestKey::RsaKid.jwks()}]},
        },
        policy("p", "DENY", json!([
            {"to": [{"operation": {"paths": ["/secret*"]}}]},
            {"when": [{"key": "request.headers[x-a]", "values": ["1"]}]},
            {"when": [{"key": "experimental.envoy.filters.http.lua[k]", "values": ["v"]}]},
            {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"], "namespaces": ["other"]}}]},
        ])),
    ]);
    // Nulls, numbers and deep structures in metadata.
    let deep = (0..8).fold(json!(null), |inner, _| json!({"k": [inner]}));
    let metadata = json!({"name": "envoy.filters.http.set_metadata", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
        "metadata": [
            {"metadata_namespace": "envoy.filters.http.lua", "value": {"k": null, "zero": "a\u{0}b", "deep": deep}},
            {"metadata_namespace": "envoy.filters.http.jwt_authn", "value": {"payload": {"iss": null}}},
        ],
    }});
    let configuration = json!({
        "candidate": {"resources": resources},
        "trustNative": true,
        "report": {"log": "all", "linesPerSecond": 10_000, "responseHeader": "x-gnomon-shadow", "claims": ["sub"]},
    });
    let shadow = configured(&configuration);
    let bootstrap = Bootstrap::new(&workload(), vec![Listener::http("web", vec![metadata, shadow])]);
    Envoy::start_with(|log| {
        let mut bootstrap = bootstrap.to_json(log);
        let filters = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"];
        let manager = &mut filters[0]["typed_config"];
        manager["max_request_headers_kb"] = 8192.into();
        manager["common_http_protocol_options"] = json!({"max_headers_count": 5000});
        bootstrap
    })
    .unwrap()
}

#[test]
fn hostile_requests_do_no_harm() {
    let envoy = start();
    let long = "x".repeat(64 << 10);
    let bearer = |token: &str| format!("Bearer {token}");
    let megabyte = bearer(&"a".repeat(1 << 20));
    let dots = bearer(&".".repeat(1 << 20));
    // Numbers that take the long way to a double, as many as go into a token.
    let numbers = Json::Object(vec![("n".into(), Json::List(vec![Json::Number(1e-300); 20_000]))]);
    let costly = bearer(&unsigned_token(&numbers));
    let mut requests = vec![
        get("/api", "long").header("x-long", long.as_str()).header("cookie", long.as_str()),
        get(&format!("/{long}?{long}"), "path").header("x-a", long.as_str()),
        get("/api", "megabyte").header("authorization", megabyte.as_str()),
        get("/api", "dots").header("authorization", dots.as_str()),
        get("/api", "costly").header("authorization", costly.as_str()),
        get(&format!("/?access_token={}", "%25".repeat(20_000)), "query"),
        get("/api", "bytes")
            .header("x-a", &b"\xff\xfe\xf0\x28\x8c\x28"[..])
            .header("authorization", &b"\xc3\x28"[..]),
        get("/%ff%fe/secret", "escapes"),
        get("//secret/../secret;x=%2e%2e", "dots and slashes"),
        RequestBytes::get("http://a.test/secret").header("host", "b.test").header("x-case", "absolute"),
        get("/api", "hosts").header("host", "c.test"),
        get("/api", "pseudo")
            .header("x-forwarded-for", "1.2.3.4,".repeat(5000))
            .header("x-forwarded-proto", "\""),
    ];
    let many = (0..3000).fold(get("/api", "many"), |request, n| request.header(format!("x-{n}"), "v"));
    requests.push(many);
    let mut refused = 0;
    for (number, request) in requests.iter().enumerate() {
        let reply = Connection::open(&Dial::plain(to(&envoy, "web"))).unwrap().send(request).unwrap();
        match reply {
            Reply::Http(response) if response.status == 200 => {
                let header = response.header("x-gnomon-shadow");
                assert!(header.is_some_and(|value| !value.is_empty()), "{number}: {header:?}");
            }
            // By Envoy itself, before any filter.
            Reply::Http(response) => {
                assert!(matches!(response.status, 400 | 431), "{number}: {response:?}");
                refused += 1;
            }
            Reply::Closed(why) => panic!("{number}: {why}\n{}", envoy.log()),
        }
    }
    assert!(refused <= 2, "{refused}");
    // The same over HTTP/2, with pseudo headers that are none.
    let address = to(&envoy, "web");
    let ways: [&[(&str, &str)]; 3] = [
        &[(":method", "GET"), (":scheme", "http"), (":path", "/api"), (":authority", "a"), ("x-a", "\u{80}")],
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/api"),
            (":authority", "a"),
            (":path", "/secret"),
        ],
        &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":secret", "x")],
    ];
    for lines in ways {
        let _any = h2::send(&mut Connection::open(&Dial::plain(address)).unwrap(), lines, None);
    }
    // It still works, and no call to the proxy has failed.
    assert_eq!(
        Connection::open(&Dial::plain(address)).unwrap().send(&get("/secret", "last")).unwrap().status(),
        Some(200)
    );
    let last = state(&envoy, "last");
    // To a module Envoy shows no claims in metadata.
    assert_eq!(last["verdict"], if is_module() { "unknown" } else { "deny" }, "{last}");
    let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
    assert_eq!(scrape.sum("gnomon_errors_total"), Some(0.0), "{}", envoy.log());
    let log = envoy.log();
    for line in log.lines().filter(|line| line.contains("\"gnomon\":")) {
        assert!(line.len() < 8192 && !line.contains("access_token"), "{line}");
    }
}
