//! Brackets that stand no deeper than their key.
//!
//! ```yaml
//! methods: [
//!   "GET"
//! ]
//! ```
//!
//! YAML 1.2 forbids it, the library in front of Kubernetes' API takes it, and people write it. The parser refuses it
//! with an error of its own; then the document is read again with spaces before that line. Inside of brackets and quotes
//! these mean nothing.

use saphyr_parser::{Marker, ScanError};
use std::{collections::BTreeMap, str::Chars};

/// Spaces that are put before a line.
const STEP: usize = 128;
/// How many characters may be read again for one text.
const MOST_AGAIN: usize = 16 * 1024 * 1024;

/// What is done to the rest of a text, from the line on at which reading begins.
#[derive(Debug, Default)]
pub(crate) struct Padding {
    /// How many lines of the text stand before.
    skipped: usize,
    /// How many bytes they are.
    offset: usize,
    /// Spaces put before lines; the first line of the rest is 1.
    before: BTreeMap<usize, usize>,
    again: usize,
    /// The text has carriage returns alone, which end lines for the parser: lines cannot be told by `\n`.
    old_breaks: Option<bool>,
}

impl Padding {
    /// The place in the whole text, counted from 1.
    pub(crate) fn place(&self, marker: &Marker) -> (usize, usize) {
        let added = self.before.get(&marker.line()).copied().unwrap_or(0);
        (marker.line().saturating_add(self.skipped), marker.col().saturating_sub(added).saturating_add(1))
    }

    /// Pads the line that `error` is about, for reading again from `first` (a line of the whole text). False where the
    /// error is another one, or enough has been read again.
    pub(crate) fn answers(&mut self, error: &ScanError, first: usize, text: &str) -> bool {
        let marker = error.marker();
        let in_quotes = error.info() == "invalid indentation in quoted scalar";
        let in_brackets =
            matches!(error.info(), "invalid indentation" | "invalid indentation in flow construct");
        if !in_quotes && !in_brackets {
            return false;
        }
        self.again = self.again.saturating_add(marker.index().saturating_add(STEP));
        let old_breaks = *self.old_breaks.get_or_insert_with(|| text.replace("\r\n", "").contains('\r'));
        if self.again > MOST_AGAIN || old_breaks {
            return false;
        }
        let moved = first.saturating_sub(1).saturating_sub(self.skipped);
        let line = marker.line().saturating_sub(moved);
        self.skipped = self.skipped.saturating_add(moved);
        if let Some(last) = moved.checked_sub(1) {
            let breaks =
                text.get(self.offset..).unwrap_or_default().match_indices('\n').map(|(byte, _)| byte);
            let bytes = breaks.take(moved).nth(last).unwrap_or(0).saturating_add(1);
            self.offset = self.offset.saturating_add(bytes);
        }
        let before = std::mem::take(&mut self.before);
        self.before =
            before.into_iter().filter_map(|(line, added)| Some((line.checked_sub(moved)?, added))).collect();
        // The error names where the quotes begin: the next line that is not padded yet may be the one.
        let line =
            if in_quotes { (line + 1..).find(|line| !self.before.contains_key(line)) } else { Some(line) };
        if let Some(line) = line {
            let added = self.before.entry(line).or_default();
            *added = added.saturating_mul(2).max(STEP);
        }
        true
    }

    /// The characters to read.
    pub(crate) fn chars<'t>(&'t self, text: &'t str) -> Padded<'t> {
        let rest = text.get(self.offset..).unwrap_or_default();
        let waiting = self.before.get(&1).copied().unwrap_or(0);
        Padded { chars: rest.chars(), line: 1, waiting, before: &self.before }
    }
}

/// The characters of a text with spaces before some lines.
pub(crate) struct Padded<'t> {
    chars: Chars<'t>,
    line: usize,
    waiting: usize,
    before: &'t BTreeMap<usize, usize>,
}

impl Iterator for Padded<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if let Some(waiting) = self.waiting.checked_sub(1) {
            self.waiting = waiting;
            return Some(' ');
        }
        let next = self.chars.next()?;
        if next == '\n' {
            self.line = self.line.saturating_add(1);
            self.waiting = self.before.get(&self.line).copied().unwrap_or(0);
        }
        Some(next)
    }
}
