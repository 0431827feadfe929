//! One attribute that rules compare, with all the values that they compare it with.

use super::{atoms::Atoms, cidr::Ranges, pairs::Pairs, peer::Peers, seen::Lines, table::Table, text::Texts};
use crate::{
    attribute::Input,
    jwt::Json,
    path::without_query,
    plan::{
        clause::Clause,
        context::EvaluationContext,
        matcher::{IdentityPart, Matcher},
    },
    request::{self, Peer},
    slices::Pace,
};
use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

/// What a dimension reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    input: Input,
    /// Of ztunnel, which part of the identity.
    part: Option<Part>,
    name: Box<[Box<str>]>,
}

/// What ztunnel compares of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Text(IdentityPart),
    Account,
}

impl Place {
    /// `None`: the index does not know it.
    pub(super) fn of(clause: &Clause) -> Option<Place> {
        Some(Place { input: clause.input, part: Part::of(clause)?, name: clause.name.clone() })
    }

    /// Is it [`Place::of`] this clause, which the index knows?
    pub(super) fn is_of(&self, clause: &Clause) -> bool {
        self.input == clause.input && self.name == clause.name && Part::of(clause) == Some(self.part)
    }

    /// The header whose lines are its values.
    pub(super) fn header(&self) -> Option<&[u8]> {
        match self.input {
            Input::Host => Some(b":authority"),
            Input::Path => Some(b":path"),
            Input::Header => self.name.first().map(|name| name.as_bytes()),
            _ => None,
        }
    }
}

impl Part {
    /// `None`: the index does not know the clause; `Some(None)`: it is not ztunnel's.
    fn of(clause: &Clause) -> Option<Option<Part>> {
        match clause.matcher() {
            // Rare enough to be looked at one by one.
            Matcher::Metadata(_) | Matcher::Never => None,
            #[cfg(feature = "others")]
            Matcher::Sequences(_) | Matcher::AnyOf(_) => None,
            Matcher::Identity(part, _) => Some(Some(Part::Text(*part))),
            Matcher::IdentityAccount(_) => Some(Some(Part::Account)),
            _ => Some(None),
        }
    }
}

/// The values compared with, by their form.
#[derive(Debug)]
enum Values {
    Texts(Texts),
    Ranges(Ranges),
    Ports(Table),
    Peers(Peers),
    Pairs(Pairs),
}

/// One of the attributes that rules compare.
#[derive(Debug)]
pub(super) struct Dimension {
    pub(super) source: Place,
    values: Values,
    /// How many values are numbered.
    pub(super) count: u32,
}

impl Dimension {
    pub(super) fn new(source: Place) -> Dimension {
        let values = match (source.input, source.part) {
            (_, Some(Part::Account)) | (Input::RequestPrincipal, _) => Values::Pairs(Pairs::default()),
            (Input::Peer, None) => Values::Peers(Peers::default()),
            (Input::SourceIp | Input::RemoteIp | Input::DestinationIp, _) => {
                Values::Ranges(Ranges::default())
            }
            (Input::DestinationPort, _) => Values::Ports(Table::default()),
            (text, _) => {
                let folded = text == Input::Host;
                Values::Texts(Texts::new(folded || text == Input::Header, folded))
            }
        };
        Dimension { source, values, count: 0 }
    }

    /// Gives the values of a matcher numbers; one that can never match gets none.
    pub(super) fn intern(&mut self, matcher: &Matcher, atoms: &mut Vec<u32>) {
        let next = &mut self.count;
        match (&mut self.values, matcher) {
            (Values::Peers(peers), Matcher::Peer(patterns)) => {
                patterns.iter().for_each(|pattern| atoms.push(peers.intern(pattern, next)));
            }
            (
                Values::Texts(texts),
                Matcher::Identity(_, patterns)
                | Matcher::Text(patterns)
                | Matcher::Host(patterns)
                | Matcher::Header(patterns),
            ) => patterns.iter().for_each(|pattern| atoms.push(texts.intern(pattern, next))),
            (Values::Texts(texts), Matcher::Path(patterns)) => {
                atoms.extend(patterns.iter().filter_map(|pattern| texts.intern_path(pattern, next)));
            }
            (Values::Ranges(ranges), Matcher::Ip(nets)) => {
                nets.iter().for_each(|net| atoms.push(ranges.intern(net, next)))
            }
            (Values::Ports(table), Matcher::Port(ports)) => {
                ports.iter().for_each(|port| atoms.push(table.intern(0, &port.to_be_bytes(), next)));
            }
            (Values::Pairs(pairs), Matcher::RequestPrincipal(wanted)) => {
                wanted.iter().for_each(|pair| atoms.push(pairs.intern(pair, next)));
            }
            (Values::Pairs(pairs), Matcher::IdentityAccount(accounts)) => {
                for (namespace, name) in accounts {
                    atoms.push(pairs.intern_exact(namespace.as_bytes(), name.as_bytes(), next));
                }
            }
            _ => {}
        }
    }

    /// Call once after the last [`Dimension::intern`].
    pub(super) async fn finish(&mut self, pace: &dyn Pace) {
        match &mut self.values {
            Values::Texts(texts) => texts.finish(pace).await,
            Values::Ranges(ranges) => ranges.finish(),
            Values::Peers(peers) => peers.finish(pace).await,
            Values::Ports(_) | Values::Pairs(_) => {}
        }
    }

    /// True for a value that matches nearly every request.
    pub(super) fn is_broad(&self, atom: u32) -> bool {
        let any = match &self.values {
            Values::Texts(texts) => texts.any(),
            Values::Peers(peers) => peers.any(),
            Values::Ranges(_) | Values::Ports(_) | Values::Pairs(_) => None,
        };
        any == Some(atom)
    }

    /// The numbers of all values that the request has. False: the attribute is not known, and others may match.
    pub(super) fn find(&self, context: &EvaluationContext<'_>, lines: &Lines<'_>, found: &mut Atoms) -> bool {
        let request = context.request;
        match (&self.values, &self.source) {
            (Values::Peers(peers), _) => {
                let Peer::Tls { names, complete } = request.peer else { return true };
                names.iter().for_each(|name| peers.find(name, found));
                complete
            }
            (Values::Ranges(ranges), source) => {
                let address = context.known_address(source.input);
                known(address, |address: IpAddr| ranges.find(address, found))
            }
            (Values::Ports(table), _) => {
                known(request.destination_port, |port| found.extend(table.get(0, &port.to_be_bytes())))
            }
            (Values::Pairs(pairs), Place { input: Input::RequestPrincipal, .. }) => {
                let claim = |name| match context.claim(&[name]) {
                    Some(Json::String(text)) => Some(text.as_bytes()),
                    _ => None,
                };
                if let (Some(issuer), Some(subject)) = (claim("iss"), claim("sub")) {
                    pairs.find(issuer, subject, found);
                }
                true
            }
            (Values::Pairs(pairs), _) => {
                let Some(identity) = context.known_identity() else { return false };
                if let Some(id) = identity {
                    pairs.find(id.namespace, id.service_account, found);
                }
                true
            }
            (Values::Texts(texts), source) => match source.input {
                Input::Peer => {
                    let Some(identity) = context.known_identity() else { return false };
                    let whole = source.part == Some(Part::Text(IdentityPart::Principal));
                    let value = match (whole, identity) {
                        (true, Some(id)) => id.whole,
                        (true, None) => return true,
                        (_, Some(id)) => id.namespace,
                        // ztunnel compares with an empty namespace where there is no identity.
                        (_, None) => b"",
                    };
                    texts.find(value, found);
                    // To ztunnel a line feed is a character like others.
                    found.overflow |= value.contains(&b'\n');
                    true
                }
                Input::Sni => {
                    texts.find(request.sni, found);
                    found.overflow |= !context.regex_sees(request.sni);
                    true
                }
                Input::Claim => {
                    match context.claim(&source.name) {
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
                Input::Path => {
                    lines.each(context, found, |path, found| {
                        let path = without_query(path);
                        texts.find(path, found);
                        found.overflow |= !context.regex_sees(path);
                    });
                    true
                }
                _ => {
                    lines.each(context, found, |value, found| texts.find(value, found));
                    true
                }
            },
        }
    }
}

/// False where the input is not known.
fn known<T>(input: request::Input<T>, find: impl FnOnce(T)) -> bool {
    match input {
        request::Input::Is(value) => find(value),
        request::Input::Absent => {}
        request::Input::Unknown => return false,
    }
    true
}
