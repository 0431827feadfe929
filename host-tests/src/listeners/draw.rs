//! Random listeners in the forms that istiod writes, and one form that nobody writes, for the rule of choice itself.

use crate::{conformance::Random, listeners::chain::Building};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A listener and the connections that it is to get.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Its form, for the summary.
    pub form: &'static str,
    /// As istiod would send it.
    pub listener: Value,
    /// What it is asked.
    pub connections: Vec<Drawing>,
    /// Clients say by a PROXY header where they come from and go to; without one they come from 127.0.0.0/8.
    pub claims: bool,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// In plaintext.
    Plaintext,
    /// TLS without a certificate.
    Tls,
    /// Mutual TLS, with Istio's own protocols.
    MutualTls,
}

/// A connection and its one request.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// HTTP, or bytes that are none.
    pub http: bool,
    /// How.
    pub speaks: Speaks,
    /// The SNI of TLS.
    pub sni: Option<&'static str>,
    /// The client.
    pub source: IpAddr,
    /// Whom it means to reach.
    pub destination: (IpAddr, u16),
    /// The path, where it speaks HTTP.
    pub path: &'static str,
}

/// What Istio's clients offer for HTTP, for TCP, and what Istio allows in plaintext.
const ISTIO_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
const ISTIO_TCP: &[&str] = &["istio-peer-exchange", "istio"];
const ISTIO_ALL: &[&str] = &["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
const PLAINTEXT: &[&str] = &["http/1.1", "h2c"];
const PORTS: &[u16] = &[80, 443, 5000, 7000, 8080, 9000];
const NAMES: &[&str] = &["a.com", "b.a.com", "x.b.a.com", "b.org"];
const SERVICES: &[&str] = &["10.96.0.9", "10.96.0.10", "10.96.1.1"];
const PODS: &[&str] = &["10.0.0.3", "10.0.1.4", "192.0.2.7"];

/// So many connections for each listener.
const CONNECTIONS: usize = 6;

/// A mode of PeerAuthentication.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Permissive,
    Strict,
    Disable,
}

/// What istiod takes a port for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Port {
    #[default]
    Auto,
    Http,
    Tcp,
}

const MODES: &[Mode] = &[Mode::Permissive, Mode::Permissive, Mode::Strict, Mode::Disable];
const KINDS: &[Port] = &[Port::Auto, Port::Http, Port::Tcp];

/// The listener of this seed.
pub fn draw(seed: u64) -> Drawn {
    let mut random = Random::new(seed);
    match random.below(100) {
        0..35 => sidecar(&mut random),
        35..45 => bound_to_a_port(&mut random),
        45..60 => waypoint(&mut random),
        60..70 => inside_a_tunnel(&mut random),
        70..80 => gateway(&mut random),
        80..93 => any_criteria(&mut random, true),
        _ => any_criteria(&mut random, false),
    }
}

/// Match, HTTP or not, ends mutual TLS or not: the rows of istiod's `filterchain_options.go`.
fn options(mode: Mode, kind: Port) -> Vec<(Value, bool, bool)> {
    let row = |transport: &str, protocols: &[&str], http: bool, tls: bool| {
        let mut matching = json!({"transportProtocol": transport});
        if !protocols.is_empty() {
            put(&mut matching, "applicationProtocols", json!(protocols));
        }
        (matching, http, tls)
    };
    match (mode, kind) {
        (Mode::Permissive, Port::Auto) => vec![
            row("tls", ISTIO_HTTP, true, true),
            row("raw_buffer", PLAINTEXT, true, false),
            row("tls", ISTIO_TCP, false, true),
            row("raw_buffer", &[], false, false),
            row("tls", &[], false, false),
        ],
        (Mode::Permissive, Port::Http) => {
            vec![row("tls", ISTIO_ALL, true, true), row("raw_buffer", &[], true, false)]
        }
        (Mode::Permissive, Port::Tcp) => vec![
            row("tls", ISTIO_ALL, false, true),
            row("raw_buffer", &[], false, false),
            row("tls", &[], false, false),
        ],
        (Mode::Strict, Port::Auto) => {
            vec![row("tls", ISTIO_HTTP, true, true), row("tls", &[], false, true)]
        }
        (Mode::Strict, Port::Http) => vec![row("tls", &[], true, true)],
        (Mode::Strict, Port::Tcp) => vec![row("tls", &[], false, true)],
        (Mode::Disable, Port::Auto) => {
            vec![row("raw_buffer", PLAINTEXT, true, false), row("raw_buffer", &[], false, false)]
        }
        (Mode::Disable, Port::Http) => vec![row("raw_buffer", &[], true, false)],
        (Mode::Disable, Port::Tcp) => vec![row("raw_buffer", &[], false, false)],
    }
}

/// `virtualInbound`: the blackhole of its own port, the chains for all ports, those of each service's port.
fn sidecar(random: &mut Random) -> Drawn {
    let mut building = Building::default();
    building.black_hole(15006);
    let default = random.pick(MODES);
    // Ports of PeerAuthentication that no service has come before those of all.
    let mut ports = distinct(random, PORTS, 4);
    let known = random.below(ports.len().saturating_add(1));
    let services = ports.split_off(known);
    for port in ports {
        let mode = random.pick(MODES);
        for (matching, http, tls) in options(mode, Port::Auto) {
            building.chain(random, "virtualInbound", with_port(matching, port), http, tls);
        }
    }
    for (matching, http, tls) in options(default, Port::Auto) {
        let name = if http { "virtualInbound-catchall-http" } else { "virtualInbound" };
        building.chain(random, name, matching, http, tls);
    }
    for port in services {
        let (mode, kind) = (random.pick(MODES), random.pick(KINDS));
        for (matching, http, tls) in options(mode, kind) {
            building.chain(random, &format!("0.0.0.0_{port}"), with_port(matching, port), http, tls);
        }
    }
    let mut filters = vec![listener_filter("original_dst", "OriginalDst")];
    filters.extend(inspectors(&building.chains));
    let listener = json!({
        "name": "virtualInbound", "trafficDirection": "INBOUND",
        "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 15006}},
        "listenerFilters": filters, "filterChains": building.chains,
    });
    let mut connections = connections(random, PODS);
    if let Some(last) = connections.last_mut() {
        last.destination.1 = 15006;
    }
    Drawn { form: "sidecar", listener, connections, claims: true }
}

/// A listener of its own for one port (`captureMode: NONE`): nothing is redirected to it.
fn bound_to_a_port(random: &mut Random) -> Drawn {
    let mut building = Building::default();
    let (port, mode, kind) = (random.pick(PORTS), random.pick(MODES), random.pick(KINDS));
    for (matching, http, tls) in options(mode, kind) {
        building.chain(random, &format!("0.0.0.0_{port}"), with_port(matching, port), http, tls);
    }
    let listener = json!({
        "name": format!("0.0.0.0_{port}"), "trafficDirection": "INBOUND",
        "address": {"socketAddress": {"address": "0.0.0.0", "portValue": port}},
        "listenerFilters": inspectors(&building.chains), "filterChains": building.chains,
    });
    let mut connections = connections(random, PODS);
    connections.iter_mut().for_each(|connection| connection.destination.1 = port);
    Drawn { form: "bound to a port", listener, connections, claims: true }
}

/// A waypoint's `main_internal`, without the tunnel in front: plaintext, and a tree in place of criteria.
fn waypoint(random: &mut Random) -> Drawn {
    let mut building = Building::default();
    let mut ranges = Vec::new();
    let mut unsniffed = Vec::new();
    let mut by_name = serde_json::Map::new();
    for (number, address) in SERVICES.iter().enumerate().take(1 + random.below(SERVICES.len())) {
        let mut ports = serde_json::Map::new();
        for port in distinct(random, PORTS, 3) {
            let kind = random.pick(KINDS);
            let name =
                |protocol: &str| format!("inbound-vip|{port}|{protocol}|svc{number}.ns.svc.cluster.local");
            if kind != Port::Http {
                building.chain(random, &name("tcp"), Value::Null, false, false);
            }
            let tcp = building.last();
            if kind != Port::Tcp {
                building.chain(random, &name("http"), Value::Null, true, false);
            }
            let then = match kind {
                Port::Auto => sniff(&tcp, &building.last()),
                Port::Http | Port::Tcp => to_chain(&building.last()),
            };
            if kind != Port::Auto {
                unsniffed.push(port);
            }
            by_name.insert(format!("svc{number}.ns.svc.cluster.local:{port}"), then.clone());
            ports.insert(port.to_string(), then);
        }
        let tree = json!({"matcher": {"matcherTree": {
            "input": input("DestinationPortInput"), "exactMatchMap": {"map": ports},
        }}});
        ranges.push(json!({"ranges": [range(address, 32)], "onMatch": tree}));
    }
    building.chain(random, "direct-tcp", Value::Null, false, false);
    let tcp = building.last();
    building.chain(random, "direct-http", Value::Null, true, false);
    let workloads = random.chance(60);
    if workloads {
        let pods: Vec<Value> = PODS.iter().take(2).map(|address| range(address, 32)).collect();
        ranges.push(json!({"ranges": pods, "onMatch": sniff(&tcp, &building.last())}));
    }
    // No istiod writes wider ranges; what happens after a miss in a narrow one is seen by them.
    if random.chance(30) {
        let exclusive = random.chance(50);
        ranges.push(json!({
            "ranges": [range("10.96.0.0", 16)], "onMatch": to_chain(&tcp), "exclusive": exclusive,
        }));
    }
    let mut http = listener_filter("http_inspector", "HttpInspector");
    if !workloads {
        // A port is opted out unless some service leaves its protocol open.
        let sniffed = |port: &u16| !unsniffed.contains(port);
        let out: Vec<u16> = PORTS.iter().copied().filter(|port| !sniffed(port)).collect();
        disable(&mut http, &out);
    }
    let state = json!({"name": "original-dst-filter-state", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
        "key": "envoy.filters.listener.original_dst.local_ip",
    }});
    let listener = json!({
        "name": "main_internal", "trafficDirection": "INBOUND", "internalListener": {},
        "listenerFilters": [listener_filter("original_dst", "OriginalDst"), http],
        "filterChains": building.chains,
        "filterChainMatcher": {
            "matcherTree": {"input": input("DestinationIPInput"), "customMatch": {"name": "ip", "typedConfig": {
                "@type": "type.googleapis.com/xds.type.matcher.v3.IPMatcher", "rangeMatchers": ranges,
            }}},
            "onNoMatch": {"matcher": {"matcherTree": {"input": state, "exactMatchMap": {"map": by_name}}}},
        },
    });
    let mut connections = connections(random, &[SERVICES, PODS].concat());
    connections.iter_mut().for_each(in_plaintext);
    Drawn { form: "waypoint", listener, connections, claims: true }
}

/// A sidecar's `main_internal`: the chains of DISABLE, without a transport protocol, for its own addresses.
fn inside_a_tunnel(random: &mut Random) -> Drawn {
    let mut building = Building::default();
    let own: Vec<Value> = PODS.iter().take(1 + random.below(2)).map(|address| range(address, 32)).collect();
    let sanitized = |mut matching: Value| {
        if let Some(fields) = matching.as_object_mut() {
            fields.remove("transportProtocol");
        }
        put(&mut matching, "prefixRanges", json!(own));
        matching
    };
    for port in distinct(random, PORTS, 3) {
        for (matching, http, tls) in options(Mode::Disable, random.pick(KINDS)) {
            let matching = sanitized(with_port(matching, port));
            building.chain(random, &format!("0.0.0.0_{port}"), matching, http, tls);
        }
    }
    for (matching, http, tls) in options(Mode::Disable, Port::Auto) {
        let name = if http { "virtualInbound-catchall-http" } else { "virtualInbound" };
        building.chain(random, name, sanitized(matching), http, tls);
    }
    let mut filters = vec![listener_filter("original_dst", "OriginalDst")];
    filters.extend(inspectors(&building.chains));
    let listener = json!({
        "name": "main_internal", "trafficDirection": "INBOUND", "internalListener": {},
        "listenerFilters": filters, "filterChains": building.chains,
    });
    let mut connections = connections(random, PODS);
    connections.iter_mut().for_each(in_plaintext);
    Drawn { form: "inside a tunnel", listener, connections, claims: true }
}

/// A gateway's port: servers by SNI, which end TLS or pass it on, or one for plaintext.
fn gateway(random: &mut Random) -> Drawn {
    let mut building = Building::default();
    let tls = random.chance(80);
    let mut filters = Vec::new();
    if tls {
        let patterns: &[&str] = &["a.com", "*.a.com", "b.a.com", "*.b.a.com", "b.org", "*.org"];
        for name in distinct(random, patterns, 4) {
            let matching = json!({"serverNames": [name]});
            match random.below(4) {
                0 => building.chain(random, name, matching, false, false),
                1 => {
                    let http = random.chance(70);
                    building.chain(random, name, matching, http, true);
                }
                _ => {
                    let http = random.chance(80);
                    building.one_way(random, name, matching, http);
                }
            }
        }
        filters.push(listener_filter("tls_inspector", "TlsInspector"));
    } else {
        let http = random.chance(70);
        building.chain(random, "plain", Value::Null, http, false);
    }
    let listener = json!({
        "name": "0.0.0.0_8443", "trafficDirection": "OUTBOUND",
        "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 8443}},
        "listenerFilters": filters, "filterChains": building.chains,
    });
    Drawn { form: "gateway", listener, connections: connections(random, PODS), claims: true }
}

/// Criteria on every level, the default chain: what Envoy's rule makes of them.
fn any_criteria(random: &mut Random, claims: bool) -> Drawn {
    let mut building = Building::default();
    let destinations =
        [("10.0.0.0", 8), ("10.0.0.0", 16), ("10.0.1.0", 24), ("192.0.2.7", 32), ("0.0.0.0", 1)];
    let sources = [("10.1.0.0", 16), ("10.1.2.0", 24), ("127.0.0.0", 8), ("127.0.0.2", 31)];
    let direct = [("127.0.0.0", 8), ("127.0.0.2", 32), ("127.0.0.0", 29), ("10.0.0.0", 8)];
    let mut seen = Vec::new();
    for number in 0..(1 + random.below(7)) {
        let mut matching = json!({});
        let ranges = |random: &mut Random, from: &[(&str, u8)]| -> Value {
            let picked = distinct(random, from, 2);
            picked.into_iter().map(|(address, length)| range(address, length)).collect()
        };
        if claims && random.chance(30) {
            put(&mut matching, "destinationPort", random.pick(&[80_u16, 443, 5000]).into());
        }
        if claims && random.chance(40) {
            let ranges = ranges(random, &destinations);
            put(&mut matching, "prefixRanges", ranges);
        }
        if random.chance(25) {
            let patterns: &[&str] = &["a.com", "*.A.com", "b.a.com", "*.com"];
            put(&mut matching, "serverNames", json!(distinct(random, patterns, 2)));
        }
        if random.chance(40) {
            put(&mut matching, "transportProtocol", random.pick(&["tls", "raw_buffer"]).into());
        }
        if random.chance(40) {
            let protocols = ["http/1.1", "h2c", "istio", "istio-http/1.1", "istio-peer-exchange"];
            put(&mut matching, "applicationProtocols", json!(distinct(random, &protocols, 2)));
        }
        if !claims && random.chance(40) {
            let ranges = ranges(random, &direct);
            put(&mut matching, "directSourcePrefixRanges", ranges);
        }
        if random.chance(25) {
            put(&mut matching, "sourceType", random.pick(&["SAME_IP_OR_LOOPBACK", "EXTERNAL"]).into());
        }
        if random.chance(30) {
            let ranges = ranges(random, &sources);
            put(&mut matching, "sourcePrefixRanges", ranges);
        }
        // Envoy refuses a listener in which two chains overlap.
        if seen.iter().any(|other| overlap(other, &matching)) {
            continue;
        }
        seen.push(matching.clone());
        let http = random.chance(50);
        // A chain for TLS that has no socket for it is taken to have been cut: Envoy would end every connection.
        let names = |field: &str, part: &str| {
            matching.get(field).is_some_and(|value| value.to_string().contains(part))
        };
        let needed = names("applicationProtocols", "istio")
            || (http && (names("transportProtocol", "tls") || names("serverNames", "")));
        let tls = needed || random.chance(30);
        building.chain(random, &format!("chain-{number}"), matching, http, tls);
    }
    let mut filters = Vec::new();
    let all = [("tls_inspector", "TlsInspector"), ("http_inspector", "HttpInspector")];
    for (name, message) in all {
        if random.chance(75) {
            let mut filter = listener_filter(name, message);
            if claims && random.chance(25) {
                disable(&mut filter, &distinct(random, PORTS, 2));
            }
            filters.push(filter);
        }
    }
    if random.chance(20) {
        filters.reverse();
    }
    let mut listener = json!({
        "name": "any", "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 80}},
        "listenerFilters": filters,
    });
    if random.chance(40) {
        let mut fallback = Building::default();
        fallback.chain(random, "default", Value::Null, true, false);
        put(&mut listener, "defaultFilterChain", fallback.chains.pop().unwrap_or_default());
    }
    put(&mut listener, "filterChains", json!(building.chains));
    let mut connections = connections(random, &[PODS, &["10.0.0.9"]].concat());
    if !claims {
        for connection in &mut connections {
            let last = u8::try_from(1 + random.below(12)).unwrap_or(1);
            connection.source = IpAddr::from([127, 0, 0, last]);
        }
    }
    let form = if claims { "any criteria" } else { "any criteria, direct source" };
    Drawn { form, listener, connections, claims }
}

fn connections(random: &mut Random, destinations: &[&str]) -> Vec<Drawing> {
    let ip = |text: &str| text.parse().unwrap_or(IpAddr::from([10, 0, 0, 3]));
    let mut connection = || {
        let speaks = [Speaks::Plaintext, Speaks::MutualTls, Speaks::Tls].get(random.below(3)).copied();
        let speaks = speaks.unwrap_or(Speaks::Plaintext);
        // Without a certificate, the SNI is how a request says that it is TLS.
        let names = speaks == Speaks::Tls || (speaks == Speaks::MutualTls && random.chance(60));
        let destination = ip(random.pick(destinations));
        let same = random.chance(10);
        Drawing {
            http: random.chance(65),
            speaks,
            sni: names.then(|| random.pick(NAMES)),
            source: if same {
                destination
            } else {
                ip(random.pick(&["10.1.2.3", "10.1.9.9", "203.0.113.9"]))
            },
            destination: (destination, random.pick(PORTS)),
            path: random.pick(&["/", "/admin", "/admin/x", "/public"]),
        }
    };
    (0..CONNECTIONS).map(|_| connection()).collect()
}

/// What comes out of a tunnel: the application's bytes. Its own TLS is a TCP connection to a request.
fn in_plaintext(connection: &mut Drawing) {
    if connection.speaks == Speaks::Tls && !connection.http {
        return;
    }
    connection.speaks = Speaks::Plaintext;
    connection.sni = None;
}

/// TLS and HTTP inspectors where istiod has them: opted out of the ports that do not need them, or only on those that do.
fn inspectors(chains: &[Value]) -> Vec<Value> {
    let port = |chain: &Value| {
        chain.pointer("/filterChainMatch/destinationPort").and_then(Value::as_u64).unwrap_or(0)
    };
    let needs_tls = |chain: &&Value| {
        chain.pointer("/filterChainMatch/transportProtocol").is_some_and(|text| text == "tls")
    };
    let needs_http = |chain: &&Value| {
        let protocols = chain.pointer("/filterChainMatch/applicationProtocols").and_then(Value::as_array);
        protocols.is_some_and(|names| names.iter().any(|name| name == "http/1.1"))
    };
    let on = |needs: &dyn Fn(&&Value) -> bool, wanted: bool| -> Vec<u16> {
        let mut ports: Vec<u64> = chains.iter().map(port).collect();
        ports.sort_unstable();
        ports.dedup();
        let needed =
            |wanted: u64| chains.iter().filter(|chain| port(chain) == wanted).any(|chain| needs(&chain));
        let ports = ports.into_iter().filter(|port| needed(*port) == wanted);
        ports.filter_map(|port| u16::try_from(port).ok()).collect()
    };
    let mut filters = Vec::new();
    let tls = on(&needs_tls, true);
    if !tls.is_empty() {
        let mut filter = listener_filter("tls_inspector", "TlsInspector");
        if tls.contains(&0) {
            disable(&mut filter, &on(&needs_tls, false));
        } else {
            let enabled = predicate(&tls);
            put(&mut filter, "filterDisabled", json!({"notMatch": enabled}));
        }
        filters.push(filter);
    }
    if !on(&needs_http, true).is_empty() {
        let mut filter = listener_filter("http_inspector", "HttpInspector");
        disable(&mut filter, &on(&needs_http, false));
        filters.push(filter);
    }
    filters
}

fn disable(filter: &mut Value, ports: &[u16]) {
    if !ports.is_empty() {
        put(filter, "filterDisabled", predicate(ports));
    }
}

fn predicate(ports: &[u16]) -> Value {
    let range = |port: &u16| json!({"destinationPortRange": {"start": port, "end": u32::from(*port) + 1}});
    match ports {
        [only] => range(only),
        several => json!({"orMatch": {"rules": several.iter().map(range).collect::<Vec<_>>()}}),
    }
}

fn listener_filter(name: &str, message: &str) -> Value {
    json!({"name": format!("envoy.filters.listener.{name}"), "typedConfig": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.listener.{name}.v3.{message}"),
    }})
}

fn input(name: &str) -> Value {
    json!({"name": name, "typedConfig": {
        "@type": format!("type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.{name}"),
    }})
}

fn to_chain(name: &str) -> Value {
    json!({"action": {"name": name, "typedConfig": {
        "@type": "type.googleapis.com/google.protobuf.StringValue", "value": name,
    }}})
}

fn sniff(tcp: &str, http: &str) -> Value {
    json!({"matcher": {
        "matcherTree": {
            "input": input("ApplicationProtocolInput"),
            "exactMatchMap": {"map": {"'h2c'": to_chain(http), "'http/1.1'": to_chain(http)}},
        },
        "onNoMatch": to_chain(tcp),
    }})
}

fn range(address: &str, length: u8) -> Value {
    json!({"addressPrefix": address, "prefixLen": length})
}

fn with_port(mut matching: Value, port: u16) -> Value {
    put(&mut matching, "destinationPort", port.into());
    matching
}

/// Is there a connection for which nothing tells these two apart?
fn overlap(one: &Value, other: &Value) -> bool {
    let keys = |matching: &Value, field: &str| -> Vec<String> {
        let keys: Vec<String> = match matching.get(field) {
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.to_string().to_ascii_lowercase()).collect()
            }
            Some(single) => vec![single.to_string()],
            None => Vec::new(),
        };
        if keys.is_empty() { vec![String::new()] } else { keys }
    };
    let fields = [
        "destinationPort",
        "prefixRanges",
        "serverNames",
        "transportProtocol",
        "applicationProtocols",
        "directSourcePrefixRanges",
        "sourceType",
        "sourcePrefixRanges",
    ];
    fields.iter().all(|field| {
        let others = keys(other, field);
        keys(one, field).iter().any(|key| others.contains(key))
    })
}

/// Sets a field of a message.
pub(super) fn put(message: &mut Value, field: &str, value: Value) {
    if let Some(fields) = message.as_object_mut() {
        fields.insert(field.into(), value);
    }
}

/// One to so many of them, each once.
fn distinct<T: Copy + Default + PartialEq>(random: &mut Random, from: &[T], most: usize) -> Vec<T> {
    let mut picked: Vec<T> = Vec::new();
    for _ in 0..(1 + random.below(most)) {
        let one = random.pick(from);
        if !picked.contains(&one) {
            picked.push(one);
        }
    }
    picked
}
