use super::*;
use gnomon_engine::{jwt::SoftwareCrypto, resource::Resources};
use gnomon_manifests::{load_text, request::requests};

const JWT: &str = "
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: r, namespace: default}
spec:
  jwtRules:
  - {issuer: header, jwksUri: https://a.example/jwks, fromHeaders: [{name: X-Token, prefix: 'T '}]}
  - {issuer: param, jwksUri: https://a.example/jwks, fromParams: [tok en]}
  - {issuer: cookie, jwksUri: https://a.example/jwks, fromCookies: [session]}
  - {issuer: default, jwksUri: https://a.example/jwks}
";

fn resources(yaml: &str) -> Resources {
    let loaded = load_text(yaml, "t.yaml").unwrap();
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    loaded.resources
}

fn ready(request: &str, yaml: &str, workload: &Workload, mesh: &Mesh) -> (Materialized, Plan) {
    let node = serde_json::from_str(request).unwrap();
    let requests = requests(&"r.json".into(), &node).unwrap();
    let plan = Plan::build(&resources(yaml), workload, mesh);
    (materialize(&requests.as_slice()[0], &plan, workload, mesh, 1_000), plan)
}

fn header(ready: &Materialized, name: &str) -> Option<String> {
    let value = headers::value(&ready.headers, name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into())
}

#[test]
fn a_token_of_claims_goes_where_its_issuer_looks() {
    for (issuer, path, name, start) in [
        ("header", "/a", "x-token", "T ey"),
        ("param", "/a", ":path", "/a?tok%20en=ey"),
        ("param", "/a?b=c", ":path", "/a?b=c&tok%20en=ey"),
        ("cookie", "/a", "cookie", "session=ey"),
        ("default", "/a", "authorization", "Bearer ey"),
        ("nobody", "/a", "authorization", "Bearer ey"),
    ] {
        let request =
            format!(r#"{{"host": "h", "path": "{path}", "claims": {{"iss": "{issuer}", "sub": "s"}}}}"#);
        let (ready, plan) = ready(&request, JWT, &Workload::default(), &Mesh::default());
        let value = header(&ready, name).unwrap();
        assert!(value.starts_with(start), "{issuer}: {value}");
        // The key sets are not to be had, and nobody asks for them: the token is vouched for.
        let report = ready.report(&plan, &SoftwareCrypto);
        let expected = if issuer == "nobody" { Some(401) } else { Some(200) };
        assert_eq!(report.status, expected, "{issuer}: {}", report.reason);
    }
}

#[test]
fn only_the_signature_is_taken_for_granted() {
    for (claims, details) in [
        (r#"{"iss": "default", "exp": 1100}"#, None),
        (r#"{"iss": "default", "exp": 939}"#, Some("jwt_authn_access_denied{Jwt_is_expired}")),
        (r#"{"iss": "default", "nbf": 1061}"#, Some("jwt_authn_access_denied{Jwt_not_yet_valid}")),
        (r#"{"sub": "s"}"#, Some("jwt_authn_access_denied{Jwt_issuer_is_not_configured}")),
    ] {
        let request = format!(r#"{{"host": "h", "claims": {claims}}}"#);
        let (ready, plan) = ready(&request, JWT, &Workload::default(), &Mesh::default());
        assert_eq!(ready.report(&plan, &SoftwareCrypto).details.as_deref(), details, "{claims}");
    }
}

#[test]
fn the_request_is_what_the_filters_see() {
    let request = r#"{"method": "PUT", "path": "/a/../b?c", "host": "H", "sni": "WWW.Example.com",
        "headers": {"X-Two": ["a", "b"], "Accept": ["x", "y"], "x-forwarded-for": "1.1.1.1, 2.2.2.2"},
        "source": {"principal": "td/ns/a/sa/b", "ip": "10.0.0.1"}, "destination": {"port": 80}}"#;
    let gateway = Workload { proxy: ProxyKind::Gateway, ..Workload::default() };
    for (workload, hops, remote) in [
        (Workload::default(), 0, "2.2.2.2"),
        (Workload::default(), 2, "2.2.2.2"),
        (gateway.clone(), 0, "10.0.0.1"),
        (gateway, 2, "1.1.1.1"),
    ] {
        let mesh = Mesh { num_trusted_proxies: hops, ..Mesh::default() };
        let (ready, _) = ready(request, "", &workload, &mesh);
        ready.with_request(|request| {
            assert_eq!(request.remote_ip, Input::Is(remote.parse().unwrap()), "{workload:?} {hops}");
            assert_eq!(request.source_ip, Input::Is("10.0.0.1".parse().unwrap()));
            assert_eq!(request.destination_ip, Input::Absent);
            assert_eq!(request.destination_port, Input::Is(80));
            assert_eq!(request.sni, b"www.example.com");
            let names: &[&[u8]] = &[b"spiffe://td/ns/a/sa/b"];
            assert_eq!(request.peer, Peer::Tls { names, complete: true });
            assert_eq!(request.now, 1_000);
            let lines = |name: &[u8]| -> Vec<&[u8]> {
                request.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect()
            };
            assert_eq!(lines(b":path"), [b"/b?c"]);
            assert_eq!(lines(b":method"), [b"PUT"]);
            assert_eq!(lines(b"x-two"), [b"a", b"b"]);
            assert_eq!(lines(b"accept"), [b"x,y"]);
        });
    }
}

#[test]
fn stated_addresses_and_times_win() {
    let request = r#"{"host": "h", "headers": {"x-forwarded-for": "2.2.2.2"}, "remoteIp": "3.3.3.3", "time": 5,
        "source": {"principal": "spiffe://td/ns/a/sa/b"}}"#;
    let (ready, _) = ready(request, "", &Workload::default(), &Mesh::default());
    ready.with_request(|request| {
        assert_eq!((request.remote_ip, request.now), (Input::Is("3.3.3.3".parse().unwrap()), 5));
        let names: &[&[u8]] = &[b"spiffe://td/ns/a/sa/b"];
        assert_eq!(request.peer, Peer::Tls { names, complete: true });
    });
}

#[test]
fn what_envoy_rejects_comes_to_no_policy() {
    let deny_all = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: d, namespace: default}
spec: {action: DENY, rules: [{}]}
";
    let (ready, plan) =
        ready(r#"{"host": "h", "path": "/a%00b"}"#, deny_all, &Workload::default(), &Mesh::default());
    let report = ready.explain(&plan, &SoftwareCrypto).report;
    assert_eq!((report.verdict, report.status, report.stage), (Outcome::Deny, Some(400), Stage::None));
    assert_eq!(report.details.as_deref(), Some("path_normalization_failed"));
    assert_eq!(ready.report(&plan, &SoftwareCrypto), report);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    /// Whatever stands in a request, an answer comes out, and both ways to it agree.
    #[test]
    fn no_request_is_too_strange(
        path in "\\PC{0,40}", host in proptest::option::of("\\PC{0,20}"), name in "[a-zA-Z-]{1,12}",
        value in "\\PC{0,40}", token in proptest::option::of("\\PC{0,60}"), issuer in "\\PC{0,10}",
        principal in proptest::option::of("\\PC{0,40}"), level in 0_usize..4, proxy in 0_usize..4,
    ) {
        let levels = [
            gnomon_engine::workload::PathNormalization::None,
            gnomon_engine::workload::PathNormalization::Base,
            gnomon_engine::workload::PathNormalization::MergeSlashes,
            gnomon_engine::workload::PathNormalization::DecodeAndMergeSlashes,
        ];
        let proxies = [ProxyKind::Sidecar, ProxyKind::Gateway, ProxyKind::Waypoint, ProxyKind::Ztunnel];
        let mesh = Mesh { path_normalization: levels[level], ..Mesh::default() };
        let workload = Workload { proxy: proxies[proxy], ..Workload::default() };
        let claims = token.is_none().then(|| Json::Object(vec![("iss".into(), Json::String(issuer))]));
        let spec = RequestSpec {
            method: "GET".into(), path, host, headers: vec![(name, value)], token, claims, principal,
            ..RequestSpec::default()
        };
        let plan = Plan::build(&resources(JWT), &workload, &mesh);
        let ready = materialize(&spec, &plan, &workload, &mesh, 1_000);
        let report = ready.report(&plan, &SoftwareCrypto);
        let explained = ready.explain(&plan, &SoftwareCrypto).report;
        proptest::prop_assert_eq!(report.verdict, explained.verdict);
        proptest::prop_assert_eq!(report.details, explained.details);
    }
}
