//! How a clause compares: the values of one field, compiled.

use super::{clause::Clause, context::EvaluationContext, tri::Tri};
#[cfg(feature = "others")]
use crate::sequences::Sequences;
use crate::{
    attribute::Input,
    jwt::Json,
    pattern::{Pattern, PeerPattern},
    resource::Text,
    template::Template,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::net::IpAddr;
use ipnet::IpNet;

/// The values of a field or key, compiled: true if any of them matches what [`Clause::attribute`] finds.
///
/// Everything that a matcher compares with stands in it: the version of Istio, trust domain aliases and the policy's own
/// namespace are worked in already. What [`Pattern::Any`] takes is said at each variant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Matcher {
    /// The names in the peer's certificate, URI SANs first: any of them.
    Peer(Box<[PeerPattern]>),
    /// ztunnel takes the SPIFFE id apart and compares this part; `Any` is a part that is not empty.
    Identity(IdentityPart, Box<[Pattern]>),
    /// A service account at ztunnel: namespace and name, both exactly.
    IdentityAccount(Box<[(Box<str>, Box<str>)]>),
    /// An address; ranges may overlap.
    Ip(Box<[IpNet]>),
    /// The local port.
    Port(Box<[u16]>),
    /// The server name, or a claim: text, or any text in a list; `Any` is Envoy's regex `.+`, so neither empty nor with a
    /// line feed.
    Text(Box<[Pattern]>),
    /// Any line of the header that [`Clause::name`] names; `Any` is presence, an empty line counts.
    Header(Box<[Pattern]>),
    /// As [`Matcher::Header`] on `:authority`, without regard to ASCII case.
    Host(Box<[Pattern]>),
    /// `:path` without its query; `Any` as in [`Matcher::Text`].
    Path(Box<[PathPattern]>),
    /// The claims `iss` and `sub`, both texts; `Any` as in [`Matcher::Text`].
    RequestPrincipal(Box<[(Pattern, Pattern)]>),
    /// A key of a filter's dynamic metadata; with `true` an element of a list, else the text itself. `Any` as in
    /// [`Matcher::Text`].
    Metadata(Box<[(bool, Pattern)]>),
    /// A name in the peer's certificate, the server name, the path, or a line of a header, as [`Clause::attribute`] says:
    /// a form that no policy of Istio's has.
    #[cfg(feature = "others")]
    Sequences(Box<[Sequences]>),
    /// Any of these, each of which is all of its conditions: what a configuration nests.
    #[cfg(feature = "others")]
    AnyOf(Box<[Box<[Clause]>]>),
    /// Never true: a policy without rules, an empty clause at ztunnel, or an attribute that this proxy cannot see.
    Never,
}

/// The part of a SPIFFE id that ztunnel compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityPart {
    /// The id without `spiffe://`.
    Principal,
    /// The namespace in the id.
    Namespace,
}

/// One of `paths`.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// An exact path, a prefix, a suffix, or any.
    Plain(Pattern),
    /// A template.
    Template(Box<Template>),
}

impl PathPattern {
    fn written(&self) -> String {
        match self {
            PathPattern::Plain(pattern) => pattern.written(),
            PathPattern::Template(_) => String::new(),
        }
    }

    /// `*` is a regex, and so is a template.
    fn is_regex(&self) -> bool {
        matches!(self, PathPattern::Plain(Pattern::Any) | PathPattern::Template(_))
    }

    fn matches(&self, path: &[u8]) -> bool {
        match self {
            PathPattern::Plain(pattern) => pattern.matches_non_empty(path),
            PathPattern::Template(template) => template.matches(path),
        }
    }
}

impl Matcher {
    /// Do the values say themselves how they were written?
    pub(super) fn tells(&self, values: &[Text]) -> bool {
        match self {
            Matcher::Identity(..) | Matcher::Host(_) | Matcher::Header(..) | Matcher::Text(_) => true,
            Matcher::Path(patterns) => {
                patterns.iter().all(|pattern| matches!(pattern, PathPattern::Plain(_)))
            }
            Matcher::Peer(patterns) => {
                let same = |(pattern, value): (&PeerPattern, &Text)| {
                    pattern.exact_principal() == Some(value.text.as_bytes())
                };
                patterns.len() == values.len() && patterns.iter().zip(values).all(same)
            }
            _ => false,
        }
    }

    /// What was written, where [`Matcher::tells`] says so.
    pub(super) fn written(&self) -> Vec<String> {
        match self {
            Matcher::Identity(_, patterns)
            | Matcher::Host(patterns)
            | Matcher::Header(patterns)
            | Matcher::Text(patterns) => patterns.iter().map(Pattern::written).collect(),
            Matcher::Path(patterns) => patterns.iter().map(PathPattern::written).collect(),
            Matcher::Peer(patterns) => {
                let names = patterns.iter().filter_map(PeerPattern::exact_principal);
                names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Clause {
    /// Does any value match? The `not` of the field is left aside.
    #[inline]
    pub(super) fn any_matches(&self, context: &EvaluationContext<'_>) -> Tri {
        match &self.matcher {
            Matcher::Peer(patterns) => context.peer_name(|name| patterns.iter().any(|p| p.matches(name))),
            Matcher::Identity(part, patterns) => context.identity(|id| {
                let Some(id) = id else {
                    // ztunnel compares with an empty namespace where there is no identity; a principal never matches.
                    return *part == IdentityPart::Namespace
                        && patterns.iter().any(|p| matches_structural(p, b""));
                };
                let value = match part {
                    IdentityPart::Principal => id.whole,
                    IdentityPart::Namespace => id.namespace,
                };
                patterns.iter().any(|p| matches_structural(p, value))
            }),
            Matcher::IdentityAccount(accounts) => context.identity(|id| {
                id.is_some_and(|id| {
                    accounts.iter().any(|(ns, name)| {
                        ns.as_bytes() == id.namespace && name.as_bytes() == id.service_account
                    })
                })
            }),
            Matcher::Ip(nets) => context.address(self.input, |ip| contains(nets, ip)),
            Matcher::Port(ports) => context.port(|port| ports.contains(&port)),
            Matcher::Text(patterns) if self.input == Input::Sni => {
                let sni = context.request.sni;
                // `requested_server_name` is the empty string where there was none: an exact "" would match.
                let seen = context.regex_sees(sni);
                Tri::from(patterns.iter().any(|p| (seen || *p != Pattern::Any) && p.matches_non_empty(sni)))
            }
            Matcher::Text(patterns) => {
                let any = |text: &str| patterns.iter().any(|p| p.matches_non_empty(text.as_bytes()));
                Tri::from(match context.claim(&self.name) {
                    Some(Json::String(text)) => any(text),
                    Some(Json::List(items)) => {
                        items.iter().any(|item| matches!(item, Json::String(text) if any(text)))
                    }
                    _ => false,
                })
            }
            Matcher::Host(patterns) => {
                context.header(b":authority", |host| patterns.iter().any(|p| p.matches_ignoring_case(host)))
            }
            Matcher::Header(patterns) => {
                context.header(self.header(), |value| patterns.iter().any(|p| p.matches(value)))
            }
            Matcher::Path(patterns) => context.path(|path| {
                let seen = context.regex_sees(path);
                patterns.iter().any(|p| (seen || !p.is_regex()) && p.matches(path))
            }),
            Matcher::RequestPrincipal(pairs) => {
                let claim = |name| match context.claim(&[name]) {
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
            Matcher::Metadata(patterns) => {
                let value = context.metadata(&self.name);
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
            #[cfg(feature = "others")]
            Matcher::Sequences(all) => {
                let any = |text: &[u8]| all.iter().any(|one| one.matches(text));
                match self.input {
                    Input::Peer => context.peer_name(any),
                    Input::Sni => any(context.request.sni).into(),
                    Input::Path => context.path(any),
                    _ => context.header(self.header(), any),
                }
            }
            #[cfg(feature = "others")]
            Matcher::AnyOf(groups) => {
                Tri::any(groups.iter().map(|group| Tri::all(group.iter().map(|clause| clause.ask(context)))))
            }
            Matcher::Never => Tri::False,
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
