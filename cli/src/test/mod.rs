//! `gnomon test`.

mod coverage;
mod github;
mod json;
mod junit;
mod markdown;
mod session;
mod text;
mod update;
mod watch;

use crate::{Outcome, findings, lint::config::Config, style};
use gnomon_analysis::CaseResult;
use gnomon_manifests::suite::{Case, LoadedSuite, Test, find};
use session::Ended;
use std::{collections::HashSet, path::PathBuf, time::Duration};

/// Run the test suites (*.gnomon.yaml) below the paths
///
/// Exits 1 where an expectation is not met, and 2 where a suite or a policy cannot be read or there is no suite.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders to search, or suites [default: the paths of gnomon.toml, else .]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// For people, for programs, or for a CI
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// List the tests that pass too, and show warnings about the policies
    #[arg(short, long)]
    verbose: bool,
    /// Run only the tests that have this text in the name of their suite, of their file or of themselves
    #[arg(short, long, value_name = "TEXT")]
    filter: Option<String>,
    /// Begin no suite after the first one with a failure
    #[arg(long)]
    fail_fast: bool,
    /// Show the failures, then write the verdicts that came out into the suites as what is expected
    #[arg(long, conflicts_with = "watch")]
    update: bool,
    /// Change each value, condition, rule and policy in turn, and tell where no test notices, with the request that would
    /// have
    #[arg(long)]
    coverage: bool,
    /// Exit 1 where tests notice less than this of a hundred changes
    #[arg(long, value_name = "PERCENT", requires = "coverage")]
    fail_under: Option<f64>,
    /// Run again whenever a suite or a policy changes, until interrupted
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
    Github,
    Markdown,
    /// Coverage alone, for editors and coverage services.
    Lcov,
    /// Coverage alone, as a page.
    Html,
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
    /// Suites that were not begun after a failure.
    left_out: usize,
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
    if matches!(args.output, Format::Lcov | Format::Html) && !args.coverage {
        eprintln!("error: -o lcov and -o html are forms of --coverage");
        return Outcome::Failed;
    }
    let args = match paths(args) {
        Ok(paths) => Args { paths, ..args.clone() },
        Err(wrong) => {
            eprintln!("error: {}", wrong.trim_end());
            return Outcome::Failed;
        }
    };
    if args.watch { watch::run(&args) } else { once(&args).0 }
}

/// What the command line names, else what the project says.
fn paths(args: &Args) -> Result<Vec<PathBuf>, String> {
    if !args.paths.is_empty() {
        return Ok(args.paths.clone());
    }
    let configured = Config::find(None)?.of(None)?.paths;
    Ok(if configured.is_empty() { vec![".".into()] } else { configured })
}

/// Runs all suites, tells what came of it, and with it the files that it depends on.
fn once(args: &Args) -> (Outcome, Vec<PathBuf>) {
    let (files, problems) = find(&args.paths);
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    if !problems.is_empty() {
        return (Outcome::Failed, files);
    }
    if files.is_empty() {
        let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        eprintln!("error: there is no suite (*.gnomon.yaml) below {}", style::safe(&paths.join(", ")));
        return (Outcome::Failed, files);
    }
    let Ended { mut session, broken, mut read } =
        session::run(&files, args.filter.as_deref(), args.fail_fast);
    // Suites share policies.
    let mut seen = HashSet::new();
    for problems in &broken {
        findings::print(problems, &mut seen, "the suite was not run");
    }
    let mut warnings = 0_usize;
    for ran in &session.suites {
        if args.verbose {
            findings::print(&ran.loaded.findings, &mut seen, "the suite was not run");
        } else {
            warnings += ran.loaded.findings.diagnostics.len();
        }
    }
    read.extend(files);
    // A suite that has none of the tests wanted is no suite wanted.
    session.suites.retain(|ran| args.filter.is_none() || !ran.results.is_empty());
    if let Some(filter) = args.filter.as_deref().filter(|_| session.cases() == 0 && session.broken == 0) {
        eprintln!("error: no test has `{}` in its name", style::safe(filter));
        return (Outcome::Failed, read);
    }
    if warnings > 0 {
        eprintln!("note: {} about the policies (--verbose shows them)", style::plural(warnings, "warning"));
    }
    let coverage = args.coverage.then(|| coverage::measure(&session));
    style::print(&match args.output {
        // One document at a time.
        Format::Json if coverage.is_some() => String::new(),
        Format::Lcov | Format::Html => String::new(),
        Format::Text => text::write(&session, style::Style::of_stdout(), args.verbose),
        Format::Json => json::write(&session),
        Format::Junit => junit::write(&session),
        Format::Github => github::write(&session),
        Format::Markdown => markdown::write(&session),
    });
    let mut covered = true;
    if let Some(coverage) = &coverage {
        style::print(&coverage::write(coverage, args.output));
        covered = args.fail_under.is_none_or(|least| coverage.percent() >= least);
        if !covered {
            let least = args.fail_under.unwrap_or_default();
            eprintln!("error: tests notice {:.1} % of the changes, and should {least} %", coverage.percent());
        }
    }
    let failures = session.failures();
    let left = if args.update && failures > 0 { update::write(&session) } else { failures };
    let outcome = match (session.broken, left) {
        (0, 0) if covered => Outcome::Good,
        (0, _) => Outcome::Bad,
        _ => Outcome::Failed,
    };
    (outcome, read)
}

/// `a user may not write [method=POST]`.
fn case_name(test: &Test, case: &Case) -> String {
    match case.variant.as_str() {
        "" => test.name.clone(),
        variant => format!("{} [{variant}]", test.name),
    }
}
