//! A mesh whose policies are not carried out by Envoy: the candidate beside a baseline, whatever the proxy does.

use super::*;
use gnomon_host_tests::{
    metrics::Scrape,
    tokens::{self, TestKey},
};

fn authentication(name: &str) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwks": TestKey::RsaKid.jwks()}]},
    })
}

#[test]
fn the_candidate_is_compared_with_the_baseline_and_not_with_the_proxy() {
    let baseline = json!([authentication("jwt"), deny_paths("today", &["*/today", "*/both"])]);
    let candidate = json!([deny_paths("tomorrow", &["*/tomorrow", "*/both", "*/token"])]);
    let shadow = configured(&json!({
        "baseline": {"resources": baseline},
        "candidate": {"resources": candidate},
        "report": {"log": "all", "linesPerSecond": 1000},
    }));
    // What Envoy itself refuses, before or after the filter, is another matter.
    let native = native(&json!([deny_paths("envoy", &["/envoy/*"])]));
    let listeners = vec![
        Listener::http("before", [vec![shadow.clone()], native.clone()].concat()),
        Listener::http("after", [native, vec![shadow]].concat()),
    ];
    let envoy = Envoy::start(&Bootstrap::new(&workload(), listeners)).unwrap();
    let forged = tokens::sign(TestKey::Rsa, &json!({"iss": "me"})).unwrap();
    // path, a token that the baseline refuses, result
    let table = [
        ("/neither", false, "agree"),
        ("/tomorrow", false, "would_deny"),
        ("/today", false, "would_allow"),
        ("/both", false, "agree"),
        ("/neither", true, "would_allow"),
        ("/token", true, "would_deny_differently"),
    ];
    let mut counted = std::collections::BTreeMap::new();
    for listener in ["before", "after"] {
        for (number, (path, token, expected)) in table.into_iter().enumerate() {
            for (prefix, code) in [("", 200), ("/envoy", 403)] {
                let case = format!("{listener}{prefix}-{number}");
                let mut request = get(&format!("{prefix}{path}"), &case);
                if token {
                    request = request.header("authorization", format!("Bearer {forged}"));
                }
                let dial = Dial::plain(to(&envoy, listener));
                let (got, _, state) = sent(&envoy, &dial, &request, &case);
                assert_eq!(got, code, "the traffic is as it was: {case}");
                assert_eq!(state["result"], expected, "{case} {path}: {state}");
                *counted.entry(expected).or_insert(0) += 1;
            }
        }
    }
    let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
    for (result, count) in counted {
        let name = format!("gnomon_requests_{result}_total");
        assert_eq!(scrape.sum(&name), Some(f64::from(count)), "{result}");
    }
    // The lines say what it was compared with.
    let log = envoy.log();
    let line = log.lines().find(|line| line.contains(r#""gnomon":"would_deny_differently""#)).unwrap();
    let line: Value = serde_json::from_str(line.get(line.find('{').unwrap()..).unwrap()).unwrap();
    assert_eq!(line["baseline"]["status"], 401, "{line}");
}
