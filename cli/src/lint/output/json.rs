//! For programs: a list of findings.

use super::{Report, pretty};
use gnomon_analysis::lint::Finding;
use serde_json::{Map, Value, json};

pub(super) fn write(report: &Report<'_>) -> String {
    pretty(&report.findings.iter().map(entry).collect())
}

fn entry(finding: &Finding) -> Value {
    let found = &finding.diagnostic;
    let mut entry = json!({
        "severity": found.severity,
        "code": found.code,
        "file": found.file.as_ref(),
        "line": found.at.line,
        "column": found.at.column,
        "object": found.object,
        "field": found.field,
        "message": found.message,
        "help": found.help,
    });
    let related = finding.related.iter().map(|place| {
        json!({"file": place.file.as_ref(), "line": place.at.line, "column": place.at.column, "message": place.message})
    });
    let fix = finding.fix.iter().map(|edit| {
        let mut written = json!({
            "file": edit.file.as_ref(),
            "line": edit.at.line,
            "column": edit.at.column,
            "old": edit.old,
            "new": edit.new,
        });
        if edit.new.is_empty()
            && let Some(fields) = written.as_object_mut()
        {
            fields.insert("goes".into(), edit.goes.name().into());
        }
        written
    });
    let mut set = |name: &str, list: Vec<Value>| {
        if let Some(fields) = entry.as_object_mut().filter(|_| !list.is_empty()) {
            Map::insert(fields, name.into(), list.into());
        }
    };
    set("related", related.collect());
    set("fix", fix.collect());
    entry
}
