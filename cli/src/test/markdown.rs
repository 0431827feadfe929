//! A comment on a pull request.

use super::{
    Session, case_name,
    junit::lines,
    text::{in_words, nearest},
};
use crate::style::plural;
use std::fmt::Write;

/// As many failures are listed; the rest is counted.
const MOST: usize = 50;

pub(super) fn write(session: &Session) -> String {
    let (cases, failures) = (session.cases(), session.failures());
    let mut parts = vec![format!("{} passed", cases - failures)];
    if failures > 0 {
        parts.push(format!("{failures} failed"));
    }
    if session.broken > 0 {
        parts.push(format!("{} could not be run", plural(session.broken, "suite")));
    }
    let suites = plural(session.suites.len(), "suite");
    let mut out = format!("**gnomon test**: {} in {suites}\n", parts.join(", "));
    if failures == 0 {
        return out;
    }
    out.push_str("\n| test | what happened |\n|---|---|\n");
    let all = session.suites.iter().flat_map(|ran| ran.cases().map(move |case| (ran, case)));
    for (ran, (test, case, result)) in all.filter(|(_, (.., result))| !result.passed()).take(MOST) {
        let mut what: Vec<String> = in_words(case, result).into_iter().collect();
        what.extend(lines(result).lines().map(str::to_owned));
        what.push(result.report.reason.clone());
        what.extend(nearest(result));
        let what: Vec<String> = what.iter().map(|line| cell(line)).collect();
        let _ = writeln!(
            out,
            "| {}<br>`{}:{}` | {} |",
            cell(&case_name(test, case)),
            cell(&ran.loaded.suite.file),
            case.expect.at.line,
            what.join("<br>"),
        );
    }
    if failures > MOST {
        let _ = writeln!(out, "\nand {} more", failures - MOST);
    }
    out
}

/// Without what ends a cell or begins markup.
fn cell(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace('|', "\\|").replace('<', "&lt;")
}
