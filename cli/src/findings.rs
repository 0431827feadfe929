//! Diagnostics to standard error.

use crate::style;
use gnomon_engine::Severity;
use gnomon_manifests::Loaded;
use std::collections::HashSet;

/// Prints every diagnostic with the line that it is about, unless the like was `seen` before; in the end how many errors
/// there are and what comes of them. True where there are any.
pub(crate) fn print(loaded: &Loaded, seen: &mut HashSet<String>, consequence: &str) -> bool {
    let colour = style::stderr_colour();
    for diagnostic in &loaded.diagnostics {
        let rendered = loaded.render(diagnostic, colour);
        if seen.insert(rendered.clone()) {
            eprintln!("{rendered}");
        }
    }
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    if errors > 0 {
        eprintln!("{}; {consequence}", style::plural(errors, "error"));
    }
    errors > 0
}

/// One line on the objects that were skipped, if any.
pub(crate) fn print_skipped(loaded: &Loaded) {
    if loaded.skipped.is_empty() {
        return;
    }
    let total: usize = loaded.skipped.values().sum();
    let kinds: Vec<String> = loaded.skipped.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    eprintln!(
        "note: skipped {} of other kinds: {}",
        style::plural(total, "object"),
        style::safe(&kinds.join(", "))
    );
}
