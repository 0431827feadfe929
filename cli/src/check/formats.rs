//! For people and for programs.

use super::{Answer, Checked};
use crate::{
    diff::formats::{cell, workload},
    style::{Style, plural, safe},
};
use gnomon_analysis::{
    diff::document,
    invariant::{Entry, Must},
};
use gnomon_engine::Value as Tree;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many kinds of requests are told of an invariant that does not hold.
const LINES: usize = 10;

pub(super) fn text(results: &[Answer]) -> String {
    let style = Style::of_stdout();
    let mut out = String::new();
    for result in results {
        let name = &result.invariant.name;
        for (one, witness) in result.at.iter().filter_map(|one| Some((one, one.witness()?))) {
            let title = format!("✗ {name} does not hold at {}", one.name);
            let _ = writeln!(out, "{}", style.bad(&safe(&title)));
            let _ = writeln!(out, "    {}", safe(&document(&witness.request).to_string()));
            let _ = writeln!(out, "    {}: {}", witness.new.verdict.name(), safe(&witness.new.reason));
            let lines = &one.changes.summary;
            for line in lines.iter().take(LINES) {
                let _ = writeln!(out, "    {}", style.faint(&safe(&line.requests)));
            }
            if lines.len() > LINES || !one.changes.complete {
                let _ = writeln!(out, "    {}", style.faint("and more, of which only the first are told"));
            }
        }
        let proven = result.at.iter().filter(|one| one.witness().is_none()).count();
        if proven > 0 {
            let title = format!("✓ {name} holds at {}", plural(proven, "workload"));
            let _ = writeln!(out, "{}", style.good(&safe(&title)));
        }
        if result.at.is_empty() {
            let title = format!("✗ {name} was not asked: {}", absent(result));
            let _ = writeln!(out, "{}", style.bad(&safe(&title)));
        }
    }
    out
}

/// Why there is no workload for it.
fn absent(result: &Answer) -> String {
    match &result.invariant.workloads[..] {
        [] => "no workload has a proxy that asks policies".to_owned(),
        wanted => format!("there is no workload {}", wanted.join(", ")),
    }
}

pub(super) fn json(results: &[Answer]) -> String {
    let at = |one: &Checked| {
        let witness = one.witness();
        json!({
            "workload": workload(&one.name, &one.workload),
            "holds": witness.is_none(),
            "witness": witness.map(|found| json!({
                "request": document(&found.request),
                "verdict": found.new.verdict,
                "reason": found.new.reason,
            })),
            "requests": one.changes.summary.iter().map(|line| &line.requests).collect::<Vec<_>>(),
            "complete": one.changes.complete,
        })
    };
    let of = |result: &Answer| {
        let invariant = &result.invariant;
        json!({
            "name": invariant.name,
            "file": &*invariant.file,
            "line": invariant.at.line,
            "must": match invariant.must { Must::Never => "never", Must::Always => "always" },
            "holds": result.holds(),
            "workloads": result.at.iter().map(at).collect::<Vec<Value>>(),
        })
    };
    let value = json!({
        "holds": results.iter().all(Answer::holds),
        "invariants": results.iter().map(of).collect::<Vec<Value>>(),
    });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

pub(super) fn markdown(results: &[Answer]) -> String {
    let mut out = String::from("| invariant | holds | for example | |\n|---|---|---|---|\n");
    for result in results {
        let name = cell(&result.invariant.name);
        let mut row = |holds: &str, example: &str, reason: &str| {
            let _ = writeln!(out, "| {name} | {holds} | {example} | {reason} |");
        };
        if result.at.is_empty() {
            row("✗", "", &cell(&absent(result)));
        }
        for (one, witness) in result.at.iter().filter_map(|one| Some((one, one.witness()?))) {
            let request = format!("`{}`", cell(&document(&witness.request).to_string()));
            let reason = format!("{}: {}", witness.new.verdict.name(), cell(&witness.new.reason));
            row(&format!("✗ {}", cell(&one.name)), &request, &reason);
        }
        let proven = result.at.iter().filter(|one| one.witness().is_none()).count();
        if proven > 0 {
            row(&format!("✓ {}", plural(proven, "workload")), "", "");
        }
    }
    out
}

/// What the library has.
pub(super) fn library(entries: &[Entry]) -> String {
    let style = Style::of_stdout();
    let mut out = String::new();
    for entry in entries {
        let _ = writeln!(out, "{}", style.strong(&entry.name));
        let _ = writeln!(out, "    {}", entry.doc);
        for (name, default) in &entry.parameters {
            let texts: Vec<&str> =
                default.as_list().unwrap_or_default().iter().filter_map(|one| one.as_str()).collect();
            let default = match default.value {
                Tree::Null => "must be given".to_owned(),
                _ => texts.join(","),
            };
            let _ = writeln!(out, "    {name}: {default}");
        }
    }
    out
}
