//! What a rule asks of a request: one [`Test`] for each field that is set.

use super::{facts::Facts, tri::Tri};
use crate::{
    jwt::Json,
    pattern::{Pattern, PeerPattern},
    resource::Text,
    template::Template,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::net::IpAddr;
use ipnet::IpNet;

/// A field with its values compiled; true if any value matches.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// principals, namespaces, serviceAccounts, trustDomains.
    Peer(Box<[PeerPattern]>),
    /// The same at ztunnel, which takes the SPIFFE id apart.
    Ztunnel(ZtunnelPart, Box<[Pattern]>),
    /// serviceAccounts at ztunnel: namespace and name, exact.
    ZtunnelAccount(Box<[(Box<str>, Box<str>)]>),
    /// ipBlocks, source.ip.
    SourceIp(Box<[IpNet]>),
    /// remoteIpBlocks, remote.ip.
    RemoteIp(Box<[IpNet]>),
    /// destination.ip.
    DestinationIp(Box<[IpNet]>),
    /// ports, destination.port.
    Port(Box<[u16]>),
    /// connection.sni.
    Sni(Box<[Pattern]>),
    /// hosts.
    Host(Box<[Pattern]>),
    /// A header or pseudo header by its name in lower case; methods too.
    Header(Box<str>, Box<[Pattern]>),
    /// paths.
    Path(Box<[PathPattern]>),
    /// requestPrincipals: pairs of iss and sub.
    RequestPrincipal(Box<[(Pattern, Pattern)]>),
    /// audiences, presenter, claims: the way to the claim.
    Claim(Box<[Box<str>]>, Box<[Pattern]>),
    /// experimental.envoy.filters.…: filter namespace, key; a pattern flagged true wants an element of a list.
    Metadata(Box<(String, String)>, Box<[(bool, Pattern)]>),
    /// Cannot match: a rule-less policy, or an empty clause at ztunnel.
    Never,
}

/// What ztunnel compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZtunnelPart {
    /// The id without `spiffe://`.
    Principal,
    /// The namespace in the id.
    Namespace,
}

/// One of `paths`.
#[derive(Clone, Debug)]
pub(crate) enum PathPattern {
    Plain(Pattern),
    Template(Box<Template>),
}

impl PathPattern {
    fn written(&self) -> String {
        match self {
            PathPattern::Plain(pattern) => pattern.written(),
            PathPattern::Template(_) => String::new(),
        }
    }

    fn matches(&self, path: &[u8]) -> bool {
        match self {
            PathPattern::Plain(pattern) => pattern.matches_non_empty(path),
            PathPattern::Template(template) => template.matches(path),
        }
    }
}

impl Test {
    /// Do the values say themselves how they were written?
    pub(crate) fn tells(&self, values: &[Text]) -> bool {
        match self {
            Test::Ztunnel(..) | Test::Sni(_) | Test::Host(_) | Test::Header(..) | Test::Claim(..) => true,
            Test::Path(patterns) => patterns.iter().all(|pattern| matches!(pattern, PathPattern::Plain(_))),
            Test::Peer(patterns) => {
                let same = |(pattern, value): (&PeerPattern, &Text)| {
                    pattern.exact_principal() == Some(value.text.as_bytes())
                };
                patterns.len() == values.len() && patterns.iter().zip(values).all(same)
            }
            _ => false,
        }
    }

    /// What was written, where [`Test::tells`] says so.
    pub(crate) fn written(&self) -> Vec<String> {
        match self {
            Test::Ztunnel(_, patterns)
            | Test::Sni(patterns)
            | Test::Host(patterns)
            | Test::Header(_, patterns)
            | Test::Claim(_, patterns) => patterns.iter().map(Pattern::written).collect(),
            Test::Path(patterns) => patterns.iter().map(PathPattern::written).collect(),
            Test::Peer(patterns) => {
                let names = patterns.iter().filter_map(PeerPattern::exact_principal);
                names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Does any value match?
    pub(crate) fn ask(&self, facts: &Facts<'_>) -> Tri {
        match self {
            Test::Peer(patterns) => facts.peer_name(|name| patterns.iter().any(|p| p.matches(name))),
            Test::Ztunnel(part, patterns) => facts.identity(|id| {
                let Some(id) = id else {
                    // ztunnel compares with an empty namespace where there is no identity; a principal never matches.
                    return *part == ZtunnelPart::Namespace
                        && patterns.iter().any(|p| matches_structural(p, b""));
                };
                let value = match part {
                    ZtunnelPart::Principal => id.whole,
                    ZtunnelPart::Namespace => id.namespace,
                };
                patterns.iter().any(|p| matches_structural(p, value))
            }),
            Test::ZtunnelAccount(accounts) => facts.identity(|id| {
                id.is_some_and(|id| {
                    accounts.iter().any(|(ns, name)| {
                        ns.as_bytes() == id.namespace && name.as_bytes() == id.service_account
                    })
                })
            }),
            Test::SourceIp(nets) => facts.source_ip(|ip| contains(nets, ip)),
            Test::RemoteIp(nets) => facts.remote_ip(|ip| contains(nets, ip)),
            Test::DestinationIp(nets) => facts.destination_ip(|ip| contains(nets, ip)),
            Test::Port(ports) => facts.port(|port| ports.contains(&port)),
            Test::Sni(patterns) => {
                let sni = facts.request.sni;
                // `requested_server_name` is the empty string where there was none: an exact "" would match.
                Tri::from(patterns.iter().any(|p| p.matches_non_empty(sni)))
            }
            Test::Host(patterns) => {
                facts.header(b":authority", |host| patterns.iter().any(|p| p.matches_ignoring_case(host)))
            }
            Test::Header(name, patterns) => {
                facts.header(name.as_bytes(), |value| patterns.iter().any(|p| p.matches(value)))
            }
            Test::Path(patterns) => facts.path(|path| patterns.iter().any(|p| p.matches(path))),
            Test::RequestPrincipal(pairs) => {
                let claim = |name| match facts.claim(&[name]) {
                    Some(Json::String(text)) => Some(text.as_bytes()),
                    _ => None,
                };
                Tri::from(match (claim("iss"), claim("sub")) {
                    (Some(iss), Some(sub)) => {
                        pairs.iter().any(|(i, s)| i.matches_non_empty(iss) && s.matches_non_empty(sub))
                    }
                    _ => false,
                })
            }
            Test::Claim(path, patterns) => {
                let any = |text: &str| patterns.iter().any(|p| p.matches_non_empty(text.as_bytes()));
                Tri::from(match facts.claim(path) {
                    Some(Json::String(text)) => any(text),
                    Some(Json::List(items)) => {
                        items.iter().any(|item| matches!(item, Json::String(text) if any(text)))
                    }
                    _ => false,
                })
            }
            Test::Metadata(of, patterns) => {
                let value = facts.metadata(&of.0, &of.1);
                let one = |list: bool, pattern: &Pattern| {
                    match (list, value) {
                    (false, Some(Json::String(text))) => pattern.matches_non_empty(text.as_bytes()),
                    (true, Some(Json::List(items))) => items.iter().any(
                        |item| matches!(item, Json::String(text) if pattern.matches_non_empty(text.as_bytes())),
                    ),
                    _ => false,
                }
                };
                Tri::from(patterns.iter().any(|(list, pattern)| one(*list, pattern)))
            }
            Test::Never => Tri::False,
        }
    }
}

fn contains(nets: &[IpNet], ip: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&ip))
}

/// ztunnel's `*` is "not empty"; the rest is literal.
fn matches_structural(pattern: &Pattern, value: &[u8]) -> bool {
    match pattern {
        Pattern::Any => !value.is_empty(),
        other => other.matches(value),
    }
}
