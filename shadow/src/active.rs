//! A configuration at work: what decides, and what reports.

use crate::{
    cache::Cache,
    config::Settings,
    host::Host,
    key_sets::KeySets,
    limits::Limits,
    metrics::{Counter, Metrics},
    peers::Peers,
    preparation::Ready,
};
use alloc::{format, rc::Rc};
use core::cell::Cell;
use gnomon_engine::{Plan, jwt::Passed};

/// One evaluation of so many is timed.
const TIMED: u32 = 64;

/// What decides.
#[derive(Debug)]
pub struct Active {
    /// The candidate.
    pub plan: Plan,
    /// What it is compared with, where that is not what the proxy enforces.
    pub baseline: Option<Plan>,
    /// Tokens that have passed.
    pub tokens: Cache<Passed>,
    /// Certificates that have been read.
    pub peers: Peers,
    /// Key sets that are fetched.
    pub key_sets: KeySets,
    /// What reports.
    pub reporter: Rc<Reporter>,
    /// Evaluations since one was timed.
    untimed: Cell<u32>,
}

/// What reports: all that a stream keeps of a configuration once it has been decided on.
#[derive(Debug)]
pub struct Reporter {
    /// How to evaluate and what to write.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// How many lines may still be written.
    pub limits: Rc<Limits>,
    /// Lines logged so far, as shares: a line is written whenever the sum passes a whole number.
    share: Cell<f64>,
}

impl Active {
    /// Puts a configuration to work, in the place of an earlier one.
    pub fn new(host: &dyn Host, ready: Ready, earlier: Option<&Active>) -> Active {
        let Ready { plan, baseline, settings, policies, generation } = ready;
        let key_sets =
            KeySets::of([Some(&plan), baseline.as_ref()].into_iter().flatten(), &settings.key_sets);
        if let Some(earlier) = earlier {
            key_sets.inherit(&earlier.key_sets);
        }
        let mut metrics = Metrics::define(host, settings.report.policies);
        metrics.loaded(host, policies, generation, !key_sets.is_empty());
        let line = format!("gnomon: {policies} policies loaded, evaluating for {}", settings.workload);
        host.log(crate::host::Level::Info, &line);
        let limits = earlier.map_or_else(Rc::default, |earlier| earlier.reporter.limits.clone());
        Active {
            plan,
            baseline,
            tokens: Cache::default(),
            peers: Peers::default(),
            key_sets,
            reporter: Rc::new(Reporter { settings, metrics, limits, share: Cell::new(0.0) }),
            untimed: Cell::new(0),
        }
    }

    /// Sends for key sets that are due.
    pub fn fetch(&self, host: &dyn Host) {
        if self.key_sets.is_empty() {
            return;
        }
        match host.now() {
            Ok(now) => {
                let Reporter { metrics, settings, .. } = &*self.reporter;
                self.key_sets.fetch(host, metrics, &settings.key_sets, now / 1_000_000_000);
            }
            Err(_) => self.reporter.metrics.add(host, Counter::Errors, 1),
        }
    }

    /// A call has been answered.
    pub fn answered(&self, host: &dyn Host, call: u32, body: Option<&[u8]>) {
        let Reporter { metrics, settings, .. } = &*self.reporter;
        self.key_sets.answered(host, metrics, &settings.key_sets, call, body);
    }

    /// Whether this evaluation is to be timed.
    pub fn is_timed(&self) -> bool {
        let count = self.untimed.get().wrapping_add(1);
        self.untimed.set(count % TIMED);
        count == TIMED
    }

    /// Forgets up to so many of its rules. False: none are left.
    pub fn forget(&mut self, most: usize) -> bool {
        let baseline = self.baseline.as_mut().is_some_and(|plan| plan.forget(most));
        self.plan.forget(most) || baseline
    }
}

impl Reporter {
    /// Is it this line's turn, where only a share of them is written?
    pub fn is_sampled(&self) -> bool {
        let share = self.share.get() + self.settings.report.sample;
        // A share of a third three times is a little less than one.
        let due = share >= 1.0 - 1e-9;
        self.share.set(if due { share - 1.0 } else { share });
        due
    }
}
