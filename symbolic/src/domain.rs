//! The strings that there are: what reaches a proxy's filters as a method, a host, a path, a header …
//!
//! A class of strings without a member here does not exist: a path that normalization rewrites, a host with a blank.

use crate::text::{Bytes, Domain};
use alloc::{vec, vec::Vec};
use gnomon_engine::{path::PathHandling, workload::EscapedSlashes};

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";

/// Strings of one or more bytes of a set, or of any number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    set: Bytes,
    may_be_empty: bool,
}

impl Over {
    /// Methods: tokens of HTTP.
    pub(crate) fn methods() -> Over {
        let marks = Bytes::of(b"!#$%&'*+-.^_`|~");
        Over { set: letters(UPPER).union(Bytes::of(LOWER)).union(marks), may_be_empty: false }
    }

    /// What Envoy takes as `:authority`, but for the empty one.
    pub(crate) fn hosts(capitals: bool) -> Over {
        let set = letters(LOWER).union(Bytes::of(b"!$%&'()*+,-.:;=@[]_~"));
        Over { set: if capitals { set.union(Bytes::of(UPPER)) } else { set }, may_be_empty: false }
    }

    /// Server names in lower case, and that there is none.
    pub(crate) fn server_names() -> Over {
        Over { set: letters(LOWER).union(Bytes::of(b".-_")), may_be_empty: true }
    }
}

fn letters(of: &[u8]) -> Bytes {
    Bytes::of(of).union(Bytes::of(DIGITS))
}

impl Domain for Over {
    fn start(&self) -> u32 {
        0
    }

    fn step(&self, _: u32, byte: u8) -> Option<u32> {
        self.set.contains(byte).then_some(1)
    }

    fn ends(&self, state: u32) -> bool {
        state == 1 || self.may_be_empty
    }
}

/// Names as people give them to servers: labels in lower case with dots between, for a host perhaps with a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) ports: bool,
}

impl Domain for Names {
    /// 0: a label begins; 1: within one; 2: behind a hyphen; 3: behind a colon; 4 to 7: digits of the port.
    fn start(&self) -> u32 {
        0
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        let letter = byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match (state, byte) {
            (0..=2, _) if letter => Some(1),
            (1 | 2, b'-') => Some(2),
            (1, b'.') => Some(0),
            (1, b':') => self.ports.then_some(3),
            (3, b'1'..=b'9') => Some(4),
            (4..=6, b'0'..=b'9') => Some(state + 1),
            _ => None,
        }
    }

    fn ends(&self, state: u32) -> bool {
        state == 1 || state >= 4
    }
}

/// One word alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word(pub(crate) &'static [u8]);

impl Domain for Word {
    fn start(&self) -> u32 {
        0
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        self.0.get(state as usize).filter(|wanted| **wanted == byte).map(|_| state + 1)
    }

    fn ends(&self, state: u32) -> bool {
        state as usize == self.0.len()
    }
}

/// Targets of CONNECT: a host and a port below 60000, without zeros in front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorities {
    pub(crate) capitals: bool,
}

impl Domain for Authorities {
    /// 0, 1: the host; 2: its end; 3 to 7: digits of the port, 10 to 13 where a fifth would be too many.
    fn start(&self) -> u32 {
        0
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        let host = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        match (state, byte) {
            (0 | 1, _) if host || self.capitals && byte.is_ascii_uppercase() => Some(1),
            (1, b':') => Some(2),
            (2, b'1'..=b'5') => Some(3),
            (2, b'6'..=b'9') => Some(10),
            (3..=6 | 10..=12, b'0'..=b'9') => Some(state + 1),
            _ => None,
        }
    }

    fn ends(&self, state: u32) -> bool {
        state >= 3
    }
}

/// UTF-8 without control characters. A header's value has no blanks at its ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Utf8 {
    /// Outer blanks are cut.
    pub(crate) trimmed: bool,
    /// More than ASCII is needed to tell the patterns apart.
    pub(crate) beyond_ascii: bool,
}

impl Utf8 {
    const START: u32 = 0;
    const VISIBLE: u32 = 1;
    const BLANK: u32 = 2;
}

impl Domain for Utf8 {
    fn start(&self) -> u32 {
        Self::START
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        // 11, 12, 13: so many continuation bytes are missing; 14 to 17: the first of them is restricted.
        match (state, byte) {
            (0..=2, b' ') => (!self.trimmed || state != Self::START).then_some(Self::BLANK),
            (0..=2, 0x21..=0x7e) => Some(Self::VISIBLE),
            (0..=2, 0x80..) if !self.beyond_ascii => None,
            (0..=2, 0xc3..=0xdf) => Some(11),
            (0..=2, 0xe0) => Some(14),
            (0..=2, 0xed) => Some(15),
            (0..=2, 0xe1..=0xef) => Some(12),
            (0..=2, 0xf0) => Some(16),
            (0..=2, 0xf4) => Some(17),
            (0..=2, 0xf1..=0xf3) => Some(13),
            (11, 0x80..=0xbf) => Some(Self::VISIBLE),
            (12, 0x80..=0xbf) | (14, 0xa0..=0xbf) | (15, 0x80..=0x9f) => Some(11),
            (13, 0x80..=0xbf) | (16, 0x90..=0xbf) | (17, 0x80..=0x8f) => Some(12),
            _ => None,
        }
    }

    fn ends(&self, state: u32) -> bool {
        matches!(state, Self::START | Self::VISIBLE) || (state == Self::BLANK && !self.trimmed)
    }
}

/// Paths as the connection manager leaves them: those that it would leave as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paths {
    pub(crate) handling: PathHandling,
    /// Escapes are needed to tell the patterns apart.
    pub(crate) escapes: bool,
    /// A query may follow.
    pub(crate) queries: bool,
}

impl Paths {
    const START: u32 = 0;
    /// Behind a slash.
    const SEGMENT: u32 = 1;
    /// Within a segment.
    const INSIDE: u32 = 2;
    const DOT: u32 = 3;
    const DOTS: u32 = 4;
    /// Nothing but two slashes, which merging leaves.
    const SLASHES: u32 = 5;
    const QUERY: u32 = 6;
    /// Behind `%`.
    const PERCENT: u32 = 7;
    const FIRST: u32 = 8;
    /// Behind `%` and a digit: so much more than this.
    const DIGIT: u32 = 16;

    fn plain(&self, state: u32, byte: u8) -> Option<u32> {
        let PathHandling { normalize, merge_slashes, strip_parameters, .. } = self.handling;
        match byte {
            b'/' if matches!(state, Self::DOT | Self::DOTS) && normalize => None,
            b'/' if merge_slashes && state == Self::FIRST => Some(Self::SLASHES),
            b'/' if merge_slashes && state == Self::SEGMENT => None,
            b'/' => Some(Self::SEGMENT),
            b'?' if matches!(state, Self::DOT | Self::DOTS) && normalize => None,
            b'?' => self.queries.then_some(Self::QUERY),
            b'%' => self.escapes.then_some(Self::PERCENT),
            b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' if normalize => None,
            b'.' if matches!(state, Self::SEGMENT | Self::FIRST) => Some(Self::DOT),
            b'.' if state == Self::DOT => Some(Self::DOTS),
            b';' if matches!(state, Self::DOT | Self::DOTS) && normalize && strip_parameters => None,
            b'#' => None,
            0x21..=0x7e => Some(Self::INSIDE),
            _ => None,
        }
    }

    /// Does the escape stay as it is?
    fn stays(&self, byte: u8) -> bool {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let slash = matches!(byte, b'/' | b'\\');
        (!self.handling.normalize || !(unreserved || byte == 0))
            && (!slash || self.handling.escaped_slashes == EscapedSlashes::Keep)
    }
}

impl Domain for Paths {
    fn start(&self) -> u32 {
        Self::START
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        let digit = char::from(byte).to_digit(16);
        match (state, digit) {
            (Self::START, _) => (byte == b'/').then_some(Self::FIRST),
            (Self::SLASHES, _) => (byte == b'?' && self.queries).then_some(Self::QUERY),
            (Self::QUERY, _) => matches!(byte, 0x21..=0x22 | 0x24..=0x7e).then_some(Self::QUERY),
            (Self::PERCENT, Some(digit)) => Some(Self::DIGIT + digit),
            (Self::PERCENT, None) => self.plain(Self::INSIDE, byte),
            (Self::DIGIT.., Some(digit)) => {
                let decoded = u8::try_from((state - Self::DIGIT) * 16 + digit).ok()?;
                self.stays(decoded).then_some(Self::INSIDE)
            }
            (Self::DIGIT.., None) => self.plain(Self::INSIDE, byte),
            _ => self.plain(state, byte),
        }
    }

    fn ends(&self, state: u32) -> bool {
        match state {
            Self::START => false,
            Self::DOT | Self::DOTS => !self.handling.normalize,
            _ => true,
        }
    }
}

/// SPIFFE ids, with their scheme.
///
/// Of Istio's form, `spiffe://TD/ns/NAMESPACE/sa/ACCOUNT`, or with any other path that has no segment `ns`: what Istio's
/// patterns look for cannot stand in such a one twice, and there is a bounded number of classes.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    /// What comes before the first slash of the path.
    start: Vec<u8>,
    /// That is a whole trust domain, and not only the scheme.
    own: bool,
    /// Only those of Istio's form.
    in_form: bool,
}

impl Identities {
    const TRUST_DOMAIN: u32 = 1_000;
    const IN_TRUST_DOMAIN: u32 = 1_001;
    /// The first segment: nothing of it, `n`, `ns`.
    const FIRST: u32 = 1_010;
    const FIRST_N: u32 = 1_011;
    const FIRST_NS: u32 = 1_012;
    /// A segment of another path, of which it is known that it is not `ns`.
    const OTHER: u32 = 1_020;
    /// A later one: nothing of it, `n`, `ns`.
    const NEXT: u32 = 1_021;
    const NEXT_N: u32 = 1_022;
    const NEXT_NS: u32 = 1_023;
    const NAMESPACE: u32 = 1_030;
    const IN_NAMESPACE: u32 = 1_031;
    const S: u32 = 1_032;
    const SA: u32 = 1_033;
    const SLASH: u32 = 1_034;
    const ACCOUNT: u32 = 1_035;
    const IN_ACCOUNT: u32 = 1_036;

    /// Of this trust domain and of Istio's form.
    pub(crate) fn of(trust_domain: &str) -> Identities {
        Identities { start: [b"spiffe://", trust_domain.as_bytes()].concat(), own: true, in_form: true }
    }

    /// Of any trust domain and of Istio's form.
    pub(crate) fn in_form() -> Identities {
        Identities { in_form: true, ..Identities::any() }
    }

    /// All of them.
    pub(crate) fn any() -> Identities {
        Identities { start: b"spiffe://".to_vec(), own: false, in_form: false }
    }
}

impl Domain for Identities {
    fn start(&self) -> u32 {
        0
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        if let Some(wanted) = self.start.get(state as usize) {
            let last = state as usize + 1 == self.start.len();
            let next = match (last, self.own) {
                (true, true) => Self::IN_TRUST_DOMAIN,
                (true, false) => Self::TRUST_DOMAIN,
                _ => state + 1,
            };
            return (byte == *wanted).then_some(next);
        }
        let lower = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let name = lower || byte.is_ascii_uppercase();
        match (state, byte) {
            (Self::TRUST_DOMAIN, _) => lower.then_some(Self::IN_TRUST_DOMAIN),
            (Self::IN_TRUST_DOMAIN, b'/') => Some(Self::FIRST),
            (Self::IN_TRUST_DOMAIN, _) => (lower && !self.own).then_some(Self::IN_TRUST_DOMAIN),
            (Self::FIRST, b'n') => Some(Self::FIRST_N),
            (Self::FIRST_N, b's') => Some(Self::FIRST_NS),
            (Self::FIRST_NS, b'/') => Some(Self::NAMESPACE),
            (Self::FIRST | Self::FIRST_N | Self::FIRST_NS, _) if self.in_form => None,
            (Self::NEXT, b'n') => Some(Self::NEXT_N),
            (Self::NEXT_N, b's') => Some(Self::NEXT_NS),
            (Self::FIRST_N | Self::NEXT_N | Self::OTHER, b'/') => Some(Self::NEXT),
            (Self::FIRST..=Self::NEXT_NS, _) => name.then_some(Self::OTHER),
            (Self::NAMESPACE, _) => name.then_some(Self::IN_NAMESPACE),
            (Self::IN_NAMESPACE, b'/') => Some(Self::S),
            (Self::IN_NAMESPACE, _) => name.then_some(Self::IN_NAMESPACE),
            (Self::S, b's') => Some(Self::SA),
            (Self::SA, b'a') => Some(Self::SLASH),
            (Self::SLASH, b'/') => Some(Self::ACCOUNT),
            (Self::ACCOUNT | Self::IN_ACCOUNT, _) => name.then_some(Self::IN_ACCOUNT),
            _ => None,
        }
    }

    fn ends(&self, state: u32) -> bool {
        let other = [Self::FIRST_N, Self::NEXT_N, Self::OTHER].contains(&state) && !self.own;
        state == Self::IN_ACCOUNT || other
    }
}

/// SPIFFE ids of any form, with their scheme: a trust domain, and segments that are not empty behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids;

impl Ids {
    const SCHEME: &'static [u8] = b"spiffe://";
    const DOMAIN: u32 = 100;
    const IN_DOMAIN: u32 = 101;
    const SEGMENT: u32 = 102;
    const IN_SEGMENT: u32 = 103;
}

impl Domain for Ids {
    fn start(&self) -> u32 {
        0
    }

    fn step(&self, state: u32, byte: u8) -> Option<u32> {
        if let Some(wanted) = Self::SCHEME.get(state as usize) {
            let last = state as usize + 1 == Self::SCHEME.len();
            return (byte == *wanted).then_some(if last { Self::DOMAIN } else { state + 1 });
        }
        let lower = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        match (state, byte) {
            (Self::DOMAIN | Self::IN_DOMAIN, _) if lower => Some(Self::IN_DOMAIN),
            (Self::IN_DOMAIN | Self::IN_SEGMENT, b'/') => Some(Self::SEGMENT),
            (Self::SEGMENT | Self::IN_SEGMENT, _) if lower || byte.is_ascii_uppercase() => {
                Some(Self::IN_SEGMENT)
            }
            _ => None,
        }
    }

    fn ends(&self, state: u32) -> bool {
        matches!(state, Self::IN_DOMAIN | Self::IN_SEGMENT)
    }
}

/// The domains in which members of a class of peers are looked for, the most natural first; the last has all.
pub(crate) fn peers(trust_domain: &str) -> Vec<Identities> {
    vec![Identities::of(trust_domain), Identities::in_form(), Identities::any()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use gnomon_engine::{path, workload::PathNormalization};
    use proptest::prelude::*;

    fn lies_in(domain: &dyn Domain, text: &[u8]) -> bool {
        let state = text.iter().try_fold(domain.start(), |state, byte| domain.step(state, *byte));
        state.is_some_and(|state| domain.ends(state))
    }

    fn path() -> impl Strategy<Value = alloc::string::String> {
        let pieces =
            ["/", "/", "a", ".", "..", ";", "%2f", "%5C", "%41", "%2e", "%00", "%", "4", "\\", "{", "?", "é"];
        proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..7)
            .prop_map(|pieces| [&["/"][..], &pieces].concat().concat())
    }

    proptest! {
        /// A path is in the domain exactly where the connection manager leaves it as it is.
        #[test]
        fn paths_are_what_normalization_leaves(text in path(), level in 0..4) {
            let level = [
                PathNormalization::None,
                PathNormalization::Base,
                PathNormalization::MergeSlashes,
                PathNormalization::DecodeAndMergeSlashes,
            ][level as usize];
            let handling = PathHandling::from(level);
            let domain = Paths { handling, escapes: true, queries: true };
            let kept = text.is_ascii()
                && path::normalize(text.as_bytes(), &handling).is_ok_and(|after| *after == *text.as_bytes());
            prop_assert_eq!(lies_in(&domain, text.as_bytes()), kept, "{}", text);
        }

        #[test]
        fn text_is_utf8(bytes in proptest::collection::vec(any::<u8>(), 0..5)) {
            let domain = Utf8 { trimmed: false, beyond_ascii: true };
            if lies_in(&domain, &bytes) {
                prop_assert!(core::str::from_utf8(&bytes).is_ok());
            }
        }

        #[test]
        fn all_visible_text_is_there(text in "[ -~¡-\u{10ffff}]{0,4}") {
            let domain = Utf8 { trimmed: false, beyond_ascii: true };
            let restricted = text.chars().any(|c| ('\u{80}'..'\u{c0}').contains(&c));
            prop_assert!(restricted || lies_in(&domain, text.as_bytes()), "{}", text);
        }
    }

    #[test]
    fn identities() {
        let own = Identities::of("cluster.local");
        let any = Identities::any();
        for (name, of_own, of_any) in [
            ("spiffe://cluster.local/ns/a/sa/b", true, true),
            ("spiffe://cluster.localx/ns/a/sa/b", false, true),
            ("spiffe://td/ns/a/sa/b", false, true),
            ("spiffe://td/ns/ns/sa/sa", false, true),
            ("spiffe://td/ns/a/sa/", false, false),
            ("spiffe://td/ns/a/sa/b/c", false, false),
            ("spiffe://td/ns/a", false, false),
            ("spiffe://td/ns", false, false),
            ("spiffe://td/n", false, true),
            ("spiffe://td/nsx/y", false, true),
            ("spiffe://td/x/ns/y", false, false),
            ("spiffe://td/x/y/z", false, true),
            ("spiffe://td/x/", false, false),
            ("spiffe://td", false, false),
            ("spiffe://cluster.local", false, false),
            ("td/ns/a/sa/b", false, false),
        ] {
            let found = [&own, &any].map(|domain| lies_in(domain, name.as_bytes()));
            assert_eq!(found, [of_own, of_any], "{name}");
        }
    }
}
