//! Nothing in the heap grows with traffic.

use super::{allowing, alone, configure, costs, pass, request, stand_ins::Fake, *};
use core::cell::Cell;
use std::alloc::{GlobalAlloc, Layout, System};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _gone = HELD.try_with(|held| held.set(held.get() + layout.size() as isize));
        costs::allocated();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _gone = HELD.try_with(|held| held.set(held.get() - layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_hundred_thousand_requests_leave_nothing_behind() {
    let _alone = alone();
    let config = Fake::default();
    let quiet = allowing("shadow", "/a").replace("\"all\"", "\"all\", \"log\": \"none\"");
    let ours = configure(&config, &quiet);
    let paths: Vec<String> = (0..50).map(|number| format!("/{number}")).collect();
    let all = || {
        for path in &paths {
            assert!(pass(ours, &request(path)));
        }
    };
    // Also what is done for one request of many.
    (0..3).for_each(|_| all());
    let before = HELD.get();
    for _ in 0..2_000 {
        all();
    }
    assert_eq!(HELD.get(), before);
    envoy_dynamic_module_on_http_filter_config_destroy(ours);
}
