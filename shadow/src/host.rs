//! What the shadow asks of the proxy around it: requests, connections and answers, in their own words. A shell for one kind
//! of proxy implements [`Host`]; so do tests.
//!
//! Every call can fail, and no failure may matter: a caller gets an `Err` and goes on.

use crate::node::Node;
use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};
use gnomon_engine::{jwt::Json, request::Header};

/// A call that the proxy refused, with its own number for the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u32);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0)
    }
}

/// Levels of the proxy's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Hidden by Istio's default.
    Info,
    /// Shown by Istio's default.
    Warn,
    /// Shown by Istio's default.
    Error,
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Is set.
    Gauge,
    /// Takes single values.
    Histogram,
}

/// What the proxy knows about a request or connection as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// The physical peer, or what the proxy has derived from X-Forwarded-For, and then with port 0: `1.2.3.4:80`.
    Source,
    /// The local address, in the same form.
    Destination,
    /// The physical peer, where something has noted it.
    DirectSource,
    /// The server name of the TLS handshake.
    ServerName,
    /// The first URI SAN of the peer's certificate.
    PeerUriSan,
    /// All of them, separated by commas, where something has noted them; `-`: none.
    PeerUriSans,
    /// The first DNS SAN of the peer's certificate.
    PeerDnsSan,
    /// The subject of the peer's certificate.
    PeerSubject,
    /// The SHA-256 of the peer's certificate.
    PeerDigest,
    /// The peer as a waypoint knows it.
    WaypointPeer,
    /// `%RESPONSE_CODE_DETAILS%`.
    ResponseDetails,
    /// `%CONNECTION_TERMINATION_DETAILS%`.
    TerminationDetails,
    /// The upstream's address, once one has been chosen.
    Upstream,
}

/// Which signatures the proxy may be able to check: RSA with PKCS#1 padding or ECDSA, over this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A request for a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch<'a> {
    /// The proxy's cluster.
    pub cluster: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host, with a port where one is written.
    pub authority: &'a str,
    /// The path and what follows it.
    pub path: &'a str,
    /// After this it is given up.
    pub timeout: Duration,
}

/// An answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status; on gRPC the proxy makes a grpc-status of it.
    pub status: u16,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    /// The text.
    pub body: String,
    /// `www-authenticate`, where there is one.
    pub challenge: Option<Vec<u8>>,
}

/// What is done to the headers of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// All lines of the name are replaced by one.
    Set(&'a [u8]),
    /// A line more.
    Add(&'a [u8]),
    /// All lines of the name go.
    Remove,
}

/// The proxy around the shadow.
pub trait Host {
    /// Writes a line to the proxy's log.
    fn log(&self, level: Level, line: &str);

    /// The clock, in nanoseconds since 1970.
    fn now(&self) -> Result<u64, Refused>;

    /// Has the tick come every so many milliseconds; 0: not any more. Of the configuration whose callback this is.
    fn tick_every(&self, milliseconds: u32) -> Result<(), Refused>;

    /// The configuration, JSON; empty where there is none. Only while configuring.
    fn configuration(&self) -> Result<Vec<u8>, Refused>;

    /// What the instance that is being configured is called, and what else tells it from others.
    fn instance(&self) -> (Vec<u8>, Vec<u8>);

    /// What the proxy says about itself.
    fn node(&self) -> Node;

    /// The lines of the request's headers, pseudo headers among them; none where the stream has none any more.
    fn request_headers(&self, read: &mut dyn FnMut(&[Header<'_>])) -> Result<(), Refused>;

    /// A property. `None`: there is no such thing, or it is empty.
    fn property(&self, property: Property) -> Result<Option<Vec<u8>>, Refused>;

    /// URI and DNS SANs of the peer's certificate, all of them. `None`: the proxy does not tell, or there is none.
    fn peer_names(&self) -> Result<Option<Vec<Vec<u8>>>, Refused>;

    /// Whether TLS was terminated here and the peer has shown a certificate. `None`: there is no TLS.
    fn mutual_tls(&self) -> Result<Option<bool>, Refused>;

    /// Whether the listener is for what goes out.
    fn is_outbound(&self) -> Result<bool, Refused>;

    /// The status of the response.
    fn response_status(&self) -> Result<Option<u16>, Refused>;

    /// The details of the response, [`Property::ResponseDetails`]; empty where there are none. Nothing of the request or the
    /// response may be changed meanwhile.
    fn response_details(&self, read: &mut dyn FnMut(&[u8])) -> Result<(), Refused> {
        read(&self.property(Property::ResponseDetails)?.unwrap_or_default());
        Ok(())
    }

    /// Dynamic metadata by filter.
    fn metadata(&self) -> Result<Vec<(String, Json)>, Refused>;

    /// Whether the proxy's own jwt_authn has left claims.
    fn has_verified_claims(&self) -> Result<bool, Refused>;

    /// Whether an external provider has been asked about the connection.
    fn provider_was_asked(&self) -> Result<bool, Refused>;

    /// What is allocated from now on lives only while a configuration is read, or no longer so.
    #[cfg(feature = "threads")]
    fn short_lived(&self, _on: bool) {}

    /// A request has been decided on by this plan: what was found out about its token, and the dynamic metadata that
    /// policies read.
    #[cfg(feature = "threads")]
    fn decided(
        &self,
        _plan: &gnomon_engine::Plan,
        _found: Option<&gnomon_engine::jwt::Authentication>,
        _metadata: &[(String, Json)],
    ) {
    }

    /// Changes the request's headers.
    fn change_request(&self, name: &[u8], change: Change<'_>) -> Result<(), Refused>;

    /// Sets a header of the response.
    fn set_response_header(&self, name: &[u8], value: &[u8]) -> Result<(), Refused>;

    /// Answers the request.
    fn reply(&self, reply: &Reply) -> Result<(), Refused>;

    /// Ends the request without an answer.
    fn close_request(&self) -> Result<(), Refused>;

    /// Ends the connection.
    fn close_connection(&self) -> Result<(), Refused>;

    /// Notes something about the stream, for access logs and for what stands behind.
    fn note(&self, key: &str, value: &[u8]) -> Result<(), Refused>;

    /// Checks a signature, by a key as SubjectPublicKeyInfo. `None`: the proxy has no such check.
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Result<Option<bool>, Refused>;

    /// Sends for a key set; the number of the call, whose answer comes as a callback.
    fn fetch(&self, fetch: &Fetch<'_>) -> Result<u32, Refused>;

    /// Defines a metric, or finds the one of that name.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Refused>;

    /// Defines a counter with labels, or finds it: any time, not only while configuring.
    fn define_labelled(&self, name: &str, labels: [(&str, &str); 2]) -> Result<u32, Refused>;

    /// Sets a gauge, or puts a value into a histogram.
    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused>;

    /// Adds to a counter.
    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused>;
}
