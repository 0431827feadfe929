//! The module's memory, so that what a configuration needs while it is read does not stay with the proxy.
//!
//! The allocator that Envoy brings (TCMalloc, which is the module's too) gives nothing back to the system that has once
//! been freed, and its `malloc_trim` does nothing. Reading 10,000 policies takes several times what their plan does, and
//! the two share pages. So here
//!
//! - a large block is mapped by itself, and goes back when it is freed;
//! - small blocks that a thread asks for while it is [`short_lived`] stand in a [`Zone`] of their own, whose chunks go back
//!   once nothing is left in them;
//! - all else is the allocator's.
//!
//! Which of the three a block is in follows from its size and its place, so that any thread may free it at any time.

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
pub(crate) use linux::chunks;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use linux::{Heap, purge, short_lived};
#[cfg(all(test, not(all(target_os = "linux", target_pointer_width = "64"))))]
pub(crate) use others::chunks;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) use others::{Heap, purge, short_lived};

/// Elsewhere the system's allocator does everything.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod others {
    pub(crate) use std::alloc::System as Heap;

    pub(crate) fn short_lived(_on: bool) {}
    pub(crate) fn purge() {}
    #[cfg(test)]
    pub(crate) fn chunks() -> usize {
        0
    }
}

#[cfg(not(test))]
#[global_allocator]
static HEAP: Heap = Heap;

/// Whatever happens while a configuration is read: when this goes, nothing is [`short_lived`] any more, and what is free
/// goes back to the system.
#[derive(Debug)]
pub(crate) struct Purge;

impl Drop for Purge {
    fn drop(&mut self) {
        short_lived(false);
        purge();
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod linux {
    use core::{
        cell::Cell,
        ffi::{c_int, c_void},
        ops::Range,
        ptr::{copy_nonoverlapping, null_mut, write_bytes},
    };
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        sync::{
            Mutex, MutexGuard, PoisonError,
            atomic::{AtomicPtr, AtomicUsize, Ordering},
        },
    };

    unsafe extern "C" {
        fn mmap(at: *mut c_void, bytes: usize, may: c_int, how: c_int, file: c_int, from: i64)
        -> *mut c_void;
        fn munmap(at: *mut c_void, bytes: usize) -> c_int;
        fn mremap(at: *mut c_void, old: usize, new: usize, how: c_int, ...) -> *mut c_void;
        fn madvise(at: *mut c_void, bytes: usize, what: c_int) -> c_int;
    }

    // The same on x86-64 and AArch64.
    const PROT_READ_WRITE: c_int = 1 | 2;
    const MAP_PRIVATE_ANONYMOUS: c_int = 2 | 0x20;
    const MAP_NORESERVE: c_int = 0x4000;
    const MREMAP_MAYMOVE: c_int = 1;
    const MADV_DONTNEED: c_int = 4;

    /// Blocks from this size on are mapped by themselves.
    const LARGE: usize = 64 << 10;
    /// The smallest page there is: what is mapped begins at one.
    const PAGE: usize = 4096;
    /// A chunk of the zone; pages are no larger.
    const CHUNK: usize = 64 << 10;
    /// So many chunks, 256 MB, which takes addresses and no memory. What has no room stands where all else does.
    const CHUNKS: usize = 4096;
    /// Up to here sizes differ by [`STEP`], and above by a factor of two.
    const FINE: usize = 1024;
    const STEP: usize = 16;
    /// Sizes of blocks in the zone: the fine ones from 1 on, then 2, 4 … 64 kB.
    const CLASSES: usize = FINE / STEP + 1 + 6;

    thread_local! {
        static SHORT_LIVED: Cell<bool> = const { Cell::new(false) };
    }
    /// How many threads are: mostly none, and then nobody looks further.
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    /// Where the zone begins; null before it is wanted.
    static BEGIN: AtomicPtr<u8> = AtomicPtr::new(null_mut());
    static ZONE: Mutex<Zone> = Mutex::new(Zone {
        chunks: [Chunk { blocks: 0, state: State::Unused }; CHUNKS],
        lowest: 0,
        next: 0,
        end: 0,
        free: [0; CLASSES],
    });

    /// From now on what this thread allocates will be freed soon, or will not any more.
    pub(crate) fn short_lived(on: bool) {
        let _ends = SHORT_LIVED.try_with(|short_lived| match (short_lived.replace(on), on) {
            (false, true) => _ = THREADS.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = THREADS.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        });
    }

    /// Gives the chunks of the zone back in which nothing is left, now and later.
    pub(crate) fn purge() {
        zone().purge();
    }

    /// Chunks that blocks stand in.
    #[cfg(test)]
    pub(crate) fn chunks() -> usize {
        zone().chunks.iter().filter(|chunk| chunk.state != State::Unused).count()
    }

    fn zone() -> MutexGuard<'static, Zone> {
        ZONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Small blocks that live for a short time: chunks which are filled one after the other, and lists of what is free by
    /// size. A chunk that is closed is not used again before it has been given back.
    struct Zone {
        chunks: [Chunk; CHUNKS],
        /// None below it is unused.
        lowest: usize,
        /// What is left of the chunk that was opened last, as distances from the beginning.
        next: usize,
        end: usize,
        /// By size: one more than the distance of the first free block, which tells the next in the same way; 0: none.
        free: [usize; CLASSES],
    }

    #[derive(Clone, Copy)]
    struct Chunk {
        /// How many are in it that are not free.
        blocks: u32,
        state: State,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum State {
        /// The system has it.
        Unused,
        Open,
        Closed,
    }

    /// The class of a size and the size of its blocks.
    fn class(size: usize) -> (usize, usize) {
        if size <= FINE {
            let class = size.div_ceil(STEP);
            (class, class * STEP)
        } else {
            let size = size.next_power_of_two();
            let above = size.trailing_zeros().saturating_sub(FINE.trailing_zeros());
            ((FINE / STEP).saturating_add(above as usize), size)
        }
    }

    impl Zone {
        /// Where a block is to stand. `None`: there is no room.
        fn take(&mut self, size: usize) -> Option<*mut u8> {
            let begin = begin()?;
            let (class, size) = class(size);
            let first = self.free.get_mut(class)?;
            let at = match first.checked_sub(1) {
                Some(at) => {
                    // SAFETY: a free block of the zone, at least as large and aligned for it, written by `give`.
                    *first = unsafe { begin.add(at).cast::<usize>().read() };
                    at
                }
                None => {
                    if self.end.saturating_sub(self.next) < size {
                        self.open()?;
                    }
                    let at = self.next;
                    self.next = at.saturating_add(size);
                    at
                }
            };
            self.chunks.get_mut(at / CHUNK)?.blocks += 1;
            // SAFETY: chunks are within what was mapped.
            Some(unsafe { begin.add(at) })
        }

        /// Opens a chunk.
        fn open(&mut self) -> Option<()> {
            let more = self.chunks.iter_mut().enumerate().skip(self.lowest);
            let (number, chunk) = more.into_iter().find(|(_, chunk)| chunk.state == State::Unused)?;
            chunk.state = State::Open;
            self.lowest = number + 1;
            self.next = number * CHUNK;
            self.end = self.next + CHUNK;
            Some(())
        }

        /// Takes a block back that stands so far from the beginning.
        fn give(&mut self, at: usize, size: usize) {
            let (class, _) = class(size);
            let number = at / CHUNK;
            let (Some(begin), Some(chunk)) = (begin(), self.chunks.get_mut(number)) else { return };
            chunk.blocks = chunk.blocks.saturating_sub(1);
            match (chunk.state, self.free.get_mut(class)) {
                (State::Open, Some(first)) => {
                    // SAFETY: nobody uses the block any more, which has room for this and is aligned for it.
                    unsafe { begin.add(at).cast::<usize>().write(*first) };
                    *first = at + 1;
                }
                (State::Closed, _) if chunk.blocks == 0 => {
                    chunk.state = State::Unused;
                    self.lowest = self.lowest.min(number);
                    discard(begin, number..number + 1);
                }
                _ => {}
            }
        }

        fn purge(&mut self) {
            let Some(begin) = begin() else { return };
            self.free = [0; CLASSES];
            (self.next, self.end) = (0, 0);
            let mut empty = 0..0;
            for (number, chunk) in self.chunks.iter_mut().enumerate() {
                if chunk.state == State::Open && chunk.blocks == 0 {
                    chunk.state = State::Unused;
                    self.lowest = self.lowest.min(number);
                    // Neighbours go together.
                    if empty.end != number {
                        discard(begin, empty);
                        empty = number..number;
                    }
                    empty.end = number + 1;
                } else if chunk.state == State::Open {
                    chunk.state = State::Closed;
                }
            }
            discard(begin, empty);
        }
    }

    /// Gives chunks back in which nothing is.
    fn discard(begin: *mut u8, chunks: Range<usize>) {
        if !chunks.is_empty() {
            // SAFETY: within what was mapped, and nobody uses it.
            let _stays = unsafe {
                madvise(begin.add(chunks.start * CHUNK).cast(), chunks.len() * CHUNK, MADV_DONTNEED)
            };
        }
    }

    /// Where the zone begins. `None`: the system does not give the addresses. Only with the zone's lock.
    fn begin() -> Option<*mut u8> {
        let known = BEGIN.load(Ordering::Relaxed);
        if !known.is_null() {
            return Some(known);
        }
        let begin = map(CHUNKS * CHUNK, MAP_NORESERVE)?;
        BEGIN.store(begin, Ordering::Relaxed);
        Some(begin)
    }

    /// How far from the beginning of the zone a block is. `None`: it is not in the zone.
    fn distance(block: *mut u8) -> Option<usize> {
        let begin = BEGIN.load(Ordering::Relaxed);
        let distance = block.addr().wrapping_sub(begin.addr());
        (distance < CHUNKS * CHUNK && !begin.is_null()).then_some(distance)
    }

    fn map(bytes: usize, how: c_int) -> Option<*mut u8> {
        // SAFETY: a new mapping, wherever the system likes, concerns nobody.
        let at = unsafe { mmap(null_mut(), bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS | how, -1, 0) };
        mapped(at)
    }

    /// `MAP_FAILED` is -1.
    fn mapped(at: *mut c_void) -> Option<*mut u8> {
        (at.addr() != usize::MAX).then_some(at.cast())
    }

    fn is_large(layout: Layout) -> bool {
        layout.size() >= LARGE && layout.align() <= PAGE
    }

    fn is_short_lived(layout: Layout) -> bool {
        THREADS.load(Ordering::Relaxed) > 0
            && layout.align() <= STEP
            && layout.size() < LARGE
            && SHORT_LIVED.try_with(Cell::get).unwrap_or(false)
    }

    /// The module's allocator.
    pub(crate) struct Heap;

    // SAFETY: large blocks are mappings, which overlap with nothing; those of the zone are handed out by a list or a cursor
    // under its lock, each to one owner at a time; the others are the system's. Size and place tell which is which, and
    // neither changes while a block lives. Nothing here allocates, and nothing panics.
    unsafe impl GlobalAlloc for Heap {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if is_large(layout) {
                return map(layout.size(), 0).unwrap_or(null_mut());
            }
            if is_short_lived(layout)
                && let Some(block) = zone().take(layout.size())
            {
                return block;
            }
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        #[inline]
        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if is_large(layout) {
                return map(layout.size(), 0).unwrap_or(null_mut());
            }
            if is_short_lived(layout) {
                // SAFETY: the caller's promise.
                let block = unsafe { self.alloc(layout) };
                if !block.is_null() {
                    // SAFETY: a block of this size.
                    unsafe { write_bytes(block, 0, layout.size()) };
                }
                return block;
            }
            // SAFETY: the caller's promise.
            unsafe { System.alloc_zeroed(layout) }
        }

        #[inline]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if is_large(layout) {
                // SAFETY: `alloc` mapped it with this size.
                let _stays = unsafe { munmap(block.cast(), layout.size()) };
            } else if let Some(at) = distance(block) {
                zone().give(at, layout.size());
            } else {
                // SAFETY: the caller's promise, and it is none of ours.
                unsafe { System.dealloc(block, layout) }
            }
        }

        #[inline]
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller's promise: it is not 0 and does not overflow.
            let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            match (is_large(layout), is_large(new)) {
                (true, true) => {
                    // SAFETY: `alloc` mapped it with this size.
                    let moved = unsafe { mremap(block.cast(), layout.size(), size, MREMAP_MAYMOVE) };
                    mapped(moved).unwrap_or(null_mut())
                }
                (false, false) if distance(block).is_none() => {
                    // SAFETY: the caller's promise, and it is none of ours.
                    unsafe { System.realloc(block, layout, size) }
                }
                _ => {
                    // SAFETY: the caller's promise.
                    let other = unsafe { self.alloc(new) };
                    if !other.is_null() {
                        // SAFETY: two blocks that do not overlap, each at least so long; the old one is not used any more.
                        unsafe {
                            copy_nonoverlapping(block, other, layout.size().min(size));
                            self.dealloc(block, layout);
                        }
                    }
                    other
                }
            }
        }
    }
}
