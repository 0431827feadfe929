//! What all objects have: a name, labels, a place. And reading fields without judging them.

use gnomon_engine::order::sort_by;
use gnomon_engine::{Node, Position, Value, resource::Labels};
use std::sync::Arc;

/// An object's name, labels and place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.namespace`; `default` when absent, also for kinds that have none.
    pub namespace: String,
    /// `metadata.name`, or `generateName`.
    pub name: String,
    /// `metadata.labels`, sorted by key.
    pub labels: Labels,
    /// `metadata.annotations`, sorted by key.
    pub annotations: Labels,
    /// Who made it: the owner with `controller: true`.
    pub owner: Option<Owner>,
    /// The file.
    pub file: Arc<str>,
    /// Where it begins there.
    pub at: Position,
}

/// The object that made another one, in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Meta {
    pub(super) fn of(node: &Node, file: &Arc<str>) -> Self {
        let meta = node.get("metadata");
        let named = |name: &str| meta.map_or("", |meta| text(meta, name));
        let or = |one: &str, other: &str| if one.is_empty() { other.to_owned() } else { one.to_owned() };
        let map = |name: &str| meta.and_then(|meta| meta.get(name)).map(labels).unwrap_or_default();
        let owners = meta.map_or(&[][..], |meta| list(meta, "ownerReferences"));
        let controls =
            |owner: &&Node| matches!(owner.get("controller"), Some(Node { value: Value::Bool(true), .. }));
        let owner = owners.iter().find(controls);
        Meta {
            namespace: or(named("namespace"), "default"),
            name: or(named("name"), named("generateName")),
            labels: map("labels"),
            annotations: map("annotations"),
            owner: owner
                .map(|owner| Owner { kind: text(owner, "kind").into(), name: text(owner, "name").into() }),
            file: file.clone(),
            at: node.at,
        }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        value(&self.labels, key)
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        value(&self.annotations, key)
    }
}

/// The value of a key in a sorted list.
pub(super) fn value<'l>(labels: &'l Labels, key: &str) -> Option<&'l str> {
    let place = labels.binary_search_by(|(other, _)| other.as_str().cmp(key)).ok()?;
    labels.get(place).map(|(_, value)| value.as_str())
}

/// A map from text to text, sorted by key; anything else in it is left out.
pub(super) fn labels(node: &Node) -> Labels {
    let entries = node.as_map().unwrap_or_default().iter();
    let mut labels: Labels =
        entries.filter_map(|(key, value)| Some((key.name.clone(), value.as_str()?.to_owned()))).collect();
    sort_by(&mut labels, Ord::cmp);
    labels
}

/// The labels of a field; none where it is absent.
pub(super) fn labels_at(node: &Node, path: &[&str]) -> Labels {
    at(node, path).map(labels).unwrap_or_default()
}

/// What stands at the end of a path through maps.
pub(super) fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, name| node.get(name))
}

/// A field's text; empty where it is none.
pub(super) fn text<'n>(node: &'n Node, name: &str) -> &'n str {
    node.get(name).and_then(Node::as_str).unwrap_or_default()
}

/// A field's elements; none where it is no list.
pub(super) fn list<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    node.get(name).and_then(Node::as_list).unwrap_or_default()
}

/// The texts of a list.
pub(super) fn texts(node: &Node, name: &str) -> Vec<String> {
    list(node, name).iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

/// A field's port number.
pub(super) fn port(node: &Node, name: &str) -> Option<u16> {
    match &node.get(name)?.value {
        Value::Number(digits) => digits.parse().ok().filter(|port| *port > 0),
        _ => None,
    }
}
