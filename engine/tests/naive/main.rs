//! The plan against a naive evaluator, on random policies and on requests near their boundaries.
//!
//! `GNOMON_PAIRS` says how many pairs of a world and a request are compared; 10,000 by default.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may be blunt, its helpers too"
)]

mod attachment;
mod evaluator;
mod generate;
mod strings;

use evaluator::{Answer, World, evaluate};
use generate::{Sent, Tape, Values};
use gnomon_engine::{
    Plan,
    jwt::{Algorithm, Crypto, Key, Signature},
    resource::manifest,
    verdict::Report,
};
use proptest::{
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use std::{cell::RefCell, collections::BTreeMap};

/// Requests for each world.
const REQUESTS: u32 = 5;
const CHOICES: usize = 1_000;

/// Knows every token, or no key.
struct Keys(bool);

impl Crypto for Keys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
    fn vouches_for(&self, _: &[u8]) -> bool {
        self.0
    }
}

fn pairs() -> u32 {
    std::env::var("GNOMON_PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(10_000)
}

/// Random tapes; a failing one is shrunk.
fn check(worlds: u32, property: impl Fn(&mut Tape<'_>) -> Result<(), String>) {
    let seed = std::env::var("GNOMON_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()).unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: worlds, max_shrink_iters: 200_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tapes = proptest::collection::vec(any::<u16>(), CHOICES / 2..CHOICES);
    let result = runner.run(&tapes, |choices| {
        property(&mut Tape::new(&choices)).map_err(proptest::test_runner::TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, choices)) => panic!("{reason}\nwith the choices {choices:?}"),
        Err(error) => panic!("{error}"),
    }
}

fn shown(world: &World, sent: &Sent) -> String {
    let manifests: Vec<String> =
        manifest::manifests(&world.resources).iter().map(ToString::to_string).collect();
    format!("resources:\n{}\n{:?}\n{:?}\nrequest: {sent:?}", manifests.join("\n"), world.workload, world.mesh)
}

/// The part of a report that the naive evaluator knows, too.
fn answer(report: &Report) -> Answer {
    let shadow = |shadow: &Option<gnomon_engine::verdict::ShadowResult>| {
        shadow.as_ref().map(|shadow| (shadow.result.to_string(), shadow.policy.clone()))
    };
    Answer {
        outcome: report.verdict,
        stage: report.stage,
        status: report.status,
        policy: report.policy.clone(),
        dry_allow: shadow(&report.dry_run.allow),
        dry_deny: shadow(&report.dry_run.deny),
        audit: report.audit,
        missing: report.missing.iter().cloned().collect(),
    }
}

#[test]
fn the_plan_agrees_with_the_naive_evaluator() {
    let seen = RefCell::new(BTreeMap::new());
    check(pairs() / REQUESTS, |tape| {
        let world = generate::world(tape);
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        let values = Values::of(&world);

        for _ in 0..REQUESTS {
            let keys = Keys(!tape.once_in(6));
            let sent = generate::sent(tape, &values);
            sent.with(|request| {
                let naive = evaluate(&world, request, &keys);
                let report = plan.evaluate(request, &keys).report();
                let fast = answer(&report);
                *seen.borrow_mut().entry(format!("{:?} by {:?}", fast.outcome, fast.stage)).or_insert(0) += 1;
                if fast != naive {
                    return Err(format!("naive: {naive:?}\nplan:  {fast:?}\n{}", shown(&world, &sent)));
                }
                let explained = Report { nearest: None, ..plan.explain(request, &keys).report };
                if explained != report {
                    return Err(format!(
                        "explained: {explained:?}\nevaluated: {report:?}\n{}",
                        shown(&world, &sent)
                    ));
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    // A comparison is worth what it reaches.
    let seen = seen.into_inner();
    for ending in [
        "Allow by None",
        "Allow by Custom",
        "Allow by Allow",
        "Deny by Mtls",
        "Deny by Custom",
        "Deny by Jwt",
        "Deny by Deny",
        "Deny by Allow",
        "Unknown by Mtls",
        "Unknown by Custom",
        "Unknown by Jwt",
        "Unknown by Deny",
        "Unknown by Allow",
    ] {
        assert!(
            seen.get(ending).is_some_and(|count| count * 500 > pairs()),
            "hardly ever {ending}: {seen:?}"
        );
    }
}
