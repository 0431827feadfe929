//! Filter chains as istiod writes them, and which connection gets which. Every row was seen in Envoy 1.40 so; a
//! conformance run (`cargo xtask conformance --listeners`) compares random ones.

use super::*;
use gnomon_engine::request::Protocol;

const MTLS: Peer<'_> = Peer::Tls { names: &[SLEEP], complete: true };

fn inspector(name: &str) -> Value {
    let message = if name == "tls_inspector" { "TlsInspector" } else { "HttpInspector" };
    json!({ "name": format!("envoy.filters.listener.{name}"), "typedConfig": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.listener.{name}.v3.{message}") } })
}

fn inspectors() -> Value {
    let original = json!({ "name": "envoy.filters.listener.original_dst", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst" } });
    json!([original, inspector("tls_inspector"), inspector("http_inspector")])
}

/// HTTP with a DENY of everything that is called as the chain, or TCP.
fn chain(name: &str, http: bool, tls: bool, matching: Value) -> Value {
    let filter = if http {
        json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": { "httpFilters": [deny(name, false)] } })
    } else {
        deny(name, true)
    };
    let mut chain = json!({ "name": name, "filterChainMatch": matching, "filters": [filter] });
    if tls {
        chain["transportSocket"] = json!({ "name": "envoy.transport_sockets.tls", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "requireClientCertificate": true } });
    }
    chain
}

fn deny(name: &str, network: bool) -> Value {
    let kind = if network { "network" } else { "http" };
    json!({ "name": format!("envoy.filters.{kind}.rbac"), "typedConfig": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.rbac.v3.RBAC"),
        "rules": { "action": "DENY", "policies": { name: { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } } } })
}

/// A sidecar's, PERMISSIVE, with an HTTP and a TCP port, one that is STRICT and one that is DISABLE.
fn virtual_inbound() -> Value {
    let http = json!(["istio-http/1.0", "istio-http/1.1", "istio-h2"]);
    let tcp = json!(["istio-peer-exchange", "istio"]);
    let all = json!(["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]);
    let plain = json!(["http/1.1", "h2c"]);
    let black_hole = json!({ "name": "virtualInbound-blackhole", "filterChainMatch": { "destinationPort": 15006 },
        "filters": [{ "name": "envoy.filters.network.tcp_proxy", "typedConfig": { "@type": "x/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "BlackHoleCluster" } }] });
    let mut tls_inspector = inspector("tls_inspector");
    tls_inspector["filterDisabled"] = json!({ "destinationPortRange": { "start": 7000, "end": 7001 } });
    let mut http_inspector = inspector("http_inspector");
    http_inspector["filterDisabled"] = json!({ "orMatch": { "rules": [
        { "destinationPortRange": { "start": 7000, "end": 7001 } }, { "destinationPortRange": { "start": 8080, "end": 8081 } } ] } });
    json!([{ "name": "virtualInbound", "trafficDirection": "INBOUND", "address": { "socketAddress": { "address": "0.0.0.0", "portValue": 15006 } },
        "listenerFilters": [inspectors()[0], tls_inspector, http_inspector], "filterChains": [
        black_hole,
        chain("any mtls http", true, true, json!({ "transportProtocol": "tls", "applicationProtocols": http })),
        chain("any http", true, false, json!({ "transportProtocol": "raw_buffer", "applicationProtocols": plain })),
        chain("any mtls tcp", false, true, json!({ "transportProtocol": "tls", "applicationProtocols": tcp })),
        chain("any tcp", false, false, json!({ "transportProtocol": "raw_buffer" })),
        chain("any tls", false, false, json!({ "transportProtocol": "tls" })),
        chain("8080 mtls", true, true, json!({ "destinationPort": 8080, "transportProtocol": "tls", "applicationProtocols": all })),
        chain("8080 plain", true, false, json!({ "destinationPort": 8080, "transportProtocol": "raw_buffer" })),
        chain("9000 strict http", true, true, json!({ "destinationPort": 9000, "transportProtocol": "tls", "applicationProtocols": http })),
        chain("9000 strict tcp", false, true, json!({ "destinationPort": 9000, "transportProtocol": "tls" })),
        chain("7000 disable", false, false, json!({ "destinationPort": 7000, "transportProtocol": "raw_buffer" })),
    ] }])
}

/// A waypoint's three, with one service and a workload.
fn waypoint() -> Value {
    let input = |name: &str| json!({ "name": name, "typedConfig": { "@type": format!("type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.{name}") } });
    let to = |name: &str| json!({ "action": { "name": name, "typedConfig": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": name } } });
    let sniff = |tcp: &str, http: &str| {
        json!({ "matcher": {
        "matcherTree": { "input": input("ApplicationProtocolInput"), "exactMatchMap": { "map": { "'h2c'": to(http), "'http/1.1'": to(http) } } },
        "onNoMatch": to(tcp) } })
    };
    let ports = json!({ "matcher": { "matcherTree": { "input": input("DestinationPortInput"), "exactMatchMap": { "map": {
        "80": to("inbound-vip|80|http|svc"), "90": sniff("inbound-vip|90|tcp|svc", "inbound-vip|90|http|svc") } } } } });
    let by_name = json!({ "matcher": { "matcherTree": {
        "input": { "name": "original-dst-filter-state", "typedConfig": { "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput", "key": "envoy.filters.listener.original_dst.local_ip" } },
        "exactMatchMap": { "map": { "svc.ns.svc.cluster.local:80": to("inbound-vip|80|http|svc") } } } } });
    let range = |prefix: &str, length: u8, then: Value| json!({ "ranges": [{ "addressPrefix": prefix, "prefixLen": length }], "onMatch": then });
    let mut internal = json!({ "name": "main_internal", "internalListener": {}, "trafficDirection": "INBOUND",
        "listenerFilters": [inspectors()[0], inspector("http_inspector")],
        "filterChains": [],
        "filterChainMatcher": {
            "matcherTree": { "input": input("DestinationIPInput"), "customMatch": { "name": "ip", "typedConfig": {
                "@type": "type.googleapis.com/xds.type.matcher.v3.IPMatcher", "rangeMatchers": [
                    range("10.96.0.9", 32, ports), range("10.0.0.0", 8, sniff("direct-tcp", "direct-http")) ] } } },
            "onNoMatch": by_name } });
    for (name, http) in [
        ("inbound-vip|80|http|svc", true),
        ("inbound-vip|90|tcp|svc", false),
        ("inbound-vip|90|http|svc", true),
        ("direct-tcp", false),
        ("direct-http", true),
    ] {
        internal["filterChains"].as_array_mut().unwrap().push(chain(name, http, false, json!({})));
    }
    let terminate = json!({ "name": "connect_terminate", "address": { "socketAddress": { "address": "0.0.0.0", "portValue": 15008 } },
        "filterChains": [chain("default", true, true, json!({}))] });
    let originate = json!({ "name": "connect_originate", "internalListener": {}, "listenerFilters": [inspectors()[0]],
        "filterChains": [{ "filters": [{ "name": "envoy.filters.network.tcp_proxy", "typedConfig": {} }] }] });
    json!([terminate, internal, originate])
}

/// A chain by its name, a refusal, or the part of an error.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Chain(&'static str),
    Refused(Refusal),
    Asks(&'static str),
}
use Expected::{Asks, Chain, Refused};

struct Row {
    protocol: Protocol,
    peer: Peer<'static>,
    sni: &'static str,
    to: (&'static str, u16),
    expected: Expected,
}

fn check(document: &Value, rows: &[Row]) {
    let imported = import(document);
    assert_eq!(imported.findings, []);
    for Row { protocol, peer, sni, to: (ip, port), expected } in rows {
        let request = Request {
            protocol: *protocol,
            peer: *peer,
            sni: sni.as_bytes(),
            source_ip: Input::Is("10.1.2.3".parse().unwrap()),
            destination_ip: ip.parse().map_or(Input::Absent, Input::Is),
            destination_port: if *port == 0 { Input::Absent } else { Input::Is(*port) },
            ..Request::http(&[])
        };
        let selected = imported.select(None, &request);
        let what = format!("{protocol:?} {peer:?} {sni} {ip}:{port}: {selected:?}");
        match (expected, selected) {
            (Chain(name), Ok(Selected::Chain(chain))) => assert_eq!(chain.name, *name, "{what}"),
            (Refused(wanted), Ok(Selected::Refused(refusal))) => assert_eq!(refusal, *wanted, "{what}"),
            (Asks(part), Err(error)) => assert!(error.to_string().contains(part), "{what}"),
            _ => panic!("{what}, wanted {expected:?}"),
        }
    }
}

fn row(protocol: Protocol, peer: Peer<'static>, to: (&'static str, u16), expected: Expected) -> Row {
    Row { protocol, peer, sni: "", to, expected }
}

#[test]
fn a_sidecar() {
    use Protocol::{Http, Tcp};
    let plain = Peer::Plaintext;
    let tls = Peer::Tls { names: &[], complete: true };
    let at = |port| ("10.0.0.3", port);
    check(
        &virtual_inbound(),
        &[
            // The inspector detects HTTP, so the chain that names no protocol is not taken.
            row(Http, plain, at(5000), Chain("any http")),
            row(Tcp, plain, at(5000), Chain("any tcp")),
            row(Http, MTLS, at(5000), Chain("any mtls http")),
            row(Tcp, MTLS, at(5000), Chain("any mtls tcp")),
            row(Http, tls, at(5000), Chain("any tls")),
            Row { sni: "a.com", ..row(Tcp, plain, at(5000), Chain("any tls")) },
            row(Http, plain, at(8080), Chain("8080 plain")),
            row(Http, MTLS, at(8080), Chain("8080 mtls")),
            row(Http, tls, at(8080), Refused(Refusal::NoChain)),
            row(Tcp, plain, at(8080), Refused(Refusal::NotHttp)),
            row(Http, MTLS, at(9000), Chain("9000 strict http")),
            row(Tcp, MTLS, at(9000), Chain("9000 strict tcp")),
            row(Http, tls, at(9000), Refused(Refusal::NoCertificate)),
            // Nothing comes back from a port's chains to those of all ports.
            row(Http, plain, at(9000), Refused(Refusal::NoChain)),
            // TLS is not looked for there: its bytes are as good as any.
            row(Tcp, MTLS, at(7000), Chain("7000 disable")),
            row(Http, plain, at(15006), Chain("virtualInbound-blackhole")),
            row(Http, plain, at(0), Asks("depends on destination.port")),
        ],
    );
}

#[test]
fn a_waypoint() {
    use Protocol::{Http, Tcp};
    check(
        &waypoint(),
        &[
            row(Http, MTLS, ("10.96.0.9", 80), Chain("inbound-vip|80|http|svc")),
            row(Http, MTLS, ("10.96.0.9", 90), Chain("inbound-vip|90|http|svc")),
            row(Tcp, MTLS, ("10.96.0.9", 90), Chain("inbound-vip|90|tcp|svc")),
            // A port that the service has not: the next longest range is asked.
            row(Http, MTLS, ("10.96.0.9", 91), Chain("direct-http")),
            row(Http, MTLS, ("10.1.1.1", 5000), Chain("direct-http")),
            row(Tcp, MTLS, ("10.1.1.1", 5000), Chain("direct-tcp")),
            row(Http, MTLS, ("192.0.2.1", 80), Refused(Refusal::NoChain)),
            row(Http, MTLS, ("", 80), Asks("depends on destination.ip")),
            row(Http, MTLS, ("10.96.0.9", 0), Asks("depends on destination.port")),
            row(Http, MTLS, ("10.96.0.9", 15008), Chain("default")),
        ],
    );
}

#[test]
fn levels_in_their_order() {
    use Protocol::Tcp;
    let to = |name: &str, matching: Value| chain(name, false, false, matching);
    let range = |prefix: &str, length: u8| json!([{ "addressPrefix": prefix, "prefixLen": length }]);
    let document = json!({ "name": "l", "address": { "socketAddress": { "address": "10.0.0.1", "portValue": 80 } },
        "filterChains": [
            to("wide", json!({ "prefixRanges": range("10.0.0.0", 8) })),
            // The destination comes before the source: who is in this range finds nothing else.
            to("narrow", json!({ "prefixRanges": range("10.1.0.0", 16), "sourcePrefixRanges": range("192.0.2.0", 24) })),
            to("local", json!({ "prefixRanges": range("10.2.0.0", 16), "sourceType": "SAME_IP_OR_LOOPBACK" })),
            to("external", json!({ "prefixRanges": range("10.2.0.0", 16), "sourceType": "EXTERNAL" })),
            to("direct", json!({ "prefixRanges": range("10.3.0.0", 16), "directSourcePrefixRanges": range("10.1.2.0", 24) })),
            to("port", json!({ "prefixRanges": range("10.4.0.0", 16), "sourcePorts": [5000] })),
            to("other", json!({ "prefixRanges": range("10.4.0.0", 16) })),
            to("a", json!({ "prefixRanges": range("10.5.0.0", 16), "serverNames": ["*.A.com"] })),
            to("b", json!({ "prefixRanges": range("10.5.0.0", 16), "serverNames": ["b.a.com"], "transportProtocol": "raw_buffer" })),
            to("none", json!({ "prefixRanges": range("10.5.0.0", 16) })),
        ],
        "defaultFilterChain": to("default", json!({})) });
    let tls = Peer::Tls { names: &[], complete: true };
    let by_name = |sni, expected| Row { sni, ..row(Tcp, tls, ("10.5.0.1", 80), expected) };
    check(
        &document,
        &[
            row(Tcp, Peer::Plaintext, ("10.9.0.1", 80), Chain("wide")),
            row(Tcp, Peer::Plaintext, ("10.1.0.1", 80), Chain("default")),
            row(Tcp, Peer::Plaintext, ("10.1.2.3", 80), Chain("default")),
            row(Tcp, Peer::Plaintext, ("10.2.0.1", 80), Chain("external")),
            row(Tcp, Peer::Plaintext, ("10.3.0.1", 80), Chain("direct")),
            row(Tcp, Peer::Plaintext, ("10.4.0.1", 80), Asks("depends on the client's port")),
            row(Tcp, Peer::Plaintext, ("192.0.2.1", 80), Chain("default")),
            row(Tcp, Peer::Plaintext, ("", 80), Asks("depends on destination.ip")),
            by_name("x.a.com", Chain("a")),
            by_name("y.x.a.com", Chain("a")),
            by_name("a.com", Chain("none")),
            // The exact name is for plaintext only, and nothing comes back to `*.a.com`.
            by_name("b.a.com", Chain("default")),
        ],
    );
    // The address is that of the listener where none is stated for a single port.
    let imported = import(
        &json!({ "name": "l", "address": { "socketAddress": { "address": "0.0.0.0", "portValue": 80 } },
        "filterChains": [to("80", json!({ "destinationPort": 80 }))] }),
    );
    assert!(matches!(imported.select(None, &Request::tcp()), Ok(Selected::Chain(_))));
}

/// A gateway's listeners are marked as outbound, and bound to addresses that may overlap.
#[test]
fn a_gateway() {
    use Protocol::Http;
    let listener = |address: &str, port: u16, chains: Value| {
        json!({ "name": format!("{address}_{port}"), "trafficDirection": "OUTBOUND",
        "address": { "socketAddress": { "address": address, "portValue": port } }, "filterChains": chains })
    };
    let tls = |name: &str, mutual: bool, names: Value| {
        let mut chain = chain(name, true, true, json!({ "serverNames": names }));
        chain["transportSocket"]["typedConfig"]["requireClientCertificate"] = json!(mutual);
        chain
    };
    let document = json!([
        listener("0.0.0.0", 8080, json!([chain("plain", true, false, json!({}))])),
        listener(
            "0.0.0.0",
            8443,
            json!([tls("simple", false, json!(["a.com"])), tls("mutual", true, json!(["b.com"]))])
        ),
        listener("10.0.0.9", 8443, json!([tls("other", false, json!([]))])),
        json!({ "address": { "socketAddress": { "address": "0.0.0.0", "portValue": 15090 } }, "filterChains": [chain("stats", true, false, json!({}))] }),
    ]);
    let to = |sni, peer, to, expected| Row { sni, ..row(Http, peer, to, expected) };
    let plain = Peer::Plaintext;
    check(
        &document,
        &[
            to("", plain, ("10.0.0.1", 8080), Chain("plain")),
            to("", plain, ("10.0.0.1", 15090), Chain("stats")),
            to("a.com", plain, ("10.0.0.1", 8443), Chain("simple")),
            to("a.com", MTLS, ("10.0.0.1", 8443), Chain("simple")),
            to("b.com", MTLS, ("10.0.0.1", 8443), Chain("mutual")),
            to("b.com", plain, ("10.0.0.1", 8443), Refused(Refusal::NoCertificate)),
            to("c.com", plain, ("10.0.0.1", 8443), Refused(Refusal::NoChain)),
            to("a.com", plain, ("10.0.0.9", 8443), Chain("other")),
            to("", plain, ("10.0.0.9", 8443), Refused(Refusal::NotTls)),
            to("a.com", plain, ("", 8443), Asks("depends on destination.ip")),
            to("", plain, ("10.0.0.1", 0), Asks("depends on destination.port")),
            to("", plain, ("10.0.0.1", 9999), Asks("no listener takes connections to port 9999")),
        ],
    );
}

/// Who is at the other end is seen where TLS ends, and where a tunnel has left the name.
#[test]
fn peers() {
    let asked = |kind: &str, mutual: Option<bool>, internal: bool, peer: Peer<'static>| {
        let principal = match kind {
            "authenticated" => json!({ "authenticated": {} }),
            _ => {
                json!({ "filterState": { "key": "io.istio.peer_principal", "stringMatch": { "prefix": "spiffe://" } } })
            }
        };
        let filter = rbac(&json!({ "any": true }), &principal);
        let mut listener = json!({ "name": "l", "filterChains": [{ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typedConfig": { "httpFilters": [filter] } }] }] });
        if let Some(mutual) = mutual {
            listener["filterChains"][0]["transportSocket"] =
                json!({ "name": "tls", "typedConfig": { "requireClientCertificate": mutual } });
        }
        if internal {
            listener["internalListener"] = json!({});
        }
        let request =
            Request { peer, sni: if mutual.is_some() { b"a.com" } else { b"" }, ..request(HEADERS) };
        ask(&listener, &request).verdict
    };
    for (kind, mutual, internal, peer, expected) in [
        ("authenticated", Some(true), false, MTLS, Outcome::Allow),
        // TLS, if without a name.
        ("authenticated", Some(false), false, Peer::Plaintext, Outcome::Allow),
        // The tunnel has ended before.
        ("authenticated", None, true, MTLS, Outcome::Deny),
        ("filter state", None, true, MTLS, Outcome::Allow),
        ("filter state", None, true, Peer::Plaintext, Outcome::Deny),
    ] {
        assert_eq!(asked(kind, mutual, internal, peer), expected, "{kind} {mutual:?} {internal} {peer:?}");
    }
}

#[test]
fn what_leads_nowhere() {
    let imported = import(&virtual_inbound());
    let request = Request { destination_port: Input::Is(15006), peer: Peer::Plaintext, ..request(HEADERS) };
    let Ok(Selected::Chain(chain)) = imported.select(None, &request) else { panic!() };
    let report = chain.evaluate(&request, IstioVersion::NEWEST, &SoftwareCrypto);
    assert_eq!((report.verdict, report.status, report.stage), (Outcome::Deny, None, Stage::None));
    assert!(report.reason.contains("BlackHoleCluster"), "{}", report.reason);
    assert_eq!(report.details, None);
}

/// A route changes a filter by its name: Istio's ALLOW filter may have another than its type.
#[test]
fn renamed_filters() {
    let mut filter = rbac(&json!({ "any": true }), &json!({ "notId": { "any": true } }));
    filter["name"] = json!("istio.authorization.allow");
    let manager = |name: &str| {
        let routes = json!({ "virtualHosts": [{ "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "typedPerFilterConfig": { name: { "@type": "x/envoy.extensions.filters.http.rbac.v3.RBACPerRoute" } } }] }] });
        json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": { "httpFilters": [filter], "routeConfig": routes } })
    };
    for (name, expected) in
        [("istio.authorization.allow", Outcome::Allow), ("envoy.filters.http.rbac", Outcome::Deny)]
    {
        assert_eq!(ask(&manager(name), &request(HEADERS)).verdict, expected, "{name}");
    }
}
