//! The figures as people read them: a table, and `docs/performance.md` with its plots.

use super::{Figure, plot};
use crate::{
    docs,
    run::{Failure, output},
    workspace::Workspace,
};
use std::{fmt::Write as _, fs, path::Path, process::Command};

const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];

/// Who is compared, in the order of columns.
const ENGINES: [&str; 7] = [
    "gnomon",
    "gnomon in V8",
    "gnomon in wasmtime",
    "gnomon, every rule",
    "a list in Rust",
    "Cedar",
    "regorus",
];

fn find<'f>(figures: &'f [Figure], engine: &str, what: &str, count: Option<usize>) -> Option<&'f Figure> {
    figures
        .iter()
        .find(|one| one.engine == engine && one.what == what && count.is_none_or(|count| one.count == count))
}

fn worst(figures: &[Figure], engine: &str, count: usize) -> Option<f64> {
    find(figures, engine, "worst", Some(count)).map(|figure| figure.value)
}

/// Nanoseconds, in a unit that people can compare.
fn time(nanoseconds: Option<f64>) -> String {
    match nanoseconds {
        None => "-".into(),
        Some(time) if time < 1_000.0 => format!("{time:.0} ns"),
        Some(time) if time < 100_000.0 => format!("{:.1} µs", time / 1e3),
        Some(time) if time < 1e6 => format!("{:.0} µs", time / 1e3),
        Some(time) => format!("{:.1} ms", time / 1e6),
    }
}

/// Everything in Markdown, which a terminal shows as well.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = String::from("One request against n rules of which the last matches:\n\n| n |");
    for engine in ENGINES {
        let _ = write!(text, " {engine} |");
    }
    text.push_str("\n|--:|");
    text.push_str(&"--:|".repeat(ENGINES.len()));
    for count in COUNTS {
        let _ = write!(text, "\n| {count} |");
        for engine in ENGINES {
            let _ = write!(text, " {} |", time(worst(figures, engine, count)));
        }
    }
    text.push_str("\n\n| what | measured | goal |\n|---|--:|--:|\n");
    let mut row = |what: &str, measured: String, goal: &str| {
        let _ = writeln!(text, "| {what} | {measured} | {goal} |");
    };
    let realistic = |engine| find(figures, engine, "realistic", None).map(|figure| figure.value);
    row("20 policies of 5 conditions, native", time(realistic("gnomon")), "150 ns");
    row("the same in V8", time(realistic("gnomon in V8")), "1 µs");
    row("the same in wasmtime", time(realistic("gnomon in wasmtime")), "1 µs");
    row("1,000 rules, the last matches, native", time(worst(figures, "gnomon", 1_000)), "300 ns");
    row("the same in V8", time(worst(figures, "gnomon in V8", 1_000)), "1 µs");
    row("the same in wasmtime", time(worst(figures, "gnomon in wasmtime", 1_000)), "1 µs");
    let times = |above: Option<f64>, below: Option<f64>| match (above, below) {
        (Some(above), Some(below)) if above / below < 10.0 => format!("{:.1} ×", above / below),
        (Some(above), Some(below)) => format!("{:.0} ×", above / below),
        _ => "-".into(),
    };
    let own = |count| worst(figures, "gnomon", count);
    row("10,000 rules against 10", times(own(10_000), own(10)), "at most 2 ×");
    for engine in ["Cedar", "regorus"] {
        for (count, goal) in [(10, "20 ×"), (1_000, "1000 ×")] {
            let what = format!("faster than {engine} with {count} rules");
            row(&what, times(worst(figures, engine, count), own(count)), goal);
        }
    }
    let plain = |what: &str, count| {
        find(figures, "gnomon", what, count).map_or("-".into(), |figure| {
            format!("{:.1} {}", figure.value, figure.unit).trim_end().to_string()
        })
    };
    row("heap allocations for a verdict", plain("allocations realistic", None), "0");
    row("plan from 1,000 policies", plain("plan", Some(1_000)), "20 ms");
    row("plan from 10,000 policies", plain("plan", Some(10_000)), "250 ms");
    row("a plan's memory for each of 10,000 rules", plain("plan per rule", Some(10_000)), "1 kB");
    if let Some(suite) = find(figures, "gnomon test", "suite", None) {
        row("`gnomon test`, 10,000 cases, from cold", format!("{:.2} s", suite.value), "1 s");
    }
    text
}

/// Puts table and plots into the documentation.
pub(super) fn write(workspace: &Workspace, figures: &[Figure]) -> Result<(), Failure> {
    let path = workspace.root.join("docs/performance.md");
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", workspace.show(&path)));
    let text = format!(
        "{}\n\n{}\n![Time of a verdict against the number of rules](performance-verdicts.svg)",
        circumstances(workspace),
        table(figures)
    );
    docs::figures(workspace, &path, "cargo xtask bench --write", &text)?;
    let series: Vec<(&str, Vec<(f64, f64)>)> = ENGINES
        .iter()
        .map(|engine| {
            let points =
                COUNTS.iter().filter_map(|count| Some((*count as f64, worst(figures, engine, *count)?)));
            (*engine, points.collect())
        })
        .collect();
    let plot = plot::log_log(
        "One request against n rules of which the last matches",
        "n",
        "time of a verdict",
        &series,
    );
    fs::write(workspace.root.join("docs/performance-verdicts.svg"), plot).map_err(wrong)
}

/// The machine and the versions.
fn circumstances(workspace: &Workspace) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let version = |program: &str| {
        output(Command::new(program).arg("--version")).unwrap_or_else(|| format!("no {program}"))
    };
    let lock = workspace.root.join("benches/Cargo.lock");
    format!(
        "Measured with `cargo xtask bench --write` on {cores} cores of {}, {}, with {}, Node {}, wasmtime {}, Cedar {} \
         and regorus {}. Of 41 samples the quickest tenth counts: the machine is not alone with us.",
        model.map_or("an unknown processor", |(_, model)| model),
        std::env::consts::OS,
        version("rustc").split(" (").next().unwrap_or_default(),
        version("node").trim_start_matches('v'),
        locked(&workspace.root.join("Cargo.lock"), "wasmtime"),
        locked(&lock, "cedar-policy"),
        locked(&lock, "regorus"),
    )
}

/// The version of a crate in a lock file.
fn locked(lock: &Path, name: &str) -> String {
    let text = fs::read_to_string(lock).unwrap_or_default();
    let entry = text.split_once(&format!("name = \"{name}\"\nversion = \""));
    entry.and_then(|(_, rest)| rest.split('"').next()).unwrap_or("?").to_string()
}
