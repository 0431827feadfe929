//! `cargo xtask conformance --solver N`: pairs of policy sets over a tiny alphabet, a line each, with what the comparison
//! says of them. A solver reads them and has to say the same.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a program for developers")]

use gnomon_engine::Plan;
use gnomon_oracle::{
    small::{self, Axis, Pair},
    tape::{Tape, choices},
};
use gnomon_symbolic::{Kind, Limits, Side, bdd::Bdd, compare};
use serde_json::{Value, json};

/// Which directions there are.
fn found(pair: &Pair, kind: Kind) -> Value {
    let worlds = [&pair.old, &pair.new].map(|manifests| pair.world(manifests));
    let plans = worlds.each_ref().map(|world| Plan::build(&world.resources, &world.workload, &world.mesh));
    let [old, new] = [0, 1].map(|at: usize| {
        let (plan, world) = (plans.get(at).expect("two"), worlds.get(at).expect("two"));
        Side { plan, workload: &world.workload, mesh: &world.mesh }
    });
    let comparison =
        compare(old, new, kind, Limits::default()).unwrap_or_else(|why| panic!("{why}: {pair:?}"));
    let sets = comparison.map_or([Bdd::FALSE; 2], |found| [found.newly_allowed, found.newly_denied]);
    json!({"allowed": sets[0] != Bdd::FALSE, "denied": sets[1] != Bdd::FALSE})
}

fn main() {
    let mut numbers =
        std::env::args().skip(1).map(|text| text.parse().expect("how many, and the first seed"));
    let count: usize = numbers.next().unwrap_or(1_000);
    let first = numbers.next().unwrap_or(1) as u64;
    // Neither ztunnel, whose words are others, nor providers, of which a solver knows nothing.
    let pairs = (first..).map(|seed| (seed, small::pair(&mut Tape::new(&choices(seed, 300)))));
    let pairs = pairs.filter(|(_, pair)| !pair.ztunnel && !pair.axes.contains(&Axis::Provider));
    for (seed, pair) in pairs.take(count) {
        let axes: Vec<String> = pair.axes.iter().map(|axis| format!("{axis:?}")).collect();
        let [http, tcp] = [Kind::Http, Kind::Tcp].map(|kind| found(&pair, kind));
        let line = json!({
            "seed": seed, "axes": axes, "old": pair.old, "new": pair.new, "http": http, "tcp": tcp,
        });
        println!("{line}");
    }
}
