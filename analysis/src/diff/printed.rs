//! A difference as programs read it (docs/formats.md, "Difference").

use super::{Change, Changes, Line, Witness, document};
use gnomon_engine::request::Protocol;
use serde_json::{Map, Value, json};

/// What changes for a workload, without which workload that is.
pub fn printed(changes: &Changes) -> Map<String, Value> {
    let witness = |found: &Option<Witness>| found.as_ref().map_or(Value::Null, self::witness);
    let fields = [
        ("equivalent", json!(changes.is_equivalent())),
        ("newlyAllowed", witness(&changes.newly_allowed)),
        ("newlyDenied", witness(&changes.newly_denied)),
        ("newlyUndecided", witness(&changes.newly_undecided)),
        ("complete", json!(changes.complete)),
        ("summary", changes.summary.iter().map(line).collect()),
    ];
    let except = (!changes.except.is_empty()).then(|| ("except", json!(changes.except)));
    let keys = (!changes.keys.is_empty()).then(|| ("keys", json!(changes.keys)));
    fields.into_iter().chain(except).chain(keys).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Which way, in one word.
pub fn change_name(change: Change) -> &'static str {
    match change {
        Change::Allowed => "newlyAllowed",
        Change::Denied => "newlyDenied",
        Change::Undecided => "newlyUndecided",
    }
}

fn witness(found: &Witness) -> Value {
    json!({
        "request": document(&found.request),
        "old": {"verdict": found.old.verdict, "reason": found.old.reason},
        "new": {"verdict": found.new.verdict, "reason": found.new.reason},
    })
}

fn line(line: &Line) -> Value {
    json!({
        "change": change_name(line.change),
        "protocol": if line.protocol == Protocol::Tcp { "tcp" } else { "http" },
        "requests": line.requests,
        "old": line.old,
        "new": line.new,
        "because": line.because,
        "example": document(&line.example),
    })
}
