//! Forms of RBAC that others than Istio write, as sides of a comparison: random pairs, and every request of a small
//! alphabet put to the evaluation of both.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_analysis::{
    diff::{Changes, Problem, of_workload},
    imported::Proxy,
};
use gnomon_engine::{Mesh, Node, Workload, jwt::SoftwareCrypto, prepare::RequestSpec, verdict::Outcome};
use gnomon_envoy_config::import::Imported;
use gnomon_oracle::{
    others::{AUTHORITIES, LINES, METHODS, TARGETS, matchers, routes, texts},
    tape::{Tape, choices},
};
use serde_json::{Value, json};
use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

const NOW: i64 = 1_795_000_000;
/// More than a pair of configurations takes.
const CHOICES: usize = 1_000;

fn import(document: &Value) -> Imported {
    let node: Node = serde_json::from_value(document.clone()).unwrap();
    Imported::read(&node, &Arc::from("loaded.json"))
}

/// The chain ends TLS: a matcher that asks for a certificate stops where there is none.
fn with_tls(mut listener: Value) -> Value {
    listener["filterChains"][0]["transportSocket"] = json!({ "name": "tls", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    }});
    listener
}

fn between(old: &Imported, new: &Imported) -> Result<Changes, Problem> {
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    let proxy = |imported| Proxy { imported, listener: None, workload, mesh };
    of_workload(proxy(old), proxy(new), NOW, &SoftwareCrypto, Default::default())
}

/// Requests that the random configurations can tell apart.
fn requests() -> Vec<RequestSpec> {
    let principals = [
        None,
        Some("td/ns/a/sa/b"),
        Some("td/ns/a/dc/d/svc/web"),
        Some("td/ns/a/dc/e/svc/api"),
        Some("td/x"),
    ];
    let mut all = Vec::new();
    for method in METHODS {
        for path in TARGETS {
            for host in AUTHORITIES {
                for headers in LINES {
                    for principal in principals {
                        for ip in ["10.0.0.1", "192.168.0.1"] {
                            let ip: IpAddr = ip.parse().unwrap();
                            all.push(RequestSpec {
                                method: method.into(),
                                path: path.into(),
                                host: Some(host.into()),
                                headers: headers
                                    .iter()
                                    .map(|(name, value)| ((*name).into(), (*value).into()))
                                    .collect(),
                                principal: principal.map(Into::into),
                                source_ip: Some(ip),
                                remote_ip: Some(ip),
                                destination_ip: Some("10.9.9.9".parse().unwrap()),
                                destination_port: Some(80),
                                sni: principal.map(|_| "s.test".into()),
                                ..RequestSpec::default()
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

/// Pairs of what `make` draws: a difference is found exactly where one of the requests shows one, or another that the
/// comparison has found and both evaluations confirm.
fn compare(seeds: RangeInclusive<u64>, make: impl Fn(&mut Tape<'_>) -> Value) {
    let pairs = seeds.end() - seeds.start() + 1;
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    let requests = requests();
    let verdicts = |imported: &Imported, requests: &[&RequestSpec]| -> Vec<Outcome> {
        let proxy = Proxy { imported, listener: None, workload, mesh };
        requests.iter().map(|spec| proxy.report(spec, NOW, &SoftwareCrypto).unwrap().verdict).collect()
    };
    let (mut different, mut equivalent, mut beyond, mut seen) = (0, 0, 0, [0; 2]);
    for seed in seeds {
        let mut chosen = choices(seed, CHOICES);
        let mut tape = Tape::new(&chosen);
        let old = make(&mut tape);
        // Another one, or the same with a single choice made otherwise.
        let new = match seed % 3 {
            0 => make(&mut tape),
            _ => {
                let other = usize::try_from(seed * 7).unwrap() % 60;
                chosen[other] = chosen[other].wrapping_add(1);
                make(&mut Tape::new(&chosen))
            }
        };
        let told = || format!("seed {seed}\n{old:#}\n{new:#}");
        let (before, after) = (import(&old), import(&new));
        assert!(before.findings.is_empty() && after.findings.is_empty(), "{:?}\n{}", before.findings, told());
        let changes = match between(&before, &after) {
            Ok(changes) => changes,
            Err(why) => {
                assert!(why.to_string().contains("alternatives"), "{why}\n{}", told());
                beyond += 1;
                continue;
            }
        };
        // Every eighth request of all, others for each pair.
        let chosen: Vec<&RequestSpec> =
            requests.iter().skip(usize::try_from(seed % 8).unwrap()).step_by(8).collect();
        let (was, is) = (verdicts(&before, &chosen), verdicts(&after, &chosen));
        for ((spec, was), is) in chosen.into_iter().zip(was).zip(is) {
            let found = match (was, is) {
                (Outcome::Deny, Outcome::Allow) => &changes.newly_allowed,
                (Outcome::Allow, Outcome::Deny) => &changes.newly_denied,
                (a, b) => {
                    assert!(a == b && a != Outcome::Unknown, "{spec:?}\n{}", told());
                    seen[usize::from(a == Outcome::Allow)] += 1;
                    continue;
                }
            };
            assert!(found.is_some(), "not found: {spec:?}\n{}", told());
        }
        match changes.is_equivalent() {
            true => equivalent += 1,
            false => different += 1,
        }
    }
    println!(
        "{different} different, {equivalent} equivalent, {beyond} beyond; {seen:?} requests denied, allowed"
    );
    assert!(
        different * 4 > pairs
            && equivalent * 20 > pairs
            && beyond * 8 < pairs
            && seen.iter().all(|seen| *seen > 0)
    );
}

#[test]
fn rbac_by_matchers() {
    compare(1..=60, |tape| with_tls(matchers(tape)));
}

#[test]
fn texts_that_are_compared_otherwise() {
    compare(1..=60, texts);
}

#[test]
fn rbac_by_routes() {
    compare(1..=60, |tape| with_tls(routes(tape)));
}

#[test]
#[ignore = "takes minutes"]
fn many_more() {
    compare(1_000..=4_000, |tape| with_tls(matchers(tape)));
    compare(1_000..=4_000, texts);
    compare(1_000..=4_000, |tape| with_tls(routes(tape)));
}
