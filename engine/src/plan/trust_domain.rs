//! Trust domain aliases: what istiod writes into the proxy for a principal or a trust domain
//! (`pilot/pkg/security/trustdomain/bundle.go`).

use crate::order;
use alloc::{format, string::String, vec::Vec};

/// The mesh's trust domain and its aliases.
#[derive(Clone, Debug)]
pub(crate) struct TrustDomains {
    /// As written.
    all: Vec<String>,
    /// Each once.
    distinct: Vec<String>,
}

impl TrustDomains {
    pub(crate) fn new(own: &str, aliases: &[String]) -> Self {
        let all: Vec<String> = [own].into_iter().map(String::from).chain(aliases.iter().cloned()).collect();
        let mut order: Vec<usize> = (0..all.len()).collect();
        order::sort_by(&mut order, |a, b| all.get(*a).cmp(&all.get(*b)));
        order.dedup_by(|later, first| all.get(*later) == all.get(*first));
        order::sort(&mut order);
        let distinct = order.into_iter().filter_map(|index| all.get(index).cloned()).collect();
        TrustDomains { all, distinct }
    }

    /// `principals` value → the values enforced.
    ///
    /// A value of five parts whose trust domain matches any of ours, or is `cluster.local` (a pointer to the local
    /// trust domain, whatever it is called), is replaced by one copy for each of ours. Anything else stays.
    pub(crate) fn principal(&self, value: &str) -> Vec<String> {
        let parts: Vec<&str> = value.split('/').collect();
        let [domain, rest @ ..] = &parts[..] else { return alloc::vec![value.into()] };
        let enforced = rest.len() == 4
            && *domain != "*"
            && (*domain == "cluster.local" || self.distinct.iter().any(|own| wildcards_meet(domain, own)));
        if !enforced {
            return alloc::vec![value.into()];
        }
        let mut values = Vec::new();
        let rest = rest.join("/");
        let mut kept = false;
        for own in &self.distinct {
            // What is kept may be what another domain is replaced by.
            let keeps = suffix_match(own, domain) || own == domain;
            if !keeps {
                values.push(format!("{own}/{rest}"));
            } else if !core::mem::replace(&mut kept, true) {
                values.push(value.into());
            }
        }
        values
    }

    /// `trustDomains` value → the values enforced: all of ours where it is literally one of them.
    pub(crate) fn domain(&self, value: &str) -> Vec<String> {
        if self.all.iter().any(|own| own == value) { self.all.clone() } else { alloc::vec![value.into()] }
    }
}

fn prefix_match(text: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix))
}

fn suffix_match(text: &str, pattern: &str) -> bool {
    pattern.strip_prefix('*').is_some_and(|suffix| text.ends_with(suffix))
}

/// Either side may be the pattern.
fn wildcards_meet(a: &str, own: &str) -> bool {
    a == own
        || own == "*"
        || prefix_match(a, own)
        || prefix_match(own, a)
        || suffix_match(a, own)
        || suffix_match(own, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals() {
        let domains = TrustDomains::new("corp", &["old-corp".into(), "x".into()]);
        for (value, expected) in [
            ("cluster.local/ns/a/sa/b", &["corp/ns/a/sa/b", "old-corp/ns/a/sa/b", "x/ns/a/sa/b"][..]),
            ("corp/ns/a/sa/b", &["corp/ns/a/sa/b", "old-corp/ns/a/sa/b", "x/ns/a/sa/b"]),
            ("*corp/ns/a/sa/b", &["*corp/ns/a/sa/b", "x/ns/a/sa/b"]),
            ("other/ns/a/sa/b", &["other/ns/a/sa/b"]),
            ("*/ns/a/sa/b", &["*/ns/a/sa/b"]),
            ("*/sa/b", &["*/sa/b"]),
            ("corp/*", &["corp/*"]),
            ("", &[""]),
        ] {
            assert_eq!(domains.principal(value), expected, "{value}");
        }
        assert_eq!(TrustDomains::new("corp", &[]).principal("cluster.local/ns/a/sa/b"), ["corp/ns/a/sa/b"]);
        let twice = TrustDomains::new("corp", &["x".into(), "corp".into(), "x".into()]);
        assert_eq!(twice.principal("corp/ns/a/sa/b"), ["corp/ns/a/sa/b", "x/ns/a/sa/b"]);
        assert_eq!(twice.principal("*rp/ns/a/sa/b"), ["*rp/ns/a/sa/b", "x/ns/a/sa/b"]);
        assert_eq!(twice.domain("x"), ["corp", "x", "corp", "x"]);
        assert_eq!(domains.domain("x"), ["corp", "old-corp", "x"]);
        assert_eq!(domains.domain("cluster.local"), ["cluster.local"]);
    }
}
