//! Sizes and times of large policy sets.

use crate::{
    environment,
    words::{bytes, grouped},
};
use gnomon_analysis::bundle::{self, Kind, Plugin};
use gnomon_engine::{Mesh, request::Protocol};
use gnomon_host_tests::{
    Bootstrap, Envoy, Error, Listener, Result, filter, metrics::Scrape, process, scene, xds::Discovery,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Prints the table.
pub(crate) fn scale() -> Result<()> {
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
