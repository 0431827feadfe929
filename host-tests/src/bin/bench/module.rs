//! What the native module costs.

use crate::{
    chains::{
        Chains, MODULE_COUNTS, MODULE_JWT_NEW, MODULE_JWT_NONE, MODULE_JWT_SEEN, MODULE_STATE, NONE, module,
        native,
    },
    environment,
    figures::{differences, latencies, micros, of, ratio, table, token},
    scale,
    words::{grouped, median, policies},
};
use gnomon_analysis::bundle;
use gnomon_host_tests::{Bootstrap, Envoy, Listener, Result, filter, measured, process, xds::Discovery};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

/// So many, each short: what else the machine does spoils a few of them.
pub(crate) const ROUNDS: usize = 30;
/// How long a chain is measured in each, in milliseconds.
const SLICE: u64 = 500;
/// Proxies that are started for each figure of memory.
const STARTS: usize = 3;
const WORKERS: u32 = 4;

/// Measures everything and prints it.
pub(crate) fn print(rounds: usize) -> Result<()> {
    let mut chains = Chains::start_module()?;
    chains.measure(rounds, SLICE)?;
    let half = of(chains.get(&native(20))?, |round| round.throughput) / 2.0;
    let timed = [NONE.to_owned(), native(20), module(20)];
    chains.time(&timed.each_ref().map(String::as_str), half, rounds.div_ceil(4))?;
    chains.evaluated()?;
    table(&chains)?;
    latencies(&chains, &timed, half)?;
    println!("\n| what | measured | goal |");
    println!("|---|---:|---:|");
    let row = |what: &str, measured: &str, goal: &str| println!("| {what} | {measured} | {goal} |");
    let (none, twenty) = (chains.get(NONE)?, chains.get(&module(20))?);
    for count in MODULE_COUNTS {
        let cpu = ratio(chains.get(&module(count))?, none, |round| round.cpu);
        row(
            &format!("CPU per request against no filter, {}", policies(count)),
            &format!("{cpu:.2}"),
            "1.10 or less",
        );
    }
    let envoys = chains.get(&native(20))?;
    let against = ratio(twenty, envoys, |round| round.cpu);
    row("CPU per request against native RBAC, 20 policies", &format!("{against:.2}"), "less than 1");
    let state = ratio(chains.get(MODULE_STATE)?, envoys, |round| round.cpu);
    row("the same with filter state for every request", &format!("{state:.2}"), "");
    let seen = token(&chains, MODULE_JWT_SEEN, MODULE_JWT_NONE)?;
    row("an RS256 token, seen before", &micros(seen), "1 µs or less");
    let new = token(&chains, MODULE_JWT_NEW, MODULE_JWT_NONE)?;
    row("an RS256 token, new", &micros(new), "60 µs or less");
    let added = differences(&twenty.latencies, &none.latencies, |one| one.median);
    row("added to the median latency at half load, 20 policies", &micros(added), "3 µs or less");
    let (longest, took) = update()?;
    row("the longest wait of a request while 10,000 policies come", &millis(longest), "1 ms or less");
    row("until they decide", &millis(took), "");
    memory()?;
    println!("\n{}", environment()?);
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// 10,000 policies come: the longest that a request waits, and until when they decide.
fn update() -> Result<(Duration, Duration)> {
    let so = filter::module()?;
    let candidate = bundle::packed_list(&measured::varied(10_000));
    let entry = |candidate: &Value, number: usize| {
        let report = json!({"responseHeader": scale::HEADER, "policies": number});
        filter::http_filter(&so, &json!({"candidate": candidate, "report": report}))
    };
    let discovery = Discovery::new(&entry(&json!({"resources": []}), 0))?;
    let bootstrap =
        Bootstrap::new(&measured::workload(), vec![Listener::http("web", vec![discovery.filter()])]);
    let envoy = Envoy::start_with(|log| measured::bare(bootstrap.to_json(log)))?;
    let start = Instant::now();
    discovery.publish(&entry(&candidate, 0))?;
    let took = scale::wait_for(&envoy, start)?;
    Ok((scale::longest(&envoy, &entry, &discovery, &candidate)?, took))
}

/// What a proxy of four workers takes more than without the module.
fn memory() -> Result<()> {
    let so = filter::module()?;
    let resident = |filters: Vec<Value>| -> Result<f64> {
        let bootstrap = Bootstrap::new(&measured::workload(), vec![Listener::http("web", filters)]);
        let mut all = Vec::new();
        for _ in 0..STARTS {
            let envoy = Envoy::start_with_workers(WORKERS, |log| measured::bare(bootstrap.to_json(log)))?;
            // What was needed on the way is given back.
            thread::sleep(Duration::from_secs(2));
            all.push(process::resident(envoy.pid())? as f64 / f64::from(1 << 20));
        }
        Ok(median(all))
    };
    let none = resident(Vec::new())?;
    println!("\n| policies | a path and a method each | as people have them |");
    println!("|---:|---:|---:|");
    for count in [20, 1_000, 10_000] {
        let added = |manifests: &[Value]| -> Result<f64> {
            let configuration = json!({"candidate": bundle::packed_list(manifests)});
            Ok(resident(vec![filter::http_filter(&so, &configuration)])? - none)
        };
        let (plain, varied) = (added(&measured::manifests(count))?, added(&measured::varied(count))?);
        println!("| {} | {plain:.1} MB | {varied:.1} MB |", grouped(count));
    }
    println!(
        "\nResident memory that a proxy of {WORKERS} workers takes more with the module; the goals were 3 MB with 20 policies and 20 MB with 10,000."
    );
    Ok(())
}
