//! A request on its way through the filters of a chain.

use super::{
    OTHERS,
    chain::{Chain, Does},
    evaluation_context::{Claims, EvaluationContext, JWT_FILTER, Left},
    ext_authz::ExtAuthz,
    fields::not_evaluated,
    rbac::{Action, Found, Rbac, Rules},
    request_view::RequestView,
    routes::Taken,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use gnomon_engine::{
    jwt::{Authentication, Crypto, Json},
    plan::Tri,
    request::{ExtAuthzAnswer, Protocol, Request},
    verdict::{DryRun, Missing, Outcome, Report, ShadowResult, Stage},
    versions,
    workload::IstioVersion,
};

/// The shadow rules that only tell ext_authz whom to ask have this prefix.
const CUSTOM_PREFIX: &str = "istio_ext_authz_";

/// The cluster without endpoints to which istiod sends what must not get through: connections to the port that the
/// sidecar's own listener is bound to, and to unknown destinations under `REGISTRY_ONLY`.
pub(super) const BLACK_HOLE: &str = "BlackHoleCluster";

/// What is known so far.
struct Walk<'c> {
    chain: &'c Chain,
    report: Report,
    /// The first stage that may have refused it.
    doubtful: Option<Stage>,
    left: Vec<Left>,
    /// RBAC sees the lines of a header as one value.
    joins_lines: bool,
}

/// It is refused: nothing further is asked.
struct Refused;

impl Chain {
    /// What the filters of this chain do with a request. `nearest` is never set; [`Report::missing`] names what could
    /// not be evaluated where the verdict depends on it.
    ///
    /// `version` says how the proxy's Envoy takes the lines of a header, which its configuration does not. Filters stand in the order of the configuration. On a chain without an HTTP connection manager every request is
    /// a TCP connection.
    pub fn evaluate(&self, request: &Request<'_>, version: IstioVersion, crypto: &dyn Crypto) -> Report {
        let joins_lines = !versions::matches_lines_apart(version);
        let mut walk = Walk { chain: self, report: allowed(), doubtful: None, left: Vec::new(), joins_lines };
        let done = walk.run(request, crypto);
        walk.finish(done.is_err())
    }
}

/// Nothing has had a say yet.
pub(super) fn allowed() -> Report {
    Report {
        verdict: Outcome::Allow,
        status: Some(200),
        stage: Stage::None,
        details: None,
        policy: None,
        location: None,
        reason: String::new(),
        dry_run: DryRun::default(),
        audit: false,
        missing: Vec::new(),
        nearest: None,
        without_token: false,
    }
}

impl Walk<'_> {
    fn run(&mut self, request: &Request<'_>, crypto: &dyn Crypto) -> Result<(), Refused> {
        let chain = self.chain;
        if let Some(name) = &chain.criteria.unread {
            self.doubt(Stage::Mtls, [not_evaluated(name)]);
        }
        let request = Request { peer: chain.peer(request.peer), sni: chain.sni(request), ..*request };
        // Network filters see the connection only.
        let connection = Request { protocol: Protocol::Tcp, headers: &[], ..request };
        let request = if chain.protocol == Protocol::Tcp { connection } else { request };
        let request = &request;
        let mut authentication: Option<(Authentication, &str)> = None;
        let mut unknown_claims = None;
        if chain.bare && !chain.has_jwt() {
            unknown_claims = Some(Missing::FilterMetadata(JWT_FILTER.into()));
        }
        let route = self.route(request);
        let asked = chain.filters.iter().filter(|filter| matches!(filter.does, Does::ExtAuthz(_))).count();
        for filter in &chain.filters {
            let filter = match &route {
                Taken::Unknown(missing) if !filter.by_route.is_empty() => {
                    self.doubt(filter.does.stage(), missing.iter().cloned());
                    continue;
                }
                Taken::Route(route) => filter.at(Some(*route)),
                Taken::Unknown(_) | Taken::None => &filter.does,
            };
            let network = match filter {
                Does::Rbac(rbac) => rbac.network,
                Does::ExtAuthz(filter) => filter.network,
                Does::Jwt(_) | Does::Unread(..) | Does::Nothing(_) => false,
            };
            let claims = match (&unknown_claims, &authentication) {
                (Some(missing), _) => Claims::Unknown(missing),
                (_, Some((found, key))) => {
                    Claims::Known(found.payload.as_deref().map(|payload| (*key, payload)))
                }
                (_, None) => Claims::Known(None),
            };
            let seen = if network { &connection } else { request };
            let edits = authentication.as_ref().map_or(&[][..], |(found, _)| &found.edits);
            let view = RequestView {
                request: seen,
                edits: if network { &[] } else { edits },
                joins_lines: self.joins_lines,
            };
            let left = core::mem::take(&mut self.left);
            let context = EvaluationContext { view, claims, left: &left, internal: chain.internal };
            let mut new = Vec::new();
            let result = match filter {
                Does::Nothing(_) => Ok(()),
                Does::Unread(stage, name) => {
                    self.doubt(*stage, [not_evaluated(name)]);
                    if *stage == Stage::Jwt {
                        unknown_claims = Some(not_evaluated(name));
                    }
                    Ok(())
                }
                Does::Rbac(rbac) => self.rbac(rbac, &context, &mut new),
                Does::ExtAuthz(filter) => self.ext_authz(filter, &context, asked == 1),
                Does::Jwt(jwt) => {
                    if let Some(name) = jwt.unread(seen) {
                        self.doubt(Stage::Jwt, [not_evaluated(name)]);
                    }
                    let found = jwt.authenticator.authenticate(seen, crypto);
                    match &found.failure {
                        // What the later filters say depends on the claims: no use going on.
                        Some(failure) if failure.missing.is_some() => {
                            self.doubt(Stage::Jwt, failure.missing.clone());
                            return Ok(());
                        }
                        Some(failure) => {
                            self.report.without_token = failure.without_token;
                            let details =
                                format!("jwt_authn_access_denied{{{}}}", underscored(failure.message));
                            let reason = format!("jwt_authn refused the token: {}", failure.message);
                            self.refuse(Stage::Jwt, Some(failure.status), details, None, reason)
                        }
                        None => {
                            let key = jwt.payload_key(found.rule);
                            authentication = Some((found, key));
                            Ok(())
                        }
                    }
                }
            };
            self.left = left;
            self.left.append(&mut new);
            result?;
        }
        if matches!(route, Taken::None) && chain.routes.is_some() && self.doubtful.is_none() {
            let (details, reason) = ("route_not_found", "no route takes this request: Envoy answers 404");
            return self.refuse(Stage::None, Some(404), details.into(), None, reason.into());
        }
        Ok(())
    }

    /// The route of a request, which is chosen before any filter changes it.
    fn route(&self, request: &Request<'_>) -> Taken {
        let Some(routes) = self.chain.routes.as_ref().filter(|_| OTHERS) else { return Taken::None };
        let view = RequestView { request, edits: &[], joins_lines: self.joins_lines };
        let claims = Claims::Known(None);
        routes.of(&EvaluationContext { view, claims, left: &[], internal: self.chain.internal })
    }

    /// The shadow engine first, then the enforced one.
    fn rbac(
        &mut self,
        rbac: &Rbac,
        context: &EvaluationContext<'_>,
        left: &mut Vec<Left>,
    ) -> Result<(), Refused> {
        if let Some(shadow) = &rbac.shadow {
            let found = shadow.first_match(context);
            leave(left, rbac.network, &rbac.shadow_prefix, "shadow", shadow, &found);
            if rbac.shadow_prefix != CUSTOM_PREFIX {
                match shadow.action {
                    // A matcher too: what it does not decide is refused.
                    Action::Allow => self.report.dry_run.allow = Some(shadow_result(shadow, &found)),
                    Action::Deny => self.report.dry_run.deny = Some(shadow_result(shadow, &found)),
                    Action::Log => {}
                }
            }
        }
        let Some(rules) = &rbac.rules else { return Ok(()) };
        let found = rules.first_match(context);
        leave(left, rbac.network, &rbac.rules_prefix, "enforced", rules, &found);
        let status = (!rbac.network).then_some(403);
        let stage = match rules.action {
            Action::Allow if matches!(found, Found::Match(_, Action::Deny)) => Stage::Deny,
            Action::Allow => Stage::Allow,
            Action::Log => Stage::Audit,
            Action::Deny if rules.is_custom() => Stage::Custom,
            Action::Deny => Stage::Deny,
        };
        match (rules.action, found) {
            (_, Found::Match(_, Action::Log)) => self.report.audit = true,
            (Action::Log, _) | (Action::Deny, Found::Nothing) => {}
            (_, Found::Unknown(missing)) => self.doubt(stage, missing),
            (_, Found::Match(name, Action::Allow)) => {
                self.report.stage = stage;
                self.report.policy = Some(name.into());
                self.report.reason = format!("ALLOW policy {name} matched");
            }
            (Action::Allow, Found::Nothing) => {
                let reason = match rules.matcher {
                    Some(_) => "nothing in the matcher of the RBAC filter decides, so that it refuses",
                    None => "the ALLOW filter has no policy that matches",
                };
                let reason = reason.into();
                return self.refuse(stage, status, details("none"), None, reason);
            }
            (_, Found::Match(name, Action::Deny)) => {
                let reason = format!("DENY policy {name} matched");
                return self.refuse(stage, status, details(name), Some(name.into()), reason);
            }
        }
        Ok(())
    }

    fn ext_authz(
        &mut self,
        filter: &ExtAuthz,
        context: &EvaluationContext<'_>,
        only: bool,
    ) -> Result<(), Refused> {
        if let Some(name) = &filter.unread {
            self.doubt(Stage::Custom, [not_evaluated(name)]);
        }
        if context.view.request.is_without_path() {
            return Ok(());
        }
        let asked = filter.asked.as_ref().map_or(Tri::True, |asked| asked.matches(context));
        if asked == Tri::False {
            return Ok(());
        }
        let answer = filter.answer(context.view.request, only);
        let passes = match answer {
            Some(ExtAuthzAnswer::Allow) => Some(true),
            Some(ExtAuthzAnswer::Error) => Some(filter.fail_open),
            Some(ExtAuthzAnswer::Deny) => Some(false),
            None => None,
        };
        match (asked, passes) {
            (_, Some(true)) => {
                self.report.stage = Stage::Custom;
                self.report.reason = format!("provider {} let it pass", filter.name());
            }
            (Tri::True, Some(false)) => {
                let failed = answer == Some(ExtAuthzAnswer::Error);
                let (details, did, status) = match failed {
                    true => ("ext_authz_error", "did not answer", filter.status_on_error),
                    false => ("ext_authz_denied", "refused", 403),
                };
                let policy = filter.asked.as_ref().and_then(|asked| {
                    let value = context.metadata(&asked.filter, &asked.path).ok()??;
                    value.as_str().map(ToString::to_string)
                });
                let reason = format!("provider {} {did}", filter.name());
                let status = (!filter.network).then_some(status);
                return self.refuse(Stage::Custom, status, details.into(), policy, reason);
            }
            (asked, passes) => {
                if let (Tri::Unknown, Some(metadata)) = (asked, &filter.asked) {
                    self.doubt(Stage::Custom, metadata.missing(context));
                }
                if passes.is_none() {
                    self.doubt(Stage::Custom, [Missing::ProviderAnswer(filter.name().into())]);
                }
            }
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        stage: Stage,
        status: Option<u16>,
        details: String,
        policy: Option<String>,
        reason: String,
    ) -> Result<(), Refused> {
        let report = &mut self.report;
        report.verdict = Outcome::Deny;
        report.stage = stage;
        report.status = status;
        report.details = Some(details);
        report.policy = policy;
        report.reason = reason;
        Err(Refused)
    }

    /// The answer depends on this, unless a later filter refuses anyway.
    fn doubt(&mut self, stage: Stage, missing: impl IntoIterator<Item = Missing>) {
        self.doubtful.get_or_insert(stage);
        Missing::add(&mut self.report.missing, missing);
    }

    fn finish(mut self, refused: bool) -> Report {
        if let (Some(stage), false) = (self.doubtful, refused) {
            self.report.verdict = Outcome::Unknown;
            self.report.stage = stage;
            self.report.status = None;
            self.report.reason = format!("the verdict depends on {}", Missing::clause(&self.report.missing));
        }
        if self.chain.black_hole && !refused {
            // Envoy closes such a connection with the flag UH: no healthy upstream.
            self.report.verdict = Outcome::Deny;
            self.report.stage = Stage::None;
            self.report.status = None;
            self.report.policy = None;
            self.report.reason = format!(
                "this chain leads to {BLACK_HOLE}, which has no endpoints: Envoy closes the connection, whatever the \
                 policies say"
            );
        }
        if self.report.reason.is_empty() {
            self.report.reason = match self.chain.is_secured() {
                true => "no filter of this chain refused it, and none has ALLOW policies".into(),
                false => "this chain has no security filter, so everything is allowed".into(),
            };
        }
        self.report
    }
}

/// The metadata of an engine.
fn leave(left: &mut Vec<Left>, network: bool, prefix: &str, engine: &str, rules: &Rules, found: &Found<'_>) {
    let value = match found {
        Found::Match(name, _) => Ok(Some(Json::String((*name).into()))),
        Found::Nothing => Ok(None),
        Found::Unknown(missing) => Err(missing.clone()),
    };
    // Where nothing matches, the id of an earlier filter stays.
    if value != Ok(None) {
        left.push(Left { network, key: format!("{prefix}{engine}_effective_policy_id"), value });
    }
    let result = match found {
        Found::Unknown(missing) => Err(missing.clone()),
        found => Ok(Some(Json::String(shadow_result(rules, found).result.into()))),
    };
    left.push(Left { network, key: format!("{prefix}{engine}_engine_result"), value: result });
}

/// What an engine says, in Envoy's words.
fn shadow_result(rules: &Rules, found: &Found<'_>) -> ShadowResult {
    match found {
        Found::Match(name, action) => {
            let result = if *action == Action::Deny { "denied" } else { "allowed" };
            ShadowResult { result, policy: Some((*name).into()) }
        }
        Found::Nothing => {
            let result = if rules.action == Action::Allow { "denied" } else { "allowed" };
            ShadowResult { result, policy: None }
        }
        Found::Unknown(_) => ShadowResult { result: "unknown", policy: None },
    }
}

fn details(policy: &str) -> String {
    format!("rbac_access_denied_matched_policy[{}]", underscored(policy))
}

fn underscored(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_whitespace() { '_' } else { c }).collect()
}
