//! Protobuf's JSON, read field by field: camel case or snake case, and a note for what is left over.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use gnomon_engine::{
    diagnostic::{Diagnostic, Severity},
    node::{Node, Position, Value},
    regex::Regex,
    verdict::Missing,
};

/// How many findings are kept; a verdict that depends on a further one names it all the same.
const MAX_FINDINGS: usize = 1_000;
/// How many instructions all expressions together may have.
const MAX_PROGRAM: usize = 2_000_000;

/// The name of something that is not evaluated, as [`Missing::NotEvaluated`] has it.
pub(super) type Unread = Arc<str>;

/// What a verdict depends on where it depends on this.
pub(super) fn not_evaluated(unread: &Unread) -> Missing {
    Missing::NotEvaluated(unread.clone())
}

/// What is gathered while a configuration is read.
pub(super) struct Context {
    pub(super) file: Arc<str>,
    /// The listener that is being read.
    pub(super) object: String,
    pub(super) findings: Vec<Diagnostic>,
    /// By their text: Istio repeats the same few.
    regexes: BTreeMap<String, Arc<Regex>>,
    program: usize,
}

/// Where a message stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Index(usize),
    /// A key of a map.
    Key(&'p str),
}

impl<'p> Place<'p> {
    pub(super) const ROOT: Place<'static> = Place { outer: None, step: Step::Root };

    pub(super) fn field(&'p self, name: &'p str) -> Place<'p> {
        Place { outer: Some(self), step: Step::Field(name) }
    }

    pub(super) fn index(&'p self, index: usize) -> Place<'p> {
        Place { outer: Some(self), step: Step::Index(index) }
    }

    pub(super) fn key(&'p self, key: &'p str) -> Place<'p> {
        Place { outer: Some(self), step: Step::Key(key) }
    }

    /// `filterChains[0].filters[1].typedConfig.rules.policies["x"]`.
    pub(super) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut place = Some(self);
        while let Some(at) = place {
            steps.push(at.step);
            place = at.outer;
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path.push_str(&format!(".{name}")),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Key(key) => path.push_str(&format!("[{}]", gnomon_engine::decode::quoted(key))),
            }
        }
        path
    }
}

impl Context {
    pub(super) fn new(file: &Arc<str>) -> Context {
        Context {
            file: file.clone(),
            object: String::new(),
            findings: Vec::new(),
            regexes: BTreeMap::new(),
            program: 0,
        }
    }

    /// Notes that something is not evaluated, and gives its name.
    pub(super) fn unread(&mut self, place: &Place<'_>, at: Position, why: &str) -> Unread {
        let path = place.path();
        // From the filter's own fields on: the line says which filter.
        let outside = path.split("[\"").next().and_then(|outside| outside.rfind("typedConfig."));
        let short = outside.and_then(|at| path.get(at..)).and_then(|path| path.strip_prefix("typedConfig."));
        let short = short.unwrap_or(&path);
        let name = match at.line {
            0 => short.to_string(),
            line => format!("{short} ({line}:{})", at.column),
        };
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Diagnostic {
                severity: Severity::Warning,
                code: "not-evaluated",
                file: self.file.clone(),
                at,
                object: self.object.clone(),
                field: path,
                message: why.to_string(),
                help: "a verdict that depends on it is unknown".into(),
            });
        }
        Arc::from(name)
    }

    /// Something that is only worth knowing: no verdict depends on it.
    pub(super) fn note(&mut self, place: &Place<'_>, at: Position, what: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Diagnostic {
                severity: Severity::Warning,
                code: "passed-over",
                file: self.file.clone(),
                at,
                object: self.object.clone(),
                field: place.path(),
                message: what,
                help: String::new(),
            });
        }
    }

    pub(super) fn regex(&mut self, pattern: &str) -> Result<Arc<Regex>, &'static str> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(regex.clone());
        }
        if self.program >= MAX_PROGRAM {
            return Err("there are too many regular expressions");
        }
        let regex = Arc::new(Regex::new(pattern)?);
        self.program += regex.size();
        self.regexes.insert(pattern.into(), regex.clone());
        Ok(regex)
    }
}

/// The fields of a message that nobody has asked for yet.
pub(super) struct Fields<'n> {
    left: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// `None`: it is no message.
    pub(super) fn of(node: &'n Node) -> Option<Fields<'n>> {
        let entries = node.as_map()?;
        let set = entries.iter().filter(|(_, node)| node.value != Value::Null);
        Some(Fields { left: set.map(|(key, node)| (key.name.as_str(), node)).collect() })
    }

    /// A field by its camel-case name.
    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        let index = self.left.iter().position(|(key, _)| same_field(key, name))?;
        Some(self.left.swap_remove(index).1)
    }

    pub(super) fn text(&mut self, name: &str) -> Option<&'n str> {
        self.take(name).and_then(Node::as_str)
    }

    pub(super) fn list(&mut self, name: &str) -> &'n [Node] {
        self.take(name).and_then(Node::as_list).unwrap_or_default()
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(is_true)
    }

    /// A field that does not bear on a verdict.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.left.retain(|(key, _)| !names.iter().any(|name| same_field(key, name)));
    }

    /// What is left. False values, zeros and empty texts are the defaults of their fields and say nothing.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&'n str, &'n Node)> {
        self.left.iter().copied().filter(|(_, node)| match &node.value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(text) => text != "0",
            Value::String(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(_) => true,
        })
    }
}

/// `notRule` and `not_rule` are the same field.
pub(super) fn same_field(key: &str, name: &str) -> bool {
    let letters = |text: &str| {
        text.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase()).collect::<Vec<u8>>()
    };
    key == name || (key.contains('_') && letters(key) == letters(name))
}

/// The field of a map, in either case.
pub(super) fn get<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let entries = node.as_map()?;
    let found = entries.iter().find(|(key, _)| same_field(&key.name, name)).map(|(_, node)| node);
    found.filter(|node| node.value != Value::Null)
}

pub(super) fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    get(node, name).and_then(Node::as_str)
}

pub(super) fn list<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    get(node, name).and_then(Node::as_list).unwrap_or_default()
}

pub(super) fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Bool(value) => *value,
        // Wrapped, as protobuf's BoolValue in a TypedStruct may be.
        Value::Map(_) => node.get("value").is_some_and(|value| value.value == Value::Bool(true)),
        _ => false,
    }
}

/// An integer; 64-bit ones are written as strings.
pub(super) fn integer(node: &Node) -> Option<i64> {
    match &node.value {
        Value::Number(text) | Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn number(node: &Node) -> Option<f64> {
    match &node.value {
        Value::Number(text) => text.parse().ok(),
        _ => None,
    }
}
