//! Findings in SARIF.

use super::{Report, fingerprinted, sentence};
use crate::sarif::{artifact, location, log, region, related, set};
use gnomon_analysis::lint::{Explanation, Finding, explain, replacement};
use gnomon_engine::Severity;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn write(report: &Report<'_>) -> String {
    let sources = &report.loaded.sources;
    // The codes in order, each with its place in `rules`.
    let mut codes: BTreeMap<&str, usize> =
        report.findings.iter().map(|finding| (finding.diagnostic.code, 0)).collect();
    codes.values_mut().zip(0..).for_each(|(place, number)| *place = number);
    let rules: Vec<Value> = codes.keys().map(|code| rule(code)).collect();
    let results: Vec<Value> = fingerprinted(report)
        .into_iter()
        .map(|(finding, fingerprint)| {
            let found = &finding.diagnostic;
            let mut place = location(&found.file, found.at, sources.get(&found.file));
            if !found.object.is_empty() {
                let name = format!("{} {}", found.object, found.field);
                let logical = json!([{"name": found.object, "fullyQualifiedName": name.trim_end()}]);
                set(&mut place, "logicalLocations", logical);
            }
            let mut result = json!({
                "ruleId": found.code,
                "ruleIndex": codes.get(found.code),
                "level": level(found.severity),
                "message": {"text": sentence(finding)},
                "locations": [place],
                "partialFingerprints": {"gnomon/v1": fingerprint},
            });
            if !finding.related.is_empty() {
                let places = finding.related.iter().zip(1..).map(|(place, number)| {
                    let at = location(&place.file, place.at, sources.get(&place.file));
                    related(at, number, &place.message)
                });
                set(&mut result, "relatedLocations", places.collect());
            }
            if let Some(changes) = changes(finding, report) {
                let fix = json!({"description": {"text": found.help}, "artifactChanges": changes});
                set(&mut result, "fixes", json!([fix]));
            }
            result
        })
        .collect();
    log(&rules, &results)
}

/// What the finding proposes, file by file; `None` where it proposes nothing, or not all of it is as it was said to be.
fn changes(finding: &Finding, report: &Report<'_>) -> Option<Vec<Value>> {
    let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in &finding.fix {
        let source = report.loaded.sources.get(&edit.file)?;
        let made = replacement(source, edit)?;
        let mut change = Map::new();
        change.insert("deletedRegion".into(), region(source, &made.range)?);
        if !made.text.is_empty() {
            change.insert("insertedContent".into(), json!({"text": made.text}));
        }
        files.entry(&edit.file).or_default().push(change.into());
    }
    let changes = files.into_iter().map(
        |(file, replacements)| json!({"artifactLocation": artifact(file), "replacements": replacements}),
    );
    let changes: Vec<Value> = changes.collect();
    (!changes.is_empty()).then_some(changes)
}

fn rule(code: &str) -> Value {
    match explain(code) {
        Some(Explanation::Lint(lint)) => json!({
            "id": code,
            "shortDescription": {"text": lint.what},
            "fullDescription": {"text": lint.why},
            "help": {"text": format!("{}\n\nLimits: {}", lint.instead, lint.limits)},
            "helpUri": lint.source,
            "defaultConfiguration": {"level": level(lint.severity)},
            "properties": {"tags": ["security", lint.group.name()]},
        }),
        Some(Explanation::Reading { why, instead, .. }) => json!({
            "id": code,
            "shortDescription": {"text": why},
            "help": {"text": instead},
            "properties": {"tags": ["security"]},
        }),
        _ => json!({"id": code}),
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}
