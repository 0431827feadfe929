//! JSON text without its long lists: a set of policies is read one at a time, and with pauses.
//!
//! A tree of a large text takes several times its memory, and the time of all of it in one piece. Here the lists under
//! one key are cut out and cut into the texts of their elements; what is left is short, and [`crate::json::parse`]
//! reads it as it reads each element when its turn comes. What is wrong with a text shows there.

use crate::{
    json,
    slices::{self, Pace},
};
use alloc::{format, string::String, vec::Vec};

/// Bytes between two looks at the pace.
const STEP: usize = 2048;

/// A text without its long lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline<'t> {
    /// The text; in place of each list stands one with its number in [`Outline::lists`].
    pub text: String,
    /// The texts of the elements, by list.
    pub lists: Vec<Vec<&'t str>>,
}

/// Cuts out the lists under `key`, wherever it stands outside of another such list. Linear, and does not refuse
/// anything: of a text that is not JSON, at least one part is not JSON either.
pub async fn outline<'t>(text: &'t str, key: &str, pace: &dyn Pace) -> Outline<'t> {
    let mut scanner = Scanner { text, at: 0, pace_at: STEP };
    let mut found = Outline::default();
    let mut copied = 0;
    // The last string, and whether nothing but a colon came after it.
    let (mut name, mut named) = (0..0, false);
    while let Some(byte) = scanner.byte() {
        scanner.step(pace).await;
        let start = scanner.at;
        scanner.at += 1;
        match byte {
            b'"' => {
                scanner.string();
                (name, named) = (start..scanner.at, false);
            }
            b':' => named = true,
            // However it is spelled.
            b'[' if named
                && text
                    .get(name.clone())
                    .and_then(|name| json::parse(name).ok()?.as_str().map(|name| name == key))
                    == Some(true) =>
            {
                let elements = scanner.elements(pace).await;
                found.text.push_str(text.get(copied..start).unwrap_or_default());
                found.text.push_str(&format!("[{}", found.lists.len()));
                found.lists.push(elements);
                copied = scanner.at;
                named = false;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => named = false,
        }
    }
    found.text.push_str(text.get(copied..).unwrap_or_default());
    found
}

/// The texts of the elements of a text that is a list. `None`: it is none, or something follows it.
pub async fn list<'t>(text: &'t str, pace: &dyn Pace) -> Option<Vec<&'t str>> {
    let rest = text.trim_start_matches(BLANKS).strip_prefix('[')?;
    let mut scanner = Scanner { text: rest, at: 0, pace_at: STEP };
    let elements = scanner.elements(pace).await;
    let end = rest.get(scanner.at..)?.strip_prefix(']')?;
    end.trim_start_matches(BLANKS).is_empty().then_some(elements)
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// Where the pace is asked next.
    pace_at: usize,
}

impl<'t> Scanner<'t> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    async fn step(&mut self, pace: &dyn Pace) {
        if self.at >= self.pace_at {
            self.pace_at = self.at + STEP;
            slices::step(pace).await;
        }
    }

    /// Goes behind the end of a string whose beginning has been read.
    fn string(&mut self) {
        while let Some(byte) = self.byte() {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }

    /// The elements of a list whose beginning has been read; stops at its end.
    async fn elements(&mut self, pace: &dyn Pace) -> Vec<&'t str> {
        let mut elements: Vec<&'t str> = Vec::new();
        let (mut start, mut depth) = (self.at, 0_u32);
        while let Some(byte) = self.byte() {
            self.step(pace).await;
            let at = self.at;
            if byte == b']' && depth == 0 {
                break;
            }
            self.at += 1;
            match byte {
                b'"' => self.string(),
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    elements.push(self.text.get(start..at).unwrap_or_default());
                    start = self.at;
                }
                _ => {}
            }
        }
        let last = self.text.get(start..self.at).unwrap_or_default();
        // Nothing between two brackets is no element.
        if !elements.is_empty() || !last.trim_matches(BLANKS).is_empty() {
            elements.push(last);
        }
        elements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slices::AtOnce;

    fn cut(text: &str) -> Outline<'_> {
        slices::all(outline(text, "a", &AtOnce))
    }

    #[test]
    fn lists_are_cut_out_and_into_elements() {
        let text = r#"{"x": [1], "b": {"a" : [ {"a": [2, "]\""]} , "x,\"]", null,[]]}, "a": [], "c": "a", "d": ["a:["]}"#;
        assert_eq!(cut(r#"{"\u0061": [1]}"#).lists, [["1"]]);
        let found = cut(text);
        assert_eq!(found.text, r#"{"x": [1], "b": {"a" : [0]}, "a": [1], "c": "a", "d": ["a:["]}"#);
        let elements: Vec<Vec<&str>> =
            found.lists.iter().map(|list| list.iter().map(|text| text.trim()).collect()).collect();
        assert_eq!(elements, [vec![r#"{"a": [2, "]\""]}"#, r#""x,\"]""#, "null", "[]"], vec![]]);
        let list = |text| slices::all(list(text, &AtOnce));
        assert_eq!(list(" [1, [2]] "), Some(vec!["1", " [2]"]));
        assert_eq!(list("[]"), Some(vec![]));
        for text in ["", "1", "[", "[1", "[1] 2", "{}"] {
            assert_eq!(list(text), None, "{text}");
        }
    }

    #[test]
    #[expect(clippy::string_slice, reason = "the text is ASCII")]
    fn what_is_wrong_with_a_text_is_wrong_with_a_part_of_it() {
        let parts = |text: &str| -> bool {
            let found = cut(text);
            let elements = found.lists.iter().flatten();
            json::parse(&found.text).is_ok() && elements.into_iter().all(|text| json::parse(text).is_ok())
        };
        let whole = r#"{"a": [{"b": "c\\"}, [1, {"d": "}"}], "e"], "f": {"a": [1, 2]}}"#;
        assert!(parts(whole) && json::parse(whole).is_ok());
        // Each byte left out, or another in its place.
        for at in 0..whole.len() {
            for other in ["", "]", "}", ",", "\"", "[", "x"] {
                let text = [&whole[..at], other, &whole[at + 1..]].concat();
                assert_eq!(parts(&text), json::parse(&text).is_ok(), "{text}");
            }
        }
        for text in [r#"{"a": [1,]}"#, r#"{"a": [,1]}"#, r#"{"a": [1 2]}"#, r#"{"a": [1}"#, r#"{"a": ["#] {
            assert!(!parts(text), "{text}");
        }
    }
}
