//! What all workers share of one configuration.

use crate::{
    abi::{
        heap,
        http::{Config, Scheduler},
        workers,
    },
    main_thread::{MainThread, now},
    memory::Remembered,
    tally::Tally,
    ticker,
};
use arc_swap::ArcSwapOption;
use gnomon_shadow::{
    active::{self, Plans},
    config::Settings,
    host::Host,
    instance,
    key_sets::KeySets,
    metrics::{Counter, Ids, Metrics},
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// A configuration that was taken.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// No two have the same.
    pub(crate) serial: u64,
    /// `filter_name`: configurations of one name are taken for updates of one filter.
    pub(crate) name: Vec<u8>,
    /// How to evaluate and what to write.
    pub(crate) settings: Settings,
    /// Numbers of the metrics.
    pub(crate) ids: Ids,
    /// The counter with labels, and that of panics.
    pub(crate) labelled: Option<usize>,
    pub(crate) panics: Option<usize>,
    /// What workers have counted under labels.
    pub(crate) tally: Arc<Tally>,
    /// Tokens and key sets.
    pub(crate) memory: Arc<Remembered>,
    /// What decides. `None`: a later configuration has taken its place, and only streams are left that were decided on.
    plans: ArcSwapOption<Plans>,
    /// The latest configuration when its last stream began; 0: none has.
    used: AtomicU64,
    /// Key sets that are fetched: the main thread's business.
    key_sets: Mutex<KeySets>,
}

impl Configuration {
    /// Reads a configuration. `None`: it is refused, and the log says everything that is wrong with it.
    pub(crate) fn read(host: &dyn Host, name: &[u8], text: &[u8], own: Own) -> Option<Arc<Configuration>> {
        let _purge = heap::Purge;
        let ready = instance::read(host, text.len())?;
        let key_sets = KeySets::of(&ready.plans, &ready.settings.key_sets);
        let serial = ticker::serial();
        let mut metrics = Metrics::define(host, 0);
        metrics.loaded(host, ready.policies, ready.generation, !key_sets.is_empty());
        active::tell(host, ready.policies, &ready.settings);
        let memory = Remembered::new(ready.plans.look_at_tokens());
        let made = Arc::new(Configuration {
            serial,
            name: name.to_vec(),
            // Those that were read keep a chunk of memory from being given back.
            settings: ready.settings.clone(),
            ids: metrics.ids(),
            labelled: own.labelled,
            panics: own.panics,
            tally: Arc::default(),
            memory: Arc::new(memory),
            plans: ArcSwapOption::from_pointee(ready.plans),
            used: AtomicU64::new(0),
            key_sets: Mutex::new(key_sets),
        });
        if ticker::begins(&made, own.scheduler) {
            metrics.add(host, Counter::Heartbeats, lives());
        }
        made.fetch(host);
        Some(made)
    }

    /// One that evaluates nothing.
    pub(crate) fn without_policies(name: &[u8]) -> Configuration {
        Configuration {
            serial: 0,
            name: name.to_vec(),
            settings: Settings::default(),
            ids: Ids::default(),
            labelled: None,
            panics: None,
            tally: Arc::default(),
            memory: Arc::new(Remembered::new(false)),
            plans: ArcSwapOption::empty(),
            used: AtomicU64::new(0),
            key_sets: Mutex::default(),
        }
    }

    /// Whether it evaluates anything.
    pub(crate) fn has_policies(&self) -> bool {
        self.serial > 0
    }

    /// What decides, for a stream that begins.
    pub(crate) fn plans(&self) -> Option<Arc<Plans>> {
        let latest = ticker::latest();
        // Written once for each configuration that comes, not for each stream.
        if self.used.load(Ordering::Relaxed) != latest {
            self.used.store(latest, Ordering::Relaxed);
        }
        self.plans.load_full()
    }

    /// When its last stream began.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A later configuration has taken its place.
    pub(crate) fn strip(&self) -> Option<Arc<Plans>> {
        self.memory.clear();
        self.plans.swap(None)
    }

    /// Takes over what an earlier one of the same name has fetched.
    pub(crate) fn inherit(&self, earlier: &Configuration) {
        // Both locks are the main thread's alone.
        let ours = self.key_sets.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = earlier.key_sets.lock().unwrap_or_else(PoisonError::into_inner);
        ours.inherit(&theirs);
        self.memory.publish(ours.all());
    }

    /// A second or so has passed. With `beat` it is time for a sign of life.
    pub(crate) fn tick(&self, config: &Config<'_>, beat: bool) {
        let host = MainThread { config, name: &self.name, text: &[] };
        if beat {
            Metrics::of(self.ids, 0).add(&host, Counter::Heartbeats, lives());
        }
        self.tell(config);
        let lost = u32::try_from(crate::access::not_written()).unwrap_or(u32::MAX);
        Metrics::of(self.ids, 0).add(&host, Counter::LinesDropped, lost);
        self.fetch(&host);
    }

    /// Tells Envoy what has been counted, here and in configurations of the same name that are gone.
    fn tell(&self, config: &Config<'_>) {
        let Some(counter) = self.labelled else { return };
        for (count, news) in ticker::left_behind(&self.name).into_iter().chain(self.tally.news()) {
            let _lost = config.increment(counter, &count.labels, news);
        }
    }

    /// An answer to a fetch has come, with this body, or has not come.
    pub(crate) fn answered(&self, config: &Config<'_>, call: u64, body: Option<&[u8]>) {
        let host = MainThread { config, name: &self.name, text: &[] };
        let Ok(call) = u32::try_from(call) else { return };
        let key_sets = self.key_sets.lock().unwrap_or_else(PoisonError::into_inner);
        key_sets.answered(&host, &Metrics::of(self.ids, 0), &self.settings.key_sets, call, body);
        self.memory.publish(key_sets.all());
    }

    /// Sends for key sets that are due.
    fn fetch(&self, host: &dyn Host) {
        let key_sets = self.key_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if key_sets.is_empty() {
            return;
        }
        let metrics = Metrics::of(self.ids, 0);
        match now() {
            Ok(now) => key_sets.fetch(host, &metrics, &self.settings.key_sets, now / 1_000_000_000),
            Err(_) => metrics.add(host, Counter::Errors, 1),
        }
    }
}

/// As many signs of life as the wasm filter gives at once: one for each worker, and one for the main thread.
fn lives() -> u32 {
    workers().saturating_add(1)
}

/// What kinds of filters have each in their own way.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// The counter with labels.
    pub(crate) labelled: Option<usize>,
    /// The counter of panics.
    pub(crate) panics: Option<usize>,
    /// What wakes the main thread.
    pub(crate) scheduler: Option<Scheduler>,
}
