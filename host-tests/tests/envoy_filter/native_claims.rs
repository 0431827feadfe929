//! The filter behind Envoy's own `jwt_authn`, which has taken the token out: its claims are believed where that is said.

use super::*;
use gnomon_host_tests::tokens::{self, TestKey};

fn authentication(issuer: &str, forward: bool) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "jwt", "namespace": "shop"},
        "spec": {"jwtRules": [{
            "issuer": issuer, "jwks": TestKey::RsaKid.jwks(), "forwardOriginalToken": forward,
        }]},
    })
}

/// Envoy's own filters with the shadow right behind `jwt_authn`.
fn behind_jwt(enforced: &Value, configuration: &Value) -> Vec<Value> {
    let mut filters = native(enforced);
    let is_jwt = |filter: &Value| filter["name"].as_str().is_some_and(|name| name.ends_with("jwt_authn"));
    let place = filters.iter().position(is_jwt).expect("jwt_authn is there");
    filters.insert(place + 1, configured(configuration));
    filters
}

#[test]
fn claims_of_a_token_that_is_gone_decide_where_they_are_believed() {
    if is_module() {
        return;
    }
    let users = |values: Value| {
        policy(
            "p",
            "ALLOW",
            json!([
                {"when": [{"key": "request.auth.claims[group]", "values": values}]},
                {"to": [{"operation": {"paths": ["/open"]}}]},
            ]),
        )
    };
    let enforced = |forward| json!([authentication("me", forward), users(json!(["user", "admin"]))]);
    let candidate = |issuer| json!([authentication(issuer, false), users(json!(["admin"]))]);
    let with =
        |issuer, trust: bool| json!({"candidate": {"resources": candidate(issuer)}, "trustNative": trust});
    let listeners = vec![
        Listener::http("trusting", behind_jwt(&enforced(false), &with("me", true))),
        Listener::http("wary", behind_jwt(&enforced(false), &with("me", false))),
        // The token is left for whoever comes next.
        Listener::http("forwarded", behind_jwt(&enforced(true), &with("me", false))),
        // The candidate knows another issuer only.
        Listener::http("stranger", behind_jwt(&enforced(false), &with("you", true))),
    ];
    let envoy = Envoy::start(&Bootstrap::new(&workload(), listeners)).unwrap();
    let sign = |claims: Value| Some(tokens::sign(TestKey::RsaKid, &claims).unwrap());
    let user = sign(json!({"iss": "me", "sub": "u", "group": "user"}));
    // Shapes that the proxy hands over in its own ways: a list, a null, a number, what is nested.
    let admin = sign(json!({
        "iss": "me", "sub": "u", "group": ["x", "admin"], "none": null, "number": 1.5, "deep": {"a": [{"b": null}]},
    }));
    let forged =
        Some(tokens::sign(TestKey::Rsa, &json!({"iss": "me", "sub": "u", "group": "admin"})).unwrap());
    let late = sign(json!({"iss": "me", "sub": "u", "group": "admin", "exp": 1}));

    // listener, token, path, Envoy's code, the candidate's verdict, result
    let table = [
        ("trusting", &admin, "/", 200, "allow", "agree"),
        ("trusting", &user, "/", 200, "deny", "would_deny"),
        ("trusting", &user, "/open", 200, "allow", "agree"),
        ("trusting", &None, "/open", 200, "allow", "agree"),
        ("trusting", &None, "/", 403, "deny", "agree"),
        // Refused in front: the token is still there at the end.
        ("trusting", &forged, "/open", 401, "deny", "agree"),
        ("trusting", &late, "/open", 401, "deny", "agree"),
        ("wary", &admin, "/", 200, "unknown", "unknown"),
        ("wary", &user, "/open", 200, "unknown", "unknown"),
        ("wary", &None, "/open", 200, "allow", "agree"),
        ("wary", &None, "/", 403, "deny", "agree"),
        ("wary", &forged, "/", 401, "deny", "agree"),
        ("forwarded", &admin, "/", 200, "allow", "agree"),
        ("forwarded", &user, "/", 200, "deny", "would_deny"),
        ("forwarded", &None, "/", 403, "deny", "agree"),
        ("stranger", &admin, "/", 200, "deny", "would_deny"),
        ("stranger", &None, "/open", 200, "allow", "agree"),
    ];
    for (number, (listener, token, path, code, verdict, result)) in table.into_iter().enumerate() {
        let case = format!("case-{number}");
        let mut request = get(path, &case);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let (got, details, state) = sent(&envoy, &Dial::plain(to(&envoy, listener)), &request, &case);
        let name = format!("{number}: {listener} {path}: {details}, {state}\n{}", envoy.log());
        assert_eq!(got, code, "{name}");
        assert_eq!((&state["verdict"], &state["result"]), (&json!(verdict), &json!(result)), "{name}");
    }
}
