//! JSON text for logs and filter state.

use alloc::string::String;
use core::fmt::Write;

/// An object that is being written, member by member.
#[derive(Debug)]
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        // Most lines are no longer, and none has to be moved while it grows.
        let mut text = String::with_capacity(512);
        text.push('{');
        Object(text)
    }
}

impl Object {
    /// A member with a text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        quote(value, &mut self.0);
    }

    /// A member with a text, or null.
    pub fn maybe(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.json(name, "null"),
        }
    }

    /// A member with a text, which an empty one does not get.
    pub fn filled(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    /// A member with a number, or null.
    pub fn number(&mut self, name: &str, value: Option<u16>) {
        match value {
            Some(value) => {
                self.name(name);
                // Writing to a String cannot fail.
                let _done = write!(self.0, "{value}");
            }
            None => self.json(name, "null"),
        }
    }

    /// A member that is an object.
    pub fn object(&mut self, name: &str, members: impl FnOnce(&mut Object)) {
        self.name(name);
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    /// A member whose value is JSON already.
    pub fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(value);
    }

    /// Members that are JSON already: an object's without its brackets.
    pub fn members(&mut self, members: &str) {
        if !members.is_empty() {
            self.comma();
            self.0.push_str(members);
        }
    }

    /// The text.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    /// What stands between two members.
    fn comma(&mut self) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
    }

    fn name(&mut self, name: &str) {
        self.comma();
        quote(name, &mut self.0);
        self.0.push(':');
    }
}

/// A list of texts.
pub fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let mut out = String::from("[");
    for (place, text) in texts.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        quote(text.as_ref(), &mut out);
    }
    out.push(']');
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    // A text may be cut at any of these: they are ASCII, or begin a character.
    let perhaps = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20 | 0x7f | 0xc2 | 0xe2);
    while let Some(place) = rest.as_bytes().iter().position(perhaps) {
        let (plain, after) = rest.split_at_checked(place).unwrap_or_default();
        out.push_str(plain);
        let mut after = after.chars();
        match after.next() {
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some('\n') => out.push_str("\\n"),
            Some(c) if !is_special(c) => out.push(c),
            c => {
                // Writing to a String cannot fail.
                let _done = write!(out, "\\u{:04x}", c.map_or(0, u32::from));
            }
        }
        rest = after.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// What JSON wants escaped, and what a terminal or a reader of lines may take for more than a character: the controls, line
/// and paragraph separators, and the marks that turn the direction of writing.
fn is_special(c: char) -> bool {
    matches!(
        c,
        '"' | '\\' | ..'\u{20}' | '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use serde_json::{Value, json};

    #[test]
    fn what_is_written_is_read_back() {
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        let mut inner = Object::default();
        inner.number("n", Some(403));
        inner.number("none", None);
        let mut object = Object::default();
        object.text("all", &every);
        object.maybe(&every, None);
        object.maybe("some", Some(""));
        object.filled("left out", "");
        object.filled("filled", "x");
        object.json("inner", &inner.end());
        object.object("nested", |nested| {
            nested.number("n", Some(1));
            nested.object("empty", |_| {});
        });
        object.json("list", &list(&["a", "\"", "\u{0}"]));
        object.json("empty", &list(&Vec::<String>::new()));
        let text = object.end();
        assert!(!text.contains(|c| c != '"' && c != '\\' && is_special(c)), "{text:?}");
        for escaped in ["\\u007f", "\\u0085", "\\u009f", "\\u2028", "\\u2029", "\\u202e"] {
            assert!(text.contains(escaped), "{escaped}");
        }
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({
                "all": every, every.clone(): null, "some": "", "filled": "x", "inner": {"n": 403, "none": null},
                "nested": {"n": 1, "empty": {}},
                "list": ["a", "\"", "\u{0}"], "empty": [],
            })
        );
        assert_eq!(Object::default().end(), "{}");
    }
}
