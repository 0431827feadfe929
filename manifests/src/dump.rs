//! Long lists, as `kubectl get -o yaml` and `-o json` print them, object by object.
//!
//! A dump of a cluster has hundreds of megabytes, most of it objects that nobody asks about. So the list is cut at its
//! elements by its outward form, and only elements of kinds that are read are parsed.

use crate::{
    Reason,
    skim::is_wanted,
    tree::{self, Document},
};
use gnomon_engine::{Diagnostic, Node, Position, Value, decode::short};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, sync::Arc};

/// The largest dump that is read: 1 GB.
pub(crate) const MAX_DUMP: usize = 1 << 30;
/// Shorter texts are parsed as a whole.
const SHORT: usize = 256 * 1024;

/// An element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item<'t> {
    text: &'t str,
    /// Where it begins.
    at: Position,
    json: bool,
}

/// What an element is.
pub(crate) enum Content {
    /// Of a kind that is not looked at.
    Other(Reason, Position),
    Document(Document),
}

/// Text that may be a dump begins so.
pub(crate) fn may_be(beginning: &[u8]) -> bool {
    let beginning = beginning.trim_ascii_start();
    beginning.starts_with(b"{") || beginning.starts_with(b"apiVersion:")
}

/// Worth cutting into pieces.
pub(crate) fn is_long(text: &str) -> bool {
    text.len() >= SHORT
}

/// The elements of the list that a long text is; `None`: it is something else, or too short to matter.
pub(crate) fn items(text: &str) -> Option<Vec<Item<'_>>> {
    if !is_long(text) {
        return None;
    }
    if text.trim_start().starts_with('{') { of_json(text) } else { of_yaml(text) }
}

#[derive(Deserialize)]
struct List<'t> {
    #[serde(borrow)]
    kind: Cow<'t, str>,
    #[serde(borrow)]
    items: Vec<&'t RawValue>,
}

fn of_json(text: &str) -> Option<Vec<Item<'_>>> {
    let list: List<'_> = serde_json::from_str(text).ok()?;
    if !list.kind.ends_with("List") {
        return None;
    }
    let mut place = Place::default();
    let item = |raw: &'_ RawValue| {
        let begins = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let end = begins.checked_add(raw.get().len())?;
        Some(Item { text: text.get(begins..end)?, at: place.at(text, begins)?, json: true })
    };
    list.items.into_iter().map(item).collect()
}

/// Counts lines on the way through a text.
#[derive(Default)]
struct Place {
    offset: usize,
    /// Line feeds so far.
    lines: usize,
    /// Characters of the line so far: a dump may be one line, so they are not counted again for each element.
    column: usize,
}

impl Place {
    /// The place of an offset that is not before the last one.
    fn at(&mut self, text: &str, offset: usize) -> Option<Position> {
        let between = text.get(self.offset..offset)?;
        match between.rsplit_once('\n') {
            Some((before, last)) => {
                self.lines = self.lines.checked_add(before.matches('\n').count())?.checked_add(1)?;
                self.column = last.chars().count();
            }
            None => self.column = self.column.checked_add(between.chars().count())?,
        }
        self.offset = offset;
        let number = |count: usize| u32::try_from(count).ok()?.checked_add(1);
        Some(Position { line: number(self.lines)?, column: number(self.column)? })
    }
}

/// The keys of the list stand at the left edge, its elements begin with `- ` there, and what is in them is indented.
fn of_yaml(text: &str) -> Option<Vec<Item<'_>>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, u32)> = None;
    let (mut offset, mut number) = (0_usize, 0_u32);
    let (mut in_items, mut is_list) = (false, false);
    for line in text.split_inclusive('\n') {
        number = number.checked_add(1)?;
        let element = in_items && line.starts_with("- ");
        if element || !line.starts_with([' ', '\n', '\r']) {
            if let Some((start, line)) = open.take() {
                let at = Position { line, column: 1 };
                found.push(Item { text: text.get(start..offset)?, at, json: false });
            }
            if element {
                open = Some((offset, number));
            } else {
                in_items = line.trim_end() == "items:";
                let key = line.split_once(':').map(|(key, value)| (key, value.trim()));
                match key {
                    Some(("kind", kind)) => is_list = kind.ends_with("List"),
                    Some(("apiVersion" | "items" | "metadata", _)) => {}
                    // Comments, markers of documents, other keys: this is no dump.
                    _ => return None,
                }
            }
        } else if open.is_none() && in_items && !line.trim().is_empty() {
            return None;
        }
        offset = offset.checked_add(line.len())?;
    }
    if let Some((start, line)) = open {
        found.push(Item { text: text.get(start..)?, at: Position { line, column: 1 }, json: false });
    }
    (is_list && !found.is_empty()).then_some(found)
}

#[derive(Deserialize)]
struct Head<'t> {
    #[serde(borrow, rename = "apiVersion")]
    version: Option<Cow<'t, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'t, str>>,
}

impl Item<'_> {
    /// Reads it like any other text, for what is wrong with it.
    pub(crate) fn parsed(&self, file: &Arc<str>) -> (Vec<Document>, Vec<Diagnostic>) {
        let (mut documents, mut last) = tree::documents(self.text, file);
        for document in &mut documents {
            tree::place(&mut document.node, &|at| self.place(at));
            document.problems.iter_mut().for_each(|problem| problem.at = self.place(problem.at));
        }
        last.iter_mut().for_each(|problem| problem.at = self.place(problem.at));
        if !self.json {
            // It is a list with one element.
            for document in &mut documents {
                if let Value::List(items) = &mut document.node.value
                    && items.len() == 1
                {
                    document.node = items.pop().unwrap_or_default();
                }
            }
        }
        (documents, last)
    }

    /// A place in it as a place in the whole text.
    fn place(&self, at: Position) -> Position {
        let Position { line, column } = self.at;
        let column =
            if at.line == 1 { at.column.saturating_add(column).saturating_sub(1) } else { at.column };
        Position { line: at.line.saturating_add(line).saturating_sub(1), column }
    }

    /// Reads it, where it is of a kind that is read; `None`: it is not what it seemed.
    pub(crate) fn read(&self, file: &Arc<str>) -> Option<Content> {
        let (version, kind) = if self.json {
            let head: Head<'_> = serde_json::from_str(self.text).ok()?;
            (head.version?.into_owned(), head.kind?.into_owned())
        } else {
            let field = |name: &str| {
                let line = self.text.lines().find_map(|line| line.get(2..)?.strip_prefix(name))?;
                Some(line.trim().trim_matches(['"', '\'']).to_owned())
            };
            (field("apiVersion:")?, field("kind:")?)
        };
        if !is_wanted(&version, &kind, self.text) {
            return Some(Content::Other(Reason::Kind(short(&kind)), self.at));
        }
        // Positions inside are for what people write; the rest of a cluster has the place where the object begins.
        if self.json
            && !crate::document::is_policy(&version, &kind)
            && let Ok(node) = serde_json::from_str::<Node>(self.text)
        {
            let node = Node { at: self.at, ..node };
            return Some(Content::Document(Document { node, problems: Vec::new() }));
        }
        let (documents, last) = self.parsed(file);
        let [document] = <[Document; 1]>::try_from(documents).ok().filter(|_| last.is_empty())?;
        document.node.as_map()?;
        Some(Content::Document(document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let file = Arc::from("t");
        let read = |item: &Item<'_>| match item.read(&file) {
            Some(Content::Other(reason, at)) => format!("{}:{} {}", at.line, at.column, reason.counted(1)),
            Some(Content::Document(Document { node, problems })) => {
                assert_eq!(problems, []);
                let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
                format!("{}:{} {kind} with {}", node.at.line, node.at.column, node.as_map().unwrap().len())
            }
            None => "?".to_owned(),
        };
        items(text).unwrap().iter().map(read).collect()
    }

    #[test]
    fn what_kubectl_prints() {
        let pad = "#".repeat(SHORT);
        let yaml = format!(
            "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Secret\n  data: |\n    kind: Pod\n\n- apiVersion: v1\n  \
             kind: Pod\n  spec:\n    a: '{pad}'\n- apiVersion: security.istio.io/v1\n  kind: PeerAuthentication\n  \
             metadata: {{name: a}}\nkind: List\nmetadata:\n  resourceVersion: \"\"\n"
        );
        assert_eq!(kinds(&yaml), ["3:1 1 Secret", "8:3 Pod with 3", "12:3 PeerAuthentication with 3"]);
        let json = format!(
            "{{\n  \"apiVersion\": \"v1\", \"items\": [\n    {{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"kind2\": \
             \"Pod\"}},\n    {{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"x\": \"{pad}\"}}, {{\n      \"kind\": \
             \"PeerAuthentication\", \"apiVersion\": \"security.istio.io/v1\"}}], \"kind\": \"List\"}}"
        );
        let expected = ["3:5 1 Secret", "4:5 Pod with 3"].map(String::from).to_vec();
        let read = kinds(&json);
        assert_eq!(read[..2], expected);
        assert!(read[2].ends_with("PeerAuthentication with 2") && read[2].starts_with("4:"), "{read:?}");
    }

    #[test]
    fn what_is_no_dump() {
        let pad = "a".repeat(SHORT);
        for text in [
            format!("apiVersion: v1\nkind: ConfigMap\ndata: {pad}\n"),
            format!("apiVersion: v1\nitems:\n- a: {pad}\nkind: Pod\n"),
            format!("apiVersion: v1\nitems:\n- a: {pad}\nkind: List\n---\nkind: Pod\n"),
            format!("{{\"kind\": \"Pod\", \"items\": [\"{pad}\"]}}"),
            "apiVersion: v1\nitems:\n- a: b\nkind: List\n".to_owned(),
        ] {
            assert_eq!(items(&text), None, "{}", short(&text));
        }
    }
}
