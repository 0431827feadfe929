//! The engine's verdict, Envoy's and the filter's: all three on the same questions.

use gnomon_engine::{
    Node, Plan, prepare::Prepared, request::Protocol, verdict::Outcome, workload::ProxyKind,
};
use gnomon_host_tests::{
    conformance::compare::{difference, engine},
    filter,
    judge::{Answer, Judge, Question, Seen},
    tokens,
};
use gnomon_manifests::request::{Requests, requests};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many were compared.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// With Envoy.
    pub(crate) asked: usize,
    /// Not: what Envoy cannot be asked, or the engine cannot know.
    pub(crate) beyond: usize,
    /// With the filter.
    pub(crate) shadowed: usize,
    /// Not: what Envoy answers before its filters are asked.
    pub(crate) unseen: usize,
    /// The filter did not know.
    pub(crate) shadow_unknown: usize,
    /// Requests that the native module's access logger wrote, and those of which it wrote nothing.
    pub(crate) written: usize,
    pub(crate) not_written: usize,
    /// What Envoy was asked, by the stage that decided.
    pub(crate) stages: BTreeMap<String, usize>,
}

/// Everything in which Envoy or the filter differ from the engine, one line each with the question's name.
pub(crate) fn compare(
    judge: &Judge,
    questions: &[(String, Question<'_>)],
    counts: &mut Counts,
) -> Vec<String> {
    let plain: Vec<Question<'_>> = questions.iter().map(|(_, question)| question.clone()).collect();
    let answers = match filter::wasm().and_then(|wasm| judge.ask(&plain, Some(&wasm))) {
        Ok(answers) => answers,
        Err(error) => return vec![error.to_string()],
    };
    let mut wrong = Vec::new();
    for ((name, question), answer) in questions.iter().zip(answers) {
        // What another proxy makes of it Envoy need not be asked.
        if matches!(question.workload.proxy, ProxyKind::Ztunnel | ProxyKind::Agentgateway) {
            continue;
        }
        let plan = Plan::build(question.resources, question.workload, question.mesh);
        let report = engine(question, &plan);
        match answer {
            // Where the engine does not know, there is nothing to compare.
            _ if report.verdict == Outcome::Unknown => counts.beyond += 1,
            Answer::Beyond(why) => {
                println!("not asked: {name}: {why}");
                counts.beyond += 1;
            }
            Answer::Seen(seen) => {
                counts.asked += 1;
                *counts.stages.entry(format!("{:?}", report.stage)).or_default() += 1;
                let differs = difference(question, &report, &seen);
                wrong.extend(differs.map(|what| format!("{name}: Envoy: {what}")));
                let differs = shadow_differences(question, &plan, &seen, counts);
                wrong.extend(differs.map(|what| format!("{name}: filter: {what}")));
                let differs = written_differences(question, &plan, &seen, counts);
                wrong.extend(differs.map(|what| format!("{name}: written: {what}")));
            }
        }
    }
    wrong
}

/// In what the request that the native module's access logger wrote fares otherwise than the one that Envoy saw.
pub(crate) fn written_differences(
    question: &Question<'_>,
    plan: &Plan,
    seen: &Seen,
    counts: &mut Counts,
) -> Option<String> {
    let is_module = filter::wasm().is_ok_and(|filter| filter::is_module(&filter));
    // What no policy was asked about is written as it came, if at all.
    if !is_module || question.request.protocol == Protocol::Tcp || seen.shadow.is_none() {
        return None;
    }
    let Some(line) = &seen.written else {
        counts.not_written += 1;
        return None;
    };
    counts.written += 1;
    let document: Node = serde_json::from_str(line).unwrap();
    let read = requests(&"requests.jsonl".into(), &document);
    let request = match &read {
        Ok(Requests::One(request)) => request,
        other => return Some(format!("{line} is no request: {other:?}")),
    };
    let report = engine(&Question { request, ..question.clone() }, plan);
    let (again, envoys) = ((report.verdict, report.status), (seen.verdict, seen.status));
    (again != envoys).then(|| format!("{line} gives {again:?} and not {envoys:?}: {}", report.reason))
}

/// In what the filter differs from the engine.
pub(crate) fn shadow_differences(
    question: &Question<'_>,
    plan: &Plan,
    seen: &Seen,
    counts: &mut Counts,
) -> Option<String> {
    // Nobody tells the filter what providers answer.
    let mut request = question.request.clone();
    request.ext_authz.clear();
    let report = engine(&Question { request: &request, ..question.clone() }, plan);
    let told = !question.request.ext_authz.is_empty();
    let Some(state) = &seen.shadow else {
        // It never sees what gets no filter chain, nor what Envoy answers before its filters are asked.
        let Question { workload, mesh, request, .. } = question;
        let ready = Prepared::new(request, plan.authenticator(), workload, mesh, tokens::now());
        let unseen =
            ready.rejected().is_some() || report.details.as_deref() == Some("filter_chain_not_found");
        counts.unseen += usize::from(unseen);
        return (!unseen).then(|| "it said nothing".into());
    };
    let field = |name: &str| state.get(name).and_then(Value::as_str);
    if field("verdict") == Some("unknown") {
        counts.shadow_unknown += 1;
        return None;
    }
    counts.shadowed += 1;
    // What a provider answered may be another refusal than the one that the filter knows of.
    let agree = if told { field("result") } else { Some("agree") };
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
