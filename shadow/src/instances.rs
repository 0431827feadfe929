//! All configurations in one instance of the module: which take the place of which.
//!
//! Envoy gives every update a root context of its own, and keeps the earlier ones for as long as a stream lives that began
//! with them; a stream may live for days. Nothing says which of two configurations is the update of the other, or whether
//! both stand in listeners. So one is taken for superseded, and stripped, that has had streams and gets none any more,
//! while later ones of its name have come: two of them, or one some time ago. What a stripped one is asked all the same is
//! unknown.

use crate::{
    active::Active,
    host::Host,
    instance::{HEARTBEAT, Instance, Name},
    metrics::Counter,
    stream::{Origin, Stream},
};
use alloc::{rc::Rc, vec::Vec};

/// After this time without a stream, in nanoseconds, one later configuration is enough.
const QUIET: u64 = 10_000_000_000;

/// All of them, the latest last.
#[derive(Debug, Default)]
pub struct Instances {
    all: Vec<Entry>,
    /// How many configurations have come.
    events: u64,
    /// Some stream has begun.
    serving: bool,
    /// Milliseconds since the last sign of life, as far as they have been counted: up to when, in nanoseconds.
    quiet: u32,
    counted: u64,
}

#[derive(Debug)]
struct Entry {
    root: u32,
    instance: Rc<Instance>,
    /// The event that it came with, and when that was.
    event: u64,
    came: u64,
    /// The last event before its last stream began; 0: none has.
    used: u64,
}

impl Instances {
    /// None.
    pub const fn new() -> Self {
        Instances { all: Vec::new(), events: 0, serving: false, quiet: 0, counted: 0 }
    }

    fn get(&mut self, root: u32) -> Option<&mut Entry> {
        self.all.iter_mut().find(|entry| entry.root == root)
    }

    /// A configuration of so many bytes has come for a root. False: it is refused, and whatever ran before goes on.
    pub fn configure(&mut self, host: &dyn Host, root: u32, size: usize) -> bool {
        if let Some(entry) = self.get(root) {
            return entry.instance.again(host, size);
        }
        let now = host.now().unwrap_or(0);
        let name = Name::read(host);
        let before = self.before(&name);
        let first = before.is_none();
        let instance = match before {
            Some(before) => Instance::update(host, name, size, before, !self.serving),
            None => match Instance::first(host, name, size) {
                Some(instance) => instance,
                None => return false,
            },
        };
        if first && self.all.is_empty() {
            instance.reporter().metrics.add(host, Counter::Heartbeats, 1);
        }
        let period = self.all.last().map_or(0, |latest| latest.instance.period());
        let passed = now.saturating_sub(core::mem::replace(&mut self.counted, now)) / 1_000_000;
        self.events += 1;
        self.all.push(Entry { root, instance: Rc::new(instance), event: self.events, came: now, used: 0 });
        self.live(host, u32::try_from(passed).unwrap_or(u32::MAX).min(period));
        self.strip(host, now);
        true
    }

    /// What is at work under this name.
    fn before(&self, name: &Name) -> Option<Active> {
        let named = self.all.iter().rev().filter(|entry| entry.instance.name() == name);
        named.filter_map(|entry| entry.instance.active()).next()
    }

    /// A stream begins with a root.
    pub fn begins(&mut self, root: u32) -> Option<Stream> {
        let events = self.events;
        let entry = self.get(root)?;
        entry.used = events;
        let stream = Stream::Waiting(Origin::Instance(entry.instance.clone()));
        self.serving = true;
        Some(stream)
    }

    /// Time has passed for a root.
    pub fn tick(&mut self, host: &dyn Host, root: u32) {
        let Some(entry) = self.get(root) else { return };
        let instance = entry.instance.clone();
        let passed = instance.period();
        instance.tick(host);
        // One pulse, however many there are.
        if self.all.last().is_some_and(|latest| latest.root == root) {
            self.counted = host.now().unwrap_or(0);
            self.live(host, passed);
            self.strip(host, self.counted);
        }
    }

    /// An answer to a fetch of a root's has come, with this body, or has not come.
    pub fn answered(&mut self, host: &dyn Host, root: u32, call: u32, body: Option<&[u8]>) {
        if let Some(entry) = self.get(root) {
            entry.instance.answered(host, call, body);
        }
    }

    /// A root is gone, if it is one.
    pub fn gone(&mut self, root: u32) {
        self.all.retain(|entry| entry.root != root);
    }

    /// So many milliseconds more have been lived.
    fn live(&mut self, host: &dyn Host, passed: u32) {
        let quiet = self.quiet.saturating_add(passed);
        self.quiet = quiet % HEARTBEAT;
        if let Some(latest) = self.all.last() {
            latest.instance.reporter().metrics.add(host, Counter::Heartbeats, quiet / HEARTBEAT);
        }
    }

    /// Strips what is superseded; the latest one takes apart what was at work there.
    fn strip(&self, host: &dyn Host, now: u64) {
        let Some(latest) = self.all.last() else { return };
        for entry in self.all.iter().filter(|entry| entry.used > 0) {
            let later = |other: &&Entry| {
                other.event > entry.used
                    && other.event > entry.event
                    && other.instance.name() == entry.instance.name()
            };
            let mut later = self.all.iter().filter(later);
            let some_time_ago = |first: &Entry| now.saturating_sub(first.came) >= QUIET;
            if later.next().is_some_and(|first| some_time_ago(first) || later.next().is_some())
                && let Some(active) = entry.instance.strip()
            {
                latest.instance.discard(host, active);
            }
        }
    }
}
