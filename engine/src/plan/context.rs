//! What a matcher sees of a request, after the changes that the JWT stage made to the headers.

use super::{Plan, tri::Tri};
use crate::{
    attribute, bytes,
    jwt::{Edit, Json},
    request::{Input, Peer, Request},
};
use alloc::{boxed::Box, string::String};
use core::net::IpAddr;

/// A request as one stage sees it.
#[derive(Clone, Copy)]
pub(crate) struct EvaluationContext<'r> {
    pub(crate) request: &'r Request<'r>,
    /// The verified claims; none before the JWT stage.
    pub(crate) payload: Option<&'r Json>,
    /// What the JWT stage changed.
    pub(crate) edits: &'r [Edit],
    /// Matchers see several lines of a header as one value.
    pub(crate) joins_lines: bool,
    /// Regexes take only what is UTF-8.
    pub(crate) regexes_want_utf8: bool,
}

/// A SPIFFE id in ztunnel's view: exactly `spiffe://<td>/ns/<ns>/sa/<sa>`.
pub(crate) struct Identity<'r> {
    pub(crate) trust_domain: &'r [u8],
    pub(crate) whole: &'r [u8],
    pub(crate) namespace: &'r [u8],
    pub(crate) service_account: &'r [u8],
}

impl<'r> Identity<'r> {
    pub(crate) fn parse(name: &'r [u8]) -> Option<Self> {
        let whole = name.strip_prefix(b"spiffe://")?;
        let mut parts = whole.split(|byte| *byte == b'/');
        let (trust_domain, ns, namespace, sa, service_account) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (parts.next().is_none() && ns == b"ns" && sa == b"sa").then_some(Identity {
            trust_domain,
            whole,
            namespace,
            service_account,
        })
    }
}

fn input<T>(input: Input<T>, test: impl FnOnce(T) -> bool) -> Tri {
    match input {
        Input::Absent => Tri::False,
        Input::Unknown => Tri::Unknown,
        Input::Is(value) => test(value).into(),
    }
}

impl<'r> EvaluationContext<'r> {
    /// As the stages in front of JWT see it.
    pub(super) fn early(plan: &Plan, request: &'r Request<'r>) -> EvaluationContext<'r> {
        EvaluationContext {
            request,
            payload: None,
            edits: &[],
            joins_lines: plan.joins_lines,
            regexes_want_utf8: plan.regexes_want_utf8,
        }
    }

    /// Can a regex see this value at all?
    pub(crate) fn regex_sees(&self, value: &[u8]) -> bool {
        !self.regexes_want_utf8 || core::str::from_utf8(value).is_ok()
    }

    /// Any name of the peer's certificate.
    pub(crate) fn peer_name(&self, test: impl Fn(&[u8]) -> bool) -> Tri {
        match self.request.peer {
            Peer::Plaintext => Tri::False,
            Peer::Tls { names, complete } => {
                if names.iter().any(|name| test(name)) {
                    Tri::True
                } else if complete {
                    Tri::False
                } else {
                    Tri::Unknown
                }
            }
        }
    }

    /// The peer as ztunnel has it.
    pub(crate) fn identity(&self, test: impl Fn(Option<Identity<'_>>) -> bool) -> Tri {
        self.known_identity().map_or(Tri::Unknown, |identity| test(identity).into())
    }

    /// `None`: not known; `Some(None)`: there is none.
    pub(crate) fn known_identity(&self) -> Option<Option<Identity<'r>>> {
        let Peer::Tls { names, complete } = self.request.peer else { return Some(None) };
        let identity = names.iter().find_map(|name| Identity::parse(name));
        (identity.is_some() || complete).then_some(identity)
    }

    /// One of the three addresses.
    pub(crate) fn address(&self, which: attribute::Input, test: impl FnOnce(IpAddr) -> bool) -> Tri {
        input(self.known_address(which), test)
    }

    /// One of the three addresses, as the proxy has it.
    pub(crate) fn known_address(&self, which: attribute::Input) -> Input<IpAddr> {
        match which {
            attribute::Input::SourceIp => self.request.direct_ip(),
            attribute::Input::RemoteIp => self.request.remote_ip,
            _ => self.request.local_ip(),
        }
    }

    pub(crate) fn port(&self, test: impl FnOnce(u16) -> bool) -> Tri {
        input(self.request.destination_port, test)
    }

    /// Any line of a header; `name` in lower case, `host` means `:authority`.
    pub(crate) fn header(&self, name: &[u8], mut test: impl FnMut(&[u8]) -> bool) -> Tri {
        let mut lines = self.header_lines(name);
        if !self.joins_lines {
            return lines.any(test).into();
        }
        let Some(first) = lines.next() else { return Tri::False };
        let Some(second) = lines.next() else { return test(first).into() };
        let mut joined = [first, second].join(&b',');
        for line in lines {
            joined.push(b',');
            joined.extend_from_slice(line);
        }
        test(&joined).into()
    }

    /// Every line of a header as later filters see it.
    pub(crate) fn header_lines<'s>(&'s self, name: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        let name = if name == b"host" { b":authority" } else { name };
        Edit::lines(self.request.headers, self.edits, name)
    }

    /// The path without its query. Absent (a CONNECT): matches nothing.
    pub(crate) fn path(&self, mut test: impl FnMut(&[u8]) -> bool) -> Tri {
        self.header(b":path", |path| test(crate::path::without_query(path)))
    }

    /// The claim at a path of member names.
    pub(crate) fn claim<S: AsRef<str>>(&self, path: &[S]) -> Option<&'r Json> {
        path.iter().try_fold(self.payload?, |value, key| member(value, key.as_ref()))
    }

    /// A key of a filter's dynamic metadata.
    pub(crate) fn metadata(&self, filter_and_key: &[Box<str>]) -> Option<&'r Json> {
        let [filter, key] = filter_and_key else { return None };
        let (_, value) = self.request.metadata.iter().find(|(name, _)| **name == **filter)?;
        member(value, key)
    }
}

fn member<'j>(value: &'j Json, key: &str) -> Option<&'j Json> {
    match value {
        Json::Object(entries) => {
            let named = |(name, _): &&(String, Json)| bytes::equal(name.as_bytes(), key.as_bytes());
            entries.iter().rev().find(named).map(|(_, value)| value)
        }
        _ => None,
    }
}
