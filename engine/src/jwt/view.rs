//! The request as the filter has changed it so far.

use super::Edit;
use crate::{Request, headers::is_inline};
use alloc::vec::Vec;

/// The header lines of a request with edits applied; free of cost without edits.
pub(super) struct View<'a> {
    request: &'a Request<'a>,
    pub(super) edits: Vec<Edit>,
}

impl<'a> View<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Self {
        View { request, edits: Vec::new() }
    }

    pub(super) fn now(&self) -> i64 {
        self.request.now
    }

    /// All lines of a header, in order.
    pub(super) fn lines<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v [u8]> {
        Edit::lines(self.request.headers, &self.edits, name.as_bytes())
    }

    pub(super) fn first<'v>(&'v self, name: &'v str) -> Option<&'v [u8]> {
        self.lines(name).next()
    }

    /// Removes all lines of a header, if there is one.
    pub(super) fn remove(&mut self, name: &str) {
        if self.first(name).is_some() {
            self.edits.push(Edit::Remove(name.into()));
        }
    }

    /// Adds a line. To a header that Envoy keeps as one value it is joined with a comma.
    pub(super) fn add(&mut self, name: &str, value: Vec<u8>) {
        let edit = match self.first(name) {
            None => Edit::Set(name.into(), value),
            Some(first) if is_inline(name.as_bytes()) => {
                Edit::Set(name.into(), [first, b",", &value].concat())
            }
            Some(_) => Edit::Add(name.into(), value),
        };
        self.edits.push(edit);
    }

    pub(super) fn path(&self) -> Option<&[u8]> {
        self.first(":path")
    }

    pub(super) fn set_path(&mut self, path: Vec<u8>) {
        self.edits.push(Edit::Path(path));
    }
}
