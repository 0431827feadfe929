//! One thing that rules look at, with all the values that they want of it.

use super::{atoms::Atoms, cidr::Ranges, pairs::Pairs, peer::Peers, seen::Lines, table::Table, text::Texts};
use crate::{
    jwt::Json,
    path::without_query,
    plan::{
        facts::Facts,
        test::{Test, ZtunnelPart},
    },
    request::{Input, Peer},
};
use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

/// Where a dimension looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Peer,
    ZtunnelPrincipal,
    ZtunnelNamespace,
    ZtunnelAccount,
    SourceIp,
    RemoteIp,
    DestinationIp,
    Port,
    Sni,
    Host,
    Header(Box<str>),
    Path,
    RequestPrincipal,
    Claim(Box<[Box<str>]>),
}

impl Place {
    /// `None`: the index does not know it.
    pub(super) fn of(test: &Test) -> Option<Place> {
        Some(match test {
            Test::Peer(_) => Place::Peer,
            Test::Ztunnel(ZtunnelPart::Principal, _) => Place::ZtunnelPrincipal,
            Test::Ztunnel(ZtunnelPart::Namespace, _) => Place::ZtunnelNamespace,
            Test::ZtunnelAccount(_) => Place::ZtunnelAccount,
            Test::SourceIp(_) => Place::SourceIp,
            Test::RemoteIp(_) => Place::RemoteIp,
            Test::DestinationIp(_) => Place::DestinationIp,
            Test::Port(_) => Place::Port,
            Test::Sni(_) => Place::Sni,
            Test::Host(_) => Place::Host,
            Test::Header(name, _) if **name == *"host" => Place::Header(":authority".into()),
            Test::Header(name, _) => Place::Header(name.clone()),
            Test::Path(_) => Place::Path,
            Test::RequestPrincipal(_) => Place::RequestPrincipal,
            Test::Claim(way, _) => Place::Claim(way.clone()),
            // Rare enough to be looked at one by one.
            Test::Metadata(..) | Test::Never => return None,
        })
    }

    /// The header whose lines are its values.
    pub(super) fn header(&self) -> Option<&[u8]> {
        match self {
            Place::Host => Some(b":authority"),
            Place::Path => Some(b":path"),
            Place::Header(name) => Some(name.as_bytes()),
            _ => None,
        }
    }
}

/// The values wanted, by their form.
#[derive(Debug)]
enum Values {
    Texts(Texts),
    Ranges(Ranges),
    Ports(Table),
    Peers(Peers),
    Pairs(Pairs),
}

/// One of the things that rules look at.
#[derive(Debug)]
pub(super) struct Dimension {
    pub(super) source: Place,
    values: Values,
    /// How many values have a number.
    pub(super) count: u32,
}

impl Dimension {
    pub(super) fn new(source: Place) -> Dimension {
        let values = match &source {
            Place::Peer => Values::Peers(Peers::default()),
            Place::SourceIp | Place::RemoteIp | Place::DestinationIp => Values::Ranges(Ranges::default()),
            Place::Port => Values::Ports(Table::default()),
            Place::RequestPrincipal | Place::ZtunnelAccount => Values::Pairs(Pairs::default()),
            text => {
                let folded = *text == Place::Host;
                Values::Texts(Texts::new(folded || matches!(text, Place::Header(_)), folded))
            }
        };
        Dimension { source, values, count: 0 }
    }

    /// Gives the values of a test numbers; one that can never match gets none.
    pub(super) fn intern(&mut self, test: &Test, atoms: &mut Vec<u32>) {
        let next = &mut self.count;
        match (&mut self.values, test) {
            (Values::Peers(peers), Test::Peer(patterns)) => {
                patterns.iter().for_each(|pattern| atoms.push(peers.intern(pattern, next)));
            }
            (
                Values::Texts(texts),
                Test::Ztunnel(_, patterns)
                | Test::Sni(patterns)
                | Test::Host(patterns)
                | Test::Header(_, patterns)
                | Test::Claim(_, patterns),
            ) => patterns.iter().for_each(|pattern| atoms.push(texts.intern(pattern, next))),
            (Values::Texts(texts), Test::Path(patterns)) => {
                atoms.extend(patterns.iter().filter_map(|pattern| texts.intern_path(pattern, next)));
            }
            (
                Values::Ranges(ranges),
                Test::SourceIp(nets) | Test::RemoteIp(nets) | Test::DestinationIp(nets),
            ) => nets.iter().for_each(|net| atoms.push(ranges.intern(net, next))),
            (Values::Ports(table), Test::Port(ports)) => {
                ports.iter().for_each(|port| atoms.push(table.intern(0, &port.to_be_bytes(), next)));
            }
            (Values::Pairs(pairs), Test::RequestPrincipal(wanted)) => {
                wanted.iter().for_each(|pair| atoms.push(pairs.intern(pair, next)));
            }
            (Values::Pairs(pairs), Test::ZtunnelAccount(accounts)) => {
                for (namespace, name) in accounts {
                    atoms.push(pairs.intern_exact(namespace.as_bytes(), name.as_bytes(), next));
                }
            }
            _ => {}
        }
    }

    /// Call once after the last [`Dimension::intern`].
    pub(super) fn finish(&mut self) {
        match &mut self.values {
            Values::Texts(texts) => texts.finish(),
            Values::Ranges(ranges) => ranges.finish(),
            Values::Peers(peers) => peers.finish(),
            Values::Ports(_) | Values::Pairs(_) => {}
        }
    }

    /// Does this value take nearly everything?
    pub(super) fn is_broad(&self, atom: u32) -> bool {
        let any = match &self.values {
            Values::Texts(texts) => texts.any(),
            Values::Peers(peers) => peers.any(),
            Values::Ranges(_) | Values::Ports(_) | Values::Pairs(_) => None,
        };
        any == Some(atom)
    }

    /// The numbers of all values that the request has. False: it does not tell, and there may be others.
    pub(super) fn find(&self, facts: &Facts<'_>, lines: &Lines<'_>, found: &mut Atoms) -> bool {
        let request = facts.request;
        match (&self.values, &self.source) {
            (Values::Peers(peers), _) => {
                let Peer::Tls { names, complete } = request.peer else { return true };
                names.iter().for_each(|name| peers.find(name, found));
                complete
            }
            (Values::Ranges(ranges), source) => {
                let address = match source {
                    Place::SourceIp => request.source_ip,
                    Place::RemoteIp => request.remote_ip,
                    _ => request.destination_ip,
                };
                known(address, |address: IpAddr| ranges.find(address, found))
            }
            (Values::Ports(table), _) => {
                known(request.destination_port, |port| found.extend(table.get(0, &port.to_be_bytes())))
            }
            (Values::Pairs(pairs), Place::RequestPrincipal) => {
                let claim = |name| match facts.claim(&[name]) {
                    Some(Json::String(text)) => Some(text.as_bytes()),
                    _ => None,
                };
                if let (Some(issuer), Some(subject)) = (claim("iss"), claim("sub")) {
                    pairs.find(issuer, subject, found);
                }
                true
            }
            (Values::Pairs(pairs), _) => {
                let Some(identity) = facts.known_identity() else { return false };
                if let Some(id) = identity {
                    pairs.find(id.namespace, id.service_account, found);
                }
                true
            }
            (Values::Texts(texts), source) => match source {
                Place::ZtunnelPrincipal | Place::ZtunnelNamespace => {
                    let Some(identity) = facts.known_identity() else { return false };
                    let value = match (source, identity) {
                        (Place::ZtunnelPrincipal, Some(id)) => id.whole,
                        (Place::ZtunnelPrincipal, None) => return true,
                        (_, Some(id)) => id.namespace,
                        // ztunnel compares with an empty namespace where there is no identity.
                        (_, None) => b"",
                    };
                    texts.find(value, found);
                    // To ztunnel a line feed is a character like others.
                    found.overflow |= value.contains(&b'\n');
                    true
                }
                Place::Sni => {
                    texts.find(request.sni, found);
                    true
                }
                Place::Claim(way) => {
                    match facts.claim(way) {
                        Some(Json::String(text)) => texts.find(text.as_bytes(), found),
                        Some(Json::List(items)) => {
                            for item in items {
                                if let Json::String(text) = item {
                                    texts.find(text.as_bytes(), found);
                                }
                            }
                        }
                        _ => {}
                    }
                    true
                }
                Place::Path => {
                    lines.each(facts, found, |path, found| texts.find(without_query(path), found));
                    true
                }
                _ => {
                    lines.each(facts, found, |value, found| texts.find(value, found));
                    true
                }
            },
        }
    }
}

/// False where the input is not known.
fn known<T>(input: Input<T>, find: impl FnOnce(T)) -> bool {
    match input {
        Input::Is(value) => find(value),
        Input::Absent => {}
        Input::Unknown => return false,
    }
    true
}
