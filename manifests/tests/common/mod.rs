//! Texts with marks: every `«` stands where a problem is expected.

use gnomon_manifests::{Loaded, load_text};

/// Loads `marked` without its marks and compares what is found with `expected`: code, severity (`!` for an error, `?`
/// for a warning) and field, one for each mark in the order of the text.
pub(crate) fn check(name: &str, marked: &str, expected: &[&str]) -> Loaded {
    let mut wanted = Vec::new();
    let mut text = String::new();
    let mut marks = Vec::new();
    let (mut line, mut column) = (1_u32, 1_u32);
    for c in marked.chars() {
        match c {
            '«' => marks.push((line, column)),
            '\n' => {
                (line, column) = (line + 1, 1);
                text.push(c);
            }
            _ => {
                column += 1;
                text.push(c);
            }
        }
    }
    assert_eq!(marks.len(), expected.len(), "{name}: as many marks as expectations");
    for ((line, column), expected) in marks.into_iter().zip(expected) {
        wanted.push(format!("{line}:{column} {expected}"));
    }
    let loaded = load_text(&text, "t.yaml").unwrap_or_else(|wrong| *wrong.loaded);
    let found: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|found| {
            let sign = if found.severity == gnomon_engine::Severity::Error { '!' } else { '?' };
            let line = format!("{}:{} {sign}{} {}", found.at.line, found.at.column, found.code, found.field);
            line.trim_end().to_string()
        })
        .collect();
    assert_eq!(found, wanted, "{name}\n{text}\n{}", messages(&loaded));
    loaded
}

fn messages(loaded: &Loaded) -> String {
    loaded.diagnostics.iter().map(|found| format!("{found}\n")).collect()
}

/// An object of `kind` called ns/p with this spec.
pub(crate) fn object(kind: &str, spec: &str) -> String {
    let head = format!(
        "apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: p, namespace: ns}}\nspec:\n"
    );
    head + &spec.lines().map(|line| format!("  {line}\n")).collect::<String>()
}
