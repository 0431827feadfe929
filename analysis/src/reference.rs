//! The table of attributes as other programs and people read it (the reference document, the page's completion, JSON
//! Schema), and the formats as JSON Schemas.
//!
//! `cargo xtask docs` writes [`FILES`]; a test compares them with what is written.

mod comparisons;
mod document;
mod filter;
mod lint;
mod page;
mod printed;
mod schema;
mod shape;
mod written;

use gnomon_engine::{Attribute, attribute::Key};

/// A path in the repository, and what makes the file's text.
pub type File = (&'static str, fn() -> String);

/// What is generated.
pub const FILES: [File; 19] = [
    ("docs/attributes.md", document::text),
    ("web-playground/app/src/editor/attributes.ts", page::text),
    ("schemas/authorization-policy-rules.json", schema::text),
    ("schemas/request.json", written::request),
    ("schemas/suite.json", written::suite),
    ("schemas/invariants.json", written::invariants),
    ("schemas/workload.json", written::workload),
    ("schemas/mesh.json", written::mesh),
    ("schemas/filter-configuration.json", filter::configuration),
    ("schemas/verdict.json", printed::verdict),
    ("schemas/test-results.json", printed::test_results),
    ("schemas/difference.json", comparisons::difference),
    ("schemas/drift.json", comparisons::drift),
    ("schemas/who-can.json", comparisons::who_can),
    ("schemas/check.json", comparisons::check),
    ("schemas/matrix.json", comparisons::matrix),
    ("schemas/findings.json", lint::findings),
    ("schemas/simplification.json", lint::simplification),
    ("schemas/gnomon-toml.json", lint::configuration),
];

/// Names of attributes as text files know them: how the field is written, else the key.
fn id(attribute: Attribute) -> &'static str {
    let row = attribute.row();
    row.field.map(|(name, _)| name).or_else(|| key(attribute)).unwrap_or_default()
}

/// The key as people write it, with `[NAME]` behind those that have brackets.
fn written_key(attribute: Attribute) -> Option<String> {
    match attribute.row().key? {
        Key::Whole(key) => Some(key.into()),
        Key::Bracketed(start) if start.ends_with('.') => Some(format!("{start}FILTER[NAME]")),
        Key::Bracketed(start) => Some(format!("{start}[NAME]")),
    }
}

fn key(attribute: Attribute) -> Option<&'static str> {
    match attribute.row().key? {
        Key::Whole(key) | Key::Bracketed(key) => Some(key),
    }
}

fn since(attribute: Attribute) -> String {
    let (major, minor, patch) = attribute.row().since;
    format!("{major}.{minor}.{patch}")
}
