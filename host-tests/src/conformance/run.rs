//! World after world, by several threads with an Envoy each.

use super::{
    ask::{ask, questions},
    compare::{Engine, difference},
    draw,
    random::Random,
    world::{Read, World},
};
use crate::{
    err::{Error, Result},
    judge::{Answer, Judge, Question, Seen},
};
use gnomon_engine::{
    Plan,
    verdict::{Outcome, Report},
};
use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// So many worlds stand in one Envoy.
const AT_ONCE: usize = 64;
/// So many disagreements are kept to be looked at; all are counted.
const KEPT: usize = 20;

/// What to run.
pub struct Settings<'a> {
    /// Worlds are drawn from it and their number.
    pub seed: u64,
    /// How many requests.
    pub cases: usize,
    /// How many threads, each with an Envoy of its own.
    pub workers: usize,
    /// What is compared with Envoy.
    pub engine: &'a Engine,
    /// The built filter, where its answers are wanted too; see [`Settings::on_answer`].
    pub filter: Option<PathBuf>,
    /// Sees each answer that was compared; what it returns is a disagreement.
    pub on_answer: Option<&'a OnAnswer<'a>>,
    /// Is told now and then how many were compared.
    pub progress: &'a (dyn Fn(usize, Duration) + Sync),
}

/// The question, its plan, the engine's report, Envoy's answer.
pub type OnAnswer<'a> = dyn Fn(&Question<'_>, &Plan, &Report, &Seen) -> Option<String> + Sync + 'a;

/// A request about which Envoy and the engine differ.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// All of it, with this one request.
    pub world: World,
    /// What differs.
    pub what: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The settings' seed.
    pub seed: u64,
    /// Worlds asked.
    pub worlds: usize,
    /// Requests drawn.
    pub cases: usize,
    /// Requests of which Envoy's answer was compared.
    pub compared: usize,
    /// The others, by reason.
    pub beyond: BTreeMap<String, usize>,
    /// What was compared, by the stage that decided and the verdict.
    pub stages: BTreeMap<String, usize>,
    /// All that disagree.
    pub disagreements: usize,
    /// The first of them.
    pub kept: Vec<Disagreement>,
    /// From the first draw to the last answer.
    pub taken: Duration,
}

impl Summary {
    /// Comparisons per second.
    pub fn rate(&self) -> f64 {
        let compared = u32::try_from(self.compared).unwrap_or(u32::MAX);
        f64::from(compared) / self.taken.as_secs_f64().max(f64::EPSILON)
    }

    /// The share of the compared cases, in percent, by the first or the second word of [`Summary::stages`]: by stage or
    /// by verdict.
    pub fn shares(&self, word: usize) -> BTreeMap<String, f64> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (name, count) in &self.stages {
            let name = name.split(' ').nth(word).unwrap_or_default();
            *counts.entry(name.to_owned()).or_default() += count;
        }
        let of = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let all = of(self.compared).max(1.0);
        counts.into_iter().map(|(name, count)| (name, of(count) * 100.0 / all)).collect()
    }

    fn add(&mut self, other: Summary) {
        self.worlds += other.worlds;
        self.cases += other.cases;
        self.compared += other.compared;
        self.disagreements += other.disagreements;
        for (mine, others) in [(&mut self.beyond, other.beyond), (&mut self.stages, other.stages)] {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
        self.kept.extend(other.kept);
        self.kept.truncate(KEPT);
    }

    fn disagree(&mut self, world: World, what: String) {
        self.disagreements += 1;
        if self.kept.len() < KEPT {
            self.kept.push(Disagreement { world, what });
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not_asked: usize = self.beyond.values().sum();
        writeln!(
            f,
            "seed {}: {} cases in {} worlds, {} compared, {not_asked} not askable, {} disagree; {:.1} s, {:.0} comparisons/s",
            self.seed,
            self.cases,
            self.worlds,
            self.compared,
            self.disagreements,
            self.taken.as_secs_f64(),
            self.rate()
        )?;
        writeln!(f, "  decided by")?;
        for (stage, count) in &self.stages {
            writeln!(f, "    {count:>8}  {stage}")?;
        }
        for (of, shares) in [("stage", self.shares(0)), ("verdict", self.shares(1))] {
            let shares: Vec<String> =
                shares.iter().map(|(name, share)| format!("{name} {share:.1} %")).collect();
            writeln!(f, "  by {of}: {}", shares.join(", "))?;
        }
        if not_asked > 0 {
            writeln!(f, "  not askable")?;
        }
        for (why, count) in &self.beyond {
            writeln!(f, "    {count:>8}  {why}")?;
        }
        Ok(())
    }
}

/// Runs them all.
///
/// # Errors
///
/// Envoy is not there, or certificates cannot be made.
pub fn run(settings: &Settings<'_>) -> Result<Summary> {
    let begin = Instant::now();
    let judge = Judge::new()?;
    let worlds = settings.cases.div_ceil(draw::REQUESTS);
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Summary { seed: settings.seed, ..Summary::default() });
    let work = || {
        loop {
            let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            if first >= worlds {
                return;
            }
            let part = batch(settings, &judge, first..first.saturating_add(AT_ONCE).min(worlds));
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.add(part);
            (settings.progress)(total.cases, begin.elapsed());
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..settings.workers.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| Error::new("a worker panicked")))
    })?;
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.taken = begin.elapsed();
    Ok(total)
}

fn batch(settings: &Settings<'_>, judge: &Judge, numbers: std::ops::Range<usize>) -> Summary {
    let mut summary = Summary::default();
    let worlds: Vec<(World, Read)> = numbers
        .filter_map(|number| {
            // The last world may be cut short.
            let left = settings.cases.saturating_sub(number.saturating_mul(draw::REQUESTS));
            drawn(settings.seed, number, left)
        })
        .collect();
    let read: Vec<&Read> = worlds.iter().map(|(_, read)| read).collect();
    let answers = ask(judge, &read, settings.filter.as_deref());
    for ((world, read), answers) in worlds.iter().zip(answers) {
        summary.worlds += 1;
        summary.cases += read.requests.len();
        match answers {
            Ok(answers) => one(settings, world, read, &answers, &mut summary),
            Err(error) => summary.disagree(world.only(0), format!("Envoy cannot be asked: {error}")),
        }
    }
    summary
}

/// The world of this number, with so many requests at most. What Istio's admission refuses is drawn again.
fn drawn(seed: u64, number: usize, most: usize) -> Option<(World, Read)> {
    let number = u64::try_from(number).ok()?;
    let mut seeds = Random::new(seed ^ Random::new(number).number());
    let (world, mut read) = std::iter::repeat_with(|| draw::world(seeds.number()))
        .find_map(|world| world.read().ok().map(|read| (world, read)))?;
    read.requests.truncate(most);
    Some((world, read))
}

fn one(settings: &Settings<'_>, world: &World, read: &Read, answers: &[Answer], summary: &mut Summary) {
    let plan = Plan::build(&read.resources, &read.workload, &read.mesh);
    for (number, (question, answer)) in questions(read).zip(answers).enumerate() {
        let seen = match answer {
            Answer::Seen(seen) => seen,
            Answer::Beyond(why) => {
                *summary.beyond.entry(why.clone()).or_default() += 1;
                continue;
            }
        };
        let report = (settings.engine)(&question, &plan);
        if report.verdict == Outcome::Unknown {
            let missing: Vec<String> = report.missing.iter().map(ToString::to_string).collect();
            let why = format!("the engine does not know {}", missing.join(", "));
            *summary.beyond.entry(why).or_default() += 1;
            continue;
        }
        summary.compared += 1;
        let stage = format!("{:?} {:?}", report.stage, report.verdict).to_lowercase();
        *summary.stages.entry(stage).or_default() += 1;
        let more = || settings.on_answer.and_then(|look| look(&question, &plan, &report, seen));
        if let Some(what) = difference(&question, &report, seen).or_else(more) {
            summary.disagree(world.only(number), what);
        }
    }
}
