//! Random policies and requests before real Envoy: what nobody thought of writing down. `cargo xtask conformance` does
//! the same, quicker and for longer.

use crate::compare::{Counts, shadow_differences, written_differences};
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
        let counts = &mut counts.lock().unwrap();
        let differs = shadow_differences(question, plan, seen, counts);
        let differs = differs.map(|what| format!("the filter: {what}"));
        differs.or_else(|| {
            let differs = written_differences(question, plan, seen, counts);
            differs.map(|what| format!("the access logger: {what}"))
        })
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
        let unseen = counts.unseen;
        assert!(counts.shadowed * 10 > (cases - unseen) * 7 && unseen * 4 < cases, "{counts:?}");
    }
    summary
}

#[test]
fn envoy_answers_as_the_engine_does() {
    let summary = agree(1, 5_000, false);
    // Worlds in which all is decided at one place would prove little.
    let stages = summary.shares(0);
    for stage in ["mtls", "custom", "jwt", "deny", "allow"] {
        assert!(stages.get(stage).is_some_and(|share| *share >= 5.0), "too few of {stage}: {summary}");
    }
    assert!(stages.get("none").is_none_or(|share| *share <= 15.0), "too many of none: {summary}");
    for verdict in ["allow", "deny", "redirect"] {
        let share = summary.shares(1).get(verdict).copied();
        assert!(share.is_some_and(|share| share >= 5.0), "too few of {verdict}: {summary}");
    }
}

#[test]
fn the_filter_sees_them_agree() {
    // `cargo xtask module --conformance` asks for more.
    let cases = std::env::var("GNOMON_SHADOW_CASES").ok().and_then(|text| text.parse().ok());
    agree(2, cases.unwrap_or(1_000), true);
}
