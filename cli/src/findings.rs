//! Diagnostics, and what was passed over, to standard error.

use crate::{style, workloads::Asked};
use gnomon_engine::{Diagnostic, Mesh, Severity};
use gnomon_manifests::Loaded;
use std::collections::HashSet;

/// How many kustomizations are told of that were not wholly applied.
const KUSTOMIZATIONS: usize = 3;

/// Prints every diagnostic with the line that it is about, unless the like was `seen` before; in the end how many errors
/// there are and what comes of them. True where there are any.
pub(crate) fn print(loaded: &Loaded, seen: &mut HashSet<String>, consequence: &str) -> bool {
    show(loaded, seen);
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    conclude(errors, consequence);
    errors > 0
}

/// Prints every diagnostic, and leaves those of the workloads about which something can be said: a policy that Istio would
/// refuse concerns its namespace, one in the root namespace all of them, and what cannot be read may concern any. `None`:
/// there is nothing left, and it was said that `consequence`.
pub(crate) fn unconcerned(
    asked: Vec<Asked>,
    loaded: &Loaded,
    mesh: &Mesh,
    consequence: &str,
) -> Option<Vec<Asked>> {
    let errors: Vec<&Diagnostic> =
        loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    let namespaces: Vec<Option<&str>> = errors.iter().map(|found| namespace(found)).collect();
    let concerned = |asked: &Asked| {
        let own = asked.workload.namespace.as_str();
        namespaces.iter().any(|one| one.is_none_or(|one| one == own || one == mesh.root_namespace))
    };
    let (stopped, rest): (Vec<Asked>, Vec<Asked>) = asked.into_iter().partition(concerned);
    if rest.is_empty() && !errors.is_empty() {
        conclude(errors.len(), consequence);
        return None;
    }
    if !errors.is_empty() {
        let names: Vec<String> = stopped.iter().map(|one| style::safe(&one.name())).collect();
        let but = if names.is_empty() {
            String::new()
        } else {
            format!("; {consequence} for {}", names.join(", "))
        };
        eprintln!(
            "note: {} in policies of other namespaces, which Istio would refuse and which are left out{but}",
            style::plural(errors.len(), "error")
        );
    }
    Some(rest)
}

/// The namespace of the object that a finding is about.
fn namespace(found: &Diagnostic) -> Option<&str> {
    let (_, name) = found.object.split_once(' ')?;
    Some(name.split_once('/')?.0)
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
    let shown = if verbose == Some(true) { usize::MAX } else { KUSTOMIZATIONS };
    for one in loaded.kustomizations.iter().take(shown) {
        eprintln!(
            "note: kustomization in {}: {} not applied; give --render",
            style::safe(&one.folder),
            style::safe(&one.left_out.join(", ")),
        );
    }
    if let more @ 1.. = loaded.kustomizations.len().saturating_sub(shown) {
        eprintln!("note: {more} more kustomizations not wholly applied; give --render");
    }
    if verbose == Some(true) {
        for (reason, file, at) in unread.places() {
            let at = if at.line > 0 { format!(":{}:{}", at.line, at.column) } else { String::new() };
            eprintln!("  {}{at}: {}", style::safe(file), style::safe(&reason.counted(1)));
        }
    }
}
