//! The tables of `cargo xtask bench envoy`, in Markdown.

use crate::{
    chains::{
        COUNTS, Chain, Chains, JWT_NEW, JWT_NONE, JWT_SEEN, Latency, MODULE_JWT_NEW, MODULE_JWT_NONE,
        MODULE_JWT_SEEN, NONE, NONE_TOKEN, Round, SLICE, module, native, shadow,
    },
    environment,
    words::{grouped, median},
};
use gnomon_host_tests::Result;

/// Measures everything and prints it.
pub(crate) fn print(rounds: usize) -> Result<()> {
    let mut chains = Chains::start()?;
    chains.measure(rounds, SLICE)?;
    let half = of(chains.get(&shadow(20))?, |round| round.throughput) / 2.0;
    let timed = [NONE.to_owned(), native(20), shadow(20), module(20)];
    chains.time(&timed.each_ref().map(String::as_str), half, rounds)?;
    chains.evaluated()?;

    table(&chains)?;
    latencies(&chains, &timed, half)?;
    println!("\n| what | measured | goal |");
    println!("|---|---:|---:|");
    for (what, measured, goal) in goals(&chains)? {
        println!("| {what} | {measured} | {goal} |");
    }
    println!("\n{}", environment()?);
    Ok(())
}

/// A row for each chain.
pub(crate) fn table(chains: &Chains) -> Result<()> {
    println!("| chain | CPU per request | against no filter | requests a second | against no filter |");
    println!("|---|---:|---:|---:|---:|");
    for chain in &chains.all {
        let without = chains.get(chain.against)?;
        println!(
            "| {} | {:.1} µs | {:.2} | {} | {:.2} |",
            chain.title,
            of(chain, |round| round.cpu),
            ratio(chain, without, |round| round.cpu),
            grouped(of(chain, |round| round.throughput) as usize),
            ratio(chain, without, |round| round.throughput),
        );
    }
    Ok(())
}

/// A row for each of these.
pub(crate) fn latencies(chains: &Chains, titles: &[String], per_second: f64) -> Result<()> {
    println!("\n| at {} requests a second | median | p99 |", grouped(per_second as usize));
    println!("|---|---:|---:|");
    for title in titles {
        let all = &chains.get(title)?.latencies;
        let of = |value: fn(&Latency) -> f64| median(all.iter().map(value).collect());
        println!("| {title} | {:.0} µs | {:.0} µs |", of(|one| one.median), of(|one| one.p99));
    }
    Ok(())
}

/// What is to be reached, and what was.
fn goals(chains: &Chains) -> Result<Vec<(String, String, &'static str)>> {
    let mut rows = Vec::new();
    for (count, goal) in COUNTS.into_iter().zip(["0.75 or more", "more than 1", "3 or more", "12 or more"]) {
        let (ours, envoys) = (chains.get(&shadow(count))?, chains.get(&native(count))?);
        let times = ratio(ours, envoys, |round| round.throughput);
        let what = format!("throughput against native RBAC, {} policies", grouped(count));
        rows.push((what, format!("{times:.2}"), goal));
    }
    let none = chains.get(NONE)?;
    let twenty = chains.get(&shadow(20))?;
    let cpu = ratio(twenty, none, |round| round.cpu);
    rows.push(("CPU per request against no filter, 20 policies".into(), format!("{cpu:.2}"), "1.75 or less"));
    let flat = ratio(chains.get(&shadow(1_000))?, twenty, |round| round.cpu);
    rows.push(("CPU per request, 1,000 policies against 20".into(), format!("{flat:.2}"), "1.05 or less"));
    let added = differences(&twenty.latencies, &none.latencies, |one| one.p99);
    for count in COUNTS {
        let cpu = ratio(chains.get(&module(count))?, none, |round| round.cpu);
        let what = format!("CPU per request of the module against no filter, {} policies", grouped(count));
        rows.push((what, format!("{cpu:.2}"), "1.10 or less"));
    }
    let rounds = chains.get(&module(20))?.rounds.iter().zip(&chains.get(&native(20))?.rounds);
    let dearest = rounds.map(|(own, envoys)| own.cpu / envoys.cpu).fold(0.0, f64::max);
    let what = "CPU per request of the module against native RBAC, 20 policies, in its dearest round";
    rows.push((what.into(), format!("{dearest:.2}"), "less than 1"));
    let middle = differences(&chains.get(&module(20))?.latencies, &none.latencies, |one| one.median);
    rows.push((
        "added by the module to the median latency at half load, 20 policies".into(),
        micros(middle),
        "3 µs or less",
    ));
    rows.push(("added to the p99 latency at half load, 20 policies".into(), micros(added), "100 µs or less"));
    let tokens = [
        (JWT_SEEN, JWT_NONE, "seen before, in the filter", "5 µs or less"),
        (JWT_NEW, JWT_NONE, "new, in the filter", "120 µs or less"),
        (MODULE_JWT_SEEN, MODULE_JWT_NONE, "seen before, in the module", "1 µs or less"),
        (MODULE_JWT_NEW, MODULE_JWT_NONE, "new, in the module", "60 µs or less"),
    ];
    for (title, plain, name, goal) in tokens {
        rows.push((format!("an RS256 token, {name}"), micros(token(chains, title, plain)?), goal));
    }
    Ok(rows)
}

/// What a token costs the filter. What it costs Envoy itself, without any filter, is not the filter's.
pub(crate) fn token(chains: &Chains, title: &str, plain: &str) -> Result<f64> {
    let parts = [title, NONE_TOKEN, plain, NONE].map(|title| chains.get(title).map(|chain| &chain.rounds));
    let [token, token_alone, plain, alone] = parts;
    let (token, token_alone, plain, alone) = (token?, token_alone?, plain?, alone?);
    let each = token.iter().zip(token_alone).zip(plain.iter().zip(alone));
    let cost = each.map(|((token, alone), (plain, none))| (token.cpu - alone.cpu) - (plain.cpu - none.cpu));
    Ok(median(cost.collect()))
}

pub(crate) fn of(chain: &Chain, value: fn(&Round) -> f64) -> f64 {
    median(chain.rounds.iter().map(value).collect())
}

/// One against another, round by round.
pub(crate) fn ratio(chain: &Chain, other: &Chain, value: fn(&Round) -> f64) -> f64 {
    median(chain.rounds.iter().zip(&other.rounds).map(|(own, other)| value(own) / value(other)).collect())
}

pub(crate) fn differences(own: &[Latency], others: &[Latency], value: fn(&Latency) -> f64) -> f64 {
    median(own.iter().zip(others).map(|(own, other)| value(own) - value(other)).collect())
}

pub(crate) fn micros(time: f64) -> String {
    format!("{time:.1} µs")
}
