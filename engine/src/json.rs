//! JSON text to a [`Node`] tree: RFC 8259 to the letter, for configurations and key sets.
//!
//! Errors have positions, nodes have none: what is read here was written by a program, mostly on one line. Deserializing
//! a `Node` with serde would cost the filter a good part of its size. (What tokens carry is read as leniently as Envoy reads it: [`crate::jwt::Json`].)

use crate::{
    node::{Key, Node, Position, Value},
    order,
};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// How deep lists and maps may nest.
pub const MAX_DEPTH: u32 = 128;

/// What is wrong with a text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where; columns count characters.
    pub at: Position,
    /// What, as the rest of "not JSON: …".
    pub message: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: not JSON: {}", self.at.line, self.at.column, self.message)
    }
}

impl core::error::Error for JsonError {}

/// Reads a whole text. Linear in its length, but for sorting the keys of an object; nesting is bounded by [`MAX_DEPTH`].
///
/// # Errors
///
/// The first thing that is not JSON, a key that is there twice in one object, or too deep nesting.
pub fn parse(text: &str) -> Result<Node, JsonError> {
    whole(text, None)
}

/// As [`parse`], but a list under the key `left` (the text itself, where that is empty) has the texts of its elements
/// for elements, as [`Value::String`]. Each of them is valid and can be parsed when it is needed: the tree of a
/// large text takes several times the memory of the text.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_leaving(text: &str, left: &str) -> Result<Node, JsonError> {
    whole(text, Some(left))
}

fn whole(text: &str, left: Option<&str>) -> Result<Node, JsonError> {
    let mut reader = Reader { rest: text, line: 1, column: 1, left };
    reader.blanks();
    let node = reader.value(0, left == Some(""))?;
    reader.blanks();
    if reader.rest.is_empty() { Ok(node) } else { reader.fail("something stands after the end of the value") }
}

struct Reader<'t> {
    rest: &'t str,
    line: u32,
    column: u32,
    /// The key of lists whose elements stay texts.
    left: Option<&'t str>,
}

impl<'t> Reader<'t> {
    fn at(&self) -> Position {
        Position { line: self.line, column: self.column }
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at(), message })
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        if next == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(next)
    }

    fn blanks(&mut self) {
        while self.rest.starts_with([' ', '\t', '\n', '\r']) {
            self.next();
        }
    }

    /// Takes this character, after blanks.
    fn take(&mut self, wanted: char) -> bool {
        self.blanks();
        let there = self.rest.starts_with(wanted);
        if there {
            self.next();
        }
        there
    }

    fn value(&mut self, depth: u32, left: bool) -> Result<Node, JsonError> {
        if depth > MAX_DEPTH {
            return self.fail("it nests too deeply");
        }
        let value = match self.rest.chars().next() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth, left)?,
            Some('"') => Value::String(self.string()?),
            Some('-' | '0'..='9') => Value::Number(self.number()?),
            Some(_) => self.word()?,
            None => return self.fail("a value is missing"),
        };
        Ok(Node { value, at: Position::default() })
    }

    fn map(&mut self, depth: u32) -> Result<Value, JsonError> {
        self.next();
        let (mut entries, mut places) = (Vec::<(Key, Node)>::new(), Vec::new());
        if self.take('}') {
            return Ok(Value::Map(entries));
        }
        loop {
            self.blanks();
            let at = self.at();
            if !self.rest.starts_with('"') {
                return self.fail("a key in quotes is missing");
            }
            let name = self.string()?;
            places.push(at);
            if !self.take(':') {
                return self.fail("a colon is missing");
            }
            self.blanks();
            let left = self.left == Some(&name);
            let node = self.value(depth.saturating_add(1), left)?;
            entries.push((Key { name, at: Position::default() }, node));
            if self.take('}') {
                // Most have one entry or two, and room for four: a third of the tree, and its memory is the filter's.
                entries.shrink_to_fit();
                let name = |index: usize| entries.get(index).map(|(key, _)| &key.name);
                let again = order::repeated(entries.len(), &|a, b| Ord::cmp(&name(a), &name(b)));
                if let Some(at) = again.and_then(|index| places.get(index).copied()) {
                    return Err(JsonError { at, message: "the key is there twice" });
                }
                return Ok(Value::Map(entries));
            }
            if !self.take(',') {
                return self.fail("a comma or the end of the object is missing");
            }
        }
    }

    fn list(&mut self, depth: u32, left: bool) -> Result<Value, JsonError> {
        self.next();
        let mut items = Vec::new();
        if self.take(']') {
            return Ok(Value::List(items));
        }
        loop {
            self.blanks();
            let text = self.rest;
            let mut item = self.value(depth.saturating_add(1), false)?;
            if left {
                let length = text.len().saturating_sub(self.rest.len());
                item.value = Value::String(text.get(..length).unwrap_or_default().into());
            }
            items.push(item);
            if self.take(']') {
                items.shrink_to_fit();
                return Ok(Value::List(items));
            }
            if !self.take(',') {
                return self.fail("a comma or the end of the list is missing");
            }
        }
    }

    fn word(&mut self) -> Result<Value, JsonError> {
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.rest.starts_with(word) {
                word.chars().for_each(|_| {
                    self.next();
                });
                return Ok(value);
            }
        }
        self.fail("this is no value")
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, as written.
    fn number(&mut self) -> Result<String, JsonError> {
        let mut text = String::new();
        self.sign(&mut text, &['-']);
        let zero = self.rest.starts_with('0');
        let digits = self.digits(&mut text);
        if digits == 0 || (zero && digits > 1) {
            return self.fail("this is no number");
        }
        if self.rest.starts_with('.') {
            text.extend(self.next());
            if self.digits(&mut text) == 0 {
                return self.fail("digits are missing");
            }
        }
        if self.rest.starts_with(['e', 'E']) {
            text.extend(self.next());
            self.sign(&mut text, &['+', '-']);
            if self.digits(&mut text) == 0 {
                return self.fail("digits are missing");
            }
        }
        Ok(text)
    }

    fn sign(&mut self, text: &mut String, signs: &[char]) {
        if self.rest.starts_with(signs) {
            text.extend(self.next());
        }
    }

    fn digits(&mut self, text: &mut String) -> usize {
        let before = text.len();
        while self.rest.starts_with(|next: char| next.is_ascii_digit()) {
            text.extend(self.next());
        }
        text.len().saturating_sub(before)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(control) if control < ' ' => return self.fail("a control character stands in a string"),
                Some(other) => text.push(other),
                None => return self.fail("a string has no end"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        Ok(match self.next() {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.unit()?;
                let code = match first {
                    0xd800..=0xdbff => {
                        let escaped = self.next() == Some('\\') && self.next() == Some('u');
                        let second = if escaped { self.unit()? } else { 0 };
                        if !(0xdc00..=0xdfff).contains(&second) {
                            return self.fail("half a surrogate pair");
                        }
                        0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    other => other,
                };
                match char::from_u32(code) {
                    Some(decoded) => decoded,
                    None => return self.fail("half a surrogate pair"),
                }
            }
            _ => return self.fail("this escape is unknown"),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            match self.next().and_then(|digit| digit.to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return self.fail("four hexadecimal digits are missing"),
            }
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    /// What serde_json makes of a text, or nothing.
    fn serde(text: &str) -> Option<serde_json::Value> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn good_texts_are_what_serde_makes_of_them() {
        for text in [
            r#"{"a": [1, -2.5e+3, 0, true, false, null, "x\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é"], "b": {}, "": []}"#,
            " \t\r\n[ ] ",
            "\"\"",
            "1e400",
        ] {
            let node = parse(text).unwrap();
            if let Some(expected) = serde(text) {
                assert_eq!(serde_json::to_value(&node).unwrap(), expected, "{text}");
            }
        }
    }

    #[test]
    fn elements_are_left_as_texts() {
        let texts = |node: &Node| -> Vec<String> {
            node.as_list().unwrap().iter().map(|item| item.as_str().unwrap().into()).collect()
        };
        let node = parse_leaving(r#"{"a": [1], "b": {"a": [ {"a": [2]} , "x\"]", null,[]]}}"#, "a").unwrap();
        assert_eq!(texts(node.get("a").unwrap()), ["1"]);
        let inner = node.get("b").and_then(|b| b.get("a")).unwrap();
        assert_eq!(texts(inner), [r#"{"a": [2]}"#, r#""x\"]""#, "null", "[]"]);
        assert_eq!(texts(&parse_leaving(" [1, [2]]", "").unwrap()), ["1", "[2]"]);
        assert_eq!(parse_leaving(r#"{"a": {"b": [1]}}"#, ""), parse(r#"{"a": {"b": [1]}}"#));
    }

    #[test]
    fn many_keys_in_any_order() {
        let keys = |again: &str| {
            let all: String = (0..200_000).rev().map(|key| format!("\"{key:06}\":1,")).collect();
            format!("{{{all}\n{again}\"x\":0}}")
        };
        assert_eq!(parse(&keys("")).unwrap().as_map().unwrap().len(), 200_001);
        let twice = parse(&keys("\"000007\":1,\"000006\":1,")).unwrap_err();
        assert_eq!((twice.at.line, twice.at.column), (2, 1), "the first key that was there before");
    }

    #[test]
    fn bad_texts_are_refused_where_they_go_wrong() {
        let deep = "[".repeat(100_000);
        for (text, line, column) in [
            ("", 1, 1),
            ("{", 1, 2),
            ("{\"a\" 1}", 1, 6),
            ("{\"a\": 1,}", 1, 9),
            ("[1\n 2]", 2, 2),
            ("{\"a\": 1, \"a\": 2}", 1, 10),
            ("01", 1, 3),
            ("1.", 1, 3),
            ("-", 1, 2),
            ("nul", 1, 1),
            ("'a'", 1, 1),
            ("\"\\x\"", 1, 4),
            ("\"\\ud800\"", 1, 9),
            ("\"\u{1}\"", 1, 3),
            ("1 2", 1, 3),
            (deep.as_str(), 1, 130),
        ] {
            let error = parse(text).unwrap_err();
            let shown: String = text.chars().take(20).collect();
            assert_eq!((error.at.line, error.at.column), (line, column), "{shown}: {}", error.message);
        }
        assert_eq!(parse_leaving("{\"a\": [1, {]}", "a"), parse("{\"a\": [1, {]}"));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(128)).is_ok() && parse(&nested(130)).is_err());
        assert_eq!(parse("1").unwrap().value, Value::Number("1".to_string()));
    }
}
