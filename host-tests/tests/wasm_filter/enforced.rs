//! `mode: enforce`: the answers. That they are Envoy's own, Envoy itself says.

use super::*;

fn enforcing(resources: Value) -> Value {
    let mut configuration = configuration(resources);
    configuration["mode"] = "enforce".into();
    configuration
}

#[test]
fn refusals_are_answered_as_envoys_filters_do() {
    let policies = json!([
        authentication(TestKey::RsaKid),
        policy("secret", "DENY", json!([{"to": [{"operation": {"paths": ["/secret"]}}]}])),
    ]);
    let mut host = WasmHost::with(&enforcing(policies));
    let expired = tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "exp": 1_600_000_000})).unwrap();
    let good = tokens::sign(TestKey::RsaKid, &json!({"iss": "me"})).unwrap();
    let rbac = "rbac_access_denied_matched_policy[ns[shop]-policy[secret]-rule[0]]";
    // path, token, status and details
    type Reply<'a> = (u32, &'a str, &'a str);
    let table: [(&str, Option<&str>, Option<Reply<'_>>); 5] = [
        ("/", None, None),
        ("/", Some(&good), None),
        ("/secret", Some(&good), Some((403, rbac, "RBAC: access denied"))),
        ("/secret", Some(&expired), Some((401, "jwt_authn_access_denied{Jwt_is_expired}", "Jwt is expired"))),
        (
            "/",
            Some("x.y"),
            Some((
                401,
                "jwt_authn_access_denied{Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections}",
                "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            )),
        ),
    ];
    for (path, token, expected) in table {
        host.state().forget();
        get(&mut host, path);
        if let Some(token) = token {
            let line = (b"authorization".to_vec(), format!("Bearer {token}").into_bytes());
            host.state().headers.push(line);
        }
        let (_, details, _) = expected.unwrap_or((200, "via_upstream", ""));
        host.state().answered(expected.map_or(200, |(status, ..)| status.into()), details);
        let action = host.enforced().expect("no trap");
        let state = host.state();
        assert_eq!(action, u32::from(expected.is_some()), "{path} {token:?}");
        let replies: Vec<(u32, &str, &str)> =
            state.replies.iter().map(|(status, details, body, _)| (*status, &**details, &**body)).collect();
        assert_eq!(replies, expected.into_iter().collect::<Vec<_>>(), "{path} {token:?}");
        let has_challenge = state.replies.iter().any(|(.., headers)| headers.len() > 4);
        assert_eq!(has_challenge, expected.is_some_and(|(status, ..)| status == 401));
        assert_eq!(state.verdict()["result"], "agree");
        // A token that has been verified goes no further, as jwt_authn has it.
        let kept = state.headers.iter().any(|(name, _)| name == b"authorization");
        assert_eq!(kept, token.is_some() && expected.is_some(), "{path} {token:?}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let block = policy("p", "DENY", json!([{"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}]));
    let mut host = WasmHost::with(&enforcing(json!([block])));
    get(&mut host, "/");
    host.state().set("source.address", Property::Text("203.0.113.9:0".into()));
    assert_eq!(host.enforced().expect("no trap"), 1);
    let (status, details, ..) = host.state().replies.remove(0);
    assert_eq!((status, &*details), (403, "gnomon_verdict_unknown"));
    // An answer that the proxy does not take ends the request.
    host.state().fault = Some(Fault::Named("proxy_send_local_response", 2));
    assert_eq!(host.enforced().expect("no trap"), 1);
    assert_eq!(host.state().closed, [0]);
}

#[test]
fn refused_connections_are_closed() {
    let policies = json!([policy("p", "ALLOW", json!([{"to": [{"operation": {"ports": ["1"]}}]}]))]);
    let mut host = WasmHost::with(&enforcing(policies));
    for (local, action) in [("10.0.0.1:1", 0), ("10.0.0.1:2", 1)] {
        host.state().forget();
        host.state().set("destination.address", Property::Text(local.into()));
        let id = host.create().unwrap();
        let got = host.call::<(u32, u32, u32), u32>("proxy_on_downstream_data", (id, 1, 0)).expect("no trap");
        assert_eq!(got, action);
        assert_eq!(host.state().closed, vec![2; action as usize]);
        host.call::<(u32, u32), ()>("proxy_on_downstream_connection_close", (id, 1)).expect("no trap");
        assert_eq!(host.state().verdict()["result"], "agree");
        host.delete(id).unwrap();
    }
}

#[test]
fn custom_policies_need_their_own_filter_in_front() {
    let mut custom = policy("ask", "CUSTOM", json!([{}]));
    custom["spec"]["provider"] = json!({"name": "p"});
    let mut configuration = enforcing(json!([custom]));
    configuration["mesh"] = json!({"extensionProviders": ["p"]});
    let mut host = WasmHost::start();
    assert!(!host.configure(configuration.to_string().as_bytes()).expect("no trap"));
    assert!(host.state().logs.iter().any(|(_, line)| line.contains("custom-not-enforced")));
    configuration["customInFront"] = true.into();
    let mut host = WasmHost::with(&configuration);
    get(&mut host, "/");
    assert_eq!(host.enforced().expect("no trap"), 0);
}
