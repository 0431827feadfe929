//! What is wrong with an input, where, and what to do.

use crate::node::Position;
use alloc::{string::String, sync::Arc, vec::Vec};
use core::{error::Error, fmt};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Istio's admission would refuse it, or Gnomon cannot read it: nothing is evaluated. Of a lint: it cannot be what was
    /// meant.
    Error,
    /// Istio would take it, but it does not say what it seems to say.
    Warning,
    /// A matter of taste, or worth a look.
    Hint,
}

impl Severity {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Hint => "hint",
        }
    }
}

/// One finding about one place of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable name for this kind of finding, in kebab case: `unknown-field`, `wrong-type`, `bad-port`.
    pub code: &'static str,
    /// The file, as the user named it; empty where there is none (the filter's configuration).
    pub file: Arc<str>,
    /// Where in the file.
    pub at: Position,
    /// The object, as `AuthorizationPolicy ns/name`; empty where it has none.
    pub object: String,
    /// The field, as `spec.rules[0].to[1].operation.ports[0]`; empty for the whole document.
    pub field: String,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it; empty where the message says it.
    pub help: String,
}

/// `file:line:column: error[code]: object: field: message; help`
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        if self.at.line > 0 {
            write!(f, "{}:{}:", self.at.line, self.at.column)?;
        }
        if !self.file.is_empty() || self.at.line > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{}[{}]: ", self.severity.name(), self.code)?;
        for part in [&self.object, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)?;
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

impl Error for Diagnostic {}

/// All findings about an input that is refused, at least one of them an error. Displayed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(found: Vec<Diagnostic>) -> Self {
        Diagnostics(found)
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = alloc::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{found}")?;
        }
        Ok(())
    }
}

impl Error for Diagnostics {}
