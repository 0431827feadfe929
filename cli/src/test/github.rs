//! Workflow commands, which GitHub shows beside the lines of a change.

use super::{Session, case_name, junit::lines};
use crate::style::plural;
use std::fmt::Write;

pub(super) fn write(session: &Session) -> String {
    let mut out = String::new();
    for ran in &session.suites {
        for (test, case, result) in ran.cases().filter(|(.., result)| !result.passed()) {
            let at = case.expect.at;
            let _ = writeln!(
                out,
                "::error file={},line={},col={},title={}::{}",
                property(&ran.loaded.suite.file),
                at.line,
                at.column,
                property(&case_name(test, case)),
                data(&format!("{}\n{}", lines(result), result.report.reason)),
            );
        }
    }
    let failures = session.failures();
    let (passed, suites) = (session.cases() - failures, plural(session.suites.len(), "suite"));
    let _ = writeln!(out, "{passed} passed, {failures} failed in {suites}");
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
