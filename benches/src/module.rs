//! What the module of WebAssembly offers: a case is chosen, then asked as often as wanted. The host has the clock.

use crate::{
    Case,
    differing::{CHANGES, Pair},
    realistic, worst,
};
use gnomon_engine::verdict::Outcome;
use std::{cell::RefCell, hint::black_box};

thread_local! {
    static CASE: RefCell<Option<Case>> = const { RefCell::new(None) };
    static PAIR: RefCell<Option<Pair>> = const { RefCell::new(None) };
}

/// Compiles two sets of policies that differ in this way, by its number.
// SAFETY: the name is nobody else's.
#[unsafe(no_mangle)]
pub extern "C" fn pair(count: u32, change: u32) {
    let change = usize::try_from(change).ok().and_then(|change| CHANGES.get(change));
    PAIR.set(change.map(|change| Pair::new(usize::try_from(count).unwrap_or(0), *change)));
}

/// Compares them once: how many nodes that took; 0: there was no difference.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn compare() -> u32 {
    let compared = PAIR.with_borrow(|pair| pair.as_ref().and_then(Pair::compare));
    compared.map_or(0, |compared| u32::try_from(compared.nodes).unwrap_or(u32::MAX))
}

/// Compiles a case: n rules, or the realistic set for 0. Returns the number of rules.
// SAFETY: the name is nobody else's.
#[unsafe(no_mangle)]
pub extern "C" fn choose(count: u32) -> u32 {
    let world = if count == 0 { realistic() } else { worst(usize::try_from(count).unwrap_or(0)) };
    let case = world.case();
    let rules = u32::try_from(case.plan.rule_count()).unwrap_or(u32::MAX);
    CASE.set(Some(case));
    rules
}

/// Asks for that many verdicts; how many of them let the request through.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn ask(times: u32) -> u32 {
    CASE.with_borrow(|case| {
        let Some(case) = case else { return 0 };
        case.ask(|asking| {
            let allowed = |_: &u32| black_box(black_box(asking).verdict()).outcome == Outcome::Allow;
            u32::try_from((0..times).filter(allowed).count()).unwrap_or(u32::MAX)
        })
    })
}
