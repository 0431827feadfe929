//! A request as one filter sees it.

use alloc::vec::Vec;
use gnomon_engine::{
    jwt::Edit,
    path::without_query,
    plan::Tri,
    request::{Input, Request},
};

/// The request, and what happened to its headers on the way.
#[derive(Clone, Copy)]
pub(super) struct RequestView<'r> {
    pub(super) request: &'r Request<'r>,
    /// What jwt_authn changed, where it stands before this filter.
    pub(super) edits: &'r [Edit],
    /// Matchers see several lines of a header as one value.
    pub(super) joins_lines: bool,
}

impl RequestView<'_> {
    /// Any value of a header, as matchers see them; `None`: it has no line. `name` is in lower case, and `host` means
    /// `:authority`.
    pub(super) fn header(&self, name: &[u8], test: impl Fn(&[u8]) -> Tri) -> Option<Tri> {
        let mut lines = self.lines(name).peekable();
        lines.peek()?;
        Some(match self.joins_lines {
            true => test(&lines.collect::<Vec<_>>().join(&b',')),
            false => Tri::any(lines.map(test)),
        })
    }

    /// The path without its query. Absent (a CONNECT): matches nothing.
    pub(super) fn path(&self, test: impl Fn(&[u8]) -> bool) -> Tri {
        self.header(b":path", |path| test(without_query(path)).into()).unwrap_or(Tri::False)
    }

    /// Every line of a header.
    pub(super) fn lines<'s>(&'s self, name: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        let name = if name == b"host" { b":authority" } else { name };
        Edit::lines(self.request.headers, self.edits, name)
    }
}

/// What is known of an input.
pub(super) fn known<T>(input: Input<T>, test: impl FnOnce(T) -> bool) -> Tri {
    match input {
        Input::Absent => Tri::False,
        Input::Unknown => Tri::Unknown,
        Input::Is(value) => test(value).into(),
    }
}
