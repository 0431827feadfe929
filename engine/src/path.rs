//! `:path` as Envoy's HTTP connection manager leaves it for the filters.
//!
//! Everything here is ASCII on bytes, linear in the path's length, and without state.

use crate::{
    bytes,
    workload::{EscapedSlashes, PathNormalization},
};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// A request that Envoy answers itself, before any filter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The status of Envoy's own answer; `None`: it closes the connection, or resets the stream.
    pub status: Option<u16>,
    /// Its `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// Where it sends the client instead.
    pub location: Option<Vec<u8>>,
}

impl Rejected {
    pub(crate) const fn new(status: u16, details: &'static str) -> Rejected {
        Rejected { status: Some(status), details, location: None }
    }

    /// Without an answer.
    pub(crate) const fn reset(details: &'static str) -> Rejected {
        Rejected { status: None, details, location: None }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.location, self.status) {
            (Some(location), Some(status)) => {
                write!(f, "Envoy answers {status} and redirects to {}", String::from_utf8_lossy(location))
            }
            (_, Some(status)) => write!(f, "Envoy answers {status} before any filter ({})", self.details),
            (_, None) => write!(f, "Envoy resets the request before any filter ({})", self.details),
        }
    }
}

impl core::error::Error for Rejected {}

pub(crate) const CODEC: Rejected = Rejected::new(400, "http1.codec_error");
pub(crate) const CHARACTERS: Rejected = Rejected::new(400, "http1.invalid_characters");
const NORMALIZATION: Rejected = Rejected::new(400, "path_normalization_failed");

/// What a connection manager does with paths: `normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathHandling {
    /// Dot segments are removed, unreserved escapes decoded, `\` becomes `/`.
    pub normalize: bool,
    /// Runs of slashes become one.
    pub merge_slashes: bool,
    /// What happens to `%2F` and `%5C`.
    pub escaped_slashes: EscapedSlashes,
    /// The parameters of `/..;x` and `/.;x` are cut off in front of that
    /// ([`versions::strips_parameters_of_dot_segments`](crate::versions::strips_parameters_of_dot_segments)).
    pub strip_parameters: bool,
}

impl From<PathNormalization> for PathHandling {
    fn from(level: PathNormalization) -> PathHandling {
        let decodes = level == PathNormalization::DecodeAndMergeSlashes;
        PathHandling {
            normalize: level != PathNormalization::None,
            merge_slashes: decodes || level == PathNormalization::MergeSlashes,
            escaped_slashes: if decodes { EscapedSlashes::Forward } else { EscapedSlashes::Keep },
            strip_parameters: true,
        }
    }
}

/// The path of a request, as filters see it.
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
/// What Envoy answers before any filter: 400 for `%00` in a path that is normalized and for escaped slashes that are
/// rejected, 307 to the normalized path where it had some that redirect.
pub fn normalize<'r>(raw: &'r [u8], handling: &PathHandling) -> Result<Cow<'r, [u8]>, Rejected> {
    let raw = cut(raw, b"#").0;
    let (path, query) = cut(raw, b"?");

    let mut now = Cow::Borrowed(path);
    let mut redirects = false;
    if handling.escaped_slashes != EscapedSlashes::Keep && has_escaped_slashes(path) {
        if handling.escaped_slashes == EscapedSlashes::Reject {
            return Err(NORMALIZATION);
        }
        redirects = handling.escaped_slashes == EscapedSlashes::Redirect;
        replace(&mut now, decode_slashes);
    }
    if handling.normalize {
        if handling.strip_parameters {
            replace(&mut now, strip_parameters);
        }
        // Also in a segment that `..` would drop.
        if now.windows(3).any(|escape| escape == b"%00") {
            return Err(NORMALIZATION);
        }
        replace(&mut now, canonicalize);
    }
    if handling.merge_slashes {
        replace(&mut now, merge_slashes);
    }
    let whole = match now {
        Cow::Borrowed(same) if same.len() == path.len() => return Ok(Cow::Borrowed(raw)),
        now => {
            let mut whole = now.into_owned();
            whole.extend_from_slice(query);
            whole
        }
    };
    match redirects {
        true => Err(Rejected { location: Some(whole), ..Rejected::new(307, "path_normalization_failed") }),
        false => Ok(Cow::Owned(whole)),
    }
}

/// `%2F` or `%5C`, in either case.
fn has_escaped_slashes(path: &[u8]) -> bool {
    path.windows(3).any(|escape| matches!(escape, [b'%', b'2', b'F' | b'f'] | [b'%', b'5', b'C' | b'c']))
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
    // HTTP/2 has no check of its own for bytes that are no ASCII.
    matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80..)
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
