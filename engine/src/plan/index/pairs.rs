//! Issuer and subject of `requestPrincipals`, and namespace and account at ztunnel: both exact, or an exact first and
//! any second part, O(their length); other mixtures are tried one by one.

use super::{
    atoms::Atoms,
    set::position,
    table::{Table, number_at},
};
use crate::pattern::Pattern;
use alloc::vec::Vec;

/// All pairs of one dimension.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    firsts: Table,
    count: u32,
    /// Tagged with the number of the first part.
    seconds: Table,
    /// By the number of the first part.
    any_second: Vec<Option<u32>>,
    others: Vec<((Pattern, Pattern), u32)>,
    /// The first patterns of the others, tagged with their kind.
    other_firsts: Table,
    other_count: u32,
    /// Their second patterns, tagged with the number of the first and their kind.
    other_seconds: Table,
}

impl Pairs {
    pub(super) fn intern(&mut self, pair: &(Pattern, Pattern), next: &mut u32) -> u32 {
        match pair {
            (Pattern::Exact(first), Pattern::Exact(second)) => self.intern_exact(first, second, next),
            (Pattern::Exact(first), Pattern::Any) => {
                let tag = self.firsts.intern(0, first, &mut self.count);
                number_at(&mut self.any_second, tag, next)
            }
            (first, second) => {
                let ((kind, text), new) = (first.parts(), *next);
                let tag = self.other_firsts.intern(kind, text, &mut self.other_count);
                let (kind, text) = second.parts();
                let atom = self.other_seconds.intern(tag.saturating_mul(4).saturating_add(kind), text, next);
                if atom == new {
                    self.others.push((pair.clone(), atom));
                }
                atom
            }
        }
    }

    pub(super) fn intern_exact(&mut self, first: &[u8], second: &[u8], next: &mut u32) -> u32 {
        let tag = self.firsts.intern(0, first, &mut self.count);
        self.seconds.intern(tag, second, next)
    }

    pub(super) fn find(&self, first: &[u8], second: &[u8], found: &mut Atoms) {
        if let Some(tag) = self.firsts.get(0, first) {
            found.extend(self.seconds.get(tag, second));
            let any = self.any_second.get(position(tag)).copied().flatten();
            found.extend(any.filter(|_| Pattern::Any.matches_non_empty(second)));
        }
        for ((one, two), atom) in &self.others {
            if one.matches_non_empty(first) && two.matches_non_empty(second) {
                found.push(*atom);
            }
        }
    }
}
