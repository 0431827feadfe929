//! `cargo xtask conformance`: random worlds before the engine and before real Envoy, or random listeners before the import.

use gnomon_host_tests::{
    conformance::{self, Settings, Summary, compare::engine, shrink::shrink, yaml},
    err::{Context, Error, Result},
    judge::Judge,
    listeners,
};
use std::{
    env, fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// So many disagreements are made small.
const SHRUNK: usize = 5;

struct Arguments {
    /// So many listeners for the import, in place of cases.
    listeners: Option<usize>,
    cases: usize,
    seed: u64,
    out: PathBuf,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| conform(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Arguments> {
    let mut arguments = Arguments {
        listeners: None,
        cases: 100_000,
        seed: 1,
        out: env::temp_dir().join("gnomon-conformance"),
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Error::new(format!("{word} wants a value")));
        match word.as_str() {
            "--listeners" => arguments.listeners = Some(value()?.parse().or_cannot("read --listeners")?),
            "--cases" => arguments.cases = value()?.parse().or_cannot("read --cases")?,
            "--seed" => arguments.seed = value()?.parse().or_cannot("read --seed")?,
            "--out" => arguments.out = value()?.into(),
            _ => {
                return Err(Error::new(format!(
                    "unknown argument {word}; there are --cases, --listeners, --seed and --out"
                )));
            }
        }
    }
    Ok(arguments)
}

fn conform(arguments: &Arguments) -> Result<bool> {
    let Arguments { listeners, cases, seed, out } = arguments;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    if let Some(listeners) = listeners {
        let summary = listeners::run(*seed, *listeners, cores)?;
        print!("{summary}");
        summary.kept.iter().for_each(|kept| println!("\n{kept}"));
        return Ok(summary.disagreements == 0);
    }
    let live = std::io::stderr().is_terminal();
    let progress = |done: usize, taken: Duration| {
        if live {
            eprint!("\r    {done} of {cases} in {:.0} s", taken.as_secs_f64());
        }
    };
    let summary = conformance::run(&Settings {
        seed: *seed,
        cases: *cases,
        // While one waits for its Envoy to start, another one computes.
        workers: cores.saturating_add(1),
        engine: &engine,
        filter: None,
        on_answer: None,
        progress: &progress,
    })?;
    if live {
        eprint!("\r\x1b[K");
    }
    print!("{summary}");
    if summary.disagreements > 0 {
        report(&summary, out)?;
    }
    Ok(summary.disagreements == 0)
}

/// Shrinks the first of them, prints and writes them.
fn report(summary: &Summary, out: &Path) -> Result<()> {
    let judge = Judge::new()?;
    for disagreement in &summary.kept {
        let name = disagreement.world.suite().get("name").and_then(|name| name.as_str()).unwrap_or("world");
        println!("\n{name}: Envoy: {}", disagreement.what);
    }
    fs::create_dir_all(out).or_cannot(format_args!("make the folder {}", out.display()))?;
    // One of each world: what stands beside it mostly has the same cause.
    let mut worlds = summary.kept.clone();
    worlds.dedup_by_key(|disagreement| disagreement.world.suite().get("name").cloned());
    for (number, disagreement) in worlds.iter().take(SHRUNK).enumerate() {
        let small = shrink(&judge, &engine, &disagreement.world)?;
        let text = yaml(small.as_ref().unwrap_or(&disagreement.world));
        let file = out.join(format!("seed-{}-{number}.gnomon.yaml", summary.seed));
        fs::write(&file, &text).or_cannot(format_args!("write {}", file.display()))?;
        println!("\n# {}\n{text}", file.display());
    }
    Ok(())
}
