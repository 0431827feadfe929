//! Random listeners before gnomon's import and before real Envoy: which filter chain a connection gets, and what comes
//! of it.
//!
//! Listeners are drawn in exactly the forms that istiod writes (a sidecar's `virtualInbound` with its chains for all
//! ports and for each port under each mode, listeners bound to a port, a waypoint's `main_internal` with its tree, a
//! sidecar's behind a tunnel, gateways), and in one that uses every criterion there is. Filters in the chains tell the
//! chain, the peer, the port and the SNI.

mod ask;
mod chain;
pub mod draw;

pub use ask::Seen;

use crate::{
    conformance::Random,
    err::{Error, Result},
};
use ask::{Pki, ask, differences, start};
use draw::Drawn;
use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// So many listeners stand in one Envoy.
const AT_ONCE: usize = 100;
/// So many disagreements are kept; all are counted.
const KEPT: usize = 10;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What the listeners were drawn from.
    pub seed: u64,
    /// Listeners asked, by form.
    pub forms: BTreeMap<&'static str, usize>,
    /// Connections compared, by what Envoy did.
    pub outcomes: BTreeMap<String, usize>,
    /// Connections about which gnomon and Envoy differ.
    pub disagreements: usize,
    /// The first of them, with their listener.
    pub kept: Vec<String>,
    /// From the first draw to the last answer.
    pub taken: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners: usize = self.forms.values().sum();
        let compared: usize = self.outcomes.values().sum();
        writeln!(
            f,
            "seed {}: {listeners} listeners, {compared} connections compared, {} disagree; {:.1} s",
            self.seed,
            self.disagreements,
            self.taken.as_secs_f64()
        )?;
        writeln!(f, "  listeners")?;
        for (form, count) in &self.forms {
            writeln!(f, "    {count:>8}  {form}")?;
        }
        writeln!(f, "  what Envoy did")?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "    {count:>8}  {outcome}")?;
        }
        Ok(())
    }
}

/// Draws so many listeners of a seed and asks about them; `workers` threads have an Envoy each.
///
/// # Errors
///
/// Envoy is not there, refuses a listener, or says nothing about a connection.
pub fn run(seed: u64, listeners: usize, workers: usize) -> Result<Summary> {
    let begin = Instant::now();
    let pki = Pki::new()?;
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Summary { seed, ..Summary::default() });
    let work = || -> Result<()> {
        loop {
            let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            if first >= listeners {
                return Ok(());
            }
            batch(&pki, seed, first..first.saturating_add(AT_ONCE).min(listeners), &total)?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::new("a worker panicked"))))
    })?;
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.taken = begin.elapsed();
    Ok(total)
}

fn batch(pki: &Pki, seed: u64, numbers: Range<usize>, total: &Mutex<Summary>) -> Result<()> {
    let of = |number: usize| {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        draw::draw(seed ^ Random::new(number).number())
    };
    let drawn: Vec<Drawn> = numbers.map(of).collect();
    let envoy = start(pki, &drawn)?;
    for (place, drawn) in drawn.iter().enumerate() {
        let seen = ask(pki, &envoy, drawn, place)?;
        let differences = differences(drawn, &seen, envoy.address(&place.to_string())?)?;
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        *total.forms.entry(drawn.form).or_default() += 1;
        for ((seen, difference), connection) in seen.iter().zip(differences).zip(&drawn.connections) {
            *total.outcomes.entry(outcome(seen)).or_default() += 1;
            if let Some(difference) = difference {
                total.disagreements += 1;
                if total.kept.len() < KEPT {
                    let text =
                        format!("{difference}\n  {connection:?}\n  {}: {}", drawn.form, drawn.listener);
                    total.kept.push(text);
                }
            }
        }
    }
    Ok(())
}

/// In a few words.
fn outcome(seen: &Seen) -> String {
    let details = seen.details.as_deref().and_then(|details| details.split(['[', '{']).next());
    match (seen.allowed, &seen.chain, details) {
        (true, ..) => "let through".into(),
        (false, Some(chain), None) if chain == "virtualInbound-blackhole" => "black hole".into(),
        (false, _, Some(details)) => details.to_owned(),
        (false, _, None) => "closed without a word: a handshake that fails".into(),
    }
}
