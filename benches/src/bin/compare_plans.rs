//! How long it takes to compare two sets of policies over all requests; lines as `verdicts` prints them.

use gnomon_benches::differing::{CHANGES, Pair};
use std::{process::ExitCode, time::Instant};

fn main() -> ExitCode {
    for count in [100, 1_000, 10_000] {
        for change in CHANGES {
            let pair = Pair::new(count, change);
            let mut best = f64::MAX;
            for _ in 0..if count < 5_000 { 20 } else { 3 } {
                let start = Instant::now();
                if pair.compare().is_none() {
                    eprintln!("compare_plans: {count} policies, {}: no difference was found", change.name());
                    return ExitCode::FAILURE;
                }
                best = best.min(start.elapsed().as_secs_f64() * 1_000.0);
            }
            println!("native\t{}\t{count}\t{best:.2}\tms", change.name());
        }
    }
    ExitCode::SUCCESS
}
