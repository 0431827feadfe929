//! `cargo xtask soak`: real Envoy at full load while its filter's configuration changes and changes, and streams live
//! through many of the changes. It passes where nothing that a client sees is any different from a run without the filter,
//! every request was counted, and memory stays where it was.

use gnomon_engine::{Mesh, request::Protocol};
use gnomon_envoy_config::export;
use gnomon_host_tests::{
    Bootstrap, Envoy, Error, Listener, RequestBytes, Result, config,
    err::Context,
    filter,
    load::{self, Shot, Tally},
    measured,
    metrics::Scrape,
    process,
    tokens::{self, TestKey},
    xds::Discovery,
};
use gnomon_manifests::load_text;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 16;
const PLAIN: &str = "without";
const SHADOWED: &str = "with";
/// Streams that live at the same time, each through so many updates.
const HELD: usize = 100;
/// How long Envoy may take to answer to an update.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shorter runs say nothing about memory: V8 still compiles, malloc still settles.
const STEADY: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let Some(seconds) = seconds.filter(|seconds| (1..=86_400).contains(seconds)) else {
        eprintln!("soak: give the time in seconds, 1 to 86400");
        return ExitCode::from(2);
    };
    match soak(Duration::from_secs(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is enforced: Envoy's own filters, the same on both listeners.
const ENFORCED: &str = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - to: [{operation: {methods: [GET], paths: ["/api/*"]}}]
"#;

fn enforced() -> Result<Vec<Value>> {
    let read = |text: &str, file| load_text(text, file).map_err(|wrong| Error::new(wrong.to_string()));
    let mut loaded = read(ENFORCED, "enforced.yaml")?;
    let authentication = read(&authentication().to_string(), "jwt.json")?;
    loaded.resources.request_authentication = authentication.resources.request_authentication;
    Ok(export(&loaded.resources, &measured::workload(), &Mesh::default(), Protocol::Http))
}

fn authentication() -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "tokens", "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwks": TestKey::Rsa.jwks()}]},
    })
}

/// Candidates that agree, and that do not, of different sizes.
fn update(number: usize) -> (Value, usize) {
    let count = [20, 200, 1, 1_000].get(number % 4).copied().unwrap_or(1);
    let mut resources = measured::manifests(count);
    if number.is_multiple_of(2) {
        resources.push(authentication());
    }
    let policies = resources.len();
    // All the lines that there would be are more than a disk takes.
    (json!({"candidate": {"resources": resources}, "report": {"sample": 0.001}}), policies)
}

/// What Istio's admission would refuse.
fn wrong() -> Value {
    json!({"candidate": {"resources": [{
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "wrong", "namespace": "shop"},
        "spec": {"action": "DENNY"},
    }]}})
}

fn requests() -> Result<Vec<RequestBytes>> {
    let get = |path: &str| RequestBytes::get(path.as_bytes()).header("host", "web.shop");
    let claims = json!({"iss": "me", "sub": "u", "exp": tokens::now() + 200_000});
    let token = tokens::sign(TestKey::Rsa, &claims)?;
    Ok(vec![
        get("/api/00000/items"),
        get("/api/00000/items?page=2").header("authorization", format!("Bearer {token}")),
        get("/api/../secret"),
        get("/api/x").header("authorization", "Bearer not.a.token"),
        RequestBytes::new("POST", "/api/00001/items")
            .header("host", "web.shop")
            .header("content-length", "0"),
        get("/api/long").header("x-long", "y".repeat(8_000)).header("cookie", "a=b; c=d"),
        get("/%ff/bytes").header("x-bytes", b"\xff\xfe".to_vec()),
    ])
}

fn soak(time: Duration) -> Result<()> {
    let wasm = filter::wasm()?;
    let native = enforced()?;
    let entry = |configuration: &Value| filter::http_filter(&wasm, configuration);
    let discovery = Discovery::new(&entry(&update(0).0))?;
    let shadowed = [vec![discovery.filter()], native.clone()].concat();
    let listeners = vec![Listener::http(PLAIN, native), Listener::http(SHADOWED, shadowed)];
    let mut bootstrap = Bootstrap::new(&measured::workload(), listeners);
    bootstrap.clusters = vec![config::cluster("hold", hold()?, false)];
    let envoy = Envoy::start_with(|log| held_routes(measured::bare(bootstrap.to_json(log))))?;
    await_policies(&envoy, update(0).1)?;

    let shots = requests()?
        .iter()
        .map(|request| Shot::learn(envoy.address(PLAIN)?, request))
        .collect::<Result<Vec<_>>>()?;
    let statuses: Vec<String> = shots.iter().map(Shot::status).collect();
    println!("{} kinds of requests, answered {} without the filter", shots.len(), statuses.join(" "));

    let to = envoy.address(SHADOWED)?;
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let (tally, watched) = thread::scope(|scope| {
        let load = scope.spawn(|| load::run(to, &shots, CONNECTIONS, &stop));
        let watched = watch(&envoy, to, &discovery, &entry, time);
        stop.store(true, Ordering::Relaxed);
        (load.join().unwrap_or_default(), watched)
    });
    let watched = watched?;
    judge(&envoy, &tally, &watched, start.elapsed())
}

/// An upstream that takes requests and never answers; where it listens.
fn hold() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).or_cannot("listen")?;
    let address = listener.local_addr().or_cannot("listen")?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Until the other side has had enough.
            thread::spawn(move || while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {});
        }
    });
    Ok(address)
}

/// Requests for `/api/hold` go to that upstream, however long it takes.
fn held_routes(mut bootstrap: Value) -> Value {
    fn add(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Array(routes)) = fields.get_mut("routes") {
                    let hold = json!({"match": {"prefix": "/api/hold"}, "route": {"cluster": "hold", "timeout": "0s"}});
                    routes.insert(0, hold);
                }
                fields.values_mut().for_each(add);
            }
            Value::Array(items) => items.iter_mut().for_each(add),
            _ => {}
        }
    }
    add(&mut bootstrap);
    bootstrap
}

/// A request that stays.
fn held(to: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to).or_cannot("connect to Envoy")?;
    stream.write_all(b"GET /api/hold HTTP/1.1\r\nhost: web.shop\r\n\r\n").or_cannot("send a request")?;
    Ok(stream)
}

/// What was seen while the load ran.
#[derive(Default)]
struct Watched {
    updates: usize,
    refused: usize,
    /// Streams that lived through updates.
    held: usize,
    /// After each update: since when, in seconds, and bytes.
    memory: Vec<(f64, u64)>,
}

/// Update after update until the time is over; every third is one that must be refused.
fn watch(
    envoy: &Envoy,
    to: SocketAddr,
    discovery: &Discovery,
    entry: &dyn Fn(&Value) -> Value,
    time: Duration,
) -> Result<Watched> {
    let mut watched = Watched::default();
    let start = Instant::now();
    // A thousand updates in ten minutes, a third of them wrong ones, where the machine is quick enough.
    let pause = (time / 1_500).min(Duration::from_secs(2));
    let mut said = 0;
    let mut streams = VecDeque::new();
    for number in 1_usize.. {
        streams.push_back(held(to)?);
        watched.held += 1;
        if streams.len() > HELD {
            streams.pop_front();
        }
        if number.is_multiple_of(3) {
            let before = rejected(envoy)?;
            discovery.publish(&entry(&wrong()))?;
            wait(envoy, "refuse an update that is wrong", |envoy| Ok(rejected(envoy)? > before))?;
            watched.refused += 1;
        } else {
            let (configuration, policies) = update(number);
            discovery.publish(&entry(&configuration))?;
            await_policies(envoy, policies)?;
            watched.updates += 1;
        }
        let passed = start.elapsed();
        watched.memory.push((passed.as_secs_f64(), process::resident(envoy.pid())?));
        if passed >= time {
            break;
        }
        let minutes = passed.as_secs() / 60;
        if minutes > said {
            said = minutes;
            let memory = watched.memory.last().map_or(0, |(_, bytes)| bytes >> 20);
            println!("{minutes} min: {} updates, {memory} MB", watched.updates + watched.refused);
        }
        thread::sleep(pause);
    }
    Ok(watched)
}

fn scrape(envoy: &Envoy) -> Result<Scrape> {
    Ok(Scrape::read(&envoy.admin_get("/stats/prometheus")?))
}

fn await_policies(envoy: &Envoy, policies: usize) -> Result<()> {
    wait(envoy, &format!("load {policies} policies"), |envoy| {
        Ok(scrape(envoy)?.sum("gnomon_policies_loaded") == Some(policies as f64))
    })
}

/// Updates that Envoy refused, since the filter did.
fn rejected(envoy: &Envoy) -> Result<u64> {
    let stats = envoy.admin_get("/stats?filter=extension_config_discovery.*update_rejected")?;
    Ok(stats.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum())
}

fn wait(envoy: &Envoy, what: &str, done: impl Fn(&Envoy) -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done(envoy)? {
        if Instant::now() > deadline {
            let log = envoy.log();
            let tail: Vec<&str> = log.lines().rev().take(10).collect();
            return Err(Error::new(format!(
                "Envoy did not {what}; the end of its log, last first:\n{}",
                tail.join("\n")
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn judge(envoy: &Envoy, tally: &Tally, watched: &Watched, took: Duration) -> Result<()> {
    let scrape = scrape(envoy)?;
    let counted: f64 = scrape.names("gnomon_requests_").into_iter().filter_map(|name| scrape.sum(name)).sum();
    let errors = scrape.sum("gnomon_errors_total").unwrap_or(f64::NAN);
    let not_applied = scrape.sum("gnomon_config_not_applied_total").unwrap_or(f64::NAN);
    let rate = tally.requests as f64 / took.as_secs_f64();
    println!(
        "{} requests in {:.0} s on {CONNECTIONS} connections, {rate:.0} a second; {} updates taken, {} wrong ones refused",
        tally.requests,
        took.as_secs_f64(),
        watched.updates,
        watched.refused
    );
    println!("{} streams lived through updates, {HELD} at a time at most", watched.held);
    println!("answers altered: {}; connections failed: {}", tally.altered, tally.errors);
    println!("requests that the filter counted: {counted}; calls of its that failed: {errors}");
    let growth = growth(&watched.memory);
    let judged = if took >= STEADY { "" } else { " (too short a run to judge)" };
    if let (Some(first), Some(last)) = (watched.memory.first(), watched.memory.last()) {
        println!(
            "memory: {:.1} MB at first, {:.1} MB at last, {:+.1}% from the second quarter to the last{judged}",
            megabytes(first.1),
            megabytes(last.1),
            growth * 100.0
        );
    }

    let mut wrong: Vec<String> = Vec::new();
    if tally.requests == 0 {
        wrong.push("nothing was answered".into());
    }
    if tally.altered > 0 || tally.errors > 0 {
        wrong.push(format!(
            "the filter was in the way: {}",
            tally.first.as_deref().unwrap_or("it is not known how")
        ));
    }
    // What was under way at the end was perhaps counted and not waited for.
    if counted < tally.requests as f64
        || counted > (tally.requests + (2 * CONNECTIONS + watched.held) as u64) as f64
    {
        wrong.push("the filter did not see every request".into());
    }
    if errors != 0.0 {
        wrong.push("calls of the filter's failed".into());
    }
    if not_applied != 0.0 {
        wrong.push(format!("{not_applied} updates were not applied"));
    }
    if took >= STEADY && growth > 0.02 {
        wrong.push("memory grows".into());
    }
    // Envoy's words for a trap; a refused configuration is critical to it as well.
    let log = envoy.log();
    if let Some(line) =
        log.lines().find(|line| line.contains("Function: proxy_") || line.contains("Uncaught"))
    {
        wrong.push(format!("Envoy's log: {line}"));
    }
    match wrong.is_empty() {
        true => {
            println!("passed");
            Ok(())
        }
        false => Err(Error::new(wrong.join("; "))),
    }
}

/// From the second quarter of the run to the last, as a share. Means, since sets of several sizes come and go.
fn growth(memory: &[(f64, u64)]) -> f64 {
    let end = memory.last().map_or(0.0, |(time, _)| *time);
    let mean = |from: f64, to: f64| {
        let within = memory.iter().filter(|(time, _)| (from * end..=to * end).contains(time));
        let (sum, count) =
            within.fold((0.0, 0.0), |(sum, count), (_, bytes)| (sum + megabytes(*bytes), count + 1.0));
        sum / count
    };
    mean(0.75, 1.0) / mean(0.25, 0.5) - 1.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_seen() {
        let run = |bytes: fn(u64) -> u64| (0..100).map(|time| (time as f64, bytes(time))).collect::<Vec<_>>();
        assert!(growth(&run(|_| 100 << 20)).abs() < 1e-9);
        assert!(growth(&run(|time| (100 + time) << 20)) > 0.2);
        // It settles at first, and sizes alternate.
        assert!(growth(&run(|time| (if time < 10 { 90 } else { 100 + time % 3 }) << 20)).abs() < 0.02);
    }
}
