//! JSON text without its long lists and strings: a set of policies is read one at a time, and with pauses.
//!
//! A tree of a large text takes several times its memory, and the time of all of it in one piece. Here the lists under
//! one key are cut out and cut into the texts of their elements; what is left is short, and [`crate::json::parse`]
//! reads it as it reads each element when its turn comes. What is wrong with a text shows there, also where it is no
//! UTF-8: to look at the whole text at once would take as long as to compile a hundred policies.

use crate::{
    json,
    slices::{self, Pace},
};
use alloc::{format, string::String, vec::Vec};
use core::{ops::Range, str::from_utf8};

/// Bytes between two looks at the pace.
const STEP: usize = 2048;

/// A text without its long lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline<'t> {
    /// The text; in place of each list stands one with its number in [`Outline::lists`].
    pub text: Vec<u8>,
    /// The texts of the elements, by list.
    pub lists: Vec<Vec<&'t [u8]>>,
    /// The strings, as they are written between their quotes; in place of each stands its [`mark`].
    pub strings: Vec<&'t [u8]>,
}

/// A number that nobody writes: what stands in place of a string that was cut out.
pub fn mark(number: usize) -> String {
    format!("0e00000000{number}")
}

/// Shorter strings stay.
const LONG: usize = 4096;

/// Which values are cut out: those under these keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'k> {
    /// Of lists.
    pub lists: &'k str,
    /// Of long strings.
    pub strings: &'k str,
}

/// Cuts out the lists and strings under these keys, wherever they stand outside of another such list. Linear, and does not refuse
/// anything: of a text that is not JSON, at least one part is not JSON either.
pub async fn outline<'t>(text: &'t [u8], keys: Keys<'_>, pace: &dyn Pace) -> Outline<'t> {
    let mut scanner = Scanner { text, at: 0, pace_at: STEP };
    let mut found = Outline::default();
    let mut copied = 0;
    // The last string, and whether nothing but a colon came after it.
    let (mut name, mut named) = (0..0, false);
    // However it is spelled.
    let is = |name: &Range<usize>, key: &str| {
        let read = |name| json::parse(from_utf8(name).ok()?).ok()?.as_str().map(|name| name == key);
        text.get(name.clone()).and_then(read) == Some(true)
    };
    while let Some(byte) = scanner.byte() {
        scanner.step(pace).await;
        let start = scanner.at;
        scanner.at += 1;
        match byte {
            b'"' if named && is(&name, keys.strings) => {
                named = false;
                if let Some(string) = scanner.string_in_slices(pace).await
                    && string.len() >= LONG
                {
                    found.text.extend_from_slice(text.get(copied..start).unwrap_or_default());
                    found.text.extend_from_slice(mark(found.strings.len()).as_bytes());
                    found.strings.push(string);
                    copied = scanner.at;
                }
            }
            b'"' => {
                scanner.string();
                (name, named) = (start..scanner.at, false);
            }
            b':' => named = true,
            b'[' if named && is(&name, keys.lists) => {
                let elements = scanner.elements(pace).await;
                found.text.extend_from_slice(text.get(copied..start).unwrap_or_default());
                found.text.extend_from_slice(format!("[{}", found.lists.len()).as_bytes());
                found.lists.push(elements);
                copied = scanner.at;
                named = false;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => named = false,
        }
    }
    found.text.extend_from_slice(text.get(copied..).unwrap_or_default());
    found
}

/// The texts of the elements of a text that is a list. `None`: it is none, or something follows it.
pub async fn list<'t>(text: &'t [u8], pace: &dyn Pace) -> Option<Vec<&'t [u8]>> {
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let rest = text.get(start..)?.strip_prefix(b"[")?;
    let mut scanner = Scanner { text: rest, at: 0, pace_at: STEP };
    let elements = scanner.elements(pace).await;
    let end = rest.get(scanner.at..)?.strip_prefix(b"]")?;
    end.iter().all(is_blank).then_some(elements)
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    /// Where the pace is asked next.
    pace_at: usize,
}

impl<'t> Scanner<'t> {
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
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

    /// A string whose beginning has been read. `None`: it has no end.
    async fn string_in_slices(&mut self, pace: &dyn Pace) -> Option<&'t [u8]> {
        let start = self.at;
        while let Some(byte) = self.byte() {
            self.step(pace).await;
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return self.text.get(start..self.at - 1);
            }
        }
        None
    }

    /// The elements of a list whose beginning has been read; stops at its end.
    async fn elements(&mut self, pace: &dyn Pace) -> Vec<&'t [u8]> {
        let mut elements: Vec<&'t [u8]> = Vec::new();
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
        if !elements.is_empty() || !last.iter().all(is_blank) {
            elements.push(last);
        }
        elements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slices::AtOnce;

    fn text_of(bytes: &[u8]) -> &str {
        from_utf8(bytes).unwrap()
    }

    fn cut(text: &str) -> Outline<'_> {
        slices::all(outline(text.as_bytes(), Keys { lists: "a", strings: "s" }, &AtOnce))
    }

    #[test]
    fn lists_are_cut_out_and_into_elements() {
        let text = r#"{"x": [1], "b": {"a" : [ {"a": [2, "]\""]} , "x,\"]", null,[]]}, "a": [], "c": "a", "d": ["a:["]}"#;
        assert_eq!(cut(r#"{"\u0061": [1]}"#).lists, [[b"1"]]);
        let found = cut(text);
        assert_eq!(text_of(&found.text), r#"{"x": [1], "b": {"a" : [0]}, "a": [1], "c": "a", "d": ["a:["]}"#);
        let elements: Vec<Vec<&str>> =
            found.lists.iter().map(|list| list.iter().map(|text| text_of(text).trim()).collect()).collect();
        assert_eq!(elements, [vec![r#"{"a": [2, "]\""]}"#, r#""x,\"]""#, "null", "[]"], vec![]]);
        let list = |text: &'static str| {
            let found = slices::all(list(text.as_bytes(), &AtOnce));
            found.map(|elements| elements.into_iter().map(text_of).collect::<Vec<_>>())
        };
        assert_eq!(list(" [1, [2]] "), Some(vec!["1", " [2]"]));
        assert_eq!(list("[]"), Some(vec![]));
        for text in ["", "1", "[", "[1", "[1] 2", "{}"] {
            assert_eq!(list(text), None, "{text}");
        }
    }

    #[test]
    fn long_strings_are_cut_out() {
        let long = "x\\\"".repeat(LONG);
        let text = format!(
            r#"{{"w": {{"s": "one"}}, "t": "{long}", "\u0073" : "{long}", "u": {{"s": "{long}"}}, "v": ["s"]}}"#
        );
        let found = cut(&text);
        let (zero, one) = (mark(0), mark(1));
        let expected = format!(
            r#"{{"w": {{"s": "one"}}, "t": "{long}", "\u0073" : {zero}, "u": {{"s": {one}}}, "v": ["s"]}}"#
        );
        assert_eq!(text_of(&found.text), expected);
        assert!(json::parse(&expected).is_ok());
        assert_eq!(found.strings, [long.as_bytes(), long.as_bytes()]);
        for end in ["", "\\", "\\\""] {
            let text = format!(r#"{{"s": "{long}{end}"#);
            assert!(json::parse(text_of(&cut(&text).text)).is_err(), "{end}");
        }
    }

    #[test]
    #[expect(clippy::string_slice, reason = "the text is ASCII")]
    fn what_is_wrong_with_a_text_is_wrong_with_a_part_of_it() {
        let parts = |text: &str| -> bool {
            let found = cut(text);
            let elements = found.lists.iter().flatten();
            let good = |text: &[u8]| json::parse(text_of(text)).is_ok();
            good(&found.text) && elements.into_iter().all(|text| good(text))
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
