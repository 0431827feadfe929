//! Tokens as long as Envoy can be told to take them.

use super::*;
use gnomon_host_tests::{tokens, tokens::TestKey};

#[test]
fn tokens_of_any_length_are_judged_as_envoy_judges_them() {
    let policies = json!([
        {
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": "jwt", "namespace": "shop"},
            "spec": {"jwtRules": [{"issuer": "me", "jwks": TestKey::RsaKid.jwks()}]},
        },
        policy("users", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["me/*"]}}]}])),
    ]);
    let chain = [vec![shadow(&policies)], native(&policies)].concat();
    let bootstrap = Bootstrap::new(&workload(), vec![Listener::http("web", chain)]);
    let envoy = Envoy::start_with(|log| {
        let mut bootstrap = bootstrap.to_json(log);
        let filters = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"];
        // As long as Envoy allows; 60 KiB by default, beyond which it answers 431 before any filter.
        filters[0]["typed_config"]["max_request_headers_kb"] = json!(8192);
        bootstrap
    })
    .unwrap();
    for length in [100, 50_000, 100_000, 1_400_000, 5_000_000] {
        let claims = json!({"iss": "me", "sub": "u", "padding": "x".repeat(length)});
        let good = tokens::sign(TestKey::RsaKid, &claims).unwrap();
        let bad = tokens::sign(TestKey::Rsa, &claims).unwrap();
        for (token, code, name) in [(&good, 200, "good"), (&bad, 401, "bad")] {
            let case = format!("{name}-{length}");
            let request = get("/", &case).header("authorization", format!("Bearer {token}"));
            let (got, _, state) = sent(&envoy, &Dial::plain(to(&envoy, "web")), &request, &case);
            assert_eq!((got, &state["result"]), (code, &json!("agree")), "{case}: {state}");
        }
    }
}
