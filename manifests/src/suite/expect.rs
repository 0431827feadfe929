use crate::request::finish;
use gnomon_engine::{
    Diagnostics, Node, Value,
    decode::{Cursor, Fields, Reader},
    node::Position,
    verdict::{Outcome, Stage},
};
use std::sync::Arc;

/// What a test expects of a verdict (docs/formats.md, "Verdict"). `None`: not named, so not compared; an inner `None`: named `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// Where it is written.
    pub at: Position,
    /// `verdict`.
    pub verdict: Option<Outcome>,
    /// `status`.
    pub status: Option<Option<u16>>,
    /// `stage`.
    pub stage: Option<Stage>,
    /// `details`.
    pub details: Option<Option<String>>,
    /// `policy`.
    pub policy: Option<Option<String>>,
    /// `location`: where a redirect leads.
    pub location: Option<Option<String>>,
    /// `reason`.
    pub reason: Option<String>,
    /// `audit`.
    pub audit: Option<bool>,
    /// `missing`.
    pub missing: Option<Vec<String>>,
    /// `dryRun.allow`; `dryRun: null` names both.
    pub dry_run_allow: Option<Option<ExpectShadow>>,
    /// `dryRun.deny`.
    pub dry_run_deny: Option<Option<ExpectShadow>>,
    /// `nearest`.
    pub nearest: Option<Option<ExpectNearest>>,
}

/// What is expected of a shadow engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectShadow {
    /// `result`: `allowed` or `denied`.
    pub result: Option<&'static str>,
    /// `policy`.
    pub policy: Option<Option<String>>,
}

/// What is expected of the nearest miss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectNearest {
    /// `policy`.
    pub policy: Option<String>,
    /// `unmet`: all of them in order, each compared in the fields that it names.
    pub unmet: Option<Vec<ExpectUnmet>>,
}

/// One unmet condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectUnmet {
    /// `field`.
    pub field: Option<String>,
    /// `expected`.
    pub expected: Option<Vec<String>>,
    /// `got`.
    pub got: Option<Option<String>>,
}

const OUTCOMES: [(&str, Outcome); 4] = [
    ("allow", Outcome::Allow),
    ("deny", Outcome::Deny),
    ("unknown", Outcome::Unknown),
    ("redirect", Outcome::Redirect),
];

const STAGES: [(&str, Stage); 6] = [
    ("mtls", Stage::Mtls),
    ("custom", Stage::Custom),
    ("jwt", Stage::Jwt),
    ("deny", Stage::Deny),
    ("allow", Stage::Allow),
    ("none", Stage::None),
];

/// Reads `expect` by itself; null expects nothing.
///
/// # Errors
///
/// All that is wrong with it.
pub fn expectation(file: &Arc<str>, node: &Node) -> Result<Option<Expect>, Diagnostics> {
    let reader = Reader::new(file, "");
    let root = reader.at_path(node, "expect");
    let read = if root.is_null() { None } else { Some(expect(root)) };
    finish(reader, read)
}

/// The short form (a verdict) or the long one (a map with at least one field).
pub(super) fn expect(cursor: Cursor<'_>) -> Expect {
    let mut expect = Expect { at: cursor.at(), ..Expect::default() };
    if let Value::String(_) = cursor.node().value {
        expect.verdict = cursor.word(&OUTCOMES);
        return expect;
    }
    if cursor.node().as_map().is_some_and(<[_]>::is_empty) {
        cursor.error(
            "empty-expect",
            "expects nothing, so it can never fail",
            "write `expect: deny` or the like",
        );
        return expect;
    }
    let Some(mut fields) = cursor.fields() else { return expect };
    expect.verdict = fields.word("verdict", &OUTCOMES);
    expect.status =
        nullable(&mut fields, "status", |c| c.integer(100..=599).and_then(|n| u16::try_from(n).ok()));
    expect.stage = fields.word("stage", &STAGES);
    expect.details = nullable(&mut fields, "details", text);
    expect.policy = nullable(&mut fields, "policy", text);
    expect.location = nullable(&mut fields, "location", text);
    expect.reason = fields.string("reason").map(|text| text.text);
    expect.audit = fields.bool("audit");
    expect.missing = fields.get("missing").map(|list| list.strings().into_iter().map(|t| t.text).collect());
    match fields.get_or_null("dryRun") {
        Some(null) if null.is_null() => {
            expect.dry_run_allow = Some(None);
            expect.dry_run_deny = Some(None);
        }
        Some(map) => {
            if let Some(mut both) = map.fields() {
                expect.dry_run_allow = nullable(&mut both, "allow", shadow);
                expect.dry_run_deny = nullable(&mut both, "deny", shadow);
                both.finish();
            }
        }
        None => {}
    }
    expect.nearest = nullable(&mut fields, "nearest", nearest);
    fields.finish();
    expect
}

/// `Some(None)` for a field that is null, `None` for one that is absent or wrong.
fn nullable<'a, T>(
    fields: &mut Fields<'a>,
    name: &'static str,
    read: impl FnOnce(&Cursor<'a>) -> Option<T>,
) -> Option<Option<T>> {
    let cursor = fields.get_or_null(name)?;
    if cursor.is_null() { Some(None) } else { read(&cursor).map(Some) }
}

fn text(cursor: &Cursor<'_>) -> Option<String> {
    Some(cursor.string()?.text)
}

fn shadow(cursor: &Cursor<'_>) -> Option<ExpectShadow> {
    let mut fields = cursor.clone().fields()?;
    let result = fields.word("result", &[("allowed", "allowed"), ("denied", "denied")]);
    let policy = nullable(&mut fields, "policy", text);
    fields.finish();
    Some(ExpectShadow { result, policy })
}

fn nearest(cursor: &Cursor<'_>) -> Option<ExpectNearest> {
    let mut fields = cursor.clone().fields()?;
    let policy = fields.string("policy").map(|text| text.text);
    let unmet = fields.get("unmet").and_then(|list| list.list()).map(|items| {
        let unmet = items.into_iter().filter_map(|item| {
            let mut fields = item.fields()?;
            let strings = |list: Cursor<'_>| list.strings().into_iter().map(|t| t.text).collect();
            let unmet = ExpectUnmet {
                field: fields.string("field").map(|text| text.text),
                expected: fields.get("expected").map(strings),
                got: nullable(&mut fields, "got", text),
            };
            fields.finish();
            Some(unmet)
        });
        unmet.collect()
    });
    fields.finish();
    Some(ExpectNearest { policy, unmet })
}
