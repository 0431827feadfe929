//! A configuration at work: what decides, and what reports.

use crate::{
    cache::Cache,
    config::Settings,
    digest::{self, Digest},
    host::Host,
    key_sets::KeySets,
    limits::Limits,
    metrics::{Counter, Metrics},
    peers::Peers,
    preparation::Ready,
};
#[cfg(feature = "threads")]
use alloc::sync::Weak;
use alloc::{format, rc::Rc, sync::Arc, vec::Vec};
use core::{cell::Cell, fmt};
use gnomon_engine::{
    Plan,
    jwt::{KeySet, Passed},
};

/// One evaluation of so many is timed.
const TIMED: u32 = 64;

/// What decides, and what a thread keeps beside that.
#[derive(Clone, Debug)]
pub struct Active {
    /// The policies. Where a proxy has several threads they may have the same ones.
    pub plans: Arc<Plans>,
    /// Of this thread alone.
    pub local: Rc<Local>,
}

/// The policies of one configuration, compiled.
#[derive(Debug)]
pub struct Plans {
    /// The candidate.
    pub candidate: Plan,
    /// What it is compared with, where that is not what the proxy enforces.
    pub baseline: Option<Plan>,
}

/// What one thread keeps of a configuration.
#[derive(Debug)]
pub struct Local {
    /// The name of the filter in the proxy's configuration.
    pub name: Vec<u8>,
    /// Certificates that have been read.
    pub peers: Peers,
    /// Key sets that are fetched; empty where somebody else does that.
    pub key_sets: KeySets,
    /// What reports.
    pub reporter: Rc<Reporter>,
    /// Tokens that have passed.
    tokens: Cache<Passed>,
    /// In the place of both, where the threads have one memory.
    #[cfg(feature = "threads")]
    memory: Option<Weak<dyn Memory>>,
    /// Evaluations since one was timed.
    untimed: Cell<u32>,
}

/// A rule about tokens: the address of its plan, which stays where it is for as long as it is at work, and its number
/// there.
pub type PlanRule = (usize, usize);

/// What the threads of a proxy remember together.
pub trait Memory: fmt::Debug + Send + Sync {
    /// This token, if the rule has let it pass.
    fn token(&self, rule: PlanRule, token: &[u8]) -> Option<Arc<Passed>>;

    /// Keeps a token that the rule has let pass.
    fn keep(&self, rule: PlanRule, token: &[u8], passed: Arc<Passed>);

    /// The last good key set from this address.
    fn key_set(&self, address: &str) -> Option<Arc<KeySet>>;
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
        let Ready { plans, settings, policies, generation } = ready;
        let key_sets = KeySets::of(&plans, &settings.key_sets);
        if let Some(earlier) = earlier {
            key_sets.inherit(&earlier.local.key_sets);
        }
        let mut metrics = Metrics::define(host, settings.report.policies);
        metrics.loaded(host, policies, generation, !key_sets.is_empty());
        tell(host, policies, &settings);
        let limits = earlier.map_or_else(Rc::default, |earlier| earlier.local.reporter.limits.clone());
        let local = Local { key_sets, ..Local::new(Reporter { limits, ..Reporter::new(settings, metrics) }) };
        Active { plans: Arc::new(plans), local: Rc::new(local) }
    }

    /// Sends for key sets that are due.
    pub fn fetch(&self, host: &dyn Host) {
        let Local { key_sets, reporter, .. } = &*self.local;
        if key_sets.is_empty() {
            return;
        }
        let Reporter { metrics, settings, .. } = &**reporter;
        match host.now() {
            Ok(now) => key_sets.fetch(host, metrics, &settings.key_sets, now / 1_000_000_000),
            Err(_) => metrics.add(host, Counter::Errors, 1),
        }
    }

    /// A call has been answered.
    pub fn answered(&self, host: &dyn Host, call: u32, body: Option<&[u8]>) {
        let Local { key_sets, reporter, .. } = &*self.local;
        key_sets.answered(host, &reporter.metrics, &reporter.settings.key_sets, call, body);
    }
}

/// Says what is at work now.
pub fn tell(host: &dyn Host, policies: usize, settings: &Settings) {
    let line = format!("gnomon: {policies} policies loaded, evaluating for {}", settings.workload);
    host.log(crate::host::Level::Info, &line);
}

impl Plans {
    /// Whether any rule looks at tokens.
    pub fn look_at_tokens(&self) -> bool {
        let all = [Some(&self.candidate), self.baseline.as_ref()];
        all.into_iter().flatten().any(|plan| !plan.authenticator().is_empty())
    }

    /// Forgets up to so many rules of each. False: none are left.
    pub fn forget(&mut self, most: usize) -> bool {
        let baseline = self.baseline.as_mut().is_some_and(|plan| plan.forget(most));
        self.candidate.forget(most) || baseline
    }
}

impl Local {
    /// For a thread of a proxy, with nothing in it yet.
    pub fn new(reporter: Reporter) -> Local {
        Local {
            name: Vec::new(),
            peers: Peers::default(),
            key_sets: KeySets::default(),
            reporter: Rc::new(reporter),
            tokens: Cache::default(),
            #[cfg(feature = "threads")]
            memory: None,
            untimed: Cell::new(0),
        }
    }

    /// For one that remembers together with others, for as long as there is such a memory.
    #[cfg(feature = "threads")]
    pub fn sharing(name: Vec<u8>, reporter: Reporter, memory: Weak<dyn Memory>) -> Local {
        Local { name, memory: Some(memory), ..Local::new(reporter) }
    }

    fn memory(&self) -> Option<Arc<dyn Memory>> {
        #[cfg(feature = "threads")]
        let memory = self.memory.as_ref().and_then(Weak::upgrade);
        #[cfg(not(feature = "threads"))]
        let memory = None;
        memory
    }

    /// This token, if the rule has let it pass. Where it has not, `asked` is its digest, as far as it is kept by that.
    pub fn token(&self, rule: PlanRule, token: &[u8], asked: &Cell<Option<Digest>>) -> Option<Arc<Passed>> {
        if let Some(memory) = self.memory() {
            return memory.token(rule, token);
        }
        let digest = digest::of(&[&rule.0.to_le_bytes(), &rule.1.to_le_bytes(), token]);
        asked.set(Some(digest));
        self.tokens.get(&digest)
    }

    /// Keeps a token that the rule has let pass, right after it was asked for.
    pub fn keep(&self, rule: PlanRule, token: &[u8], asked: &Cell<Option<Digest>>, passed: Arc<Passed>) {
        if let Some(memory) = self.memory() {
            memory.keep(rule, token, passed);
        } else if let Some(digest) = asked.take() {
            self.tokens.put(digest, token.len(), passed);
        }
    }

    /// The last good key set from this address.
    pub fn key_set(&self, address: &str) -> Option<Arc<KeySet>> {
        match self.memory() {
            Some(memory) => memory.key_set(address),
            None => self.key_sets.get(address),
        }
    }

    /// Whether this evaluation is to be timed.
    pub fn is_timed(&self) -> bool {
        let count = self.untimed.get().wrapping_add(1);
        self.untimed.set(count % TIMED);
        count == TIMED
    }
}

impl Reporter {
    /// Which has not written anything yet.
    pub fn new(settings: Settings, metrics: Metrics) -> Reporter {
        Reporter { settings, metrics, limits: Rc::default(), share: Cell::new(0.0) }
    }

    /// Is it this line's turn, where only a share of them is written?
    pub fn is_sampled(&self) -> bool {
        let share = self.share.get() + self.settings.report.sample;
        // A share of a third three times is a little less than one.
        let due = share >= 1.0 - 1e-9;
        self.share.set(if due { share - 1.0 } else { share });
        due
    }
}
