//! What differs between the versions of Istio: one function for each difference; `docs/conformance.md` says more.
//!
//! A minor version stands for its newest patch release: most of what was mended was mended in patches too.

mod problems;

pub use problems::problems;

use crate::{
    resource::{AuthorizationPolicy, Match, RequestAuthentication, Resources, Source, Target, TargetKind},
    workload::IstioVersion,
};
use alloc::{borrow::Cow, vec::Vec};

/// `serviceAccounts`, `notServiceAccounts` and the key `source.serviceAccount`.
pub(crate) fn has_service_accounts(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 25)
}

/// `trustDomains`, `notTrustDomains` and the key `source.trustDomain` (1.30.2).
pub(crate) fn has_trust_domains(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 30)
}

/// A `targetRefs` entry may be a GatewayClass.
pub(crate) fn has_gateway_class_targets(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 25)
}

/// A JWT rule may leave its issuer out.
pub(crate) fn has_rules_without_issuer(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 27)
}

/// `jwtRules[].spaceDelimitedClaims`.
pub(crate) fn has_space_delimited_claims(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 28)
}

/// `jwtRules[].presence` has an effect.
pub(crate) fn has_presence(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 32)
}

/// Names of service accounts are literal; before, they were part of a regex unquoted.
pub(crate) fn quotes_service_accounts(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 27)
}

/// Namespaces, and principals behind a leading `*`, are literal; before, they were part of a regex unquoted (mended
/// in 1.28.7).
pub(crate) fn quotes_names(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 28)
}

/// A matcher sees each line of a header; before Envoy's fix of CVE-2026-26308 (Istio 1.27.8, 1.28.5, 1.29.1) it saw
/// them as one value, joined with commas.
pub fn matches_lines_apart(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 27)
}

/// The provider's name is part of the ids of CUSTOM rules, and each provider has filters of its own.
pub(crate) fn names_providers(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 30)
}

/// A provider whose name is no DNS label is broken.
pub(crate) fn checks_provider_names(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 30)
}

/// The policies as a cluster with Istio of that version has them.
///
/// The API server cuts away fields that its schema lacks, which widens a rule without a word; istiod's admission refuses
/// what is then no policy any more: a source without a field, a key that it does not know, a target of a kind that it
/// does not know, a JWT rule without an issuer. A rule names what it lost in
/// [`Rule::pruned`](crate::resource::Rule::pruned). Copies only where something is lost.
pub fn known(resources: &Resources, version: IstioVersion) -> Cow<'_, Resources> {
    let authorization = resources.authorization.iter().all(|policy| {
        is_known(policy, version)
            && policy.rules.iter().flat_map(|rule| &rule.from).all(|s| pruned(s, version).is_empty())
    });
    if authorization && resources.request_authentication.iter().all(|policy| admits(policy, version)) {
        return Cow::Borrowed(resources);
    }
    let mut resources = resources.clone();
    for rule in resources.authorization.iter_mut().flat_map(|policy| &mut policy.rules) {
        for source in &mut rule.from {
            for (name, _) in pruned(source, version) {
                if !rule.pruned.contains(&name) {
                    rule.pruned.push(name);
                }
            }
            prune(source, version);
        }
    }
    resources.authorization.retain(|policy| is_known(policy, version));
    resources.request_authentication.retain(|policy| admits(policy, version));
    Cow::Owned(resources)
}

/// The fields of a source that are cut away.
fn pruned(source: &Source, version: IstioVersion) -> Vec<(&'static str, &Match)> {
    let accounts = ("from.source.serviceAccounts", &source.service_accounts, has_service_accounts(version));
    let domains = ("from.source.trustDomains", &source.trust_domains, has_trust_domains(version));
    let lost = [accounts, domains].into_iter().filter(|(_, values, has)| !has && !values.is_empty());
    lost.map(|(name, values, _)| (name, values)).collect()
}

fn prune(source: &mut Source, version: IstioVersion) {
    if !has_service_accounts(version) {
        source.service_accounts = Match::default();
    }
    if !has_trust_domains(version) {
        source.trust_domains = Match::default();
    }
}

/// Does istiod admit the policy once it is pruned?
fn is_known(policy: &AuthorizationPolicy, version: IstioVersion) -> bool {
    let sources = policy.rules.iter().flat_map(|rule| &rule.from);
    let conditions = policy.rules.iter().flat_map(|rule| &rule.when);
    target(&policy.target, version)
        && sources.into_iter().all(|source| has_a_field(source, version))
        && conditions.into_iter().all(|condition| has_key(&condition.key.text, version))
}

/// Is anything left of the source?
fn has_a_field(source: &Source, version: IstioVersion) -> bool {
    let fields = [
        (&source.principals, true),
        (&source.request_principals, true),
        (&source.namespaces, true),
        (&source.service_accounts, has_service_accounts(version)),
        (&source.ip_blocks, true),
        (&source.remote_ip_blocks, true),
        (&source.trust_domains, has_trust_domains(version)),
    ];
    fields.iter().any(|(values, known)| *known && !values.is_empty())
}

/// Does `when` know the key?
fn has_key(key: &str, version: IstioVersion) -> bool {
    match key {
        "source.serviceAccount" => has_service_accounts(version),
        "source.trustDomain" => has_trust_domains(version),
        _ => true,
    }
}

fn admits(policy: &RequestAuthentication, version: IstioVersion) -> bool {
    let issuers = || policy.rules.iter().all(|rule| !rule.issuer.text.is_empty());
    target(&policy.target, version) && (has_rules_without_issuer(version) || issuers())
}

fn target(target: &Target, version: IstioVersion) -> bool {
    match target {
        Target::Refs(refs) => {
            has_gateway_class_targets(version)
                || refs.iter().all(|target| target.kind != TargetKind::GatewayClass)
        }
        Target::Namespace | Target::Selector(_) => true,
    }
}
