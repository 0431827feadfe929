//! Typed reading of a [`Node`] tree that records every problem and goes on.

use crate::{
    Diagnostic, Node, Severity, Value,
    node::{Key, Position},
    order,
    resource::Text,
};
use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    fmt::Display,
};

/// How many problems of one object are reported; one more diagnostic then says that there are others.
pub const MAX_PROBLEMS: usize = 1_000;

/// Collects what is wrong with one object.
///
/// ```
/// # use gnomon_engine::{Node, decode::Reader};
/// # let node: Node = serde_json::from_str(r#"{"mode": "shadow", "sampel": 1}"#).unwrap();
/// let reader = Reader::new(&"config.yaml".into(), "");
/// if let Some(mut fields) = reader.root(&node).fields() {
///     assert_eq!(fields.word("mode", &[("shadow", 1), ("enforce", 2)]), Some(1));
///     fields.number("sample", 0.0..=1.0);
///     fields.finish();
/// }
/// assert_eq!(reader.into_diagnostics()[0].message, "unknown field `sampel`");
/// ```
#[derive(Debug)]
pub struct Reader {
    file: Arc<str>,
    object: String,
    found: RefCell<Vec<Diagnostic>>,
    failed: Cell<bool>,
}

impl Reader {
    /// A reader for one object of `file`; `object` is how diagnostics call it, `AuthorizationPolicy ns/name`, or
    /// empty.
    pub fn new(file: &Arc<str>, object: impl Into<String>) -> Self {
        Reader {
            file: file.clone(),
            object: object.into(),
            found: RefCell::default(),
            failed: Cell::new(false),
        }
    }

    /// The object's outermost value, with an empty field path.
    pub fn root<'a>(&'a self, node: &'a Node) -> Cursor<'a> {
        self.at_path(node, "")
    }

    /// A value somewhere inside; `path` is its field path.
    pub fn at_path<'a>(&'a self, node: &'a Node, path: impl Into<String>) -> Cursor<'a> {
        Cursor { reader: self, node, path: path.into() }
    }

    /// True as soon as an error was found. Warnings do not count.
    pub fn has_errors(&self) -> bool {
        self.failed.get()
    }

    /// All findings in the order found, at most [`MAX_PROBLEMS`] and one.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }

    /// Nothing more is recorded.
    fn is_full(&self) -> bool {
        self.found.borrow().len() > MAX_PROBLEMS
    }

    fn push(
        &self,
        severity: Severity,
        code: &'static str,
        at: Position,
        field: String,
        message: String,
        help: String,
    ) {
        self.failed.set(self.failed.get() || severity == Severity::Error);
        let mut found = self.found.borrow_mut();
        let (file, object) = (self.file.clone(), self.object.clone());
        if found.len() < MAX_PROBLEMS {
            found.push(Diagnostic { severity, code, file, at, object, field, message, help });
        } else if found.len() == MAX_PROBLEMS {
            found.push(Diagnostic {
                severity: Severity::Error,
                code: "too-many-problems",
                file,
                at,
                object,
                field: String::new(),
                message: format!("more than {MAX_PROBLEMS} problems; the others are not shown"),
                help: String::new(),
            });
        }
    }
}

/// What a check of one value objects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// See [`Diagnostic::code`].
    pub code: &'static str,
    /// See [`Diagnostic::message`].
    pub message: String,
    /// See [`Diagnostic::help`]; may be empty.
    pub help: String,
}

impl Problem {
    /// A problem with a message and what to do about it; `help` may be empty.
    pub fn new(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { code, message: message.into(), help: help.into() }
    }
}

/// One value, with its field path and the reader that takes its problems.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    reader: &'a Reader,
    node: &'a Node,
    path: String,
}

impl<'a> Cursor<'a> {
    /// The value itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Where it begins.
    pub fn at(&self) -> Position {
        self.node.at
    }

    /// Its field path: `spec.rules[0]`; empty for the outermost value.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `null`, `~` or nothing.
    pub fn is_null(&self) -> bool {
        self.node.value == Value::Null
    }

    /// Records an error here. `help` may be empty.
    pub fn error(&self, code: &'static str, message: impl Display, help: impl Display) {
        self.report(Severity::Error, code, message, help);
    }

    /// Records a warning here. `help` may be empty.
    pub fn warning(&self, code: &'static str, message: impl Display, help: impl Display) {
        self.report(Severity::Warning, code, message, help);
    }

    fn report(&self, severity: Severity, code: &'static str, message: impl Display, help: impl Display) {
        let (message, help) = (format!("{message}"), format!("{help}"));
        self.reader.push(severity, code, self.node.at, self.path.clone(), message, help);
    }

    /// Records `wrong-type`. `expected` reads like `a string`.
    pub fn wrong_type(&self, expected: &str) {
        let got = self.node.value.kind();
        let help = match (&self.node.value, expected) {
            (Value::Number(text), "a string") => format!("put it in quotes: \"{}\"", short(text)),
            (Value::Bool(_), "a string") => {
                "put it in quotes (Kubernetes reads yes, no, on, off, y and n as booleans, too)".into()
            }
            (Value::String(text), "a list" | "a list of strings") => {
                format!("put it in brackets: [{}]", quoted(text))
            }
            (Value::Number(text), "a list of strings") => {
                format!("put it in brackets and quotes: [\"{}\"]", short(text))
            }
            (Value::Map(_), "a list") => "begin each element with a dash".into(),
            (Value::List(_), "a map") => "remove the dash, or the brackets".into(),
            (Value::String(text), "a boolean" | "a number") if !text.is_empty() => {
                format!("write it without quotes if {} is what you mean", short(text))
            }
            (Value::Null, _) => "give it a value or remove it".into(),
            _ => String::new(),
        };
        self.error("wrong-type", format_args!("expected {expected}, got {got}"), help);
    }

    /// The fields of a map; anything else is `wrong-type`.
    pub fn fields(self) -> Option<Fields<'a>> {
        match &self.node.value {
            Value::Map(entries) => Some(Fields { cursor: self, entries, asked: Vec::new() }),
            _ => {
                self.wrong_type("a map");
                None
            }
        }
    }

    /// The elements of a list, each with its index in the path; anything else is `wrong-type`.
    pub fn list(&self) -> Option<Vec<Cursor<'a>>> {
        if self.node.as_list().is_none() {
            self.wrong_type("a list");
            return None;
        }
        Some(self.elements().collect())
    }

    /// The elements of a list; none, and no complaint, where it is something else.
    pub fn elements(&self) -> impl Iterator<Item = Cursor<'a>> {
        let items = self.node.as_list().unwrap_or_default();
        items.iter().enumerate().map(|(index, node)| self.element(index, node))
    }

    /// A string; anything else is `wrong-type`.
    pub fn string(&self) -> Option<Text> {
        match &self.node.value {
            Value::String(text) => Some(Text { text: text.clone(), at: self.node.at }),
            _ => {
                self.wrong_type("a string");
                None
            }
        }
    }

    /// A list of strings. Elements that are none are reported and left out.
    pub fn strings(&self) -> Vec<Text> {
        let Value::List(items) = &self.node.value else {
            self.wrong_type("a list of strings");
            return Vec::new();
        };
        // No path is built for the elements that are right: there may be very many.
        let read = |(index, node): (usize, &'a Node)| match &node.value {
            Value::String(text) => Some(Text { text: text.clone(), at: node.at }),
            _ => self.element(index, node).string(),
        };
        items.iter().enumerate().filter_map(read).collect()
    }

    /// [`Cursor::strings`], each put to `check`; what it objects to is reported as an error at the element.
    pub fn strings_checked(&self, check: impl Fn(&str) -> Result<(), Problem>) -> Vec<Text> {
        let texts = self.strings();
        let Value::List(items) = &self.node.value else { return texts };
        for (index, node) in items.iter().enumerate() {
            let Some(text) = node.as_str() else { continue };
            if self.reader.is_full() {
                break;
            }
            if let Err(Problem { code, message, help }) = check(text) {
                self.element(index, node).error(code, message, help);
            }
        }
        texts
    }

    fn element(&self, index: usize, node: &'a Node) -> Cursor<'a> {
        self.reader.at_path(node, format!("{}[{index}]", self.path))
    }

    /// `true` or `false`; anything else is `wrong-type`.
    pub fn bool(&self) -> Option<bool> {
        match self.node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.wrong_type("a boolean");
                None
            }
        }
    }

    /// A whole number within `range`; outside of it is `out-of-range`, anything else `wrong-type`.
    pub fn integer(&self, range: core::ops::RangeInclusive<i64>) -> Option<i64> {
        let Value::Number(text) = &self.node.value else {
            self.wrong_type("a number");
            return None;
        };
        match text.parse::<i64>() {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                let (low, high) = range.into_inner();
                let message = format!("expected a whole number from {low} to {high}, got {}", short(text));
                self.error("out-of-range", message, "");
                None
            }
        }
    }

    /// A number within `range`; outside of it is `out-of-range`, anything else `wrong-type`.
    pub fn number(&self, range: core::ops::RangeInclusive<f64>) -> Option<f64> {
        let Value::Number(text) = &self.node.value else {
            self.wrong_type("a number");
            return None;
        };
        match text.parse::<f64>() {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                let (low, high) = range.into_inner();
                let message = format!("expected a number from {low} to {high}, got {}", short(text));
                self.error("out-of-range", message, "");
                None
            }
        }
    }

    /// One of a closed set of words, case-sensitive; another word is `unknown-value`, anything else `wrong-type`.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let Value::String(text) = &self.node.value else {
            self.wrong_type("a string");
            return None;
        };
        let known = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if known.is_none() {
            let listed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = match super::nearest(text, listed.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => String::new(),
            };
            let message = format!("expected one of {}, got {}", listed.join(", "), quoted(text));
            self.error("unknown-value", message, help);
        }
        known
    }

    /// A map from text to text, sorted by key: labels. Values that are no strings are reported and left out.
    pub fn string_map(&self) -> Vec<(String, String)> {
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type("a map");
            return Vec::new();
        };
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            if let Value::String(text) = &node.value {
                pairs.push((key.name.clone(), text.clone()));
            } else {
                self.child(key, node).wrong_type("a string");
            }
        }
        order::sort(&mut pairs);
        pairs
    }

    /// The entries of a map whose keys are data (ports, header names), each with its key.
    pub fn entries(&self) -> Vec<(&'a Key, Cursor<'a>)> {
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type("a map");
            return Vec::new();
        };
        entries.iter().map(|(key, node)| (key, self.child(key, node))).collect()
    }

    fn child(&self, key: &Key, node: &'a Node) -> Cursor<'a> {
        let name = short(&key.name);
        // A dot in a name would read like another step of the path.
        let path = match (self.path.is_empty(), name.is_empty() || name.contains(['.', '/', '['])) {
            (_, true) => format!("{}[\"{name}\"]", self.path),
            (true, false) => name,
            (false, false) => format!("{}.{name}", self.path),
        };
        self.reader.at_path(node, path)
    }

    /// The same value's path and reader, but at the position of its key: for problems of the key itself.
    pub fn report_key(&self, key: &Key, code: &'static str, message: impl Display, help: impl Display) {
        let (message, help) = (format!("{message}"), format!("{help}"));
        self.reader.push(Severity::Error, code, key.at, self.path.clone(), message, help);
    }
}

/// The fields of a map with a known set of names.
///
/// Every reader of a field marks its name as known; [`Fields::finish`] then warns about the others. A field that is
/// `null` is absent, as the API server prunes it.
#[derive(Debug)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
    entries: &'a [(Key, Node)],
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The map itself: for problems of the whole.
    pub fn cursor(&self) -> &Cursor<'a> {
        &self.cursor
    }

    /// The field `name`, unless it is absent or null.
    pub fn get(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.get_or_null(name).filter(|cursor| !cursor.is_null())
    }

    /// The field `name`, be it null.
    pub fn get_or_null(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.asked.push(name);
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        Some(self.cursor.child(key, node))
    }

    /// Fields that are known and not read: no warning for them.
    pub fn ignore(&mut self, names: &[&'static str]) {
        self.asked.extend(names);
    }

    /// A string; `None` where absent or wrong (and reported).
    pub fn string(&mut self, name: &'static str) -> Option<Text> {
        self.get(name)?.string()
    }

    /// A list of strings; empty where absent or wrong (and reported).
    pub fn strings(&mut self, name: &'static str) -> Vec<Text> {
        self.get(name).map(|cursor| cursor.strings()).unwrap_or_default()
    }

    /// `true` or `false`; `None` where absent or wrong (and reported).
    pub fn bool(&mut self, name: &'static str) -> Option<bool> {
        self.get(name)?.bool()
    }

    /// A whole number within `range`; `None` where absent or wrong (and reported).
    pub fn integer(&mut self, name: &'static str, range: core::ops::RangeInclusive<i64>) -> Option<i64> {
        self.get(name)?.integer(range)
    }

    /// A number within `range`; `None` where absent or wrong (and reported).
    pub fn number(&mut self, name: &'static str, range: core::ops::RangeInclusive<f64>) -> Option<f64> {
        self.get(name)?.number(range)
    }

    /// One of a closed set of words; `None` where absent or wrong (and reported).
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.get(name)?.word(words)
    }

    /// A string put to `check`; `None` where absent or of a wrong type. What `check` objects to is reported.
    pub fn string_checked(
        &mut self,
        name: &'static str,
        check: impl Fn(&str) -> Result<(), Problem>,
    ) -> Option<Text> {
        let cursor = self.get(name)?;
        let text = cursor.string()?;
        if let Err(Problem { code, message, help }) = check(&text.text) {
            cursor.error(code, message, help);
        }
        Some(text)
    }

    /// A list of strings, each put to `check`; empty where absent or wrong (and reported).
    pub fn strings_checked(
        &mut self,
        name: &'static str,
        check: impl Fn(&str) -> Result<(), Problem>,
    ) -> Vec<Text> {
        self.get(name).map(|cursor| cursor.strings_checked(check)).unwrap_or_default()
    }

    /// The elements of a list of at most `most`; longer is the error `too-many-items`.
    pub fn list_of_at_most(&mut self, name: &'static str, most: usize) -> Vec<Cursor<'a>> {
        self.limit(name, most);
        self.list(name)
    }

    /// The error `too-many-items` where `name` is a list of more than `most`.
    pub fn limit(&mut self, name: &'static str, most: usize) {
        let Some(cursor) = self.get(name) else { return };
        let length = cursor.node.as_list().map_or(0, <[_]>::len);
        if length > most {
            let message = format!("may not have more than {most} items, has {length}");
            cursor.error("too-many-items", message, "split the object");
        }
    }

    /// The elements of a list; empty where absent or wrong (and reported).
    pub fn list(&mut self, name: &'static str) -> Vec<Cursor<'a>> {
        self.get(name).and_then(|cursor| cursor.list()).unwrap_or_default()
    }

    /// The fields of an inner map; `None` where absent or wrong (and reported). Call its `finish` too.
    pub fn fields(&mut self, name: &'static str) -> Option<Fields<'a>> {
        self.get(name)?.fields()
    }

    /// A map from text to text, sorted by key; empty where absent or wrong (and reported).
    pub fn string_map(&mut self, name: &'static str) -> Vec<(String, String)> {
        self.get(name).map(|cursor| cursor.string_map()).unwrap_or_default()
    }

    /// Warns `unknown-field` about every field that nobody asked for, with the known name that it resembles.
    pub fn finish(self) {
        for (key, node) in self.entries {
            if self.asked.contains(&key.name.as_str()) {
                continue;
            }
            if self.cursor.reader.is_full() {
                return;
            }
            let help = match super::nearest(&key.name, self.asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "it is ignored".into(),
            };
            let path = self.cursor.child(key, node).path;
            let message = format!("unknown field `{}`", short(&key.name));
            self.cursor.reader.push(Severity::Warning, "unknown-field", key.at, path, message, help);
        }
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
