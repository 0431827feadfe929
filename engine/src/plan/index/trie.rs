//! Prefixes, and suffixes read backwards: a radix trie. O(length of the value), however many there are.

use super::{
    atoms::Atoms,
    set::{position, short},
    table::Table,
};
use crate::{
    bytes, order,
    slices::{self, Pace},
};
use alloc::{vec, vec::Vec};

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    /// The label of the edge from the parent: a range of `labels`.
    label: (u32, u32),
    /// The children, adjacent, in the order of their first bytes.
    children: (u32, u32),
    /// The number of the prefix that ends here.
    atom: u32,
}

/// Finds all prefixes of a value; or all suffixes, where it was built so.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// By node: the first byte of its label.
    firsts: Vec<u8>,
    labels: Vec<u8>,
    backwards: bool,
}

impl Trie {
    /// From texts and their numbers.
    pub(super) async fn build(table: &Table, backwards: bool, pace: &dyn Pace) -> Trie {
        let mut keys: Vec<(Vec<u8>, u32)> =
            table.entries().map(|(text, atom)| (text.to_vec(), atom)).collect();
        if backwards {
            keys.iter_mut().for_each(|(text, _)| text.reverse());
        }
        order::sort_in_slices(&mut keys, |a, b| a.0.cmp(&b.0), pace).await;
        let mut trie = Trie { backwards, ..Trie::default() };
        if keys.is_empty() {
            return trie;
        }
        trie.push(&[]);
        // Level by level, so that the nodes below one node stand together: node, its keys, how much of them is used up.
        let mut open = vec![(0_usize, 0..keys.len(), 0_usize)];
        let mut next = 0;
        while let Some((node, range, depth)) = open.get(next).cloned() {
            next += 1;
            slices::step(pace).await;
            let mut rest = keys.get(range.clone()).unwrap_or_default();
            let mut from = range.start;
            if let Some(((text, atom), others)) = rest.split_first()
                && text.len() == depth
            {
                if let Some(node) = trie.nodes.get_mut(node) {
                    node.atom = *atom;
                }
                rest = others;
                from += 1;
            }
            let first_child = trie.nodes.len();
            while let Some((first, _)) = rest.first() {
                let byte = first.get(depth);
                let count = rest.partition_point(|(text, _)| text.get(depth) <= byte);
                let last = rest.get(count - 1).map_or(first, |(text, _)| text);
                let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
                open.push((trie.nodes.len(), from..from + count, common));
                trie.push(first.get(depth..common).unwrap_or_default());
                rest = rest.get(count..).unwrap_or_default();
                from += count;
            }
            let count = trie.nodes.len() - first_child;
            if let Some(node) = trie.nodes.get_mut(node) {
                node.children = (short(first_child), short(count));
            }
        }
        trie.nodes.shrink_to_fit();
        trie.labels.shrink_to_fit();
        trie.firsts.shrink_to_fit();
        trie
    }

    fn push(&mut self, label: &[u8]) {
        self.firsts.push(label.first().copied().unwrap_or(0));
        let label_at = (short(self.labels.len()), short(label.len()));
        self.labels.extend_from_slice(label);
        self.nodes.push(Node { label: label_at, children: (0, 0), atom: NONE });
    }

    /// Passes to `found` the numbers of all that `value` begins (ends) with, the shortest first.
    #[inline]
    pub(super) fn find(&self, value: &[u8], found: &mut Atoms) {
        if !self.nodes.is_empty() {
            self.walk(value, found);
        }
    }

    fn walk(&self, value: &[u8], found: &mut Atoms) {
        let mut rest = value;
        let mut node = self.nodes.first();
        while let Some(here) = node {
            if here.atom != NONE {
                found.push(here.atom);
            }
            let byte = if self.backwards { rest.last() } else { rest.first() };
            let Some(byte) = byte else { return };
            let first = position(here.children.0);
            let firsts = self.firsts.get(first..first + position(here.children.1)).unwrap_or_default();
            let Some(child) = (if firsts.len() < 8 {
                firsts.iter().position(|first| first == byte)
            } else {
                firsts.binary_search(byte).ok()
            }) else {
                return;
            };
            node = self.nodes.get(first + child);
            let Some(next) = node else { return };
            let label = position(next.label.0)..position(next.label.0) + position(next.label.1);
            let label = self.labels.get(label).unwrap_or_default();
            let tail = if self.backwards {
                let cut = rest.len().checked_sub(label.len()).and_then(|at| rest.split_at_checked(at));
                cut.filter(|(_, end)| end.iter().rev().eq(label)).map(|(before, _)| before)
            } else {
                bytes::strip_prefix(rest, label)
            };
            let Some(tail) = tail else { return };
            rest = tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slices::AtOnce;
    use alloc::{format, string::String};

    #[test]
    fn finds_what_a_look_at_each_finds() {
        let mut texts: Vec<String> =
            ["/", "/a", "/a/", "/a/b", "/ab", "/abc/d", "x", "x/y/z", "\u{e4}"].map(Into::into).into();
        texts.extend((0..300).map(|n| format!("/t/{}/{}", n % 17, n * 7919 % 1_000)));
        let mut values = texts.clone();
        values.extend(texts.iter().map(|text| format!("{text}/more")));
        values.extend(texts.iter().map(|text| format!("more{text}")));
        values.extend(["", "/a/c", "/abc", "y"].map(Into::into));
        for backwards in [false, true] {
            let mut table = Table::default();
            let mut next = 0;
            for text in &texts {
                table.intern(0, text.as_bytes(), &mut next);
            }
            let trie = slices::all(Trie::build(&table, backwards, &AtOnce));
            for value in &values {
                let mut found = Atoms::default();
                trie.find(value.as_bytes(), &mut found);
                let mut expected: Vec<u32> = table
                    .entries()
                    .filter(|(text, _)| {
                        if backwards {
                            value.as_bytes().ends_with(text)
                        } else {
                            value.as_bytes().starts_with(text)
                        }
                    })
                    .map(|(_, atom)| atom)
                    .collect();
                let mut found = found.all().to_vec();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{value} backwards: {backwards}");
            }
        }
        let mut found = Atoms::default();
        Trie::default().find(b"x", &mut found);
        assert!(found.all().is_empty());
    }
}
