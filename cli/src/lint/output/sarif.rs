//! SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html), as code scanning reads it.

use super::{Report, fingerprinted, pretty, sentence, uri};
use gnomon_analysis::lint::{Explanation, explain};
use gnomon_engine::{Position, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) fn write(report: &Report<'_>) -> String {
    // The codes in order, each with its place in `rules`.
    let mut codes: BTreeMap<&str, usize> =
        report.findings.iter().map(|finding| (finding.diagnostic.code, 0)).collect();
    codes.values_mut().zip(0..).for_each(|(place, number)| *place = number);
    let rules: Vec<Value> = codes.keys().map(|code| rule(code)).collect();
    let results: Vec<Value> = fingerprinted(report)
        .into_iter()
        .map(|(finding, fingerprint)| {
            let found = &finding.diagnostic;
            let mut place = location(&found.file, found.at);
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
                let related = finding.related.iter().zip(1..).map(|(related, id)| {
                    let mut place = location(&related.file, related.at);
                    set(&mut place, "id", json!(id));
                    set(&mut place, "message", json!({"text": related.message}));
                    place
                });
                set(&mut result, "relatedLocations", related.collect());
            }
            result
        })
        .collect();
    pretty(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "gnomon", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
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

fn location(file: &str, at: Position) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(file)}});
    if at.line > 0 {
        set(&mut place, "region", json!({"startLine": at.line, "startColumn": at.column.max(1)}));
    }
    json!({"physicalLocation": place})
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.into(), value);
    }
}
