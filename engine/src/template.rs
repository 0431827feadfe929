//! Path templates: `{*}` and `{**}` in `paths`.

use crate::bytes;
use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

/// A path template as Envoy's `uri_template` matcher evaluates it.
///
/// `{*}` is one segment of one or more characters; `{**}` is zero or more characters, slashes included, of the
/// same set. Traps: `/f/{**}` matches `/f/` but not `/f`, and `/f/{**}/x` does not match `/f/x`; a character outside
/// RFC 3986's `pchar` (`[`, `|`, `"` …) matches neither operator. Case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// `None`: Envoy refuses it, so it never matches.
    parts: Option<Parts>,
}

/// Admission allows one `{**}` and no operator behind it, so a match needs neither search nor backtracking.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    /// Each follows a slash.
    head: Box<[Segment]>,
    /// What must follow `{**}`, from its slash on; `None`: there is no `{**}`.
    tail: Option<Box<[u8]>>,
}

/// A segment of a template before its `{**}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The text itself; empty only behind a last slash.
    Literal(Box<[u8]>),
    /// `{*}`
    One,
}

/// A template that istiod's admission refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// An operator behind `{**}`.
    OperatorAfterAny,
    /// A brace that is not a whole segment `{*}` or `{**}`.
    Brace,
    /// A segment with a character that a literal may not have, or without any.
    Literal,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TemplateError::OperatorAfterAny => "an operator follows {**}",
            TemplateError::Brace => "a brace is not part of a whole segment {*} or {**}",
            TemplateError::Literal => "a segment is empty or has a character that a template may not have",
        })
    }
}

impl core::error::Error for TemplateError {}

/// True where a value of `paths` is a template rather than a plain string.
pub fn is_template(value: &str) -> bool {
    value.contains("{*}") || value.contains("{**}")
}

impl Template {
    /// Reads a value of `paths` for which [`is_template`] holds.
    ///
    /// # Errors
    ///
    /// What istiod's admission refuses.
    pub fn parse(value: &str) -> Result<Template, TemplateError> {
        // Admission looks at what is left without outer slashes; Envoy at the whole.
        let mut any = false;
        for segment in value.trim_matches('/').split('/') {
            match segment {
                "{*}" | "{**}" if any => return Err(TemplateError::OperatorAfterAny),
                "{*}" => {}
                "{**}" => any = true,
                _ if segment.contains(['{', '}']) => return Err(TemplateError::Brace),
                _ if segment.is_empty() || !segment.bytes().all(is_literal) => {
                    return Err(TemplateError::Literal);
                }
                _ => {}
            }
        }
        Ok(Template { parts: Parts::read(value) })
    }

    /// False where Envoy refuses the configuration that holds this template: no leading slash, or an empty segment
    /// that is not the last. istiod admits these all the same.
    pub fn is_valid(&self) -> bool {
        self.parts.is_some()
    }

    /// The segments, and what must stand at the end where `{**}` follows them; `None`: it never matches.
    pub fn parts(&self) -> Option<(&[Segment], Option<&[u8]>)> {
        self.parts.as_ref().map(|parts| (&parts.head[..], parts.tail.as_deref()))
    }

    /// True where the whole path matches. `path` is without its query ([`crate::path::without_query`]). Linear, without
    /// allocation.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.matches(path))
    }
}

impl Parts {
    fn read(value: &str) -> Option<Parts> {
        let mut segments = value.strip_prefix('/')?.split('/').peekable();
        let mut head = Vec::new();
        while let Some(segment) = segments.next() {
            match segment {
                "" if segments.peek().is_some() => return None,
                "{*}" => head.push(Segment::One),
                "{**}" => {
                    let mut tail = String::new();
                    while let Some(literal) = segments.next() {
                        if literal.is_empty() && segments.peek().is_some() {
                            return None;
                        }
                        tail.push('/');
                        tail.push_str(literal);
                    }
                    return Some(Parts { head: head.into(), tail: Some(tail.into_bytes().into()) });
                }
                _ => head.push(Segment::Literal(segment.as_bytes().into())),
            }
        }
        Some(Parts { head: head.into(), tail: None })
    }

    fn matches(&self, path: &[u8]) -> bool {
        let mut rest = path;
        for segment in &self.head {
            let Some(after) = rest.strip_prefix(b"/") else { return false };
            let end = match segment {
                Segment::Literal(literal) if bytes::strip_prefix(after, literal).is_some() => literal.len(),
                Segment::Literal(_) => return false,
                // The set has no slash, so the operator ends where the segment ends.
                Segment::One => match after.iter().take_while(|&&byte| is_glob(byte)).count() {
                    0 => return false,
                    length => length,
                },
            };
            rest = after.get(end..).unwrap_or_default();
        }
        match &self.tail {
            None => rest.is_empty(),
            Some(tail) => rest
                .strip_prefix(b"/")
                .and_then(|rest| bytes::strip_suffix(rest, tail))
                .is_some_and(|middle| middle.iter().all(|&byte| byte == b'/' || is_glob(byte))),
        }
    }
}

/// What admission lets stand in a literal segment of a template.
fn is_literal(byte: u8) -> bool {
    is_glob(byte) && byte != b'*'
}

/// What the operators match, slash apart.
pub(crate) fn is_glob(byte: u8) -> bool {
    GLOB.get(usize::from(byte)).copied().unwrap_or(false)
}

/// A table, since every byte of a path is looked up.
#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would say so")]
static GLOB: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
            || matches!(byte, b'+' | b',' | b';' | b':' | b'@' | b'=' | b'*');
        byte += 1;
    }
    table
};
