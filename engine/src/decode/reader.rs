//! Typed reading of a [`Node`] tree that records every problem and continues.

use super::{
    Cursor,
    bound::{MAX_PROBLEMS, close},
};
use crate::{Diagnostic, Node, Severity, node::Position};
use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    fmt,
};

/// Collects what is wrong with one object.
///
/// ```
/// # use gnomon_engine::{Node, decode::Reader};
/// # let node: Node = serde_json::from_str(r#"{"mode": "shadow", "sampel": 1}"#).unwrap();
/// let reader = Reader::new(&"config.yaml".into(), "");
/// if let Some(mut fields) = reader.root(&node).fields() {
///     assert_eq!(fields.word("mode", &[("shadow", 1), ("enforce", 2)]), Some(1));
///     fields.number("sample", 0..=1);
///     fields.finish();
/// }
/// assert_eq!(reader.into_diagnostics()[0].message, "unknown field `sampel`");
/// ```
#[derive(Debug)]
pub struct Reader {
    file: Arc<str>,
    object: String,
    found: RefCell<Vec<Diagnostic>>,
    errors: Cell<usize>,
    warnings: Cell<usize>,
}

impl Reader {
    /// A reader for one object of `file`; `object` is how diagnostics call it, `AuthorizationPolicy ns/name`, or
    /// empty.
    pub fn new(file: &Arc<str>, object: impl Into<String>) -> Self {
        Reader {
            file: file.clone(),
            object: object.into(),
            found: RefCell::default(),
            errors: Cell::new(0),
            warnings: Cell::new(0),
        }
    }

    /// The object's outermost value, with an empty field path.
    pub fn root<'a>(&'a self, node: &'a Node) -> Cursor<'a> {
        self.at_path(node, "")
    }

    /// A value somewhere inside; `path` is its field path.
    pub fn at_path<'a>(&'a self, node: &'a Node, path: impl Into<String>) -> Cursor<'a> {
        Cursor::new(self, node, path.into())
    }

    /// True as soon as an error was found. Warnings do not count.
    pub fn has_errors(&self) -> bool {
        self.errors.get() > 0
    }

    /// All findings in the order found, at most [`MAX_PROBLEMS`] and one of each severity.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }

    /// No further error is recorded.
    pub(super) fn is_full(&self) -> bool {
        self.errors.get() > MAX_PROBLEMS
    }

    pub(super) fn push(
        &self,
        severity: Severity,
        code: &'static str,
        at: Position,
        field: String,
        message: String,
        help: String,
    ) {
        let counter = if severity == Severity::Error { &self.errors } else { &self.warnings };
        let count = counter.get() + 1;
        if count > MAX_PROBLEMS + 1 {
            return;
        }
        counter.set(count);
        let (file, object) = (self.file.clone(), self.object.clone());
        let mut found = Diagnostic { severity, code, file, at, object, field, message, help };
        if count > MAX_PROBLEMS {
            close(&mut found);
        }
        self.found.borrow_mut().push(found);
    }
}

/// Why a check of one value failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// See [`Diagnostic::code`].
    pub code: &'static str,
    /// See [`Diagnostic::message`].
    pub message: String,
    /// See [`Diagnostic::help`]; may be empty.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

impl core::error::Error for Problem {}

impl Problem {
    /// A problem with a message and what to do about it; `help` may be empty, and is dropped where the feature `advice` is
    /// off.
    pub fn new(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        let help = if cfg!(feature = "advice") { help.into() } else { String::new() };
        Problem { code, message: message.into(), help }
    }
}

/// `text` for a message: at most 80 characters, control characters escaped.
pub fn short(text: &str) -> String {
    const MOST: usize = 80;
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == MOST {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// [`short`] in double quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

/// What to do about a mistake, where somebody is there who writes policies.
pub(super) fn advised(text: impl FnOnce() -> String) -> String {
    if cfg!(feature = "advice") { text() } else { String::new() }
}
