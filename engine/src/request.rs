//! A request or connection as Envoy's filters see it: borrowed, nothing parsed twice.

use alloc::string::String;
use core::net::IpAddr;

/// Which filters look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// An HTTP request: every attribute.
    #[default]
    Http,
    /// A TCP connection: only what layer 4 knows.
    Tcp,
}

/// A value that may be absent on the wire, or that the caller could not find out.
///
/// Absent matches nothing, so every `not` field holds. Unknown makes the verdict `unknown` where it depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input<T> {
    /// Not there.
    #[default]
    Absent,
    /// Not known, not even whether it is there.
    Unknown,
    /// There.
    Is(T),
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peer<'a> {
    /// No TLS.
    #[default]
    Plaintext,
    /// TLS, with or without a client certificate.
    Tls {
        /// URI SANs, DNS SANs and the subject of the peer's certificate: RBAC's `authenticated` is true if any
        /// matches. A SPIFFE id stands with its `spiffe://`. Empty: no certificate.
        names: &'a [&'a [u8]],
        /// False where there may be further names that the proxy does not show (a wasm filter sees only the
        /// first URI SAN): what these names do not match is then unknown rather than false.
        complete: bool,
    },
}

/// What an external authorization provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtAuthzAnswer {
    /// Let through.
    Allow,
    /// Refuse.
    Deny,
    /// No answer: refused unless the provider's `failOpen` is set.
    Error,
}

/// A header line: name in lower case, value as bytes.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// One HTTP request, or one TCP connection, at the moment the security filters see it.
///
/// That is after Envoy's HTTP connection manager: the path is normalized , inline
/// headers are joined , remote address derived . A proxy-wasm filter gets it so from
/// Envoy; front ends that start from a request as sent do it themselves.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// HTTP or TCP.
    pub protocol: Protocol,
    /// Header lines in order, pseudo headers (`:method`, `:path` with its query, `:authority`, `:scheme`) included,
    /// `host` never: Envoy knows it as `:authority`. Empty for TCP.
    pub headers: &'a [Header<'a>],
    /// Who is at the other end.
    pub peer: Peer<'a>,
    /// The physical peer (RBAC's `direct_remote_ip`, `ipBlocks`).
    pub source_ip: Input<IpAddr>,
    /// The client after X-Forwarded-For (RBAC's `remote_ip`, `remoteIpBlocks`).
    pub remote_ip: Input<IpAddr>,
    /// The connection's local address.
    pub destination_ip: Input<IpAddr>,
    /// The connection's local port.
    pub destination_port: Input<u16>,
    /// The client's SNI as Envoy's TLS inspector gives it (lower case); empty: none.
    pub sni: &'a [u8],
    /// Dynamic metadata by filter namespace, for `experimental.envoy.filters.…` conditions.
    pub metadata: &'a [(String, crate::jwt::Json)],
    /// The clock, in seconds since 1970 (UTC).
    pub now: i64,
    /// What CUSTOM providers would answer, by name. One that is not named is not known.
    pub ext_authz: &'a [(String, ExtAuthzAnswer)],
}

impl<'a> Request<'a> {
    /// An HTTP request with these header lines and nothing else.
    pub fn http(headers: &'a [Header<'a>]) -> Self {
        Request {
            protocol: Protocol::Http,
            headers,
            peer: Peer::Plaintext,
            source_ip: Input::Absent,
            remote_ip: Input::Absent,
            destination_ip: Input::Absent,
            destination_port: Input::Absent,
            sni: b"",
            metadata: &[],
            now: 0,
            ext_authz: &[],
        }
    }

    /// It is an HTTP request without a path, as CONNECT is. No route of istiod's is for one, and without a route Envoy's
    /// `ext_authz` asks nobody.
    pub fn is_without_path(&self) -> bool {
        self.protocol == Protocol::Http && !self.headers.iter().any(|(name, _)| *name == b":path")
    }

    /// The same where nobody checks what the peer's certificate says: any name may stand in it.
    #[must_use]
    pub fn with_unproven_peer(&self) -> Request<'a> {
        match self.peer {
            Peer::Tls { names: [_, ..], .. } => {
                Request { peer: Peer::Tls { names: &[], complete: false }, ..*self }
            }
            _ => *self,
        }
    }

    /// [`Request::source_ip`] as a proxy has it: IPv4 where it is IPv4 mapped into IPv6. Envoy (`TcpListenerImpl`) and
    /// ztunnel (`to_canonical`) make it so when they accept a connection.
    pub fn direct_ip(&self) -> Input<IpAddr> {
        canonical(self.source_ip)
    }

    /// [`Request::destination_ip`] in the same way.
    pub fn local_ip(&self) -> Input<IpAddr> {
        canonical(self.destination_ip)
    }

    /// A TCP connection and nothing else.
    pub fn tcp() -> Self {
        Request { protocol: Protocol::Tcp, ..Request::http(&[]) }
    }
}

fn canonical(input: Input<IpAddr>) -> Input<IpAddr> {
    match input {
        Input::Is(ip) => Input::Is(ip.to_canonical()),
        other => other,
    }
}
