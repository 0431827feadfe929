//! The engine's answer and Envoy's, side by side.

use crate::judge::{Question, Seen};
use gnomon_engine::{
    Plan,
    jwt::SoftwareCrypto,
    prepare::Prepared,
    request::Protocol,
    verdict::{Outcome, Report, ShadowResult, Stage},
};
use serde_json::{Map, Value, json};

/// What answers a question beside Envoy; the engine, unless a test wants to see a disagreement.
pub type Engine = dyn Fn(&Question<'_>, &Plan) -> Report + Sync;

/// The engine itself.
pub fn engine(question: &Question<'_>, plan: &Plan) -> Report {
    let Question { workload, mesh, request, .. } = question;
    Prepared::new(request, plan.authenticator(), workload, mesh, crate::tokens::now())
        .report(plan, &SoftwareCrypto)
}

/// In what the two differ; `None` where they agree in all that Envoy shows.
pub fn difference(question: &Question<'_>, report: &Report, seen: &Seen) -> Option<String> {
    // Network filters leave no id of what they let through.
    let tcp = question.request.protocol == Protocol::Tcp;
    let shadow = |result: &ShadowResult| (result.result.to_owned(), result.policy.clone());
    let ours = (report.verdict, report.status, report.details.clone());
    let envoys = (seen.verdict, seen.status, seen.details.clone());
    let our_dry_run = (report.dry_run.allow.as_ref().map(shadow), report.dry_run.deny.as_ref().map(shadow));
    let dry_run = (seen.dry_run_allow.clone(), seen.dry_run_deny.clone());
    if ours != envoys || our_dry_run != dry_run || report.audit != seen.audit {
        return Some(format!(
            "{envoys:?}, dry run {dry_run:?}, audit {}; the engine: {ours:?}, dry run {our_dry_run:?}, audit {}",
            seen.audit, report.audit
        ));
    }
    // A refusal's policy stands in its details. That of an approval, and that for which a provider was asked, stand in
    // the metadata, of which an earlier filter's remain where a later one has nothing to say.
    let policy = match (report.verdict, report.stage) {
        (Outcome::Allow, Stage::Allow) if !tcp => &seen.enforced,
        (Outcome::Deny, Stage::Custom) if asked(report) => &seen.asked,
        _ => return None,
    };
    (report.policy != *policy).then(|| format!("policy {policy:?}, the engine: {:?}", report.policy))
}

/// A provider refused, or did not answer.
fn asked(report: &Report) -> bool {
    report.details.as_ref().is_some_and(|details| details.starts_with("ext_authz"))
}

/// What Envoy said, as a suite expects it.
pub fn expectation(seen: &Seen) -> Value {
    let shadow = |found: &Option<(String, Option<String>)>| match found {
        Some((result, policy)) => json!({"result": result, "policy": policy}),
        None => Value::Null,
    };
    let mut expect = Map::new();
    expect.insert("verdict".into(), json!(seen.verdict.name()));
    expect.insert("status".into(), json!(seen.status));
    expect.insert("details".into(), json!(seen.details));
    if seen.audit {
        expect.insert("audit".into(), json!(true));
    }
    if seen.dry_run_allow.is_some() || seen.dry_run_deny.is_some() {
        let both = json!({"allow": shadow(&seen.dry_run_allow), "deny": shadow(&seen.dry_run_deny)});
        expect.insert("dryRun".into(), both);
    }
    Value::Object(expect)
}
