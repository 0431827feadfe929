//! The Reviewdog Diagnostic Format (https://github.com/reviewdog/reviewdog/tree/master/proto/rdf).

use super::{Report, pretty, sentence};
use gnomon_analysis::lint::Finding;
use gnomon_engine::{Position, Severity};
use serde_json::{Value, json};

pub(super) fn write(report: &Report<'_>) -> String {
    pretty(&json!({
        "source": {"name": "gnomon"},
        "diagnostics": report.findings.iter().map(|finding| entry(finding, report)).collect::<Vec<_>>(),
    }))
}

fn entry(finding: &Finding, report: &Report<'_>) -> Value {
    let found = &finding.diagnostic;
    let severity = match found.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Hint => "INFO",
    };
    let related = finding
        .related
        .iter()
        .map(|place| json!({"message": place.message, "location": location(&place.file, place.at, report)}));
    json!({
        "message": sentence(finding),
        "location": location(&found.file, found.at, report),
        "severity": severity,
        "code": {"value": found.code},
        "related_locations": related.collect::<Vec<_>>(),
    })
}

/// Columns count bytes there.
fn location(file: &str, at: Position, report: &Report<'_>) -> Value {
    let path = file.trim_start_matches("./");
    if at.line == 0 {
        return json!({"path": path});
    }
    let bytes = report.loaded.sources.get(file).and_then(|source| {
        let line = source.line(at.line)?;
        let before = usize::try_from(at.column.checked_sub(1)?).ok()?;
        Some(line.chars().take(before).map(char::len_utf8).sum::<usize>() + 1)
    });
    let column = bytes.unwrap_or(usize::try_from(at.column).unwrap_or(1)).max(1);
    json!({"path": path, "range": {"start": {"line": at.line, "column": column}}})
}
