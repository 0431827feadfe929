//! The worst texts cost as much for each byte as they are long: memory that is asked for is counted, no time is taken.
//! (How the parser's steps grow is tested beside the reader; `examples/worst_yaml.rs` takes the time.)

mod texts;

use gnomon_manifests::{Colour, load_text};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// What was asked for since the program began.
static ASKED: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as our caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as our caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.fetch_add(size, Ordering::Relaxed);
        // SAFETY: as our caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The bytes asked for while a text is read and what is wrong with it is drawn.
fn cost(text: &str) -> usize {
    let before = ASKED.load(Ordering::Relaxed);
    let loaded = load_text(text, "worst.yaml").unwrap_or_else(|wrong| *wrong.loaded);
    let drawn: usize = loaded.diagnostics.iter().map(|found| loaded.render(found, Colour::Never).len()).sum();
    assert!(drawn < 2_000_000, "{drawn} bytes of findings");
    ASKED.load(Ordering::Relaxed) - before
}

#[test]
fn memory_grows_with_the_size() {
    let small = 30_000;
    for (name, text) in texts::FAMILIES {
        let [little, much] = [small, 8 * small].map(|size| cost(&text(size)));
        // Findings are drawn with their lines, up to a number that a small text does not reach; buffers double.
        assert!(much <= 16 * little + 8_000_000, "{name}: {little} bytes, then {much}");
        assert!(much <= 2_000 * 8 * small, "{name}: {much} bytes");
    }
}
