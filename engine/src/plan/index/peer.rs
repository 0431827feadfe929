//! The names in a peer's certificate. A SPIFFE id is scanned once: whole names by a hash table, prefixes and
//! suffixes by tries, namespaces and service accounts by the segments behind each `ns`. O(length of the name), but for
//! patterns with a wildcard inside, which are tried one by one.

use super::{
    atoms::Atoms,
    set::position,
    table::{Table, number_at},
    trie::Trie,
};
use crate::{
    bytes,
    pattern::{Pattern, PeerPattern, SPIFFE},
    slices::Pace,
};
use alloc::vec::Vec;

/// All patterns of the dimension.
#[derive(Debug, Default)]
pub(super) struct Peers {
    present: Option<u32>,
    exact: Table,
    prefixes: Table,
    suffixes: Table,
    by_prefix: Trie,
    /// Of `spiffe://.*suffix`.
    by_suffix: Trie,
    spaces: Table,
    space_count: u32,
    /// By number of the namespace.
    namespaces: Vec<Option<u32>>,
    /// Tagged with the number of the namespace.
    accounts: Table,
    others: Vec<(PeerPattern, u32)>,
    /// By all that they are.
    other_keys: Table,
}

/// True where comparing a segment finds it.
fn is_plain(segment: &[u8]) -> bool {
    !segment.contains(&b'/') && !segment.contains(&b'\n')
}

impl Peers {
    /// The number of the pattern that matches every name.
    pub(super) fn any(&self) -> Option<u32> {
        self.present
    }

    pub(super) fn intern(&mut self, pattern: &PeerPattern, next: &mut u32) -> u32 {
        match pattern {
            PeerPattern::Present => {
                return *self.present.get_or_insert_with(|| {
                    *next += 1;
                    *next - 1
                });
            }
            PeerPattern::Name(Pattern::Exact(name)) => return self.exact.intern(0, name, next),
            PeerPattern::Name(Pattern::Prefix(name)) => return self.prefixes.intern(0, name, next),
            PeerPattern::Glob(glob) => {
                if let Some(namespace) = glob.namespace()
                    && is_plain(namespace)
                {
                    let tag = self.spaces.intern(0, namespace, &mut self.space_count);
                    return number_at(&mut self.namespaces, tag, next);
                }
                if let Some(suffix) = glob.spiffe_suffix() {
                    return self.suffixes.intern(0, suffix, next);
                }
            }
            PeerPattern::ServiceAccount { namespace, name } => {
                if is_plain(namespace.as_bytes()) && is_plain(name.as_bytes()) {
                    let tag = self.spaces.intern(0, namespace.as_bytes(), &mut self.space_count);
                    return self.accounts.intern(tag, name.as_bytes(), next);
                }
            }
            PeerPattern::Name(_) | PeerPattern::TrustDomain { .. } | PeerPattern::Unquoted(_) => {}
        }
        let new = *next;
        let atom = self.other_keys.intern(0, &pattern.key(), next);
        if atom == new {
            self.others.push((pattern.clone(), atom));
        }
        atom
    }

    pub(super) async fn finish(&mut self, pace: &dyn Pace) {
        self.by_prefix = Trie::build(&core::mem::take(&mut self.prefixes), false, pace).await;
        self.by_suffix = Trie::build(&core::mem::take(&mut self.suffixes), true, pace).await;
        self.exact.shrink();
        self.other_keys = Table::default();
    }

    pub(super) fn find(&self, name: &[u8], found: &mut Atoms) {
        found.extend(self.present.filter(|_| !name.is_empty()));
        found.extend(self.exact.get(0, name));
        self.by_prefix.find(name, found);
        if let Some(id) = name.strip_prefix(SPIFFE) {
            self.by_suffix.find(id, found);
        }
        if !self.spaces.is_empty() {
            self.find_segments(name, found);
        }
        for (pattern, atom) in &self.others {
            if pattern.matches(name) {
                found.push(*atom);
            }
        }
        // `.` in Envoy's regexes is no line feed: nobody has such a name, so the patterns themselves may look at it.
        found.overflow |= bytes::find(name, b'\n').is_some();
    }

    /// `…/ns/<namespace>/…`, wherever that stands, and behind it `sa/<account>`.
    fn find_segments(&self, name: &[u8], found: &mut Atoms) {
        let mut rest = name;
        while let Some(at) = bytes::find(rest, b'/') {
            let before = name.len() - rest.len() + at;
            rest = rest.get(at + 1..).unwrap_or_default();
            let Some(below) = rest.strip_prefix(b"ns/") else { continue };
            let Some((namespace, after)) = segment(below) else { return };
            let Some(tag) = self.spaces.get(0, namespace) else { continue };
            found.extend(self.namespaces.get(position(tag)).copied().flatten());
            // `spiffe://.+` stands before it.
            if !self.accounts.is_empty() && before > SPIFFE.len() && name.starts_with(SPIFFE) {
                self.find_accounts(tag, after, found);
            }
        }
    }

    /// `sa/<account>` at the beginning, or behind a slash that is not, with nothing or `/.+` behind it.
    fn find_accounts(&self, tag: u32, after: &[u8], found: &mut Atoms) {
        let mut rest = after;
        let mut at_start = true;
        loop {
            if let Some(account) = rest.strip_prefix(b"sa/") {
                match segment(account) {
                    None => found.extend(self.accounts.get(tag, account)),
                    Some((account, tail)) if !tail.is_empty() => {
                        found.extend(self.accounts.get(tag, account))
                    }
                    Some(_) => {}
                }
            }
            // An empty first segment: its slash is the one that does not count.
            let skip = usize::from(at_start && rest.first() == Some(&b'/'));
            at_start = false;
            let Some((_, next)) = rest.get(skip..).and_then(segment) else { return };
            rest = next;
        }
    }
}

/// Up to the next slash, and behind it; `None` without a slash.
fn segment(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (segment, rest) = text.split_at_checked(bytes::find(text, b'/')?)?;
    Some((segment, rest.strip_prefix(b"/")?))
}
