//! Who is at the other end, as the proxy tells it: certificates with several names, addresses behind others.

use super::*;
use gnomon_host_tests::{Ca, ClientCert, Identity, Names, ServerTls, Tls};

fn spiffe(name: &str) -> String {
    format!("spiffe://cluster.local/ns/shop/sa/{name}")
}

fn helper(key: &str, value: &str) -> Value {
    json!({"name": "envoy.filters.http.set_filter_state", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [{
            "object_key": key, "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": value}},
        }],
    }})
}

#[test]
fn every_name_of_a_certificate_counts_and_addresses_only_as_far_as_they_are_told() {
    let ca = Ca::new("cluster.local").unwrap();
    let names = |uris: &[&str], dns: &[&str], common_name: Option<&str>| {
        let names = Names {
            uris: uris.iter().map(|uri| spiffe(uri)).collect(),
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            common_name: common_name.map(str::to_owned),
        };
        ca.issue(&names).unwrap()
    };
    let certificates: [(Identity, &str); 6] = [
        (names(&["cart"], &[], None), "allow"),
        (names(&["other"], &[], None), "deny"),
        (names(&["other", "more", "cart"], &[], None), "allow"),
        (names(&["other", "more"], &["a.test", "b.test"], Some("cart")), "deny"),
        (names(&[], &["a.test"], None), "deny"),
        (names(&[], &[], Some("someone")), "deny"),
    ];
    let by_principal = json!([policy(
        "p",
        "ALLOW",
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}]}])
    )]);
    let by_address =
        json!([policy("p", "ALLOW", json!([{"from": [{"source": {"ipBlocks": ["127.0.0.0/8"]}}]}]))]);
    let by_sni =
        json!([policy("p", "ALLOW", json!([{"when": [{"key": "connection.sni", "values": ["a.test"]}]}]))]);
    let tls = || {
        let identity = ca.issue(&Names::principal("cluster.local/ns/shop/sa/web")).unwrap();
        Some(ServerTls { identity, client_ca: ca.pem.clone(), client: ClientCert::Optional })
    };
    // Each with Envoy's own filters behind it: the two must agree wherever the filter knows.
    let both = |resources: &Value| [vec![shadow(resources)], native(resources)].concat();
    let listener = |name: &str, filters| Listener { tls: tls(), ..Listener::http(name, filters) };
    let direct = helper("gnomon.direct_remote_address", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%");
    let listeners = vec![
        listener("principal", both(&by_principal)),
        listener("sni", both(&by_sni)),
        listener("address", both(&by_address)),
        listener("helped", [vec![direct], both(&by_address)].concat()),
    ];
    let envoy = Envoy::start(&Bootstrap::new(&workload(), listeners)).unwrap();
    let ask = |listener: &str, tls: Option<Tls<'_>>, forwarded: &str, case: &str| {
        let mut request = get("/", case);
        if !forwarded.is_empty() {
            request = request.header("x-forwarded-for", forwarded);
        }
        let dial = Dial { tls, ..Dial::plain(to(&envoy, listener)) };
        Connection::open(&dial).unwrap().send(&request).unwrap().response().unwrap();
        let state = state(&envoy, case);
        (state["verdict"].as_str().unwrap().to_owned(), state["result"].as_str().unwrap().to_owned())
    };
    let shows = |identity, sni| Some(Tls { identity, sni, alpn: &[] });
    for (number, (identity, expected)) in certificates.iter().enumerate() {
        let got = ask("principal", shows(Some(identity), Some("a.test")), "", &format!("names-{number}"));
        assert_eq!(got, ((*expected).into(), "agree".into()), "{number}");
    }
    assert_eq!(
        ask("principal", shows(None, Some("a.test")), "", "no certificate"),
        ("deny".into(), "agree".into())
    );
    assert_eq!(ask("principal", None, "", "plaintext"), ("deny".into(), "agree".into()));
    for (sni, expected) in [("a.test", "allow"), ("b.test", "deny")] {
        assert_eq!(ask("sni", shows(None, Some(sni)), "", sni), (expected.into(), "agree".into()));
    }
    // The physical peer is on the loopback, whoever it says that it speaks for.
    let table = [
        ("address", "", "allow", "agree"),
        ("address", "203.0.113.9", "unknown", "unknown"),
        ("helped", "", "allow", "agree"),
        ("helped", "203.0.113.9", "allow", "agree"),
    ];
    for (number, (listener, forwarded, verdict, result)) in table.into_iter().enumerate() {
        let got = ask(listener, None, forwarded, &format!("address-{number}"));
        assert_eq!(got, (verdict.into(), result.into()), "{listener} {forwarded}");
    }
}

#[test]
fn the_peer_and_the_name_it_asked_for_are_read_over_http2_alike() {
    let ca = Ca::new("cluster.local").unwrap();
    let resources = json!([policy(
        "p",
        "ALLOW",
        json!([{
            "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}],
            "when": [{"key": "connection.sni", "values": ["a.test"]}],
        }])
    )]);
    let listener = Listener {
        plaintext: false,
        tls: Some(ServerTls {
            identity: ca.issue(&Names::principal("cluster.local/ns/shop/sa/web")).unwrap(),
            client_ca: ca.pem.clone(),
            client: ClientCert::Required,
        }),
        ..Listener::http("web", [vec![shadow(&resources)], native(&resources)].concat())
    };
    let envoy = Envoy::start(&Bootstrap::new(&workload(), vec![listener])).unwrap();
    let [cart, other] = ["cart", "other"].map(|name| ca.issue(&Names::principal(&spiffe(name))).unwrap());
    // who, the name asked for, the protocol; 200 or 403
    let table = [
        (&cart, "a.test", "h2", 200),
        (&cart, "b.test", "h2", 403),
        (&other, "a.test", "h2", 403),
        (&cart, "a.test", "http/1.1", 200),
        (&other, "a.test", "http/1.1", 403),
    ];
    for (number, (identity, sni, protocol, code)) in table.into_iter().enumerate() {
        let case = format!("case-{number}");
        let tls = Tls { identity: Some(identity), sni: Some(sni), alpn: &[protocol] };
        let dial = Dial { tls: Some(tls), ..Dial::plain(to(&envoy, "web")) };
        let mut connection = Connection::open(&dial).unwrap();
        if protocol == "h2" {
            let lines = [
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/"),
                (":authority", sni),
                (access_log::CASE_HEADER, &case),
            ];
            h2::send(&mut connection, &lines, None).unwrap();
        } else {
            connection.send(&get("/", &case)).unwrap().response().unwrap();
        }
        assert_eq!(connection.protocol(), Some(protocol.as_bytes()));
        let line = envoy.access_log().of_case(&case).unwrap();
        assert_eq!(line["code"], code, "{line}");
        let state: Value = serde_json::from_str(access_log::text(&line, "gnomon").unwrap()).unwrap();
        assert_eq!((&state["status"], &state["result"]), (&json!(code), &json!("agree")), "{line}");
    }
}
