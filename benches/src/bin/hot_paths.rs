//! The paths whose instructions `cargo xtask test` counts: `hot_paths CASE TIMES`.
//!
//! Counted under valgrind for two numbers of times, so that only what a time costs is left. Nothing here depends on a
//! clock, on addresses or on chance.

use gnomon_benches::{Case, realistic, worst};
use gnomon_engine::verdict::Outcome;
use std::{hint::black_box, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [name, times] => times.parse().ok().and_then(|times| run(name, times)),
        _ => None,
    };
    if done == Some(true) {
        ExitCode::SUCCESS
    } else {
        eprintln!("hot_paths: wants the name of a case and how often; or a verdict was not to allow");
        ExitCode::from(2)
    }
}

/// `None`: no such case. False: not the verdict that it should be.
fn run(name: &str, times: u32) -> Option<bool> {
    Some(match name {
        "verdict-20-realistic" => verdicts(&realistic().case(), times),
        "verdict-10-rules" => verdicts(&worst(10).case(), times),
        "verdict-1000-rules" => verdicts(&worst(1_000).case(), times),
        "plan-100-policies" => {
            let world = worst(100);
            (0..times).all(|_| black_box(world.plan()).rule_count() == 100)
        }
        _ => return None,
    })
}

fn verdicts(case: &Case, times: u32) -> bool {
    case.ask(|asking| (0..times).all(|_| black_box(black_box(asking).verdict()).outcome == Outcome::Allow))
}
