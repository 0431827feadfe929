//! All configurations, and a thread that wakes the main one every second.
//!
//! Envoy keeps a configuration for as long as a stream lives that began with it, which may be days. Nothing says which of
//! two is the update of the other, or whether both stand in listeners. So one is taken for superseded, and its plans are
//! dropped, that has had streams and gets none any more while later ones of its name have come: two, or one some time ago.
//! What it is asked all the same is unknown.

use crate::{abi::http::Scheduler, configuration::Configuration, guard};
use gnomon_shadow::active::Plans;
use std::{
    mem::take,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Between two looks at what is due.
const SECOND: Duration = Duration::from_secs(1);
/// Ticks between two signs of life.
const BEAT: u64 = 10;
/// After this time without a stream one later configuration is enough.
const QUIET: Duration = Duration::from_secs(10);

static LATEST: AtomicU64 = AtomicU64::new(0);
static ALL: Mutex<All> = Mutex::new(All { known: Vec::new(), dropped: Vec::new(), ticks: 0, runs: false });

struct All {
    known: Vec<Known>,
    /// Plans that nobody asks any more. Taking a large one apart takes milliseconds, which no worker has.
    dropped: Vec<Arc<Plans>>,
    ticks: u64,
    /// The thread runs.
    runs: bool,
}

struct Known {
    serial: u64,
    configuration: Weak<Configuration>,
    came: Instant,
    scheduler: Option<Scheduler>,
}

/// Held for a few steps and never while Envoy is at work on something of ours.
fn all() -> MutexGuard<'static, All> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number for a configuration.
pub(crate) fn serial() -> u64 {
    LATEST.fetch_add(1, Ordering::Relaxed).saturating_add(1)
}

/// That of the last one.
pub(crate) fn latest() -> u64 {
    LATEST.load(Ordering::Relaxed)
}

/// A configuration is there from now on. True: it is the first.
pub(crate) fn begins(configuration: &Arc<Configuration>, scheduler: Option<Scheduler>) -> bool {
    let mut all = all();
    let first = all.known.is_empty();
    let earlier = all.known.iter().rev().filter_map(|known| known.configuration.upgrade());
    if let Some(earlier) = earlier.into_iter().find(|earlier| earlier.name == configuration.name) {
        configuration.inherit(&earlier);
    }
    all.known.push(Known {
        serial: configuration.serial,
        configuration: Arc::downgrade(configuration),
        came: Instant::now(),
        scheduler,
    });
    if !all.runs && cfg!(not(test)) {
        let thread = thread::Builder::new().name("gnomon".into());
        // Without it key sets stay as they are, and old plans until their last stream ends.
        all.runs = thread.spawn(run).is_ok();
    }
    first
}

/// A configuration is gone.
pub(crate) fn ends(configuration: &Configuration) {
    let mut all = all();
    all.known.retain(|known| known.serial != configuration.serial);
    all.dropped.extend(configuration.strip());
}

/// Whether the latest of all is this one, and it is time for a sign of life.
pub(crate) fn beats(configuration: &Configuration) -> bool {
    let all = all();
    all.ticks.is_multiple_of(BEAT) && all.known.last().is_some_and(|last| last.serial == configuration.serial)
}

fn run() {
    loop {
        thread::sleep(SECOND);
        let _panicked = guard::caught(tick);
    }
}

fn tick() {
    let mut all = all();
    all.ticks = all.ticks.wrapping_add(1);
    if !guard::is_off() {
        for scheduler in all.known.iter().filter_map(|known| known.scheduler.as_ref()) {
            scheduler.commit();
        }
    }
    let superseded: Vec<_> = superseded(&all.known).filter_map(|old| old.strip()).collect();
    all.dropped.extend(superseded);
    // A worker may be at work with one at this moment, and then has the last count of it: so only those go that are ours
    // alone.
    let (idle, busy) = take(&mut all.dropped).into_iter().partition(|plans| Arc::strong_count(plans) == 1);
    all.dropped = busy;
    drop(all);
    let idle: Vec<Arc<Plans>> = idle;
    drop(idle);
}

/// As if a second had passed.
#[cfg(test)]
pub(crate) fn tick_for_tests() {
    tick();
}

/// Those in whose place others are.
fn superseded(known: &[Known]) -> impl Iterator<Item = Arc<Configuration>> {
    let alive = known.iter().filter_map(|known| Some((known, known.configuration.upgrade()?)));
    alive.filter_map(|(_, own)| {
        let later = |other: &&Known| {
            let newer = other.serial > own.used().max(own.serial);
            newer && other.configuration.upgrade().is_some_and(|other| other.name == own.name)
        };
        let mut later = known.iter().filter(later);
        let first = later.next().filter(|_| own.used() > 0)?;
        (first.came.elapsed() >= QUIET || later.next().is_some()).then_some(own)
    })
}
