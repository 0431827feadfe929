//! One filter chain: its security filters in order, and for which connections it is.

use super::{ext_authz::ExtAuthz, fields::Unread, jwt::Jwt, rbac::Rbac};
use crate::{jwt::Authenticator, request::Protocol, verdict::Stage, workload::PathNormalization};
use alloc::{string::String, vec::Vec};
use ipnet::IpNet;

/// A filter chain of a listener.
#[derive(Debug)]
pub struct Chain {
    /// Its name; empty where it has none.
    pub name: String,
    /// HTTP where it has an HTTP connection manager or HTTP filters.
    pub protocol: Protocol,
    /// What the HTTP connection manager does before its filters look; `None`: there is none.
    pub http: Option<HttpSettings>,
    pub(super) filters: Vec<Filter>,
    pub(super) serves: Serves,
    /// Filters without a listener around them: what is not among them may still be in the proxy.
    pub(super) bare: bool,
    /// The listener is an internal one, as a waypoint's.
    pub(super) internal: bool,
}

/// What the HTTP connection manager does that bears on RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// What is done to the path.
    pub path_normalization: PathNormalization,
    /// `useRemoteAddress`: it stands at the edge.
    pub gateway: bool,
    /// `xffNumTrustedHops`.
    pub hops: u32,
}

impl Chain {
    /// The rules that say where a token is looked for; `None`: there is no jwt_authn filter, or it is not evaluated.
    pub fn authenticator(&self) -> Option<&Authenticator> {
        self.filters.iter().find_map(|filter| match filter {
            Filter::Jwt(jwt) => Some(&jwt.authenticator),
            _ => None,
        })
    }

    /// Does it have any filter that decides?
    pub fn is_secured(&self) -> bool {
        !self.filters.is_empty()
    }
}

/// A filter that decides.
#[derive(Debug)]
pub(super) enum Filter {
    Rbac(Rbac),
    Jwt(Jwt),
    ExtAuthz(ExtAuthz),
    Unread(Stage, Unread),
}

/// `filterChainMatch`
#[derive(Clone, Debug, Default)]
pub(super) struct Serves {
    pub(super) port: Option<u16>,
    /// Destination addresses; none: any.
    pub(super) ranges: Vec<IpNet>,
    /// SNI, with `*.` in front or not; none: any.
    pub(super) names: Vec<String>,
    /// TLS, or plaintext.
    pub(super) tls: Option<bool>,
    /// None: any.
    pub(super) protocols: Vec<String>,
    /// The transport socket demands a certificate.
    pub(super) mutual: bool,
    /// Not evaluated, so that nobody can say whether a connection comes here.
    pub(super) unread: Option<Unread>,
    /// `defaultFilterChain`
    pub(super) fallback: bool,
}
