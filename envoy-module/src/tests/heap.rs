//! Nothing in the heap grows with traffic, and nothing stays of what reading a configuration took.

use super::{allowing, alone, configure, costs, pass, request, stand_ins::Fake, *};
use crate::abi::heap::{Heap, chunks, purge, short_lived};
use core::cell::Cell;
use std::{
    alloc::{GlobalAlloc, Layout},
    thread,
};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

// SAFETY: the module's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _gone = HELD.try_with(|held| held.set(held.get() + layout.size() as isize));
        costs::allocated();
        // SAFETY: the caller's promise.
        unsafe { Heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _gone = HELD.try_with(|held| held.set(held.get() - layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { Heap.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _gone = HELD.try_with(|held| held.set(held.get() + layout.size() as isize));
        costs::allocated();
        // SAFETY: the caller's promise.
        unsafe { Heap.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _gone = HELD.try_with(|held| held.set(held.get() + size as isize - layout.size() as isize));
        costs::allocated();
        // SAFETY: the caller's promise.
        unsafe { Heap.realloc(at, layout, size) }
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

/// A block that is written from end to end.
struct Block {
    at: *mut u8,
    layout: Layout,
    filled: u8,
}

// SAFETY: nobody else has it.
unsafe impl Send for Block {}

impl Block {
    fn new(size: usize, align: usize, filled: u8, zeroed: bool) -> Block {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not 0.
        let at = unsafe { if zeroed { Heap.alloc_zeroed(layout) } else { Heap.alloc(layout) } };
        assert!(!at.is_null() && at.addr().is_multiple_of(align));
        let block = Block { at, layout, filled: if zeroed { 0 } else { filled } };
        if !zeroed {
            // SAFETY: it is so long.
            unsafe { at.write_bytes(filled, size) };
        }
        block.is_whole(size);
        block.fill(filled)
    }

    fn fill(self, filled: u8) -> Block {
        // SAFETY: it is so long.
        unsafe { self.at.write_bytes(filled, self.layout.size()) };
        Block { filled, ..self }
    }

    fn is_whole(&self, size: usize) {
        // SAFETY: it is at least so long, and was written.
        let bytes = unsafe { core::slice::from_raw_parts(self.at, size) };
        assert!(bytes.iter().all(|byte| *byte == self.filled), "another block is in its place");
    }

    fn resize(self, size: usize) -> Block {
        // SAFETY: it is a block of this layout, and the size is not 0.
        let at = unsafe { Heap.realloc(self.at, self.layout, size) };
        assert!(!at.is_null());
        let layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        let block = Block { at, layout, filled: self.filled };
        block.is_whole(size.min(self.layout.size()));
        block.fill(self.filled)
    }

    fn free(self) {
        self.is_whole(self.layout.size());
        // SAFETY: it is a block of this layout.
        unsafe { Heap.dealloc(self.at, self.layout) };
    }
}

/// Blocks of all sizes and kinds come, change and go, among threads, while the zone is opened and closed.
fn churn(seed: u64) {
    let mut state = seed;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut blocks: Vec<Block> = Vec::new();
    for step in 0..20_000 {
        short_lived(random(3) > 0);
        let most = [24, 24, 24, 300, 300, 300, 3_000, 3_000, 70_000, 200_000][random(10)];
        let size = 1 + random(most);
        match random(7) {
            0..3 => blocks.push(Block::new(size, 1 << random(8), step as u8, random(4) == 0)),
            3..6 if !blocks.is_empty() => blocks.swap_remove(random(blocks.len())).free(),
            6 if !blocks.is_empty() => {
                let block = blocks.swap_remove(random(blocks.len())).resize(size);
                blocks.push(block);
            }
            _ => {}
        }
        if step % 3_000 == 2_999 {
            purge();
        }
    }
    short_lived(false);
    purge();
    // What one thread has allocated another one frees.
    thread::spawn(|| blocks.into_iter().for_each(Block::free)).join().unwrap();
}

#[test]
fn blocks_keep_what_is_in_them_and_leave_nothing_behind() {
    let _alone = alone();
    let before = chunks();
    thread::scope(|scope| {
        for seed in 1..4 {
            scope.spawn(move || churn(seed));
        }
    });
    purge();
    assert_eq!(chunks(), before);
}

#[test]
fn reading_a_configuration_leaves_its_plan_and_no_more() {
    let _alone = alone();
    let config = Fake::default();
    // What other tests have left.
    crate::ticker::tick_for_tests();
    let before = chunks();
    let policies: Vec<String> = (0..3_000)
        .map(|number| {
            format!(
                r#"{{"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
                    "metadata": {{"name": "p{number}", "namespace": "shop"}},
                    "spec": {{"rules": [{{"to": [{{"operation": {{"paths": ["/{number}/*"]}}}}]}}]}}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"workload": {{"namespace": "shop"}}, "candidate": {{"resources": [{}]}}}}"#,
        policies.join(",")
    );
    let ours = configure(&config, &text);
    assert!(!ours.is_null());
    assert_eq!(chunks(), before);
    envoy_dynamic_module_on_http_filter_config_destroy(ours);
    crate::ticker::tick_for_tests();
    assert_eq!(chunks(), before);

    // What is refused leaves nothing, either.
    let ours = configure(&config, &text.replace("\"paths\"", "\"pahts\""));
    assert!(ours.is_null());
    assert_eq!(chunks(), before);
}
