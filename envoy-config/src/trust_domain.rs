//! Trust domain aliases (`pilot/pkg/security/trustdomain`).

use alloc::{format, string::String, vec::Vec};
use gnomon_engine::Mesh;

/// The trust domain and its aliases.
pub(super) fn all(mesh: &Mesh) -> Vec<&str> {
    let mut domains = Vec::new();
    domains.push(mesh.trust_domain.as_str());
    domains.extend(mesh.trust_domain_aliases.iter().map(String::as_str));
    domains
}

/// Each principal of a trust domain of this mesh becomes one of every trust domain. `cluster.local` is always one of
/// this mesh: a pointer to the local domain.
pub(super) fn expand_principals(values: &[String], domains: &[&str]) -> Vec<String> {
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        let own = value.split_once('/').filter(|(domain, _)| {
            value.split('/').count() == 5
                && *domain != "*"
                && (*domain == "cluster.local" || domains.iter().any(|known| same(domain, known)))
        });
        let Some((domain, rest)) = own else {
            out.push(value.clone());
            continue;
        };
        let start = out.len();
        for known in domains {
            // `*local/…` covers a domain that ends so: it stays as it is.
            let new = match suffix(known, domain) {
                true => value.clone(),
                false => format!("{known}/{rest}"),
            };
            if !out.iter().skip(start).any(|old| *old == new) {
                out.push(new);
            }
        }
    }
    out
}

/// A trust domain of this mesh becomes all of them; here `cluster.local` means just itself.
pub(super) fn expand_domains(values: &[String], domains: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(values.len());
    let mut push = |value: &str| {
        if !out.iter().any(|old| old == value) {
            out.push(value.into());
        }
    };
    for value in values {
        match domains.contains(&value.as_str()) {
            true => domains.iter().for_each(|domain| push(domain)),
            false => push(value),
        }
    }
    out
}

/// Equal, or one is a pattern that the other fits.
fn same(domain: &str, known: &str) -> bool {
    domain == known
        || known == "*"
        || prefix(domain, known)
        || prefix(known, domain)
        || suffix(domain, known)
        || suffix(known, domain)
}

fn prefix(text: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix))
}

fn suffix(text: &str, pattern: &str) -> bool {
    pattern.strip_prefix('*').is_some_and(|suffix| text.ends_with(suffix))
}
