//! `cargo xtask demo`: an ingress gateway in real Envoy enforces today's policies with Envoy's own filters, a
//! candidate set stands in the shadow filter, and twenty-odd requests show where the two differ.

mod policies;
mod requests;
mod table;

use gnomon_host_tests::{
    Bootstrap, Connection, Dial, Envoy, Error, Listener, Result, access_log, err::Context, filter,
    metrics::Scrape,
};
use policies::Scenario;
use requests::{HOST, Request};
use serde_json::{Value, json};
use std::process::ExitCode;
use table::{Row, Table};

const LISTENER: &str = "gateway";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let keep = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--keep"] => true,
        _ => {
            eprintln!("demo: the one argument is --keep: leave Envoy running");
            return ExitCode::from(2);
        }
    };
    match demo(keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(keep: bool) -> Result<()> {
    let scenario = Scenario::load()?;
    println!("\nToday, enforced by Envoy's own filters ({}):", scenario.folder.display());
    scenario.current.iter().for_each(|policy| println!("  {policy}"));
    println!("Tomorrow, in the shadow ({}):", scenario.candidate_file.display());
    scenario.candidate.iter().for_each(|policy| println!("  {policy}"));

    let envoy = start(&scenario, keep)?;
    let requests = requests::all()?;
    println!("\n{} requests to the gateway as Host: {HOST}, unless said otherwise:\n", requests.len());

    // One connection for each: a client that a policy refuses must not disturb the next.
    let mut table = Table::new();
    for (number, request) in requests.iter().enumerate() {
        table.push(send(&envoy, request, &format!("demo-{number}"))?);
    }
    table.print();

    println!("\nThe filter's lines on Envoy's Prometheus endpoint:\n");
    let _told = Scrape::complete(&envoy)?;
    let metrics = envoy.admin_get("/stats/prometheus")?;
    // Without those that depend on the clock.
    let of_requests = |line: &&str| {
        line.starts_with("gnomon")
            && !["gnomon_evaluation", "gnomon_heartbeats"].iter().any(|name| line.starts_with(name))
    };
    let ours: Vec<&str> = metrics.lines().filter(of_requests).collect();
    if ours.is_empty() {
        return Err(Error::new("the filter left no metrics; is it in the chain?"));
    }
    ours.iter().for_each(|line| println!("  {line}"));

    if keep {
        return stay(envoy);
    }
    println!(
        "\nNext: change {} and run this again, or `cargo xtask demo --keep` and send requests of your own.",
        scenario.candidate_file.display()
    );
    Ok(())
}

fn start(scenario: &Scenario, keep: bool) -> Result<Envoy> {
    let mut report = json!({"log": "divergent", "filterState": "all"});
    if let (true, Some(fields)) = (keep, report.as_object_mut()) {
        // For whoever plays with curl.
        fields.insert("responseHeader".into(), "x-gnomon-shadow".into());
    }
    let configuration =
        json!({"mode": "shadow", "candidate": {"resources": scenario.candidate_manifests}, "report": report});
    // In front of jwt_authn, which takes the token away: Istio's phase AUTHN.
    let mut filters = vec![filter::http_filter(&filter::wasm()?, &configuration)];
    filters.extend(scenario.native_filters());
    let mut listener = Listener::http(LISTENER, filters);
    listener.proxy = scenario.workload.proxy;
    listener.path = scenario.mesh.path_normalization.into();
    Envoy::start(&Bootstrap::new(&scenario.workload, vec![listener]))
}

fn send(envoy: &Envoy, request: &Request, case: &str) -> Result<Row> {
    let bytes = request.bytes().header(access_log::CASE_HEADER, case);
    let response = Connection::open(&Dial::plain(envoy.address(LISTENER)?))?.send(&bytes)?.response()?;
    let line = envoy.access_log().of_case(case)?;
    let state = access_log::text(&line, "gnomon").ok_or_else(|| {
        Error::new(format!(
            "the filter said nothing about `{}`; Envoy's log:\n{}",
            request.title(),
            envoy.log()
        ))
    })?;
    let state: Value = serde_json::from_str(state).or_cannot("read the filter's state")?;
    let details = access_log::details(&line).unwrap_or("-");
    Row::new(request, response.status, details, &state)
}

/// Leaves Envoy to the user and says how to reach it.
fn stay(envoy: Envoy) -> Result<()> {
    let (gateway, admin, pid) = (envoy.address(LISTENER)?, envoy.admin(), envoy.pid());
    let folder = envoy.folder().display().to_string();
    let user = requests::user_token()?;
    envoy.keep()?;
    println!(
        "
Envoy stays up. The header x-gnomon-shadow in its answers is the candidate's verdict:

  TOKEN={user}
  curl -i -H 'Host: {HOST}' http://{gateway}/api/catalog
  curl -i -H 'Host: {HOST}' -H \"Authorization: Bearer $TOKEN\" -X POST http://{gateway}/api/orders

  metrics     curl -s http://{admin}/stats/prometheus | grep ^gnomon
  access log  tail -f {folder}/access.log
  Envoy's log tail -f {folder}/envoy.log
  stop it     kill {pid}"
    );
    Ok(())
}
