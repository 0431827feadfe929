//! A Prometheus text scrape, read.

use crate::{Envoy, Result};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// How long counters by policy may be behind.
const BEHIND: Duration = Duration::from_secs(5);

/// The samples of one scrape: `name{labels}` to value.
#[derive(Clone, Debug, Default)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// What Envoy shows when every request that was counted by its result is counted by its policy as well: of that the
    /// native module tells Envoy once a second. After five it is what it is.
    pub fn complete(envoy: &Envoy) -> Result<Scrape> {
        let start = Instant::now();
        loop {
            let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus")?);
            let results = scrape.names("gnomon_requests_").into_iter();
            let results = results.filter(|name| *name != "gnomon_requests_skipped_total");
            let requests: f64 = results.filter_map(|name| scrape.sum(name)).sum();
            let told = scrape.sum("gnomon_policy_requests_total").unwrap_or(0.0);
            if told >= requests || start.elapsed() > BEHIND {
                return Ok(scrape);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Reads the text format; what is no sample is passed over.
    pub fn read(text: &str) -> Scrape {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Scrape(samples.collect())
    }

    /// The sum over all series of this name.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let mut values =
            self.0.iter().filter(|(series, _)| self::name(series) == name).map(|(_, value)| value);
        let first = *values.next()?;
        Some(values.fold(first, |sum, value| sum + value))
    }

    /// The names that begin so, each once.
    pub fn names(&self, prefix: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.0.keys().map(|series| name(series)).filter(|name| name.starts_with(prefix)).collect();
        names.dedup();
        names
    }

    /// The labels of all series of this name: `{a="b"}` without the brackets.
    pub fn labels(&self, of: &str) -> Vec<&str> {
        let series = self.0.keys().filter(|series| name(series) == of);
        series.filter_map(|series| series.split_once('{')?.1.strip_suffix('}')).collect()
    }
}

fn name(series: &str) -> &str {
    series.split_once('{').map_or(series, |(name, _)| name)
}
