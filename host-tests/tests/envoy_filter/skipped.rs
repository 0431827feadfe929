//! A worker whose instance has died: what the proxy then does, and how it shows.

use super::*;
use gnomon_host_tests::metrics::Scrape;
use std::{fs, path::PathBuf};

/// An unsigned number of a module (LEB128).
fn number(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// So many bytes that begin with their number.
fn counted<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = number(bytes);
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

/// How many of the imports are functions. The filter imports nothing else.
fn imported_functions(mut section: &[u8]) -> usize {
    let count = number(&mut section);
    for _ in 0..count {
        counted(&mut section);
        counted(&mut section);
        let (kind, rest) = section.split_first().unwrap();
        assert_eq!(*kind, 0, "an import that is no function");
        section = rest;
        number(&mut section);
    }
    count
}

/// The index of an exported function.
fn exported(mut section: &[u8], name: &str) -> usize {
    for _ in 0..number(&mut section) {
        let found = counted(&mut section) == name.as_bytes();
        let (kind, rest) = section.split_first().unwrap();
        section = rest;
        let index = number(&mut section);
        if found {
            assert_eq!(*kind, 0, "{name} is a function");
            return index;
        }
    }
    panic!("no export {name}")
}

const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// The module with this function's body in place: a trap.
fn trapping(module: &[u8], export: &str) -> Vec<u8> {
    let (head, mut rest) = module.split_at(8);
    let (mut out, mut imports, mut index) = (head.to_vec(), 0, None);
    while let Some((id, tail)) = rest.split_first() {
        rest = tail;
        let section = counted(&mut rest);
        let mut written = section.to_vec();
        match *id {
            IMPORTS => imports = imported_functions(section),
            EXPORTS => index = Some(exported(section, export)),
            CODE => {
                let (mut bodies, own) = (section, index.unwrap() - imports);
                let count = number(&mut bodies);
                written = leb(count);
                for place in 0..count {
                    let body = counted(&mut bodies);
                    // No locals, `unreachable`, `end`.
                    let body = if place == own { &[0, 0, 0x0b] } else { body };
                    written.extend(leb(body.len()));
                    written.extend(body);
                }
            }
            _ => {}
        }
        out.push(*id);
        out.extend(leb(written.len()));
        out.extend(written);
    }
    out
}

/// A module that is deleted at the end.
struct Broken(PathBuf);

impl Drop for Broken {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn heartbeats(envoy: &Envoy) -> f64 {
    Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap()).sum("gnomon_heartbeats_total").unwrap_or(0.0)
}

#[test]
fn a_worker_that_skips_the_filter_shows_by_its_heartbeats() {
    if is_module() {
        return;
    }
    let wasm = filter::wasm().unwrap();
    let broken = Broken(std::env::temp_dir().join(format!("gnomon-broken-{}.wasm", std::process::id())));
    fs::write(&broken.0, trapping(&fs::read(&wasm).unwrap(), "proxy_on_request_headers")).unwrap();
    let start = |module: &PathBuf| {
        let configuration = json!({"candidate": {"resources": [deny_paths("no", &["/no"])]}});
        let listener = Listener::http("web", vec![filter::http_filter(module, &configuration)]);
        Envoy::start(&Bootstrap::new(&workload(), vec![listener])).unwrap()
    };
    let (well, ill) = (start(&wasm), start(&broken.0));
    for envoy in [&well, &ill] {
        until("both instances have begun", envoy, || (heartbeats(envoy) >= 2.0).then_some(()));
    }
    let ask =
        |envoy: &Envoy, case: &str| sent(envoy, &Dial::plain(to(envoy, "web")), &get("/no", case), case);
    for case in ["first", "second", "third"] {
        let (code, _, state) = ask(&well, case);
        assert_eq!((code, &state["result"]), (200, &json!("would_deny")), "{case}");
    }
    // One request pays; then all pass by the filter, and nothing is evaluated.
    for (case, expected) in [("first", 503), ("second", 200), ("third", 200)] {
        let (code, details, state) = ask(&ill, case);
        assert_eq!((code, &state), (expected, &Value::Null), "{case}: {details}");
    }
    let scrape = Scrape::read(&ill.admin_get("/stats/prometheus").unwrap());
    assert_eq!(scrape.sum("gnomon_requests_would_deny_total").unwrap_or(0.0), 0.0);
    let log = ill.log();
    let told = log.lines().find(|line| line.contains("[wasm]") && line.contains("proxy_on_request_headers"));
    assert!(told.is_some(), "{log}");

    // The condition of the alert GnomonFilterSkipped, with what is well as what was an hour ago.
    let alert = include_str!("../../../examples/observability/rules.yaml");
    assert!(alert.contains("sum by (namespace, pod) (rate(gnomon_heartbeats_total[5m]))\n        < 0.9 *"));
    let before = (heartbeats(&well), heartbeats(&ill));
    let deadline = Instant::now() + Duration::from_secs(300);
    while heartbeats(&well) < before.0 + 6.0 {
        assert!(Instant::now() < deadline, "no heartbeats\n{}", well.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    let (lives, ails) = (heartbeats(&well) - before.0, heartbeats(&ill) - before.1);
    assert!(ails < 0.9 * lives, "{ails} heartbeats, and {lives} of a proxy that is well");
    assert!(ails > 0.0, "the main thread's instance goes on");
}
