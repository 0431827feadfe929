//! Parser events to [`Node`] trees, with bounds.

use crate::{
    advice, input,
    reader::{Bound, Reader, Watch},
    scalar,
};
use gnomon_engine::{Diagnostic, Node, Position, Severity, Value, decode::short, node::Key};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use std::{borrow::Cow, collections::HashMap, sync::Arc};

/// How deep values may nest. CRDs of other projects reach 60.
pub const MAX_DEPTH: usize = 128;
/// How many values one text may hold, those that aliases repeat included.
pub const MAX_NODES: usize = 2_000_000;
/// How many bytes of text aliases may repeat.
const MAX_REPEATED: usize = 32 * 1024 * 1024;
/// How many problems are reported for one text.
const MAX_PROBLEMS: usize = 1_000;

/// Parses all documents of a text. `file` is how diagnostics call it.
///
/// After an error of syntax nothing more is read; the documents before it are returned. Duplicate keys and the like are
/// errors, too, but reading goes on (with the first value), so that all problems are found: look for errors before using
/// what is returned.
pub fn parse(text: &str, file: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    let (documents, last) = documents(text, &Arc::from(file));
    let (mut nodes, mut problems) = (Vec::with_capacity(documents.len()), Vec::new());
    for document in documents {
        nodes.push(document.node);
        problems.extend(document.problems);
    }
    problems.extend(last);
    (nodes, problems)
}

/// One document of a text.
pub(crate) struct Document {
    pub(crate) node: Node,
    /// The errors in it: where there are any, it must not be used.
    pub(crate) problems: Vec<Diagnostic>,
}

/// The documents of a text; the errors that end the reading come apart.
pub(crate) fn documents(text: &str, file: &Arc<str>) -> (Vec<Document>, Vec<Diagnostic>) {
    let mut builder = Builder::new(file);
    if text.len() > input::MAX_BYTES {
        builder.problem("too-big", Position::default(), input::too_big(), "split it into several files");
        return (Vec::new(), builder.problems);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let stopped = builder.read(text);
    if stopped.is_some_and(|syntax| syntax)
        && let Some(node) = as_json(text)
    {
        // JSON that is no YAML: escaped surrogate pairs, very long keys. Positions are lost.
        return (vec![Document { node, problems: Vec::new() }], Vec::new());
    }
    (builder.documents, builder.problems)
}

/// Moves all places of a value.
pub(crate) fn place(node: &mut Node, to: &impl Fn(Position) -> Position) {
    // Not deeper than what was read: `MAX_DEPTH`.
    node.at = to(node.at);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| place(item, to)),
        Value::Map(entries) => {
            for (key, value) in entries {
                key.at = to(key.at);
                place(value, to);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn as_json(text: &str) -> Option<Node> {
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    let begins = text.trim_start().starts_with(['{', '[']);
    if begins && values <= MAX_NODES { serde_json::from_str(text).ok() } else { None }
}

/// A finished value and what it weighs: aliases repeat it at this price.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl Built {
    fn scalar(value: Value, at: Position) -> Self {
        let bytes = match &value {
            Value::String(text) | Value::Number(text) => text.len(),
            _ => 0,
        };
        Built { node: Node { value, at }, nodes: 1, bytes, height: 1 }
    }
}

/// A list or map that is being read.
struct Frame {
    at: Position,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: HashMap<String, Position>, key: Option<MapKey>, merged: Vec<Node> },
}

enum MapKey {
    Named(Key),
    /// `<<`: the value's entries become entries here.
    Merge,
    /// Reported; its value is dropped.
    Bad,
}

/// Reading cannot go on; it has been reported. True for an error of syntax.
struct Stop(bool);

struct Builder<'f> {
    file: &'f Arc<str>,
    documents: Vec<Document>,
    problems: Vec<Diagnostic>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    /// How many problems may still be reported.
    room: usize,
    nodes: usize,
    repeated: usize,
}

impl<'f> Builder<'f> {
    fn new(file: &'f Arc<str>) -> Self {
        Builder {
            file,
            documents: Vec::new(),
            problems: Vec::new(),
            stack: Vec::new(),
            anchors: HashMap::new(),
            room: MAX_PROBLEMS,
            nodes: 0,
            repeated: 0,
        }
    }

    /// Reads to the end, or to what stops it: `Some(true)` for an error of syntax.
    fn read(&mut self, text: &str) -> Option<bool> {
        let watch = Watch::default();
        let mut parser = Parser::new(Reader::new(text, &watch));
        while let Some(event) = parser.next_event() {
            let taken = match (watch.stopped(), event) {
                (Some((bound, at)), _) => Err(self.bound(bound, at)),
                (None, Ok((event, span))) => self.take(event, span, &watch),
                (None, Err(error)) => Err(self.syntax(&error, &watch, text)),
            };
            if let Err(Stop(syntax)) = taken {
                return Some(syntax);
            }
        }
        None
    }

    fn bound(&mut self, bound: Bound, at: Position) -> Stop {
        match bound {
            Bound::Depth => return self.too_deep(at),
            Bound::Tokens => return self.too_many(at),
            Bound::Key => self.problem("bad-key", at, "a list or a map cannot be a key", "a key is text"),
        }
        Stop(false)
    }

    fn syntax(&mut self, error: &ScanError, watch: &Watch, text: &str) -> Stop {
        let (at, info) = (watch.place(error.marker()), error.info());
        self.problem("yaml-syntax", at, short(advice::message(info)), advice::help(info, text, at));
        Stop(true)
    }

    fn take(&mut self, event: Event<'_>, span: Span, watch: &Watch) -> Result<(), Stop> {
        let at = watch.place(&span.start);
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text, style, tag.as_deref(), at);
                let merge =
                    style == ScalarStyle::Plain && matches!(&value, Value::String(text) if text == "<<");
                self.count(1, at)?;
                self.finish(Built::scalar(value, at), anchor, merge)
            }
            Event::SequenceStart(anchor, _) => self.open(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let (entries, merged) = (Vec::new(), Vec::new());
                self.open(at, anchor, Content::Map { entries, seen: HashMap::new(), key: None, merged })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(frame) => self.close(frame),
                None => Ok(()),
            },
            Event::Alias(id) => self.alias(id, at),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Value {
        let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
        let Some(core) = core else {
            let resolve = style == ScalarStyle::Plain && tag.is_none();
            return if resolve { scalar::plain(&text) } else { Value::String(text.into_owned()) };
        };
        let plain = scalar::plain(&text);
        let fits = match core {
            "str" => return Value::String(text.into_owned()),
            "int" | "float" => matches!(plain, Value::Number(_)),
            "bool" => matches!(plain, Value::Bool(_)),
            "null" => plain == Value::Null,
            "timestamp" => return Value::String(text.into_owned()),
            _ => {
                let message = format!("the tag !!{} is not supported here", short(core));
                self.problem("bad-tag", at, message, "remove it");
                return Value::String(text.into_owned());
            }
        };
        if !fits {
            let message = format!("{} is not of the type !!{core}", short(&text));
            self.problem("bad-tag", at, message, "remove the tag or correct the value");
        }
        plain
    }

    fn open(&mut self, at: Position, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        self.count(1, at)?;
        self.stack.push(Frame { at, anchor, nodes: 1, bytes: 0, height: 0, content });
        Ok(())
    }

    fn close(&mut self, frame: Frame) -> Result<(), Stop> {
        let Frame { at, anchor, nodes, bytes, height, content } = frame;
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, mut seen, merged, .. } => {
                // What is written here wins over what is merged, an earlier merge over a later one.
                for (key, node) in merged.into_iter().flat_map(into_entries) {
                    if !seen.contains_key(&key.name) {
                        seen.insert(key.name.clone(), key.at);
                        entries.push((key, node));
                    }
                }
                Value::Map(entries)
            }
        };
        self.finish(Built { node: Node { value, at }, nodes, bytes, height: height + 1 }, anchor, false)
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<(), Stop> {
        // An anchor that is still open would contain itself.
        let Some(anchor) = self.anchors.get(&id) else {
            self.problem("recursive-alias", at, "an alias inside of what it stands for", "");
            return Err(Stop(false));
        };
        let (nodes, bytes, height) = (anchor.nodes, anchor.bytes, anchor.height);
        if self.stack.len() + height > MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        self.count(nodes, at)?;
        self.repeat(bytes, at)?;
        match self.anchors.get(&id).cloned() {
            Some(built) => self.finish(built, 0, false),
            None => Ok(()),
        }
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, built: Built, anchor: usize, merge: bool) -> Result<(), Stop> {
        if anchor != 0 {
            // The copy costs as much as an alias: anchors nest.
            self.count(built.nodes, built.node.at)?;
            self.repeat(built.bytes, built.node.at)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(mut frame) = self.stack.pop() else {
            let problems = std::mem::take(&mut self.problems);
            self.documents.push(Document { node: built.node, problems });
            return Ok(());
        };
        frame.nodes += built.nodes;
        frame.bytes += built.bytes;
        frame.height = frame.height.max(built.height);
        match &mut frame.content {
            Content::List(items) => items.push(built.node),
            Content::Map { entries, seen, key, merged } => match key.take() {
                None => *key = Some(self.key(built.node, merge, seen)),
                Some(MapKey::Named(name)) => entries.push((name, built.node)),
                Some(MapKey::Merge) => self.merge(built.node, merged),
                Some(MapKey::Bad) => {}
            },
        }
        self.stack.push(frame);
        Ok(())
    }

    fn key(&mut self, node: Node, merge: bool, seen: &mut HashMap<String, Position>) -> MapKey {
        let at = node.at;
        let name = match node.value {
            _ if merge => return MapKey::Merge,
            Value::String(text) | Value::Number(text) => text,
            Value::Bool(value) => value.to_string(),
            other => {
                let message = format!("{} cannot be a key", other.kind());
                // `{{ .Values.x }}` is a map with a map as its key.
                let help = if matches!(other, Value::Map(_)) { advice::TEMPLATE } else { "a key is text" };
                self.problem("bad-key", at, message, help);
                return MapKey::Bad;
            }
        };
        if let Some(first) = seen.get(&name) {
            let message =
                format!("duplicate key `{}`, first at {}:{}", short(&name), first.line, first.column);
            // Two objects one after the other, of which all but the first key would be told as well.
            let help = match name.as_str() {
                "apiVersion" | "kind" if at.column == 1 => {
                    "put a line with `---` between two objects; else remove one of them"
                }
                _ => "remove one of them",
            };
            self.problem("duplicate-key", at, message, help);
            return MapKey::Bad;
        }
        seen.insert(name.clone(), at);
        MapKey::Named(Key { name, at })
    }

    fn merge(&mut self, node: Node, merged: &mut Vec<Node>) {
        let at = node.at;
        let maps = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        if maps.iter().any(|map| map.as_map().is_none()) {
            self.problem("bad-merge", at, "`<<` takes a map or a list of maps", "");
        } else {
            merged.extend(maps);
        }
    }

    fn count(&mut self, nodes: usize, at: Position) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(self.too_many(at))
    }

    fn too_many(&mut self, at: Position) -> Stop {
        let message = format!("more than {MAX_NODES} values, counting those that aliases repeat");
        self.problem("too-many-nodes", at, message, "split it into several files");
        Stop(false)
    }

    fn repeat(&mut self, bytes: usize, at: Position) -> Result<(), Stop> {
        self.repeated = self.repeated.saturating_add(bytes);
        if self.repeated <= MAX_REPEATED {
            return Ok(());
        }
        let message = format!("anchors and aliases repeat more than {} MB", MAX_REPEATED / 1024 / 1024);
        self.problem("too-many-nodes", at, message, "write less with aliases");
        Err(Stop(false))
    }

    fn too_deep(&mut self, at: Position) -> Stop {
        self.problem("too-deep", at, format!("values nest deeper than {MAX_DEPTH}"), "");
        Stop(false)
    }

    fn problem(&mut self, code: &'static str, at: Position, message: impl Into<String>, help: &str) {
        let Some(room) = self.room.checked_sub(1) else { return };
        self.room = room;
        self.problems.push(Diagnostic {
            severity: Severity::Error,
            code,
            file: self.file.clone(),
            at,
            object: String::new(),
            field: String::new(),
            message: message.into(),
            help: help.into(),
        });
    }
}

fn into_entries(node: Node) -> Vec<(Key, Node)> {
    match node.value {
        Value::Map(entries) => entries,
        _ => Vec::new(),
    }
}
