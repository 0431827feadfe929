//! `--coverage`: which parts of the policies the tests hold.

use super::{Format, Session};
use crate::{
    eval::now,
    style::{Style, plural, safe},
};
use gnomon_analysis::{
    coverage::{self, Coverage, Fate, Tried},
    diff::document,
};
use gnomon_engine::jwt::SoftwareCrypto;
use gnomon_manifests::suite::LoadedSuite;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write};

pub(super) fn measure(session: &Session) -> Coverage {
    let suites: Vec<LoadedSuite> = session.suites.iter().map(|ran| ran.loaded.clone()).collect();
    coverage::measure(&suites, now(), &SoftwareCrypto)
}

pub(super) fn write(coverage: &Coverage, format: Format) -> String {
    match format {
        Format::Json => json(coverage),
        Format::Lcov => lcov(coverage),
        Format::Html => html(coverage),
        Format::Text | Format::Junit | Format::Github | Format::Markdown => {
            text(coverage, Style::of_stdout())
        }
    }
}

/// What became of it, in a word.
fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Noticed => "noticed",
        Fate::Missed(_) => "missed",
        Fate::Equivalent => "equivalent",
        Fate::Unreached => "unreached",
        _ => "undecided",
    }
}

/// What is to be done about it; `None`: nothing.
fn advice(fate: &Fate) -> Option<String> {
    match fate {
        Fate::Noticed => None,
        Fate::Missed(request) => Some(format!("would notice: {}", document(request))),
        Fate::Equivalent => Some("equivalent: no request fares otherwise, and it cannot be tested".into()),
        Fate::Unreached => Some("no test asks about a workload that the policy applies to".into()),
        Fate::Undecided(why) => Some(format!("cannot be told: {why}")),
        _ => None,
    }
}

fn text(coverage: &Coverage, style: Style) -> String {
    let mut out = String::new();
    for tried in &coverage.tried {
        let Some(advice) = advice(&tried.fate) else { continue };
        let place = format!("{}:{}:{}", tried.file, tried.at.line, tried.at.column);
        let mark = match tried.fate {
            Fate::Equivalent => style.faint("="),
            _ => style.bad("✗"),
        };
        let what = format!("{} {}", tried.policy, tried.what);
        let _ = writeln!(out, "{mark} {}  {}", safe(&what), style.faint(&safe(&place)));
        let _ = writeln!(out, "    {}", safe(&advice));
    }
    let (testable, noticed) = coverage.counts();
    let equivalent = coverage.tried.len() - testable;
    let note = match equivalent {
        0 => String::new(),
        _ => format!(", {} that cannot be tested", plural(equivalent, "change")),
    };
    let percent = coverage.percent();
    let _ = writeln!(
        out,
        "coverage {percent:.1} %: tests notice {noticed} of {}{note}",
        plural(testable, "change")
    );
    out
}

fn json(coverage: &Coverage) -> String {
    let (testable, noticed) = coverage.counts();
    let entry = |tried: &Tried| {
        let mut entry = json!({
            "file": tried.file.as_ref(),
            "line": tried.at.line,
            "column": tried.at.column,
            "policy": tried.policy,
            "change": tried.what,
            "fate": word(&tried.fate),
        });
        let more = match &tried.fate {
            Fate::Missed(request) => Some(("request", document(request))),
            Fate::Undecided(why) => Some(("why", Value::from(why.as_str()))),
            _ => None,
        };
        if let (Some((name, value)), Some(fields)) = (more, entry.as_object_mut()) {
            fields.insert(name.into(), value);
        }
        entry
    };
    let all: Vec<Value> = coverage.tried.iter().map(entry).collect();
    let document =
        json!({"percent": coverage.percent(), "testable": testable, "noticed": noticed, "changes": all});
    // Cannot fail: all keys are strings.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// Changes by line of each file.
fn by_line(coverage: &Coverage) -> BTreeMap<&str, BTreeMap<u32, Vec<&Tried>>> {
    let mut files: BTreeMap<&str, BTreeMap<u32, Vec<&Tried>>> = BTreeMap::new();
    for tried in coverage.tried.iter().filter(|tried| !matches!(tried.fate, Fate::Equivalent)) {
        files.entry(&tried.file).or_default().entry(tried.at.line).or_default().push(tried);
    }
    files
}

/// A line is hit where all its changes are noticed; each change is a branch.
fn lcov(coverage: &Coverage) -> String {
    let mut out = String::new();
    for (file, lines) in by_line(coverage) {
        let _ = writeln!(out, "TN:\nSF:{file}");
        let mut hit = 0;
        for (line, all) in &lines {
            for (number, tried) in all.iter().enumerate() {
                let taken = u8::from(matches!(tried.fate, Fate::Noticed));
                let _ = writeln!(out, "BRDA:{line},0,{number},{taken}");
            }
            let noticed = all.iter().all(|tried| matches!(tried.fate, Fate::Noticed));
            hit += usize::from(noticed);
            let _ = writeln!(out, "DA:{line},{}", if noticed { all.len() } else { 0 });
        }
        let _ = writeln!(out, "LF:{}\nLH:{hit}\nend_of_record", lines.len());
    }
    out
}

fn html(coverage: &Coverage) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Coverage of policies</title>\n\
         <style>body{{font-family:sans-serif;max-width:70em;margin:2em auto}}td{{padding:.2em .6em;vertical-align:top}}\
         .missed,.unreached{{background:#fdd}}.equivalent,.undecided{{background:#eee}}code{{white-space:pre-wrap}}</style>\n\
         <h1>Coverage of policies: {:.1} %</h1>\n",
        coverage.percent()
    );
    let mut files: BTreeMap<&str, Vec<&Tried>> = BTreeMap::new();
    coverage.tried.iter().for_each(|tried| files.entry(&tried.file).or_default().push(tried));
    for (file, all) in files {
        let _ = writeln!(out, "<h2>{}</h2>\n<table>", escape(file));
        for tried in all {
            let advice = advice(&tried.fate).map(|advice| format!("<br><code>{}</code>", escape(&advice)));
            let _ = writeln!(
                out,
                "<tr class=\"{word}\"><td>{}</td><td>{}</td><td>{word}</td><td>{}{}</td></tr>",
                tried.at.line,
                escape(&tried.policy),
                escape(&tried.what),
                advice.unwrap_or_default(),
                word = word(&tried.fate),
            );
        }
        out.push_str("</table>\n");
    }
    out + "</html>\n"
}
