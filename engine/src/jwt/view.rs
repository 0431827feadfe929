//! The request as the filter has changed it so far.

use super::Edit;
use crate::{Request, headers::is_inline};
use alloc::{string::String, vec::Vec};

/// Header lines of a request with edits laid over; costs nothing while there are none.
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
    pub(super) fn lines<'v>(&'v self, name: &str) -> impl Iterator<Item = &'v [u8]> {
        let replaced = self.edits.iter().rposition(|edit| edit.replaces(name));
        let later = self.edits.get(replaced.unwrap_or(0)..).unwrap_or_default();
        let original = if replaced.is_none() { self.request.headers } else { &[] };
        let original =
            original.iter().filter(move |(line, _)| *line == name.as_bytes()).map(|(_, value)| *value);
        original.chain(later.iter().filter_map(move |edit| edit.value(name)))
    }

    pub(super) fn first(&self, name: &str) -> Option<&[u8]> {
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
        let name = String::from(name);
        let edit = match self.first(&name) {
            None => Edit::Set(name, value),
            Some(first) if is_inline(name.as_bytes()) => Edit::Set(name, [first, b",", &value].concat()),
            Some(_) => Edit::Add(name, value),
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

impl Edit {
    /// Does it make all earlier lines of `name` void?
    fn replaces(&self, name: &str) -> bool {
        match self {
            Edit::Remove(header) | Edit::Set(header, _) => header == name,
            Edit::Path(_) => name == ":path",
            Edit::Add(..) => false,
        }
    }

    /// The line it makes of `name`.
    fn value(&self, name: &str) -> Option<&[u8]> {
        match self {
            Edit::Set(header, value) | Edit::Add(header, value) if header == name => Some(value),
            Edit::Path(path) if name == ":path" => Some(path),
            _ => None,
        }
    }
}
