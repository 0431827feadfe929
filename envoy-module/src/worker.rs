//! What each worker keeps of a configuration, in memory of its own.

use crate::{
    configuration::Configuration,
    main_thread::NOT_HERE,
    memory::Remembered,
    tally::{Count, Tally},
};
use core::cell::RefCell;
use gnomon_shadow::{
    active::{Local, Memory, Reporter},
    host::Refused,
    metrics::Metrics,
};
use std::{
    rc::Rc,
    sync::{Arc, Weak},
};

/// A configuration on one worker.
#[derive(Debug)]
pub(crate) struct Worker {
    /// What decides with, and what reports.
    pub(crate) local: Rc<Local>,
    /// The counter of panics.
    pub(crate) panics: Option<usize>,
    /// What it has counted under labels, and where further places come from; `None`: Envoy would not have the counter.
    counts: RefCell<Vec<Arc<Count>>>,
    tally: Option<Arc<Tally>>,
}

struct Known {
    serial: u64,
    alive: Weak<Remembered>,
    worker: Rc<Worker>,
}

thread_local! {
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// The one for this configuration on this thread.
pub(crate) fn of(configuration: &Configuration) -> Option<Rc<Worker>> {
    let known = KNOWN.try_with(|known| {
        let mut known = known.try_borrow_mut().ok()?;
        if let Some(found) = known.iter().find(|known| known.serial == configuration.serial) {
            return Some(found.worker.clone());
        }
        let earlier = known.iter().rev().find(|known| known.worker.local.name == configuration.name);
        let worker = Rc::new(Worker::new(configuration, earlier.map(|earlier| &*earlier.worker)));
        // A configuration comes seldom: then those that are gone go here too.
        known.retain(|known| known.alive.strong_count() > 0);
        let alive = Arc::downgrade(&configuration.memory);
        known.push(Known { serial: configuration.serial, alive, worker: worker.clone() });
        Some(worker)
    });
    known.ok().flatten()
}

impl Worker {
    fn new(configuration: &Configuration, earlier: Option<&Worker>) -> Worker {
        let settings = configuration.settings.clone();
        let metrics = Metrics::of(configuration.ids, settings.report.policies);
        let mut reporter = Reporter::new(settings, metrics);
        if let Some(earlier) = earlier {
            reporter.limits = earlier.local.reporter.limits.clone();
        }
        let memory: Arc<dyn Memory> = configuration.memory.clone();
        let local = Local::sharing(configuration.name.clone(), reporter, Arc::downgrade(&memory));
        Worker {
            local: Rc::new(local),
            panics: configuration.panics,
            counts: RefCell::default(),
            tally: configuration.labelled.map(|_| configuration.tally.clone()),
        }
    }

    /// Whether verdicts are carried out.
    pub(crate) fn enforces(&self) -> bool {
        self.local.reporter.settings.enforce
    }

    /// Whether there is anything to do to responses.
    pub(crate) fn wants_response_headers(&self) -> bool {
        !self.local.reporter.settings.report.response_header.is_empty()
    }

    /// The place of these labels.
    pub(crate) fn labelled(&self, labels: [&str; 2]) -> Result<usize, Refused> {
        let tally = self.tally.as_ref().ok_or(NOT_HERE)?;
        let mut counts = self.counts.borrow_mut();
        Ok(counts.iter().position(|known| known.labels == labels).unwrap_or_else(|| {
            counts.push(tally.place(labels.map(str::to_owned)));
            counts.len().saturating_sub(1)
        }))
    }

    /// Adds to what stands in a place.
    pub(crate) fn count(&self, place: usize, by: u64) -> Result<(), Refused> {
        self.counts.borrow().get(place).ok_or(NOT_HERE)?.add(by);
        Ok(())
    }
}
