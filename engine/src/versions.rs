//! What differs between the versions of Istio: one function for each difference; `docs/conformance.md` says more. When
//! an attribute of rules came stands in its row ([`crate::attribute::Row::since`]).
//!
//! A minor version stands for its newest patch release: most of what was mended was mended in patches too.

mod problems;

pub use problems::problems;

use crate::{
    attribute::Attribute,
    resource::{
        AuthorizationPolicy, FieldSet, Match, RequestAuthentication, Resources, Rule, Target, TargetKind,
    },
    workload::IstioVersion,
};
use alloc::{borrow::Cow, vec::Vec};

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
            && policy.rules.iter().flat_map(sets).all(|set| pruned(set, version).next().is_none())
    });
    if authorization && resources.request_authentication.iter().all(|policy| admits(policy, version)) {
        return Cow::Borrowed(resources);
    }
    let mut resources = resources.clone();
    for Rule { from, to, pruned: lost, .. } in
        resources.authorization.iter_mut().flat_map(|policy| &mut policy.rules)
    {
        for set in from.iter_mut().chain(to) {
            let unknown: Vec<Attribute> = pruned(set, version).map(|(attribute, _)| attribute).collect();
            for attribute in unknown {
                set.set(attribute, Match::default());
                if !lost.contains(&attribute) {
                    lost.push(attribute);
                }
            }
        }
    }
    resources.authorization.retain(|policy| is_known(policy, version));
    resources.request_authentication.retain(|policy| admits(policy, version));
    Cow::Owned(resources)
}

/// The sources and operations of a rule.
fn sets(rule: &Rule) -> impl Iterator<Item = &FieldSet> {
    rule.from.iter().chain(&rule.to)
}

/// The fields of a source or an operation that are cut away.
fn pruned(set: &FieldSet, version: IstioVersion) -> impl Iterator<Item = (Attribute, &Match)> {
    set.iter().filter(move |(attribute, _)| !attribute.exists_in(version))
}

/// Does istiod admit the policy once it is pruned?
fn is_known(policy: &AuthorizationPolicy, version: IstioVersion) -> bool {
    target(&policy.target, version)
        && policy.rules.iter().flat_map(sets).all(|set| has_a_field(set, version))
        && policy.rules.iter().flat_map(|rule| &rule.when).all(|when| has_key(&when.key.text, version))
}

/// Is anything left of the source or operation?
fn has_a_field(set: &FieldSet, version: IstioVersion) -> bool {
    set.iter().any(|(attribute, _)| attribute.exists_in(version))
}

/// Does `when` know the key?
fn has_key(key: &str, version: IstioVersion) -> bool {
    Attribute::of_key(key).is_none_or(|(attribute, _)| attribute.exists_in(version))
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
