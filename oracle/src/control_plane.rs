//! What istiod makes of policies and providers before any proxy sees them.

use crate::strings;
use gnomon_engine::{
    Attribute, Mesh,
    node::Value,
    resource::{AuthorizationPolicy, Match},
    workload::{ExtensionProvider, IstioVersion, ProviderKind},
};

/// Is the version one of these patch releases (minor, patch), a later one of the same branch, or on a branch that began
/// after all of them?
pub fn is_mended(version: IstioVersion, releases: &[(u16, u16)]) -> bool {
    let (minor, patch) = version.parts();
    let on_branch =
        releases.iter().any(|(of, first)| *of == minor && patch.is_some_and(|patch| patch >= *first));
    on_branch || releases.iter().all(|(of, _)| *of < minor)
}

/// The policy as a control plane of that version reads it: fields that its schema lacks are cut away, and what is then
/// no policy any more is not admitted.
pub fn known_to(version: IstioVersion, policy: &AuthorizationPolicy) -> Option<AuthorizationPolicy> {
    let mut policy = policy.clone();
    for rule in &mut policy.rules {
        for source in &mut rule.from {
            if version < IstioVersion::minor(25) {
                source.set(Attribute::ServiceAccount, Match::default());
            }
            if !is_mended(version, &[(30, 2)]) {
                source.set(Attribute::TrustDomain, Match::default());
            }
            if source.is_empty() {
                return None;
            }
        }
        for condition in &rule.when {
            let known = match condition.key.text.as_str() {
                "source.serviceAccount" => version >= IstioVersion::minor(25),
                "source.trustDomain" => is_mended(version, &[(30, 2)]),
                _ => true,
            };
            if !known {
                return None;
            }
        }
    }
    Some(policy)
}

/// The provider of that name, if istiod can use it.
pub fn provider<'m>(mesh: &'m Mesh, name: &str) -> Option<&'m ExtensionProvider> {
    let named: Vec<_> = mesh.extension_providers.iter().filter(|provider| provider.name == name).collect();
    let [provider] = named[..] else { return None };
    let plain = strings::full_match("[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) && name.len() <= 63;
    if !plain && mesh.istio_version >= IstioVersion::minor(30) {
        return None;
    }
    let (ProviderKind::Http(entry) | ProviderKind::Grpc(entry)) = &provider.kind else {
        return Some(provider);
    };
    let text = |name: &str| match entry.get(name).map(|node| &node.value) {
        Some(Value::String(text) | Value::Number(text)) => text.clone(),
        _ => String::new(),
    };
    let port = text("port").parse::<u32>().unwrap_or(0);
    let status = text("statusOnError");
    let good = !text("service").is_empty()
        && (1..=65535).contains(&port)
        && (status.is_empty() || [403, 429, 503].contains(&status.parse::<u16>().unwrap_or(0)))
        && (text("pathPrefix").is_empty()
            || text("pathPrefix").starts_with('/')
            || matches!(provider.kind, ProviderKind::Grpc(_)));
    good.then_some(provider)
}

fn entry(provider: &ExtensionProvider, name: &str) -> Option<Value> {
    match &provider.kind {
        ProviderKind::Named => None,
        ProviderKind::Http(entry) | ProviderKind::Grpc(entry) => {
            entry.get(name).map(|node| node.value.clone())
        }
    }
}

pub fn fails_open(provider: &ExtensionProvider) -> bool {
    entry(provider, "failOpen") == Some(Value::Bool(true))
}

pub fn status_on_error(provider: &ExtensionProvider) -> u16 {
    match entry(provider, "statusOnError") {
        Some(Value::String(text) | Value::Number(text)) => text.parse().expect("the provider is usable"),
        _ => 403,
    }
}
