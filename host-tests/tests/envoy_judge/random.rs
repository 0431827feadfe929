//! Random policies and requests before real Envoy: what nobody thought of writing down.
//!
//! `GNOMON_SEED` and `GNOMON_SETS` look further than the few sets of an ordinary run.

use crate::compare::{Counts, compare};
use crate::generate::{Random, World};
use gnomon_host_tests::judge::{Judge, Question};
use std::env;

#[test]
fn envoy_answers_as_the_engine_does() {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (seed, sets) = (number("GNOMON_SEED", 1), number("GNOMON_SETS", 60));
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    let judge = Judge::new().unwrap();
    // As many listeners in one Envoy.
    const AT_ONCE: u64 = 20;
    for first in (seed..seed + sets).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let worlds: Vec<_> = (first..(first + AT_ONCE).min(seed + sets))
            .map(|seed| (seed, Random::new(seed).world()))
            .collect();
        let mut questions = Vec::new();
        for (seed, world) in &worlds {
            for (number, request) in world.requests.iter().enumerate() {
                let World { resources, workload, mesh, .. } = world;
                questions.push((
                    format!("seed {seed}, request {number}"),
                    Question { resources, workload, mesh, request },
                ));
            }
        }
        wrong.extend(compare(&judge, &questions, &mut counts));
    }
    println!("{counts:?}");
    for line in wrong.iter().take(4) {
        // Enough to see what it is about.
        let seed = line
            .strip_prefix("seed ")
            .and_then(|rest| rest.split(',').next())
            .and_then(|seed| seed.parse().ok());
        let request = line
            .split("request ")
            .nth(1)
            .and_then(|rest| rest.split(':').next())
            .and_then(|n| n.parse().ok());
        if let (Some(seed), Some(request)) = (seed, request) {
            println!("{line}\n{}", Random::new(seed).world().describe(request));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), counts.asked, wrong.join("\n"));
    assert!(counts.asked > 0 && counts.beyond * 10 <= counts.asked, "{counts:?}");
    // Worlds in which all is decided at one place would prove little.
    for stage in ["Mtls", "Jwt", "Deny", "Allow", "None"] {
        assert!(counts.stages.get(stage).is_some_and(|count| count * 50 > counts.asked), "{counts:?}");
    }
}
