//! What a request costs in calls to the proxy, counted from its first callback to its last.

use super::*;
use std::collections::BTreeMap;

const CLAIMS: &str = "metadata.filter_metadata.envoy.filters.http.jwt_authn";

/// The calls of one request by name, properties by their path.
fn calls(host: &mut WasmHost, lines: &[(&str, &[u8])]) -> BTreeMap<String, usize> {
    host.state().set_headers(lines);
    host.state().forget();
    host.request(Steps::All).expect("no trap");
    let state = host.state();
    // A policy's counter is defined when it is first wanted.
    let named =
        state.calls.iter().filter(|name| !["proxy_get_property", "proxy_define_metric"].contains(name));
    let mut counted = BTreeMap::new();
    for name in named.map(|name| (*name).to_owned()).chain(state.asked.iter().cloned()) {
        *counted.entry(name).or_default() += 1;
    }
    counted
}

/// What every request costs: its headers, its end, two counters and the filter state.
fn expected(more: &[&str]) -> BTreeMap<String, usize> {
    let always =
        ["proxy_get_header_map_pairs", "response.code", "response.code_details", "proxy_set_property"];
    let once = always.iter().chain(more).map(|name| ((*name).to_owned(), 1));
    once.chain([("proxy_increment_metric".to_owned(), 2)]).collect()
}

#[test]
fn a_token_is_checked_once_and_claims_are_looked_for_only_where_one_may_be_gone() {
    let user = json!({"from": [{"source": {"requestPrincipals": ["me/u"]}}]});
    let peer = json!({"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/other"]}}]});
    let open = json!({"to": [{"operation": {"paths": ["/open"]}}]});
    let plain =
        configuration(json!(
            [authentication(TestKey::RsaKid), policy("user", "ALLOW", json!([user, open])),]
        ));
    // The verdict depends on names that are asked for only then.
    let peers = configuration(json!([
        authentication(TestKey::RsaKid),
        policy("user", "ALLOW", json!([peer, user, open])),
    ]));
    let mut telling = plain.clone();
    telling["report"] = json!({"claims": ["sub"], "filterState": "all"});
    let mut enforcing = plain.clone();
    enforcing["mode"] = "enforce".into();
    let mut compared = plain.clone();
    compared["baseline"] = plain["candidate"].clone();
    let names = [
        "connection.uri_san_peer_certificate",
        "connection.sha256_peer_certificate_digest",
        "connection.peer_certificate",
        "filter_state.gnomon.peer_uri_san",
        "connection.dns_san_peer_certificate",
        "connection.subject_peer_certificate",
    ];
    let (time, check) = ("proxy_get_current_time_nanoseconds", "proxy_call_foreign_function");
    let sign = |claims: Value| format!("Bearer {}", tokens::sign(TestKey::RsaKid, &claims).unwrap());
    let good = sign(json!({"iss": "me", "sub": "u"}));
    let expired = sign(json!({"iss": "me", "sub": "u", "exp": 1}));
    let stranger = sign(json!({"iss": "you", "sub": "u"}));
    let configurations = [
        ("plain", &plain),
        ("peers", &peers),
        ("telling", &telling),
        ("enforcing", &enforcing),
        ("compared", &compared),
    ];
    // the token, is it a good one, further calls
    let table: [(&str, Option<&String>, bool, &[&str]); 6] = [
        ("new", Some(&good), true, &[check]),
        ("seen", Some(&good), true, &[]),
        ("expired", Some(&expired), false, &[]),
        ("of a stranger", Some(&stranger), false, &[]),
        ("none", None, true, &[CLAIMS]),
        ("seen again", Some(&good), true, &[]),
    ];
    for (name, configuration) in configurations {
        let mut host = WasmHost::with(configuration);
        host.state().set(names[0], Property::Text("spiffe://cluster.local/ns/shop/sa/cart".into()));
        host.state().set("connection.mtls", Property::Bool(true));
        for (token, line, good, further) in table {
            // What is enforced is answered in the middle, another way through.
            if name == "enforcing" && !good {
                continue;
            }
            let own: &[&str] = match name {
                "peers" if good => &names,
                "peers" => &names[..1],
                "enforcing" if line.is_some() => &["proxy_remove_header_map_value"],
                _ => &[],
            };
            let mut lines: Vec<(&str, &[u8])> =
                vec![(":method", b"GET"), (":path", b"/open"), (":authority", b"a")];
            lines.extend(line.map(|line| ("authorization", line.as_bytes())));
            // No line is written about what agrees.
            let details = match token {
                "expired" => "jwt_authn_access_denied{Jwt_is_expired}",
                "of a stranger" => "jwt_authn_access_denied{Jwt_issuer_is_not_configured}",
                _ => "via_upstream",
            };
            host.state().answered(200, details);
            let got = calls(&mut host, &lines);
            let mut expected = expected(&[&[time], own, further].concat());
            if name == "enforcing" {
                // The mark of what was let pass.
                expected.entry("proxy_set_property".into()).and_modify(|count| *count += 1);
            }
            assert_eq!(got, expected, "{name}, token: {token}");
        }
    }
}
