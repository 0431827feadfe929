//! The index of the corpus by attribute, in host-tests/corpus/README.md.
//!
//! `GNOMON_WRITE=1 cargo test -p gnomon-analysis --test corpus_index` writes it.
#![expect(clippy::unwrap_used, reason = "a test, on the project's own files")]

use gnomon_engine::attribute::{Attribute, Key};
use gnomon_manifests::suite;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

const BEGIN: &str = "<!-- index by attribute, written by `GNOMON_WRITE=1 cargo test -p gnomon-analysis --test corpus_index` -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_index_is_up_to_date() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tests/corpus");
    let readme = corpus.join("README.md");
    let old = fs::read_to_string(&readme).unwrap();
    let (before, rest) = old.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let new = format!("{before}{BEGIN}\n{}\n{END}{after}", index(&corpus));
    if env::var_os("GNOMON_WRITE").is_some() {
        fs::write(&readme, &new).unwrap();
    }
    assert!(
        old == new || env::var_os("GNOMON_WRITE").is_some(),
        "the index is not up to date: see this file"
    );
}

/// For each attribute the tests whose policies ask for it, by suite.
fn index(corpus: &Path) -> String {
    let mut tests: BTreeMap<Attribute, BTreeMap<String, usize>> = BTreeMap::new();
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.to_string_lossy().ends_with(".gnomon.yaml")) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let loaded = suite::load(file).unwrap();
        for (resources, test) in loaded.resources.iter().zip(&loaded.suite.tests) {
            let rules = || resources.authorization.iter().flat_map(|policy| &policy.rules);
            let fields = rules().flat_map(|rule| rule.from.iter().chain(&rule.to)).flat_map(|set| set.iter());
            let keys =
                rules().flat_map(|rule| &rule.when).filter_map(|when| Attribute::of_key(&when.key.text));
            let asked: BTreeSet<Attribute> =
                fields.map(|(attribute, _)| attribute).chain(keys.map(|(attribute, _)| attribute)).collect();
            for attribute in asked {
                *tests.entry(attribute).or_default().entry(name.clone()).or_default() += test.cases.len();
            }
        }
    }
    let mut out = String::from("| attribute | cases | suites, with their cases |\n|---|---:|---|\n");
    for attribute in Attribute::ALL {
        let suites = tests.remove(&attribute).unwrap_or_default();
        let total: usize = suites.values().sum();
        let links: Vec<String> = suites
            .iter()
            .map(|(name, count)| format!("[{}]({name}) {count}", name.trim_end_matches(".gnomon.yaml")))
            .collect();
        out.push_str(&format!("| {} | {total} | {} |\n", spelled(attribute), links.join(", ")));
    }
    out
}

/// Its field and its key.
fn spelled(attribute: Attribute) -> String {
    let row = attribute.row();
    let key = row.key.map(|key| match key {
        Key::Whole(key) => format!("`{key}`"),
        Key::Bracketed(key) => format!("`{key}[…]`"),
    });
    let field = row.field.map(|(field, _)| format!("`{field}`"));
    field.into_iter().chain(key).collect::<Vec<_>>().join(", ")
}
