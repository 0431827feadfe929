//! The corpus before real Envoy: every case of every suite of it and of the examples, with the policies in Envoy's own
//! filters and the shadow filter beside them. Envoy's answer must be the engine's, and the filter must see them agree.

use crate::compare::{Counts, compare};
use gnomon_analysis::Runner;
use gnomon_engine::jwt::SoftwareCrypto;
use gnomon_host_tests::{
    judge::{Judge, Question},
    tokens,
};
use gnomon_manifests::suite::{find, load};
use std::path::Path;

#[test]
fn envoy_answers_as_the_suites_expect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    let (suites, unread) = find(&[root.join("corpus"), root.join("../examples")]);
    assert_eq!(unread, Vec::<String>::new());
    assert!(suites.len() >= 30, "only {} suites", suites.len());
    let judge = Judge::new().unwrap();
    for file in suites {
        let loaded = load(&file).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()));
        let mut runner = Runner::new(&SoftwareCrypto, tokens::now());
        let mut questions = Vec::new();
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            // The engine against the expectations; below, Envoy and the filter against the engine.
            for (case, result) in test.cases.iter().zip(runner.test(test, resources).cases) {
                let name = format!("{}: {} [{}]", loaded.suite.name, test.name, case.variant);
                wrong.extend(result.differences.iter().map(|difference| format!("{name}: {difference:?}")));
                let (workload, mesh) = (&*test.workload, &*test.mesh);
                questions.push((name, Question { resources, workload, mesh, request: &case.request }));
            }
        }
        wrong.extend(compare(&judge, &questions, &mut counts));
    }
    println!("{counts:?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What is left out may not grow into the rule.
    assert!(counts.beyond * 10 <= counts.asked, "{counts:?}");
    assert!(counts.not_written * 5 <= counts.written, "{counts:?}");
    assert!(counts.shadow_unknown * 10 <= counts.shadowed, "{counts:?}");
}
