//! Requests against a proxy's own configuration.

use gnomon_engine::{
    Mesh, Request, Workload,
    jwt::{Authenticator, Crypto},
    prepare::{Prepared, ProxySettings},
    request::Protocol,
    verdict::{Explanation, Report},
};
use gnomon_envoy_config::import::{Chain, HttpSettings, Imported, Selected, Undecided};
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
    /// Which chain is meant cannot be decided; the text says what to add.
    pub fn report(&self, spec: &RequestSpec, now: i64, crypto: &dyn Crypto) -> Result<Report, Undecided> {
        let told = self.told();
        // What is known about the connection does not depend on the chain.
        let connection = RequestSpec { protocol: Protocol::Tcp, ..spec.clone() };
        let connection = Prepared::at(&connection, &Authenticator::default(), &told, now);
        let chain = match self.selected(spec, &connection)? {
            Selected::Refused(refusal) => return Ok(refusal.report()),
            Selected::Chain(chain) => chain,
        };
        if chain.protocol == Protocol::Tcp {
            return Ok(self.report_of(&connection, chain, crypto));
        }
        let http = RequestSpec { protocol: Protocol::Http, ..spec.clone() };
        let nothing = Authenticator::default();
        let authenticator = chain.authenticator().unwrap_or(&nothing);
        let settings = chain.http.as_ref().map_or_else(|| told.clone(), |http| settings(http, &told));
        let ready = Prepared::at(&http, authenticator, &settings, now);
        Ok(self.report_of(&ready, chain, crypto))
    }

    fn report_of(&self, ready: &Prepared<'_>, chain: &Chain, crypto: &dyn Crypto) -> Report {
        let crypto = ready.vouching(crypto);
        let ask = |request: &Request<'_>| match self.workload.verifies_peers.unwrap_or(true) {
            true => chain.evaluate(request, self.mesh.istio_version, &crypto),
            false => chain.evaluate(&request.with_unproven_peer(), self.mesh.istio_version, &crypto),
        };
        ready.answer(
            |_| None,
            |request| {
                let mut report = ask(request);
                ready.add_unstated(&mut report, request, ask);
                report
            },
        )
    }

    /// As [`Proxy::report`]; `stages` holds nothing but a line on a stated token that the chain does not read.
    ///
    /// # Errors
    ///
    /// As [`Proxy::report`].
    pub fn explain(
        &self,
        spec: &RequestSpec,
        now: i64,
        crypto: &dyn Crypto,
    ) -> Result<Explanation, Undecided> {
        let report = self.report(spec, now, crypto)?;
        let why = match self.chain(spec, now)? {
            None => None,
            Some(chain) if chain.protocol == Protocol::Tcp => Some("this filter chain does not read HTTP"),
            Some(chain) if chain.authenticator().is_none() => {
                Some("this filter chain has no jwt_authn filter")
            }
            Some(_) => None,
        };
        let line = why.and_then(|why| spec.unread_token(why));
        Ok(Explanation { report, stages: line.into_iter().collect() })
    }

    /// The filter chain that a request's connection gets; `None`: it ends before any filter sees it.
    ///
    /// # Errors
    ///
    /// As [`Proxy::report`].
    pub fn chain(&self, spec: &RequestSpec, now: i64) -> Result<Option<&Chain>, Undecided> {
        let connection = RequestSpec { protocol: Protocol::Tcp, ..spec.clone() };
        let connection = Prepared::at(&connection, &Authenticator::default(), &self.told(), now);
        Ok(match self.selected(spec, &connection)? {
            Selected::Chain(chain) => Some(chain),
            Selected::Refused(_) => None,
        })
    }

    /// What the chain does not say about HTTP.
    pub(crate) fn told(&self) -> ProxySettings {
        // Which ports have policies the configuration says itself.
        ProxySettings { proxy: None, ..ProxySettings::of(self.workload, self.mesh) }
    }

    fn selected(&self, spec: &RequestSpec, connection: &Prepared<'_>) -> Result<Selected<'_>, Undecided> {
        connection.with_request(|request| {
            let request = Request { protocol: spec.protocol, ..*request };
            self.imported.select(self.listener, &request)
        })
    }
}

/// The connection manager's own.
fn settings(http: &HttpSettings, told: &ProxySettings) -> ProxySettings {
    ProxySettings {
        path: http.path,
        underscores: http.underscores,
        gateway: http.gateway,
        hops: http.hops,
        ..told.clone()
    }
}
