//! What the proxy tells about a request beside its headers, asked for once and only where the plan needs it.
//!
//! Reading properties is what the filter mostly costs, so it goes in two steps. [`Properties::read`] reads what
//! decides nearly always and leaves the rest unknown; only where the verdict then depends on something unknown does
//! [`Properties::more`] read on. Nothing is guessed: what the proxy does not say stays unknown, and so may the verdict.

use crate::{
    address,
    host::{Host, Property, Refused},
    peers::Peers,
};
use alloc::{string::String, vec::Vec};
use core::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
};
use gnomon_engine::{
    jwt::Json,
    plan::RequiredInputs,
    request::{Input, Peer},
    verdict::RequestField,
    workload::ProxyKind,
};

/// A host that counts the calls that failed.
pub struct Asked<'h> {
    host: &'h dyn Host,
    failures: Cell<u32>,
}

impl<'h> Asked<'h> {
    /// None failed yet.
    pub fn new(host: &'h dyn Host) -> Self {
        Asked { host, failures: Cell::new(0) }
    }

    /// The host itself.
    pub fn host(&self) -> &'h dyn Host {
        self.host
    }

    /// How many calls failed.
    pub fn failures(&self) -> u32 {
        self.failures.get()
    }

    /// A property; a failure is counted.
    pub fn property(&self, property: Property) -> Result<Option<Vec<u8>>, Refused> {
        self.count(self.host.property(property))
    }

    /// Counts failures.
    pub fn add(&self, failures: u32) {
        self.failures.set(self.failures.get().saturating_add(failures));
    }

    /// Counts a failure of any call.
    pub fn count<T>(&self, answer: Result<T, Refused>) -> Result<T, Refused> {
        self.add(u32::from(answer.is_err()));
        answer
    }
}

/// What the proxy has said so far.
#[derive(Debug, Default)]
pub struct Properties {
    names: Vec<Vec<u8>>,
    tls: bool,
    complete: bool,
    /// [`Properties::more`] may find further names.
    more_names: bool,
    source_ip: Input<IpAddr>,
    remote_ip: Input<IpAddr>,
    destination_ip: Input<IpAddr>,
    destination_port: Input<u16>,
    sni: Vec<u8>,
    metadata: Vec<(String, Json)>,
    /// What could not be had and has no way to be said as unknown.
    missing: Option<RequestField>,
}

impl Properties {
    /// Reads what decides nearly always.
    pub fn read(&mut self, asked: &Asked<'_>, needs: RequiredInputs, proxy: ProxyKind, peers: &Peers) {
        if needs.peer {
            match proxy {
                ProxyKind::Waypoint => self.read_waypoint_peer(asked),
                _ => self.read_peer(asked, peers),
            }
        }
        if needs.source_ip || needs.remote_ip {
            self.read_source(asked);
        }
        if needs.destination_ip || needs.destination_port {
            self.read_destination(asked);
        }
        if needs.sni {
            match asked.property(Property::ServerName) {
                Ok(name) => self.sni = name.unwrap_or_default(),
                Err(_) => self.missing = Some(RequestField::Sni),
            }
        }
        if needs.metadata {
            match asked.count(asked.host().metadata()) {
                Ok(metadata) => self.metadata = metadata,
                Err(_) => self.missing = Some(RequestField::Metadata),
            }
        }
    }

    /// Reads on, for a verdict that depends on something unknown. True where that brought anything.
    pub fn more(&mut self, asked: &Asked<'_>, peers: &Peers) -> bool {
        let mut learned = false;
        if core::mem::take(&mut self.more_names) {
            learned = self.read_more_names(asked, peers);
        }
        if self.source_ip == Input::Unknown
            && let Ok(Some(text)) = asked.property(Property::DirectSource)
            && let Some(ip) = address::ip(&text)
        {
            self.source_ip = Input::Is(ip);
            learned = true;
        }
        learned
    }

    /// What could not be had at all, in the words of a request file.
    pub fn missing(&self) -> Option<RequestField> {
        self.missing
    }

    /// The names for [`Properties::peer`].
    pub fn names(&self) -> Vec<&[u8]> {
        self.names.iter().map(Vec::as_slice).collect()
    }

    /// Who is at the other end; `names` are those of [`Properties::names`].
    pub fn peer<'a>(&self, names: &'a [&'a [u8]]) -> Peer<'a> {
        if self.tls { Peer::Tls { names, complete: self.complete } } else { Peer::Plaintext }
    }

    /// The physical peer.
    pub fn source_ip(&self) -> Input<IpAddr> {
        self.source_ip
    }

    /// The client after X-Forwarded-For.
    pub fn remote_ip(&self) -> Input<IpAddr> {
        self.remote_ip
    }

    /// The local address.
    pub fn destination_ip(&self) -> Input<IpAddr> {
        self.destination_ip
    }

    /// The local port.
    pub fn destination_port(&self) -> Input<u16> {
        self.destination_port
    }

    /// The server name; empty: none.
    pub fn sni(&self) -> &[u8] {
        &self.sni
    }

    /// Dynamic metadata by filter.
    pub fn metadata(&self) -> &[(String, Json)] {
        &self.metadata
    }

    fn read_peer(&mut self, asked: &Asked<'_>, peers: &Peers) {
        match asked.property(Property::PeerUriSan) {
            // The proxy shows the first URI SAN only.
            Ok(Some(name)) => {
                self.names.push(name);
                self.tls = true;
                self.more_names = true;
            }
            // Plaintext, or a certificate without a URI SAN. TLS without a certificate counts as plaintext, which
            // it is to a policy: no name matches, and mutual TLS would refuse it.
            Ok(None) => match asked.count(asked.host().mutual_tls()) {
                Ok(Some(true)) => {
                    self.tls = true;
                    self.read_more_names(asked, peers);
                }
                Ok(Some(false) | None) => {}
                Err(_) => self.missing = Some(RequestField::SourcePrincipal),
            },
            Err(_) => self.missing = Some(RequestField::SourcePrincipal),
        }
    }

    /// All names: those that stand in the certificate, and its subject. Where the proxy does not hand the certificate
    /// over, it may have been told to list the URI SANs; without either there may be more than the first.
    fn read_more_names(&mut self, asked: &Asked<'_>, peers: &Peers) -> bool {
        let digest = asked.property(Property::PeerDigest).ok().flatten().unwrap_or_default();
        if let Some(names) = peers.names(&digest) {
            self.names = names;
            self.complete = true;
            return true;
        }
        let before = core::mem::take(&mut self.names);
        let read = asked.count(asked.host().peer_names()).ok().flatten();
        let whole = read.is_some();
        match read {
            Some(names) => {
                self.names = names;
                self.complete = true;
            }
            None => {
                self.names.clone_from(&before);
                let listed = asked.property(Property::PeerUriSans).ok().flatten();
                if let Some(all) = listed.as_ref().filter(|all| *all != b"-") {
                    self.names = all.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
                }
                // Of these the proxy shows the first.
                let dns = asked.property(Property::PeerDnsSan);
                // Without a first there is no other.
                self.complete = (listed.is_some() || before.is_empty()) && dns == Ok(None);
                self.names.extend(dns.ok().flatten());
            }
        }
        let subject = asked.property(Property::PeerSubject);
        self.complete &= subject.is_ok();
        self.names.extend(subject.ok().flatten());
        if whole && self.complete && !digest.is_empty() {
            peers.learn(digest, &self.names);
        }
        self.complete || self.names != before
    }

    fn read_waypoint_peer(&mut self, asked: &Asked<'_>) {
        match asked.property(Property::WaypointPeer) {
            Ok(Some(name)) => {
                self.names.push(name);
                self.tls = true;
                self.complete = true;
            }
            Ok(None) => {}
            Err(_) => self.missing = Some(RequestField::SourcePrincipal),
        }
    }

    /// `source.address` is what RBAC calls the remote address: out of X-Forwarded-For, and then its port is 0, or
    /// else the physical peer.
    fn read_source(&mut self, asked: &Asked<'_>) {
        let Ok(Some(text)) = asked.property(Property::Source) else {
            self.source_ip = Input::Unknown;
            self.remote_ip = Input::Unknown;
            return;
        };
        // No IP address, an internal listener's: no block matches it.
        let Some(address) = address::parse(&text) else { return };
        self.remote_ip = Input::Is(address.ip());
        self.source_ip = if address.port() == 0 { Input::Unknown } else { Input::Is(address.ip()) };
    }

    fn read_destination(&mut self, asked: &Asked<'_>) {
        match asked.property(Property::Destination) {
            Ok(Some(text)) => {
                let address: Option<SocketAddr> = address::parse(&text);
                self.destination_ip = address.map_or(Input::Absent, |address| Input::Is(address.ip()));
                self.destination_port = address.map_or(Input::Absent, |address| Input::Is(address.port()));
            }
            Ok(None) | Err(_) => {
                self.destination_ip = Input::Unknown;
                self.destination_port = Input::Unknown;
            }
        }
    }
}
