//! What `jwt_authn` does to a request.

use crate::{bytes, request::Header};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// A change that `jwt_authn` made to the request; later filters see the result.
#[derive(Clone, PartialEq, Eq)]
pub enum Edit {
    /// All lines of a header removed (name in lower case).
    Remove(String),
    /// A header set, replacing all its lines.
    Set(String, Vec<u8>),
    /// A further line of a header: two tokens of one rule passed, or two claims go to one header.
    Add(String, Vec<u8>),
    /// `:path` rewritten, when a token was cut out of the query.
    Path(Vec<u8>),
}

/// Names only: values come from tokens and must not reach a log.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Remove(name) => write!(f, "Remove({name})"),
            Edit::Set(name, value) => write!(f, "Set({name}, {} bytes)", value.len()),
            Edit::Add(name, value) => write!(f, "Add({name}, {} bytes)", value.len()),
            Edit::Path(path) => write!(f, "Path({} bytes)", path.len()),
        }
    }
}

impl Edit {
    /// True where it changes this header.
    pub(crate) fn concerns(&self, header: &[u8]) -> bool {
        match self {
            Edit::Remove(name) | Edit::Set(name, _) | Edit::Add(name, _) => {
                bytes::equal(name.as_bytes(), header)
            }
            Edit::Path(_) => bytes::equal(header, b":path"),
        }
    }

    /// The line that it writes.
    fn value(&self) -> Option<&[u8]> {
        match self {
            Edit::Remove(_) => None,
            Edit::Set(_, value) | Edit::Add(_, value) | Edit::Path(value) => Some(value),
        }
    }

    /// All lines of the header `name` as filters behind `jwt_authn` see them: those of `headers` after `edits`. Envoy puts
    /// a line that is added behind those that are there.
    pub fn lines<'v>(
        headers: &'v [Header<'v>],
        edits: &'v [Edit],
        name: &'v [u8],
    ) -> impl Iterator<Item = &'v [u8]> {
        // What takes the place of all earlier lines.
        let last = edits.iter().rposition(|edit| !matches!(edit, Edit::Add(..)) && edit.concerns(name));
        let headers = if last.is_none() { headers } else { &[] };
        let later = edits.get(last.unwrap_or(0)..).unwrap_or_default();
        let original =
            headers.iter().filter(move |(line, _)| bytes::equal(line, name)).map(|(_, value)| *value);
        original.chain(later.iter().filter(move |edit| edit.concerns(name)).filter_map(Edit::value))
    }
}
