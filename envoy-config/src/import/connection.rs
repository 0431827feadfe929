//! What a listener knows about a connection before it chooses a filter chain: what the request states, and what the
//! listener's filters detect in the first bytes.

use super::{
    chain::Chain,
    criteria::{Criteria, SourceType, port},
    fields::{Context, Place, get, integer, list, text},
};
use alloc::{boxed::Box, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use gnomon_engine::{
    node::Node,
    request::{Input, Peer, Protocol, Request},
};

/// What Istio's clients offer in mutual TLS: `istio.alpn` of an HTTP/1.1 request, and the cluster's own for TCP.
const ISTIO_HTTP: &[&str] = &["istio-http/1.1", "istio", "http/1.1"];
const ISTIO_TCP: &[&str] = &["istio-peer-exchange", "istio"];
/// Any other TLS client that speaks HTTP/1.1.
const WEB: &[&str] = &["http/1.1"];
/// What `http_inspector` makes of a plaintext HTTP/1.1 request.
const INSPECTED: &[&str] = &["http/1.1"];
/// How deep predicates of listener filters may nest.
const MAX_DEPTH: usize = 16;

/// So many ports of a range are told apart.
const MAX_PORTS: usize = 8_192;

/// The bytes before a chain is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// A TLS handshake, with the client's certificate or without.
    Tls { certificate: bool },
    /// An HTTP/1.1 request in plaintext.
    Http,
    /// Something else in plaintext.
    Other,
}

/// A connection as a request states it; `None` where it does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection<'r> {
    pub(super) port: Option<u16>,
    pub(super) destination: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
    pub(super) bytes: Bytes,
    http: bool,
    sni: &'r [u8],
}

/// What listener filters make of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detected<'r> {
    pub(super) transport: &'static str,
    pub(super) sni: &'r [u8],
    pub(super) protocols: &'static [&'static str],
}

impl<'r> Connection<'r> {
    /// A peer with names speaks mutual TLS as Istio's clients do; who only names a server (`sni`) speaks TLS without a
    /// certificate; everybody else is in plaintext.
    ///
    /// On an internal listener the peer has been authenticated already, where the tunnel ended: what arrives is
    /// plaintext, TLS only where it is the application's.
    pub(super) fn of(request: &Request<'r>, internal: bool) -> Connection<'r> {
        let http = request.protocol == Protocol::Http;
        let bytes = match request.peer {
            Peer::Tls { names, .. } if !internal => Bytes::Tls { certificate: !names.is_empty() },
            _ if !request.sni.is_empty() && !http => Bytes::Tls { certificate: false },
            _ if !request.sni.is_empty() && !internal => Bytes::Tls { certificate: false },
            _ if http => Bytes::Http,
            _ => Bytes::Other,
        };
        Connection {
            port: stated(request.destination_port),
            destination: stated(request.destination_ip),
            source: stated(request.source_ip),
            bytes,
            http,
            sni: request.sni,
        }
    }

    /// Does it come from the same host? `None`: the request does not say. Of the loopback, Envoy knows only 127.0.0.1 and
    /// ::1.
    pub(super) fn source_type(&self) -> Option<SourceType> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let local = match (self.source, self.destination) {
            (Some(source), _) if loopback.contains(&source) => true,
            (Some(source), Some(destination)) => source == destination,
            _ => return None,
        };
        Some(if local { SourceType::Local } else { SourceType::External })
    }
}

fn stated<T>(input: Input<T>) -> Option<T> {
    match input {
        Input::Is(value) => Some(value),
        Input::Absent | Input::Unknown => None,
    }
}

/// What stands for an address that is none, as those of internal listeners are (Envoy's own choice).
pub(super) const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

/// The listener filters that bear on the choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Inspectors {
    /// `tls_inspector`, and where it is disabled.
    tls: Option<Predicate>,
    /// `http_inspector`, and where it is disabled.
    http: Option<Predicate>,
    /// `original_dst` or `useOriginalDst`: it takes connections for any address and port.
    pub(super) any_destination: bool,
}

/// `filterDisabled`
#[derive(Clone, Debug)]
enum Predicate {
    Never,
    Always,
    /// From, up to but without.
    Ports(i64, i64),
    Any(Vec<Predicate>),
    All(Vec<Predicate>),
    Not(Box<Predicate>),
}

impl Inspectors {
    pub(super) fn read(listener: &Node, place: &Place<'_>, context: &mut Context) -> Inspectors {
        let mut found = Inspectors::default();
        let place = place.field("listenerFilters");
        for (index, item) in list(listener, "listenerFilters").iter().enumerate() {
            let place = place.index(index);
            let config = get(item, "typedConfig");
            let type_name = config.map(super::locate::type_of).unwrap_or_default();
            let name = text(item, "name").unwrap_or_default();
            let is = |message: &str, short: &str| {
                type_name.ends_with(message) || (type_name.is_empty() && name.ends_with(short))
            };
            let mut disabled = || {
                let place = place.field("filterDisabled");
                get(item, "filterDisabled")
                    .map_or(Predicate::Never, |node| Predicate::read(node, &place, MAX_DEPTH, context))
            };
            if is(".TlsInspector", "tls_inspector") {
                found.tls = Some(disabled());
            } else if is(".HttpInspector", "http_inspector") {
                found.http = Some(disabled());
            } else if is(".OriginalDst", "original_dst") {
                found.any_destination = true;
            } else if !is(".OriginalSrc", "original_src") && !is(".ProxyProtocol", "proxy_protocol") {
                let what = "what this listener filter does to a connection is not evaluated";
                context.note(&place, item.at, what.into());
            }
        }
        found.any_destination |= get(listener, "useOriginalDst").is_some_and(super::fields::is_true);
        found
    }

    /// A listener of which no filters are shown has been cut: a `tls_inspector` is assumed where its chains cannot be told
    /// apart without one. Envoy itself adds none (seen in 1.40): its TLS chains would never be taken.
    pub(super) fn assume(&mut self, chains: &[Chain]) {
        let asks = |chain: &Chain| {
            let Criteria { transport, names, protocols, .. } = &chain.criteria;
            transport == "tls" || (transport.is_empty() && !(names.is_empty() && protocols.is_empty()))
        };
        if chains.iter().any(asks) {
            self.tls = Some(Predicate::Never);
        }
    }

    /// What is detected on a connection to this port; `None`: to none that the configuration names.
    pub(super) fn detect<'r>(&self, connection: &Connection<'r>, port: Option<u16>) -> Detected<'r> {
        let runs = |filter: &Option<Predicate>| filter.as_ref().is_some_and(|disabled| !disabled.holds(port));
        match connection.bytes {
            Bytes::Tls { certificate } if runs(&self.tls) => Detected {
                transport: "tls",
                sni: connection.sni,
                protocols: match (certificate, connection.http) {
                    (true, true) => ISTIO_HTTP,
                    (true, false) => ISTIO_TCP,
                    (false, true) => WEB,
                    (false, false) => &[],
                },
            },
            Bytes::Http if runs(&self.http) => {
                Detected { transport: "raw_buffer", sni: b"", protocols: INSPECTED }
            }
            _ => Detected { transport: "raw_buffer", sni: b"", protocols: &[] },
        }
    }
}

impl Inspectors {
    /// TLS is detected on no port.
    pub(super) fn never_see_tls(&self) -> bool {
        matches!(self.tls, None | Some(Predicate::Always))
    }

    /// TLS is detected on every port.
    pub(super) fn always_see_tls(&self) -> bool {
        matches!(self.tls, Some(Predicate::Never))
    }

    /// The ports at which they run or do not run by themselves; of a range its ends.
    pub(super) fn named_ports(&self) -> Vec<u16> {
        let mut ports = Vec::new();
        for predicate in [&self.tls, &self.http].into_iter().flatten() {
            predicate.add_ports(&mut ports);
        }
        ports
    }
}

impl Predicate {
    fn add_ports(&self, ports: &mut Vec<u16>) {
        match self {
            Predicate::Never | Predicate::Always => {}
            Predicate::Ports(start, end) => {
                // More of them are as good as none: the listener is then not asked about as a whole.
                let listed = (*start..*end).take(MAX_PORTS.saturating_add(1));
                ports.extend(listed.filter_map(|port| u16::try_from(port).ok()));
            }
            Predicate::Any(rules) | Predicate::All(rules) => {
                rules.iter().for_each(|rule| rule.add_ports(ports));
            }
            Predicate::Not(rule) => rule.add_ports(ports),
        }
    }

    fn read(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> Predicate {
        let Some(depth) = depth.checked_sub(1) else { return Predicate::Never };
        let mut many = |name| {
            let rules = get(node, name).map(|set| list(set, "rules"))?;
            Some(rules.iter().map(|rule| Predicate::read(rule, place, depth, context)).collect::<Vec<_>>())
        };
        if let Some(rules) = many("orMatch") {
            return Predicate::Any(rules);
        }
        if let Some(rules) = many("andMatch") {
            return Predicate::All(rules);
        }
        if let Some(rule) = get(node, "notMatch") {
            return Predicate::Not(Box::new(Predicate::read(rule, place, depth, context)));
        }
        if let Some(range) = get(node, "destinationPortRange") {
            let bound = |name| get(range, name).and_then(integer).unwrap_or(0);
            return Predicate::Ports(bound("start"), bound("end"));
        }
        if get(node, "anyMatch").is_some_and(super::fields::is_true) {
            return Predicate::Always;
        }
        context.note(place, node.at, "this predicate is not evaluated; the filter is taken to run".into());
        Predicate::Never
    }

    fn holds(&self, port: Option<u16>) -> bool {
        match self {
            Predicate::Never => false,
            Predicate::Always => true,
            Predicate::Ports(start, end) => {
                port.map(i64::from).is_some_and(|port| (*start..*end).contains(&port))
            }
            Predicate::Any(rules) => rules.iter().any(|rule| rule.holds(port)),
            Predicate::All(rules) => rules.iter().all(|rule| rule.holds(port)),
            Predicate::Not(rule) => !rule.holds(port),
        }
    }
}

/// The address and port that a listener is bound to; `None`: it is an internal one, or on a pipe.
pub(super) fn bound_to(listener: &Node) -> (Option<IpAddr>, Option<u16>) {
    let socket = get(listener, "address").and_then(|address| get(address, "socketAddress"));
    let address = socket.and_then(|socket| text(socket, "address")).and_then(|text| text.parse().ok());
    (address, socket.and_then(|socket| get(socket, "portValue")).and_then(port))
}
