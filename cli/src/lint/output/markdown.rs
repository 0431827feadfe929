//! A comment on a pull request.

use super::{
    Report, sentence,
    text::{count, policies},
};
use crate::style::plural;
use gnomon_engine::Severity;
use std::fmt::Write;

/// As many findings are listed; the rest is counted.
const MOST: usize = 100;

pub(super) fn write(report: &Report<'_>) -> String {
    let mut out = String::new();
    let counted = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Hint, "hint")];
    let parts: Vec<String> = counted
        .iter()
        .map(|(severity, noun)| (count(report.findings, *severity), noun))
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| plural(count, noun))
        .collect();
    let verdict = if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") };
    let _ = writeln!(
        out,
        "**gnomon lint**: {verdict} in {} of {}",
        plural(policies(report.loaded), "policy"),
        plural(report.loaded.files.len(), "file"),
    );
    if let Some((known, _)) = report.known.filter(|(known, _)| *known > 0) {
        let _ = writeln!(out, "\n{} not shown, which were there before.", plural(known, "finding"));
    }
    if report.findings.is_empty() {
        return out;
    }
    out.push_str("\n| | where | what |\n|---|---|---|\n");
    for finding in report.findings.iter().take(MOST) {
        let found = &finding.diagnostic;
        let see: String = finding
            .related
            .iter()
            .map(|place| {
                format!(
                    "<br>see {} (`{}:{}`)",
                    cell(&place.message),
                    cell(place.file.trim_start_matches("./")),
                    place.at.line
                )
            })
            .collect();
        let _ = writeln!(
            out,
            "| {} `{}` | `{}:{}`<br>{} | {}{see} |",
            found.severity.name(),
            found.code,
            cell(found.file.trim_start_matches("./")),
            found.at.line,
            cell(&found.object),
            cell(&sentence(finding)),
        );
    }
    if report.findings.len() > MOST {
        let _ = writeln!(out, "\nand {} more", report.findings.len() - MOST);
    }
    out
}

/// Without what ends a cell or begins markup.
fn cell(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace('|', "\\|").replace('<', "&lt;")
}
