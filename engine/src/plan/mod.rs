//! The compiled form of all policies that apply to one workload.
//!
//! [`Plan::build`] does all the work that does not depend on a request; [`Plan::evaluate`] goes through the stages in the
//! order in which the proxy has them (mTLS, CUSTOM, JWT, AUDIT, DENY, ALLOW); [`Plan::explain`] does the same
//! slowly, and records each stage.

mod clause;
mod compile;
mod context;
mod custom;
mod evaluate;
mod explain;
mod facts;
#[cfg(feature = "index")]
mod index;
#[cfg(not(feature = "index"))]
#[path = "no_index.rs"]
mod index;
mod matcher;
mod missing;
mod mtls;
mod outcome;
mod parts;
mod refused;
mod required_inputs;
mod rule;
mod stages;
mod tri;
mod trust_domain;
mod ztunnel;

pub use clause::Clause;
pub use facts::PeerModes;
pub use matcher::{IdentityPart, Matcher, PathPattern};
pub use outcome::Verdict;
pub use parts::{ChainParts, CustomParts, Parts};
pub use required_inputs::RequiredInputs;
pub use rule::{Dropped, Origin, PolicyName, Rule};
pub use stages::StageRules;
pub use tri::Tri;

use crate::{
    attach::{attach_in_slices, verifies_peers},
    jwt::{self, Authenticator},
    order,
    prepare::ProxySettings,
    provider,
    request::{Protocol, Request},
    resource::{Action, AuthorizationPolicy, Resources},
    slices::{self, AtOnce, Pace},
    verdict::{Explanation, Outcome, Report},
    versions,
    workload::{IstioVersion, Mesh, ProviderKind, ProxyKind, Workload},
};
use alloc::{format, string::String, vec::Vec};
use compile::Compiler;
use core::cmp::Ordering;
use custom::{Ask, BROKEN_SUFFIX, CustomStage};
use evaluate::How;
use index::Index;
use mtls::Mtls;
use refused::Refused;
use rule::{Named, RuleSet};
use trust_domain::TrustDomains;

/// Everything that decides for one workload: immutable, and the same for every request.
#[derive(Debug)]
pub struct Plan {
    /// The workload as people call it: `namespace/name`.
    workload: String,
    proxy: ProxyKind,
    mtls: Option<Mtls>,
    authenticator: Authenticator,
    jwt_rules: usize,
    http: Chain,
    tcp: Chain,
    /// What a peer's certificate says is not checked, so that it proves nothing.
    believes_nobody: bool,
    /// Whose semantics.
    version: IstioVersion,
    /// Matchers see several lines of a header as one value.
    joins_lines: bool,
    /// Regexes take only what is UTF-8.
    regexes_want_utf8: bool,
    /// The same for older patch releases, as far as these policies mean something else to them; only where the mesh
    /// does not say which it has.
    older: Vec<Plan>,
    /// Policies read that do not apply here.
    not_applied: usize,
    /// Why Envoy refuses the configuration that istiod makes of the policies.
    refused: Option<Refused>,
    /// Of what a proxy has loaded: the settings that it has loaded with it.
    loaded: Option<ProxySettings>,
    required_inputs: RequiredInputs,
}

/// The authorization stages of one kind of filter chain.
#[derive(Debug, Default)]
struct Chain {
    custom: CustomStage,
    audit: RuleSet,
    deny: RuleSet,
    allow: RuleSet,
    /// Of CUSTOM, which comes before the JWT stage.
    early: Index,
    /// Of the others, by the numbers in [`stage`].
    late: Index,
}

/// The stages of [`Chain::late`].
mod stage {
    pub(super) const AUDIT: usize = 0;
    pub(super) const DENY: usize = 1;
    pub(super) const DRY_DENY: usize = 2;
    pub(super) const ALLOW: usize = 3;
    pub(super) const DRY_ALLOW: usize = 4;
}

impl Plan {
    /// Compiles what applies to `workload`. It cannot fail: decoding has refused what Istio's admission refuses, and
    /// what the proxy cannot express is dropped as istiod drops it, with a note for the explanation.
    ///
    /// Where the mesh's version names no patch release and the policies mean different things to several, a verdict is
    /// one on which all of them agree, or unknown.
    pub fn build(resources: &Resources, workload: &Workload, mesh: &Mesh) -> Plan {
        slices::all(Plan::prepare(resources, workload, mesh, &AtOnce))
    }

    /// As [`Plan::build`], in slices: 10,000 policies take a third of a second in WebAssembly, and a proxy's worker
    /// serves requests in between.
    pub async fn prepare(resources: &Resources, workload: &Workload, mesh: &Mesh, pace: &dyn Pace) -> Plan {
        let mut versions =
            versions::alternatives_in_slices(resources, mesh.istio_version, pace).await.into_iter().rev();
        let version = versions.next().unwrap_or(mesh.istio_version);
        let mut plan = Plan::of_release(resources, workload, mesh, version, pace).await;
        for version in versions {
            plan.older.push(Plan::of_release(resources, workload, mesh, version, pace).await);
        }
        plan
    }

    async fn of_release(
        resources: &Resources,
        workload: &Workload,
        mesh: &Mesh,
        version: IstioVersion,
        pace: &dyn Pace,
    ) -> Plan {
        let all = resources;
        let mesh = &Mesh { istio_version: version, ..mesh.clone() };
        let resources = versions::known_in_slices(all, version, pace).await;
        let refused = all.authorization.len() - resources.authorization.len()
            + all.request_authentication.len()
            - resources.request_authentication.len();
        let attached = attach_in_slices(&resources, workload, mesh, pace).await;
        let trust_domains = TrustDomains::new(&mesh.trust_domain, &mesh.trust_domain_aliases);
        let named = |policy: &'_ AuthorizationPolicy| PolicyName::of(&policy.meta);
        let policies: Vec<Named<'_>> =
            attached.authorization.iter().map(|policy| (*policy, named(policy))).collect();
        let (http, tcp) = if workload.proxy == ProxyKind::Ztunnel {
            (
                Chain::default(),
                Chain::ztunnel(&policies, mesh.istio_version, &mesh.root_namespace, pace).await,
            )
        } else {
            let chain = |protocol| Chain::envoy(&policies, protocol, workload, mesh, &trust_domains, pace);
            (chain(Protocol::Http).await, chain(Protocol::Tcp).await)
        };
        let rules: Vec<_> = attached.jwt_rules.iter().map(|(_, rule)| *rule).collect();
        let mut plan = Plan {
            workload: workload.display_name(),
            proxy: workload.proxy,
            mtls: Mtls::of(&attached, workload, mesh),
            authenticator: Authenticator::compile(&rules, mesh.istio_version),
            jwt_rules: rules.len(),
            http,
            tcp,
            not_applied: attached.not_applied.saturating_add(refused),
            refused: None,
            loaded: None,
            believes_nobody: !verifies_peers(all, workload),
            version,
            joins_lines: !versions::matches_lines_apart(version),
            regexes_want_utf8: !versions::matches_regexes_by_byte(version),
            older: Vec::new(),
            required_inputs: RequiredInputs::default(),
        };
        plan.required_inputs = RequiredInputs::of(&plan);
        plan.refused = Refused::of(&plan, &attached.jwt_rules, pace).await;
        plan
    }

    /// Forgets up to so many of its rules: of many, that takes as long as many requests. False: none are left.
    pub fn forget(&mut self, most: usize) -> bool {
        let mut left = false;
        for chain in [&mut self.http, &mut self.tcp] {
            for set in [&mut chain.audit, &mut chain.deny, &mut chain.allow] {
                let shadow = set.shadow.get_or_insert_default();
                for rules in [&mut set.rules, shadow] {
                    rules.truncate(rules.len().saturating_sub(most));
                    left |= !rules.is_empty();
                }
                set.dropped.truncate(set.dropped.len().saturating_sub(most));
                left |= !set.dropped.is_empty();
            }
        }
        for older in &mut self.older {
            left |= older.forget(most);
        }
        left
    }

    /// The RequestAuthentication rules that apply.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The kind of proxy that it is for.
    pub fn proxy(&self) -> ProxyKind {
        self.proxy
    }

    /// What a request must tell for this plan.
    pub fn required_inputs(&self) -> RequiredInputs {
        self.required_inputs
    }

    /// How many AuthorizationPolicy rules are enforced or shadowed on the HTTP chain (on ztunnel: at layer 4).
    pub fn rule_count(&self) -> usize {
        let chain = if self.proxy == ProxyKind::Ztunnel { &self.tcp } else { &self.http };
        let sets = [&chain.audit, &chain.deny, &chain.allow];
        chain.custom.rules().len()
            + sets.iter().map(|set| set.rules.len() + set.shadow_rules().len()).sum::<usize>()
    }

    /// How many of the policies given do not apply to the workload.
    pub fn not_applied(&self) -> usize {
        self.not_applied
    }

    /// Why Envoy refuses the whole configuration that istiod makes of these policies for this protocol: then no such proxy
    /// runs. It goes on with what it had, or never becomes ready, and every verdict is unknown.
    pub fn refused_configuration(&self, protocol: Protocol) -> Option<&str> {
        self.refused.as_ref()?.holds(self.proxy, protocol)
    }

    /// The verdict, without text. The hot path: allocates only for tokens and for what is unknown.
    pub fn evaluate(&self, request: &Request<'_>, crypto: &dyn jwt::Crypto) -> Verdict<'_> {
        self.evaluate_and_authenticate(request, crypto).0
    }

    /// As [`Plan::evaluate`], together with what the JWT stage found; `None`: it was not reached, or there
    /// is none. For callers that also need the claims or edits, or evaluate again with [`Plan::evaluate_authenticated`].
    pub fn evaluate_and_authenticate(
        &self,
        request: &Request<'_>,
        crypto: &dyn jwt::Crypto,
    ) -> (Verdict<'_>, Option<jwt::Authentication>) {
        let unproven = self.unproven(request);
        let request = unproven.as_ref().unwrap_or(request);
        let run = evaluate::run(self, request, crypto, How::Indexed);
        // JWT rules mean the same to all patch releases of one minor version.
        let verdict = self.in_all_releases(run.verdict, |plan| match &run.authentication {
            Some(found) => evaluate::authenticated(plan, request, found),
            None => evaluate::run(plan, request, crypto, How::Indexed).verdict,
        });
        (verdict, run.authentication)
    }

    /// As [`Plan::evaluate`], where the answer of [`Plan::authenticator`] to the same request is there already.
    /// Allocates only for what is unknown.
    pub fn evaluate_authenticated(&self, request: &Request<'_>, found: &jwt::Authentication) -> Verdict<'_> {
        let unproven = self.unproven(request);
        let request = unproven.as_ref().unwrap_or(request);
        let verdict = evaluate::authenticated(self, request, found);
        self.in_all_releases(verdict, |plan| evaluate::authenticated(plan, request, found))
    }

    /// The request without what its peer claims to be, where nobody checks that: any name may stand there.
    fn unproven<'r>(&self, request: &Request<'r>) -> Option<Request<'r>> {
        self.believes_nobody.then(|| request.with_unproven_peer())
    }

    /// The verdict on which all patch releases agree.
    fn in_all_releases<'p>(
        &'p self,
        mut verdict: Verdict<'p>,
        ask: impl Fn(&'p Plan) -> Verdict<'p>,
    ) -> Verdict<'p> {
        for older in &self.older {
            verdict = verdict.or_unknown(&ask(older));
        }
        verdict
    }

    /// The same verdict by going through the rules one by one: what the index is tested against.
    #[doc(hidden)]
    pub fn evaluate_linearly(&self, request: &Request<'_>, crypto: &dyn jwt::Crypto) -> Verdict<'_> {
        let unproven = self.unproven(request);
        let request = unproven.as_ref().unwrap_or(request);
        let linearly = |plan| evaluate::run(plan, request, crypto, How::Linearly).verdict;
        self.in_all_releases(linearly(self), linearly)
    }

    /// The verdict with its reason, the nearest miss and every stage. Slow: for people.
    pub fn explain(&self, request: &Request<'_>, crypto: &dyn jwt::Crypto) -> Explanation {
        let unproven = self.unproven(request);
        let request = unproven.as_ref().unwrap_or(request);
        let mut explanation = explain::explain(self, request, crypto);
        if !self.older.is_empty() {
            let Report { nearest, .. } = explanation.report;
            explanation.report = self.evaluate_linearly(request, crypto).report();
            // What stands in the way of the newest release says nothing where the others let it pass.
            explanation.report.nearest = nearest.filter(|_| explanation.report.verdict == Outcome::Deny);
        }
        explanation
    }

    /// The chain that a request meets; ztunnel sees only connections.
    fn chain(&self, protocol: Protocol) -> &Chain {
        match protocol {
            Protocol::Http if self.proxy != ProxyKind::Ztunnel => &self.http,
            _ => &self.tcp,
        }
    }
}

impl Chain {
    async fn envoy(
        policies: &[Named<'_>],
        protocol: Protocol,
        workload: &Workload,
        mesh: &Mesh,
        trust_domains: &TrustDomains,
        pace: &dyn Pace,
    ) -> Chain {
        let compiler = Compiler {
            protocol,
            trust_domains,
            waypoint: workload.proxy == ProxyKind::Waypoint,
            version: mesh.istio_version,
        };
        let mut chain = Chain::default();
        let mut custom = Vec::new();
        for named @ (policy, _) in policies {
            slices::step(pace).await;
            let set = match policy.action {
                Action::Allow => &mut chain.allow,
                Action::Deny => &mut chain.deny,
                Action::Audit => &mut chain.audit,
                Action::Custom => {
                    custom.push(named);
                    continue;
                }
            };
            set.add(policy, compiler.policy(named, ""));
        }
        for set in [&mut chain.allow, &mut chain.deny, &mut chain.audit] {
            set.sort(pace).await;
        }
        chain.custom = custom_stage(&custom, &compiler, mesh);
        chain.indexed(pace).await
    }

    /// CUSTOM, AUDIT and dry-run policies are not sent to ztunnel ([`crate::attach`] leaves them out). It asks policies in the
    /// order of [`ztunnel::order`], and a policy's rules as they are written.
    async fn ztunnel(policies: &[Named<'_>], version: IstioVersion, root: &str, pace: &dyn Pace) -> Chain {
        let mut chain = Chain::default();
        let mut policies: Vec<&Named<'_>> = policies.iter().collect();
        order::sort_by(&mut policies, |(a, _), (b, _)| ztunnel::order(a, root).cmp(&ztunnel::order(b, root)));
        for named @ (policy, _) in policies {
            slices::step(pace).await;
            match policy.action {
                Action::Allow => chain.allow.add(policy, ztunnel::policy(named, version)),
                Action::Deny => chain.deny.add(policy, ztunnel::policy(named, version)),
                Action::Audit | Action::Custom => {}
            }
        }
        chain.indexed(pace).await
    }

    async fn indexed(mut self, pace: &dyn Pace) -> Chain {
        self.early = Index::build(&[self.custom.rules()], pace).await;
        // In the order of `stage`.
        let late = [
            &self.audit.rules[..],
            &self.deny.rules,
            self.deny.shadow_rules(),
            &self.allow.rules,
            self.allow.shadow_rules(),
        ];
        self.late = Index::build(&late, pace).await;
        self
    }
}

/// One provider is asked; an unusable one, or more than one, and the rules become DENY rules
/// (`PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS` is off by default).
fn custom_stage(policies: &[&Named<'_>], compiler: &Compiler<'_>, mesh: &Mesh) -> CustomStage {
    let name =
        |policy: &AuthorizationPolicy| policy.provider.as_ref().map_or(String::new(), |p| p.text.clone());
    let mut providers: Vec<String> = policies.iter().map(|(policy, _)| name(policy)).collect();
    order::sort(&mut providers);
    providers.dedup();
    let Some(first) = providers.first() else { return CustomStage::Absent };

    let mut rules: Vec<(String, Rule)> = Vec::new();
    let mut dropped: Vec<Dropped> = Vec::new();
    for named in policies {
        let provider = name(named.0);
        let prefix = if versions::names_providers(mesh.istio_version) && !provider.is_empty() {
            format!("istio-ext-authz-{provider}-")
        } else {
            "istio-ext-authz-".into()
        };
        for rule in compiler.policy(named, &prefix) {
            match rule {
                Ok(rule) => rules.push((provider.clone(), rule)),
                Err(rule) => dropped.push(rule),
            }
        }
    }
    // Where each provider has its own filter, these go by name; within a filter, rules go by id.
    let apart = versions::names_providers(mesh.istio_version);
    order::sort_by(&mut rules, |a, b| {
        let filters = if apart { a.0.cmp(&b.0) } else { Ordering::Equal };
        filters.then_with(|| a.1.id.cmp(&b.1.id))
    });
    let rules: Vec<Rule> = rules.into_iter().map(|(_, rule)| rule).collect();

    let broken = |why: String, mut rules: Vec<Rule>| {
        for rule in &mut rules {
            rule.id = [&*rule.id, BROKEN_SUFFIX].concat().into();
        }
        CustomStage::Broken { rules, why }
    };
    if providers.len() > 1 {
        let why = format!("several CUSTOM providers on one workload ({})", providers.join(", "));
        return broken(why, rules);
    }
    match provider::find(mesh, first) {
        Err(why) => broken(why, rules),
        Ok(provider)
            if compiler.protocol == Protocol::Tcp && matches!(provider.kind, ProviderKind::Http(_)) =>
        {
            CustomStage::Skipped { provider: first.clone() }
        }
        Ok(provider) => CustomStage::Ask(Ask {
            provider: first.clone(),
            rules,
            fail_open: provider.kind.fail_open(),
            status_on_error: provider.kind.status_on_error(),
            dropped,
        }),
    }
}
