//! The stages, in the proxy's order.

use super::{
    Plan,
    custom::CustomStage,
    facts::Facts,
    missing,
    outcome::{Refusal, Shadow, Verdict},
    rule::{Found, RuleSet, first_match},
};
use crate::{
    jwt::{Authentication, Crypto},
    request::{ExtAuthzAnswer, Input, Peer, Protocol, Request},
    resource::MtlsMode,
    verdict::{Outcome, Stage},
    workload::ProxyKind,
};
use alloc::{format, string::String};

/// A verdict and what the JWT stage found on the way.
pub(super) struct Run<'p> {
    pub(super) verdict: Verdict<'p>,
    /// `None`: not reached, or no rule applies.
    pub(super) authentication: Option<Authentication>,
}

/// One request on its way through the stages.
struct Walk<'p> {
    verdict: Verdict<'p>,
    /// Stages that may have refused it: from here on "allow" is out of reach.
    doubtful: Option<Stage>,
    /// The last stage that let it through by a say of its own.
    decided: Stage,
}

impl<'p> Walk<'p> {
    fn refuse(mut self, stage: Stage, refusal: Refusal<'p>) -> Verdict<'p> {
        self.verdict.outcome = Outcome::Deny;
        self.verdict.stage = stage;
        self.verdict.refusal = Some(refusal);
        self.verdict
    }

    fn unknown(mut self, stage: Stage) -> Verdict<'p> {
        self.verdict.outcome = Outcome::Unknown;
        self.verdict.stage = stage;
        self.verdict
    }

    /// The answer hangs on `missing`, unless a later stage refuses anyway.
    fn doubt(&mut self, stage: Stage, missing: impl IntoIterator<Item = String>) {
        self.doubtful.get_or_insert(stage);
        self.verdict.certain = false;
        for name in missing {
            if !self.verdict.missing.contains(&name) {
                self.verdict.missing.push(name);
            }
        }
    }

    fn finish(mut self) -> Verdict<'p> {
        match self.doubtful {
            Some(stage) => self.unknown(stage),
            None => {
                self.verdict.stage = self.decided;
                self.verdict
            }
        }
    }
}

pub(super) fn run<'p>(plan: &'p Plan, request: &Request<'_>, crypto: &dyn Crypto) -> Run<'p> {
    let mut walk =
        Walk { verdict: Verdict::allow(plan, request.protocol), doubtful: None, decided: Stage::None };
    let chain = plan.chain(request.protocol);
    let early = Facts { request, payload: None, edits: &[], joins_lines: plan.joins_lines };

    match mtls(plan, request) {
        Gate::Open => {}
        Gate::Shut(refusal) => {
            return Run { verdict: walk.refuse(Stage::Mtls, refusal), authentication: None };
        }
        Gate::Unknown(input) => walk.doubt(Stage::Mtls, [input.into()]),
    }

    match &chain.custom {
        CustomStage::Absent | CustomStage::Skipped { .. } => {}
        CustomStage::Broken { rules, .. } => match first_match(rules, &early, &mut walk.verdict.certain) {
            Found::Match(rule) => {
                return Run {
                    verdict: walk.refuse(Stage::Custom, Refusal::Rbac(Some(rule))),
                    authentication: None,
                };
            }
            Found::Unknown => walk.doubt(Stage::Custom, missing::inputs(rules, &early)),
            Found::Nothing => {}
        },
        CustomStage::Ask(ask) => {
            let found = first_match(&ask.rules, &early, &mut walk.verdict.certain);
            let answer = request.ext_authz.iter().find(|(name, _)| *name == ask.provider).map(|(_, a)| *a);
            let passes = match answer {
                Some(ExtAuthzAnswer::Allow) => Some(true),
                Some(ExtAuthzAnswer::Error) => Some(ask.fail_open),
                Some(ExtAuthzAnswer::Deny) => Some(false),
                None => None,
            };
            match (found, passes) {
                (Found::Nothing, _) => {}
                (_, Some(true)) => walk.decided = Stage::Custom,
                (Found::Match(rule), Some(false)) => {
                    let failed = answer == Some(ExtAuthzAnswer::Error);
                    let refusal = Refusal::ExtAuthz { ask, rule, failed };
                    return Run { verdict: walk.refuse(Stage::Custom, refusal), authentication: None };
                }
                (found, passes) => {
                    if matches!(found, Found::Unknown) {
                        walk.doubt(Stage::Custom, missing::inputs(&ask.rules, &early));
                    }
                    if passes.is_none() {
                        walk.doubt(Stage::Custom, [format!("extAuthz.{}", ask.provider)]);
                    }
                }
            }
        }
    }

    let http = request.protocol == Protocol::Http && plan.proxy != ProxyKind::Ztunnel;
    let authentication =
        (http && !plan.authenticator.is_empty()).then(|| plan.authenticator.authenticate(request, crypto));
    if let Some(failure) = authentication.as_ref().and_then(|a| a.failure.as_ref()) {
        let verdict = match &failure.missing {
            // What the later stages say hangs on the claims: no use going on.
            Some(missing) => {
                walk.doubt(Stage::Jwt, [missing.clone()]);
                walk.finish()
            }
            None => {
                walk.refuse(Stage::Jwt, Refusal::Jwt { status: failure.status, message: failure.message })
            }
        };
        return Run { verdict, authentication };
    }
    let verdict = {
        let facts = match &authentication {
            Some(found) => Facts { request, payload: found.payload.as_ref(), edits: &found.edits, ..early },
            None => early,
        };
        authorize(plan, request, &facts, walk)
    };
    Run { verdict, authentication }
}

/// AUDIT, DENY, ALLOW.
fn authorize<'p>(
    plan: &'p Plan,
    request: &Request<'_>,
    facts: &Facts<'_>,
    mut walk: Walk<'p>,
) -> Verdict<'p> {
    let chain = plan.chain(request.protocol);
    let certain = &mut walk.verdict.certain;
    walk.verdict.audit = matches!(first_match(&chain.audit.rules, facts, certain), Found::Match(_));

    walk.verdict.dry_deny = shadow(&chain.deny, facts, &mut walk.verdict.certain);
    match first_match(&chain.deny.rules, facts, &mut walk.verdict.certain) {
        Found::Match(rule) => return walk.refuse(Stage::Deny, Refusal::Rbac(Some(rule))),
        Found::Unknown => walk.doubt(Stage::Deny, missing::inputs(&chain.deny.rules, facts)),
        Found::Nothing => {}
    }

    walk.verdict.dry_allow = shadow(&chain.allow, facts, &mut walk.verdict.certain);
    if !chain.allow.enforced {
        return walk.finish();
    }
    match first_match(&chain.allow.rules, facts, &mut walk.verdict.certain) {
        Found::Match(rule) => {
            walk.verdict.allowed_by = Some(rule);
            walk.decided = Stage::Allow;
            walk.finish()
        }
        Found::Unknown => {
            walk.doubt(Stage::Allow, missing::inputs(&chain.allow.rules, facts));
            walk.finish()
        }
        Found::Nothing => walk.refuse(Stage::Allow, Refusal::Rbac(None)),
    }
}

fn shadow<'p>(set: &'p RuleSet, facts: &Facts<'_>, certain: &mut bool) -> Option<Shadow<'p>> {
    set.shadow.as_deref().map(|rules| match first_match(rules, facts, certain) {
        Found::Match(rule) => Shadow::Match(rule),
        Found::Unknown => Shadow::Unknown,
        Found::Nothing => Shadow::Nothing,
    })
}

enum Gate<'p> {
    Open,
    Shut(Refusal<'p>),
    /// Hangs on this input.
    Unknown(&'static str),
}

/// May the connection exist? STRICT wants a client certificate, DISABLE has no chain that takes TLS.
fn mtls<'p>(plan: &'p Plan, request: &Request<'_>) -> Gate<'p> {
    let Some(mtls) = &plan.mtls else { return Gate::Open };
    let port = match request.destination_port {
        Input::Is(port) => Some(port),
        Input::Absent => None,
        Input::Unknown => {
            let uniform = mtls.modes.ports.iter().all(|(_, mode)| *mode == mtls.modes.default);
            if !uniform {
                return Gate::Unknown("destination.port");
            }
            None
        }
    };
    let mode = mtls.modes.of(port);
    let refuse = || Gate::Shut(Refusal::Mtls { mode, set_by: mtls.set_by(port) });
    match (mode, request.peer) {
        (MtlsMode::Strict, Peer::Plaintext) | (MtlsMode::Disable, Peer::Tls { .. }) => refuse(),
        (MtlsMode::Strict, Peer::Tls { names: [], complete: true }) => refuse(),
        (MtlsMode::Strict, Peer::Tls { names: [], complete: false }) => Gate::Unknown("source.principal"),
        _ => Gate::Open,
    }
}
