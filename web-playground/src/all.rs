//! Questions about all requests at once: what a change changes, who may send a request, which rules never matter, and
//! what else a change of a policy would let in.

use crate::{
    api::{Compared, Finding, Input, Source, Suggested, Suggestion, findings},
    check::Checker,
    session::{IDLE, Session, aim_of, aims, has_errors, lints, named, read, ready, seconds},
};
use gnomon_analysis::{
    diff::{Changes, State, of_workload, printed},
    invariant::{Requests, allowed},
    suggest::{Refusal, suggestion},
};
use gnomon_engine::{
    path,
    prepare::{Prepared, RequestSpec},
    request::Protocol,
    workload::ProxyKind,
};
use gnomon_manifests::request::request;
use gnomon_symbolic::Limits;
use serde_json::{Map, Value, json};

/// Less than the command line has: a page shares its memory.
const LIMITS: Limits = Limits { nodes: 2_000_000, states: 500_000 };

impl Session {
    /// What the policies change for the first target, beside the baseline.
    pub fn compare(&mut self, input: &Input) -> Compared {
        let mut found = Vec::new();
        let aims = aims(&input.targets, &mut found);
        let aim = aims.first().cloned().unwrap_or_default();
        if aim.workload.proxy == ProxyKind::Agentgateway {
            return Compared::without(
                "not covered: agentgateway, to which istiod gives none of these policies",
            );
        }
        let sides = [self.set(&input.baseline), self.set(&input.policies)];
        if has_errors(&found) || sides.iter().any(|side| side.loaded.has_errors()) {
            return Compared::without("the policies of one side have errors");
        }
        let [old, new] = sides.each_ref().map(|side| State {
            resources: &side.resources,
            workload: &aim.workload,
            mesh: &aim.mesh,
        });
        Compared::of(of_workload(old, new, seconds(input.now), &Checker::default(), LIMITS))
    }

    /// Who may send the first request: its method, path, host and port, as far as it has them.
    pub fn who_can(&mut self, input: &Input) -> Compared {
        let mut found = Vec::new();
        let aims = aims(&input.targets, &mut found);
        let Some(question) = input.requests.first() else { return Compared::without("there is no request") };
        let aim = aim_of(&aims, question);
        let Ok(spec) = request(&named("request", 0), "", "", &question.request) else {
            return Compared::without("the request has errors");
        };
        let set = self.set(&input.policies);
        if has_errors(&found) || set.loaded.has_errors() {
            return Compared::without("the policies have errors");
        }
        let planned = self.plans.plan(&set.resources, &aim.workload, &aim.mesh);
        let ready = ready(&spec, planned.plan(), &aim, input.now);
        let rule = match rule(&spec, &ready) {
            Ok(rule) => rule,
            Err(why) => return Compared::without(why),
        };
        let state = State { resources: &set.resources, workload: &aim.workload, mesh: &aim.mesh };
        match Requests::new(rule, spec.protocol) {
            Ok(asked) => Compared::of(allowed(state, &asked, seconds(input.now), &Checker::default())),
            Err(why) => Compared::without(&why.to_string()),
        }
    }

    /// How the policies would have to change so that the first request passes, and what else that lets in.
    pub fn suggest(&mut self, input: &Input) -> Suggested {
        let mut found = Vec::new();
        let aims = aims(&input.targets, &mut found);
        let Some(question) = input.requests.first() else { return Suggested::default() };
        let aim = aim_of(&aims, question);
        let set = self.set(&input.policies);
        let Ok(spec) = request(&named("request", 0), "", "", &question.request) else {
            return Suggested::default();
        };
        if has_errors(&found) || set.loaded.has_errors() {
            return Suggested::default();
        }
        let checker = Checker::default();
        let planned = self.plans.plan(&set.resources, &aim.workload, &aim.mesh);
        let explanation = ready(&spec, planned.plan(), &aim, input.now).explain(planned.plan(), &checker);
        let refusal = Refusal {
            resources: &set.resources,
            workload: &aim.workload,
            mesh: &aim.mesh,
            request: &spec,
            explanation: &explanation,
        };
        let text =
            |name: &str| input.policies.iter().find(|one| one.name == name).map(|one| one.text.clone());
        let suggestion = suggestion(refusal, &text, seconds(input.now), &checker).map(Suggestion::from);
        Suggested { suggestion, needs_signatures: checker.wanted() }
    }
}

/// Rules that can never matter, each with what covers it. Nothing where the policies have errors.
pub fn idle_rules(sources: &[Source]) -> Vec<Finding> {
    let mut loaded = read(sources);
    if loaded.has_errors() {
        return Vec::new();
    }
    findings(lints(&mut loaded, &|lint| lint.code == IDLE, sources))
}

/// The operation of a request as a rule has it, as far as the request says.
fn rule(spec: &RequestSpec, ready: &Prepared<'_>) -> Result<Value, &'static str> {
    if ready.rejected().is_some() {
        return Err("the proxy answers this request before any policy is asked");
    }
    let mut operation = Map::new();
    if spec.protocol == Protocol::Http {
        operation.insert("methods".into(), json!([spec.method]));
        let path = ready.with_request(|request| {
            let path = request.headers.iter().find(|(name, _)| *name == b":path");
            path.map(|(_, path)| String::from_utf8_lossy(path::without_query(path)).into_owned())
        });
        let texts = [("paths", path.as_deref()), ("hosts", spec.host.as_deref())];
        for (field, text) in texts {
            let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
            if text.starts_with('*') || text.ends_with('*') || text.contains(['{', '}', '\u{fffd}']) {
                return Err("its path or host, written in a rule, would mean others too");
            }
            operation.insert(field.into(), json!([text]));
        }
    }
    if let Some(port) = spec.destination_port {
        operation.insert("ports".into(), json!([port.to_string()]));
    }
    Ok(match operation.is_empty() {
        true => json!({}),
        false => json!({"to": [{"operation": operation}]}),
    })
}

impl Compared {
    fn of(found: Result<Changes, impl std::fmt::Display>) -> Compared {
        match found {
            Ok(changes) => Compared { problem: None, changes: Some(Value::Object(printed(&changes))) },
            Err(why) => Compared { problem: Some(why.to_string()), changes: None },
        }
    }

    fn without(problem: &str) -> Compared {
        Compared { problem: Some(problem.to_owned()), changes: None }
    }
}
