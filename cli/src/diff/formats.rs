//! For programs, reviews and pages.

use super::{Compared, curl, text};
use crate::sarif::{artifact, log, related, set};
use gnomon_analysis::diff::{Change, Changes, Deciding, Witness, change_name, document, printed};
use gnomon_engine::Workload;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

fn title(change: Change) -> &'static str {
    match change {
        Change::Allowed => "newly allowed",
        Change::Denied => "newly denied",
        Change::Undecided => "newly undecided",
    }
}

/// The format of docs/formats.md, "Difference".
pub(crate) fn json(compared: &[Compared], curl: bool) -> String {
    whole(compared, curl, None)
}

/// The same with a field more.
pub(crate) fn json_with(compared: &[Compared], curl: bool, more: (&str, Value)) -> String {
    whole(compared, curl, Some(more))
}

fn whole(compared: &[Compared], curl: bool, more: Option<(&str, Value)>) -> String {
    let workloads: Vec<Value> = compared
        .iter()
        .map(|one| {
            let mut fields = changes(&one.changes, curl);
            fields.insert("workload".into(), workload(&one.name, &one.workload));
            if let Some(link) = &one.link {
                fields.insert("link".into(), link.as_str().into());
            }
            Value::Object(fields)
        })
        .collect();
    let equivalent = compared.iter().all(|one| one.changes.is_equivalent());
    let mut value = json!({"equivalent": equivalent, "workloads": workloads});
    if let (Some((name, more)), Value::Object(fields)) = (more, &mut value) {
        fields.insert(name.into(), more);
    }
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// A workload by what people call it.
pub(crate) fn workload(name: &str, workload: &Workload) -> Value {
    let labels: serde_json::Map<String, Value> =
        workload.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({"name": name, "namespace": workload.namespace, "labels": labels, "proxy": workload.proxy})
}

/// What changes at one.
pub(crate) fn changes(changes: &Changes, curl: bool) -> Map<String, Value> {
    let mut fields = printed(changes);
    let mut add = |name: &str, witness: &Option<Witness>| {
        if let (true, Some(found), Some(Value::Object(fields))) = (curl, witness, fields.get_mut(name)) {
            fields.insert("curl".into(), curl::command(&found.request).into());
        }
    };
    add("newlyAllowed", &changes.newly_allowed);
    add("newlyDenied", &changes.newly_denied);
    add("newlyUndecided", &changes.newly_undecided);
    fields
}

/// Text for a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    crate::style::safe(text).replace('|', "\\|").replace('<', "&lt;")
}

/// For a comment on a pull request.
pub(super) fn markdown(compared: &[Compared]) -> String {
    let different: Vec<&Compared> = compared.iter().filter(|one| !one.changes.is_equivalent()).collect();
    let mut out = String::from("## What these policies change\n\n");
    let except = text::except(compared.iter().map(|one| &one.changes));
    if different.is_empty() {
        let but = except.map_or_else(String::new, |except| format!(", except {}", cell(&except)));
        let _ = writeln!(out, "Nothing: every request fares as before{but}.");
        return out;
    }
    if let Some(except) = except {
        let _ = writeln!(out, "Not wholly compared: {}.\n", cell(&except));
    }
    for one in different {
        let _ = writeln!(out, "### {}\n", cell(&one.name));
        for keys in &one.changes.keys {
            let _ = writeln!(out, "Other keys: {}.\n", cell(&keys.to_string()));
        }
        if !one.changes.summary.is_empty() {
            out.push_str("| change | requests | before | now | because |\n|---|---|---|---|---|\n");
        }
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
        if let Some(link) = &one.link {
            let _ = writeln!(out, "\n[Open in the playground]({link})");
        }
        out.push('\n');
    }
    out
}

/// What code scanning calls a change of keys.
const KEYS: &str = "keys";

/// SARIF: a result for each line of the summary, at the rule that decides now, or decided before; the other one is related.
/// `file`: what has been compared, for changes that no rule stands behind, since code scanning takes no result without a
/// place.
pub(super) fn sarif(compared: &[Compared], file: &str) -> String {
    let changes = [Change::Allowed, Change::Denied, Change::Undecided];
    let place =
        |deciding: &Deciding| (!deciding.file.is_empty()).then(|| whole_line(&deciding.file, deciding.line));
    let mut results = Vec::new();
    for one in compared {
        for line in &one.changes.summary {
            let (now, before) = (place(&line.new), place(&line.old));
            let beside = now.is_some().then_some(before.clone()).flatten();
            let mut at = now.or(before).unwrap_or_else(|| whole_line(file, 0));
            set(&mut at, "logicalLocations", json!([{"name": one.name}]));
            let text = format!(
                "{}: {}: {} (before: {}; now: {})",
                one.name,
                title(line.change),
                line.requests,
                line.old.what,
                line.new.what
            );
            let mut result = json!({
                "ruleId": change_name(line.change),
                "ruleIndex": changes.iter().position(|change| *change == line.change),
                "level": if line.change == Change::Allowed { "warning" } else { "note" },
                "message": {"text": text},
                "locations": [at],
            });
            if let Some(beside) = beside {
                let message = format!("before: {}", line.old.what);
                set(&mut result, "relatedLocations", json!([related(beside, 1, &message)]));
            }
            results.push(result);
        }
        for keys in &one.changes.keys {
            let mut at = whole_line(file, 0);
            set(&mut at, "logicalLocations", json!([{"name": one.name}]));
            results.push(json!({
                "ruleId": KEYS,
                "ruleIndex": changes.len(),
                "level": "warning",
                "message": {"text": format!("{}: {keys}", one.name)},
                "locations": [at],
            }));
        }
    }
    let rule = |id: &str, text: &str| json!({"id": id, "shortDescription": {"text": text}});
    let of_change =
        |change: &Change| rule(change_name(*change), &format!("Requests that are {}", title(*change)));
    let mut rules: Vec<Value> = changes.iter().map(of_change).collect();
    rules.push(rule(KEYS, "Tokens that are checked with other keys"));
    log(&rules, &results)
}

/// A line, all of it: no column is known.
fn whole_line(file: &str, line: u32) -> Value {
    let mut place = json!({"artifactLocation": artifact(file)});
    if line > 0 {
        set(&mut place, "region", json!({"startLine": line}));
    }
    json!({"physicalLocation": place})
}

/// One page, which needs nothing else.
pub(super) fn html(compared: &[Compared]) -> String {
    let mut body = String::new();
    let different: Vec<&Compared> = compared.iter().filter(|one| !one.changes.is_equivalent()).collect();
    if different.is_empty() {
        body.push_str("<p>Nothing: every request fares as before.</p>\n");
    }
    if let Some(except) = text::except(compared.iter().map(|one| &one.changes)) {
        let _ = writeln!(body, "<p>Not wholly compared: {}.</p>", text::escaped(&except));
    }
    for one in different {
        let _ = writeln!(body, "<h2>{}</h2>", text::escaped(&one.name));
        for keys in &one.changes.keys {
            let _ = writeln!(body, "<p>Other keys: {}</p>", text::escaped(&keys.to_string()));
        }
        if !one.changes.summary.is_empty() {
            body.push_str("<table>\n");
            body.push_str(
                "<tr><th>change</th><th>requests</th><th>before</th><th>now</th><th>because</th></tr>\n",
            );
        }
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
        if !one.changes.summary.is_empty() {
            body.push_str("</table>\n");
        }
        let witnesses =
            [(Change::Allowed, &one.changes.newly_allowed), (Change::Denied, &one.changes.newly_denied)];
        for (change, witness) in witnesses {
            if let Some(witness) = witness {
                let request = text::escaped(&document(&witness.request).to_string());
                let _ = writeln!(body, "<p>A request that is {}:</p>\n<pre>{request}</pre>", title(change));
            }
        }
        if let Some(link) = &one.link {
            let link = text::escaped(link);
            let _ = writeln!(body, "<p><a href=\"{link}\">Open in the playground</a></p>");
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
