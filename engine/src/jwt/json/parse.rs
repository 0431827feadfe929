//! protobuf's JSON reader (its legacy mode, which is what Envoy calls) for `google.protobuf.Value`.

use super::Json;
use crate::{decimal, order};
use alloc::{string::String, vec::Vec};

/// protobuf's nesting limit.
const MAX_DEPTH: usize = 100;

pub(super) fn value(text: &[u8]) -> Option<Json> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.peek().is_none().then_some(value)
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte, whatever it is.
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// Skips white space; the byte after it is not taken.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at).copied() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Skips white space, then takes `literal` if it is next.
    fn eat(&mut self, literal: &[u8]) -> bool {
        self.peek();
        let found = self.rest().starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    fn value(&mut self) -> Option<Json> {
        match self.peek()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::list),
            b'"' | b'\'' => self.string().map(Json::String),
            b'-' | b'0'..=b'9' => self.number().map(Json::Number),
            b't' => self.eat(b"true").then_some(Json::Bool(true)),
            b'f' => self.eat(b"false").then_some(Json::Bool(false)),
            b'n' => self.eat(b"null").then_some(Json::Null),
            _ => None,
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Json>) -> Option<Json> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.at += 1; // the bracket
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Option<Json> {
        let mut items = Vec::new();
        if self.eat(b"]") {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.ends(b"]")? {
                return Some(Json::List(items));
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        let mut members = Vec::new();
        if self.eat(b"}") {
            return Some(Json::Object(members));
        }
        loop {
            let name = match self.peek()? {
                b'"' | b'\'' => self.string()?,
                _ => self.bare_word()?,
            };
            if !self.eat(b":") {
                return None;
            }
            members.push((name, self.value()?));
            if self.ends(b"}")? {
                break;
            }
        }
        unique(&members).then_some(Json::Object(members))
    }

    /// After an element: is it the last? A trailing comma is accepted, a missing one between elements is not.
    fn ends(&mut self, bracket: &[u8]) -> Option<bool> {
        let comma = self.eat(b",");
        if self.eat(bracket) {
            return Some(true);
        }
        comma.then_some(false)
    }

    fn bare_word(&mut self) -> Option<String> {
        let end = self.rest().iter().take_while(|c| **c == b'_' || c.is_ascii_alphanumeric()).count();
        let word = core::str::from_utf8(self.rest().get(..end)?).ok()?;
        if word.starts_with(|c: char| c.is_ascii_digit()) || matches!(word, "" | "null" | "true" | "false") {
            return None;
        }
        let word = word.into();
        self.at += end;
        Some(word)
    }

    /// A number must be followed by the end, a comma or a closing bracket.
    fn number(&mut self) -> Option<f64> {
        let text = self.rest();
        let mut fraction = false;
        let mut exponent = false;
        let mut previous = 0u8;
        let mut length = 0;
        for &c in text {
            let after_digit = previous.is_ascii_digit();
            let takes = match c {
                b'0'..=b'9' => true,
                b'-' if length == 0 => true,
                b'.' if after_digit && !fraction && !exponent => {
                    fraction = true;
                    true
                }
                b'e' | b'E' if after_digit && !exponent => {
                    exponent = true;
                    true
                }
                b'-' | b'+' => matches!(previous, b'e' | b'E'),
                _ => false,
            };
            if !takes {
                break;
            }
            previous = c;
            length += 1;
        }
        let text = core::str::from_utf8(text.get(..length)?).ok()?;
        let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
        if let [b'0', second, ..] = digits
            && second.is_ascii_digit()
        {
            return None;
        }
        if text.ends_with('.') {
            return None;
        }
        let number = decimal::parse(text)?;
        self.at += length;
        matches!(self.peek(), None | Some(b',' | b']' | b'}')).then_some(number)
    }

    fn string(&mut self) -> Option<String> {
        self.peek();
        let quote = self.next()?;
        let mut bytes = Vec::new();
        loop {
            let rest = self.rest();
            let plain = rest.iter().take_while(|c| **c != quote && **c != b'\\').count();
            bytes.extend_from_slice(rest.get(..plain)?);
            self.at += plain;
            match self.next()? {
                b'\\' => {
                    let c = match self.next()? {
                        b'u' | b'U' => {
                            let c = self.unicode_escape()?;
                            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                            continue;
                        }
                        c @ (b'"' | b'\\' | b'/' | b'\'') => c,
                        b'b' => 0x08,
                        b'f' => 0x0c,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return None,
                    };
                    bytes.push(c);
                }
                // The quote.
                _ => break,
            }
        }
        String::from_utf8(bytes).ok()
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                // White space between the two halves passes: the reader looks for a token here.
                if !self.eat(b"\\u") {
                    return None;
                }
                let low = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return None;
                }
                0x10000 + ((first & 0x3ff) << 10 | low & 0x3ff)
            }
            code => code,
        };
        char::from_u32(code)
    }

    fn hex4(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code << 4 | char::from(self.next()?).to_digit(16)?;
        }
        Some(code)
    }
}

fn unique(members: &[(String, Json)]) -> bool {
    if members.len() < 8 {
        return members
            .iter()
            .enumerate()
            .all(|(i, (name, _))| members.iter().skip(i + 1).all(|(other, _)| name != other));
    }
    let name = |index: usize| members.get(index).map(|(name, _)| name);
    order::repeated(members.len(), &|a, b| name(a).cmp(&name(b))).is_none()
}
