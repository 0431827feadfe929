//! What the native module costs.

use crate::{
    chains::{
        Chains, MODULE_COUNTS, MODULE_EMPTY, MODULE_JWT_NEW, MODULE_JWT_NONE, MODULE_JWT_SEEN, MODULE_STATE,
        NONE, module, native,
    },
    environment,
    figures::{differences, latencies, micros, of, ratio, table, token},
    scale,
    words::{grouped, median, policies},
};
use gnomon_analysis::bundle;
use gnomon_engine::{Mesh, request::Protocol};
use gnomon_envoy_config::export;
use gnomon_host_tests::{
    Bootstrap, Envoy, Error, Listener, Result, filter, measured, process, xds::Discovery,
};
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
/// So few requests a second that hardly one waits for another.
const FEW: f64 = 2_000.0;

/// Measures everything and prints it.
pub(crate) fn print(rounds: usize) -> Result<()> {
    let mut chains = Chains::start_module()?;
    chains.measure(rounds, SLICE)?;
    let half = of(chains.get(&native(20))?, |round| round.throughput) / 2.0;
    let timed = [NONE.to_owned(), native(20), module(20)];
    let titles = timed.each_ref().map(String::as_str);
    chains.time(&titles, FEW, rounds.div_ceil(4))?;
    table(&chains)?;
    latencies(&chains, &timed, FEW)?;
    let added_by_itself = added(&chains)?;
    chains.forget_latencies();
    chains.time(&titles, half, rounds.div_ceil(4))?;
    chains.evaluated()?;
    latencies(&chains, &timed, half)?;
    println!("\n| what | measured | goal |");
    println!("|---|---:|---:|");
    let row = |what: &str, measured: &str, goal: &str| println!("| {what} | {measured} | {goal} |");
    let (none, twenty) = (chains.get(NONE)?, chains.get(&module(20))?);
    let empty = ratio(chains.get(MODULE_EMPTY)?, none, |round| round.cpu);
    row("CPU per request against no filter, no policies", &format!("{empty:.2}"), "");
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
    row(
        "added to the median latency at 2,000 requests a second, 20 policies",
        &micros(added_by_itself),
        "3 µs or less",
    );
    row("the same at half load, where requests wait for each other", &micros(added(&chains)?), "");
    // Where the proxies of the chains are kept, none of these is.
    process::free(std::process::id())?;
    print_updates()?;
    memory()?;
    println!("\n{}", environment()?);
    Ok(())
}

/// What 20 policies add to the median latency that was measured last, in µs.
fn added(chains: &Chains) -> Result<f64> {
    let [own, others] = [chains.get(&module(20))?, chains.get(NONE)?].map(|chain| &chain.latencies);
    Ok(differences(own, others, |one| one.median))
}

/// What updates make requests wait, as rows of a table.
pub(crate) fn print_updates() -> Result<()> {
    for (what, wait, goal) in updates()? {
        println!("| {what} | {wait} | {goal} |");
    }
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// How often each update comes, and how long requests are looked at.
const UPDATES: usize = 12;
const WATCHED: Duration = Duration::from_millis(2_500);

/// 10,000 policies come: until when they decide, and the longest that a request waits; and what it waits while less comes
/// or nothing, and while Envoy's own RBAC gets as many.
fn updates() -> Result<Vec<(String, String, &'static str)>> {
    let so = filter::module()?;
    let packed = bundle::packed_list(&measured::varied(10_000));
    let entry = |candidate: &Value, number: usize| {
        let report = json!({"responseHeader": scale::HEADER, "policies": number});
        filter::http_filter(&so, &json!({"candidate": candidate, "report": report}))
    };
    let nothing = json!({"resources": []});
    let mut numbers = 1..;
    let mut number = || numbers.next().unwrap_or_default();
    let start = |first: &Value| -> Result<(Discovery, Envoy)> {
        let discovery = Discovery::new(first)?;
        let listener = Listener::http("web", vec![discovery.filter()]);
        let bootstrap = Bootstrap::new(&measured::workload(), vec![listener]);
        let envoy = Envoy::start_with(|log| measured::bare(bootstrap.to_json(log)))?;
        Ok((discovery, envoy))
    };
    let (discovery, envoy) = start(&entry(&nothing, 0))?;
    let begin = Instant::now();
    discovery.publish(&entry(&packed, 0))?;
    let took = scale::wait_for(&envoy, begin)?;
    process::workers_apart(envoy.pid())?;
    let quiet = scale::waits(&envoy, "/", UPDATES, WATCHED, || Ok(()))?;
    let full = scale::waits(&envoy, "/", UPDATES, WATCHED, || discovery.publish(&entry(&packed, number())))?;
    discovery.publish(&entry(&nothing, number()))?;
    thread::sleep(WATCHED);
    let small =
        scale::waits(&envoy, "/", UPDATES, WATCHED, || discovery.publish(&entry(&nothing, number())))?;
    drop(envoy);
    process::free(std::process::id())?;

    // It asks one policy after the other: the request is one that the first of them allows.
    let mut filters =
        export(&measured::resources(10_000), &measured::workload(), &Mesh::default(), Protocol::Http);
    let mut rbac = filters.pop().ok_or_else(|| Error::new("no filter of Envoy's for 10,000 policies"))?;
    let (discovery, envoy) = start(&rbac)?;
    process::workers_apart(envoy.pid())?;
    let envoys = scale::waits(&envoy, &measured::path(1), UPDATES, WATCHED, || {
        // A name of its own makes it another configuration.
        if let Some(config) = rbac.get_mut("typedConfig").and_then(Value::as_object_mut) {
            config.insert("rulesStatPrefix".into(), format!("update{}", number()).into());
        }
        discovery.publish(&rbac)
    })?;
    drop(envoy);
    process::free(std::process::id())?;
    let row = |what: &str, waits: scale::Waits, goal| {
        (what.to_owned(), format!("{} (median {})", millis(waits.least), millis(waits.median)), goal)
    };
    Ok(vec![
        row("the longest wait of a request while 10,000 policies come", full, "1 ms or less"),
        row("the same while a configuration without policies comes", small, ""),
        row("the same while Envoy's own RBAC gets 10,000 policies", envoys, ""),
        row("the same while nothing comes", quiet, ""),
        ("until 10,000 policies decide".into(), millis(took), ""),
    ])
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
