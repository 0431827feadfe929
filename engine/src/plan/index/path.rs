//! Path templates: one small automaton for all of them, a tree of segments.
//!
//! A state is a node and the offset in the path. Each node is reached by a single path, so a path costs at most
//! its length for each node that fits, and not the number of templates.

use super::{atoms::Atoms, set::position, table::Table};
use crate::{
    bytes,
    template::{Segment, Template, is_glob},
};
use alloc::vec::Vec;

/// How many states may be active at once: each `{*}` beside a matching literal adds one.
const OPEN: usize = 8;

#[derive(Debug, Default)]
struct Node {
    /// The node that `{*}` leads to.
    one: Option<u32>,
    /// The template that ends here.
    end: Option<u32>,
    /// Templates that go on with `{**}`: what must stand at the very end, and their numbers.
    any: Vec<(Vec<u8>, u32)>,
}

/// All templates of one dimension.
#[derive(Debug, Default)]
pub(super) struct Templates {
    nodes: Vec<Node>,
    /// From a node (the tag) by a literal segment.
    literals: Table,
    count: u32,
    /// From a node (the tag) by what must stand at the very end behind `{**}`.
    tails: Table,
}

impl Templates {
    /// `None`: Envoy refuses the template, so it never matches.
    pub(super) fn intern(&mut self, template: &Template, next: &mut u32) -> Option<u32> {
        let (head, tail) = template.parts()?;
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
            self.count = 1;
        }
        let mut at = 0;
        for segment in head {
            let before = self.count;
            let child = match segment {
                Segment::Literal(text) => self.literals.intern(at, text, &mut self.count),
                Segment::One => {
                    let one = &mut self.nodes.get_mut(position(at))?.one;
                    *one.get_or_insert_with(|| {
                        self.count += 1;
                        before
                    })
                }
            };
            if self.count > before {
                self.nodes.push(Node::default());
            }
            at = child;
        }
        let node = self.nodes.get_mut(position(at))?;
        Some(match tail {
            None => *node.end.get_or_insert_with(|| {
                *next += 1;
                *next - 1
            }),
            Some(tail) => {
                let new = *next;
                let atom = self.tails.intern(at, tail, next);
                if atom == new {
                    node.any.push((tail.to_vec(), atom));
                }
                atom
            }
        })
    }

    #[inline]
    pub(super) fn find(&self, path: &[u8], found: &mut Atoms) {
        if !self.nodes.is_empty() {
            self.walk(path, found);
        }
    }

    fn walk(&self, path: &[u8], found: &mut Atoms) {
        let mut open = [(0_u32, path); OPEN];
        let mut count = 1;
        while let Some(last) = open.get(..count).and_then(<[_]>::last) {
            let (at, rest) = *last;
            count -= 1;
            let Some(node) = self.nodes.get(position(at)) else { return };
            if rest.is_empty() {
                found.extend(node.end);
                continue;
            }
            let Some(rest) = rest.strip_prefix(b"/") else { continue };
            for (tail, atom) in &node.any {
                let middle = rest.strip_suffix(tail.as_slice());
                if middle.is_some_and(|middle| middle.iter().all(|&byte| byte == b'/' || is_glob(byte))) {
                    found.push(*atom);
                }
            }
            let end = bytes::find(rest, b'/').unwrap_or(rest.len());
            let (segment, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            let one = node.one.filter(|_| !segment.is_empty() && segment.iter().all(|&byte| is_glob(byte)));
            for next in [self.literals.get(at, segment), one].into_iter().flatten() {
                match open.get_mut(count) {
                    Some(place) => {
                        *place = (next, after);
                        count += 1;
                    }
                    None => found.overflow = true,
                }
            }
        }
    }
}
