//! Requests against a proxy's own configuration.

use crate::{Materialized, materialize::rejection, materialize_at};
use gnomon_engine::{
    Mesh, Request, Workload,
    envoy::import::{Chain, HttpSettings, Imported, Selected},
    jwt::{Authenticator, Crypto},
    request::Protocol,
    verdict::Report,
    workload::{IstioVersion, ProxyKind},
};
use gnomon_manifests::request::RequestSpec;

/// What a proxy's configuration is asked.
#[derive(Clone, Copy, Debug)]
pub struct Proxy<'a> {
    /// What it has loaded.
    pub imported: &'a Imported,
    /// A listener's name or port, or a filter chain's name; `None`: the one that the request meets.
    pub listener: Option<&'a str>,
    /// Says, where the configuration does not, whether it is a gateway.
    pub workload: &'a Workload,
    /// Says, where the configuration does not, how paths are normalized.
    pub mesh: &'a Mesh,
}

impl Proxy<'_> {
    /// The verdict, without the nearest miss. `now` is the clock of a request without `time`.
    ///
    /// What happens to path and client address before the filters is taken from the configuration where it has an HTTP
    /// connection manager, else from mesh and workload. On a chain without HTTP every request is a connection.
    ///
    /// # Errors
    ///
    /// Which chain is meant cannot be told; the text says what to add.
    pub fn report(&self, spec: &RequestSpec, now: i64, crypto: &dyn Crypto) -> Result<Report, String> {
        let (connection, told) = self.connection(spec, now);
        let chain = match self.selected(spec, &connection)? {
            Selected::Refused(refusal) => return Ok(refusal.report()),
            Selected::Chain(chain) => chain,
        };
        if chain.protocol == Protocol::Tcp {
            return Ok(report(&connection, chain, self.mesh.istio_version, crypto));
        }
        let http = RequestSpec { protocol: Protocol::Http, ..spec.clone() };
        let nothing = Authenticator::default();
        let authenticator = chain.authenticator().unwrap_or(&nothing);
        let ready = materialize_at(&http, authenticator, chain.http.as_ref().unwrap_or(&told), now);
        Ok(report(&ready, chain, self.mesh.istio_version, crypto))
    }

    /// The filter chain that a request's connection gets; `None`: it ends before any filter sees it.
    ///
    /// # Errors
    ///
    /// As [`Proxy::report`].
    pub fn chain(&self, spec: &RequestSpec, now: i64) -> Result<Option<&Chain>, String> {
        let (connection, _) = self.connection(spec, now);
        Ok(match self.selected(spec, &connection)? {
            Selected::Chain(chain) => Some(chain),
            Selected::Refused(_) => None,
        })
    }

    /// What is known about the connection whatever its chain, and about HTTP where the chain does not say.
    fn connection(&self, spec: &RequestSpec, now: i64) -> (Materialized, HttpSettings) {
        let gateway = self.workload.proxy == ProxyKind::Gateway;
        let told = HttpSettings {
            path_normalization: self.mesh.path_normalization,
            gateway,
            hops: if gateway { self.mesh.num_trusted_proxies } else { 0 },
        };
        let connection = RequestSpec { protocol: Protocol::Tcp, ..spec.clone() };
        (materialize_at(&connection, &Authenticator::default(), &told, now), told)
    }

    fn selected(&self, spec: &RequestSpec, connection: &Materialized) -> Result<Selected<'_>, String> {
        connection.with_request(|request| {
            let request = Request { protocol: spec.protocol, ..*request };
            self.imported.select(self.listener, &request)
        })
    }
}

fn report(ready: &Materialized, chain: &Chain, version: IstioVersion, crypto: &dyn Crypto) -> Report {
    if let Some(rejected) = ready.rejected() {
        return rejection(rejected);
    }
    let crypto = ready.vouching(crypto);
    let mut report = ready.with_request(|request| chain.evaluate(request, version, &crypto));
    let unstated = ready.unstated(|request| {
        let report = chain.evaluate(request, version, &crypto);
        (report.verdict, report.missing)
    });
    for missing in unstated {
        if !report.missing.contains(&missing) {
            report.missing.push(missing);
        }
    }
    report
}
