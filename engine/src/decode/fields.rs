//! The fields of a map with known names.

use super::{Cursor, Problem, nearest, short};
use crate::{Node, Severity, node::Key, resource::Text};
use alloc::{format, string::String, vec::Vec};

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
    pub(super) fn new(cursor: Cursor<'a>, entries: &'a [(Key, Node)]) -> Self {
        Fields { cursor, entries, asked: Vec::new() }
    }

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
    pub fn number(&mut self, name: &'static str, range: core::ops::RangeInclusive<u32>) -> Option<f64> {
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
        self.string_put_to(name, &check)
    }

    // Once for all checks.
    fn string_put_to(
        &mut self,
        name: &'static str,
        check: &dyn Fn(&str) -> Result<(), Problem>,
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
        self.strings_put_to(name, &check)
    }

    fn strings_put_to(
        &mut self,
        name: &'static str,
        check: &dyn Fn(&str) -> Result<(), Problem>,
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
        let length = cursor.node().as_list().map_or(0, <[_]>::len);
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

    /// Warns `unknown-field` about every field that was not read, with the known name that it resembles.
    pub fn finish(self) {
        for (key, node) in self.entries {
            if self.asked.contains(&key.name.as_str()) {
                continue;
            }
            if self.cursor.reader().is_full() {
                return;
            }
            let help = match nearest(&key.name, self.asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "it is ignored".into(),
            };
            let path = self.cursor.child(key, node).path();
            let message = format!("unknown field `{}`", short(&key.name));
            self.cursor.reader().push(Severity::Warning, "unknown-field", key.at, path, message, help);
        }
    }
}
