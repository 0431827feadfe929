//! Workflow commands of GitHub Actions.

use super::{Report, sentence};
use gnomon_analysis::lint::Finding;
use gnomon_engine::Severity;

pub(super) fn write(report: &Report<'_>) -> String {
    report.findings.iter().map(annotation).collect()
}

fn annotation(finding: &Finding) -> String {
    let found = &finding.diagnostic;
    let level = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    format!(
        "::{level} file={},line={},col={},title={}::{}\n",
        property(found.file.trim_start_matches("./")),
        found.at.line,
        found.at.column,
        property(found.code),
        data(&sentence(finding)),
    )
}
