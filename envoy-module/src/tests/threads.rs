//! Workers and updates at the same time. A ThreadSanitizer has something to look at here.

use super::{allowing, alone, configure, pass, request, stand_ins::Fake, *};
use std::{
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// A pointer that goes from thread to thread, as in Envoy.
#[derive(Clone, Copy)]
struct Shared(Ours);
// SAFETY: a configuration is made to be used by all threads.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

#[test]
fn workers_are_served_while_configurations_come_and_go() {
    let _alone = alone();
    let config = Fake::default();
    let current = RwLock::new(Shared(configure(&config, &allowing("enforce", "/a"))));
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Envoy keeps a configuration for as long as a stream has it.
                    let held = current.read().unwrap();
                    assert!(pass(held.0, &request("/a")));
                    assert!(!pass(held.0, &request("/b")));
                    served.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        for number in 0..60 {
            let config = Fake::default();
            let next = configure(&config, &allowing("enforce", "/a"));
            assert!(!next.is_null());
            let last = core::mem::replace(&mut *current.write().unwrap(), Shared(next));
            envoy_dynamic_module_on_http_filter_config_destroy(last.0);
            let before = served.load(Ordering::Relaxed);
            while served.load(Ordering::Relaxed) < before + 6 {
                thread::yield_now();
            }
            if number % 10 == 0 {
                crate::ticker::tick_for_tests();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(guard::tests::panics(), 0);
    envoy_dynamic_module_on_http_filter_config_destroy(current.into_inner().unwrap().0);
}
