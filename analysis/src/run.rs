//! Runs test suites. No input or output: suites and their policies come in read.

use crate::{Difference, differences, imported::Proxy};
use gnomon_engine::{
    Mesh, Plan, Workload,
    envoy::import::Imported,
    jwt::Crypto,
    prepare::Prepared,
    resource::Resources,
    verdict::{DryRun, Missing, Outcome, Report, Stage},
};
use gnomon_manifests::suite::{Case, LoadedSuite, Test};
use std::{collections::VecDeque, sync::Arc};

/// How many plans are kept at once. A suite goes over few workloads, mostly in turn.
const KEPT: usize = 32;

/// Runs the tests of one suite.
pub struct Runner<'a> {
    crypto: &'a dyn Crypto,
    now: i64,
    plans: VecDeque<Kept>,
    /// A proxy's own configuration in place of policies, and which listener of it.
    proxy: Option<(Arc<Imported>, Option<String>)>,
}

/// A plan and what it was made of.
struct Kept {
    resources: Arc<Resources>,
    workload: Arc<Workload>,
    mesh: Arc<Mesh>,
    plan: Arc<Plan>,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("now", &self.now)
            .field("plans", &self.plans.len())
            .finish_non_exhaustive()
    }
}

/// What came of one test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// One for each case, in order.
    pub cases: Vec<CaseResult>,
}

/// What came of one case.
#[derive(Clone, Debug)]
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
        Runner { crypto, now, plans: VecDeque::new(), proxy: None }
    }

    /// For a suite: its policies, or the proxy's configuration that it names in their place.
    pub fn of(suite: &LoadedSuite, crypto: &'a dyn Crypto, now: i64) -> Self {
        let proxy = suite.envoy_config.clone().map(|imported| (imported, suite.suite.listener.clone()));
        Runner { proxy, ..Runner::new(crypto, now) }
    }

    /// Runs a test against the policies of its suite and its own. The plan is kept as long as tests give the same
    /// `Arc`s or equal workloads and meshes.
    pub fn test(&mut self, test: &Test, resources: &Arc<Resources>) -> TestResult {
        if let Some((imported, listener)) = &self.proxy {
            let (workload, mesh) = (&*test.workload, &*test.mesh);
            let proxy = Proxy { imported, listener: listener.as_deref(), workload, mesh };
            let case = |case: &Case| {
                let report = proxy
                    .report(&case.request, self.now, self.crypto)
                    .unwrap_or_else(|why| undecided(why.to_string()));
                CaseResult { differences: differences(&case.expect, &report), report }
            };
            return TestResult { cases: test.cases.iter().map(case).collect() };
        }
        let plan = self.plan(resources, &test.workload, &test.mesh);
        TestResult { cases: test.cases.iter().map(|case| self.case(case, test, &plan)).collect() }
    }

    fn case(&self, case: &Case, test: &Test, plan: &Plan) -> CaseResult {
        let ready = Prepared::new(&case.request, plan.authenticator(), &test.workload, &test.mesh, self.now);
        // Finding the nearest miss is slow, so it is only looked for where somebody asks.
        let report = match case.expect.nearest {
            Some(_) => ready.explain(plan, self.crypto).report,
            None => ready.report(plan, self.crypto),
        };
        let differences = differences(&case.expect, &report);
        if differences.is_empty() {
            return CaseResult { report, differences };
        }
        CaseResult { report: ready.explain(plan, self.crypto).report, differences }
    }

    fn plan(&mut self, resources: &Arc<Resources>, workload: &Arc<Workload>, mesh: &Arc<Mesh>) -> Arc<Plan> {
        // Comparing the policies themselves would cost more than the plan.
        let same = |kept: &&Kept| {
            Arc::ptr_eq(&kept.resources, resources) && kept.workload == *workload && kept.mesh == *mesh
        };
        if let Some(kept) = self.plans.iter().find(same) {
            return kept.plan.clone();
        }
        let plan = Arc::new(Plan::build(resources, workload, mesh));
        if self.plans.len() == KEPT {
            self.plans.pop_front();
        }
        self.plans.push_back(Kept {
            resources: resources.clone(),
            workload: workload.clone(),
            mesh: mesh.clone(),
            plan: plan.clone(),
        });
        plan
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
