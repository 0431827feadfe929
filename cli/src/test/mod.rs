//! `gnomon test`.

mod github;
mod json;
mod junit;
mod text;

use crate::{Outcome, eval::now, findings, style};
use gnomon_analysis::{CaseResult, Runner};
use gnomon_engine::jwt::SoftwareCrypto;
use gnomon_manifests::suite::{Case, LoadedSuite, Test, find, load};
use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Run the test suites (*.gnomon.yaml) below the paths
///
/// Exits 1 where an expectation is not met, and 2 where a suite or a policy cannot be read or there is no suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders to search, or suites
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// For people, for programs, or for a CI
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// List the tests that pass too, and show warnings about the policies
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
    Github,
}

/// A suite that ran.
#[derive(Debug)]
struct Ran {
    loaded: LoadedSuite,
    /// One list for each test, one result for each of its cases.
    results: Vec<Vec<CaseResult>>,
    took: Duration,
}

impl Ran {
    /// Every case with its test and result, in order.
    fn cases(&self) -> impl Iterator<Item = (&Test, &Case, &CaseResult)> {
        let tests = self.loaded.suite.tests.iter().zip(&self.results);
        tests.flat_map(|(test, results)| {
            test.cases.iter().zip(results).map(move |(case, result)| (test, case, result))
        })
    }

    fn failures(&self) -> usize {
        self.cases().filter(|(.., result)| !result.passed()).count()
    }
}

/// All suites.
#[derive(Debug)]
struct Session {
    suites: Vec<Ran>,
    /// Suites that could not be read.
    broken: usize,
    took: Duration,
}

impl Session {
    fn cases(&self) -> usize {
        self.suites.iter().map(|ran| ran.loaded.suite.len()).sum()
    }

    fn failures(&self) -> usize {
        self.suites.iter().map(Ran::failures).sum()
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let start = Instant::now();
    let (files, problems) = find(&args.paths);
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    if !problems.is_empty() {
        return Outcome::Failed;
    }
    if files.is_empty() {
        let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        eprintln!("error: there is no suite (*.gnomon.yaml) below {}", style::safe(&paths.join(", ")));
        return Outcome::Failed;
    }
    let mut session = Session { suites: Vec::new(), broken: 0, took: Duration::ZERO };
    let now = now();
    // Suites share policies.
    let mut seen = HashSet::new();
    let mut warnings = 0_usize;
    for file in files {
        let start = Instant::now();
        let loaded = match load(&file) {
            Ok(loaded) => loaded,
            Err(problems) => {
                findings::print(&problems.loaded, &mut seen, "the suite was not run");
                session.broken += 1;
                continue;
            }
        };
        if args.verbose {
            findings::print(&loaded.findings, &mut seen, "the suite was not run");
        } else {
            warnings += loaded.findings.diagnostics.len();
        }
        let mut runner = Runner::of(&loaded, &SoftwareCrypto, now);
        let tests = loaded.suite.tests.iter().zip(&loaded.resources);
        let results = tests.map(|(test, resources)| runner.test(test, resources).cases).collect();
        session.suites.push(Ran { loaded, results, took: start.elapsed() });
    }
    session.took = start.elapsed();
    if warnings > 0 {
        eprintln!("note: {} about the policies (--verbose shows them)", style::plural(warnings, "warning"));
    }
    style::print(&match args.output {
        Format::Text => text::write(&session, style::Style::of_stdout(), args.verbose),
        Format::Json => json::write(&session),
        Format::Junit => junit::write(&session),
        Format::Github => github::write(&session),
    });
    match (session.broken, session.failures()) {
        (0, 0) => Outcome::Good,
        (0, _) => Outcome::Bad,
        _ => Outcome::Failed,
    }
}

/// `a user may not write [method=POST]`.
fn case_name(test: &Test, case: &Case) -> String {
    match case.variant.as_str() {
        "" => test.name.clone(),
        variant => format!("{} [{variant}]", test.name),
    }
}
