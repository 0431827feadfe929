//! Test suites: run, and taken apart for an editor.

use crate::{
    api::{Difference, Finding, Source, findings},
    check::Checker,
    shape,
};
use gnomon_analysis::{Runner, shown};
use gnomon_engine::{Node, resource::Resources, verdict::Report};
use gnomon_manifests::suite::{Test, load_texts, policies_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// A suite and the texts that it names.
#[derive(Debug, Deserialize)]
pub struct SuiteInput {
    /// By their paths, the suite among them.
    pub files: Vec<Source>,
    /// The suite's path.
    pub path: String,
    /// The clock in seconds since 1970, for requests without `time`.
    pub now: f64,
    /// Where tests have policies of their own: which of [`SuiteContents::parts`] is wanted.
    #[serde(default)]
    pub part: usize,
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
    /// The sets of policies in the suite: tests may have some beside the suite's. What stands above is one of them.
    pub parts: Vec<Part>,
    /// What is wrong with the suite and its policies. Nothing else is there where there are errors.
    pub diagnostics: Vec<Finding>,
}

/// The tests of a suite that have the same policies.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The first test's name; empty where these are the suite's own policies alone.
    pub name: String,
    /// How many cases there are.
    pub cases: usize,
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
        Err(found) => {
            return SuiteRun { diagnostics: findings(found.loaded.diagnostics), ..SuiteRun::default() };
        }
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
            return SuiteContents {
                diagnostics: findings(found.loaded.diagnostics),
                ..SuiteContents::default()
            };
        }
    };
    let suite = loaded.suite;
    // The same set of policies is the same `Arc`.
    let mut parts: Vec<(&Arc<Resources>, Vec<&Test>)> = Vec::new();
    for (test, resources) in suite.tests.iter().zip(&loaded.resources) {
        match parts.iter_mut().find(|(known, _)| Arc::ptr_eq(known, resources)) {
            Some((_, tests)) => tests.push(test),
            None => parts.push((resources, vec![test])),
        }
    }
    let tests = parts.get(input.part).map(|(_, tests)| tests.as_slice()).unwrap_or_default();
    let own = tests.first().map(|test| &test.sources).cloned().unwrap_or_default();
    let source = |name: &str| files.get(name).map(|text| Source { name: name.into(), text: text.clone() });
    let named = [&suite.sources, &own].map(|sources| policies_of(&files, &suite.file, sources));
    let name_of = |tests: &[&Test]| match tests.first() {
        Some(test) if !test.sources.is_empty() => test.name.clone(),
        _ => String::new(),
    };
    let count = |tests: &[&Test]| tests.iter().map(|test| test.cases.len()).sum();
    let mut contents = SuiteContents {
        policies: named.concat().into_iter().filter_map(source).collect(),
        resources: [suite.sources.resources.as_slice(), &own.resources].concat(),
        // Only its name is known here; the text is the one file that is neither a suite nor a manifest of policies.
        envoy_config: suite.envoy_config.as_ref().and_then(|entry| {
            let (_, file) =
                files.iter().find(|(name, _)| name.ends_with(entry.text.trim_start_matches("./")))?;
            Some(Source { name: entry.text.clone(), text: file.clone() })
        }),
        listener: suite.listener.clone(),
        name: suite.name.clone(),
        description: suite.description.clone(),
        parts: parts.iter().map(|(_, tests)| Part { name: name_of(tests), cases: count(tests) }).collect(),
        diagnostics: findings(loaded.findings.diagnostics),
        ..SuiteContents::default()
    };
    for test in tests {
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
