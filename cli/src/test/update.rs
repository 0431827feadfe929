//! `--update`: what came out becomes what is expected.
//!
//! Written are values of `expect` that stand as scalars: the verdict in short, and the fields of a map. What is left as it
//! is: fields of fields, and tests of several cases that did not all come out alike.

use super::Session;
use crate::style::plural;
use gnomon_engine::{Node, Position, Value};
use gnomon_manifests::{parse, read_file};
use std::{collections::BTreeMap, fs, path::Path};

/// Writes what can be written, and says what; how many failures are left.
pub(super) fn write(session: &Session) -> usize {
    let (mut updated, mut left, mut files) = (0_usize, 0_usize, 0_usize);
    for ran in session.suites.iter().filter(|ran| ran.failures() > 0) {
        let file = &*ran.loaded.suite.file;
        let Ok(text) = read_file(Path::new(file)) else {
            left += ran.failures();
            continue;
        };
        let (documents, _) = parse(&text, file);
        let mut edits: BTreeMap<Position, (String, String)> = BTreeMap::new();
        for (test, results) in ran.loaded.suite.tests.iter().zip(&ran.results) {
            let failures = results.iter().filter(|result| !result.passed()).count();
            let made = documents.first().and_then(|document| {
                // One expectation may be that of several cases: where one of them is met it stays.
                let met = |at: Position| {
                    test.cases
                        .iter()
                        .zip(results)
                        .any(|(case, result)| case.expect.at == at && result.passed())
                };
                let mut own = BTreeMap::new();
                let failed = test.cases.iter().zip(results).filter(|(_, result)| !result.passed());
                for (case, result) in failed {
                    let expect = find(document, case.expect.at).filter(|_| !met(case.expect.at))?;
                    for difference in &result.differences {
                        let place = place(expect, &difference.field)?;
                        let new = (scalar(place)?, difference.got.to_string());
                        if own.insert(place.at, new.clone()).is_some_and(|other| other != new) {
                            return None;
                        }
                    }
                }
                Some(own)
            });
            match made {
                Some(own) => {
                    updated += failures;
                    edits.extend(own);
                }
                None => left += failures,
            }
        }
        let mut now = text;
        for (at, (old, new)) in edits.iter().rev() {
            if let Some(changed) = replace(&now, *at, old, new) {
                now = changed;
            }
        }
        match fs::write(file, now) {
            Ok(()) => files += 1,
            Err(wrong) => eprintln!("error: {file}: {wrong}"),
        }
    }
    eprintln!("updated what {} expect in {}", plural(updated, "case"), plural(files, "suite"));
    if left > 0 {
        eprintln!("left {} as they are: write these by hand", plural(left, "case"));
    }
    left
}

/// The value that begins at this place.
fn find(node: &Node, at: Position) -> Option<&Node> {
    let mut waiting = vec![node];
    let mut found = None;
    while let Some(node) = waiting.pop() {
        match &node.value {
            Value::List(items) => waiting.extend(items),
            Value::Map(entries) => {
                let expect = entries.iter().find(|(key, node)| key.name == "expect" && node.at == at);
                found = found.or(expect.map(|(_, node)| node));
                waiting.extend(entries.iter().map(|(_, node)| node));
            }
            _ => {}
        }
    }
    found
}

/// Where a field of an expectation stands.
fn place<'n>(expect: &'n Node, field: &str) -> Option<&'n Node> {
    match &expect.value {
        Value::String(_) if field == "verdict" => Some(expect),
        Value::Map(_) => expect.get(field),
        _ => None,
    }
}

/// What stands there; `None`: more than a scalar.
fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null => Some("null".into()),
        Value::List(_) | Value::Map(_) => None,
    }
}

/// The text with the scalar at this place replaced. `new` is JSON: a word is written without quotes.
fn replace(text: &str, at: Position, old: &str, new: &str) -> Option<String> {
    let line = usize::try_from(at.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(at.column.checked_sub(1)?).ok()?;
    let mut start = 0;
    for _ in 0..line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    start += text.get(start..)?.char_indices().nth(column)?.0;
    let (before, rest) = text.split_at_checked(start)?;
    let written = [format!("\"{old}\""), format!("'{old}'"), old.to_owned()];
    let written = written.iter().find(|written| rest.starts_with(written.as_str()))?;
    let after = rest.strip_prefix(written.as_str())?;
    let word = new.trim_matches('"');
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase());
    let new = if plain { word } else { new };
    Some(format!("{before}{new}{after}"))
}
