//! The filter's metrics.
//!
//! Envoy knows them as `wasmcustom.<name>`; Prometheus sees the bare names. They belong to the process, all worker
//! threads add to the same ones. A `stats_tags` entry with the regular expression
//! `^wasmcustom\.gnomon_(?:requests|connections)(_(agree|would_deny|would_allow|would_deny_differently|unknown|skipped))_total$`
//! turns the six counters into `gnomon_requests_total` with a label.
//!
//! | name | kind | |
//! |---|---|---|
//! | `gnomon_requests_<result>_total` | counter | requests by [`Comparison`]; their sum is all requests that came by, so that a filter which the proxy skips shows as a sum that stands still |
//! | `gnomon_connections_<result>_total` | counter | the same for TCP connections |
//! | `gnomon_errors_total` | counter | calls to the proxy that failed |
//! | `gnomon_policies_loaded` | gauge | policies in the configuration that was taken last |
//! | `gnomon_config_generation` | gauge | a number made from that configuration: equal where it is equal |

use crate::{
    compare::Comparison,
    host::{Host, MetricKind},
};
use alloc::format;

/// Ids of the metrics; `None` where the proxy would not define one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics {
    requests: [Option<u32>; Comparison::ALL.len()],
    errors: Option<u32>,
}

impl Metrics {
    /// Defines all of them; the proxy gives the same id for the same name.
    pub fn define(host: &dyn Host) -> Metrics {
        let counter = |name: &str| host.define_metric(MetricKind::Counter, name).ok();
        Metrics {
            requests: Comparison::ALL
                .map(|result| counter(&format!("gnomon_requests_{}_total", result.name()))),
            errors: counter("gnomon_errors_total"),
        }
    }

    /// Says what is loaded.
    pub fn loaded(&self, host: &dyn Host, policies: usize, generation: u32) {
        let gauges = [
            ("gnomon_policies_loaded", policies as u64),
            ("gnomon_config_generation", u64::from(generation)),
        ];
        for (name, value) in gauges {
            if let Ok(id) = host.define_metric(MetricKind::Gauge, name) {
                let _lost = host.record_metric(id, value);
            }
        }
    }

    /// Counts one HTTP request.
    pub fn request(&self, host: &dyn Host, result: Comparison) {
        add(host, nth(&self.requests, result), 1);
    }

    /// Counts one TCP connection. The counter is looked up by its name: there are fewer connections than requests,
    /// and most proxies have none.
    pub fn connection(&self, host: &dyn Host, result: Comparison) {
        let name = format!("gnomon_connections_{}_total", result.name());
        add(host, host.define_metric(MetricKind::Counter, &name).ok(), 1);
    }

    /// Counts failed calls.
    pub fn errors(&self, host: &dyn Host, failures: u32) {
        if failures > 0 {
            add(host, self.errors, i64::from(failures));
        }
    }
}

fn nth(ids: &[Option<u32>], result: Comparison) -> Option<u32> {
    let place = Comparison::ALL.iter().position(|other| *other == result)?;
    ids.get(place).copied().flatten()
}

fn add(host: &dyn Host, id: Option<u32>, offset: i64) {
    if let Some(id) = id {
        let _lost = host.increment_metric(id, offset);
    }
}

/// FNV-1a of a configuration: the value of `gnomon_config_generation`.
pub fn generation(configuration: &[u8]) -> u32 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    configuration.iter().fold(0x811c_9dc5, mix)
}
