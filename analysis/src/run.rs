//! Runs test suites. No input or output: suites and their policies come in read.

use crate::{Difference, Evaluator, Plans, differences, imported::Proxy};
use gnomon_engine::{
    jwt::Crypto,
    resource::Resources,
    verdict::{DryRun, Missing, Outcome, Report, Stage},
};
use gnomon_envoy_config::import::Imported;
use gnomon_manifests::suite::{Case, LoadedSuite, Test};
use std::sync::Arc;

/// Runs the tests of one suite.
pub struct Runner<'a> {
    crypto: &'a dyn Crypto,
    now: i64,
    plans: Plans,
    /// A proxy's own configuration in place of policies, and which listener of it.
    proxy: Option<(Arc<Imported>, Option<String>)>,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What came of one test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestResult {
    /// One for each case, in order.
    pub cases: Vec<CaseResult>,
}

/// What came of one case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseResult {
    /// The verdict.
    pub report: Report,
    /// What is not as expected; empty: passed.
    pub differences: Vec<Difference>,
}

impl CaseResult {
    /// All that the test names is as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl<'a> Runner<'a> {
    /// `now` is the clock of requests without `time`, in seconds since 1970.
    pub fn new(crypto: &'a dyn Crypto, now: i64) -> Self {
        Runner { crypto, now, plans: Plans::default(), proxy: None }
    }

    /// For a suite: its policies, or the proxy's configuration that it names in their place.
    pub fn of(suite: &LoadedSuite, crypto: &'a dyn Crypto, now: i64) -> Self {
        let proxy = suite.envoy_config.clone().map(|imported| (imported, suite.suite.listener.clone()));
        Runner { proxy, ..Runner::new(crypto, now) }
    }

    /// Runs a test against the policies of its suite and its own, or the proxy's configuration. A plan is used again as
    /// long as tests give the same `Arc` of policies and equal workloads and meshes.
    pub fn test(&mut self, test: &Test, resources: &Arc<Resources>) -> TestResult {
        let (workload, mesh) = (&*test.workload, &*test.mesh);
        if let Some((imported, listener)) = &self.proxy {
            let proxy = Proxy { imported, listener: listener.as_deref(), workload, mesh };
            return self.ask(test, Evaluator::Loaded(proxy));
        }
        let planned = self.plans.plan(resources, &test.workload, &test.mesh);
        self.ask(test, planned.evaluator())
    }

    fn ask(&self, test: &Test, evaluator: Evaluator<'_>) -> TestResult {
        TestResult { cases: test.cases.iter().map(|case| self.case(case, evaluator)).collect() }
    }

    fn case(&self, case: &Case, evaluator: Evaluator<'_>) -> CaseResult {
        let explained =
            || evaluator.explain(&case.request, self.now, self.crypto).map(|explanation| explanation.report);
        // Finding the nearest miss is slow, so it is only looked for where somebody asks.
        let report = match case.expect.nearest {
            Some(_) => explained(),
            None => evaluator.report(&case.request, self.now, self.crypto),
        };
        let report = report.unwrap_or_else(|why| undecided(why.to_string()));
        let differences = differences(&case.expect, &report);
        if differences.is_empty() {
            return CaseResult { report, differences };
        }
        CaseResult { report: explained().unwrap_or_else(|why| undecided(why.to_string())), differences }
    }
}

/// Which of a proxy's filter chains is meant cannot be told.
fn undecided(why: String) -> Report {
    Report {
        verdict: Outcome::Unknown,
        status: None,
        stage: Stage::None,
        details: None,
        policy: None,
        location: None,
        reason: why,
        dry_run: DryRun::default(),
        audit: false,
        missing: vec![Missing::Listener],
        nearest: None,
        without_token: false,
    }
}
