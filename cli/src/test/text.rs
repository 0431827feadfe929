//! For people: what failed, and a summary.

use super::{Ran, Session, case_name};
use crate::{
    style::{Style, plural, safe},
    words,
};
use gnomon_analysis::{CaseResult, shown};
use gnomon_engine::verdict::Outcome;
use gnomon_manifests::suite::{Case, Test};
use std::fmt::Write;

pub(super) fn write(session: &Session, style: Style, verbose: bool) -> String {
    let mut out = String::new();
    for ran in &session.suites {
        suite(&mut out, ran, style, verbose);
    }
    let failures = session.failures();
    let passed = session.cases() - failures;
    let mut parts = vec![style.good(&format!("{passed} passed"))];
    if failures > 0 {
        parts.push(style.bad(&format!("{failures} failed")));
    }
    if !session.suites.is_empty() {
        out.push('\n');
    }
    let (suites, seconds) = (plural(session.suites.len(), "suite"), session.took.as_secs_f64());
    let _ = writeln!(out, "{} in {suites} ({seconds:.2} s)", parts.join(", "));
    if session.left_out > 0 {
        let _ = writeln!(out, "{} not run after the failure", plural(session.left_out, "suite"));
    }
    if session.broken > 0 {
        let line = format!("{} could not be run", plural(session.broken, "suite"));
        let _ = writeln!(out, "{}", style.bad(&line));
    }
    out
}

fn suite(out: &mut String, ran: &Ran, style: Style, verbose: bool) {
    let suite = &ran.loaded.suite;
    let failures = ran.failures();
    let mark = if failures == 0 { style.good("✓") } else { style.bad("✗") };
    let count = match failures {
        0 => format!("{} passed", suite.len()),
        _ => format!("{failures} of {} failed", suite.len()),
    };
    let file = style.faint(&safe(&suite.file));
    let _ = writeln!(out, "{mark} {}  {count}  {file}", safe(&suite.name));
    for (test, case, result) in ran.cases() {
        if result.passed() && verbose {
            let _ = writeln!(out, "    {} {}", style.good("✓"), safe(&case_name(test, case)));
        } else if !result.passed() {
            failure(out, ran, test, case, result, style);
        }
    }
}

fn failure(out: &mut String, ran: &Ran, test: &Test, case: &Case, result: &CaseResult, style: Style) {
    let name = safe(&case_name(test, case));
    let place = format!("{}:{}:{}", ran.loaded.suite.file, case.expect.at.line, case.expect.at.column);
    let _ = writeln!(out, "    {} {}  {}", style.bad("✗"), style.strong(&name), style.faint(&safe(&place)));
    if let Some(words) = in_words(case, result) {
        let _ = writeln!(out, "        {}", safe(&words));
    }
    let width = result.differences.iter().map(|difference| difference.field.len()).max().unwrap_or_default();
    for difference in &result.differences {
        let (field, expected, got) =
            (&difference.field, safe(&shown(&difference.expected)), safe(&shown(&difference.got)));
        let _ = writeln!(
            out,
            "        {field:<width$}  expected {}, got {}",
            style.good(&expected),
            style.bad(&got)
        );
    }
    let _ = writeln!(out, "        {}", style.faint(&safe(&result.report.reason)));
    if let Some(nearest) = nearest(result) {
        let _ = writeln!(out, "        {}", style.faint(&safe(&nearest)));
    }
    if !test.description.is_empty() {
        let _ = writeln!(out, "        {}", style.faint(&safe(test.description.trim())));
    }
    if !test.source.is_empty() {
        let _ = writeln!(out, "        {}", style.faint(&safe(&format!("source: {}", test.source.trim()))));
    }
}

/// `POST http://web/ was to be allowed, and is denied with 403`, where the verdict is another one.
pub(super) fn in_words(case: &Case, result: &CaseResult) -> Option<String> {
    let expected = case.expect.verdict.filter(|expected| *expected != result.report.verdict)?;
    let passive = |outcome: Outcome| match outcome {
        Outcome::Allow => "allowed",
        Outcome::Deny => "denied",
        Outcome::Redirect => "redirected",
        Outcome::Unknown => "undecided",
    };
    let status = result.report.status.map(|status| format!(" with {status}")).unwrap_or_default();
    Some(format!(
        "the request was to be {}, and is {}{status}",
        passive(expected),
        passive(result.report.verdict)
    ))
}

/// `ns[shop]-policy[read]-rule[0] would match if method were GET`.
pub(super) fn nearest(result: &CaseResult) -> Option<String> {
    let nearest = result.report.nearest.as_ref().filter(|nearest| !nearest.unmet.is_empty())?;
    Some(format!("nearest: {} would match if {}", nearest.policy, words::if_clause(&nearest.unmet)))
}
