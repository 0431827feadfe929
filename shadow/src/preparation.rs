//! A configuration on its way to a plan, in slices between which the worker serves requests.
//!
//! 10,000 policies take a third of a second. Reading and compiling them is one future that pauses after every few
//! policies, and the tick goes on with it. Memory is asked for before the work begins and before every few steps of it:
//! where the proxy gives no more, the work is given up, and nothing traps.

use crate::{
    active::Plans,
    config::{self, Settings},
    host::{Host, Level},
    metrics,
    node::Node,
};
use alloc::{boxed::Box, format, rc::Rc, vec::Vec};
use core::{cell::Cell, fmt, future::Future, hint::black_box, pin::Pin};
use gnomon_engine::{
    Diagnostic, Plan, Severity,
    slices::{self, Pace},
};

/// How long one slice may take, in nanoseconds: a request that comes meanwhile waits for its end.
const SLICE: u64 = 3_000_000;
/// Steps between two looks at the clock. A step is a policy or a rule, some ten microseconds.
const STEPS: u32 = 16;
/// How many bytes a plan takes for each byte of its policies' text, at least.
const PLAN: usize = 4;
/// What a few steps may ask for, in bytes, beside a share of the whole.
const PART: usize = 128 << 10;
/// How many errors of one configuration are logged, and how many warnings.
const MOST: [usize; 2] = [200, 20];

/// What came of a configuration.
#[derive(Debug)]
pub struct Prepared {
    /// All that is to be said about it.
    diagnostics: Vec<Diagnostic>,
    /// `None` where one of these is an error.
    ready: Option<Ready>,
}

/// A configuration without errors, compiled.
#[derive(Debug)]
pub struct Ready {
    /// What decides.
    pub plans: Plans,
    /// How to evaluate and what to write.
    pub settings: Settings,
    /// How many policies there are.
    pub policies: usize,
    /// Equal where the configuration is equal.
    pub generation: u32,
}

/// Why there is nothing to put to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The configuration is wrong, or cannot be read: the log says how.
    Refused,
    /// The proxy gives no more memory.
    NoMemory,
}

impl Failed {
    /// For the log.
    pub fn why(self) -> &'static str {
        match self {
            Failed::Refused => "the configuration is refused",
            Failed::NoMemory => "the proxy gives no memory for the plan of this configuration",
        }
    }
}

/// Steps that are left until the clock is looked at, what they may ask for, in bytes, and whether they read policies,
/// which are needed until the plan is there and no longer.
#[derive(Clone, Debug, Default)]
pub struct Steps(Rc<(Cell<u32>, Cell<usize>, Cell<bool>)>);

impl Pace for Steps {
    fn is_over(&self) -> bool {
        let left = self.0.0.get();
        self.0.0.set(left.saturating_sub(1));
        left == 0
    }

    fn need(&self, bytes: usize) {
        self.0.1.set(PART + bytes);
    }
}

/// Work that is under way.
pub struct Work {
    future: Pin<Box<dyn Future<Output = Prepared>>>,
    steps: Steps,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

impl Work {
    /// Goes on for one slice, or `at_once` to the end. `None`: there is more to do.
    ///
    /// # Errors
    ///
    /// There is no memory to go on with.
    pub fn go_on(&mut self, host: &dyn Host, at_once: bool) -> Result<Option<Prepared>, Failed> {
        let begun = host.now();
        loop {
            // A system that has threads promises more memory than it has, so that asking says nothing.
            if cfg!(not(feature = "threads")) && !has_room(self.steps.0.1.get()) {
                return Err(Failed::NoMemory);
            }
            self.steps.0.0.set(STEPS);
            #[cfg(feature = "threads")]
            host.short_lived(self.steps.0.2.get());
            let done = slices::slice(self.future.as_mut());
            #[cfg(feature = "threads")]
            host.short_lived(false);
            if done.is_some() {
                return Ok(done);
            }
            if at_once {
                continue;
            }
            match (begun, host.now()) {
                (Ok(begun), Ok(now)) if now.saturating_sub(begun) < SLICE => {}
                // Without a clock a slice is a few steps long.
                _ => return Ok(None),
            }
        }
    }
}

/// Begins with the plugin configuration, of so many bytes.
///
/// # Errors
///
/// It cannot be read, or there is no memory for what would come of it.
pub fn begin(host: &dyn Host, size: usize) -> Result<Work, Failed> {
    // The proxy puts the text into our memory and does not ask.
    if !has_room(size.saturating_mul(1 + PLAN)) {
        return Err(Failed::NoMemory);
    }
    let text = host.configuration().map_err(|refused| {
        let line = format!("gnomon: the configuration cannot be read ({refused})");
        host.log(Level::Error, &line);
        Failed::Refused
    })?;
    let node = host.node();
    let steps = Steps::default();
    let pace = steps.clone();
    Ok(Work { future: Box::pin(async move { prepare(text, node, &pace).await }), steps })
}

async fn prepare(text: Vec<u8>, node: Node, pace: &Steps) -> Prepared {
    pace.0.2.set(true);
    slices::need(pace, text.len() / 2).await;
    let generation = metrics::generation(&text, pace).await;
    let config = config::read_in_slices(&node, &text, pace).await;
    // While the plan is built, memory is at its highest.
    drop(text);
    let diagnostics = config.diagnostics;
    let Some(loaded) = config.loaded else { return Prepared { diagnostics, ready: None } };
    let policies = loaded.policies();
    let config::Loaded { mut resources, mut baseline, workload, mesh, settings } = loaded;
    pace.0.2.set(false);
    #[cfg(feature = "threads")]
    slices::pause().await;
    let candidate = Plan::prepare(&resources, &workload, &mesh, pace).await;
    let other = match &baseline {
        Some(resources) => Some(Plan::prepare(resources, &workload, &mesh, pace).await),
        None => None,
    };
    for resources in [Some(&mut resources), baseline.as_mut()].into_iter().flatten() {
        while resources.authorization.pop().is_some() {
            slices::step(pace).await;
        }
    }
    let plans = Plans { candidate, baseline: other };
    Prepared { diagnostics, ready: Some(Ready { plans, settings, policies, generation }) }
}

impl Prepared {
    /// Logs what is wrong, and with `warnings` what is only odd.
    ///
    /// # Errors
    ///
    /// The configuration is wrong.
    pub fn check(self, host: &dyn Host, warnings: bool) -> Result<Ready, Failed> {
        for (most, level) in MOST.into_iter().zip([Level::Error, Level::Warn]) {
            let is_wanted = |found: &&Diagnostic| {
                let error = found.severity == Severity::Error;
                error == (level == Level::Error) && (error || warnings)
            };
            let mut found = self.diagnostics.iter().filter(is_wanted);
            for diagnostic in found.by_ref().take(most) {
                host.log(level, &format!("gnomon: {diagnostic}"));
            }
            let more = found.count();
            if more > 0 {
                host.log(level, &format!("gnomon: {more} more; `gnomon lint` shows all of them"));
            }
        }
        self.ready.ok_or(Failed::Refused)
    }
}

/// Does the proxy give this much more memory? It is given back at once: what is to be built finds it there.
fn has_room(bytes: usize) -> bool {
    let mut room = Vec::<u8>::new();
    let has = room.try_reserve_exact(bytes).is_ok();
    // The compiler leaves out what nobody looks at.
    black_box(&mut room);
    has
}
