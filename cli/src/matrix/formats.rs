//! For people and for programs.

use super::{Column, Entry, Matrix};
use crate::style::{Style, plural, safe};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A table of words, and below it what `something` is.
pub(super) fn text(matrix: &Matrix) -> String {
    let style = Style::of_stdout();
    let mut out = String::new();
    if matrix.columns.is_empty() {
        return "no workload has a proxy that asks policies\n".into();
    }
    let names: Vec<String> = matrix.callers.iter().map(|name| safe(name)).collect();
    for column in &matrix.columns {
        let rows = names.iter().zip(&column.entries).filter(|(_, entry)| !is_silent(entry));
        let width = rows.clone().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut rows = rows.peekable();
        if matrix.is_change && rows.peek().is_none() {
            continue;
        }
        let _ = writeln!(out, "{}", style.strong(&safe(&column.title())));
        for (name, entry) in rows {
            let said = said(entry);
            for (number, line) in said.iter().enumerate() {
                let name = if number == 0 { name.as_str() } else { "" };
                let line = safe(line);
                let line = match entry.word {
                    "everything" | "more" | "other" => style.bad(&line),
                    "nothing" => style.faint(&line),
                    _ => line,
                };
                let _ = writeln!(out, "  {name:width$}  {line}");
            }
        }
        for why in &column.unknown {
            let _ = writeln!(out, "  {} {}", style.doubt("not known:"), safe(why));
        }
    }
    if out.is_empty() {
        let mut workloads: Vec<&str> = matrix.columns.iter().map(|column| column.workload.as_str()).collect();
        workloads.dedup();
        let _ = writeln!(out, "nothing has changed for anybody at {}", plural(workloads.len(), "workload"));
    }
    out
}

/// The words of a cell, by lines.
pub(super) fn said(entry: &Entry) -> Vec<String> {
    let mut lines = match entry.word {
        "something" | "more" | "less" | "other" => entry.requests.clone(),
        "unknown" => entry.requests.clone(),
        "none" => vec!["asked by connection alone".to_owned()],
        word => vec![word.to_owned()],
    };
    if lines.is_empty() {
        lines.push(entry.word.to_owned());
    }
    if !entry.complete {
        lines.push("and more, of which only the first are told".into());
    }
    lines
}

fn is_silent(entry: &Entry) -> bool {
    matches!(entry.word, "same" | "none")
}

pub(super) fn json(matrix: &Matrix) -> String {
    let entry = |(caller, entry): (&String, &Entry)| {
        let mut value = json!({
            "caller": caller,
            "may": entry.word,
            "requests": entry.requests,
            "complete": entry.complete,
        });
        if let (Some(example), Value::Object(fields)) = (&entry.example, &mut value) {
            fields.insert("example".into(), example.clone());
        }
        value
    };
    let workloads = matrix.columns.iter().map(|column| {
        let Column { workload, part, gateway, unknown, entries } = column;
        let cells: Vec<Value> =
            matrix.callers.iter().zip(entries).filter(|(_, one)| one.word != "none").map(entry).collect();
        let mut value = json!({"workload": workload, "callers": cells});
        if let (false, Value::Object(fields)) = (part.name.is_empty(), &mut value) {
            fields.insert("part".into(), json!(part.name));
            fields.extend(part.port.map(|port| ("port".into(), json!(port))));
            fields.extend(part.path.as_ref().map(|path| ("path".into(), json!(path))));
        }
        if let (Some(gateway), Value::Object(fields)) = (gateway, &mut value) {
            fields.insert("gateway".into(), json!(gateway));
            fields.insert("unknown".into(), json!(unknown));
        }
        if let (true, Value::Object(fields)) = (part.is_tcp, &mut value) {
            fields.insert("protocol".into(), json!("tcp"));
        }
        value
    });
    let value = Value::Array(workloads.collect());
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// A table: a row for each caller, a column for each workload.
pub(super) fn markdown(matrix: &Matrix) -> String {
    let cell = |text: &str| safe(text).replace('|', "\\|").replace('<', "&lt;");
    let mut out = String::from("| caller |");
    for column in &matrix.columns {
        let _ = write!(out, " {} |", cell(&column.title()));
    }
    out.push_str("\n|---|");
    matrix.columns.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for (at, caller) in matrix.callers.iter().enumerate() {
        let _ = write!(out, "| {} |", cell(caller));
        for entry in matrix.columns.iter().filter_map(|column| column.entries.get(at)) {
            let text = match entry.word {
                "same" | "none" => "–".to_owned(),
                _ => said(entry).iter().map(|line| cell(line)).collect::<Vec<_>>().join("<br>"),
            };
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
    for column in matrix.columns.iter().filter(|column| !column.unknown.is_empty()) {
        let _ = writeln!(out, "\nNot known of {}:", cell(&column.title()));
        for why in &column.unknown {
            let _ = writeln!(out, "- {}", cell(why));
        }
    }
    out
}
