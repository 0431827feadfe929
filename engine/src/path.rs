//! `:path` as Envoy's HTTP connection manager leaves it for the filters.
//!
//! Everything here is ASCII on bytes, linear in the path's length, and without state.

use crate::{bytes, workload::PathNormalization};
use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

/// A request that Envoy answers itself, before any filter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The status of Envoy's own answer.
    pub status: u16,
    /// Its `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envoy answers {} before any filter ({})", self.status, self.details)
    }
}

impl core::error::Error for Rejected {}

pub(crate) const CODEC: Rejected = Rejected { status: 400, details: "http1.codec_error" };
pub(crate) const CHARACTERS: Rejected = Rejected { status: 400, details: "http1.invalid_characters" };
const TARGET: Rejected = Rejected { status: 400, details: "http1.invalid_url" };
const NORMALIZATION: Rejected = Rejected { status: 400, details: "path_normalization_failed" };

/// The path of an HTTP/1.1 origin-form target, as filters see it.
///
/// In Envoy's order: cut at the first `#` (Istio turns `http_reject_path_with_fragment` off; the cut is made
/// in a query too) → decode escaped slashes → strip the parameters of `..;` and `.;` → remove dot segments and
/// decode unreserved escapes → merge slashes. The query, from the first `?`, is never touched.
///
/// Traps: `/a/%2e%2e;x` survives, since parameters are stripped before anything is decoded; a path of nothing but
/// slashes becomes `//`, not `/`, when slashes are merged. Borrows when nothing changes. Envoy 1.40.
///
/// # Errors
///
/// What Envoy refuses before any filter: no leading `/`, a byte that the codec does not take, and `%00` in the
/// path at every level but NONE.
pub fn normalize(raw: &[u8], level: PathNormalization) -> Result<Cow<'_, [u8]>, Rejected> {
    match raw {
        [b'/', ..] => {}
        // Well formed, but only OPTIONS may send it, and Istio's routes do not know it.
        b"*" => return Err(TARGET),
        _ => return Err(CODEC),
    }
    for &byte in raw {
        match byte {
            // These end the target or the line, or are no token at all for the HTTP/1 parser.
            b'\t' | b'\n' | b'\r' | b' ' | 0x80.. => return Err(CODEC),
            // These the parser takes, and Envoy's own check refuses.
            ..=0x1f | 0x7f => return Err(CHARACTERS),
            _ => {}
        }
    }
    let raw = cut(raw, b"#").0;
    if level == PathNormalization::None {
        return Ok(Cow::Borrowed(raw));
    }
    let (path, query) = cut(raw, b"?");

    let mut now = Cow::Borrowed(path);
    if level == PathNormalization::DecodeAndMergeSlashes {
        replace(&mut now, decode_slashes);
    }
    replace(&mut now, strip_parameters);
    // Also in a segment that `..` would drop.
    if now.windows(3).any(|escape| escape == b"%00") {
        return Err(NORMALIZATION);
    }
    replace(&mut now, canonicalize);
    if level != PathNormalization::Base {
        replace(&mut now, merge_slashes);
    }
    match now {
        Cow::Borrowed(same) if same.len() == path.len() => Ok(Cow::Borrowed(raw)),
        now => {
            let mut whole = now.into_owned();
            whole.extend_from_slice(query);
            Ok(Cow::Owned(whole))
        }
    }
}

/// What `url_path` and `uri_template` look at: everything before the first `?` or `#`.
pub fn without_query(path: &[u8]) -> &[u8] {
    let mut before = path;
    for mark in [b'?', b'#'] {
        before = bytes::find(before, mark).and_then(|end| before.get(..end)).unwrap_or(before);
    }
    before
}

/// Splits before the first byte that is in `at`.
fn cut<'a>(bytes: &'a [u8], at: &[u8]) -> (&'a [u8], &'a [u8]) {
    let end = bytes.iter().position(|byte| at.contains(byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

/// Puts the step's result in place; `None` from a step: nothing to do.
fn replace(path: &mut Cow<'_, [u8]>, step: fn(&[u8]) -> Option<Vec<u8>>) {
    if let Some(new) = step(path) {
        *path = Cow::Owned(new);
    }
}

/// `%2F` → `/` and `%5C` → `\`, in either case, once: `%252F` stays.
fn decode_slashes(path: &[u8]) -> Option<Vec<u8>> {
    if !path.contains(&b'%') {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match rest {
            [b'%', b'2', b'F' | b'f', after @ ..] => {
                out.push(b'/');
                after
            }
            [b'%', b'5', b'C' | b'c', after @ ..] => {
                out.push(b'\\');
                after
            }
            _ => {
                out.push(byte);
                after
            }
        };
    }
    Some(out)
}

/// A segment that begins with a literal `..;` or `.;` loses everything from the `;`. Only `/` ends a segment here:
/// `\` is not yet a slash.
fn strip_parameters(path: &[u8]) -> Option<Vec<u8>> {
    if !path.windows(2).any(|pair| pair == b".;") {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    for (index, segment) in path.split(|&byte| byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(match segment {
            [b'.', b'.', b';', ..] => b"..",
            [b'.', b';', ..] => b".",
            _ => segment,
        });
    }
    Some(out)
}

/// Dot segments removed, never above the root; `\` → `/`; escapes of unreserved characters decoded, all other
/// escapes and their case kept; characters that no URL may hold escaped in upper case.
fn canonicalize(path: &[u8]) -> Option<Vec<u8>> {
    if path.iter().all(|&byte| byte != b'.' && byte != b'%' && byte != b'\\' && !needs_escape(byte)) {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    // Where in `out` the last `%` stands that began no escape.
    let mut stray = None;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after_dot) = dot(rest) {
            if out.last() != Some(&b'/') {
                out.push(b'.');
                rest = after_dot;
            } else if let Some(next) = segment_end(after_dot) {
                // `/.` ends here: the current folder.
                rest = next;
            } else if let Some(next) = dot(after_dot).and_then(segment_end) {
                back_up(&mut out);
                stray = stray.filter(|&at| at < out.len());
                rest = next;
            } else {
                out.push(b'.');
                rest = after_dot;
            }
            continue;
        }
        rest = after;
        match byte {
            b'\\' => out.push(b'/'),
            b'%' => match after {
                [high, low, further @ ..] => match (hex(*high), hex(*low)) {
                    (Some(h), Some(l)) => {
                        let decoded = h << 4 | l;
                        if decoded.is_ascii_alphanumeric() || matches!(decoded, b'-' | b'.' | b'_' | b'~') {
                            out.push(decoded);
                            guard_stray(&mut out, stray, further);
                        } else {
                            out.extend_from_slice(&[b'%', *high, *low]);
                        }
                        rest = further;
                    }
                    _ => push_stray(&mut out, &mut stray),
                },
                _ => push_stray(&mut out, &mut stray),
            },
            _ if needs_escape(byte) => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push(b'%');
                out.extend(HEX.get(usize::from(byte >> 4)));
                out.extend(HEX.get(usize::from(byte & 15)));
            }
            _ => out.push(byte),
        }
    }
    Some(out)
}

/// A `%` that begins no escape is kept as it stands.
fn push_stray(out: &mut Vec<u8>, stray: &mut Option<usize>) {
    *stray = Some(out.len());
    out.push(b'%');
}

/// A decoded character must not complete an escape that the text did not have: `%4%61` would become `%4a`, so the
/// stray `%` is escaped itself, `%254a`. `next` is the input behind the character, which is the last of `out`.
fn guard_stray(out: &mut Vec<u8>, stray: Option<usize>, next: &[u8]) {
    let Some(behind) = stray.and_then(|at| out.get(at.saturating_add(1)..)) else { return };
    let completes = match (behind, next) {
        ([high], [low, ..]) => hex(*high).is_some() && hex(*low).is_some(),
        ([high, low], _) => hex(*high).is_some() && hex(*low).is_some(),
        _ => false,
    };
    if completes {
        let at = out.len().saturating_sub(behind.len());
        out.splice(at..at, *b"25");
    }
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// What follows a dot, literal or escaped, that `path` begins with.
fn dot(path: &[u8]) -> Option<&[u8]> {
    match path {
        [b'.', after @ ..] | [b'%', b'2', b'E' | b'e', after @ ..] => Some(after),
        _ => None,
    }
}

/// What follows the end of a segment that `path` begins with: the end, or a slash of either kind.
fn segment_end(path: &[u8]) -> Option<&[u8]> {
    match path {
        [] => Some(path),
        [b'/' | b'\\', after @ ..] => Some(after),
        _ => None,
    }
}

/// Drops the last segment of what ends in a slash; the root stays.
fn back_up(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.pop();
        while out.len() > 1 && out.last() != Some(&b'/') {
            out.pop();
        }
    }
}

/// Empty segments dropped, the first and the last slash kept: hence `//` for slashes alone.
fn merge_slashes(path: &[u8]) -> Option<Vec<u8>> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty()) {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    if path.ends_with(b"/") {
        out.push(b'/');
    }
    Some(out)
}
