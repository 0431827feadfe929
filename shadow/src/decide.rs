//! One verdict: from the proxy's answers to the engine's request, and the plan's answer to that.

use crate::{
    active::Active,
    answer::Answer,
    crypto::HostCrypto,
    digest::Digest,
    lines::Subject,
    properties::{Asked, Properties},
    write::Object,
};
use alloc::{boxed::Box, format, string::String, vec, vec::Vec};
use core::cell::Cell;
use gnomon_engine::{
    Plan, Request,
    jwt::{Authentication, Edit, Json, Place, unsigned_token},
    plan::{RequiredInputs, Verdict},
    request::{ExtAuthzAnswer, Header, Protocol},
    verdict::{Missing, Outcome, RequestField},
};

const NATIVE_FILTER: &str = "envoy.filters.http.jwt_authn";

const BEHIND_JWT_AUTHN: &str =
    "a jwt_authn filter in front has taken the token out of the request: put this filter before it";
const UNCHECKED: &str = "neither the proxy nor this module can check the token's signature";

/// The candidate's verdict and what is needed to tell people about it.
#[derive(Debug)]
pub struct Decision {
    /// The candidate's answer.
    pub answer: Answer,
    /// The baseline's, where there is one.
    pub baseline: Option<Answer>,
    /// The verdict stands, but an external provider that was not asked might have refused before.
    pub provider_unasked: bool,
    /// Who asked for what, as the candidate saw it; where it lets the request through, the header map can still be
    /// read when that is wanted.
    pub subject: Option<Box<Subject>>,
    /// What `jwt_authn` would do to the request; only where the verdict is enforced.
    pub edits: Vec<Edit>,
}

/// A verdict, and what the JWT stage found where it was reached.
type Found<'p> = (Verdict<'p>, Option<Authentication>);

/// What one stream shows to the plans.
struct StreamInputs<'a> {
    asked: &'a Asked<'a>,
    active: &'a Active,
    protocol: Protocol,
    /// What providers in front have answered.
    ext_authz: &'a [(String, ExtAuthzAnswer)],
    headers: &'a [Header<'a>],
    properties: &'a mut Properties,
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
            ext_authz: self.ext_authz,
        })
    }

    /// The plan's verdict and what its JWT stage found; where the verdict depends on something unknown, the proxy is
    /// asked for more first. A token is checked once.
    fn ask<'p>(&mut self, plan: &'p Plan, crypto: &HostCrypto<'_>) -> Found<'p> {
        let found = self.with(|request| plan.evaluate_and_authenticate(request, crypto));
        // Even where the verdict stands, an unknown may hide which rule gives it.
        if found.0.certain { found } else { self.ask_again(plan, crypto, found) }
    }

    #[cold]
    fn ask_again<'p>(&mut self, plan: &'p Plan, crypto: &HostCrypto<'_>, found: Found<'p>) -> Found<'p> {
        if !self.properties.more(self.asked, &self.active.local.peers) {
            return found;
        }
        match found.1 {
            Some(found) => (self.with(|request| plan.evaluate_authenticated(request, &found)), Some(found)),
            None => self.with(|request| plan.evaluate_and_authenticate(request, crypto)),
        }
    }

    /// Who asked for what.
    #[cold]
    fn subject(&self) -> Option<Box<Subject>> {
        (!self.headers.is_empty()).then(|| Box::new(Subject::read(self.headers)))
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
        return decide_by(asked, active, protocol, passed, &[], needs);
    }
    let mut decision = None;
    let told = asked.host().request_headers(&mut |headers| {
        // Without any, the stream has none any more.
        if !headers.is_empty() {
            decision = Some(decide_by(asked, active, protocol, passed, headers, needs));
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
    needs: RequiredInputs,
) -> Decision {
    let now = if needs.now { asked.count(asked.host().now()) } else { Ok(0) };
    let Ok(now) = now else { return unknown(RequestField::Time) };
    let now = i64::try_from(now / 1_000_000_000).unwrap_or(i64::MAX);
    let mut properties = Properties::default();
    properties.read(asked, needs, active.local.reporter.settings.proxy, &active.local.peers);
    if let Some(missing) = properties.missing() {
        return unknown(missing);
    }
    let ext_authz = if passed { &active.local.reporter.settings.providers_in_front[..] } else { &[] };
    let properties = &mut properties;
    let mut inputs =
        StreamInputs { asked, active, protocol, ext_authz, headers, properties, now, native: None };
    let good = Cell::new(None);
    let baseline = active.plans.baseline.as_ref().map(|plan| judge(&mut inputs, plan, &good).answer);
    let mut decision = judge(&mut inputs, &active.plans.candidate, &good);
    decision.baseline = baseline;
    decision
}

fn needs(active: &Active) -> RequiredInputs {
    let needs = active.plans.candidate.required_inputs();
    active.plans.baseline.as_ref().map_or(needs, |baseline| needs.or(baseline.required_inputs()))
}

fn judge(inputs: &mut StreamInputs<'_>, plan: &Plan, good: &Cell<Option<Digest>>) -> Decision {
    let mut crypto = HostCrypto::new(inputs.asked, &inputs.active.local, good, plan);
    let mut answered = inputs.ask(plan, &crypto);
    if crypto.undecided() {
        return Decision { subject: inputs.subject(), ..unknown_because(RequestField::Token, UNCHECKED) };
    }
    // No token: unless Envoy's own filter stands in front and has verified and removed one.
    if answered.1.as_ref().is_some_and(Authentication::is_without_token)
        && !without_token(inputs, plan, &mut crypto, &mut answered)
    {
        let subject = inputs.subject();
        return Decision { subject, ..unknown_because(RequestField::Token, BEHIND_JWT_AUTHN) };
    }
    let (verdict, found) = answered;
    #[cfg(feature = "threads")]
    inputs.asked.host().decided(plan, found.as_ref(), inputs.properties.metadata());
    let settings = &inputs.active.local.reporter.settings;
    let allow = verdict.outcome == Outcome::Allow;
    let claims = &settings.report.claims;
    let mut subject = if allow && claims.is_empty() { None } else { inputs.subject() };
    let mut edits = Vec::new();
    if let Some(Authentication { payload, edits: made, .. }) = found {
        if let (Some(subject), Some(payload)) = (&mut subject, &payload) {
            subject.claims = chosen(payload, claims);
        }
        if allow && settings.enforce {
            edits = made;
        }
    }
    let provider_unasked =
        verdict.missing.iter().any(|missing| matches!(missing, Missing::ProviderAnswer(_)));
    Decision { answer: Answer::of(&verdict), baseline: None, provider_unasked, subject, edits }
}

/// A token was looked for and none is there: what Envoy's own filter has taken is put back. False: there was one, which
/// nobody has said is to be believed.
fn without_token<'p>(
    inputs: &mut StreamInputs<'_>,
    plan: &'p Plan,
    crypto: &mut HostCrypto<'_>,
    answered: &mut Found<'p>,
) -> bool {
    match inputs.native() {
        Native::Nothing => {}
        Native::Claims => return false,
        Native::Token(issuer, token) => {
            crypto.vouch(token.clone());
            *answered = with_token(inputs, plan, &issuer, &token, crypto);
        }
    }
    true
}

/// The verdict with a token put where the candidate looks for it.
fn with_token<'p>(
    inputs: &mut StreamInputs<'_>,
    plan: &'p Plan,
    issuer: &str,
    token: &[u8],
    crypto: &HostCrypto<'_>,
) -> Found<'p> {
    let (name, value) = match plan.authenticator().place(issuer) {
        Place::Header { name, prefix } => (name, [prefix.as_bytes(), token].concat()),
        Place::Cookie(cookie) => ("cookie".into(), [cookie.as_bytes(), b"=", token].concat()),
        // The rule also looks into the header that is everybody's, or it will not see it: then the token is missing.
        Place::Param(_) => ("authorization".into(), [b"Bearer ", token].concat()),
    };
    let mut headers = inputs.headers.to_vec();
    headers.push((name.as_bytes(), &value));
    let StreamInputs { asked, active, protocol, ext_authz, properties, now, .. } = inputs;
    let (protocol, now, native) = (*protocol, *now, None);
    StreamInputs { asked, active, protocol, ext_authz, headers: &headers, properties, now, native }
        .ask(plan, crypto)
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

/// What the proxy does not tell.
#[cold]
fn unknown(missing: RequestField) -> Decision {
    unknown_because(missing, &format!("the proxy does not tell {}", missing.name()))
}

#[cold]
fn unknown_because(missing: RequestField, reason: &str) -> Decision {
    Decision::unknown(vec![missing.into()], reason)
}

impl Decision {
    /// Nobody knows, for this reason.
    pub fn unknown(missing: Vec<Missing>, reason: &str) -> Decision {
        let answer = Answer::unknown(missing, reason);
        Decision { answer, baseline: None, provider_unasked: false, subject: None, edits: Vec::new() }
    }
}
