//! Trust domain aliases: what istiod writes into the proxy for a principal or a trust domain
//! (`pilot/pkg/security/trustdomain/bundle.go`).

use alloc::{format, string::String, vec::Vec};

/// The mesh's trust domain and its aliases.
#[derive(Clone, Debug)]
pub(crate) struct TrustDomains(Vec<String>);

impl TrustDomains {
    pub(crate) fn new(own: &str, aliases: &[String]) -> Self {
        TrustDomains([own].into_iter().map(String::from).chain(aliases.iter().cloned()).collect())
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
            && (*domain == "cluster.local" || self.0.iter().any(|own| wildcards_meet(domain, own)));
        if !enforced {
            return alloc::vec![value.into()];
        }
        let mut values = Vec::new();
        for own in &self.0 {
            let replaced =
                if suffix_match(own, domain) { value.into() } else { format!("{own}/{}", rest.join("/")) };
            if !values.contains(&replaced) {
                values.push(replaced);
            }
        }
        values
    }

    /// `trustDomains` value → the values enforced: all of ours where it is literally one of them.
    pub(crate) fn domain(&self, value: &str) -> Vec<String> {
        if self.0.iter().any(|own| own == value) { self.0.clone() } else { alloc::vec![value.into()] }
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
        assert_eq!(domains.domain("x"), ["corp", "old-corp", "x"]);
        assert_eq!(domains.domain("cluster.local"), ["cluster.local"]);
    }
}
