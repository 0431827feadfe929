//! Every case of every suite with the filter alone, enforcing: the answers are those that Envoy's own filters give.

use gnomon_engine::{Plan, request::Protocol, verdict::Outcome, workload::ProxyKind};
use gnomon_host_tests::{
    conformance::compare::engine,
    filter,
    judge::{Answer, Judge, Question},
};
use gnomon_manifests::suite::{find, load};
use std::path::Path;

#[test]
fn the_filter_enforces_as_the_suites_expect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wasm = filter::wasm().unwrap();
    let judge = Judge::new().unwrap();
    let (mut asked, mut beyond, mut wrong) = (0, 0, Vec::new());
    for file in find(&[root.join("corpus"), root.join("../examples")]).0 {
        let loaded = load(&file).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()));
        let mut questions = Vec::new();
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            for case in &test.cases {
                let name = format!("{}: {} [{}]", loaded.suite.name, test.name, case.variant);
                let (workload, mesh) = (&*test.workload, &*test.mesh);
                questions.push((name, Question { resources, workload, mesh, request: &case.request }));
            }
        }
        let plain: Vec<Question<'_>> = questions.iter().map(|(_, question)| question.clone()).collect();
        let answers = judge.ask_enforced(&plain, &wasm).unwrap();
        for ((name, question), answer) in questions.iter().zip(answers) {
            let plan = Plan::build(question.resources, question.workload, question.mesh);
            // What another proxy makes of it Envoy need not be asked.
            if matches!(question.workload.proxy, ProxyKind::Ztunnel | ProxyKind::Agentgateway) {
                continue;
            }
            let report = engine(question, &plan);
            let seen = match answer {
                Answer::Seen(seen) if report.verdict != Outcome::Unknown => seen,
                _ => {
                    beyond += 1;
                    continue;
                }
            };
            asked += 1;
            let http = question.request.protocol == Protocol::Http;
            // What a network filter closes, Envoy has no details of.
            let of = |details: &Option<String>| details.clone().filter(|_| http);
            let ours = (seen.verdict, seen.status, of(&seen.details));
            let expected = (report.verdict, report.status, of(&report.details));
            if ours != expected {
                wrong.push(format!("{name}: {ours:?}, expected {expected:?}"));
            }
        }
    }
    println!("{asked} enforced, {beyond} that Envoy cannot be asked");
    assert!(wrong.is_empty(), "{} of {asked} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What is left out may not grow into the rule.
    assert!(asked >= 400 && beyond * 10 <= asked, "{asked} enforced, {beyond} not asked");
}
