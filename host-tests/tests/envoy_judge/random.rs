//! Random policies and requests before real Envoy: what nobody thought of writing down. `cargo xtask conformance` does
//! the same, quicker and for longer.

use crate::compare::{Counts, shadow_differences};
use gnomon_engine::{Plan, verdict::Report};
use gnomon_host_tests::{
    conformance::{self, Settings, Summary, compare::engine},
    filter,
    judge::{Question, Seen},
};
use std::sync::Mutex;

/// Draws as many cases; with the filter in front of Envoy's own, its answers are compared as well.
fn agree(seed: u64, cases: usize, with_filter: bool) -> Summary {
    let counts = Mutex::new(Counts::default());
    let shadow = |question: &Question<'_>, plan: &Plan, _: &Report, seen: &Seen| {
        let differs = shadow_differences(question, plan, seen, &mut counts.lock().unwrap());
        differs.map(|what| format!("the filter: {what}"))
    };
    let summary = conformance::run(&Settings {
        seed,
        cases,
        workers: 3,
        engine: &engine,
        filter: with_filter.then(|| filter::wasm().unwrap()),
        on_answer: if with_filter { Some(&shadow) } else { None },
        progress: &|_, _| {},
    })
    .unwrap();
    let counts = counts.into_inner().unwrap();
    println!("{summary}{counts:?}");
    let wrong: Vec<_> = summary
        .kept
        .iter()
        .map(|found| format!("{}\n{}", found.what, conformance::yaml(&found.world)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong; `cargo xtask conformance --seed {seed} --cases {cases}` makes them small\n{}",
        summary.disagreements,
        wrong.join("\n")
    );
    assert_eq!(summary.cases, cases);
    assert!(summary.compared * 10 >= cases * 9, "{summary}");
    if with_filter {
        assert!(counts.shadowed * 10 > cases * 7, "{counts:?}");
    }
    summary
}

#[test]
fn envoy_answers_as_the_engine_does() {
    let (cases, summary) = (5_000, agree(1, 5_000, false));
    // Worlds in which all is decided at one place would prove little.
    for (stage, least) in [
        ("mtls deny", 100),
        ("custom deny", 100),
        ("custom allow", 200),
        ("jwt deny", 20),
        ("deny deny", 25),
        ("allow allow", 25),
        ("allow deny", 25),
        ("none allow", 10),
    ] {
        let count = summary.stages.get(stage).copied().unwrap_or(0);
        assert!(count * least > cases, "too few of {stage}: {summary}");
    }
}

#[test]
fn the_filter_sees_them_agree() {
    agree(2, 1_000, true);
}
