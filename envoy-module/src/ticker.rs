//! All configurations, and a thread that wakes the main one every second.
//!
//! Envoy keeps a configuration for as long as a stream lives that began with it, which may be days. Nothing says which of
//! two is the update of the other, or whether both stand in listeners. So one is taken for superseded, and its plans are
//! dropped, that has had streams and gets none any more while later ones of its name have come: two, or one some time ago.
//! What it is asked all the same is unknown.

use crate::{abi::http::Scheduler, configuration::Configuration, guard, tally::Count};
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

/// How many counts are kept for the next configuration of a name.
const MOST_LEFT: usize = 10_000;

static LATEST: AtomicU64 = AtomicU64::new(0);
static ALL: Mutex<All> = Mutex::new(All {
    known: Vec::new(),
    left_behind: Vec::new(),
    dropped: Vec::new(),
    ticks: 0,
    runs: false,
});

struct All {
    known: Vec<Known>,
    /// What configurations that are gone have counted and not told, by their names.
    left_behind: Vec<(Vec<u8>, Arc<Count>, u64)>,
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
    let news = configuration.tally.news().into_iter();
    all.left_behind.extend(news.map(|(count, news)| (configuration.name.clone(), count, news)));
    // Where no other of the name is there, nobody asks for it.
    let surplus = all.left_behind.len().saturating_sub(MOST_LEFT);
    all.left_behind.drain(..surplus);
}

/// What configurations of this name that are gone have counted and not told.
pub(crate) fn left_behind(name: &[u8]) -> Vec<(Arc<Count>, u64)> {
    let taken = all().left_behind.extract_if(.., |(of, _, _)| of == name).collect::<Vec<_>>();
    taken.into_iter().map(|(_, count, news)| (count, news)).collect()
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
    let idle: Vec<Arc<Plans>> = idle;
    drop(all);
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
