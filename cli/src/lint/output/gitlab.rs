//! GitLab's code quality report (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format).

use super::{Report, fingerprinted, pretty, sentence};
use gnomon_engine::Severity;
use serde_json::json;

pub(super) fn write(report: &Report<'_>) -> String {
    let entries = fingerprinted(report).into_iter().map(|(finding, fingerprint)| {
        let found = &finding.diagnostic;
        let severity = match found.severity {
            Severity::Error => "critical",
            Severity::Warning => "minor",
            Severity::Hint => "info",
        };
        json!({
            "description": sentence(finding),
            "check_name": found.code,
            "fingerprint": fingerprint,
            "severity": severity,
            "location": {"path": found.file.trim_start_matches("./"), "lines": {"begin": found.at.line.max(1)}},
        })
    });
    pretty(&entries.collect())
}
