//! Which parts of policies the tests hold: each value, condition and rule is changed in turn, and where no test notices
//! there is either a request that would have (from the exact comparison, confirmed by the engine), or a proof that there
//! is none.

mod mutants;

use crate::{
    Evaluator,
    diff::{self, State},
    differences,
};
use gnomon_engine::{
    Mesh, Plan, Workload,
    attach::attach,
    jwt::Crypto,
    node::Position,
    prepare::RequestSpec,
    resource::{AuthorizationPolicy, Resources},
};
use gnomon_manifests::suite::{Case, LoadedSuite};
use gnomon_symbolic::Limits;
use mutants::Mutant;
use std::{collections::BTreeMap, ptr, sync::Arc};

/// What became of a change of a policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// A test noticed.
    Noticed,
    /// No test noticed; this request would have.
    Missed(Box<RequestSpec>),
    /// No request fares otherwise: it cannot be tested.
    Equivalent,
    /// No test is about a workload that the policy applies to.
    Unreached,
    /// No test noticed, and whether a request would have cannot be told, for this reason.
    Undecided(String),
}

/// A change of a policy, and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tried {
    /// The policy's file.
    pub file: Arc<str>,
    /// Where the part stands that is changed.
    pub at: Position,
    /// `namespace/name`.
    pub policy: String,
    /// The change in words: `without the value GET`.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
}

/// All changes, in the order of the files, then of the text.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Coverage {
    /// Each with its fate.
    pub tried: Vec<Tried>,
}

impl Coverage {
    /// How many changes there are that a test could notice, and how many one does.
    pub fn counts(&self) -> (usize, usize) {
        let testable = self.tried.iter().filter(|tried| !matches!(tried.fate, Fate::Equivalent));
        let noticed = self.tried.iter().filter(|tried| matches!(tried.fate, Fate::Noticed));
        (testable.count(), noticed.count())
    }

    /// Of a hundred; all of them where there is nothing to notice.
    pub fn percent(&self) -> f64 {
        let (testable, noticed) = self.counts();
        let share = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
        if testable == 0 { 100.0 } else { 100.0 * share(noticed) / share(testable) }
    }
}

type Key = (Arc<str>, Position, String, String);

/// Tries every change of every policy that the suites name. Suites on what a proxy has loaded are passed over.
pub fn measure(suites: &[LoadedSuite], now: i64, crypto: &dyn Crypto) -> Coverage {
    let mut fates: BTreeMap<Key, Fate> = BTreeMap::new();
    let mut left: Vec<(Key, Situation<'_>, usize, Mutant)> = Vec::new();
    for suite in suites.iter().filter(|suite| suite.envoy_config.is_none()) {
        for situation in situations(suite) {
            let asked = situation.asked(now, crypto);
            let reached = attach(situation.resources, situation.workload, situation.mesh).authorization;
            let mut changed = situation.resources.clone();
            for (index, policy) in situation.resources.authorization.iter().enumerate() {
                let applies = reached.iter().any(|reached| ptr::eq(*reached, policy));
                for mutant in mutants::of(policy) {
                    let key = key(policy, &mutant);
                    if matches!(fates.get(&key), Some(Fate::Noticed)) {
                        continue;
                    }
                    if !applies {
                        fates.entry(key).or_insert(Fate::Unreached);
                        continue;
                    }
                    if let Some(place) = changed.authorization.get_mut(index) {
                        *place = mutant.apply(policy);
                    }
                    match situation.notices(&changed, &asked, now, crypto) {
                        true => _ = fates.insert(key, Fate::Noticed),
                        false => {
                            fates.entry(key.clone()).or_insert(Fate::Unreached);
                            left.push((key, situation, index, mutant));
                        }
                    }
                }
                if let Some(place) = changed.authorization.get_mut(index) {
                    *place = policy.clone();
                }
            }
        }
    }
    for (key, situation, index, mutant) in left {
        // A request is known already, or another workload's tests notice.
        if matches!(fates.get(&key), Some(Fate::Noticed | Fate::Missed(_))) {
            continue;
        }
        let fate = match (situation.would_notice(index, &mutant, now, crypto), fates.get(&key)) {
            // Equivalent only where it is so for every workload that was asked about.
            (Fate::Equivalent, Some(Fate::Undecided(why))) => Fate::Undecided(why.clone()),
            (fate, _) => fate,
        };
        fates.insert(key, fate);
    }
    let tried = fates.into_iter();
    Coverage {
        tried: tried.map(|((file, at, policy, what), fate)| Tried { file, at, policy, what, fate }).collect(),
    }
}

fn key(policy: &AuthorizationPolicy, mutant: &Mutant) -> Key {
    let name = format!("{}/{}", policy.meta.namespace, policy.meta.name);
    (policy.meta.file.clone(), mutant.at, name, mutant.what.clone())
}

/// Policies, a workload and a mesh with the cases about them.
#[derive(Clone, Copy, Debug)]
struct Situation<'s> {
    suite: &'s LoadedSuite,
    resources: &'s Resources,
    workload: &'s Workload,
    mesh: &'s Mesh,
}

/// Each once.
fn situations(suite: &LoadedSuite) -> Vec<Situation<'_>> {
    let mut found: Vec<Situation<'_>> = Vec::new();
    for (test, resources) in suite.suite.tests.iter().zip(&suite.resources) {
        let one = Situation { suite, resources, workload: &test.workload, mesh: &test.mesh };
        if !found.iter().any(|other| other.is(&one)) {
            found.push(one);
        }
    }
    found
}

impl<'s> Situation<'s> {
    fn is(&self, other: &Situation<'_>) -> bool {
        ptr::eq(self.resources, other.resources) && self.workload == other.workload && self.mesh == other.mesh
    }

    /// The cases about it that pass.
    fn asked(&self, now: i64, crypto: &dyn Crypto) -> Vec<&'s Case> {
        let plan = Plan::build(self.resources, self.workload, self.mesh);
        let tests = self.suite.suite.tests.iter().zip(&self.suite.resources);
        let own = tests.filter(|(test, resources)| {
            self.is(&Situation { suite: self.suite, resources, workload: &test.workload, mesh: &test.mesh })
        });
        own.flat_map(|(test, _)| &test.cases).filter(|case| self.passes(&plan, case, now, crypto)).collect()
    }

    fn passes(&self, plan: &Plan, case: &Case, now: i64, crypto: &dyn Crypto) -> bool {
        let evaluator = Evaluator::Policies { plan, workload: self.workload, mesh: self.mesh };
        // Finding the nearest miss is slow, so it is only looked for where somebody asks.
        let report = match case.expect.nearest {
            Some(_) => evaluator.explain(&case.request, now, crypto).map(|explanation| explanation.report),
            None => evaluator.report(&case.request, now, crypto),
        };
        report.is_ok_and(|report| differences(&case.expect, &report).is_empty())
    }

    fn notices(&self, changed: &Resources, asked: &[&Case], now: i64, crypto: &dyn Crypto) -> bool {
        let plan = Plan::build(changed, self.workload, self.mesh);
        !asked.iter().all(|case| self.passes(&plan, case, now, crypto))
    }

    /// Whether any request would have noticed.
    fn would_notice(&self, index: usize, mutant: &Mutant, now: i64, crypto: &dyn Crypto) -> Fate {
        let mut changed = self.resources.clone();
        if let Some(policy) = changed.authorization.get_mut(index) {
            *policy = mutant.apply(policy);
        }
        let state = |resources| State { resources, workload: self.workload, mesh: self.mesh };
        match diff::of_workload(state(self.resources), state(&changed), now, crypto, Limits::default()) {
            Ok(changes) => {
                let witnesses = [changes.newly_allowed, changes.newly_denied, changes.newly_undecided];
                match witnesses.into_iter().flatten().next() {
                    Some(witness) => Fate::Missed(Box::new(witness.request)),
                    None => Fate::Equivalent,
                }
            }
            Err(why) => Fate::Undecided(why.to_string()),
        }
    }
}
