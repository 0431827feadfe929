//! One value of a tree, read as one type or another.

use super::{Fields, Problem, Reader, quoted, reader::advised, short};
use crate::{
    Node, Severity, Value, decimal,
    node::{Key, Position},
    order,
    resource::Text,
};
use alloc::{
    format,
    rc::Rc,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{self, Display};

/// One value, with its field path and the reader that takes its problems.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    reader: &'a Reader,
    node: &'a Node,
    path: Rc<Path<'a>>,
}

/// Where a value is. Its text is written where a problem is: most values have none.
#[derive(Debug)]
enum Path<'a> {
    Written(String),
    Field(Rc<Path<'a>>, &'a str),
    Element(Rc<Path<'a>>, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Written(text) => f.write_str(text),
            Path::Element(list, index) => write!(f, "{list}[{index}]"),
            Path::Field(map, name) => {
                let name = short(name);
                map.fmt(f)?;
                // A dot in a name would read like another step of the path.
                if name.is_empty() || name.contains(['.', '/', '[']) {
                    return write!(f, "[\"{name}\"]");
                }
                let dot = if matches!(&**map, Path::Written(text) if text.is_empty()) { "" } else { "." };
                write!(f, "{dot}{name}")
            }
        }
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(reader: &'a Reader, node: &'a Node, path: String) -> Self {
        Cursor { reader, node, path: Rc::new(Path::Written(path)) }
    }

    pub(super) fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// The value itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Where it begins.
    pub fn at(&self) -> Position {
        self.node.at
    }

    /// Its field path: `spec.rules[0]`; empty for the outermost value.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// `null`, `~` or nothing.
    pub fn is_null(&self) -> bool {
        self.node.value == Value::Null
    }

    /// Records an error here. `help` may be empty.
    pub fn error(&self, code: &'static str, message: impl Display, help: impl Display) {
        self.report(Severity::Error, code, &message, &help);
    }

    /// Records a warning here. `help` may be empty.
    pub fn warning(&self, code: &'static str, message: impl Display, help: impl Display) {
        self.report(Severity::Warning, code, &message, &help);
    }

    #[inline(never)]
    fn report(&self, severity: Severity, code: &'static str, message: &dyn Display, help: &dyn Display) {
        let (message, help) = (format!("{message}"), format!("{help}"));
        self.reader.push(severity, code, self.node.at, self.path(), message, help);
    }

    /// Records `wrong-type`. `expected` reads like `a string`.
    pub fn wrong_type(&self, expected: &str) {
        let got = self.node.value.kind();
        let help = advised(|| self.right_type(expected));
        self.error("wrong-type", format_args!("expected {expected}, got {got}"), help);
    }

    fn right_type(&self, expected: &str) -> String {
        match (&self.node.value, expected) {
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
            (Value::List(_), "a map" | "a string") => "remove the dash, or the brackets".into(),
            (Value::Map(_), "a string") => "write the text alone, without a key".into(),
            (Value::String(text), "a boolean" | "a number") if !text.is_empty() => {
                format!("write it without quotes if {} is what you mean", short(text))
            }
            (Value::Null, _) => "give it a value or remove it".into(),
            _ => String::new(),
        }
    }

    /// The fields of a map with one field that matters: of a text in its place, which is `wrong-type`, the advice says
    /// under which name to write it.
    pub(super) fn fields_of(self, name: &str) -> Option<Fields<'a>> {
        if let Value::String(text) = &self.node.value {
            let help = advised(|| format!("write `{{{name}: {}}}`", short(text)));
            self.error("wrong-type", "expected a map, got a string", help);
            return None;
        }
        self.fields()
    }

    /// The fields of a map; anything else is `wrong-type`.
    pub fn fields(self) -> Option<Fields<'a>> {
        match &self.node.value {
            Value::Map(entries) => Some(Fields::new(self, entries)),
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

    /// The elements of a list; none, without an error, for other values.
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
        self.texts(None)
    }

    /// `help` replaces the advice to put a boolean or a number in quotes.
    fn texts(&self, help: Option<&str>) -> Vec<Text> {
        let Value::List(items) = &self.node.value else {
            self.wrong_type("a list of strings");
            return Vec::new();
        };
        // No path is built for the elements that are right: there may be very many.
        let read = |(index, node): (usize, &'a Node)| match &node.value {
            Value::String(text) => Some(Text { text: text.clone(), at: node.at }),
            Value::Bool(_) | Value::Number(_) if help.is_some() => {
                let kind = node.value.kind();
                let message = format_args!("expected a string, got {kind}");
                self.element(index, node).error("wrong-type", message, help.unwrap_or_default());
                None
            }
            _ => self.element(index, node).string(),
        };
        items.iter().enumerate().filter_map(read).collect()
    }

    /// As [`Cursor::strings`], with `check` run on each; its problems are reported as errors at the element.
    pub fn strings_checked(&self, check: impl Fn(&str) -> Result<(), Problem>) -> Vec<Text> {
        self.strings_put_to(&check, None)
    }

    // Once for all checks; `help` as in [`Cursor::texts`].
    pub(super) fn strings_put_to(
        &self,
        check: &dyn Fn(&str) -> Result<(), Problem>,
        help: Option<&str>,
    ) -> Vec<Text> {
        let texts = self.texts(help);
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
        Cursor { reader: self.reader, node, path: Rc::new(Path::Element(self.path.clone(), index)) }
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
    pub fn number(&self, range: core::ops::RangeInclusive<u32>) -> Option<f64> {
        let Value::Number(text) = &self.node.value else {
            self.wrong_type("a number");
            return None;
        };
        let (low, high) = range.into_inner();
        match decimal::parse(text) {
            Some(value) if (f64::from(low)..=f64::from(high)).contains(&value) => Some(value),
            _ => {
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
            self.unknown_word(text, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>());
        }
        known
    }

    fn unknown_word(&self, text: &str, words: &[&str]) {
        // What other systems call the same.
        let said = match advised(|| text.to_ascii_uppercase()).as_str() {
            "BLOCK" | "REJECT" | "FORBID" => "DENY",
            "PERMIT" | "ACCEPT" => "ALLOW",
            "ENABLE" | "ENABLED" | "MUTUAL" | "ISTIO_MUTUAL" => "STRICT",
            "DISABLED" | "NONE" => "DISABLE",
            _ => text,
        };
        let help = match super::nearest(said, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::new(),
        };
        let message = format!("expected one of {}, got {}", words.join(", "), quoted(text));
        self.error("unknown-value", message, help);
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

    pub(super) fn child(&self, key: &'a Key, node: &'a Node) -> Cursor<'a> {
        Cursor { reader: self.reader, node, path: Rc::new(Path::Field(self.path.clone(), &key.name)) }
    }

    /// The same value's path and reader, but at the position of its key: for problems of the key itself.
    pub fn report_key(&self, key: &Key, code: &'static str, message: impl Display, help: impl Display) {
        let (message, help) = (format!("{message}"), format!("{help}"));
        self.reader.push(Severity::Error, code, key.at, self.path(), message, help);
    }
}
