//! Sizes and times of large policy sets.

use crate::{
    environment,
    words::{bytes, grouped},
};
use gnomon_analysis::bundle::{self, Kind, Plugin};
use gnomon_engine::{Mesh, request::Protocol};
use gnomon_host_tests::{
    Bootstrap, Connection, Dial, Envoy, Error, Listener, RequestBytes, Result, filter,
    load::{self, Shot},
    measured, process,
    xds::Discovery,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Says what the worker evaluates.
pub(crate) const HEADER: &str = "x-gnomon-shadow";

/// Prints the table.
pub(crate) fn scale() -> Result<()> {
    let wasm = filter::wasm()?;
    let workload = measured::workload();
    println!("The filter without policies adds {} to a proxy of one worker.\n", alone(&wasm)?);
    println!(
        "| policies | object | compressed | update takes | longest wait | CPU of it | memory of the proxy |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for count in [1, 20, 200, 1_000, 10_000] {
        let manifests = measured::varied(count);
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
        // A number of its own makes a configuration another one.
        let entry = |candidate: &Value, number: usize| {
            let report = json!({"responseHeader": HEADER, "policies": number});
            filter::http_filter(&wasm, &json!({"candidate": candidate, "report": report}))
        };
        let discovery = Discovery::new(&entry(&json!({"resources": []}), 0))?;
        let bootstrap = Bootstrap::new(&workload, vec![Listener::http("web", vec![discovery.filter()])]);
        let envoy = Envoy::start_with(|log| measured::bare(bootstrap.to_json(log)))?;
        let (before, cpu, start) =
            (process::resident(envoy.pid())?, process::cpu(envoy.pid())?, Instant::now());
        discovery.publish(&entry(sent, 0))?;
        let took = wait_for(&envoy, start)?;
        // What was there before is taken apart; the main thread has a copy of its own.
        std::thread::sleep(Duration::from_secs(1));
        let (after, spent) =
            (process::resident(envoy.pid())?, process::cpu(envoy.pid())?.saturating_sub(cpu));
        println!(
            "| {} | {} | {} | {} ms | {:.1} ms | {} ms | {:+.1} MB |",
            grouped(count),
            bytes(sizes.0),
            bytes(sizes.1),
            took.as_millis(),
            longest(&envoy, &entry, &discovery, sent)?.as_secs_f64() * 1e3,
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
        let bootstrap = Bootstrap::new(&measured::workload(), vec![Listener::http("web", filters)]);
        let envoy = Envoy::start_with(|log| measured::bare(bootstrap.to_json(log)))?;
        std::thread::sleep(Duration::from_secs(1));
        process::resident(envoy.pid())
    };
    let with = memory(vec![filter::http_filter(wasm, &json!({"candidate": {"resources": []}}))])?;
    let without = memory(Vec::new())?;
    Ok(format!("{:.1} MB", (with as f64 - without as f64) / f64::from(1 << 20)))
}

/// Until the worker evaluates the configuration, which lets nothing pass: how long that took.
pub(crate) fn wait_for(envoy: &Envoy, start: Instant) -> Result<Duration> {
    let request = RequestBytes::get("/").header("host", "web");
    let dial = Dial::plain(envoy.address("web")?);
    while start.elapsed() < Duration::from_secs(60) {
        let response = Connection::open(&dial)?.send(&request)?.response()?;
        if response.header(HEADER).is_some_and(|verdict| verdict.starts_with("deny")) {
            return Ok(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(Error::new(format!("the policies were not loaded; Envoy's log:\n{}", envoy.log())))
}

/// How often a configuration comes once more.
const TIMES: usize = 5;

/// The longest that a request waits while the configuration comes once more, of 200 a second; the least of five
/// times, since others make requests wait too.
pub(crate) fn longest(
    envoy: &Envoy,
    entry: &dyn Fn(&Value, usize) -> Value,
    discovery: &Discovery,
    candidate: &Value,
) -> Result<Duration> {
    let mut number: usize = 0;
    process::workers_apart(envoy.pid())?;
    let waited = waits(envoy, "/", TIMES, Duration::from_secs(4), || {
        number = number.saturating_add(1);
        discovery.publish(&entry(candidate, number))
    });
    process::free(std::process::id())?;
    Ok(waited?.least)
}

/// The longest that any request waits, looked at several times: others make requests wait too, now and then.
pub(crate) struct Waits {
    /// The least of the times.
    pub(crate) least: Duration,
    /// Their median.
    pub(crate) median: Duration,
}

/// The longest that a request for this path waits of 200 a second in this time, in which something happens; so many times.
pub(crate) fn waits(
    envoy: &Envoy,
    path: &str,
    times: usize,
    time: Duration,
    mut happens: impl FnMut() -> Result<()>,
) -> Result<Waits> {
    let to = envoy.address("web")?;
    let shot = Shot::learn(to, &RequestBytes::get(path).header("host", "web"))?;
    let mut all = Vec::new();
    for _ in 0..times {
        let took = std::thread::scope(|scope| {
            let load = scope.spawn(|| load::sparse(to, &shot, 4, 200.0, time));
            std::thread::sleep(Duration::from_millis(500));
            happens()?;
            load.join().map_err(|_| Error::new("the load broke off"))?
        })?;
        all.extend(took.last().copied());
    }
    all.sort_unstable();
    Ok(Waits {
        least: all.first().copied().unwrap_or_default(),
        median: all.get(all.len() / 2).copied().unwrap_or_default(),
    })
}
