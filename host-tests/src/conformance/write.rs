//! A world as a `*.gnomon.yaml` file: block style, and in one line what fits.

use super::world::World;
use serde_json::{Map, Value};

/// No line of a flow value is longer.
const WIDTH: usize = 100;

/// The file's text.
pub fn yaml(world: &World) -> String {
    let mut out = String::new();
    block(world.suite(), 0, &mut out);
    out
}

/// As people write them, what is not named here last.
const ORDER: &[&str] = &[
    "apiVersion",
    "kind",
    "name",
    "namespace",
    "metadata",
    "workload",
    "mesh",
    "spec",
    "resources",
    "tests",
    "selector",
    "targetRefs",
    "action",
    "provider",
    "protocol",
    "method",
    "path",
    "host",
    "request",
    "verdict",
    "status",
    "details",
    "from",
    "to",
    "when",
    "key",
];

fn in_order(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()));
    fields
}

fn block(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (key, value) in in_order(fields) {
                out.push_str(&format!("{indent}{}:", scalar(key)));
                below(value, depth, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                match item {
                    Value::Object(_) if !fits(item, depth) => {
                        block(item, depth.saturating_add(1), &mut inner);
                        let inner = inner.get(indent.len().saturating_add(2)..).unwrap_or_default();
                        out.push_str(&format!("{indent}- {inner}"));
                    }
                    _ => out.push_str(&format!("{indent}- {}\n", flow(item))),
                }
            }
        }
        other => out.push_str(&format!("{indent}{}\n", flow(other))),
    }
}

/// The value of a key.
fn below(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(_) if !fits(value, depth) => {
            out.push('\n');
            block(value, depth.saturating_add(1), out);
        }
        Value::Array(items) if items.iter().any(Value::is_object) && !fits(value, depth) => {
            out.push('\n');
            block(value, depth, out);
        }
        other => out.push_str(&format!(" {}\n", flow(other))),
    }
}

/// Manifests and tests stand in lines of their own.
fn fits(value: &Value, depth: usize) -> bool {
    let apart = ["apiVersion", "expect"].iter().any(|key| value.get(key).is_some());
    let list = depth == 0 && value.is_array();
    !apart && !list && flow(value).len() <= WIDTH
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = in_order(fields)
                .into_iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Without quotes where no reader could take it for anything else.
fn scalar(text: &str) -> String {
    let mut characters = text.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '/');
    let plain = characters.all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c));
    let word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if begins && plain && !word { text.to_owned() } else { Value::from(text).to_string() }
}
