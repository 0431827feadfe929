//! From a request as written to a request as Envoy's security filters see it.

use crate::with_token;
use gnomon_engine::{
    Mesh, Plan, Request, Workload, address,
    envoy::import::HttpSettings,
    headers,
    jwt::{self, Algorithm, Authenticator, Crypto, Json, Key, Signature},
    path,
    request::{ExtAuthzAnswer, Header, Input, Peer, Protocol},
    verdict::{DryRun, Explanation, Missing, Outcome, Report, Stage, StageResult, StageTrace},
    workload::ProxyKind,
};
use gnomon_manifests::request::RequestSpec;
use std::net::IpAddr;

/// A request made ready: owned buffers that lend a [`Request`].
#[derive(Clone, Debug)]
pub struct Materialized {
    protocol: Protocol,
    headers: Vec<headers::Line>,
    principal: Option<Vec<u8>>,
    source_ip: Option<IpAddr>,
    remote_ip: Option<IpAddr>,
    destination_ip: Option<IpAddr>,
    destination_port: Option<u16>,
    sni: Vec<u8>,
    metadata: Vec<(String, Json)>,
    now: i64,
    ext_authz: Vec<(String, ExtAuthzAnswer)>,
    /// Which of `token` and `claims` is stated.
    identity: Option<&'static str>,
    /// The token made of `claims`: vouched for.
    invented: Option<Vec<u8>>,
    rejected: Option<path::Rejected>,
}

/// Does what Envoy's connection manager does before its filters look: the path is normalized as the mesh says, header
/// lines are folded, the client's address is derived.
///
/// `claims` become a token where the plan's rules look for one of its issuer, and that token's signature will be held
/// for good, even by a rule whose key set is not known; issuer, audience and times are checked as ever. `now` is the
/// clock, in seconds since 1970, of a request without `time`.
pub fn materialize(
    spec: &RequestSpec,
    plan: &Plan,
    workload: &Workload,
    mesh: &Mesh,
    now: i64,
) -> Materialized {
    let gateway = workload.proxy == ProxyKind::Gateway;
    let proxy = HttpSettings {
        path_normalization: mesh.path_normalization,
        gateway,
        // istiod configures hops for gateways only.
        hops: if gateway { mesh.num_trusted_proxies } else { 0 },
    };
    materialize_at(spec, plan.authenticator(), &proxy, now)
}

/// As [`materialize`], for a proxy of which only this much is known.
pub fn materialize_at(
    spec: &RequestSpec,
    authenticator: &Authenticator,
    proxy: &HttpSettings,
    now: i64,
) -> Materialized {
    let mut ready = Materialized {
        protocol: spec.protocol,
        headers: Vec::new(),
        principal: spec.principal.as_deref().map(spiffe_id),
        source_ip: spec.source_ip,
        remote_ip: spec.remote_ip.or(spec.source_ip),
        destination_ip: spec.destination_ip,
        destination_port: spec.destination_port,
        // Envoy's TLS inspector gives it in lower case.
        sni: spec.sni.as_deref().unwrap_or_default().to_ascii_lowercase().into_bytes(),
        metadata: spec.metadata.clone(),
        now: spec.time.unwrap_or(now),
        ext_authz: spec.ext_authz.clone(),
        identity: spec.claims.as_ref().map(|_| "claims").or(spec.token.as_ref().map(|_| "token")),
        invented: None,
        rejected: None,
    };
    if spec.protocol == Protocol::Http {
        http(&mut ready, spec, authenticator, proxy);
    }
    ready
}

fn http(ready: &mut Materialized, spec: &RequestSpec, authenticator: &Authenticator, proxy: &HttpSettings) {
    let placed;
    let spec = match &spec.claims {
        None => spec,
        Some(claims) => {
            let issuer = claims.member("iss").and_then(Json::as_str).unwrap_or_default();
            let token = jwt::unsigned_token(claims);
            placed = with_token(spec, &authenticator.place(issuer), &token);
            ready.invented = Some(token.into_bytes());
            &placed
        }
    };
    let mut lines: Vec<(&[u8], &[u8])> =
        spec.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let bearer = spec.token.as_ref().map(|token| format!("Bearer {token}"));
    if let Some(value) = &bearer {
        lines.push((b"authorization", value.as_bytes()));
    }
    let path = match path::normalize(spec.path.as_bytes(), proxy.path_normalization) {
        Ok(path) => path,
        Err(rejected) => {
            ready.rejected = Some(rejected);
            return;
        }
    };
    let host = spec.host.as_deref().unwrap_or_default();
    if let Err(rejected) = headers::check(host.as_bytes(), &lines) {
        ready.rejected = Some(rejected);
        return;
    }
    ready.headers = headers::normalize_lines(spec.method.as_bytes(), &path, host.as_bytes(), &lines);
    // What is absent is absent: no empty `:authority` in its place.
    if spec.host.is_none() {
        ready.headers.retain(|(name, value)| name != b":authority" || !value.is_empty());
    }
    let HttpSettings { gateway, hops, .. } = *proxy;
    if spec.remote_ip.is_none() {
        let forwarded_for = headers::value(&ready.headers, b"x-forwarded-for");
        ready.remote_ip = address::remote_ip(spec.source_ip, forwarded_for, gateway, hops);
    }
    let edge = headers::Edge { source: spec.source_ip, gateway, hops, tls: spec.principal.is_some() };
    headers::add_proxy_headers(&mut ready.headers, &edge);
}

/// With `spiffe://` in front; people write it without, as policies do.
fn spiffe_id(principal: &str) -> Vec<u8> {
    match principal.starts_with("spiffe://") {
        true => principal.as_bytes().to_vec(),
        false => format!("spiffe://{principal}").into_bytes(),
    }
}

impl Materialized {
    /// The verdict as in docs/formats.md, "Verdict", without the nearest miss. `crypto` checks the signatures of real tokens.
    ///
    /// An address that the request does not state is absent and matches nothing. Where that decided,
    /// [`Report::missing`] names it, as a hint that the request says too little.
    pub fn report(&self, plan: &Plan, crypto: &dyn Crypto) -> Report {
        let crypto = self.vouching(crypto);
        if let Some(rejected) = &self.rejected {
            let report = self.with_request(|request| plan.evaluate(request, &crypto).report());
            return if report.stage == Stage::Mtls { report } else { rejection(rejected) };
        }
        let mut report = self.with_request(|request| plan.evaluate(request, &crypto).report());
        report.missing.extend(self.decisive(plan, &crypto));
        report
    }

    /// The verdict with all stages and the nearest miss. Slow: for people.
    pub fn explain(&self, plan: &Plan, crypto: &dyn Crypto) -> Explanation {
        let crypto = self.vouching(crypto);
        let mut explanation = self.with_request(|request| plan.explain(request, &crypto));
        if let Some(rejected) = &self.rejected {
            if explanation.report.stage != Stage::Mtls {
                return Explanation { report: rejection(rejected), stages: Vec::new() };
            }
            return explanation;
        }
        explanation.report.missing.extend(self.decisive(plan, &crypto));
        self.say_unread(&mut explanation, plan);
        explanation
    }

    /// A stated token that nothing here reads has a line of its own: it must not vanish without a word.
    fn say_unread(&self, explanation: &mut Explanation, plan: &Plan) {
        let Some(stated) = self.identity else { return };
        let stages = &mut explanation.stages;
        if stages.iter().any(|stage| stage.stage == Stage::Jwt) {
            return;
        }
        let why = match (plan.proxy(), self.protocol) {
            (ProxyKind::Ztunnel, _) => "ztunnel sees connections, not requests",
            (_, Protocol::Tcp) => "a TCP connection has no token",
            _ => "no RequestAuthentication applies here",
        };
        let verb = if stated == "claims" { "are" } else { "is" };
        let summary = format!("{why}: the `{stated}` of the request {verb} not read");
        let before = stages.iter().take_while(|stage| stage.stage < Stage::Jwt).count();
        let refused = stages.iter().take(before).any(|stage| stage.result == StageResult::Refused);
        let result = if refused { StageResult::NotReached } else { StageResult::Passed };
        stages.insert(before, StageTrace { stage: Stage::Jwt, result, summary, rules: Vec::new() });
    }

    /// The addresses that are not stated and that the answer depends on.
    fn decisive(&self, plan: &Plan, crypto: &dyn Crypto) -> Vec<Missing> {
        let needs = plan.required_inputs();
        let wanted = (needs.source_ip && self.source_ip.is_none())
            || (needs.remote_ip && self.remote_ip.is_none())
            || (needs.destination_ip && self.destination_ip.is_none())
            || (needs.destination_port && self.destination_port.is_none());
        if !wanted {
            return Vec::new();
        }
        self.unstated(|stated| {
            let verdict = plan.evaluate(stated, crypto);
            (verdict.outcome, verdict.missing)
        })
    }

    /// The addresses that an answer depends on, by the answer where those not stated are not known.
    pub(crate) fn unstated(&self, ask: impl FnOnce(&Request<'_>) -> (Outcome, Vec<Missing>)) -> Vec<Missing> {
        let address =
            |missing: &Missing| matches!(missing, Missing::Field(field) if field.is_of_connection());
        self.with_request(|stated| {
            let stated = Request {
                source_ip: known(self.source_ip),
                remote_ip: known(self.remote_ip),
                destination_ip: known(self.destination_ip),
                destination_port: known(self.destination_port),
                ..*stated
            };
            match ask(&stated) {
                (Outcome::Unknown, missing) => missing.into_iter().filter(address).collect(),
                _ => Vec::new(),
            }
        })
    }

    /// What Envoy answers itself, before any filter sees the request. Not before it has found a filter chain for the
    /// connection: who may not connect ([`Stage::Mtls`]) is told nothing.
    pub fn rejected(&self) -> Option<&path::Rejected> {
        self.rejected.as_ref()
    }

    /// Wraps `crypto` so that the token made of `claims` is held for well signed.
    pub fn vouching<'a>(&'a self, crypto: &'a dyn Crypto) -> Vouching<'a> {
        Vouching { inner: crypto, token: self.invented.as_deref() }
    }

    /// Lends the request. Says nothing of use where [`Materialized::rejected`] says something.
    pub fn with_request<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let names: Vec<&[u8]> = self.principal.iter().map(Vec::as_slice).collect();
        let metadata: Vec<(&str, Json)> =
            self.metadata.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let ext_authz: Vec<(&str, ExtAuthzAnswer)> =
            self.ext_authz.iter().map(|(name, answer)| (name.as_str(), *answer)).collect();
        ask(&Request {
            protocol: self.protocol,
            headers: &headers,
            peer: match names.is_empty() {
                true => Peer::Plaintext,
                false => Peer::Tls { names: &names, complete: true },
            },
            source_ip: input(self.source_ip),
            remote_ip: input(self.remote_ip),
            destination_ip: input(self.destination_ip),
            destination_port: input(self.destination_port),
            sni: &self.sni,
            metadata: &metadata,
            now: self.now,
            ext_authz: &ext_authz,
        })
    }
}

/// What is not stated is absent (docs/formats.md, "Request").
fn input<T>(stated: Option<T>) -> Input<T> {
    stated.map_or(Input::Absent, Input::Is)
}

/// Every connection has addresses: what is not stated is, strictly, not known.
fn known<T>(stated: Option<T>) -> Input<T> {
    stated.map_or(Input::Unknown, Input::Is)
}

pub(crate) fn rejection(rejected: &path::Rejected) -> Report {
    Report {
        verdict: Outcome::Deny,
        status: Some(rejected.status),
        stage: Stage::None,
        details: Some(rejected.details.into()),
        policy: None,
        reason: format!("{rejected}; no policy is asked"),
        dry_run: DryRun::default(),
        audit: false,
        missing: Vec::new(),
        nearest: None,
        without_token: false,
    }
}

/// A [`Crypto`] that vouches for one token.
#[derive(Clone, Copy)]
pub struct Vouching<'a> {
    inner: &'a dyn Crypto,
    token: Option<&'a [u8]>,
}

impl std::fmt::Debug for Vouching<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

#[cfg(test)]
mod tests;
