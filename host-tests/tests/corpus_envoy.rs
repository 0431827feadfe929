//! The corpus before real Envoy: every case of every suite below `examples/`, with the policies in Envoy's own filters
//! and the shadow filter beside them. Envoy's answer must be the engine's, and the filter must see them agree.
#![expect(
    clippy::unwrap_used,
    reason = "tests may be blunt, and clippy.toml reaches only the #[test] functions"
)]

use gnomon_analysis::Runner;
use gnomon_engine::{
    jwt::SoftwareCrypto,
    verdict::{Outcome, Report, ShadowResult},
};
use gnomon_host_tests::{
    filter,
    judge::{Answer, Question, Seen, ask},
    tokens,
};
use gnomon_manifests::suite::{Case, LoadedSuite, Test, load};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn envoy_answers_as_the_engine_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let wasm = filter::wasm().unwrap();
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    let suites = suites(&folder);
    assert!(suites.len() >= 10, "only {} suites below {}", suites.len(), folder.display());
    for file in suites {
        let loaded =
            load(&file).unwrap_or_else(|found| panic!("{}: {:?}", file.display(), found.diagnostics));
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        wrong.extend(judge(&loaded, &wasm, &mut counts).into_iter().map(|what| format!("{name}: {what}")));
    }
    println!(
        "{} cases before Envoy, {} that it cannot be asked; the filter: {} as expected, {} unknown",
        counts.asked, counts.beyond, counts.shadowed, counts.shadow_unknown
    );
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What is left out may not grow into the rule.
    assert!(counts.beyond * 10 <= counts.asked, "{counts:?}");
    assert!(counts.shadow_unknown * 10 <= counts.shadowed, "{counts:?}");
}

#[derive(Debug, Default)]
struct Counts {
    asked: usize,
    beyond: usize,
    shadowed: usize,
    shadow_unknown: usize,
}

/// Everything that is not as it should be.
fn judge(loaded: &LoadedSuite, wasm: &Path, counts: &mut Counts) -> Vec<String> {
    let mut runner = Runner::new(&SoftwareCrypto, tokens::now());
    let mut cases: Vec<(&Test, &Case, Report, Report, Question<'_>)> = Vec::new();
    for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
        let results = runner.test(test, resources).cases;
        // Nobody tells the filter what providers answer.
        let mut untold = test.clone();
        untold.cases.iter_mut().for_each(|case| case.request.ext_authz.clear());
        let filters = runner.test(&untold, resources).cases;
        for ((case, result), filters) in test.cases.iter().zip(results).zip(filters) {
            let question =
                Question { resources, workload: &test.workload, mesh: &test.mesh, request: &case.request };
            cases.push((test, case, result.report, filters.report, question));
        }
    }
    let questions: Vec<Question<'_>> = cases.iter().map(|(.., question)| question.clone()).collect();
    let answers = match ask(&questions, Some(wasm)) {
        Ok(answers) => answers,
        Err(error) => return vec![error.to_string()],
    };
    let mut wrong = Vec::new();
    for ((test, case, report, filters, _), answer) in cases.iter().zip(answers) {
        let name = format!("{} [{}]", test.name, case.variant);
        match answer {
            // Where the engine does not know, there is nothing to compare.
            _ if report.verdict == Outcome::Unknown => counts.beyond += 1,
            Answer::Beyond(why) => {
                println!("not asked: {}: {name}: {why}", loaded.suite.name);
                counts.beyond += 1;
            }
            Answer::Seen(seen) => {
                counts.asked += 1;
                wrong.extend(differences(report, &seen).map(|what| format!("{name}: Envoy: {what}")));
                wrong.extend(
                    shadow_differences(filters, case, &seen, counts)
                        .map(|what| format!("{name}: filter: {what}")),
                );
            }
        }
    }
    wrong
}

fn differences(report: &Report, seen: &Seen) -> Option<String> {
    let shadow = |result: &ShadowResult| (result.result.to_owned(), result.policy.clone());
    let ours = (
        report.verdict,
        report.status,
        report.details.clone(),
        report.dry_run.allow.as_ref().map(shadow),
        report.dry_run.deny.as_ref().map(shadow),
    );
    let envoys = (
        seen.verdict,
        seen.status,
        seen.details.clone(),
        seen.dry_run_allow.clone(),
        seen.dry_run_deny.clone(),
    );
    (ours != envoys).then(|| format!("{envoys:?}, the engine: {ours:?}"))
}

fn shadow_differences(report: &Report, case: &Case, seen: &Seen, counts: &mut Counts) -> Option<String> {
    let Some(state) = &seen.shadow else {
        // It never sees what gets no filter chain, nor what is no request at all.
        let unseen = report.details.as_deref().is_some_and(|details| details == "filter_chain_not_found");
        return (!unseen).then(|| "it said nothing".into());
    };
    let field = |name: &str| state.get(name).and_then(Value::as_str);
    if field("verdict") == Some("unknown") {
        counts.shadow_unknown += 1;
        return None;
    }
    counts.shadowed += 1;
    // What a provider answered may be another refusal than the one that the filter knows of.
    let agree = if case.request.ext_authz.is_empty() { Some("agree") } else { field("result") };
    let word = |value: Value| value.as_str().map(str::to_owned);
    let ours = (
        word(serde_json::to_value(report.verdict).unwrap()),
        report.status.map(u64::from),
        word(serde_json::to_value(report.stage).unwrap()),
        report.policy.clone(),
        agree.map(str::to_owned),
    );
    let filters = (
        field("verdict").map(str::to_owned),
        state.get("status").and_then(Value::as_u64),
        field("stage").map(str::to_owned),
        field("policy").map(str::to_owned),
        field("result").map(str::to_owned),
    );
    (ours != filters).then(|| format!("{filters:?}, the engine: {ours:?}"))
}

/// All suites below a folder, in name order.
fn suites(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(suites(&path));
        } else if path.to_string_lossy().ends_with(".gnomon.yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}
