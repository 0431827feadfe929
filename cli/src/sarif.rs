//! SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html), as code scanning reads it.

use gnomon_engine::Position;
use gnomon_manifests::Source;
use serde_json::{Value, json};
use std::ops::Range;

/// A log of one run: its rules and results. Columns count characters.
pub(crate) fn log(rules: &[Value], results: &[Value]) -> String {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "gnomon", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    // Cannot fail: all keys are strings.
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

/// A place, to the end of the word that begins there where the text is at hand.
pub(crate) fn location(file: &str, at: Position, source: Option<&Source>) -> Value {
    let mut place = json!({"artifactLocation": artifact(file)});
    if at.line > 0 {
        let word = source.and_then(|source| region(source, &source.word(at)?));
        let start = || json!({"startLine": at.line, "startColumn": at.column.max(1)});
        set(&mut place, "region", word.unwrap_or_else(start));
    }
    json!({"physicalLocation": place})
}

/// Bytes of a text as lines and columns; the end is the place behind the last character.
pub(crate) fn region(source: &Source, range: &Range<usize>) -> Option<Value> {
    let (start, end) = (source.position(range.start)?, source.position(range.end)?);
    Some(json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }))
}

/// A file, relative to where the command runs unless it was named by an absolute path.
pub(crate) fn artifact(file: &str) -> Value {
    json!({"uri": uri(file)})
}

/// A related place, numbered from 1.
pub(crate) fn related(mut location: Value, number: usize, message: &str) -> Value {
    set(&mut location, "id", json!(number));
    set(&mut location, "message", json!({"text": message}));
    location
}

pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.into(), value);
    }
}

/// A relative reference, or a `file:` URI for an absolute path: what URIs reserve is escaped.
fn uri(file: &str) -> String {
    let path = file.trim_start_matches("./").replace('\\', "/");
    let is_drive = |path: &str| path.get(1..3) == Some(":/");
    let mut out = String::from(match path.as_str() {
        absolute if absolute.starts_with('/') => "file://",
        absolute if is_drive(absolute) => "file:///",
        _ => "",
    });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b':' if out == format!("file:///{}", path.get(..1).unwrap_or_default()) => out.push(':'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn files_are_uris() {
        for (file, expected) in [
            ("./a b.yaml", "a%20b.yaml"),
            ("k8s/é#1.yaml", "k8s/%C3%A9%231.yaml"),
            ("a:b.yaml", "a%3Ab.yaml"),
            ("/tmp/a:b.yaml", "file:///tmp/a%3Ab.yaml"),
            ("C:\\k8s\\a.yaml", "file:///C:/k8s/a.yaml"),
        ] {
            assert_eq!(uri(file), expected);
        }
    }
}
