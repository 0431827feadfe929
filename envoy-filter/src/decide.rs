//! One verdict: from the proxy's answers to the engine's request, and the plan's answer to that.

use crate::{
    crypto::HostCrypto,
    facts::{Asked, Facts},
    filter::Active,
    lines::Subject,
    wire,
};
use gnomon_engine::{
    Request,
    plan::Verdict,
    request::{Header, Protocol},
    verdict::{DryRun, Outcome, Report, Stage},
};

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
    let first = evaluate(active, protocol, &headers, &facts, now, &crypto);
    let verdict = if first.outcome == Outcome::Unknown && facts.more(asked) {
        evaluate(active, protocol, &headers, &facts, now, &crypto)
    } else {
        first
    };
    let subject = || with_headers.then(|| Subject::read(&headers));
    if crypto.undecided() {
        return Decision { subject: subject(), ..unknown("who signed the token") };
    }
    if verdict.outcome == Outcome::Allow {
        // Nobody will read a reason, so that none is written; the header map can still be read where that is wanted.
        Decision { report: allowed(&verdict), subject: None }
    } else {
        Decision { report: verdict.report(), subject: subject() }
    }
}

fn evaluate<'p>(
    active: &'p Active,
    protocol: Protocol,
    headers: &[Header<'_>],
    facts: &Facts,
    now: i64,
    crypto: &HostCrypto<'_>,
) -> Verdict<'p> {
    let names = facts.names();
    let metadata = facts.metadata();
    let request = Request {
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
    };
    active.plan.evaluate(&request, crypto)
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
    let report = Report {
        verdict: Outcome::Unknown,
        status: None,
        stage: Stage::None,
        details: None,
        policy: None,
        reason: format!("the proxy does not tell {missing}"),
        dry_run: DryRun::default(),
        audit: false,
        missing: vec![missing.into()],
        nearest: None,
    };
    Decision { report, subject: None }
}
