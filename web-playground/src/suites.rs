//! Test suites: run, and taken apart for an editor.

use crate::{
    api::{Difference, Finding, Source, findings},
    check::Checker,
    shape,
};
use gnomon_analysis::{Runner, shown};
use gnomon_engine::{Node, verdict::Report};
use gnomon_manifests::suite::{load_texts, policies_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A suite and the texts that it names.
#[derive(Debug, Deserialize)]
pub struct SuiteInput {
    /// By their paths, the suite among them.
    pub files: Vec<Source>,
    /// The suite's path.
    pub path: String,
    /// The clock in seconds since 1970, for requests without `time`.
    pub now: f64,
}

/// What came of a suite.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteRun {
    /// The suite's name.
    pub name: String,
    /// One for each case, in order; none where the suite or its policies have errors.
    pub cases: Vec<CaseRun>,
    /// Cases that are as expected.
    pub passed: usize,
    /// Cases that are not.
    pub failed: usize,
    /// What is wrong with the suite and its policies.
    pub diagnostics: Vec<Finding>,
    /// See `Answer::needs_signatures`.
    pub needs_signatures: bool,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct CaseRun {
    /// The test's name.
    pub test: String,
    /// What tells the case from the others of its matrix.
    pub variant: String,
    /// The verdict.
    pub report: Report,
    /// What is not as expected; empty: passed.
    pub differences: Vec<Difference>,
}

/// A suite taken apart.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteContents {
    /// The suite's name.
    pub name: String,
    /// The suite's description.
    pub description: String,
    /// The files that `policies` names.
    pub policies: Vec<Source>,
    /// Manifests written in the suite itself.
    pub resources: Vec<Node>,
    /// What `envoyConfig` names.
    pub envoy_config: Option<Source>,
    /// `listener`.
    pub listener: Option<String>,
    /// The workloads and meshes of its tests, each once.
    pub targets: Vec<Value>,
    /// One for each case.
    pub requests: Vec<RequestOf>,
    /// Cases of tests that have policies of their own: they cannot be shown beside the others.
    pub left_out: usize,
    /// What is wrong with the suite and its policies. Nothing else is there where there are errors.
    pub diagnostics: Vec<Finding>,
}

/// One case.
#[derive(Debug, Serialize)]
pub struct RequestOf {
    /// The test's name, with the case's variant.
    pub name: String,
    /// The test's description.
    pub description: String,
    /// Formats §3.
    pub request: Value,
    /// Index in `targets`.
    pub target: usize,
    /// Formats §5.
    pub expect: Value,
}

fn files(input: &SuiteInput) -> BTreeMap<String, String> {
    input.files.iter().map(|file| (file.name.clone(), file.text.clone())).collect()
}

/// Runs it.
#[expect(clippy::cast_possible_truncation, reason = "a clock in whole seconds; out of range it saturates")]
pub fn run_suite(input: &SuiteInput) -> SuiteRun {
    let loaded = match load_texts(&files(input), &input.path) {
        Ok(loaded) => loaded,
        Err(found) => return SuiteRun { diagnostics: findings(found.diagnostics), ..SuiteRun::default() },
    };
    let checker = Checker::default();
    let mut runner = Runner::of(&loaded, &checker, input.now as i64);
    let mut cases = Vec::new();
    for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
        let results = runner.test(test, resources).cases;
        cases.extend(test.cases.iter().zip(results).map(|(case, result)| {
            CaseRun {
                test: test.name.clone(),
                variant: case.variant.clone(),
                differences: result
                    .differences
                    .into_iter()
                    .map(|difference| Difference {
                        expected: shown(&difference.expected),
                        got: shown(&difference.got),
                        field: difference.field,
                    })
                    .collect(),
                report: result.report,
            }
        }));
    }
    let passed = cases.iter().filter(|case| case.differences.is_empty()).count();
    SuiteRun {
        name: loaded.suite.name,
        failed: cases.len().saturating_sub(passed),
        passed,
        cases,
        diagnostics: findings(loaded.findings.diagnostics),
        needs_signatures: checker.wanted(),
    }
}

/// Takes it apart.
pub fn read_suite(input: &SuiteInput) -> SuiteContents {
    let files = files(input);
    let loaded = match load_texts(&files, &input.path) {
        Ok(loaded) => loaded,
        Err(found) => {
            return SuiteContents { diagnostics: findings(found.diagnostics), ..SuiteContents::default() };
        }
    };
    let suite = loaded.suite;
    let source = |name: &str| files.get(name).map(|text| Source { name: name.into(), text: text.clone() });
    let mut contents = SuiteContents {
        policies: policies_of(&files, &suite).into_iter().filter_map(source).collect(),
        resources: suite.sources.resources,
        // Only its name is known here; the text is the one file that is neither a suite nor a manifest of policies.
        envoy_config: suite.envoy_config.as_ref().and_then(|entry| {
            let (_, file) =
                files.iter().find(|(name, _)| name.ends_with(entry.text.trim_start_matches("./")))?;
            Some(Source { name: entry.text.clone(), text: file.clone() })
        }),
        listener: suite.listener,
        name: suite.name,
        description: suite.description,
        diagnostics: findings(loaded.findings.diagnostics),
        ..SuiteContents::default()
    };
    for test in &suite.tests {
        if !test.sources.is_empty() {
            contents.left_out += test.cases.len();
            continue;
        }
        let target = json!({"workload": shape::workload(&test.workload), "mesh": shape::mesh(&test.mesh)});
        let known = contents.targets.iter().position(|known| *known == target);
        let index = known.unwrap_or(contents.targets.len());
        if known.is_none() {
            contents.targets.push(target);
        }
        contents.requests.extend(test.cases.iter().map(|case| RequestOf {
            name: match case.variant.as_str() {
                "" => test.name.clone(),
                variant => format!("{}: {variant}", test.name),
            },
            description: test.description.clone(),
            request: shape::request(&case.request),
            target: index,
            expect: shape::expect(&case.expect),
        }));
    }
    contents
}
