//! One verdict: from the proxy's answers to the engine's request, and the plan's answer to that.

use crate::{
    active::Active,
    crypto::HostCrypto,
    digest::Digest,
    lines::Subject,
    properties::{Asked, Properties},
    write::Object,
};
use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::cell::Cell;
use gnomon_engine::{
    Plan, Request,
    jwt::{Authentication, Edit, Json, Place, unsigned_token},
    plan::{RequiredInputs, Verdict},
    request::{ExtAuthzAnswer, Header, Protocol},
    verdict::{DryRun, Missing, Outcome, Report, RequestField, Stage},
};

const NATIVE_FILTER: &str = "envoy.filters.http.jwt_authn";

const BEHIND_JWT_AUTHN: &str =
    "a jwt_authn filter in front has taken the token out of the request: put this filter before it";
const UNCHECKED: &str = "neither the proxy nor this module can check the token's signature";

/// The candidate's verdict and what is needed to tell people about it.
#[derive(Debug)]
pub struct Decision {
    /// The verdict. The reason is only there where the candidate does not simply let the request through.
    pub report: Report,
    /// The baseline's, where there is one.
    pub baseline: Option<Report>,
    /// The verdict stands, but an external provider that was not asked might have refused before.
    pub provider_unasked: bool,
    /// Who asked for what, as the candidate saw it; where it lets the request through, the header map can still be
    /// read when that is wanted.
    pub subject: Option<Subject>,
    /// What `jwt_authn` would do to the request; only where the verdict is enforced.
    pub edits: Vec<Edit>,
}

/// A verdict, and what the JWT stage found where it was reached.
type Answer<'p> = (Verdict<'p>, Option<Authentication>);

/// What one stream shows to the plans.
struct StreamInputs<'a> {
    asked: &'a Asked<'a>,
    active: &'a Active,
    protocol: Protocol,
    /// Those that have let the stream pass.
    providers: &'a [String],
    headers: &'a [Header<'a>],
    properties: Properties,
    now: i64,
    native: Option<Native>,
}

/// What Envoy's own `jwt_authn` has left, where no token is found: it leaves the claims of one that it has verified, and
/// takes the token out of the request unless it is told to forward it.
#[derive(Clone)]
enum Native {
    /// Nothing.
    Nothing,
    /// Claims, which nobody has said are to be believed.
    Claims,
    /// Claims, as a token of this issuer.
    Token(String, Vec<u8>),
}

impl Native {
    fn read(asked: &Asked<'_>, active: &Active) -> Native {
        // A null among the claims makes the read fail; only what is not there is not there.
        if asked.host().has_verified_claims() == Ok(false) {
            return Native::Nothing;
        }
        let token = if active.local.reporter.settings.trust_native { native_token(asked) } else { None };
        token.map_or(Native::Claims, |(issuer, token)| Native::Token(issuer, token))
    }
}

impl StreamInputs<'_> {
    /// Asked for once, however many plans there are.
    fn native(&mut self) -> Native {
        if self.native.is_none() {
            self.native = Some(Native::read(self.asked, self.active));
        }
        self.native.clone().unwrap_or(Native::Nothing)
    }

    fn with<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let names = self.properties.names();
        let providers = self.providers.iter();
        let ext_authz: Vec<(String, ExtAuthzAnswer)> =
            providers.map(|name| (name.clone(), ExtAuthzAnswer::Allow)).collect();
        ask(&Request {
            protocol: self.protocol,
            headers: self.headers,
            peer: self.properties.peer(&names),
            source_ip: self.properties.source_ip(),
            remote_ip: self.properties.remote_ip(),
            destination_ip: self.properties.destination_ip(),
            destination_port: self.properties.destination_port(),
            sni: self.properties.sni(),
            metadata: self.properties.metadata(),
            now: self.now,
            ext_authz: &ext_authz,
        })
    }

    /// The plan's verdict and what its JWT stage found; where the verdict depends on something unknown, the proxy is
    /// asked for more first. A token is checked once.
    fn ask<'p>(&mut self, plan: &'p Plan, crypto: &HostCrypto<'_>) -> Answer<'p> {
        let answer = self.with(|request| plan.evaluate_and_authenticate(request, crypto));
        // Even where the verdict stands, an unknown may hide which rule gives it.
        if answer.0.certain || !self.properties.more(self.asked, &self.active.local.peers) {
            return answer;
        }
        match answer.1 {
            Some(found) => (self.with(|request| plan.evaluate_authenticated(request, &found)), Some(found)),
            None => self.with(|request| plan.evaluate_and_authenticate(request, crypto)),
        }
    }
}

/// Evaluates the candidate, and the baseline where there is one, for the stream that the proxy is at. `passed`: no external
/// provider has refused it, so that those in front of this filter have let it pass.
pub fn decide(asked: &Asked<'_>, active: &Active, protocol: Protocol, passed: bool) -> Decision {
    if !active.local.is_timed() {
        return untimed(asked, active, protocol, passed);
    }
    let before = asked.host().now();
    let decision = untimed(asked, active, protocol, passed);
    if let (Ok(before), Ok(after)) = (before, asked.host().now()) {
        active.local.reporter.metrics.took(asked.host(), after.saturating_sub(before));
    }
    decision
}

fn untimed(asked: &Asked<'_>, active: &Active, protocol: Protocol, passed: bool) -> Decision {
    let needs = needs(active);
    let with_headers =
        protocol == Protocol::Http && (needs.headers || active.local.reporter.settings.enforce);
    if !with_headers {
        return decide_by(asked, active, protocol, passed, &[]);
    }
    let mut decision = None;
    let told = asked.host().request_headers(&mut |headers| {
        // Without any, the stream has none any more.
        if !headers.is_empty() {
            decision = Some(decide_by(asked, active, protocol, passed, headers));
        }
    });
    let _counted = asked.count(told);
    decision.unwrap_or_else(|| unknown(RequestField::Headers))
}

fn decide_by(
    asked: &Asked<'_>,
    active: &Active,
    protocol: Protocol,
    passed: bool,
    headers: &[Header<'_>],
) -> Decision {
    let needs = needs(active);
    let now = if needs.now { asked.count(asked.host().now()) } else { Ok(0) };
    let Ok(now) = now else { return unknown(RequestField::Time) };
    let now = i64::try_from(now / 1_000_000_000).unwrap_or(i64::MAX);
    let properties =
        Properties::first(asked, needs, active.local.reporter.settings.proxy, &active.local.peers);
    if let Some(missing) = properties.missing() {
        return unknown(missing);
    }
    let providers = if passed { &active.local.reporter.settings.providers_in_front[..] } else { &[] };
    let mut inputs =
        StreamInputs { asked, active, protocol, providers, headers, properties, now, native: None };
    let good = Cell::new(None);
    let baseline = active.plans.baseline.as_ref().map(|plan| judge(&mut inputs, plan, &good).report);
    Decision { baseline, ..judge(&mut inputs, &active.plans.candidate, &good) }
}

fn needs(active: &Active) -> RequiredInputs {
    let needs = active.plans.candidate.required_inputs();
    active.plans.baseline.as_ref().map_or(needs, |baseline| needs.or(baseline.required_inputs()))
}

fn judge(inputs: &mut StreamInputs<'_>, plan: &Plan, good: &Cell<Option<Digest>>) -> Decision {
    let mut crypto = HostCrypto::new(inputs.asked, &inputs.active.local, good, plan);
    let (mut verdict, mut found) = inputs.ask(plan, &crypto);
    let with_subject =
        |inputs: &StreamInputs<'_>| (!inputs.headers.is_empty()).then(|| Subject::read(inputs.headers));
    if crypto.undecided() {
        return Decision { subject: with_subject(inputs), ..unknown_because(RequestField::Token, UNCHECKED) };
    }
    // No token: unless Envoy's own filter stands in front and has verified and removed one.
    if found.as_ref().is_some_and(Authentication::is_without_token) {
        match inputs.native() {
            Native::Nothing => {}
            Native::Claims => {
                let subject = with_subject(inputs);
                return Decision { subject, ..unknown_because(RequestField::Token, BEHIND_JWT_AUTHN) };
            }
            Native::Token(issuer, token) => {
                crypto.vouch(token.clone());
                (verdict, found) = with_token(inputs, plan, &issuer, &token, &crypto);
            }
        }
    }
    let provider_unasked =
        verdict.missing.iter().any(|missing| matches!(missing, Missing::ProviderAnswer(_)));
    let claims = &inputs.active.local.reporter.settings.report.claims;
    let allow = verdict.outcome == Outcome::Allow;
    #[cfg(feature = "threads")]
    inputs.asked.host().decided(plan, found.as_ref(), inputs.properties.metadata());
    let (payload, edits) = found.map(|found| (found.payload, found.edits)).unwrap_or_default();
    let mut subject = if allow && claims.is_empty() { None } else { with_subject(inputs) };
    if let (Some(subject), Some(payload)) = (&mut subject, &payload) {
        subject.claims = chosen(payload, claims);
    }
    // Nobody will read the reason of a request that is simply let through, so that none is written.
    let report = if allow { allowed(&verdict) } else { verdict.report() };
    let edits = if allow && inputs.active.local.reporter.settings.enforce { edits } else { Vec::new() };
    Decision { report, baseline: None, provider_unasked, subject, edits }
}

/// The verdict with a token put where the candidate looks for it.
fn with_token<'p>(
    inputs: &mut StreamInputs<'_>,
    plan: &'p Plan,
    issuer: &str,
    token: &[u8],
    crypto: &HostCrypto<'_>,
) -> Answer<'p> {
    let (name, value) = match plan.authenticator().place(issuer) {
        Place::Header { name, prefix } => (name, [prefix.as_bytes(), token].concat()),
        Place::Cookie(cookie) => ("cookie".into(), [cookie.as_bytes(), b"=", token].concat()),
        // The rule also looks into the header that is everybody's, or it will not see it: then the token is missing.
        Place::Param(_) => ("authorization".into(), [b"Bearer ", token].concat()),
    };
    let mut headers = inputs.headers.to_vec();
    headers.push((name.as_bytes(), &value));
    let StreamInputs { asked, active, protocol, providers, properties, now, .. } = inputs;
    let mut inputs = StreamInputs {
        asked,
        active,
        protocol: *protocol,
        providers,
        headers: &headers,
        properties: core::mem::take(properties),
        now: *now,
        native: None,
    };
    let answer = inputs.ask(plan, crypto);
    *properties = inputs.properties;
    answer
}

/// The claims that it left, as a token of their issuer.
fn native_token(asked: &Asked<'_>) -> Option<(String, Vec<u8>)> {
    let metadata = asked.count(asked.host().metadata()).ok()?;
    let (_, left) = metadata.iter().find(|(filter, _)| filter == NATIVE_FILTER)?;
    let payload = left.member("payload")?;
    let issuer = payload.member("iss").and_then(Json::as_str).unwrap_or_default();
    Some((issuer.into(), unsigned_token(payload).into_bytes()))
}

/// Some claims as a JSON object; empty: none of them is there.
fn chosen(payload: &Json, names: &[String]) -> String {
    let mut object = Object::default();
    let mut any = false;
    for name in names {
        if let Some(value) = payload.member(name) {
            object.json(name, crate::lines::cut_json(&value.write()));
            any = true;
        }
    }
    if any { object.end() } else { String::new() }
}

/// A request that the candidate lets through: nobody will read a reason, so that none is written.
fn allowed(verdict: &Verdict<'_>) -> Report {
    Report {
        verdict: Outcome::Allow,
        status: Some(200),
        stage: verdict.stage,
        details: None,
        policy: verdict.policy().map(ToString::to_string),
        location: None,
        reason: String::new(),
        dry_run: DryRun::default(),
        audit: verdict.audit,
        missing: Vec::new(),
        nearest: None,
        without_token: false,
    }
}

/// What the proxy does not tell.
fn unknown(missing: RequestField) -> Decision {
    unknown_because(missing, &format!("the proxy does not tell {}", missing.name()))
}

fn unknown_because(missing: RequestField, reason: &str) -> Decision {
    Decision::unknown(vec![missing.into()], reason)
}

impl Decision {
    /// Nobody knows, for this reason.
    pub fn unknown(missing: Vec<Missing>, reason: &str) -> Decision {
        let report = Report {
            verdict: Outcome::Unknown,
            status: None,
            stage: Stage::None,
            details: None,
            policy: None,
            location: None,
            reason: reason.into(),
            dry_run: DryRun::default(),
            audit: false,
            missing,
            nearest: None,
            without_token: false,
        };
        Decision { report, baseline: None, provider_unasked: false, subject: None, edits: Vec::new() }
    }
}
