//! A request as stated, made ready for the filters.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_engine::{
    Mesh, Plan, Workload,
    jwt::{Json, SoftwareCrypto},
    prepare::{Prepared, RequestSpec},
    request::{Input, Peer},
    resource::Resources,
    verdict::{Outcome, Report, Stage},
    workload::{ConnectionSettings, EscapedSlashes, ProxyKind, Underscores},
};
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

fn spec(request: &str) -> RequestSpec {
    let node = serde_json::from_str(request).unwrap();
    requests(&"r.json".into(), &node).unwrap().as_slice()[0].clone()
}

fn ready<'s>(spec: &'s RequestSpec, yaml: &str, workload: &Workload, mesh: &Mesh) -> (Prepared<'s>, Plan) {
    let plan = Plan::build(&resources(yaml), workload, mesh);
    (Prepared::new(spec, plan.authenticator(), workload, mesh, 1_000), plan)
}

fn header(ready: &Prepared<'_>, name: &str) -> Option<String> {
    ready.with_request(|request| {
        let mut lines = request.headers.iter().filter(|(known, _)| *known == name.as_bytes());
        lines.next().map(|(_, value)| String::from_utf8_lossy(value).into())
    })
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
        let spec = spec(&request);
        let (ready, plan) = ready(&spec, JWT, &Workload::default(), &Mesh::default());
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
        let spec = spec(&format!(r#"{{"host": "h", "claims": {claims}}}"#));
        let (ready, plan) = ready(&spec, JWT, &Workload::default(), &Mesh::default());
        assert_eq!(ready.report(&plan, &SoftwareCrypto).details.as_deref(), details, "{claims}");
    }
}

#[test]
fn the_request_is_what_the_filters_see() {
    let request = r#"{"method": "PUT", "path": "/a/../b?c", "host": "H", "sni": "WWW.Example.com",
        "headers": {"X-Two": ["a", "b"], "Accept": ["x", "y"], "x-forwarded-for": "1.1.1.1, 2.2.2.2"},
        "source": {"principal": "td/ns/a/sa/b", "ip": "10.0.0.1"}, "destination": {"port": 80}}"#;
    let spec = spec(request);
    let gateway = Workload { proxy: ProxyKind::Gateway, ..Workload::default() };
    for (workload, hops, remote) in [
        (Workload::default(), 0, "2.2.2.2"),
        (Workload::default(), 2, "2.2.2.2"),
        (gateway.clone(), 0, "10.0.0.1"),
        (gateway, 2, "1.1.1.1"),
    ] {
        let mesh = Mesh { num_trusted_proxies: hops, ..Mesh::default() };
        let (ready, _) = ready(&spec, "", &workload, &mesh);
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
    let spec = spec(request);
    let (ready, _) = ready(&spec, "", &Workload::default(), &Mesh::default());
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
    let spec = spec(r#"{"host": "h", "path": "/a%00b"}"#);
    let (ready, plan) = ready(&spec, deny_all, &Workload::default(), &Mesh::default());
    let report = ready.explain(&plan, &SoftwareCrypto).report;
    assert_eq!((report.verdict, report.status, report.stage), (Outcome::Deny, Some(400), Stage::None));
    assert_eq!(report.details.as_deref(), Some("path_normalization_failed"));
    assert_eq!(ready.report(&plan, &SoftwareCrypto), report);
}

/// What comes of a request where every request that reaches a policy is denied.
fn denied(request: &str, workload: &Workload, mesh: &Mesh) -> Report {
    let deny_all = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: d, namespace: default}
spec: {action: DENY, rules: [{}]}
";
    let spec = spec(request);
    let (ready, plan) = ready(&spec, deny_all, workload, mesh);
    let report = ready.report(&plan, &SoftwareCrypto);
    assert_eq!(ready.explain(&plan, &SoftwareCrypto).report, report, "{request}");
    report
}

/// What Envoy 1.40 did with these, sent over HTTP/1.1 in front of an RBAC filter that denies everything.
#[test]
fn forms_of_requests_that_no_policy_sees() {
    let rbac = "rbac_access_denied_matched_policy[ns[default]-policy[d]-rule[0]]";
    for (request, status, details) in [
        (r#"{"method": "OPTIONS", "path": "*"}"#, 404, "absolute_path_rejected"),
        (r#"{"path": "*"}"#, 400, "http1.invalid_url"),
        (r#"{"path": "http://a.test/x"}"#, 403, rbac),
        (r#"{"path": "http://a.test?x"}"#, 404, "absolute_path_rejected"),
        (r#"{"path": "ftp://a.test/x"}"#, 400, "http1.invalid_scheme"),
        (r#"{"path": "a.test/x"}"#, 400, "http1.codec_error"),
        (r#"{"path": "/é"}"#, 400, "http1.codec_error"),
        (r#"{"method": "CONNECT", "host": "a.test:443"}"#, 403, rbac),
        (r#"{"method": "CONNECT", "host": "a.test"}"#, 400, "http1.invalid_url"),
        (r#"{"method": "QUERY"}"#, 400, "query_missing_content_type"),
        (r#"{"method": "QUERY", "headers": {"content-type": ""}}"#, 400, "query_missing_content_type"),
        (r#"{"method": "QUERY", "path": "/%00"}"#, 400, "query_missing_content_type"),
        (r#"{"method": "QUERY", "headers": {"Content-Type": "a/b"}}"#, 403, rbac),
        (r#"{"headers": {"upgrade": "websocket", "connection": "x, uPgrade"}}"#, 403, rbac),
        (r#"{"headers": {"upgrade": "foo", "connection": "upgrade"}}"#, 403, "upgrade_failed"),
        (r#"{"headers": {"upgrade": "websocket, foo", "connection": "upgrade"}}"#, 403, "upgrade_failed"),
        (r#"{"headers": {"upgrade": "h2c", "connection": "upgrade"}}"#, 403, rbac),
        (r#"{"headers": {"upgrade": "foo"}}"#, 403, rbac),
        (r#"{"path": "/%00", "headers": {"a": "\u0001"}}"#, 400, "http1.invalid_characters"),
        (r#"{"method": "OPTIONS", "path": "*", "host": "a/b"}"#, 400, "http.invalid_authority"),
        (r#"{"path": "http://a.test/x", "host": "a/b"}"#, 403, rbac),
    ] {
        let report = denied(request, &Workload::default(), &Mesh::default());
        assert_eq!((report.verdict, report.status), (Outcome::Deny, Some(status)), "{request}");
        assert_eq!(report.details.as_deref(), Some(details), "{request}");
        assert_eq!(report.stage, if details == rbac { Stage::Deny } else { Stage::None }, "{request}");
    }
    // Before Envoy 1.40 nobody looked at QUERY.
    let mesh = Mesh { istio_version: gnomon_engine::workload::IstioVersion::minor(31), ..Mesh::default() };
    assert_eq!(denied(r#"{"method": "QUERY"}"#, &Workload::default(), &mesh).stage, Stage::Deny);
    let extended = r#"{"method": "CONNECT", "path": "/ws", "headers": {":protocol": "websocket"}}"#;
    let report = denied(extended, &Workload::default(), &Mesh::default());
    assert_eq!((report.status, report.details.as_deref()), (None, Some("http2.invalid.header.field")));
}

#[test]
fn what_an_absolute_target_says_stands_for_the_host() {
    let spec = spec(
        r#"{"path": "https://u:p@A.test:8443/x/../y?z", "host": "b.test", "headers": {"host": "c.test"}}"#,
    );
    let (ready, _) = ready(&spec, "", &Workload::default(), &Mesh::default());
    assert_eq!(header(&ready, ":authority").as_deref(), Some("A.test:8443"));
    assert_eq!(header(&ready, ":path").as_deref(), Some("/y?z"));
    assert_eq!(header(&ready, ":scheme").as_deref(), Some("https"));
}

#[test]
fn an_upgrade_keeps_its_headers() {
    let spec = spec(
        r#"{"headers": {"upgrade": "websocket", "connection": "Upgrade, x-a", "x-a": "1", "keep-alive": "1"}}"#,
    );
    let (ready, _) = ready(&spec, "", &Workload::default(), &Mesh::default());
    assert_eq!(header(&ready, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(header(&ready, "connection").as_deref(), Some("Upgrade, x-a"));
    assert_eq!(header(&ready, "x-a").as_deref(), Some("1"));
    assert_eq!(header(&ready, "keep-alive"), None);
}

#[test]
fn settings_of_a_proxy_come_before_those_of_the_mesh() {
    let edge = ConnectionSettings { edge: true, ..ConnectionSettings::default() };
    let gateway =
        Workload { proxy: ProxyKind::Gateway, connection_settings: Some(edge), ..Workload::default() };
    let mesh = Mesh::default();
    let report = denied(r#"{"path": "/a%2F%2fb/../c?q=%2f"}"#, &gateway, &mesh);
    assert_eq!((report.verdict, report.status), (Outcome::Redirect, Some(307)));
    assert_eq!(report.details.as_deref(), Some("path_normalization_failed"));
    assert_eq!(report.location.as_deref(), Some("/a/c?q=%2f"));
    assert_eq!(denied(r#"{"path": "/a//b"}"#, &gateway, &mesh).stage, Stage::Deny);
    let underscore = r#"{"headers": {"x_a": "1"}}"#;
    assert_eq!(denied(underscore, &gateway, &mesh).details.as_deref(), Some("http1.unexpected_underscore"));
    // The profile is for gateways.
    let sidecar = Workload { proxy: ProxyKind::Sidecar, ..gateway.clone() };
    assert_eq!(denied(underscore, &sidecar, &mesh).stage, Stage::Deny);
    assert_eq!(denied(r#"{"path": "/a%2Fb"}"#, &sidecar, &mesh).stage, Stage::Deny);
    // What a proxy says itself holds for all kinds.
    let own = ConnectionSettings { escaped_slashes: Some(EscapedSlashes::Reject), ..edge };
    let own = Workload { connection_settings: Some(own), ..sidecar };
    assert_eq!(denied(r#"{"path": "/a%2Fb"}"#, &own, &mesh).status, Some(400));
    // Older Istio does not know them.
    let old = Mesh { istio_version: gnomon_engine::workload::IstioVersion::minor(30), ..Mesh::default() };
    assert_eq!(denied(underscore, &gateway, &old).stage, Stage::Deny);
    // The mesh's are for proxies without any.
    let drops = ConnectionSettings { underscores: Some(Underscores::Drop), ..ConnectionSettings::default() };
    let mesh = Mesh { connection_settings: Some(drops), ..Mesh::default() };
    let spec = spec(r#"{"headers": {"x_a": "1", "x-b": "2"}}"#);
    let (ready, _) = ready(&spec, "", &Workload::default(), &mesh);
    assert_eq!((header(&ready, "x_a"), header(&ready, "x-b").as_deref()), (None, Some("2")));
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
        let ready = Prepared::new(&spec, plan.authenticator(), &workload, &mesh, 1_000);
        let report = ready.report(&plan, &SoftwareCrypto);
        let explained = ready.explain(&plan, &SoftwareCrypto).report;
        proptest::prop_assert_eq!(report.verdict, explained.verdict);
        proptest::prop_assert_eq!(report.details, explained.details);
    }
}
