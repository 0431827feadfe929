//! Runs suites, as many at once as there are processors.

use super::{Ran, Session, case_name};
use crate::{eval::now, progress::Progress};
use gnomon_analysis::Runner;
use gnomon_engine::jwt::SoftwareCrypto;
use gnomon_manifests::{
    Loaded,
    suite::{LoadedSuite, load},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What came of all suites.
pub(super) struct Ended {
    pub(super) session: Session,
    /// What is wrong with those that could not be read.
    pub(super) broken: Vec<Loaded>,
    /// The policies that they name.
    pub(super) read: Vec<PathBuf>,
}

/// What came of one.
enum One {
    Ran(Box<Ran>),
    Broken(Box<Loaded>),
    LeftOut,
}

/// Results come in the order of the files, whoever is ready first.
pub(super) fn run(files: &[PathBuf], filter: Option<&str>, fail_fast: bool) -> Ended {
    let start = Instant::now();
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<(usize, One)>> = Mutex::new(Vec::new());
    let progress = Mutex::new(Progress::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(number) else { return };
            let one =
                if fail_fast && failed.load(Ordering::Relaxed) { One::LeftOut } else { one(file, filter) };
            let is_bad = match &one {
                One::Ran(ran) => ran.failures() > 0,
                One::Broken(_) => true,
                One::LeftOut => false,
            };
            failed.fetch_or(is_bad, Ordering::Relaxed);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            // Whoever finds it taken need not tell.
            if let Ok(mut progress) = progress.try_lock() {
                progress.tell(|| format!("{done} of {} suites", files.len()));
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push((number, one));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(files.len());
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    drop(progress);
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    let mut ended = Ended {
        session: Session { suites: Vec::new(), broken: 0, left_out: 0, took: Duration::ZERO },
        broken: Vec::new(),
        read: Vec::new(),
    };
    for (_, one) in results {
        match one {
            One::Ran(ran) => {
                ended.read.extend(ran.loaded.findings.files.iter().map(|file| PathBuf::from(&**file)));
                ended.session.suites.push(*ran);
            }
            One::Broken(problems) => {
                ended.session.broken += 1;
                ended.read.extend(problems.files.iter().map(|file| PathBuf::from(&**file)));
                ended.broken.push(*problems);
            }
            One::LeftOut => ended.session.left_out += 1,
        }
    }
    ended.session.took = start.elapsed();
    ended
}

fn one(file: &Path, filter: Option<&str>) -> One {
    let start = Instant::now();
    let mut loaded = match load(file) {
        Ok(loaded) => loaded,
        Err(problems) => return One::Broken(problems.loaded),
    };
    if let Some(filter) = filter {
        choose(&mut loaded, &filter.to_lowercase());
    }
    let mut runner = Runner::of(&loaded, &SoftwareCrypto, now());
    let tests = loaded.suite.tests.iter().zip(&loaded.resources);
    let results = tests.map(|(test, resources)| runner.test(test, resources).cases).collect();
    One::Ran(Box::new(Ran { loaded, results, took: start.elapsed() }))
}

/// Leaves the cases whose suite, file or name has the text in it.
fn choose(loaded: &mut LoadedSuite, filter: &str) {
    let has = |name: &str| name.to_lowercase().contains(filter);
    if has(&loaded.suite.name) || has(&loaded.suite.file) {
        return;
    }
    let tests = std::mem::take(&mut loaded.suite.tests);
    let resources = std::mem::take(&mut loaded.resources);
    for (mut test, resources) in tests.into_iter().zip(resources) {
        let cases = std::mem::take(&mut test.cases);
        test.cases = cases.into_iter().filter(|case| has(&case_name(&test, case))).collect();
        if !test.cases.is_empty() {
            loaded.suite.tests.push(test);
            loaded.resources.push(resources);
        }
    }
}
