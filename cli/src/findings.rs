//! Diagnostics, and what was passed over, to standard error.

use crate::style;
use gnomon_engine::Severity;
use gnomon_manifests::Loaded;
use std::collections::HashSet;

/// Prints every diagnostic with the line that it is about, unless the like was `seen` before; in the end how many errors
/// there are and what comes of them. True where there are any.
pub(crate) fn print(loaded: &Loaded, seen: &mut HashSet<String>, consequence: &str) -> bool {
    show(loaded, seen);
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    conclude(errors, consequence);
    errors > 0
}

/// Prints every diagnostic with the line that it is about, unless the like was `seen` before.
pub(crate) fn show(loaded: &Loaded, seen: &mut HashSet<String>) {
    let colour = style::stderr_colour();
    for diagnostic in &loaded.diagnostics {
        let rendered = loaded.render(diagnostic, colour);
        if seen.insert(rendered.clone()) {
            eprintln!("{rendered}");
        }
    }
}

/// How many errors there are, if any, and what comes of them.
pub(crate) fn conclude(errors: usize, consequence: &str) {
    if errors > 0 {
        eprintln!("{}; {consequence}", style::plural(errors, "error"));
    }
}

/// What was passed over: a line for objects of other kinds, one for what is no object, one for each chart. All of it
/// with its place, where `verbose`; `None`: the command has no such option.
pub(crate) fn print_unread(loaded: &Loaded, verbose: Option<bool>) {
    let unread = &loaded.unread;
    let total: usize = unread.kinds().map(|(_, count)| count).sum();
    if total > 0 {
        let kinds: Vec<String> = unread.kinds().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = style::safe(&kinds.join(", "));
        eprintln!("note: skipped {} of other kinds: {kinds}", style::plural(total, "object"));
    }
    let others: Vec<String> = unread.others().map(|(reason, count)| reason.counted(count)).collect();
    if !others.is_empty() {
        let hint = match verbose {
            Some(true) => "",
            Some(false) => " (--verbose lists them)",
            None => " (`gnomon lint --verbose` lists them)",
        };
        eprintln!("note: passed over {}{hint}", others.join(", "));
    }
    for chart in loaded.charts.iter() {
        eprintln!(
            "note: chart `{}` in {}: {} not rendered; give --render",
            style::safe(&chart.name),
            style::safe(&chart.folder),
            style::plural(chart.policies, "policy template"),
        );
    }
    for one in &loaded.kustomizations {
        eprintln!(
            "note: kustomization in {}: {} not applied; give --render",
            style::safe(&one.folder),
            style::safe(&one.left_out.join(", ")),
        );
    }
    if verbose == Some(true) {
        for (reason, file, at) in unread.places() {
            let at = if at.line > 0 { format!(":{}:{}", at.line, at.column) } else { String::new() };
            eprintln!("  {}{at}: {}", style::safe(file), style::safe(&reason.counted(1)));
        }
    }
}
