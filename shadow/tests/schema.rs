//! The JSON Schema of the filter's configuration says what the filter reads.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may be blunt")]

#[path = "../../analysis/tests/json_schema/mod.rs"]
mod json_schema;

use gnomon_analysis::reference::FILES;
use gnomon_engine::slices::{self, AtOnce};
use gnomon_shadow::{config, node::Node};
use json_schema::{Said, Schema, is_what_is_read, knows_all_fields_of};
use serde_json::Value;

fn text() -> String {
    let (_, text) = FILES.iter().find(|(path, _)| *path == "schemas/filter-configuration.json").unwrap();
    text()
}

fn read(document: &Value) -> Said {
    let proxy = Node {
        kind: None,
        namespace: Ok(None),
        service_account: Ok(None),
        name: None,
        labels: Some(Vec::new()),
    };
    let text = document.to_string();
    let read = slices::all(config::read_in_slices(&proxy, text.as_bytes(), &AtOnce));
    read.diagnostics.into_iter().map(|found| (found.code, found.message)).collect()
}

#[test]
fn configurations() {
    is_what_is_read(&text(), &[], &read);
}

#[test]
fn nothing_is_read_that_the_schema_lacks() {
    knows_all_fields_of(include_str!("../src/config.rs"), &Schema::new(&text()).names());
}
