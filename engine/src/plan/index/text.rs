//! Values in Istio's notation (`*`, `*suffix`, `prefix*`, exact), and path templates: hash table, two tries, automaton.
//! O(length of the value), however many patterns there are.

use super::{atoms::Atoms, path::Templates, table::Table, trie::Trie};
use crate::{pattern::Pattern, plan::matcher::PathPattern, slices::Pace};

/// All patterns of one dimension.
#[derive(Debug, Default)]
pub(super) struct Texts {
    any: Option<u32>,
    /// Where `*` means that the value is there; elsewhere it is Envoy's regex `.+`.
    present: bool,
    /// Hosts: patterns are kept in lower case, and so must values be.
    folded: bool,
    exact: Table,
    prefixes: Table,
    suffixes: Table,
    by_prefix: Trie,
    by_suffix: Trie,
    templates: Templates,
}

/// The longest host with capitals that the index takes; with a longer one all rules are evaluated.
const LONGEST_FOLDED: usize = 128;

impl Texts {
    pub(super) fn new(present: bool, folded: bool) -> Texts {
        Texts { present, folded, ..Texts::default() }
    }

    /// The number of the pattern that matches every value.
    pub(super) fn any(&self) -> Option<u32> {
        self.any
    }

    pub(super) fn intern(&mut self, pattern: &Pattern, next: &mut u32) -> u32 {
        let (table, text) = match pattern {
            Pattern::Any => {
                return *self.any.get_or_insert_with(|| {
                    *next += 1;
                    *next - 1
                });
            }
            Pattern::Exact(text) => (&mut self.exact, text),
            Pattern::Prefix(text) => (&mut self.prefixes, text),
            Pattern::Suffix(text) => (&mut self.suffixes, text),
        };
        if self.folded {
            table.intern(0, &text.to_ascii_lowercase(), next)
        } else {
            table.intern(0, text, next)
        }
    }

    /// `None`: a template that never matches.
    pub(super) fn intern_path(&mut self, pattern: &PathPattern, next: &mut u32) -> Option<u32> {
        match pattern {
            PathPattern::Plain(pattern) => Some(self.intern(pattern, next)),
            PathPattern::Template(template) => self.templates.intern(template, next),
        }
    }

    pub(super) async fn finish(&mut self, pace: &dyn Pace) {
        self.by_prefix = Trie::build(&core::mem::take(&mut self.prefixes), false, pace).await;
        self.by_suffix = Trie::build(&core::mem::take(&mut self.suffixes), true, pace).await;
        self.exact.shrink();
    }

    #[inline]
    pub(super) fn find(&self, value: &[u8], found: &mut Atoms) {
        let has_capitals = || value.iter().fold(false, |has, byte| has | byte.is_ascii_uppercase());
        if !self.folded || !has_capitals() {
            return self.find_as_is(value, found);
        }
        self.find_folded(value, found);
    }

    #[cold]
    fn find_folded(&self, value: &[u8], found: &mut Atoms) {
        let mut lower = [0; LONGEST_FOLDED];
        let Some(lower) = lower.get_mut(..value.len()) else {
            found.overflow = true;
            return;
        };
        lower.copy_from_slice(value);
        lower.make_ascii_lowercase();
        self.find_as_is(lower, found);
    }

    #[inline]
    fn find_as_is(&self, value: &[u8], found: &mut Atoms) {
        if let Some(any) = self.any
            && (self.present || Pattern::Any.matches_non_empty(value))
        {
            found.push(any);
        }
        found.extend(self.exact.get(0, value));
        self.by_prefix.find(value, found);
        self.by_suffix.find(value, found);
        self.templates.find(value, found);
    }
}
