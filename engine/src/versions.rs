//! What differs between the versions of Istio: one function for each difference; `docs/conformance.md` says more. When
//! an attribute of rules came stands in its row ([`crate::attribute::Row::since`]).
//!
//! Most of what was mended was mended in patch releases, on each branch that was alive. Where only a minor version is
//! known, its functions answer for its newest patch release, and [`alternatives`] names those that differ.

mod problems;

pub use problems::problems;

use crate::{
    attach::Policy,
    attribute::Attribute,
    pattern::is_quoted,
    resource::{
        AuthorizationPolicy, FieldSet, Match, RequestAuthentication, Resources, Rule, Target, TargetKind,
    },
    slices::{self, AtOnce, Pace},
    workload::IstioVersion,
};
use alloc::{borrow::Cow, vec::Vec};

/// Patch releases, (minor, patch), on all branches that got a change: what stands on no branch came with a minor
/// version.
type Patches = &'static [(u16, u16)];

/// ISTIO-SECURITY-2026-003, CVE-2026-39350.
const QUOTED_SERVICE_ACCOUNTS: Patches = &[(27, 9), (28, 6), (29, 2)];
/// The same for namespaces and principals; 1.27 never got it.
const QUOTED_NAMES: Patches = &[(28, 7), (29, 3)];
/// ISTIO-SECURITY-2026-001, CVE-2026-26308.
const LINES_APART: Patches = &[(27, 8), (28, 5), (29, 1)];
/// ISTIO-SECURITY-2026-006, CVE-2026-73551: Envoy 1.37.6, 1.38.4, 1.39.1.
const STRIPPED_PARAMETERS: Patches = &[(29, 7), (30, 4)];
/// ISTIO-SECURITY-2026-006, CVE-2026-73552, in the same Envoys.
const REGEXES_OF_BYTES: Patches = &[(29, 7), (30, 4)];

/// A `targetRefs` entry may be a GatewayClass.
pub(crate) fn has_gateway_class_targets(version: IstioVersion) -> bool {
    version.is_since(25)
}

/// A JWT rule may leave its issuer out.
pub(crate) fn has_rules_without_issuer(version: IstioVersion) -> bool {
    version.is_since(27)
}

/// `jwtRules[].spaceDelimitedClaims`.
pub fn has_space_delimited_claims(version: IstioVersion) -> bool {
    version.is_since(28)
}

/// `jwtRules[].presence` has an effect.
pub(crate) fn has_presence(version: IstioVersion) -> bool {
    version.is_since(32)
}

/// Names of service accounts are literal; before, they were part of a regex unquoted (1.27.9, 1.28.6, 1.29.2).
pub fn quotes_service_accounts(version: IstioVersion) -> bool {
    version.has_patch(QUOTED_SERVICE_ACCOUNTS)
}

/// Namespaces, and principals behind a leading `*`, are literal; before, they were part of a regex unquoted (1.28.7,
/// 1.29.3).
pub fn quotes_names(version: IstioVersion) -> bool {
    version.has_patch(QUOTED_NAMES)
}

/// A matcher sees each line of a header; before Envoy's fix of CVE-2026-26308 (Istio 1.27.8, 1.28.5, 1.29.1) it saw
/// them as one value, joined with commas.
pub fn matches_lines_apart(version: IstioVersion) -> bool {
    version.has_patch(LINES_APART)
}

/// Path normalization removes `/..;x` and `/.;x` segments as it does `/..` and `/.`; before Envoy's fix of
/// CVE-2026-73551 (Istio 1.29.7, 1.30.4, 1.31) it left them.
pub fn strips_parameters_of_dot_segments(version: IstioVersion) -> bool {
    version.has_patch(STRIPPED_PARAMETERS)
}

/// A regex sees bytes; before Envoy's fix of CVE-2026-73552 (Istio 1.29.7, 1.30.4, 1.31) it saw characters, and a
/// value that is no UTF-8 matched none.
pub fn matches_regexes_by_byte(version: IstioVersion) -> bool {
    version.has_patch(REGEXES_OF_BYTES)
}

/// Envoy knows the method QUERY, and refuses one without a `content-type` before any filter (Envoy 1.40).
pub fn checks_query(version: IstioVersion) -> bool {
    version.is_since(32)
}

/// ProxyConfig has `connectionSettings`.
pub fn has_connection_settings(version: IstioVersion) -> bool {
    version.is_since(31)
}

/// The provider's name is part of the ids of CUSTOM rules, and each provider has filters of its own.
pub fn names_providers(version: IstioVersion) -> bool {
    version.is_since(30)
}

/// `ENABLE_GATEWAY_API_HTTPROUTE_AUTH` renames the ALLOW filter of gateways.
pub fn renames_allow_filter(version: IstioVersion) -> bool {
    version.is_since(32)
}

/// A provider whose name is no DNS label is broken.
pub(crate) fn checks_provider_names(version: IstioVersion) -> bool {
    version.is_since(30)
}

/// The patch releases to ask in turn where only the minor version is known, the oldest first: one of each kind that
/// differs in what bears on paths alone. A patch release stands for itself.
pub fn path_alternatives(version: IstioVersion) -> Vec<IstioVersion> {
    version.releases(STRIPPED_PARAMETERS)
}

/// The patch releases that a minor version stands for, the oldest first, as far as these policies mean different
/// things to them; one where they do not, and for a patch release itself.
pub fn alternatives(resources: &Resources, version: IstioVersion) -> Vec<IstioVersion> {
    slices::all(alternatives_in_slices(resources, version, &AtOnce))
}

/// The same in slices.
pub(crate) async fn alternatives_in_slices(
    resources: &Resources,
    version: IstioVersion,
    pace: &dyn Pace,
) -> Vec<IstioVersion> {
    let mut changes = [QUOTED_SERVICE_ACCOUNTS, QUOTED_NAMES, LINES_APART, REGEXES_OF_BYTES].concat();
    changes.extend(Attribute::ALL.into_iter().filter_map(Attribute::came_in_patch));
    let releases = version.releases(&changes);
    if releases.len() < 2 {
        return releases;
    }
    let used = Used::of(resources, pace).await;
    let mut kept: Vec<(IstioVersion, Vec<bool>)> = Vec::new();
    for release in releases {
        let meaning = used.meaning(release);
        match kept.last_mut() {
            // Of releases that mean the same the newest is kept.
            Some(last) if last.1 == meaning => last.0 = release,
            _ => kept.push((release, meaning)),
        }
    }
    match &kept[..] {
        [_] => [version].into(),
        _ => kept.into_iter().map(|(release, _)| release).collect(),
    }
}

/// What of policies means different things to different patch releases.
#[derive(Debug, Default)]
struct Used {
    /// Those that came with a patch release.
    attributes: Vec<Attribute>,
    accounts: bool,
    names: bool,
    headers: bool,
    regexes: bool,
}

impl Used {
    async fn of(resources: &Resources, pace: &dyn Pace) -> Used {
        let mut used = Used::default();
        for rule in resources.authorization.iter().flat_map(|policy| &policy.rules) {
            slices::step(pace).await;
            for (attribute, values) in sets(rule).flat_map(FieldSet::iter) {
                used.see(attribute, values);
            }
            for condition in &rule.when {
                if let Some((attribute, _)) = Attribute::of_key(&condition.key.text) {
                    used.see(attribute, &condition.values);
                }
            }
        }
        used
    }

    fn see(&mut self, attribute: Attribute, values: &Match) {
        let any = |test: fn(&str) -> bool| {
            values.values.iter().chain(&values.not_values).any(|value| test(&value.text))
        };
        match attribute {
            Attribute::ServiceAccount => self.accounts |= any(|text| !is_quoted(text)),
            Attribute::Namespace => self.names |= any(|text| !text.split('*').all(is_quoted)),
            Attribute::Principal => {
                self.names |= any(|text| text.strip_prefix('*').is_some_and(|rest| !is_quoted(rest)));
            }
            Attribute::Header => self.headers = true,
            Attribute::Path | Attribute::Sni => {
                self.regexes |= any(|text| text == "*" || text.contains("{*"))
            }
            _ => {}
        }
        if attribute.came_in_patch().is_some() && !self.attributes.contains(&attribute) {
            self.attributes.push(attribute);
        }
    }

    fn meaning(&self, release: IstioVersion) -> Vec<bool> {
        let rows = [
            self.accounts && quotes_service_accounts(release),
            self.names && quotes_names(release),
            self.headers && matches_lines_apart(release),
            self.regexes && matches_regexes_by_byte(release),
        ];
        rows.into_iter().chain(self.attributes.iter().map(|attribute| attribute.exists_in(release))).collect()
    }
}

/// The policies as a cluster with Istio of that version has them.
///
/// The API server cuts away fields that its schema lacks, which widens a rule without a word; istiod's admission refuses
/// what is then no policy any more: a source without a field, a key that it does not know, a target of a kind that it
/// does not know, a JWT rule without an issuer. A rule names what it lost in
/// [`Rule::pruned`](crate::resource::Rule::pruned). Copies only where something is lost.
pub fn known(resources: &Resources, version: IstioVersion) -> Cow<'_, Resources> {
    slices::all(known_in_slices(resources, version, &AtOnce))
}

/// The same in slices, but for the copy.
pub(crate) async fn known_in_slices<'r>(
    resources: &'r Resources,
    version: IstioVersion,
    pace: &dyn Pace,
) -> Cow<'r, Resources> {
    let mut whole = true;
    for policy in &resources.authorization {
        slices::step(pace).await;
        whole = is_known(policy, version)
            && policy.rules.iter().flat_map(sets).all(|set| pruned(set, version).next().is_none());
        if !whole {
            break;
        }
    }
    if whole && resources.request_authentication.iter().all(|policy| admits(policy, version)) {
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

/// Istio of that version takes the policy, be it with less than what is written.
pub(crate) fn takes(policy: Policy<'_>, version: IstioVersion) -> bool {
    match policy {
        Policy::Authorization(policy) => is_known(policy, version),
        Policy::RequestAuthentication(policy) => admits(policy, version),
        Policy::PeerAuthentication(_) => true,
    }
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
        Target::Namespace | Target::EmptySelector | Target::Selector(_) => true,
    }
}
