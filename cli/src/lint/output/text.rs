//! For people.

use super::Report;
use crate::{findings, style};
use gnomon_analysis::lint::{Finding, LINTS};
use gnomon_engine::Severity;
use gnomon_manifests::Loaded;
use std::{collections::BTreeMap, collections::HashSet, fmt::Write};

pub(super) fn print(report: &Report<'_>) {
    let loaded = report.loaded;
    let colour = style::stderr_colour();
    let mut seen = HashSet::new();
    for finding in report.findings {
        let mut rendered = loaded.render(&finding.diagnostic, colour);
        for place in &finding.related {
            let (file, at) = (style::safe(&place.file), place.at);
            let message = style::safe(&place.message);
            rendered.truncate(rendered.trim_end().len());
            let _ = write!(rendered, "\n  = see: {message} ({file}:{}:{})\n", at.line, at.column);
        }
        if seen.insert(rendered.clone()) {
            eprintln!("{rendered}");
        }
    }
    let errors = report.findings.iter().map(|found| &found.diagnostic);
    let errors = errors.filter(|found| found.severity == Severity::Error);
    let (ours, theirs): (Vec<_>, Vec<_>) =
        errors.partition(|found| LINTS.iter().any(|lint| lint.code == found.code));
    let (refused, unread): (Vec<_>, Vec<_>) = theirs.into_iter().partition(|found| !found.object.is_empty());
    findings::conclude(refused.len(), "Istio would refuse what they are in");
    findings::conclude(unread.len(), "what they are in was not read");
    findings::conclude(ours.len(), "Istio takes what they are in, and it cannot be what was meant");
    findings::print_unread(loaded, Some(report.verbose));
    style::print(&summary(report));
}

fn summary(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Of a few findings everybody sees what they are.
    const FEW: usize = 5;
    if report.findings.len() > FEW {
        let mut by_code: BTreeMap<&str, (usize, Severity)> = BTreeMap::new();
        for finding in report.findings {
            let found = &finding.diagnostic;
            let entry = by_code.entry(found.code).or_insert((0, found.severity));
            *entry = (entry.0 + 1, entry.1.min(found.severity));
        }
        let mut rows: Vec<_> = by_code.into_iter().collect();
        rows.sort_by_key(|(code, (count, severity))| (*severity, std::cmp::Reverse(*count), *code));
        for (code, (count, severity)) in rows {
            let _ = writeln!(out, "{count:>6}  {code} ({})", severity.name());
        }
    }
    if let Some((known, gone)) = report.known {
        let _ = write!(out, "{} not shown, which were there before", style::plural(known, "finding"));
        let _ = match gone {
            0 => writeln!(out),
            _ => writeln!(out, "; {gone} are not there any more"),
        };
    }
    let count = |severity| count(report.findings, severity);
    let (hints, policies) = (count(Severity::Hint), style::plural(policies(report.loaded), "policy"));
    let hints = if hints == 0 { String::new() } else { format!(", {}", style::plural(hints, "hint")) };
    let _ = writeln!(
        out,
        "{policies} valid in {}, {}, {}{hints}",
        style::plural(report.loaded.files.len(), "file"),
        style::plural(count(Severity::Error), "error"),
        style::plural(count(Severity::Warning), "warning"),
    );
    out
}

pub(super) fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|found| found.diagnostic.severity == severity).count()
}

/// The policies that were read and are valid.
pub(super) fn policies(loaded: &Loaded) -> usize {
    let resources = &loaded.resources;
    resources.authorization.len()
        + resources.request_authentication.len()
        + resources.peer_authentication.len()
}
