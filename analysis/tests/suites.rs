//! The corpus and the examples through the native engine.
#![expect(clippy::panic, reason = "tests may be blunt")]

use gnomon_analysis::Runner;
use gnomon_engine::jwt::SoftwareCrypto;
use gnomon_manifests::suite::{find, load};
use std::path::Path;

/// 2026-11-21: the clock of requests without a time.
const NOW: i64 = 1_795_000_000;

fn run(folder: &str, at_least: usize) {
    let (files, unread) = find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)]);
    assert!(unread.is_empty(), "{unread:?}");
    let mut cases = 0;
    let mut failures = Vec::new();
    for file in &files {
        let loaded = load(file).unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut runner = Runner::new(&SoftwareCrypto, NOW);
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            let result = runner.test(test, resources);
            assert_eq!(result.cases.len(), test.cases.len());
            for (case, result) in test.cases.iter().zip(&result.cases) {
                cases += 1;
                if !result.passed() {
                    failures.push(format!(
                        "{}: {} [{}]: {:?}",
                        file.display(),
                        test.name,
                        case.variant,
                        result.differences
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(cases >= at_least, "only {cases} cases found");
}

#[test]
fn corpus() {
    run("host-tests/corpus", 370);
}

#[test]
fn examples() {
    run("examples", 100);
}
