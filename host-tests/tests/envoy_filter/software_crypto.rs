//! Tokens whose signatures Envoy's `jwt_authn` checks and its `verify_signature` does not, before both artefacts.

use super::*;
use gnomon_host_tests::{metrics::Scrape, tokens};
use jsonwebtoken::Algorithm;

#[test]
fn uncommon_signatures_are_judged_as_envoy_judges_them_or_unknown() {
    if is_module() {
        return;
    }
    let all = tokens::uncommon();
    // An issuer for each algorithm.
    let issuer = |uncommon: &tokens::Uncommon| format!("{:?}", uncommon.algorithm);
    let rules: Vec<Value> =
        all.iter().map(|uncommon| json!({"issuer": issuer(uncommon), "jwks": uncommon.jwks})).collect();
    let resources = json!([
        {
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": "jwt", "namespace": "shop"}, "spec": {"jwtRules": rules},
        },
        policy("user", "ALLOW", json!([{"from": [{"source": {"requestPrincipals": ["*/u"]}}]}])),
    ]);
    let configuration = json!({"candidate": {"resources": resources}});
    let able = filter::http_filter(&filter::software_crypto_wasm().unwrap(), &telling(&configuration));
    let both = |shadow: Value| [vec![shadow], native(&resources)].concat();
    let listeners =
        vec![Listener::http("able", both(able)), Listener::http("usual", both(configured(&configuration)))];
    let envoy = Envoy::start(&Bootstrap::new(&workload(), listeners)).unwrap();

    let (mut unknown, mut number) = (0, 0);
    for uncommon in &all {
        let of = |sub: &str, exp: i64| {
            uncommon.sign(&json!({"iss": issuer(uncommon), "sub": sub, "exp": exp})).unwrap()
        };
        let (good, other) = (of("u", tokens::now() + 600), of("other", tokens::now() + 600));
        let (body, signature) = good.rsplit_once('.').unwrap();
        let forged = format!("{body}.{}", other.rsplit_once('.').unwrap().1);
        let short = format!("{body}.{}", signature.get(..20).unwrap());
        // An Ed25519 signature of another length is none, whatever the key.
        let eddsa = uncommon.algorithm == Algorithm::EdDSA;
        // token, Envoy's answer, somebody has to check the signature
        let table = [
            (&good, 200, true),
            (&other, 403, true),
            (&forged, 401, true),
            (&short, 401, !eddsa),
            (&of("u", tokens::now() - 600), 401, false),
        ];
        for (token, expected, checked) in table {
            for listener in ["able", "usual"] {
                number += 1;
                let case = format!("case-{number}");
                let request = get("/", &case).header("authorization", format!("Bearer {token}"));
                let dial = Dial::plain(to(&envoy, listener));
                let (code, details, state) = sent(&envoy, &dial, &request, &case);
                let name = format!("{listener} {:?} {expected}: {details}, {state}", uncommon.algorithm);
                assert_eq!(code, expected, "{name}");
                if listener == "usual" && checked {
                    assert_eq!(
                        (&state["verdict"], &state["result"]),
                        (&json!("unknown"), &json!("unknown")),
                        "{name}"
                    );
                    unknown += 1;
                } else {
                    assert_eq!(
                        (&state["status"], &state["result"]),
                        (&json!(code), &json!("agree")),
                        "{name}"
                    );
                }
            }
        }
    }
    let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
    assert_eq!(scrape.sum("gnomon_requests_unknown_total"), Some(f64::from(unknown)));
    assert_eq!(scrape.sum("gnomon_errors_total"), Some(0.0));
}
