//! `cargo xtask bench envoy` and `cargo xtask bench scale`: what the filter costs, measured in real Envoy.

use gnomon_analysis::bundle::{self, Kind, Plugin};
use gnomon_engine::{Mesh, envoy::export, request::Protocol};
use gnomon_host_tests::{
    Bootstrap, Envoy, Error, Listener, RequestBytes, Result,
    err::Context,
    filter,
    load::{self, Shot},
    metrics::Scrape,
    process, scene,
    xds::Discovery,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 16;
/// Each chain is measured so often, in turn with the others; the median counts.
const ROUNDS: usize = 5;
const SECONDS: u64 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["envoy"] => chains(),
        ["scale"] => scale(),
        _ => {
            eprintln!("bench: the one argument is envoy or scale");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One line of the table.
struct Chain {
    title: String,
    filters: Vec<Value>,
    path: String,
    /// Of each round: processor time of a request in µs, requests a second.
    measured: Vec<(f64, f64)>,
}

fn chains() -> Result<()> {
    let wasm = filter::wasm()?;
    let workload = scene::workload();
    let chain = |title: String, filters, path| Chain { title, filters, path, measured: Vec::new() };
    let mut all = vec![chain("no filter".into(), Vec::new(), scene::path(1))];
    for count in [1, 20, 200, 1_000] {
        let filters = export(&scene::resources(count), &workload, &Mesh::default(), Protocol::Http);
        all.push(chain(format!("native RBAC, {}", policies(count)), filters, scene::path(count)));
    }
    for count in [20, 1_000] {
        // As users have it: what differs is logged, the verdict is there for access logs.
        let configuration = json!({"candidate": {"resources": scene::manifests(count)}});
        let filters = vec![filter::http_filter(&wasm, &configuration)];
        all.push(chain(format!("shadow filter, {}", policies(count)), filters, scene::path(count)));
    }
    let listeners = all.iter().map(|chain| Listener::http(&chain.title, chain.filters.clone())).collect();
    let bootstrap = Bootstrap::new(&workload, listeners);
    let envoy = Envoy::start_with(|log| scene::bare(bootstrap.to_json(log)))?;

    eprintln!("{ROUNDS} rounds of {SECONDS} s for each of {} chains, {CONNECTIONS} connections", all.len());
    for round in 0..=ROUNDS {
        for chain in &mut all {
            let to = envoy.address(&chain.title)?;
            let shot = Shot::learn(to, &RequestBytes::get(chain.path.as_bytes()).header("host", "web.shop"))?;
            if shot.status() != "200" {
                return Err(Error::new(format!("{} answers {}", chain.title, shot.status())));
            }
            // The first round warms up: V8 compiles what runs often.
            let time = Duration::from_secs(if round == 0 { 1 } else { SECONDS });
            let before = process::cpu(envoy.pid())?;
            let (tally, took) = load::run_for(to, &[shot], CONNECTIONS, time);
            let spent = process::cpu(envoy.pid())?.saturating_sub(before);
            if let Some(what) = tally.first {
                return Err(Error::new(format!("{}: {what}", chain.title)));
            }
            if round > 0 {
                let requests = tally.requests.max(1) as f64;
                chain.measured.push((spent.as_secs_f64() * 1e6 / requests, requests / took.as_secs_f64()));
            }
        }
        eprintln!("round {round} of {ROUNDS}");
    }
    print_chains(&all);
    evaluated(&envoy)?;
    println!("\n{}", environment()?);
    Ok(())
}

fn print_chains(all: &[Chain]) {
    // Each against the first of its own round: a noisy machine is noisy for both.
    let against = |chain: &Chain, value: fn(&(f64, f64)) -> f64| {
        let first = all.first().map(|first| first.measured.as_slice()).unwrap_or_default();
        median(chain.measured.iter().zip(first).map(|(own, first)| value(own) / value(first)).collect())
    };
    println!("| chain | CPU per request | against no filter | requests a second | against no filter |");
    println!("|---|---:|---:|---:|---:|");
    for chain in all {
        let of = |value: fn(&(f64, f64)) -> f64| median(chain.measured.iter().map(value).collect());
        println!(
            "| {} | {:.1} µs | {:.2} | {} | {:.2} |",
            chain.title,
            of(|measured| measured.0),
            against(chain, |measured| measured.0),
            grouped(of(|measured| measured.1) as usize),
            against(chain, |measured| measured.1),
        );
    }
}

/// A filter that was skipped would look fast.
fn evaluated(envoy: &Envoy) -> Result<()> {
    let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus")?);
    let agree = scrape.sum("gnomon_requests_agree_total").unwrap_or(0.0);
    let all: f64 = scrape.names("gnomon_requests_").into_iter().filter_map(|name| scrape.sum(name)).sum();
    if agree == 0.0 || agree < all {
        return Err(Error::new(format!(
            "the filter agreed on {agree} requests of {all}: not what was to be measured"
        )));
    }
    Ok(())
}

fn scale() -> Result<()> {
    let wasm = filter::wasm()?;
    let workload = scene::workload();
    println!("The filter without policies adds {} to a proxy of one worker.\n", alone(&wasm)?);
    println!("| policies | object | compressed | update takes | CPU of it | memory of the proxy |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for count in [1, 20, 200, 1_000, 10_000] {
        let manifests = scene::varied(count);
        let plain = json!({"resources": manifests});
        let packed = bundle::packed_list(&manifests);
        let object = |candidate: &Value| {
            let plugin = Plugin {
                name: "gnomon-shadow",
                namespace: &workload.namespace,
                labels: &workload.labels,
                targets: &[],
                proxy: workload.proxy,
                protocol: Protocol::Http,
                image: "oci://registry.example.com/gnomon/filter:0.1.0",
                sha256: "",
                pull_secret: "",
                configuration: bundle::configuration(candidate.clone(), None, &Mesh::default(), json!({})),
            };
            bundle::object(Kind::WasmPlugin, &plugin).to_string().len()
        };
        let sizes = (object(&plain), object(&packed));
        // What would be too long for an object goes out compressed, as `gnomon bundle` has it.
        let sent = if sizes.0 > bundle::OBJECT_LIMIT { &packed } else { &plain };
        let entry = |candidate: &Value| filter::http_filter(&wasm, &json!({"candidate": candidate}));
        let discovery = Discovery::new(&entry(&json!({"resources": []})))?;
        let bootstrap = Bootstrap::new(&workload, vec![Listener::http("web", vec![discovery.filter()])]);
        let envoy = Envoy::start_with(|log| scene::bare(bootstrap.to_json(log)))?;
        let (before, cpu, start) =
            (process::resident(envoy.pid())?, process::cpu(envoy.pid())?, Instant::now());
        discovery.publish(&entry(sent))?;
        wait_for(&envoy, count)?;
        let took = start.elapsed();
        // The worker's own copy comes after that of the main thread.
        std::thread::sleep(Duration::from_secs(1));
        let (after, spent) =
            (process::resident(envoy.pid())?, process::cpu(envoy.pid())?.saturating_sub(cpu));
        println!(
            "| {} | {} | {} | {} ms | {} ms | {:+.1} MB |",
            grouped(count),
            bytes(sizes.0),
            bytes(sizes.1),
            took.as_millis(),
            spent.as_millis(),
            (after as f64 - before as f64) / f64::from(1 << 20),
        );
    }
    println!("\n{}", environment()?);
    Ok(())
}

/// Memory of a proxy that has the filter, against one that has not.
fn alone(wasm: &Path) -> Result<String> {
    let memory = |filters| {
        let bootstrap = Bootstrap::new(&scene::workload(), vec![Listener::http("web", filters)]);
        let envoy = Envoy::start_with(|log| scene::bare(bootstrap.to_json(log)))?;
        std::thread::sleep(Duration::from_secs(1));
        process::resident(envoy.pid())
    };
    let with = memory(vec![filter::http_filter(wasm, &json!({"candidate": {"resources": []}}))])?;
    let without = memory(Vec::new())?;
    Ok(format!("{:.1} MB", (with as f64 - without as f64) / f64::from(1 << 20)))
}

/// Until the filter has taken a configuration with so many policies.
fn wait_for(envoy: &Envoy, policies: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus?filter=gnomon_policies_loaded")?);
        if scrape.sum("gnomon_policies_loaded") == Some(policies as f64) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::new(format!(
                "{policies} policies were not loaded; Envoy's log:\n{}",
                envoy.log()
            )));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The machine and the versions, for whoever compares.
fn environment() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processors = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = Command::new(gnomon_host_tests::envoy::binary()?)
        .arg("--version")
        .output()
        .or_cannot("ask Envoy its version")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    // `PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let version = version.split_once("version: ").and_then(|(_, rest)| rest.split('/').nth(1));
    let version = version.unwrap_or("of an unknown version");
    let size = fs::metadata(filter::wasm()?).or_cannot("measure the filter")?.len();
    Ok(format!(
        "{} × {}, Linux {}; Envoy {version}, one worker, direct response; filter.wasm {} bytes",
        processors,
        field("model name").unwrap_or_else(|| "an unknown processor".into()),
        kernel.trim(),
        grouped(usize::try_from(size).unwrap_or(0)),
    ))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn policies(count: usize) -> String {
    format!("{} {}", grouped(count), if count == 1 { "policy" } else { "policies" })
}

fn bytes(count: usize) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.2} MB", count as f64 / 1e6),
    }
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
