//! Manifests as files on the way into the filter's configuration, which is JSON.

use crate::err::{Context, Error, Result};
use gnomon_engine::{Node, Value as NodeValue};
use serde_json::{Map, Value};
use std::{fs, path::PathBuf};

/// All documents of these files, as the JSON that `candidate.resources` takes. Files that do not parse are an error;
/// what their policies say is not looked at.
pub fn to_json(files: &[PathBuf]) -> Result<Vec<Value>> {
    let mut manifests = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).or_cannot(format_args!("read {name}"))?;
        let (documents, problems) = gnomon_manifests::parse(&text, &name);
        if let Some(problem) = problems.first() {
            return Err(Error::new(problem.to_string()));
        }
        for document in &documents {
            manifests.push(node_to_json(document)?);
        }
    }
    Ok(manifests)
}

/// Positions are lost, everything else is kept. Depth is bounded by whoever made the tree.
pub fn node_to_json(node: &Node) -> Result<Value> {
    Ok(match &node.value {
        NodeValue::Null => Value::Null,
        NodeValue::Bool(value) => Value::Bool(*value),
        NodeValue::Number(text) => {
            serde_json::from_str(text).or_cannot(format_args!("write the number {text} as JSON"))?
        }
        NodeValue::String(text) => Value::String(text.clone()),
        NodeValue::List(items) => Value::Array(items.iter().map(node_to_json).collect::<Result<_>>()?),
        NodeValue::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok((key.name.clone(), node_to_json(value)?)));
            Value::Object(entries.collect::<Result<Map<_, _>>>()?)
        }
    })
}
