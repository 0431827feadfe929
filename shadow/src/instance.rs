//! One configuration of the shadow: what is at work for the streams that begin with it, and what is being built.

use crate::{
    active::{Active, Plans, Reporter},
    host::{Host, Level},
    metrics::{Counter, Metrics},
    preparation::{self, Failed, Ready, Work},
};
use alloc::{format, rc::Rc, sync::Arc, vec::Vec};
use core::cell::{Cell, RefCell};

/// Between signs of life, in milliseconds.
pub const HEARTBEAT: u32 = 10_000;
/// Between slices of work, in milliseconds: then requests are served.
const BETWEEN: u32 = 1;

/// How many rules are forgotten in one slice, of each kind.
const SLICE: usize = 500;

/// What tells one plugin from another: configurations of one name are taken for updates of one plugin.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    plugin: Vec<u8>,
    root_id: Vec<u8>,
}

impl Name {
    /// That of the plugin which the proxy is configuring.
    pub fn read(host: &dyn Host) -> Name {
        let (plugin, root_id) = host.instance();
        Name { plugin, root_id }
    }
}

/// A configuration, from when it came to when the proxy forgets it.
#[derive(Debug)]
pub struct Instance {
    name: Name,
    /// What decides; at first that of the configuration before, where there is one. `None`: a later configuration has
    /// taken its place, and nothing is left here but what streams that have been decided on hold themselves.
    active: RefCell<Option<Active>>,
    /// What reports, also where nothing decides any more.
    reporter: RefCell<Rc<Reporter>>,
    /// Its own plan, as long as it is not at work.
    next: RefCell<Option<Work>>,
    /// What was at work before, here or elsewhere, being taken apart.
    old: RefCell<Vec<Plans>>,
    /// The period of its tick, in milliseconds.
    period: Cell<u32>,
}

impl Instance {
    /// The first configuration of a plugin, read at once: there is nothing yet that could go on meanwhile. `None`: it is
    /// refused, and the log says everything that is wrong with it.
    pub fn first(host: &dyn Host, name: Name, size: usize) -> Option<Instance> {
        let active = Active::new(host, read(host, size)?, None);
        let instance = Instance::with(name, active);
        instance.begin(host);
        Some(instance)
    }

    /// A further configuration of a plugin, which the proxy's main thread has taken before, in an instance of the module
    /// where there was none. So it is never refused here: where it cannot be put to work, what is at work in `before` stays.
    /// `at_once`: nothing is served yet, so that nobody waits.
    pub fn update(host: &dyn Host, name: Name, size: usize, before: Active, at_once: bool) -> Instance {
        let instance = Instance::with(name, before);
        match preparation::begin(host, size) {
            Ok(work) => {
                instance.next.replace(Some(work));
                instance.work(host, at_once);
            }
            Err(failed) => instance.give_up(host, failed),
        }
        instance.schedule(host);
        instance
    }

    fn with(name: Name, active: Active) -> Instance {
        Instance {
            name,
            reporter: RefCell::new(active.local.reporter.clone()),
            active: RefCell::new(Some(active)),
            next: RefCell::default(),
            old: RefCell::default(),
            period: Cell::new(0),
        }
    }

    /// Takes another configuration in the place of this one, or refuses it: as the main thread does that checks one.
    pub fn again(&self, host: &dyn Host, size: usize) -> bool {
        let Some(ready) = read(host, size) else { return false };
        self.next.take();
        self.replace(host, ready);
        self.old.take();
        self.schedule(host);
        true
    }

    /// What it is known by.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// `name` in the plugin's configuration.
    pub fn plugin(&self) -> &[u8] {
        &self.name.plugin
    }

    /// What decides. `None`: a later configuration has taken its place.
    pub fn active(&self) -> Option<Active> {
        self.active.borrow().clone()
    }

    /// What reports.
    pub fn reporter(&self) -> Rc<Reporter> {
        self.reporter.borrow().clone()
    }

    /// How often it ticks, in milliseconds; 0: not any more.
    pub fn period(&self) -> u32 {
        self.period.get()
    }

    /// A later configuration takes its place, and what was at work here. Its tick ends with the next one.
    pub fn strip(&self) -> Option<Active> {
        self.next.take();
        self.period.set(0);
        self.active.take()
    }

    /// Has this taken apart, unless it is at work elsewhere.
    pub fn discard(&self, host: &dyn Host, active: Active) {
        if let Some(plans) = Arc::into_inner(active.plans) {
            self.old.borrow_mut().push(plans);
            self.schedule(host);
        }
    }

    /// Time has passed.
    pub fn tick(&self, host: &dyn Host) {
        let Some(active) = self.active() else {
            let _stays = host.tick_every(0);
            return;
        };
        active.fetch(host);
        drop(active);
        self.work(host, false);
        self.schedule(host);
    }

    /// An answer to a fetch has come, with this body, or has not come.
    pub fn answered(&self, host: &dyn Host, call: u32, body: Option<&[u8]>) {
        if let Some(active) = self.active() {
            active.answered(host, call, body);
        }
    }

    /// One slice of what is to be done, or all of it.
    fn work(&self, host: &dyn Host, at_once: bool) {
        let mut old = self.old.borrow_mut();
        if let Some(mut plans) = old.pop() {
            if plans.forget(SLICE) {
                old.push(plans);
            }
            return;
        }
        drop(old);
        let mut next = self.next.borrow_mut();
        let Some(work) = &mut *next else { return };
        let done = match work.go_on(host, at_once) {
            Ok(None) => return,
            Ok(Some(prepared)) => prepared.check(host, false),
            Err(failed) => Err(failed),
        };
        *next = None;
        drop(next);
        match done {
            Ok(ready) => self.replace(host, ready),
            Err(failed) => self.give_up(host, failed),
        }
    }

    fn replace(&self, host: &dyn Host, ready: Ready) {
        let active = Active::new(host, ready, self.active().as_ref());
        self.reporter.replace(active.local.reporter.clone());
        if let Some(before) = self.active.replace(Some(active)) {
            self.discard(host, before);
        }
        self.begin(host);
    }

    fn begin(&self, host: &dyn Host) {
        if let Some(active) = self.active() {
            active.fetch(host);
        }
        self.schedule(host);
    }

    fn give_up(&self, host: &dyn Host, failed: Failed) {
        host.log(Level::Error, &format!("gnomon: {}; the one before goes on", failed.why()));
        self.reporter().metrics.add(host, Counter::ConfigNotApplied, 1);
    }

    /// Sets the tick to what there is to do.
    fn schedule(&self, host: &dyn Host) {
        let busy = self.next.borrow().is_some() || !self.old.borrow().is_empty();
        let waits = self.active.borrow().as_ref().is_some_and(|active| !active.local.key_sets.is_empty());
        let period = match (busy, waits) {
            (true, _) => BETWEEN,
            (false, true) => 1000,
            (false, false) => HEARTBEAT,
        };
        if self.period.replace(period) != period && host.tick_every(period).is_err() {
            self.reporter().metrics.add(host, Counter::Errors, 1);
        }
    }
}

/// Reads a configuration at once. `None`: it is refused, and the log says everything that is wrong with it.
pub fn read(host: &dyn Host, size: usize) -> Option<Ready> {
    // Counters are there before there is anything to count.
    let metrics = Metrics::define(host, 0);
    let mut work = preparation::begin(host, size);
    let read = loop {
        match work.as_mut().map(|work| work.go_on(host, true)) {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(prepared))) => break prepared.check(host, true),
            Ok(Err(failed)) => break Err(failed),
            Err(failed) => break Err(*failed),
        }
    };
    if let Err(failed) = read {
        host.log(Level::Error, &format!("gnomon: {}; the one before, if any, goes on", failed.why()));
        metrics.add(host, Counter::ConfigRefused, 1);
    }
    read.ok()
}
