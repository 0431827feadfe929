//! The string forms of Istio's fields, as the matchers that istiod makes of them.
//!
//! All work on bytes: Envoy compares bytes, and a header need not be UTF-8. None allocates; all are linear in the
//! value, but [`Glob`], which is linear in value × number of `*`.

use crate::{bytes, regex::Regex};
use alloc::{boxed::Box, string::String, vec::Vec};

/// `*`, `*suffix`, `prefix*` or an exact value, tested in this order: `*foo*` is a suffix with a literal asterisk, and
/// `a*b` is exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Anything; whether an empty value counts is the field's affair (headers: yes; the others: `.+`, no).
    Any,
    /// This value.
    Exact(Box<[u8]>),
    /// Begins so; never empty.
    Prefix(Box<[u8]>),
    /// Ends so; never empty.
    Suffix(Box<[u8]>),
}

impl Pattern {
    /// Reads Istio's notation.
    pub fn parse(text: &str) -> Pattern {
        match (text, text.strip_prefix('*'), text.strip_suffix('*')) {
            ("*", _, _) => Pattern::Any,
            (_, Some(suffix), _) => Pattern::Suffix(suffix.as_bytes().into()),
            (_, _, Some(prefix)) => Pattern::Prefix(prefix.as_bytes().into()),
            _ => Pattern::Exact(text.as_bytes().into()),
        }
    }

    /// Which kind it is, as a number below four, and its text.
    #[cfg(feature = "index")]
    pub(crate) fn parts(&self) -> (u32, &[u8]) {
        match self {
            Pattern::Any => (0, b""),
            Pattern::Exact(text) => (1, text),
            Pattern::Prefix(text) => (2, text),
            Pattern::Suffix(text) => (3, text),
        }
    }

    /// Istio's notation again.
    pub fn written(&self) -> String {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match self {
            Pattern::Any => "*".into(),
            Pattern::Exact(exact) => text(exact),
            Pattern::Prefix(prefix) => text(prefix) + "*",
            Pattern::Suffix(suffix) => text(&[b"*", &suffix[..]].concat()),
        }
    }

    /// Where `*` is Envoy's regex `.+`: paths, SNI, claims, metadata.
    pub fn matches_non_empty(&self, value: &[u8]) -> bool {
        match self {
            // Envoy's RE2 does not let `.` match a line feed.
            Pattern::Any => !value.is_empty() && bytes::find(value, b'\n').is_none(),
            _ => self.matches(value),
        }
    }

    /// Where `*` means that the value is there at all: headers and methods.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exact(exact) => bytes::equal(value, exact),
            Pattern::Prefix(prefix) => bytes::strip_prefix(value, prefix).is_some(),
            Pattern::Suffix(suffix) => bytes::strip_suffix(value, suffix).is_some(),
        }
    }

    /// As [`Pattern::matches`], without regard to ASCII case: hosts.
    pub fn matches_ignoring_case(&self, value: &[u8]) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exact(exact) => value.eq_ignore_ascii_case(exact),
            Pattern::Prefix(prefix) => {
                value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            }
            Pattern::Suffix(suffix) => value
                .len()
                .checked_sub(suffix.len())
                .and_then(|at| value.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix)),
        }
    }
}

/// Literal parts with `.*` between them, anchored at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Box<[Box<[u8]>]>,
}

impl Glob {
    /// The parts between the wildcards; at least one.
    pub fn new(parts: impl IntoIterator<Item = Box<[u8]>>) -> Glob {
        Glob { parts: parts.into_iter().collect() }
    }

    /// The parts, at least one; the first begins the value, the last ends it.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| &**part)
    }

    /// X of `.*/ns/X/.*`.
    #[cfg(feature = "index")]
    pub(crate) fn namespace(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [before, namespace, after] if before.is_empty() && after.is_empty() => {
                namespace.strip_prefix(b"/ns/")?.strip_suffix(b"/")
            }
            _ => None,
        }
    }

    /// X of `spiffe://.*X`.
    #[cfg(feature = "index")]
    pub(crate) fn spiffe_suffix(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [scheme, suffix] if **scheme == *SPIFFE => Some(suffix),
            _ => None,
        }
    }

    /// True if the whole value is the parts in order with anything (but a line feed, as in RE2) between them. Taking
    /// the leftmost place for each inner part is enough: it leaves most room for the rest.
    pub fn matches(&self, value: &[u8]) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return value.is_empty() };
        let Some(mut value) = bytes::strip_prefix(value, first) else { return false };
        let Some((last, inner)) = rest.split_last() else { return value.is_empty() };
        let gap_ok = |gap: &[u8]| bytes::find(gap, b'\n').is_none();
        for part in inner {
            let Some(at) = bytes::find_text(value, part) else { return false };
            if !value.get(..at).is_some_and(gap_ok) {
                return false;
            }
            value = value.get(at + part.len()..).unwrap_or_default();
        }
        bytes::strip_suffix(value, last).is_some_and(gap_ok)
    }
}

/// A name that istiod put into an expression as it stood, where the name has signs that mean something there.
#[derive(Clone, Debug)]
pub struct Unquoted {
    expression: Box<str>,
    /// Why not: RE2 refuses it, and with it Envoy the whole configuration.
    regex: Result<Regex, &'static str>,
}

impl PartialEq for Unquoted {
    fn eq(&self, other: &Unquoted) -> bool {
        self.expression == other.expression
    }
}

impl Eq for Unquoted {}

impl Unquoted {
    /// The regular expression that istiod made of the name.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Why nobody evaluates it: RE2 refuses it, or it has what is not evaluated here.
    pub fn fault(&self) -> Option<&'static str> {
        self.regex.as_ref().err().copied()
    }
}

impl PeerPattern {
    fn unquoted(expression: String) -> PeerPattern {
        let regex = Regex::new(&expression);
        PeerPattern::Unquoted(Box::new(Unquoted { expression: expression.into(), regex }))
    }
}

/// Do all these mean the same in an expression as outside of it?
pub fn is_quoted(text: &str) -> bool {
    !text.contains(|character| r"\.+*?()|[]{}^$".contains(character))
}

/// A test on one name of the peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerPattern {
    /// `principals: ["*"]`: any non-empty name.
    Present,
    /// A principal or the prefix of one, with `spiffe://` in front.
    Name(Pattern),
    /// `*suffix`: regex `spiffe://.*suffix`; namespaces: `.*/ns/<glob>/.*`; trust domains with a wildcard.
    Glob(Glob),
    /// A trust domain with a wildcard: `spiffe://pre[^/]*post/.*`.
    TrustDomain {
        /// Before the wildcard.
        prefix: Box<[u8]>,
        /// After it.
        suffix: Box<[u8]>,
    },
    /// A service account: `spiffe://.+/ns/<ns>/(.+/|)sa/<sa>(/.+)?`.
    ServiceAccount {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
    },
    /// Of an Istio that did not quote the name.
    Unquoted(Box<Unquoted>),
}

/// The text that a part of an expression stands for; `None`: something in it means more.
fn literal_of(part: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = part.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => text.push(rest.next().filter(|quoted| !quoted.is_ascii_alphanumeric())?),
            special if r".+*?()|[]{}^$".contains(special) => return None,
            plain => text.push(plain),
        }
    }
    Some(text)
}

/// The parts between `.*`, at none that is quoted.
fn split_at_wildcards(expression: &str) -> Vec<&str> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    let bytes = expression.as_bytes();
    while let Some(byte) = bytes.get(at) {
        at += match (byte, bytes.get(at + 1)) {
            (b'\\', Some(_)) => 2,
            (b'.', Some(b'*')) => {
                parts.push(expression.get(from..at).unwrap_or_default());
                from = at + 2;
                2
            }
            _ => 1,
        };
    }
    parts.push(expression.get(from..).unwrap_or_default());
    parts
}

/// What every SPIFFE id begins with.
pub(crate) const SPIFFE: &[u8] = b"spiffe://";

impl PeerPattern {
    /// `principals`, after trust domain aliases were expanded. A `spiffe://` that the user wrote is doubled and never
    /// matches, as in Istio.
    pub(crate) fn principal(value: &str, literal: bool) -> PeerPattern {
        let with_scheme = |text: &[u8]| [SPIFFE, text].concat().into();
        match Pattern::parse(value) {
            Pattern::Any => PeerPattern::Present,
            Pattern::Exact(text) => PeerPattern::Name(Pattern::Exact(with_scheme(&text))),
            Pattern::Prefix(text) => PeerPattern::Name(Pattern::Prefix(with_scheme(&text))),
            Pattern::Suffix(suffix) => match value.strip_prefix('*') {
                Some(text) if !literal && !is_quoted(text) => {
                    PeerPattern::unquoted(["spiffe://.*", text].concat())
                }
                _ => PeerPattern::Glob(Glob::new([SPIFFE.into(), suffix])),
            },
        }
    }

    /// Reads a regular expression as istiod writes it: literals with `.*` between them, and the forms of trust domains and
    /// service accounts. `None`: it has anything else in it.
    pub fn of_expression(expression: &str) -> Option<PeerPattern> {
        if expression == ".+" {
            return Some(PeerPattern::Present);
        }
        let account = expression.strip_prefix("spiffe://.+/ns/").and_then(|rest| rest.strip_suffix("(/.+)?"));
        if let Some((namespace, name)) = account.and_then(|rest| rest.split_once("/(.+/|)sa/")) {
            let (namespace, name) = (literal_of(namespace)?.into(), literal_of(name)?.into());
            return Some(PeerPattern::ServiceAccount { namespace, name });
        }
        let domain = expression.strip_prefix("spiffe://").and_then(|rest| rest.strip_suffix("/.*"));
        if let Some((prefix, suffix)) = domain.and_then(|domain| domain.split_once("[^/]*")) {
            let part = |text| literal_of(text).map(|text| text.into_bytes().into());
            return Some(PeerPattern::TrustDomain { prefix: part(prefix)?, suffix: part(suffix)? });
        }
        let mut parts: Vec<Box<[u8]>> = Vec::new();
        for part in split_at_wildcards(expression) {
            parts.push(literal_of(part)?.into_bytes().into());
        }
        Some(match &parts[..] {
            [only] => PeerPattern::Name(Pattern::Exact(only.clone())),
            _ => PeerPattern::Glob(Glob::new(parts)),
        })
    }

    /// Bytes that are equal exactly where the patterns are.
    #[cfg(feature = "index")]
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        let mut add = |kind: u8, text: &[u8]| {
            key.push(kind);
            key.extend_from_slice(&text.len().to_le_bytes());
            key.extend_from_slice(text);
        };
        match self {
            PeerPattern::Present => add(0, b""),
            PeerPattern::Name(pattern) => add(1 + pattern.parts().0 as u8, pattern.parts().1),
            PeerPattern::Glob(glob) => glob.parts.iter().for_each(|part| add(5, part)),
            PeerPattern::TrustDomain { prefix, suffix } => {
                [prefix, suffix].iter().for_each(|text| add(7, text))
            }
            PeerPattern::ServiceAccount { namespace, name } => {
                [namespace, name].iter().for_each(|text| add(8, text.as_bytes()));
            }
            PeerPattern::Unquoted(unquoted) => add(9, unquoted.expression.as_bytes()),
        }
        key
    }

    /// The principal that this is as a whole.
    pub(crate) fn exact_principal(&self) -> Option<&[u8]> {
        match self {
            PeerPattern::Name(Pattern::Exact(name)) => name.strip_prefix(SPIFFE),
            _ => None,
        }
    }

    /// `namespaces`: every `*` is `.*`, which crosses slashes, so `*a` matches every service account path.
    pub(crate) fn namespace(value: &str, literal: bool) -> PeerPattern {
        if !literal && !value.split('*').all(is_quoted) {
            return PeerPattern::unquoted([".*/ns/", &value.replace('*', ".*"), "/.*"].concat());
        }
        let text = ["*/ns/", value, "/*"].concat();
        PeerPattern::Glob(Glob::new(text.split('*').map(|part| part.as_bytes().into())))
    }

    /// `serviceAccounts`: `name` in the policy's own namespace, or `namespace/name`.
    pub(crate) fn service_account(value: &str, policy_namespace: &str, literal: bool) -> PeerPattern {
        let (namespace, name) = value.split_once('/').unwrap_or((policy_namespace, value));
        if !(literal || is_quoted(namespace) && is_quoted(name)) {
            let parts = ["spiffe://.+/ns/", namespace, "/(.+/|)sa/", name, "(/.+)?"];
            return PeerPattern::unquoted(parts.concat());
        }
        PeerPattern::ServiceAccount { namespace: namespace.into(), name: name.into() }
    }

    /// `trustDomains`, after aliases were expanded.
    pub(crate) fn trust_domain(value: &str) -> PeerPattern {
        match value.split_once('*') {
            None => PeerPattern::Name(Pattern::Prefix([SPIFFE, value.as_bytes(), b"/"].concat().into())),
            Some(("", "")) => PeerPattern::Name(Pattern::Prefix(SPIFFE.into())),
            Some((prefix, suffix)) => PeerPattern::TrustDomain {
                prefix: prefix.as_bytes().into(),
                suffix: suffix.as_bytes().into(),
            },
        }
    }

    /// Against one name: a URI SAN, a DNS SAN or the subject.
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            PeerPattern::Present => Pattern::Any.matches_non_empty(name),
            PeerPattern::Name(pattern) => pattern.matches(name),
            PeerPattern::Glob(glob) => glob.matches(name),
            PeerPattern::TrustDomain { prefix, suffix } => matches_trust_domain(name, prefix, suffix),
            PeerPattern::ServiceAccount { namespace, name: account } => {
                matches_service_account(name, namespace.as_bytes(), account.as_bytes())
            }
            PeerPattern::Unquoted(unquoted) => unquoted.regex.as_ref().is_ok_and(|regex| regex.matches(name)),
        }
    }
}

/// `spiffe://<prefix>[^/]*<suffix>/.*`; the `when` key lets slashes into both parts.
fn matches_trust_domain(name: &[u8], prefix: &[u8], suffix: &[u8]) -> bool {
    let Some(rest) = strip_all(name, &[SPIFFE, prefix]) else { return false };
    let wild = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    (0..=wild).any(|at| {
        rest.get(at..)
            .and_then(|text| strip_all(text, &[suffix, b"/"]))
            .is_some_and(|tail| !tail.contains(&b'\n'))
    })
}

/// `spiffe://.+/ns/<ns>/(.+/|)sa/<sa>(/.+)?`, by trying every place of `/ns/<ns>/` and of `sa/<sa>` behind it.
fn matches_service_account(name: &[u8], namespace: &[u8], account: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(SPIFFE) else { return false };
    if rest.contains(&b'\n') {
        return false;
    }
    let head = [b"/ns/", namespace, b"/"];
    let ends_here = |tail: &[u8]| tail.is_empty() || (tail.first() == Some(&b'/') && tail.len() > 1);
    // `.+` before `/ns/`: at least one byte.
    (1..rest.len()).any(|at| {
        let Some(after) = rest.get(at..).and_then(|text| strip_all(text, &head)) else {
            return false;
        };
        let account_at = |text: &[u8]| strip_all(text, &[b"sa/", account]).is_some_and(ends_here);
        account_at(after)
            || (1..after.len()).any(|slash| {
                after.get(slash) == Some(&b'/') && after.get(slash + 1..).is_some_and(account_at)
            })
    })
}

/// `text` without all of `parts` in front.
fn strip_all<'t>(text: &'t [u8], parts: &[&[u8]]) -> Option<&'t [u8]> {
    parts.iter().try_fold(text, |text, part| bytes::strip_prefix(text, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_forms() {
        // (pattern, value, matches, matches where `*` is `.+`)
        for (pattern, value, present, non_empty) in [
            ("*", "", true, false),
            ("*", "x", true, true),
            ("*.com", "a.com", true, true),
            ("*.com", ".com", true, true),
            ("*.com", "a.org", false, false),
            ("/a/*", "/a/", true, true),
            ("/a/*", "/a", false, false),
            ("*foo*", "/xfoobar", false, false),
            ("*foo*", "/xfoo*", true, true),
            ("a*b", "a*b", true, true),
            ("a*b", "axb", false, false),
            ("", "", true, true),
        ] {
            let parsed = Pattern::parse(pattern);
            assert_eq!(parsed.matches(value.as_bytes()), present, "{pattern} {value}");
            assert_eq!(parsed.matches_non_empty(value.as_bytes()), non_empty, "{pattern} {value}");
            assert_eq!(parsed.written(), pattern);
        }
        assert!(Pattern::parse("*.A.com").matches_ignoring_case(b"x.a.COM"));
        assert!(Pattern::parse("A.com:*").matches_ignoring_case(b"a.COM:80"));
        assert!(!Pattern::parse("*.a.com").matches_ignoring_case(b"a.com"));
    }

    #[test]
    fn peers() {
        let id = "spiffe://cluster.local/ns/shop/sa/web";
        let account = |value: &str| PeerPattern::service_account(value, "istio-system", true);
        for (pattern, name, expected) in [
            (PeerPattern::principal("*", true), id, true),
            (PeerPattern::principal("*", true), "", false),
            (PeerPattern::principal("cluster.local/ns/shop/sa/web", true), id, true),
            (PeerPattern::principal("cluster.local/ns/shop/*", true), id, true),
            (PeerPattern::principal("*/sa/web", true), id, true),
            (PeerPattern::principal("*/ns/shop/sa/web", true), "spiffe://other/ns/shop/sa/web", true),
            (PeerPattern::principal("spiffe://cluster.local/ns/shop/sa/web", true), id, false),
            (PeerPattern::namespace("shop", true), id, true),
            (PeerPattern::namespace("sho", true), id, false),
            (PeerPattern::namespace("sh*", true), id, true),
            (PeerPattern::namespace("*op", true), id, true),
            // The regex crosses slashes: `/ns/.*a/.*` finds `/ns/shop/sa/web`.
            (PeerPattern::namespace("*a", true), id, true),
            (PeerPattern::namespace("*", true), id, true),
            (PeerPattern::namespace("s*p", true), id, true),
            (PeerPattern::namespace("s*x", true), id, false),
            (PeerPattern::namespace("shop", true), "not-spiffe/ns/shop/sa/web", true),
            (
                PeerPattern::principal("*.local/ns/shop/sa/web", true),
                "spiffe://x-local/ns/shop/sa/web",
                false,
            ),
            (
                PeerPattern::principal("*.local/ns/shop/sa/web", false),
                "spiffe://x-local/ns/shop/sa/web",
                true,
            ),
            (PeerPattern::namespace("s.*p", false), id, true),
            (PeerPattern::namespace("s.*p", true), id, false),
            // The second asterisk repeats what stands before it; the first is `.*`.
            (PeerPattern::principal("*/sa/web*", false), id, true),
            (PeerPattern::principal("*/sa/web*", false), "spiffe://cluster.local/ns/shop/sa/webbb", true),
            (PeerPattern::principal("*/sa/web*", false), "spiffe://cluster.local/ns/shop/sa/web*", false),
            (PeerPattern::principal("*/sa/web*", true), "spiffe://cluster.local/ns/shop/sa/web*", true),
            (PeerPattern::principal("*/sa/(web|api)", false), id, true),
            (PeerPattern::principal("*/sa/[v-x]eb", false), id, true),
            (PeerPattern::principal("*/sa/web+", true), id, false),
            // RE2 refuses it.
            (PeerPattern::principal("*(", false), id, false),
            (PeerPattern::namespace("sho+p", false), "spiffe://cluster.local/ns/shooop/sa/web", true),
            (
                PeerPattern::service_account("shop/we?b", "", false),
                "spiffe://cluster.local/ns/shop/sa/wb",
                true,
            ),
            (PeerPattern::service_account("shop/w.b", "", false), id, true),
            (PeerPattern::service_account("shop/w.b", "", true), id, false),
            (account("shop/web"), id, true),
            (account("web"), id, false),
            (account("web"), "spiffe://td/ns/istio-system/sa/web", true),
            (account("shop/web"), "spiffe://cluster.local/ns/shop/sa/web-2", false),
            (account("shop/web"), "spiffe://cluster.local/ns/shop/sa/web/x", true),
            (account("shop/web"), "spiffe://cluster.local/ns/shop/sa/web/", false),
            (account("shop/web"), "spiffe://td/ns/shop/x/y/sa/web", true),
            (account("shop/web"), "spiffe:///ns/shop/sa/web", false),
            (PeerPattern::trust_domain("*"), id, true),
            (PeerPattern::trust_domain("cluster.local"), id, true),
            (PeerPattern::trust_domain("cluster"), id, false),
            (PeerPattern::trust_domain("*.local"), id, true),
            (PeerPattern::trust_domain("cluster*"), id, true),
            (PeerPattern::trust_domain("*.corp"), id, false),
        ] {
            assert_eq!(pattern.matches(name.as_bytes()), expected, "{pattern:?} {name}");
        }
    }
}
