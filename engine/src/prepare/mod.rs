//! From a request as somebody states it to a request as Envoy's security filters see it, once for everybody who asks.
//!
//! What Envoy's codec and connection manager do before the filters look: they refuse what is malformed, redirect,
//! normalize the path, fold header lines, derive the client's address. And what people may leave to Gnomon: a token is
//! made of `claims` and put where the rules look for it.

mod report;
mod settings;
mod spec;

pub use settings::ProxySettings;
pub use spec::RequestSpec;

use crate::{
    address, headers,
    jwt::{self, Algorithm, Authenticator, Crypto, Json, Key, Signature},
    path::{self, PathHandling, Rejected},
    request::{Header, Input, Peer, Protocol, Request},
    target::Target,
    versions,
    workload::{IstioVersion, Mesh, Workload},
};
use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::{fmt, net::IpAddr};
use settings::{OwnPort, own_port};
use spec::Placed;

/// A request made ready; lends a [`Request`]. What people wrote is borrowed.
#[derive(Clone, Debug)]
pub struct Prepared<'s> {
    spec: &'s RequestSpec,
    /// What reaches the filters.
    seen: Seen,
    /// The same where an older patch release of the mesh's Istio makes something else of the path.
    older: Option<Older>,
    principal: Option<Cow<'s, [u8]>>,
    sni: Vec<u8>,
    now: i64,
    /// The token made of `claims`: vouched for.
    invented: Option<Vec<u8>>,
    own_port: Option<OwnPort>,
}

/// What the connection manager lets through.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    headers: Vec<headers::Line>,
    remote_ip: Option<IpAddr>,
    rejected: Option<Rejected>,
}

#[derive(Clone, Debug)]
struct Older {
    seen: Seen,
    release: IstioVersion,
    newest: IstioVersion,
}

impl<'s> Prepared<'s> {
    /// For the proxy of a workload. `now` is the clock, in seconds since 1970, of a request without `time`.
    ///
    /// `claims` become a token where the plan's rules look for one of its issuer, and that token's signature will be
    /// held for good, even by a rule whose key set is not known; issuer, audience and times are checked as ever.
    pub fn new(
        spec: &'s RequestSpec,
        authenticator: &Authenticator,
        workload: &Workload,
        mesh: &Mesh,
        now: i64,
    ) -> Prepared<'s> {
        Prepared::at(spec, authenticator, &ProxySettings::of(workload, mesh), now)
    }

    /// For a proxy of which this much is known.
    pub fn at(
        spec: &'s RequestSpec,
        authenticator: &Authenticator,
        proxy: &ProxySettings,
        now: i64,
    ) -> Prepared<'s> {
        let loopback = spec.destination_ip.is_some_and(|ip| ip.is_loopback());
        let own_port =
            proxy.proxy.zip(spec.destination_port).and_then(|(proxy, port)| own_port(proxy, port, loopback));
        let mut ready = Prepared {
            spec,
            seen: Seen {
                remote_ip: spec.remote_ip.or(spec.source_ip.map(|ip| ip.to_canonical())),
                ..Seen::default()
            },
            older: None,
            principal: spec.principal.as_deref().map(spiffe_id),
            // Envoy's TLS inspector gives it in lower case.
            sni: spec.sni.as_deref().unwrap_or_default().to_ascii_lowercase().into_bytes(),
            now: spec.time.unwrap_or(now),
            invented: None,
            own_port,
        };
        if spec.protocol == Protocol::Http {
            ready.http(authenticator, proxy);
        }
        ready
    }

    fn http(&mut self, authenticator: &Authenticator, proxy: &ProxySettings) {
        let spec = self.spec;
        let mut path = Cow::Borrowed(spec.path.as_str());
        let mut added: Option<(String, String)> = None;
        if let Some(claims) = &spec.claims {
            let issuer = claims.member("iss").and_then(Json::as_str).unwrap_or_default();
            let token = jwt::unsigned_token(claims);
            match Placed::at(&authenticator.place(issuer), &token, &path) {
                Placed::Line(name, value) => added = Some((name, value)),
                Placed::Path(placed) => path = Cow::Owned(placed),
            }
            self.invented = Some(token.into_bytes());
        }
        if let Some(token) = &spec.token {
            added = Some(("authorization".into(), format!("Bearer {token}")));
        }
        let lines: Vec<(&[u8], &[u8])> = spec
            .headers
            .iter()
            .chain(&added)
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        // A minor version stands for all its patch releases, of which older ones leave `/..;x`.
        let releases = versions::path_alternatives(proxy.version);
        let handling = |release: IstioVersion| PathHandling {
            strip_parameters: versions::strips_parameters_of_dot_segments(release),
            ..proxy.path
        };
        let newest = releases.last().copied().unwrap_or(proxy.version);
        self.seen = self.seen_by(&path, &lines, proxy, &handling(newest));
        if let [release, _, ..] = releases[..] {
            let seen = self.seen_by(&path, &lines, proxy, &handling(release));
            self.older = (seen != self.seen).then_some(Older { seen, release, newest });
        }
    }

    /// In Envoy's order: the codec, then the connection manager.
    fn seen_by(
        &self,
        target: &str,
        lines: &[(&[u8], &[u8])],
        proxy: &ProxySettings,
        handling: &PathHandling,
    ) -> Seen {
        match self.headers(target, lines, proxy, handling) {
            Ok((headers, remote_ip)) => Seen { headers, remote_ip, rejected: None },
            Err(rejected) => {
                Seen { rejected: Some(rejected), remote_ip: self.seen.remote_ip, ..Seen::default() }
            }
        }
    }

    fn headers(
        &self,
        target: &str,
        lines: &[(&[u8], &[u8])],
        proxy: &ProxySettings,
        handling: &PathHandling,
    ) -> Result<(Vec<headers::Line>, Option<IpAddr>), Rejected> {
        let spec = self.spec;
        let method = spec.method.as_bytes();
        let host = spec.host.as_deref();
        if lines.iter().any(|(name, _)| *name == b":protocol") {
            return Err(headers::EXTENDED_CONNECT);
        }
        // The target of CONNECT is an authority, which people write as the host.
        let target = match (method, host) {
            (b"CONNECT", Some(host)) => Some(host.as_bytes()),
            (b"CONNECT", None) if target == "/" => None,
            _ => Some(target.as_bytes()),
        };
        if let Some(target) = target {
            Target::check(method, target)?;
        }
        headers::check(lines, proxy.underscores)?;
        if target.is_none_or(|target| matches!(target, [b'/' | b'*', ..])) {
            let hosts = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
            let hosts = hosts.map(|(_, value)| *value);
            headers::check_authority(host.map(str::as_bytes).into_iter().chain(hosts))?;
        }
        let asked = target.map(|target| Target::read(method, target)).transpose()?.unwrap_or_default();
        // A proxy that trusts no other in front of it takes no such target for what the connection is not.
        if proxy.gateway && proxy.hops == 0 && asked.scheme == Some("https") && spec.principal.is_none() {
            return Err(headers::HTTPS_ON_PLAINTEXT);
        }
        if versions::checks_query(proxy.version) {
            headers::check_query(method, lines)?;
        }
        let path = asked.path.map(|path| path::normalize(path, handling)).transpose()?;
        let target = Target { path: path.as_deref(), ..asked };
        let authority = host.unwrap_or_default().as_bytes();
        let mut map = headers::normalize_lines(method, &target, authority, lines, proxy.underscores);
        headers::check_upgrade(&map)?;
        // What is absent is absent: no empty `:authority` in its place.
        if host.is_none() {
            map.retain(|(name, value)| name != b":authority" || !value.is_empty());
        }
        let ProxySettings { gateway, hops, .. } = *proxy;
        let remote_ip = spec.remote_ip.or_else(|| {
            let forwarded_for = headers::value(&map, b"x-forwarded-for");
            address::remote_ip(spec.source_ip, forwarded_for, gateway, hops)
        });
        let edge = headers::Edge {
            source: spec.source_ip,
            gateway,
            hops,
            tls: spec.principal.is_some(),
            keeps_scheme: target.scheme.is_some(),
        };
        headers::add_proxy_headers(&mut map, &edge);
        Ok((map, remote_ip))
    }

    /// What Envoy answers itself, before any filter sees the request. Not before it has found a filter chain for the
    /// connection: who may not connect ([`Stage::Mtls`](crate::verdict::Stage::Mtls)) is told nothing.
    pub fn rejected(&self) -> Option<&Rejected> {
        self.seen.rejected.as_ref()
    }

    /// The request is at a port of the proxy itself: no policy is asked.
    pub fn is_at_own_port(&self) -> bool {
        self.own_port.is_some()
    }

    /// The mesh's version stands for several patch releases, of which not all make the same of the path.
    pub fn depends_on_release(&self) -> bool {
        self.older.is_some()
    }

    /// Wraps `crypto` so that the token made of `claims` is held for well signed.
    pub fn vouching<'a>(&'a self, crypto: &'a dyn Crypto) -> Vouching<'a> {
        Vouching { inner: crypto, token: self.invented.as_deref() }
    }

    /// Lends the request. Says nothing of use where [`Prepared::rejected`] says something.
    pub fn with_request<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        self.with_seen(&self.seen, ask)
    }

    fn with_seen<T>(&self, seen: &Seen, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> =
            seen.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let name = self.principal.as_deref();
        let spec = self.spec;
        ask(&Request {
            protocol: spec.protocol,
            headers: &headers,
            peer: match &name {
                None => Peer::Plaintext,
                Some(name) => Peer::Tls { names: core::slice::from_ref(name), complete: true },
            },
            source_ip: input(spec.source_ip),
            remote_ip: input(seen.remote_ip),
            destination_ip: input(spec.destination_ip),
            destination_port: input(spec.destination_port),
            sni: &self.sni,
            metadata: &spec.metadata,
            now: self.now,
            ext_authz: &spec.ext_authz,
        })
    }
}

/// What is not stated is absent.
fn input<T>(stated: Option<T>) -> Input<T> {
    stated.map_or(Input::Absent, Input::Is)
}

/// With `spiffe://` in front; people write it without, as policies do.
fn spiffe_id(principal: &str) -> Cow<'_, [u8]> {
    match principal.starts_with("spiffe://") {
        true => Cow::Borrowed(principal.as_bytes()),
        false => Cow::Owned(format!("spiffe://{principal}").into_bytes()),
    }
}

/// A [`Crypto`] that vouches for one token.
#[derive(Clone, Copy)]
pub struct Vouching<'a> {
    inner: &'a dyn Crypto,
    token: Option<&'a [u8]>,
}

impl fmt::Debug for Vouching<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vouching").field("token", &self.token.is_some()).finish_non_exhaustive()
    }
}

impl Crypto for Vouching<'_> {
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        self.inner.verify(algorithm, key, message, signature)
    }

    fn vouches_for(&self, token: &[u8]) -> bool {
        self.token == Some(token) || self.inner.vouches_for(token)
    }
}
