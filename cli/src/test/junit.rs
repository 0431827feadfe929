//! JUnit XML, as most CI systems read it.

use super::{Session, case_name};
use gnomon_analysis::{CaseResult, shown};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

pub(super) fn write(session: &Session) -> String {
    let mut report = Report::new("gnomon");
    report.set_time(session.took);
    for ran in &session.suites {
        let mut suite = TestSuite::new(&*ran.loaded.suite.name);
        suite.set_time(ran.took);
        for (test, case, result) in ran.cases() {
            let mut status = TestCaseStatus::success();
            if !result.passed() {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(summary(result));
                status.set_type("verdict");
                status.set_description(format!(
                    "{}:{}:{}\n{}\n{}",
                    ran.loaded.suite.file,
                    case.expect.at.line,
                    case.expect.at.column,
                    lines(result),
                    result.report.reason
                ));
            }
            let mut junit_case = TestCase::new(case_name(test, case), status);
            junit_case.set_classname(&*ran.loaded.suite.file);
            suite.add_test_case(junit_case);
        }
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default()
}

fn summary(result: &CaseResult) -> String {
    lines(result).lines().next().unwrap_or_default().into()
}

/// `status: expected 403, got 200`, one line each.
pub(super) fn lines(result: &CaseResult) -> String {
    let lines = result
        .differences
        .iter()
        .map(|d| format!("{}: expected {}, got {}", d.field, shown(&d.expected), shown(&d.got)));
    lines.collect::<Vec<_>>().join("\n")
}
