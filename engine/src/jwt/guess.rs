//! Key sets that are not known: what would the answer be with each possible content?

use super::verify::{Assume, Rule};
use crate::verdict::Missing;
use alloc::vec::Vec;

/// Enumerates all combinations of "the key set verifies this token" and "it does not".
#[derive(Default)]
pub(super) struct Guesses {
    /// The answers so far, in the order of the questions.
    script: Vec<bool>,
    /// The questions of the current run: position of the rule, token.
    asked: Vec<(usize, Vec<u8>)>,
    /// The first key set that was asked for.
    missing: Option<Missing>,
}

impl Guesses {
    /// The next combination; false: there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.asked.clear();
        while self.script.last() == Some(&false) {
            self.script.pop();
        }
        match self.script.last_mut() {
            Some(last) => {
                *last = false;
                true
            }
            None => false,
        }
    }

    /// The key set that the answer may depend on; `None`: none was asked for.
    pub(super) fn missing(&self) -> Option<&Missing> {
        self.missing.as_ref()
    }
}

impl Assume for Guesses {
    fn verifies(&mut self, rule: &Rule, token: &[u8]) -> bool {
        // The same question has the same answer.
        let known = self.asked.iter().position(|(index, text)| *index == rule.index && text == token);
        let question = known.unwrap_or_else(|| {
            self.asked.push((rule.index, token.to_vec()));
            self.asked.len() - 1
        });
        if self.missing.is_none() {
            self.missing = Some(rule.missing());
        }
        if question >= self.script.len() {
            self.script.push(true);
        }
        self.script.get(question).copied().unwrap_or(true)
    }
}
