//! The stages, in the proxy's order.

use super::{
    Plan,
    context::EvaluationContext,
    custom::CustomStage,
    index::{Index, Seen},
    missing,
    mtls::Answer,
    outcome::{Refusal, Shadow, Verdict},
    rule::{Found, Rule, RuleSet, first_match},
    stage,
};
use crate::{
    jwt::{Authentication, Crypto, Failure},
    request::{ExtAuthzAnswer, Protocol, Request},
    verdict::{Missing, Outcome, Stage},
    workload::ProxyKind,
};
use core::ops::ControlFlow;

/// A verdict, and what the JWT stage found.
pub(super) struct Run<'p> {
    pub(super) verdict: Verdict<'p>,
    /// `None`: not reached, or no rule applies.
    pub(super) authentication: Option<Authentication>,
}

/// The state of one request between the stages.
struct Walk<'p> {
    verdict: Verdict<'p>,
    /// The first stage that may have refused it: the verdict can no longer be "allow".
    doubtful: Option<Stage>,
    /// The last stage that decided to let it pass.
    decided: Stage,
}

/// Whether a walk goes on, or its verdict stands.
type Step = ControlFlow<()>;

impl<'p> Walk<'p> {
    fn new(plan: &'p Plan, protocol: Protocol) -> Self {
        Walk { verdict: Verdict::allow(plan, protocol), doubtful: None, decided: Stage::None }
    }

    fn refuse(&mut self, stage: Stage, refusal: Refusal<'p>) -> Step {
        self.verdict.outcome = Outcome::Deny;
        self.verdict.stage = stage;
        self.verdict.refusal = Some(refusal);
        ControlFlow::Break(())
    }

    /// The answer depends on `missing`, unless a later stage refuses anyway.
    fn doubt(&mut self, stage: Stage, missing: impl IntoIterator<Item = Missing>) {
        self.doubtful.get_or_insert(stage);
        self.verdict.certain = false;
        Missing::add(&mut self.verdict.missing, missing);
    }

    fn gate(&mut self, answer: Answer<'p>) -> Step {
        match answer {
            Answer::Open => {}
            Answer::Shut(refusal) => return self.refuse(Stage::Mtls, refusal),
            Answer::Unknown(missing) => self.doubt(Stage::Mtls, missing),
        }
        ControlFlow::Continue(())
    }

    /// All stages have been passed.
    fn finish(&mut self) -> Step {
        match self.doubtful {
            Some(stage) => {
                self.verdict.outcome = Outcome::Unknown;
                self.verdict.stage = stage;
            }
            None => self.verdict.stage = self.decided,
        }
        ControlFlow::Break(())
    }
}

/// How rules are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Indexed,
    /// One by one: the reference.
    Linearly,
}

/// Finds rules of one index for one request.
struct Search<'p> {
    index: &'p Index,
    seen: Seen,
    how: How,
}

impl<'p> Search<'p> {
    fn new(index: &'p Index, how: How) -> Self {
        Search { index, seen: Seen::new(), how }
    }

    fn first(
        &mut self,
        stage: usize,
        rules: &'p [Rule],
        context: &EvaluationContext<'_>,
        certain: &mut bool,
    ) -> Found<'p> {
        match self.how {
            _ if rules.is_empty() => Found::Nothing,
            How::Indexed => self.index.first_match(stage, rules, context, &mut self.seen, certain),
            How::Linearly => first_match(rules, context, certain),
        }
    }

    fn shadow(
        &mut self,
        stage: usize,
        set: &'p RuleSet,
        context: &EvaluationContext<'_>,
        certain: &mut bool,
    ) -> Option<Shadow<'p>> {
        set.shadow.as_deref().map(|rules| match self.first(stage, rules, context, certain) {
            Found::Match(rule) => Shadow::Match(rule),
            Found::Unknown => Shadow::Unknown,
            Found::Nothing => Shadow::Nothing,
        })
    }
}

/// All stages.
pub(super) fn run<'p>(plan: &'p Plan, request: &Request<'_>, crypto: &dyn Crypto, how: How) -> Run<'p> {
    let mut walk = Walk::new(plan, request.protocol);
    if until_jwt(plan, request, &mut walk, how).is_break() {
        return Run { verdict: walk.verdict, authentication: None };
    }
    let http = request.protocol == Protocol::Http && plan.proxy != ProxyKind::Ztunnel;
    let authentication =
        (http && !plan.authenticator.is_empty()).then(|| plan.authenticator.authenticate(request, crypto));
    let _stands = from_jwt_on(plan, request, authentication.as_ref(), &mut walk, how);
    Run { verdict: walk.verdict, authentication }
}

/// All stages, with a JWT answer that is already known.
pub(super) fn authenticated<'p>(
    plan: &'p Plan,
    request: &Request<'_>,
    found: &Authentication,
) -> Verdict<'p> {
    let mut walk = Walk::new(plan, request.protocol);
    if until_jwt(plan, request, &mut walk, How::Indexed).is_continue() {
        let _stands = from_jwt_on(plan, request, Some(found), &mut walk, How::Indexed);
    }
    walk.verdict
}

/// mTLS and CUSTOM.
fn until_jwt<'p>(plan: &'p Plan, request: &Request<'_>, walk: &mut Walk<'p>, how: How) -> Step {
    if plan.refused_configuration(request.protocol).is_some() {
        walk.doubt(Stage::None, [Missing::Configuration]);
        return walk.finish();
    }
    if let Some(mtls) = plan.mtls.as_ref().filter(|mtls| !mtls.is_open) {
        walk.gate(mtls.handshake(request))?;
        // ztunnel has it as one of its DENY policies, and asks it last.
        if plan.proxy != ProxyKind::Ztunnel {
            walk.gate(mtls.ask(request))?;
        }
    }

    let chain = plan.chain(request.protocol);
    let rules = chain.custom.rules();
    if rules.is_empty() {
        return ControlFlow::Continue(());
    }
    let context = EvaluationContext::early(plan, request);
    let found = Search::new(&chain.early, how).first(0, rules, &context, &mut walk.verdict.certain);
    match &chain.custom {
        CustomStage::Absent | CustomStage::Skipped { .. } => {}
        CustomStage::Broken { .. } => match found {
            Found::Match(rule) => {
                return walk.refuse(Stage::Custom, Refusal::Rbac(Some(rule)));
            }
            Found::Unknown => walk.doubt(Stage::Custom, missing::inputs(rules, &context)),
            Found::Nothing => {}
        },
        CustomStage::Ask(_) if request.is_without_path() => {}
        CustomStage::Ask(ask) => {
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
                    return walk.refuse(Stage::Custom, Refusal::ExtAuthz { ask, rule, failed });
                }
                (found, passes) => {
                    if matches!(found, Found::Unknown) {
                        walk.doubt(Stage::Custom, missing::inputs(rules, &context));
                    }
                    if passes.is_none() {
                        walk.doubt(Stage::Custom, [Missing::ProviderAnswer(ask.provider.clone())]);
                    }
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// JWT and the later stages; `found`: the JWT stage's answer, `None` where there is none.
fn from_jwt_on<'p>(
    plan: &'p Plan,
    request: &Request<'_>,
    found: Option<&Authentication>,
    walk: &mut Walk<'p>,
    how: How,
) -> Step {
    if let Some(failure) = found.and_then(|found| found.failure.as_ref()) {
        return match &failure.missing {
            // What the later stages say depends on the claims: no use going on.
            Some(missing) => {
                walk.doubt(Stage::Jwt, [missing.clone()]);
                walk.finish()
            }
            None => {
                let Failure { status, message, without_token, .. } = *failure;
                walk.refuse(Stage::Jwt, Refusal::Jwt { status, message, without_token })
            }
        };
    }
    let context = EvaluationContext {
        payload: found.and_then(|found| found.payload.as_deref()),
        edits: found.map(|found| &found.edits[..]).unwrap_or_default(),
        ..EvaluationContext::early(plan, request)
    };
    authorize(plan, &context, walk, how)
}

/// AUDIT, DENY, ALLOW.
fn authorize<'p>(plan: &'p Plan, context: &EvaluationContext<'_>, walk: &mut Walk<'p>, how: How) -> Step {
    let chain = plan.chain(context.request.protocol);
    let (deny, allow) = (&chain.deny, &chain.allow);
    let mut search = Search::new(&chain.late, how);
    let certain = &mut walk.verdict.certain;
    walk.verdict.audit =
        matches!(search.first(stage::AUDIT, &chain.audit.rules, context, certain), Found::Match(_));

    walk.verdict.dry_deny = search.shadow(stage::DRY_DENY, deny, context, certain);
    match search.first(stage::DENY, &deny.rules, context, certain) {
        Found::Match(rule) => return walk.refuse(Stage::Deny, Refusal::Rbac(Some(rule))),
        Found::Unknown => walk.doubt(Stage::Deny, missing::inputs(&deny.rules, context)),
        Found::Nothing => {}
    }
    if let Some(mtls) = plan.mtls.as_ref().filter(|_| plan.proxy == ProxyKind::Ztunnel) {
        walk.gate(mtls.ask(context.request))?;
    }

    let certain = &mut walk.verdict.certain;
    walk.verdict.dry_allow = search.shadow(stage::DRY_ALLOW, allow, context, certain);
    if !allow.enforced {
        return walk.finish();
    }
    match search.first(stage::ALLOW, &allow.rules, context, certain) {
        Found::Match(rule) => {
            walk.verdict.allowed_by = Some(rule);
            walk.decided = Stage::Allow;
            walk.finish()
        }
        Found::Unknown => {
            walk.doubt(Stage::Allow, missing::inputs(&allow.rules, context));
            walk.finish()
        }
        Found::Nothing => walk.refuse(Stage::Allow, Refusal::Rbac(None)),
    }
}
