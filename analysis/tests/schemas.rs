//! The JSON Schemas of formats say what reads and writes these formats.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may be blunt")]

mod json_schema;

use gnomon_analysis::{Runner, invariant, reference::FILES};
use gnomon_engine::{
    Diagnostic, Node,
    attach::{NotApplied, not_applied},
    decode,
    jwt::SoftwareCrypto,
};
use gnomon_manifests::{parse, request, suite};
use json_schema::{Said, Schema, is_what_is_read, knows_all_fields_of};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// 2026-11-21: the clock of requests without a time.
const NOW: i64 = 1_795_000_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(name: &str) -> String {
    let path = format!("schemas/{name}.json");
    let (_, text) = FILES.iter().find(|(file, _)| *file == path).unwrap();
    text()
}

fn node(document: &Value) -> Node {
    serde_json::from_value(document.clone()).unwrap()
}

fn said(found: impl IntoIterator<Item = Diagnostic>) -> Said {
    found.into_iter().map(|found| (found.code, found.message)).collect()
}

/// As files of these two are read: the part that the schema is not about, too.
fn environment(document: &Value, which: &str) -> Said {
    let (node, file, mut found) = (node(document), Arc::from("x.yaml"), Vec::new());
    let both =
        document.as_object().is_some_and(|map| map.contains_key("workload") || map.contains_key("mesh"));
    if both || which == "workload" {
        decode::workload(&node, &file, &mut found);
    }
    if both || which == "mesh" {
        decode::mesh(&node, &file, &mut found);
    }
    said(found)
}

#[test]
fn requests() {
    is_what_is_read(&text("request"), &[], &|document| {
        request::requests(&Arc::from("x.yaml"), &node(document)).map_or_else(said, |_| Vec::new())
    });
}

#[test]
fn suites() {
    // What is no manifest is found when the policies are read.
    let except = [".resources[]", ".tests[].resources[]"];
    is_what_is_read(&text("suite"), &except, &|document| {
        suite::from_text(&document.to_string(), &Arc::from("x.yaml")).map_or_else(said, |_| Vec::new())
    });
}

#[test]
fn workloads() {
    is_what_is_read(&text("workload"), &[], &|document| environment(document, "workload"));
}

#[test]
fn meshes() {
    is_what_is_read(&text("mesh"), &[], &|document| environment(document, "mesh"));
}

#[test]
fn invariants_for_check() {
    let read = |document: &Value| {
        invariant::invariants(&Arc::from("x.yaml"), &node(document)).map_or_else(said, |_| Vec::new())
    };
    let mut schema = Schema::new(&text("invariants"));
    for file in ["invariants", "short-invariants", "token-invariants"] {
        let file = root().join(format!("cli/tests/data/diff/{file}.yaml"));
        for document in documents(&fs::read_to_string(&file).unwrap()) {
            assert_eq!(schema.check(&document), Vec::<String>::new(), "{}", file.display());
            assert_eq!(read(&document), Vec::new(), "{}", file.display());
        }
    }
    let documents = schema.documents();
    assert!(documents.unknown.len() > 2);
    for (path, document) in documents.unknown.iter().chain(&documents.refused) {
        assert!(!schema.check(document).is_empty(), "{path}: {document}");
        assert!(!read(document).is_empty(), "{path}: {document}");
    }
}

#[test]
fn nothing_is_read_that_no_schema_has() {
    let names = ["request", "suite", "workload", "mesh"].map(|name| Schema::new(&text(name)).names());
    let known = names.into_iter().flatten().collect();
    for file in [
        "manifests/src/request.rs",
        "manifests/src/suite/read.rs",
        "manifests/src/suite/matrix.rs",
        "manifests/src/suite/expect.rs",
        "engine/src/decode/workload.rs",
    ] {
        knows_all_fields_of(&fs::read_to_string(root().join(file)).unwrap(), &known);
    }
}

fn documents(text: &str) -> Vec<Value> {
    let (documents, problems) = parse(text, "x.yaml");
    assert!(problems.is_empty(), "{problems:?}");
    documents.iter().map(|document| serde_json::to_value(document).unwrap()).collect()
}

/// Every suite of the corpus and of the examples.
fn all_suites() -> Vec<PathBuf> {
    let (files, unread) = suite::find(&["host-tests/corpus", "examples"].map(|folder| root().join(folder)));
    assert!(unread.is_empty() && files.len() > 50);
    files
}

#[test]
fn suites_of_the_corpus_and_the_examples() {
    let mut schema = Schema::new(&text("suite"));
    for file in all_suites() {
        for document in documents(&fs::read_to_string(&file).unwrap()) {
            assert_eq!(schema.check(&document), Vec::<String>::new(), "{}", file.display());
        }
    }
}

#[test]
fn what_the_document_shows() {
    let formats = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    for (heading, names) in [
        ("## Workload and mesh", &["workload", "mesh"][..]),
        ("## Request", &["request"]),
        ("## Suite", &["suite"]),
        ("## Invariants", &["invariants"]),
    ] {
        let (_, section) = formats.split_once(&format!("\n{heading}\n")).unwrap();
        let blocks = section.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
        let (block, _) = blocks.into_iter().find(|(block, _)| block.lines().count() > 3).unwrap();
        for name in names {
            let document = &documents(block)[0];
            assert_eq!(Schema::new(&text(name)).check(document), Vec::<String>::new(), "{heading}");
        }
    }
}

#[test]
fn the_document_names_every_schema() {
    let formats = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    for (path, _) in FILES.iter().filter(|(path, _)| path.starts_with("schemas/")) {
        assert!(formats.contains(&format!("[{path}](../{path})")), "{path}");
    }
}

/// Each field of a verdict is in some verdict of the corpus, and none is in it that the schema lacks.
#[test]
fn verdicts_of_the_corpus() {
    let mut schema = Schema::new(&text("verdict")).closed();
    let mut many = Vec::new();
    for file in all_suites() {
        let loaded = suite::load(&file).unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut runner = Runner::of(&loaded, &SoftwareCrypto, NOW);
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            let left: Vec<_> =
                not_applied(resources, &test.workload, &test.mesh).iter().map(NotApplied::report).collect();
            for case in runner.test(test, resources).cases {
                let mut printed = serde_json::to_value(&case.report).unwrap();
                if !left.is_empty() {
                    printed["notApplied"] = serde_json::to_value(&left).unwrap();
                }
                if !test.workload.name.is_empty() {
                    printed["workload"] = test.workload.display_name().into();
                }
                assert_eq!(schema.check(&printed), Vec::<String>::new(), "{}: {printed}", file.display());
                many.push(printed);
            }
        }
    }
    assert!(many.len() > 1000);
    // What `gnomon eval` prints beside the verdict.
    let beside = ["passage.", "suggestion.", "verdict.notes", "verdict.stages", "verdict.suggestion"];
    let unseen = schema.unseen().into_iter().filter(|name| !beside.iter().any(|own| name.starts_with(own)));
    assert_eq!(unseen.collect::<Vec<_>>(), Vec::<String>::new());
    many.truncate(3);
    assert_eq!(schema.check(&json!(many)), Vec::<String>::new());
    many[0]["more"] = json!(1);
    assert_eq!(schema.check(&many[0]).len(), 2, "one for each form of the document");
}
