//! What `jwt_authn` does to a request.

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
