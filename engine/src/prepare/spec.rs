//! A request as somebody states it.

use crate::{
    jwt::{Json, Place},
    node::Position,
    request::{ExtAuthzAnswer, Protocol},
};
use alloc::{format, string::String, vec::Vec};
use core::net::IpAddr;

/// One request as written: owned, nothing derived or normalized yet. What is absent is absent, as on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestSpec {
    /// Where it begins.
    pub at: Position,
    /// `protocol`: HTTP by default.
    pub protocol: Protocol,
    /// `method`: GET by default.
    pub method: String,
    /// `path`: the target as sent, with its query: `/` by default. Also `http://host/path`, or `*`. CONNECT has none:
    /// its target is the host.
    pub path: String,
    /// `host`: `:authority`, with its port where the client sends one.
    pub host: Option<String>,
    /// `headers`: the lines in order, names as written. `:protocol` is the one pseudo header among them: with it the
    /// request is an extended CONNECT over HTTP/2.
    pub headers: Vec<(String, String)>,
    /// `token`: sent as `authorization: Bearer …`.
    pub token: Option<String>,
    /// `claims`, always an object: a well signed token with these, put where a rule of its issuer looks. Never
    /// together with `token`.
    pub claims: Option<Json>,
    /// `source.principal` as written; `None`: plaintext.
    pub principal: Option<String>,
    /// `source.ip`: the physical peer.
    pub source_ip: Option<IpAddr>,
    /// `remoteIp`; `None`: as Envoy derives it.
    pub remote_ip: Option<IpAddr>,
    /// `destination.ip`.
    pub destination_ip: Option<IpAddr>,
    /// `destination.port`.
    pub destination_port: Option<u16>,
    /// `sni`.
    pub sni: Option<String>,
    /// `time` in seconds since 1970; `None`: now.
    pub time: Option<i64>,
    /// `extAuthz`: what CUSTOM providers answer, by name.
    pub ext_authz: Vec<(String, ExtAuthzAnswer)>,
    /// `metadata`: dynamic metadata by filter namespace, for `experimental.envoy.filters.…` conditions.
    pub metadata: Vec<(String, Json)>,
}

impl RequestSpec {
    /// The request with a token at this place, beside whatever is there already.
    #[must_use]
    pub fn with_token(&self, place: &Place, token: &str) -> RequestSpec {
        let mut request = self.clone();
        match Placed::at(place, token, &self.path) {
            Placed::Line(name, value) => request.headers.push((name, value)),
            Placed::Path(path) => request.path = path,
        }
        request
    }
}

/// A token on the wire.
pub(super) enum Placed {
    /// In a header line of its own.
    Line(String, String),
    /// In the request's target.
    Path(String),
}

impl Placed {
    pub(super) fn at(place: &Place, token: &str, target: &str) -> Placed {
        match place {
            Place::Header { name, prefix } => Placed::Line(name.clone(), format!("{prefix}{token}")),
            Place::Param(name) => Placed::Path(with_param(target, name, token)),
            Place::Cookie(name) => Placed::Line("cookie".into(), format!("{name}={token}")),
        }
    }
}

/// The target with one more query parameter, in front of a fragment; its name and value percent-encoded.
fn with_param(target: &str, name: &str, value: &str) -> String {
    let (target, fragment) =
        target.find('#').and_then(|at| target.split_at_checked(at)).unwrap_or((target, ""));
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}{}={}{fragment}", encoded(name), encoded(value))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
