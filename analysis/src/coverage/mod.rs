//! Which parts of policies the tests hold: each value, condition and rule is changed in turn, and where no test notices
//! there is either a request that would have (from the exact comparison, confirmed by the engine), or a proof that there
//! is none.

mod mutants;

use crate::{
    diff::{KINDS, Source, State, witness},
    differences,
};
use gnomon_engine::{
    Mesh, Plan, Workload,
    attach::attach,
    jwt::Crypto,
    node::Position,
    prepare::{Prepared, RequestSpec},
    resource::{AuthorizationPolicy, Resources},
};
use gnomon_manifests::{
    parallel::each,
    suite::{Case, LoadedSuite},
};
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

/// Tries every change of every policy that the suites name, on all cores. Suites on what a proxy has loaded are passed
/// over.
pub fn measure(suites: &[LoadedSuite], now: i64, crypto: &(dyn Crypto + Sync)) -> Coverage {
    let mut fates: BTreeMap<Key, Fate> = BTreeMap::new();
    let mut left: BTreeMap<Key, Vec<(Situation<'_>, usize, Mutant)>> = BTreeMap::new();
    for suite in suites.iter().filter(|suite| suite.envoy_config.is_none()) {
        for situation in situations(suite) {
            let plan = Plan::build(situation.resources, situation.workload, situation.mesh);
            let asked = situation.asked(&plan, now, crypto);
            let reached = attach(situation.resources, situation.workload, situation.mesh).authorization;
            let mut tries: Vec<(Key, usize, Mutant)> = Vec::new();
            for (index, policy) in situation.resources.authorization.iter().enumerate() {
                let applies = reached.iter().any(|reached| ptr::eq(*reached, policy));
                for mutant in mutants::of(policy) {
                    let key = key(policy, &mutant);
                    if matches!(fates.get(&key), Some(Fate::Noticed)) {
                        continue;
                    }
                    match applies {
                        true => tries.push((key, index, mutant)),
                        false => _ = fates.entry(key).or_insert(Fate::Unreached),
                    }
                }
            }
            let noticed =
                each(&tries, |(_, index, mutant)| situation.notices(*index, mutant, &asked, crypto));
            for ((key, index, mutant), noticed) in tries.into_iter().zip(noticed) {
                match noticed {
                    true => _ = fates.insert(key, Fate::Noticed),
                    false => {
                        fates.entry(key.clone()).or_insert(Fate::Unreached);
                        left.entry(key).or_default().push((situation, index, mutant));
                    }
                }
            }
        }
    }
    // Another workload's tests may notice.
    left.retain(|key, _| !matches!(fates.get(key), Some(Fate::Noticed)));
    let left: Vec<_> = left.into_iter().collect();
    let found = each(&left, |(_, tries)| {
        let mut found = Fate::Equivalent;
        for (situation, index, mutant) in tries {
            match situation.would_notice(*index, mutant, now, crypto) {
                // One request is enough.
                fate @ Fate::Missed(_) => return fate,
                // Equivalent only where it is so for every workload that was asked about.
                Fate::Equivalent => {}
                fate => found = fate,
            }
        }
        found
    });
    fates.extend(left.into_iter().map(|(key, _)| key).zip(found));
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

/// A case, made ready once for all changes.
#[derive(Debug)]
struct Asked<'s> {
    case: &'s Case,
    prepared: Prepared<'s>,
    /// What decides about it.
    policy: Option<String>,
}

impl Asked<'_> {
    fn passes(&self, plan: &Plan, crypto: &dyn Crypto) -> bool {
        // Finding the nearest miss is slow, so it is only looked for where somebody asks.
        let report = match self.case.expect.nearest {
            Some(_) => self.prepared.explain(plan, crypto).report,
            None => self.prepared.report(plan, crypto),
        };
        differences(&self.case.expect, &report).is_empty()
    }
}

impl<'s> Situation<'s> {
    fn is(&self, other: &Situation<'_>) -> bool {
        ptr::eq(self.resources, other.resources) && self.workload == other.workload && self.mesh == other.mesh
    }

    /// The cases about it that pass. What a request is before any rule sees it depends on tokens and settings, which no
    /// change touches.
    fn asked(&self, plan: &Plan, now: i64, crypto: &dyn Crypto) -> Vec<Asked<'s>> {
        let tests = self.suite.suite.tests.iter().zip(&self.suite.resources);
        let own = tests.filter(|(test, resources)| {
            self.is(&Situation { suite: self.suite, resources, workload: &test.workload, mesh: &test.mesh })
        });
        let made = own.flat_map(|(test, _)| &test.cases).map(|case| {
            let prepared = Prepared::new(&case.request, plan.authenticator(), self.workload, self.mesh, now);
            let policy = prepared.report(plan, crypto).policy;
            Asked { case, prepared, policy }
        });
        made.filter(|asked| asked.passes(plan, crypto)).collect()
    }

    /// The policies with a change of one of them.
    fn changed(&self, index: usize, mutant: &Mutant) -> Resources {
        let mut changed = self.resources.clone();
        if let Some(policy) = changed.authorization.get_mut(index) {
            *policy = mutant.apply(policy);
        }
        changed
    }

    /// Whether any of the cases fails with this change.
    fn notices(&self, index: usize, mutant: &Mutant, asked: &[Asked<'_>], crypto: &dyn Crypto) -> bool {
        let plan = Plan::build(&self.changed(index, mutant), self.workload, self.mesh);
        let changed = self.resources.authorization.get(index).map(|policy| &policy.meta);
        let is_own = |asked: &&Asked<'_>| {
            let of = asked.policy.as_deref().and_then(|name| name.split_once('/'));
            of.zip(changed)
                .is_some_and(|((namespace, name), meta)| meta.namespace == namespace && meta.name == name)
        };
        // Those that the policy decides about notice first.
        let (own, others): (Vec<_>, Vec<_>) = asked.iter().partition(is_own);
        own.into_iter().chain(others).any(|asked| !asked.passes(&plan, crypto))
    }

    /// Whether any request would have noticed.
    fn would_notice(&self, index: usize, mutant: &Mutant, now: i64, crypto: &dyn Crypto) -> Fate {
        let changed = self.changed(index, mutant);
        let state = |resources| State { resources, workload: self.workload, mesh: self.mesh };
        let found = state(self.resources)
            .ready(None)
            .and_then(|old| Ok((old, state(&changed).ready(None)?)))
            .and_then(|(old, new)| witness(&KINDS, &old, &new, now, crypto, Limits::default()));
        match found {
            Ok(Some(witness)) => Fate::Missed(Box::new(witness.request)),
            Ok(None) => Fate::Equivalent,
            Err(why) => Fate::Undecided(why.to_string()),
        }
    }
}
