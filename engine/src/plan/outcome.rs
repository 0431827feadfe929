//! A verdict that borrows from its plan: nothing is formatted before it is needed.

use super::{
    CustomStage, Plan,
    custom::Ask,
    mtls::Mode,
    rule::{Rule, RuleSet},
    ztunnel,
};
use crate::{
    request::Protocol,
    resource::MtlsMode,
    verdict::{DryRun, Missing, Outcome, Report, RequestField, ShadowResult, Stage},
    workload::{IstioVersion, ProxyKind},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// What a plan says about one request.
#[derive(Clone, Debug)]
pub struct Verdict<'p> {
    /// allow, deny or unknown.
    pub outcome: Outcome,
    /// The stage that decided; for `unknown` the first whose answer is not known.
    pub stage: Stage,
    /// An AUDIT rule matched.
    pub audit: bool,
    /// What the answer depends on that is not known. A refusal may name some too: then the request is refused either
    /// way, though perhaps by another stage.
    pub missing: Vec<Missing>,
    /// Nothing unknown was met. Where it was, an answer other than `unknown` still stands, but the stage, the
    /// policy and the dry-run results may differ.
    pub certain: bool,
    pub(super) plan: &'p Plan,
    pub(super) protocol: Protocol,
    pub(super) refusal: Option<Refusal<'p>>,
    pub(super) allowed_by: Option<&'p Rule>,
    pub(super) dry_allow: Option<Shadow<'p>>,
    pub(super) dry_deny: Option<Shadow<'p>>,
    /// Two patch releases and what each decides, where that differs.
    pub(super) apart: Option<[(IstioVersion, Outcome); 2]>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal<'p> {
    /// ztunnel takes no certificate but those of this trust domain.
    Handshake {
        trust_domain: &'p str,
    },
    Mtls {
        mode: &'p Mode,
    },
    ExtAuthz {
        ask: &'p Ask,
        rule: &'p Rule,
        failed: bool,
    },
    Jwt {
        status: u16,
        message: &'static str,
        without_token: bool,
    },
    /// By a DENY rule, or, without one, by the ALLOW stage.
    Rbac(Option<&'p Rule>),
}

/// The result of the dry-run rules of one action.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shadow<'p> {
    Match(&'p Rule),
    Unknown,
    Nothing,
}

impl<'p> Verdict<'p> {
    /// Allowed, until a stage refuses.
    pub(super) fn allow(plan: &'p Plan, protocol: Protocol) -> Self {
        Verdict {
            outcome: Outcome::Allow,
            stage: Stage::None,
            audit: false,
            missing: Vec::new(),
            certain: true,
            plan,
            protocol,
            refusal: None,
            allowed_by: None,
            dry_allow: None,
            dry_deny: None,
            apart: None,
        }
    }

    /// This verdict where an older patch release decides the same; else it is unknown.
    pub(super) fn or_unknown(mut self, older: &Verdict<'_>) -> Verdict<'p> {
        let said =
            |verdict: &Verdict<'_>| (verdict.stage, verdict.status(), verdict.policy().map(String::from));
        self.certain &= older.certain && said(&self) == said(older);
        Missing::add(&mut self.missing, older.missing.iter().cloned());
        if self.outcome == older.outcome {
            return self;
        }
        // The newest release stands first, and an older one that differs is told once.
        let newest = self.apart.map_or((self.plan.version, self.outcome), |[_, newest]| newest);
        if self.apart.is_none() && newest.1 != older.outcome {
            self.apart = Some([(older.plan.version, older.outcome), newest]);
            self.missing.push(Missing::PatchRelease);
        }
        self.outcome = Outcome::Unknown;
        self.stage = match (self.stage, older.stage) {
            (Stage::None, stage) | (stage, Stage::None) => stage,
            (stage, older) => stage.min(older),
        };
        (self.refusal, self.allowed_by, self.certain) = (None, None, false);
        self
    }

    pub(super) fn is_refused_handshake(&self) -> bool {
        matches!(self.refusal, Some(Refusal::Handshake { .. }))
    }

    /// Where a stage comes in the proxy's order.
    pub(super) fn position(&self, stage: Stage) -> (Stage, bool) {
        let late = stage == Stage::Mtls && self.plan.proxy == ProxyKind::Ztunnel;
        if late && !self.is_refused_handshake() { (Stage::Deny, true) } else { (stage, false) }
    }

    /// HTTP's answer: 200 where the policies let pass, else what Envoy's filters reply; `None` for a refused connection
    /// and for an unknown verdict. A gRPC request sees 200 and a `grpc-status` instead.
    pub fn status(&self) -> Option<u16> {
        let connection = self.protocol == Protocol::Tcp || self.plan.proxy == ProxyKind::Ztunnel;
        match (self.outcome, &self.refusal) {
            (Outcome::Allow, _) => Some(200),
            (Outcome::Unknown | Outcome::Redirect, _)
            | (_, None | Some(Refusal::Handshake { .. } | Refusal::Mtls { .. })) => None,
            _ if connection => None,
            (_, Some(Refusal::Jwt { status, .. })) => Some(*status),
            (_, Some(Refusal::ExtAuthz { ask, failed: true, .. })) => Some(ask.status_on_error),
            (_, Some(Refusal::ExtAuthz { .. } | Refusal::Rbac(_))) => Some(403),
        }
    }

    /// The id of the rule that decided, as Envoy reports it.
    pub fn policy(&self) -> Option<&'p str> {
        let rule = match self.refusal {
            Some(Refusal::Rbac(rule)) => rule,
            Some(Refusal::ExtAuthz { rule, .. }) => Some(rule),
            Some(Refusal::Handshake { .. } | Refusal::Mtls { .. } | Refusal::Jwt { .. }) => None,
            None => self.allowed_by,
        };
        rule.map(|rule| &*rule.id)
    }

    /// Envoy's response code details of a refusal; on TCP its connection termination details, at ztunnel the error of
    /// its access log. White space of ids and messages becomes `_`, as Envoy has it.
    pub fn details(&self) -> Option<String> {
        let ztunnel = self.plan.proxy == ProxyKind::Ztunnel;
        Some(match self.refusal? {
            Refusal::Handshake { .. } => "tls handshake error".into(),
            Refusal::Mtls { mode } if ztunnel => ztunnel::refusal(Some(&mode.denied_by)),
            Refusal::Mtls { .. } => "filter_chain_not_found".into(),
            Refusal::ExtAuthz { failed: true, .. } => "ext_authz_error".into(),
            Refusal::ExtAuthz { .. } => "ext_authz_denied".into(),
            Refusal::Jwt { message, .. } => format!("jwt_authn_access_denied{{{}}}", underscored(message)),
            Refusal::Rbac(rule) if ztunnel => {
                let policy = rule.map(|r| format!("{}/{}", r.origin.policy.namespace, r.origin.policy.name));
                ztunnel::refusal(policy.as_deref())
            }
            Refusal::Rbac(rule) => {
                let id = rule.map_or("none", |rule| &*rule.id);
                format!("rbac_access_denied_matched_policy[{}]", underscored(id))
            }
        })
    }

    /// One sentence for people.
    pub fn reason(&self) -> String {
        let plan = self.plan;
        let chain = plan.chain(self.protocol);
        let workload = &plan.workload;
        if let Some(why) = plan.refused_configuration(self.protocol) {
            return format!("there is no such proxy: {why}");
        }
        if let Some([(older, before), (newer, now)]) = self.apart {
            return format!(
                "{} with Istio {older}, {} with {newer}: `istioVersion` does not say which patch release it is",
                before.name(),
                now.name()
            );
        }
        let identity = Missing::Field(RequestField::SourcePrincipal);
        if self.outcome == Outcome::Unknown && plan.believes_nobody && self.missing.contains(&identity) {
            return format!(
                "the verdict depends on {identity}, which proves nothing: the proxy does not verify the certificates \
                 of its clients (peerVerification: none, or a Gateway with insecureSkipVerify)"
            );
        }
        if self.outcome == Outcome::Unknown {
            return format!("the verdict depends on {}", Missing::clause(&self.missing));
        }
        match self.refusal {
            Some(Refusal::Handshake { trust_domain }) => format!(
                "ztunnel takes client certificates of the form spiffe://{trust_domain}/ns/NAMESPACE/sa/ACCOUNT only"
            ),
            Some(Refusal::Mtls { mode: Mode { mode, set_by, .. } }) => {
                let by = set_by.as_ref();
                let by = by.map_or(String::new(), |name| format!(", set by PeerAuthentication {name}"));
                match mode {
                    MtlsMode::Disable => format!("{workload} takes plaintext only (mTLS mode DISABLE{by})"),
                    _ => format!(
                        "{workload} takes mutual TLS only (mode STRICT{by}) and the peer shows no client certificate"
                    ),
                }
            }
            Some(Refusal::ExtAuthz { ask, rule, failed }) => {
                let did = if failed { "did not answer" } else { "refused" };
                format!("provider {} {did}; it was asked because of {}", ask.provider, rule.spoken())
            }
            Some(Refusal::Jwt { message, without_token: true, .. }) => {
                format!(
                    "RequestAuthentication requires a token, and the request has none where it looks: {message}"
                )
            }
            Some(Refusal::Jwt { message, .. }) => {
                format!("RequestAuthentication refused the token: {message}")
            }
            Some(Refusal::Rbac(Some(rule))) if self.stage == Stage::Custom => {
                let why = match &chain.custom {
                    CustomStage::Broken { why, .. } => why.as_str(),
                    _ => "",
                };
                format!("CUSTOM {} matched, and Istio enforces it as DENY: {why}", rule.spoken())
            }
            Some(Refusal::Rbac(Some(rule))) => format!("DENY {} matched", rule.spoken()),
            Some(Refusal::Rbac(None)) => {
                let (count, verb, whose) = applying(&chain.allow, "ALLOW");
                if chain.allow.rules.is_empty() && !chain.allow.dropped.is_empty() {
                    return format!(
                        "{count} {verb} to {workload}, but every rule of {whose} was dropped, so everything is refused"
                    );
                }
                format!("{count} {verb} to {workload} and no rule of {whose} matched")
            }
            None => match (self.stage, self.allowed_by) {
                (_, Some(rule)) => format!("ALLOW {} matched", rule.spoken()),
                (Stage::Custom, _) => {
                    format!("the CUSTOM provider let it pass, and no ALLOW policy applies to {workload}")
                }
                _ if plan.proxy == ProxyKind::Agentgateway => format!(
                    "{workload} is an agentgateway, which istiod gives no AuthorizationPolicy, RequestAuthentication or \
                     PeerAuthentication: nothing is enforced, and everything is allowed"
                ),
                _ if chain.deny.enforced => {
                    let (count, verb, whose) = applying(&chain.deny, "DENY");
                    format!(
                        "{count} {verb} to {workload} and no rule of {whose} matched; no ALLOW policy applies"
                    )
                }
                _ if chain.allow.shadow.is_some() || chain.deny.shadow.is_some() => {
                    format!("only dry-run policies apply to {workload}, and they enforce nothing")
                }
                _ => format!("no ALLOW or DENY policy applies to {workload}, so everything is allowed"),
            },
        }
    }

    /// The verdict as in docs/formats.md, "Verdict". The nearest miss only comes from [`Plan::explain`].
    pub fn report(&self) -> Report {
        Report {
            verdict: self.outcome,
            status: self.status(),
            stage: self.stage,
            details: self.details(),
            policy: self.policy().map(ToString::to_string),
            location: None,
            reason: self.reason(),
            dry_run: DryRun {
                allow: self.dry_allow.map(|shadow| shadow.result("allowed", "denied")),
                deny: self.dry_deny.map(|shadow| shadow.result("denied", "allowed")),
            },
            audit: self.audit,
            missing: self.missing.clone(),
            nearest: None,
            without_token: matches!(self.refusal, Some(Refusal::Jwt { without_token: true, .. })),
        }
    }
}

impl Shadow<'_> {
    fn result(self, on_match: &'static str, else_: &'static str) -> ShadowResult {
        match self {
            Shadow::Match(rule) => ShadowResult { result: on_match, policy: Some((*rule.id).into()) },
            Shadow::Nothing => ShadowResult { result: else_, policy: None },
            Shadow::Unknown => ShadowResult { result: "unknown", policy: None },
        }
    }
}

impl Rule {
    /// `policy ns/name rule 0`.
    fn spoken(&self) -> String {
        let policy = &self.origin.policy;
        format!("policy {}/{} rule {}", policy.namespace, policy.name, self.origin.index)
    }
}

/// "2 ALLOW policies", "apply", "theirs".
fn applying(set: &RuleSet, action: &str) -> (String, &'static str, &'static str) {
    match set.policies {
        1 => (format!("1 {action} policy"), "applies", "it"),
        n => (format!("{n} {action} policies"), "apply", "theirs"),
    }
}

fn underscored(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_whitespace() { '_' } else { c }).collect()
}
