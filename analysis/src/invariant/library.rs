//! Invariants that most meshes want, by name.

use gnomon_engine::{Node, Value};
use gnomon_manifests::parse;
use std::sync::LazyLock;

/// One of them.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is called in `use`.
    pub name: String,
    /// What it says, for people.
    pub doc: String,
    /// What it takes, with what that is where nothing else is said; null: it must be said.
    pub parameters: Vec<(String, Node)>,
    /// Itself, with `$name` where a parameter goes.
    pub(super) body: Node,
}

/// All of them.
pub fn library() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let (documents, _) = parse(include_str!("library.yaml"), "library.yaml");
        let all = documents.first().and_then(Node::as_list).unwrap_or_default();
        all.iter().filter_map(entry).collect()
    });
    &ALL
}

fn entry(node: &Node) -> Option<Entry> {
    let text = |name: &str| node.get(name).and_then(Node::as_str).map(str::to_owned);
    let parameters = node.get("parameters").and_then(Node::as_map).unwrap_or_default();
    let own = |name: &str| matches!(name, "name" | "doc" | "parameters");
    let body = node.as_map()?.iter().filter(|(key, _)| !own(&key.name)).cloned().collect();
    Some(Entry {
        name: text("name")?,
        doc: text("doc")?,
        parameters: parameters.iter().map(|(key, value)| (key.name.clone(), value.clone())).collect(),
        body: Node { value: Value::Map(body), at: node.at },
    })
}

impl Entry {
    /// With values in the places of parameters.
    pub(super) fn filled(&self, given: &[(String, Node)]) -> Node {
        let value = |name: &str| {
            let by_name = |(known, _): &&(String, Node)| known == name;
            given.iter().find(by_name).or_else(|| self.parameters.iter().find(by_name)).map(|(_, node)| node)
        };
        filled(&self.body, &value)
    }
}

fn filled<'n>(node: &Node, of: &impl Fn(&str) -> Option<&'n Node>) -> Node {
    let value = match &node.value {
        Value::String(text) => match text.strip_prefix('$').and_then(of) {
            Some(given) => return given.clone(),
            None => node.value.clone(),
        },
        Value::List(items) => Value::List(items.iter().map(|item| filled(item, of)).collect()),
        Value::Map(fields) => {
            Value::Map(fields.iter().map(|(key, inner)| (key.clone(), filled(inner, of))).collect())
        }
        _ => node.value.clone(),
    };
    Node { value, at: node.at }
}
