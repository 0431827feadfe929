//! For programs, reviews and pages.

use super::{Compared, curl, text};
use gnomon_analysis::diff::{Change, Changes, Line, Witness, document};
use gnomon_engine::{Workload, request::Protocol};
use serde_json::{Value, json};
use std::fmt::Write as _;

fn name(change: Change) -> &'static str {
    match change {
        Change::Allowed => "newlyAllowed",
        Change::Denied => "newlyDenied",
        Change::Undecided => "newlyUndecided",
    }
}

fn title(change: Change) -> &'static str {
    match change {
        Change::Allowed => "newly allowed",
        Change::Denied => "newly denied",
        Change::Undecided => "newly undecided",
    }
}

/// The format of docs/formats.md, "Difference".
pub(crate) fn json(compared: &[Compared], curl: bool) -> String {
    let workloads: Vec<Value> = compared
        .iter()
        .map(|one| {
            let mut value = changes(&one.changes, curl);
            if let Value::Object(fields) = &mut value {
                fields.insert("workload".into(), workload(&one.name, &one.workload));
            }
            value
        })
        .collect();
    let equivalent = compared.iter().all(|one| one.changes.is_equivalent());
    let value = json!({"equivalent": equivalent, "workloads": workloads});
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// A workload by what people call it.
pub(crate) fn workload(name: &str, workload: &Workload) -> Value {
    let labels: serde_json::Map<String, Value> =
        workload.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({"name": name, "namespace": workload.namespace, "labels": labels, "proxy": workload.proxy})
}

/// What changes at one.
pub(crate) fn changes(changes: &Changes, curl: bool) -> Value {
    let witness = |witness: &Option<Witness>| match witness {
        None => Value::Null,
        Some(found) => {
            let mut value = json!({
                "request": document(&found.request),
                "old": {"verdict": found.old.verdict, "reason": found.old.reason},
                "new": {"verdict": found.new.verdict, "reason": found.new.reason},
            });
            if let (true, Value::Object(fields)) = (curl, &mut value) {
                fields.insert("curl".into(), curl::command(&found.request).into());
            }
            value
        }
    };
    let line = |line: &Line| {
        json!({
            "change": name(line.change),
            "protocol": if line.protocol == Protocol::Tcp { "tcp" } else { "http" },
            "requests": line.requests,
            "old": line.old,
            "new": line.new,
            "because": line.because,
            "example": document(&line.example),
        })
    };
    json!({
        "equivalent": changes.is_equivalent(),
        "newlyAllowed": witness(&changes.newly_allowed),
        "newlyDenied": witness(&changes.newly_denied),
        "newlyUndecided": witness(&changes.newly_undecided),
        "complete": changes.complete,
        "summary": changes.summary.iter().map(line).collect::<Vec<_>>(),
    })
}

/// Text for a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    crate::style::safe(text).replace('|', "\\|").replace('<', "&lt;")
}

/// For a comment on a pull request.
pub(super) fn markdown(compared: &[Compared]) -> String {
    let different: Vec<&Compared> = compared.iter().filter(|one| !one.changes.is_equivalent()).collect();
    let mut out = String::from("## What these policies change\n\n");
    if different.is_empty() {
        out.push_str("Nothing: every request fares as before.\n");
        return out;
    }
    for one in different {
        let _ = writeln!(out, "### {}\n", cell(&one.name));
        out.push_str("| change | requests | before | now | because |\n|---|---|---|---|---|\n");
        for line in &one.changes.summary {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                title(line.change),
                cell(&line.requests),
                cell(&text::deciding(&line.old)),
                cell(&text::deciding(&line.new)),
                cell(&line.because.join("; "))
            );
        }
        if !one.changes.complete {
            out.push_str("\nThere is more: only the first changes are told.\n");
        }
        let witnesses =
            [(Change::Allowed, &one.changes.newly_allowed), (Change::Denied, &one.changes.newly_denied)];
        for (change, witness) in witnesses {
            if let Some(witness) = witness {
                let request = document(&witness.request).to_string();
                let _ = writeln!(out, "\nA request that is {}:\n\n```json\n{request}\n```", title(change));
            }
        }
        out.push('\n');
    }
    out
}

/// SARIF 2.1.0: a result for each line of the summary, at the rule that decides now, or decided before.
pub(super) fn sarif(compared: &[Compared]) -> String {
    let mut results = Vec::new();
    for one in compared {
        for line in &one.changes.summary {
            let place = [&line.new, &line.old].into_iter().find(|deciding| deciding.line > 0);
            let locations: Vec<Value> = place
                .filter(|place| !place.file.is_empty())
                .map(|place| {
                    json!({"physicalLocation": {
                        "artifactLocation": {"uri": place.file},
                        "region": {"startLine": place.line},
                    }})
                })
                .into_iter()
                .collect();
            let text = format!(
                "{}: {}: {} (before: {}; now: {})",
                one.name,
                title(line.change),
                line.requests,
                line.old.what,
                line.new.what
            );
            results.push(json!({
                "ruleId": name(line.change),
                "level": if line.change == Change::Allowed { "warning" } else { "note" },
                "message": {"text": text},
                "locations": locations,
            }));
        }
    }
    let rules = [Change::Allowed, Change::Denied, Change::Undecided];
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|change| json!({"id": name(change), "shortDescription": {"text": format!("Requests that are {}", title(change))}}))
        .collect();
    let driver = json!({"name": "gnomon", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// One page, which needs nothing else.
pub(super) fn html(compared: &[Compared]) -> String {
    let mut body = String::new();
    let different: Vec<&Compared> = compared.iter().filter(|one| !one.changes.is_equivalent()).collect();
    if different.is_empty() {
        body.push_str("<p>Nothing: every request fares as before.</p>\n");
    }
    for one in different {
        let _ = writeln!(body, "<h2>{}</h2>\n<table>", text::escaped(&one.name));
        body.push_str(
            "<tr><th>change</th><th>requests</th><th>before</th><th>now</th><th>because</th></tr>\n",
        );
        for line in &one.changes.summary {
            let cells = [
                title(line.change).to_owned(),
                line.requests.clone(),
                text::deciding(&line.old),
                text::deciding(&line.new),
                line.because.join("; "),
            ];
            let cells: Vec<String> =
                cells.iter().map(|cell| format!("<td>{}</td>", text::escaped(cell))).collect();
            let _ = writeln!(body, "<tr>{}</tr>", cells.concat());
        }
        body.push_str("</table>\n");
        let witnesses =
            [(Change::Allowed, &one.changes.newly_allowed), (Change::Denied, &one.changes.newly_denied)];
        for (change, witness) in witnesses {
            if let Some(witness) = witness {
                let request = text::escaped(&document(&witness.request).to_string());
                let _ = writeln!(body, "<p>A request that is {}:</p>\n<pre>{request}</pre>", title(change));
            }
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>What these policies change</title>\n\
         <style>body{{font:15px/1.5 system-ui;margin:2rem}}table{{border-collapse:collapse}}\
         td,th{{border:1px solid #bbb;padding:.3rem .6rem;text-align:left;vertical-align:top}}\
         pre{{background:#f4f4f4;padding:.6rem;white-space:pre-wrap}}</style>\n\
         <h1>What these policies change</h1>\n{body}</html>\n"
    )
}
