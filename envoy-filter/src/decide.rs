//! One verdict: from the proxy's answers to the engine's request, and the plan's answer to that.

use crate::{
    crypto::HostCrypto,
    facts::{Asked, Facts},
    filter::Active,
    lines::Subject,
    wire,
};
use alloc::{format, string::String, vec, vec::Vec};
use gnomon_engine::{
    Request,
    plan::Verdict,
    request::{Header, Protocol},
    verdict::{DryRun, Outcome, Report, Stage},
};

const NATIVE_CLAIMS: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn";

const BEHIND_JWT_AUTHN: &str =
    "a jwt_authn filter in front has taken the token out of the request: put this filter before it";
const UNCHECKED: &str = "neither the proxy nor this module can check the token's signature";

/// The candidate's verdict and what is needed to tell people about it.
#[derive(Debug)]
pub struct Decision {
    /// The verdict. The reason is only there where the candidate does not simply let the request through.
    pub report: Report,
    /// Who asked for what, as the candidate saw it; where it lets the request through, the header map can still be
    /// read when that is wanted.
    pub subject: Option<Subject>,
}

/// Evaluates the candidate for the stream that the proxy is at.
pub fn decide(asked: &Asked<'_>, active: &Active, protocol: Protocol) -> Decision {
    let needs = active.plan.needs();
    let with_headers = protocol == Protocol::Http && needs.headers;
    let bytes = if with_headers { asked.count(asked.host().request_headers()) } else { Ok(Vec::new()) };
    let headers = match bytes.as_deref().map(wire::pairs) {
        // An empty map is that of a stream which has none any more.
        Ok(Some(headers)) if !with_headers || !headers.is_empty() => headers,
        _ => return unknown("headers"),
    };
    let now = if needs.now { asked.count(asked.host().now()) } else { Ok(0) };
    let Ok(now) = now else { return unknown("time") };
    let now = i64::try_from(now / 1_000_000_000).unwrap_or(i64::MAX);
    let mut facts = Facts::first(asked, needs, active.settings.proxy);
    if let Some(missing) = facts.missing() {
        return unknown(missing);
    }

    let crypto = HostCrypto::new(asked);
    let evaluate = |facts: &Facts| {
        with_request(protocol, &headers, facts, now, |request| active.plan.evaluate(request, &crypto))
    };
    let first = evaluate(&facts);
    // Even where the verdict stands, an unknown may hide which rule gives it.
    let verdict = if !first.certain && facts.more(asked) { evaluate(&facts) } else { first };
    let subject = || with_headers.then(|| Subject::read(&headers));
    if crypto.undecided() {
        return Decision { subject: subject(), ..unknown_because("token", UNCHECKED) };
    }
    if !active.plan.authenticator().is_empty() && protocol == Protocol::Http && has_native_claims(asked) {
        let left = with_request(protocol, &headers, &facts, now, |request| {
            active.plan.authenticator().authenticate(request, &crypto)
        });
        // Envoy's own filter stands in front, has verified a token, and none is left for the candidate.
        if left.payload.is_none() && left.failure.is_none() {
            return Decision { subject: subject(), ..unknown_because("token", BEHIND_JWT_AUTHN) };
        }
    }
    if verdict.outcome == Outcome::Allow {
        // Nobody will read a reason, so that none is written; the header map can still be read where that is wanted.
        Decision { report: allowed(&verdict), subject: None }
    } else {
        Decision { report: verdict.report(), subject: subject() }
    }
}

/// Envoy's own `jwt_authn` has been here: it leaves the claims of a token that it has verified, and takes the token
/// out of the request unless it is told to forward it.
fn has_native_claims(asked: &Asked<'_>) -> bool {
    // A null among the claims makes the read fail; only what is not there is not there.
    !matches!(asked.host().property(NATIVE_CLAIMS), Ok(None))
}

fn with_request<T>(
    protocol: Protocol,
    headers: &[Header<'_>],
    facts: &Facts,
    now: i64,
    ask: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let names = facts.names();
    let metadata = facts.metadata();
    ask(&Request {
        protocol,
        headers,
        peer: facts.peer(&names),
        source_ip: facts.source_ip(),
        remote_ip: facts.remote_ip(),
        destination_ip: facts.destination_ip(),
        destination_port: facts.destination_port(),
        sni: facts.sni(),
        metadata: &metadata,
        now,
        ext_authz: &[],
    })
}

/// A request that the candidate lets through: nobody will read a reason, so that none is written.
fn allowed(verdict: &Verdict<'_>) -> Report {
    Report {
        verdict: Outcome::Allow,
        status: Some(200),
        stage: verdict.stage,
        details: None,
        policy: verdict.policy().map(Into::into),
        reason: String::new(),
        dry_run: DryRun::default(),
        audit: verdict.audit,
        missing: Vec::new(),
        nearest: None,
    }
}

/// What the proxy does not tell; `missing` in the words of a request file.
fn unknown(missing: &str) -> Decision {
    unknown_because(missing, &format!("the proxy does not tell {missing}"))
}

fn unknown_because(missing: &str, reason: &str) -> Decision {
    let report = Report {
        verdict: Outcome::Unknown,
        status: None,
        stage: Stage::None,
        details: None,
        policy: None,
        reason: reason.into(),
        dry_run: DryRun::default(),
        audit: false,
        missing: vec![missing.into()],
        nearest: None,
    };
    Decision { report, subject: None }
}
