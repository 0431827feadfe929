//! The forms in which findings are told.

mod github;
mod gitlab;
mod json;
mod markdown;
mod rdjson;
mod sarif;
mod text;

use super::Report;
use crate::style;
use gnomon_analysis::lint::Finding;

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people, on standard error, with a summary on standard output.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0: code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// GitLab's code quality report.
    Gitlab,
    /// The Reviewdog Diagnostic Format.
    Rdjson,
    /// A comment on a pull request.
    Markdown,
}

impl Format {
    pub(super) fn print(self, report: &Report<'_>) {
        if self == Format::Text {
            text::print(report);
            return;
        }
        style::print(&match self {
            Format::Json => json::write(report),
            Format::Sarif => sarif::write(report),
            Format::Github => github::write(report),
            Format::Gitlab => gitlab::write(report),
            Format::Rdjson => rdjson::write(report),
            Format::Markdown => markdown::write(report),
            Format::Text => String::new(),
        });
    }
}

/// Message and advice in one.
fn sentence(finding: &Finding) -> String {
    let found = &finding.diagnostic;
    let help = if found.help.is_empty() { String::new() } else { format!("; {}", found.help) };
    format!("{}{help}", found.message)
}

/// The same for a finding that has moved to another line, different for others (FNV-1a of 64 bits).
fn fingerprint(finding: &Finding, seen: usize) -> String {
    let found = &finding.diagnostic;
    let text = format!("{}\0{}\0{}\0{}\0{seen}", found.code, found.file, found.object, found.message);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The findings, each with its fingerprint: of equal ones in the order of the text.
fn fingerprinted<'r>(report: &Report<'r>) -> Vec<(&'r Finding, String)> {
    let mut seen = std::collections::HashMap::new();
    let all = report.findings.iter();
    all.map(|finding| {
        let found = &finding.diagnostic;
        let count = seen.entry((found.code, &found.file, &found.object, &found.message)).or_insert(0_usize);
        *count += 1;
        (finding, fingerprint(finding, *count))
    })
    .collect()
}

/// Of what JSON holds. Cannot fail: all keys are strings.
fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
