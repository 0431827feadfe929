use crate::{Diagnostic, Severity};
use alloc::{format, string::String, vec::Vec};

/// How many errors, and how many warnings, of one object or one text are reported; one more diagnostic of the same
/// severity then says that there are others.
pub const MAX_PROBLEMS: usize = 1_000;

/// Bounds the findings of one text. Errors and warnings are counted apart: a text with many warnings is read to its
/// end, and only too many errors end the reading.
#[derive(Debug)]
pub struct Bound {
    seen: usize,
    errors: usize,
    warnings: usize,
}

impl Bound {
    /// Counts what is added to `found` from now on.
    pub fn after(found: &[Diagnostic]) -> Self {
        Bound { seen: found.len(), errors: 0, warnings: 0 }
    }

    /// Counts what was added since the last call, and drops warnings beyond [`MAX_PROBLEMS`]. False: there are more
    /// errors than that, and reading should stop.
    pub fn admit(&mut self, found: &mut Vec<Diagnostic>) -> bool {
        for mut new in found.split_off(self.seen.min(found.len())) {
            if new.severity == Severity::Error {
                self.errors += 1;
            } else {
                self.warnings += 1;
                if self.warnings > MAX_PROBLEMS + 1 {
                    continue;
                }
                if self.warnings == MAX_PROBLEMS + 1 {
                    close(&mut new);
                }
            }
            found.push(new);
        }
        self.seen = found.len();
        self.errors <= MAX_PROBLEMS
    }
}

/// Makes a finding the one that says that there are others.
pub(super) fn close(found: &mut Diagnostic) {
    let what = if found.severity == Severity::Error { "errors" } else { "warnings" };
    found.code = "too-many-problems";
    found.field = String::new();
    found.message = format!("more than {MAX_PROBLEMS} {what}; the others are not shown");
    found.help = String::new();
}
