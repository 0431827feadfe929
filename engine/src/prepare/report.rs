//! What a plan, or whatever else answers requests, says about a prepared one.

use super::{Older, Prepared, RequestSpec, Seen, settings::OwnPort};
use crate::{
    Plan,
    jwt::Crypto,
    path::Rejected,
    request::{Input, Protocol, Request},
    verdict::{DryRun, Explanation, Missing, Outcome, Report, Stage, StageResult, StageTrace},
    workload::ProxyKind,
};
use alloc::{format, string::String, vec::Vec};

impl Prepared<'_> {
    /// The verdict of a plan, without the nearest miss. `crypto` checks the signatures of real tokens.
    ///
    /// An address that the request does not state is absent and matches nothing. Where that decided,
    /// [`Report::missing`] names it, as a hint that the request says too little.
    pub fn report(&self, plan: &Plan, crypto: &dyn Crypto) -> Report {
        let crypto = self.vouching(crypto);
        let needs = plan.required_inputs();
        let spec = self.spec;
        let wanted = (needs.source_ip && spec.source_ip.is_none())
            || (needs.remote_ip && self.seen.remote_ip.is_none())
            || (needs.destination_ip && spec.destination_ip.is_none())
            || (needs.destination_port && spec.destination_port.is_none());
        let gated = |request: &Request<'_>| {
            let report = plan.evaluate(request, &crypto).report();
            comes_before_codec(&report).then_some(report)
        };
        self.answer(gated, |request| {
            let mut report = plan.evaluate(request, &crypto).report();
            if wanted {
                self.add_unstated(&mut report, request, |stated| plan.evaluate(stated, &crypto).report());
            }
            report
        })
    }

    /// The verdict with all stages and the nearest miss. Slow: for people.
    pub fn explain(&self, plan: &Plan, crypto: &dyn Crypto) -> Explanation {
        let report = self.report(plan, crypto);
        let vouching = self.vouching(crypto);
        let unasked = self.own_port.is_some() || self.seen.rejected.is_some();
        if unasked && !comes_before_codec(&report) {
            return Explanation { report, stages: Vec::new() };
        }
        let mut explanation = self.with_request(|request| plan.explain(request, &vouching));
        let nearest = explanation.report.nearest.take();
        explanation.report =
            Report { nearest: nearest.filter(|_| report.verdict == Outcome::Deny), ..report };
        if self.seen.rejected.is_none() {
            self.say_unread(&mut explanation, plan);
        }
        explanation
    }

    /// What is said about the request by whatever `ask` stands for: not at all where it is at a port of the proxy's
    /// own, and where Envoy answers itself only if `gate` lets the connection through.
    pub fn answer(
        &self,
        gate: impl Fn(&Request<'_>) -> Option<Report>,
        ask: impl Fn(&Request<'_>) -> Report,
    ) -> Report {
        if let Some(port) = &self.own_port {
            return at_own_port(port);
        }
        let of = |seen: &Seen| {
            self.with_seen(seen, |request| match &seen.rejected {
                Some(rejected) => gate(request).unwrap_or_else(|| rejection(rejected)),
                None => ask(request),
            })
        };
        let report = of(&self.seen);
        match &self.older {
            Some(older) => agreed(report, of(&older.seen), older),
            None => report,
        }
    }

    /// Names the addresses that the answer depends on, by the answer where those not stated are not known.
    pub fn add_unstated(
        &self,
        report: &mut Report,
        request: &Request<'_>,
        ask: impl FnOnce(&Request<'_>) -> Report,
    ) {
        let known = |input| if input == Input::Absent { Input::Unknown } else { input };
        let stated = Request {
            source_ip: known(request.source_ip),
            remote_ip: known(request.remote_ip),
            destination_ip: known(request.destination_ip),
            destination_port: match request.destination_port {
                Input::Absent => Input::Unknown,
                port => port,
            },
            ..*request
        };
        let then = ask(&stated);
        if then.verdict == Outcome::Unknown {
            let of_connection =
                |missing: &Missing| matches!(missing, Missing::Field(field) if field.is_of_connection());
            Missing::add(&mut report.missing, then.missing.into_iter().filter(of_connection));
        }
    }

    /// A stated token that nothing here reads has a line of its own: it must not vanish without a word.
    fn say_unread(&self, explanation: &mut Explanation, plan: &Plan) {
        let spec = self.spec;
        if explanation.report.missing.contains(&Missing::Configuration) {
            return;
        }
        let stages = &mut explanation.stages;
        if stages.iter().any(|stage| stage.stage == Stage::Jwt) {
            return;
        }
        let why = match (plan.proxy(), spec.protocol) {
            (ProxyKind::Ztunnel, _) => "ztunnel sees connections, not requests",
            (ProxyKind::Agentgateway, _) => "agentgateway gets no RequestAuthentication",
            (_, Protocol::Tcp) => "a TCP connection has no token",
            _ => "no RequestAuthentication applies here",
        };
        let Some(mut line) = spec.unread_token(why) else { return };
        let before = stages.iter().take_while(|stage| stage.stage < Stage::Jwt).count();
        if stages.iter().take(before).any(|stage| stage.result == StageResult::Refused) {
            line.result = StageResult::NotReached;
        }
        stages.insert(before, line);
    }
}

impl RequestSpec {
    /// The JWT stage where nothing reads the token that is stated, and why; `None`: none is stated.
    pub fn unread_token(&self, why: &str) -> Option<StageTrace> {
        let (stated, verb) = match (&self.claims, &self.token) {
            (Some(_), _) => ("claims", "are"),
            (None, Some(_)) => ("token", "is"),
            (None, None) => return None,
        };
        let summary = format!("{why}: the `{stated}` of the request {verb} not read");
        Some(StageTrace { stage: Stage::Jwt, result: StageResult::Passed, summary, rules: Vec::new() })
    }
}

/// Known before a request is read: who may not connect, and a proxy that is not there, reject no request.
fn comes_before_codec(report: &Report) -> bool {
    report.stage == Stage::Mtls || report.missing.contains(&Missing::Configuration)
}

/// The verdict on which both releases agree.
fn agreed(newest: Report, older: Report, by: &Older) -> Report {
    if newest.verdict == older.verdict {
        return newest;
    }
    let Older { release, newest: newer, .. } = by;
    let (before, now) = (older.verdict.name(), newest.verdict.name());
    let mut missing = alloc::vec![Missing::PatchRelease];
    Missing::add(&mut missing, newest.missing.into_iter().chain(older.missing));
    Report {
        verdict: Outcome::Unknown,
        status: None,
        details: None,
        policy: None,
        location: None,
        nearest: None,
        reason: format!(
            "{before} with Istio {release}, {now} with {newer}, which removes `..;` segments from the path: \
             `istioVersion` does not say which patch release it is"
        ),
        stage: match (newest.stage, older.stage) {
            (Stage::None, stage) | (stage, Stage::None) => stage,
            (stage, older) => stage.min(older),
        },
        missing,
        without_token: false,
        dry_run: newest.dry_run,
        audit: newest.audit,
    }
}

/// What nobody but the proxy itself had a say in.
fn unasked(verdict: Outcome, status: Option<u16>, reason: String) -> Report {
    Report {
        verdict,
        status,
        stage: Stage::None,
        details: None,
        policy: None,
        location: None,
        reason,
        dry_run: DryRun::default(),
        audit: false,
        missing: Vec::new(),
        nearest: None,
        without_token: false,
    }
}

fn rejection(rejected: &Rejected) -> Report {
    let location = rejected.location.as_deref().map(|path| String::from_utf8_lossy(path).into_owned());
    let verdict = if location.is_some() { Outcome::Redirect } else { Outcome::Deny };
    Report {
        details: Some(rejected.details.into()),
        location,
        ..unasked(verdict, rejected.status, format!("{rejected}; no policy is asked"))
    }
}

fn at_own_port(own: &OwnPort) -> Report {
    let OwnPort { port, serves, what } = own;
    let verdict = if *serves { Outcome::Allow } else { Outcome::Deny };
    unasked(
        verdict,
        serves.then_some(200),
        format!("{port} is the proxy's own port: no policy is asked; {what}"),
    )
}
