//! Parsed text on the way into the filter's configuration, which is JSON.

use gnomon_engine::{Node, Value as NodeValue};
use serde_json::{Number, Value};

/// Positions are lost, everything else is kept: a number that JSON cannot write (`.inf`) becomes its text. Depth is
/// bounded by whoever made the tree.
pub fn node_to_json(node: &Node) -> Value {
    match &node.value {
        NodeValue::Null => Value::Null,
        NodeValue::Bool(value) => Value::Bool(*value),
        NodeValue::Number(text) => {
            text.parse::<Number>().map_or_else(|_| text.as_str().into(), Value::Number)
        }
        NodeValue::String(text) => Value::String(text.clone()),
        NodeValue::List(items) => items.iter().map(node_to_json).collect(),
        NodeValue::Map(entries) => Value::Object(
            entries.iter().map(|(key, value)| (key.name.clone(), node_to_json(value))).collect(),
        ),
    }
}
