//! The filter's metrics.
//!
//! Envoy knows them as `wasmcustom.<name>`; Prometheus sees the bare names. They belong to the process, all worker
//! threads add to the same ones.
//!
//! | name | kind | |
//! |---|---|---|
//! | `gnomon_requests_<result>_total` | counter | requests by [`Comparison`]; their sum is all requests that came by |
//! | `gnomon_connections_<result>_total` | counter | the same for TCP connections |
//! | `gnomon_policy_requests_total` | counter | requests and connections by the candidate's policy and the result, as labels (below) |
//! | `gnomon_evaluation_microseconds` | histogram | what one evaluation takes, of every 64th |
//! | `gnomon_heartbeats_total` | counter | one every ten seconds from every worker's instance: fewer where one has died and its worker skips the filter |
//! | `gnomon_errors_total` | counter | calls to the proxy that failed |
//! | `gnomon_log_lines_dropped_total` | counter | lines beyond `report.linesPerSecond` |
//! | `gnomon_key_sets_fetched_total`, `gnomon_key_sets_failed_total` | counter | fetches of `jwksUri` |
//! | `gnomon_key_sets_missing` | gauge | addresses from which no key set has come yet |
//! | `gnomon_config_refused_total` | counter | configurations that were refused; the one before goes on |
//! | `gnomon_config_generation` | gauge | a number made from the configuration that was taken last: equal where it is equal |
//! | `gnomon_policies_loaded` | gauge | policies in it |
//!
//! # Labels
//!
//! `gnomon_policy` is the id that Envoy would report, or where no rule decided the stage in round brackets. Beyond
//! `report.policies` of them, all others count as `other`. `gnomon_result` is the comparison's.
//!
//! A proxy-wasm host has no labels: Envoy takes them out of a metric's name, by `stats_tags` of its bootstrap. There the
//! names are written so that the regular expressions which Istio makes for `extraStatTags: [gnomon_policy, gnomon_result]`
//! fit: `gnomon_policy=.=<id>;.;gnomon_result=.=<result>;.;gnomon_policy_requests_total`.

use crate::{
    compare::Comparison,
    host::{Host, MetricKind},
};
use alloc::{format, string::String, vec::Vec};
use core::cell::RefCell;
use gnomon_engine::slices::{self, Pace};

/// Counters without labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Calls that failed.
    Errors,
    /// Signs of life.
    Heartbeats,
    /// Lines that were too many.
    LinesDropped,
    /// Key sets that came.
    KeySetsFetched,
    /// Key sets that did not.
    KeySetsFailed,
    /// Configurations that were refused.
    ConfigRefused,
    /// Configurations that the proxy had taken, and that could not be put to work here.
    ConfigNotApplied,
}

/// Their names, in that order.
const COUNTERS: [&str; 7] = [
    "gnomon_errors_total",
    "gnomon_heartbeats_total",
    "gnomon_log_lines_dropped_total",
    "gnomon_key_sets_fetched_total",
    "gnomon_key_sets_failed_total",
    "gnomon_config_refused_total",
    "gnomon_config_not_applied_total",
];

/// What is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    ids: Ids,
    policies: RefCell<Policies>,
}

/// Ids of the metrics; `None` where the proxy would not define one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids {
    requests: [Option<u32>; Comparison::ALL.len()],
    connections: [Option<u32>; Comparison::ALL.len()],
    counters: [Option<u32>; COUNTERS.len()],
    time: Option<u32>,
    missing_key_sets: Option<u32>,
}

/// Counters by policy and result, made when they are first needed.
#[derive(Debug, Default)]
struct Policies {
    /// How many policies get their own.
    most: usize,
    /// By name.
    known: Vec<(String, [Option<u32>; Comparison::ALL.len()])>,
}

impl Metrics {
    /// Defines all of them; the proxy gives the same id for the same name. A counter that is there at 0 from the start
    /// shows its first event to whoever looks at increases. So many policies get counters of their own.
    pub fn define(host: &dyn Host, policies: usize) -> Metrics {
        let counter = |name: &str| host.define_metric(MetricKind::Counter, name).ok();
        let by_result =
            |what| Comparison::ALL.map(|result| counter(&format!("gnomon_{what}_{}_total", result.name())));
        let ids = Ids {
            requests: by_result("requests"),
            connections: by_result("connections"),
            counters: COUNTERS.map(counter),
            time: host.define_metric(MetricKind::Histogram, "gnomon_evaluation_microseconds").ok(),
            missing_key_sets: None,
        };
        Metrics::of(ids, policies)
    }

    /// Those of another thread, where all have the same ids.
    pub fn of(ids: Ids, policies: usize) -> Metrics {
        Metrics { ids, policies: RefCell::new(Policies { most: policies, known: Vec::new() }) }
    }

    /// For other threads.
    pub fn ids(&self) -> Ids {
        self.ids
    }

    /// Says what is loaded.
    pub fn loaded(&mut self, host: &dyn Host, policies: usize, generation: u32, key_sets: bool) {
        let gauge = |name: &str, value: u64| {
            let id = host.define_metric(MetricKind::Gauge, name).ok()?;
            let _lost = host.record_metric(id, value);
            Some(id)
        };
        gauge("gnomon_policies_loaded", policies as u64);
        gauge("gnomon_config_generation", u64::from(generation));
        self.ids.missing_key_sets = if key_sets { gauge("gnomon_key_sets_missing", 0) } else { None };
    }

    /// Counts one HTTP request, also for the policy that decided.
    pub fn request(&self, host: &dyn Host, result: Comparison, policy: Option<&str>) {
        increment(host, self.ids.requests.get(result.place()).copied().flatten(), 1);
        self.policy(host, result, policy);
    }

    /// Counts one TCP connection.
    pub fn connection(&self, host: &dyn Host, result: Comparison, policy: Option<&str>) {
        increment(host, self.ids.connections.get(result.place()).copied().flatten(), 1);
        self.policy(host, result, policy);
    }

    fn policy(&self, host: &dyn Host, result: Comparison, policy: Option<&str>) {
        let Some(policy) = policy else { return };
        let mut policies = self.policies.borrow_mut();
        if policies.most == 0 {
            return;
        }
        let full = policies.known.len() >= policies.most;
        let mut place = policies.known.iter().position(|(known, _)| known == policy);
        if place.is_none() && full {
            place = policies.known.iter().position(|(known, _)| known == OTHER);
        }
        let place = place.unwrap_or_else(|| {
            let name = if full { OTHER } else { policy };
            policies.known.push((name.into(), Default::default()));
            policies.known.len().saturating_sub(1)
        });
        let Some((name, ids)) = policies.known.get_mut(place) else { return };
        let Some(id) = ids.get_mut(result.place()) else { return };
        if id.is_none() {
            let labels = [("gnomon_policy", &**name), ("gnomon_result", result.name())];
            *id = host.define_labelled("gnomon_policy_requests_total", labels).ok();
        }
        increment(host, *id, 1);
    }

    /// Adds to a counter.
    pub fn add(&self, host: &dyn Host, counter: Counter, count: u32) {
        if count > 0 {
            increment(host, self.ids.counters.get(counter as usize).copied().flatten(), i64::from(count));
        }
    }

    /// What one evaluation took, in nanoseconds.
    pub fn took(&self, host: &dyn Host, time: u64) {
        if let Some(id) = self.ids.time {
            let _lost = host.record_metric(id, time / 1000);
        }
    }

    /// How many key sets have not come yet.
    pub fn missing_key_sets(&self, host: &dyn Host, count: u64) {
        if let Some(id) = self.ids.missing_key_sets {
            let _lost = host.record_metric(id, count);
        }
    }
}

/// Stands for all policies that get no counter of their own.
const OTHER: &str = "other";

fn increment(host: &dyn Host, id: Option<u32>, offset: i64) {
    if let Some(id) = id {
        let _lost = host.increment_metric(id, offset);
    }
}

/// FNV-1a of a configuration: the value of `gnomon_config_generation`.
pub async fn generation(configuration: &[u8], pace: &dyn Pace) -> u32 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let mut hash = 0x811c_9dc5;
    for part in configuration.chunks(4096) {
        slices::step(pace).await;
        hash = part.iter().fold(hash, mix);
    }
    hash
}
