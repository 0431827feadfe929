//! One filter chain: its security filters in order, and for which connections it is.

use super::{
    connection::{Bytes, Connection, Inspectors},
    criteria::Criteria,
    ext_authz::ExtAuthz,
    fields::Unread,
    jwt::Jwt,
    rbac::Rbac,
    refusal::Refusal,
    routes::Routes,
};
use alloc::{string::String, sync::Arc, vec::Vec};
use gnomon_engine::{
    jwt::Authenticator,
    path::PathHandling,
    request::{Peer, Protocol, Request},
    verdict::Stage,
    workload::Underscores,
};

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
    /// Which route a request takes, where that changes what filters do.
    pub(super) routes: Option<Routes>,
    /// The name of its route configuration that is elsewhere, and from which filter on it counts.
    pub(super) routes_elsewhere: Option<(String, usize)>,
    pub(super) criteria: Criteria,
    /// It is the `defaultFilterChain`.
    pub(super) fallback: bool,
    /// Its transport socket.
    pub(super) socket: Socket,
    /// It leads to Istio's cluster without endpoints, so that nothing gets through.
    pub(super) black_hole: bool,
    /// Filters without a listener around them: what is not among them may still be in the proxy.
    pub(super) bare: bool,
    /// The listener is an internal one, as a waypoint's.
    pub(super) internal: bool,
    /// What its listener detects; `None`: nothing is known of that.
    pub(super) inspectors: Option<Arc<Inspectors>>,
}

/// What a chain does with the bytes of a connection before its filters see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// Not in the document, which is a part of a listener only.
    Unknown,
    /// Nothing.
    Raw,
    /// It ends TLS; without a client's certificate too, unless that is demanded.
    Tls { mutual: bool },
}

/// What the HTTP connection manager does that bears on RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// What is done to the path.
    pub path: PathHandling,
    /// What is done to headers with an underscore.
    pub underscores: Underscores,
    /// `useRemoteAddress`: it stands at the edge.
    pub gateway: bool,
    /// `xffNumTrustedHops`.
    pub hops: u32,
}

impl Chain {
    /// The rules that say where a token is looked for; `None`: there is no jwt_authn filter, or it is not evaluated.
    pub fn authenticator(&self) -> Option<&Authenticator> {
        self.filters.iter().find_map(|filter| match &filter.does {
            Does::Jwt(jwt) => Some(&jwt.authenticator),
            _ => None,
        })
    }

    /// Why nothing of a connection that begins so reaches this chain's filters.
    pub(super) fn refuses(&self, bytes: Bytes, protocol: Protocol) -> Option<Refusal> {
        let tls = matches!(bytes, Bytes::Tls { .. });
        let parsed = protocol == Protocol::Http && tls == (self.socket != Socket::Raw);
        match self.socket {
            Socket::Unknown => None,
            Socket::Tls { .. } if !tls => Some(Refusal::NotTls),
            Socket::Tls { mutual: true } if bytes == (Bytes::Tls { certificate: false }) => {
                Some(Refusal::NoCertificate)
            }
            _ if self.protocol == Protocol::Http && !parsed => Some(Refusal::NotHttp),
            _ => None,
        }
    }

    /// The SNI as this chain's filters see it: where no `tls_inspector` has looked, there is none.
    pub(super) fn sni<'r>(&self, request: &Request<'r>) -> &'r [u8] {
        let Some(inspectors) = &self.inspectors else { return request.sni };
        let connection = Connection::of(request, self.internal);
        inspectors.detect(&connection, connection.port).sni
    }

    /// No server name is ever seen: nothing looks for one.
    pub(super) fn sees_no_name(&self) -> bool {
        let inside_tunnel = self.internal && self.protocol == Protocol::Http;
        self.inspectors.as_ref().is_some_and(|inspectors| inside_tunnel || inspectors.never_see_tls())
    }

    /// Whether one is seen depends on the port.
    pub(super) fn may_see_no_name(&self) -> bool {
        self.inspectors.as_ref().is_some_and(|inspectors| !inspectors.always_see_tls())
    }

    /// The peer as this chain's filters see it: its certificate is seen where the chain ends TLS, and on an internal
    /// listener its name is in the filter state.
    pub(super) fn peer<'r>(&self, peer: Peer<'r>) -> Peer<'r> {
        match (self.socket, peer) {
            (Socket::Raw, _) if !self.internal => Peer::Plaintext,
            (Socket::Tls { mutual: false }, Peer::Plaintext) => Peer::Tls { names: &[], complete: true },
            _ => peer,
        }
    }

    /// Its filters do the same as another's, to requests that are made ready in the same way.
    pub(super) fn does_the_same(&self, other: &Chain) -> bool {
        let frame =
            |chain: &Chain| (chain.protocol, chain.http, chain.socket, chain.internal, chain.black_hole);
        frame(self) == frame(other)
            && self.routes == other.routes
            && self.filters.len() == other.filters.len()
            && self.filters.iter().zip(&other.filters).all(|(a, b)| a.is(b))
    }

    /// A filter of it verifies tokens, or may do so.
    pub(super) fn has_jwt(&self) -> bool {
        self.filters.iter().any(|filter| matches!(filter.does, Does::Jwt(_) | Does::Unread(Stage::Jwt, _)))
    }

    /// Does it have any filter that decides?
    pub fn is_secured(&self) -> bool {
        !self.filters.is_empty()
    }
}

/// A filter that decides, under the name by which routes change it.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) does: Does,
    /// What routes have for it instead.
    pub(super) others: Vec<Does>,
    /// By the number of a route: which of these; `None`: none of them. Empty where no route has anything for it.
    pub(super) by_route: Vec<Option<usize>>,
}

impl Filter {
    pub(super) fn new(name: &str, does: Does) -> Filter {
        Filter { name: name.into(), does, others: Vec::new(), by_route: Vec::new() }
    }

    /// What it does to requests that take this route, or none.
    pub(super) fn at(&self, route: Option<usize>) -> &Does {
        let other = route.and_then(|route| *self.by_route.get(route)?);
        other.and_then(|other| self.others.get(other)).unwrap_or(&self.does)
    }

    fn is(&self, other: &Filter) -> bool {
        self.does.is(&other.does)
            && self.by_route == other.by_route
            && self.others.len() == other.others.len()
            && self.others.iter().zip(&other.others).all(|(a, b)| a.is(b))
    }
}

/// What a filter does.
#[derive(Debug)]
pub(super) enum Does {
    Rbac(Rbac),
    Jwt(Jwt),
    ExtAuthz(ExtAuthz),
    Unread(Stage, Unread),
    /// It is disabled.
    Nothing(Stage),
}

impl Does {
    fn is(&self, other: &Does) -> bool {
        match (self, other) {
            (Does::Rbac(a), Does::Rbac(b)) => a == b,
            (Does::Jwt(a), Does::Jwt(b)) => a.says_the_same(b),
            (Does::ExtAuthz(a), Does::ExtAuthz(b)) => a == b,
            (Does::Unread(stage, a), Does::Unread(other, b)) => (stage, a) == (other, b),
            (Does::Nothing(a), Does::Nothing(b)) => a == b,
            _ => false,
        }
    }
}
