//! No panic leaves a hook: it would end the proxy.
//!
//! The lints of this workspace leave few ways into a panic, and none is known that anything leads to. Should one be taken
//! all the same, the request goes on without a verdict (or is refused, where verdicts are enforced), and it is counted.
//! After [`MOST`] of them nothing is evaluated any more.

use crate::abi::{Level, log};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU32, Ordering},
};

/// So many panics, and the module is off until the proxy starts again.
pub(crate) const MOST: u32 = 3;

static PANICS: AtomicU32 = AtomicU32::new(0);

/// Whether the module has switched itself off.
pub(crate) fn is_off() -> bool {
    PANICS.load(Ordering::Relaxed) >= MOST
}

/// Does the work of one hook. `None`: it has panicked, or the module is off.
pub(crate) fn guard<T>(work: impl FnOnce() -> T) -> Option<T> {
    if is_off() { None } else { caught(work) }
}

/// The same, also for a module that is off: what has to be taken down.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Whatever was being changed is not looked at again: a stream is done with, a configuration refused.
    #[cfg(test)]
    let work = || {
        tests::trap();
        work()
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) => {
            // Its destructor could panic as well.
            if let Err(other) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                core::mem::forget(other);
            }
            let count = PANICS.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            log(Level::Critical, &format!("gnomon: a panic was caught, number {count}: please report it"));
            if count == MOST {
                log(
                    Level::Critical,
                    "gnomon: the module is off until this proxy starts again; in shadow mode requests go on \
                     without a verdict, in enforce mode they are refused",
                );
            }
            None
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::PANICS;
    use core::cell::Cell;
    use std::sync::atomic::Ordering;

    thread_local! {
        static TRAP: Cell<u32> = const { Cell::new(0) };
    }

    /// The work after so many panics.
    pub(crate) fn set_trap(after: u32) {
        TRAP.set(after);
    }

    pub(super) fn trap() {
        let left = TRAP.get();
        TRAP.set(left.saturating_sub(1));
        if left == 1 {
            panic!("as a test wants it");
        }
    }

    /// How many there were.
    pub(crate) fn panics() -> u32 {
        PANICS.load(Ordering::Relaxed)
    }

    /// As if nothing had happened.
    pub(crate) fn reset() {
        PANICS.store(0, Ordering::Relaxed);
        TRAP.set(0);
    }
}
