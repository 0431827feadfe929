//! For programs.

use super::{Session, case_name};
use gnomon_engine::verdict::Report;
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    passed: usize,
    failed: usize,
    /// Suites that could not be read; their diagnostics are on standard error.
    broken: usize,
    suites: Vec<Suite<'a>>,
}

#[derive(Serialize)]
struct Suite<'a> {
    file: &'a str,
    name: &'a str,
    tests: Vec<Test<'a>>,
}

#[derive(Serialize)]
struct Test<'a> {
    name: String,
    /// Where the expectation is written.
    line: u32,
    column: u32,
    passed: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    differences: Vec<Difference<'a>>,
    got: &'a Report,
}

#[derive(Serialize)]
struct Difference<'a> {
    field: &'a str,
    expected: &'a serde_json::Value,
    got: &'a serde_json::Value,
}

pub(super) fn write(session: &Session) -> String {
    let suites = session.suites.iter().map(|ran| {
        let tests = ran.cases().map(|(test, case, result)| Test {
            name: case_name(test, case),
            line: case.expect.at.line,
            column: case.expect.at.column,
            passed: result.passed(),
            why: test.description.trim(),
            source: test.source.trim(),
            differences: result
                .differences
                .iter()
                .map(|d| Difference { field: &d.field, expected: &d.expected, got: &d.got })
                .collect(),
            got: &result.report,
        });
        Suite { file: &ran.loaded.suite.file, name: &ran.loaded.suite.name, tests: tests.collect() }
    });
    let failed = session.failures();
    let document = Document {
        passed: session.cases() - failed,
        failed,
        broken: session.broken,
        suites: suites.collect(),
    };
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
