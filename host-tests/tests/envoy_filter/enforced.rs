//! `mode: enforce` beside Envoy's own filters: the same requests, the same answers, byte by byte.

use super::*;
use gnomon_host_tests::{
    Reply,
    tokens::{self, TestKey},
};

const SHOWN: [&str; 3] = ["authorization", "x-claim", "x-payload"];

fn start(resources: &Value) -> Envoy {
    let configuration = json!({"mode": "enforce", "candidate": {"resources": resources}});
    let ours = vec![configured(&configuration)];
    let listeners = vec![Listener::http("ours", ours), Listener::http("native", native(resources))];
    Envoy::start_with(|log| {
        // What the upstream would get.
        let shown: Vec<Value> = SHOWN
            .iter()
            .map(|name| json!({"header": {"key": format!("got-{name}"), "value": format!("%REQ({name})%")}}))
            .chain([json!({"header": {"key": "got-path", "value": "%REQ(:path)%"}})])
            .collect();
        let routes = json!([{
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
            "response_headers_to_add": shown,
        }]);
        with_routes(Bootstrap::new(&workload(), listeners).to_json(log), &routes)
    })
    .unwrap()
}

/// Status, header lines but the date, body; and the details.
fn answer(
    envoy: &Envoy,
    listener: &str,
    request: &RequestBytes,
    case: &str,
) -> (u16, Vec<(String, String)>, String, String) {
    let reply = Connection::open(&Dial::plain(to(envoy, listener))).unwrap().send(request).unwrap();
    let Reply::Http(response) = reply else { panic!("{listener} {case}: {reply:?}\n{}", envoy.log()) };
    let line = envoy.access_log().of_case(case).unwrap();
    let details = access_log::details(&line).unwrap_or_default().to_owned();
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| name != "date");
    headers.sort();
    (response.status, headers, String::from_utf8_lossy(&response.body).into_owned(), details)
}

#[test]
fn answers_are_those_of_envoys_own_filters() {
    let resources = json!([
        {
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": "jwt", "namespace": "shop"},
            "spec": {"jwtRules": [{
                "issuer": "me", "audiences": ["here"], "jwks": TestKey::RsaKid.jwks(),
                "fromHeaders": [{"name": "authorization", "prefix": "Bearer "}], "fromParams": ["token"],
                "outputPayloadToHeader": "x-payload", "outputClaimToHeaders": [{"header": "x-claim", "claim": "sub"}],
            }]},
        },
        deny_paths("deny-it", &["/secret*"]),
        policy("allow", "ALLOW", json!([
            {"to": [{"operation": {"paths": ["/open*", "/secret*"]}}]},
            {"from": [{"source": {"requestPrincipals": ["me/*"]}}]},
        ])),
    ]);
    let envoy = start(&resources);
    let sign = |claims: Value| tokens::sign(TestKey::RsaKid, &claims).unwrap();
    let good = sign(json!({"iss": "me", "aud": "here", "sub": "u1"}));
    let expired = sign(json!({"iss": "me", "aud": "here", "exp": 1}));
    let elsewhere = sign(json!({"iss": "me", "aud": "there"}));
    let stranger = sign(json!({"iss": "you", "aud": "here"}));
    let forged = tokens::sign(TestKey::Rsa, &json!({"iss": "me", "aud": "here"})).unwrap();
    let long = "p".repeat(400);
    let paths =
        ["/open", "/open?a=b", "/secret", "/other", &format!("/open/{long}?q={long}")].map(str::to_owned);
    let tokens: [Option<&str>; 7] =
        [None, Some(&good), Some(&expired), Some(&elsewhere), Some(&stranger), Some(&forged), Some("x.y")];
    let mut seen = std::collections::BTreeSet::new();
    let mut number = 0;
    for path in &paths {
        for (place, token) in tokens.iter().enumerate() {
            for (method, grpc) in [("GET", false), ("HEAD", false), ("POST", true)] {
                number += 1;
                let of = |listener: &str| {
                    let case = format!("{listener}-{number}");
                    let mut request = RequestBytes::new(method, path.as_str())
                        .header("host", "a.test:80")
                        .header(access_log::CASE_HEADER, case.as_str())
                        .header("x-claim", "forged")
                        .header("x-payload", "forged");
                    if let Some(token) = token {
                        request = request.header("authorization", format!("Bearer {token}"));
                    }
                    if grpc {
                        request =
                            request.header("content-type", "application/grpc").header("content-length", "0");
                    }
                    answer(&envoy, listener, &request, &case)
                };
                let (ours, envoys) = (of("ours"), of("native"));
                assert_eq!(ours, envoys, "{method} {path} token {place} grpc {grpc}");
                seen.insert((envoys.0, envoys.3));
            }
        }
    }
    // A token in the query, which is taken out of it.
    for (number, token) in [&good, &expired].into_iter().enumerate() {
        let of = |listener: &str| {
            let case = format!("query-{listener}-{number}");
            let path = format!("/any?b=%2F1&token={token}&a=2");
            answer(&envoy, listener, &get(&path, &case), &case)
        };
        assert_eq!(of("ours"), of("native"), "{number}");
    }
    // Not all the same answer.
    assert!(seen.len() >= 9, "{seen:#?}");
}
