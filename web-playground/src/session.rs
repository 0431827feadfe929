//! Policies that stay read between questions.

use crate::{
    api::{Answer, Difference, Explained, Finding, Input, Outcome, Question, Source, Token, findings},
    check::Checker,
    inventory::{Inventory, inventory},
};
use gnomon_analysis::{
    Evaluator, Plans, differences,
    imported::Proxy,
    lint::{self, Lint, Settings},
    shown,
};
use gnomon_engine::{
    Diagnostic, Mesh, Node, Plan, Severity, Workload,
    attach::{NotApplied, attach, not_applied},
    decode,
    prepare::Prepared,
    resource::Resources,
    verdict::{Explanation, Report},
};
use gnomon_envoy_config::import::Imported;
use gnomon_manifests::{
    Loaded, LoadedProxy, Loader, imported_text,
    request::{RequestSpec, request},
    suite::{Expect, expectation},
};
use serde::Serialize;
use std::{collections::VecDeque, rc::Rc, sync::Arc};

/// A baseline, a candidate and one to spare.
const KEPT: usize = 3;

/// The lint that compares whole policies. It takes its time, so that it is asked for by itself.
pub(crate) const IDLE: &str = "idle-rule";

/// What was read, to be used again while the texts stay the same.
#[derive(Debug, Default)]
pub struct Session {
    sets: VecDeque<Rc<PolicySet>>,
    pub(crate) plans: Plans,
    proxies: VecDeque<Rc<Loading>>,
}

/// A policy set.
#[derive(Debug)]
pub(crate) struct PolicySet {
    sources: Vec<Source>,
    /// Without its policies.
    pub(crate) loaded: Loaded,
    pub(crate) resources: Arc<Resources>,
}

/// A proxy's configuration.
#[derive(Debug)]
struct Loading {
    source: Source,
    imported: Option<Imported>,
    found: Vec<Diagnostic>,
}

/// Whom a request reaches.
#[derive(Debug, Default)]
pub(crate) struct Aim {
    pub(crate) workload: Arc<Workload>,
    pub(crate) mesh: Arc<Mesh>,
}

impl Session {
    /// The verdict on each request.
    pub fn evaluate(&mut self, input: &Input) -> Answer {
        let mut found = Vec::new();
        let aims = aims(&input.targets, &mut found);
        let checker = Checker::default();
        let results = match &input.envoy_config {
            Some(source) => {
                let loading = self.proxy(source);
                found.extend(loading.found.iter().cloned());
                match (&loading.imported, has_errors(&found)) {
                    (Some(imported), false) => {
                        let ask = |question: &Question, spec: &RequestSpec, _| {
                            let aim = aim_of(&aims, question);
                            Ok((proxy_report(input, imported, &aim, spec, &checker)?, None))
                        };
                        outcomes(input, ask)
                    }
                    _ => Vec::new(),
                }
            }
            None => {
                let set = self.set(&input.policies);
                found.extend(set.loaded.diagnostics.iter().cloned());
                if has_errors(&found) {
                    Vec::new()
                } else {
                    outcomes(input, |question, spec, nearest| {
                        let aim = aim_of(&aims, question);
                        let planned = self.plans.plan(&set.resources, &aim.workload, &aim.mesh);
                        let evaluator = planned.evaluator();
                        let report = match nearest {
                            true => evaluator
                                .explain(spec, seconds(input.now), &checker)
                                .map(|found| found.report),
                            false => evaluator.report(spec, seconds(input.now), &checker),
                        };
                        Ok((report.map_err(|why| why.to_string())?, Some(planned.applying())))
                    })
                }
            }
        };
        Answer { results, diagnostics: findings(found), needs_signatures: checker.wanted() }
    }

    /// The first request, with everything.
    pub fn explain(&mut self, input: &Input) -> Explained {
        let mut found = Vec::new();
        let aims = aims(&input.targets, &mut found);
        let Some(question) = input.requests.first() else { return Explained::default() };
        let aim = aim_of(&aims, question);
        let Ok(spec) = request(&named("request", 0), "", "", &question.request) else {
            return Explained::default();
        };
        let checker = Checker::default();
        let mut explained = Explained::default();
        if let Some(source) = &input.envoy_config {
            if let Some(imported) = &self.proxy(source).imported {
                let report = proxy_report(input, imported, &aim, &spec, &checker).ok();
                explained.explanation = report.map(|report| Explanation { report, stages: Vec::new() });
            }
        } else {
            let set = self.set(&input.policies);
            if !set.loaded.has_errors() && !has_errors(&found) {
                let planned = self.plans.plan(&set.resources, &aim.workload, &aim.mesh);
                let plan = planned.plan();
                let ready = ready(&spec, plan, &aim, input.now);
                explained.explanation = Some(ready.explain(plan, &checker));
                explained.tokens = tokens(&set.resources, &aim, plan, &ready, &checker);
                let not_applied = not_applied(&set.resources, &aim.workload, &aim.mesh);
                explained.not_applied = not_applied.iter().map(NotApplied::report).collect();
            }
        }
        explained.needs_signatures = checker.wanted();
        explained
    }

    /// Whom the policies are about, in the mesh of the first target. Empty where they have errors.
    pub fn inventory(&mut self, input: &Input) -> Inventory {
        let aims = aims(&input.targets, &mut Vec::new());
        let set = self.set(&input.policies);
        if set.loaded.has_errors() {
            return Inventory::default();
        }
        let mesh = aims.first().map(|aim| Mesh::clone(&aim.mesh)).unwrap_or_default();
        inventory(&set.loaded.inventory, &set.resources, &mesh)
    }

    pub(crate) fn set(&mut self, sources: &[Source]) -> Rc<PolicySet> {
        let known = self.sets.iter().position(|set| set.sources == sources);
        let set = known.and_then(|index| self.sets.remove(index)).unwrap_or_else(|| {
            let mut loaded = load(sources);
            let resources = Arc::new(std::mem::take(&mut loaded.resources));
            Rc::new(PolicySet { sources: sources.to_vec(), loaded, resources })
        });
        self.sets.push_front(set.clone());
        self.sets.truncate(KEPT);
        set
    }

    fn proxy(&mut self, source: &Source) -> Rc<Loading> {
        if let Some(known) = self.proxies.iter().find(|loading| loading.source == *source) {
            return known.clone();
        }
        let (imported, found) = match imported_text(source.text.clone(), &source.name) {
            Ok(LoadedProxy { imported, findings }) => (Some(imported), findings.diagnostics),
            Err(wrong) => (None, wrong.loaded.diagnostics),
        };
        let loading = Rc::new(Loading { source: source.clone(), imported, found });
        self.proxies.push_front(loading.clone());
        self.proxies.truncate(KEPT);
        loading
    }
}

/// What [`check`] answers.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    diagnostics: Vec<Finding>,
    policies: usize,
    /// Objects of kinds that are not read.
    skipped: Vec<(String, usize)>,
}

/// What is wrong with policies.
pub(crate) fn check(sources: &[Source]) -> Checked {
    let loaded = load(sources);
    let skipped = loaded.unread.kinds().map(|(kind, count)| (kind.to_owned(), count)).collect();
    let resources = &loaded.resources;
    let policies = resources.authorization.len()
        + resources.request_authentication.len()
        + resources.peer_authentication.len();
    Checked { diagnostics: findings(loaded.diagnostics), policies, skipped }
}

pub(crate) fn read(sources: &[Source]) -> Loaded {
    let mut loader = Loader::new();
    sources.iter().for_each(|source| loader.text(&source.text, &source.name));
    loader.finish()
}

fn load(sources: &[Source]) -> Loaded {
    let mut loaded = read(sources);
    if !loaded.has_errors() {
        let found = lints(&mut loaded, &|lint| lint.code != IDLE, sources);
        loaded.diagnostics.extend(found);
    }
    loaded
}

/// What lints find in what was read from these texts. What they call an error Istio takes all the same, so that there is
/// something to evaluate.
pub(crate) fn lints(
    loaded: &mut Loaded,
    wanted: &dyn Fn(&Lint) -> bool,
    sources: &[Source],
) -> Vec<Diagnostic> {
    let text =
        |name: &str| sources.iter().find(|source| source.name == name).map(|source| source.text.clone());
    let mesh = Mesh::default();
    let mut settings = Settings::new(&mesh);
    settings.wanted = wanted;
    let found = lint::check(loaded, &settings, &text);
    let mut found: Vec<Diagnostic> = found.into_iter().map(|finding| finding.diagnostic).collect();
    let errors = found.iter_mut().filter(|found| found.severity == Severity::Error);
    errors.for_each(|found| found.severity = Severity::Warning);
    found
}

pub(crate) fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|found| found.severity == Severity::Error)
}

pub(crate) fn named(what: &str, index: usize) -> Arc<str> {
    format!("{what} {index}").into()
}

pub(crate) fn aims(targets: &[Node], found: &mut Vec<Diagnostic>) -> Vec<Rc<Aim>> {
    let read = |(index, target): (usize, &Node)| {
        let file = named("target", index);
        let part = |name| target.get(name).filter(|node| !matches!(node.value, gnomon_engine::Value::Null));
        let workload = part("workload").map(|node| decode::workload(node, &file, found));
        let mesh = part("mesh").map(|node| decode::mesh(node, &file, found));
        Rc::new(Aim {
            workload: Arc::new(workload.unwrap_or_default()),
            mesh: Arc::new(mesh.unwrap_or_default()),
        })
    };
    targets.iter().enumerate().map(read).collect()
}

pub(crate) fn aim_of(aims: &[Rc<Aim>], question: &Question) -> Rc<Aim> {
    aims.get(question.target).or(aims.first()).cloned().unwrap_or_default()
}

/// One for each request, those that cannot be read with their problems. `ask` is told whether the nearest miss is
/// wanted, which costs more than a verdict.
fn outcomes(
    input: &Input,
    mut ask: impl FnMut(&Question, &RequestSpec, bool) -> Result<(Report, Option<usize>), String>,
) -> Vec<Outcome> {
    let outcome = |(index, question): (usize, &Question)| {
        let file = named("request", index);
        let spec = request(&file, "", "", &question.request);
        let expect = expectation(&file, &question.expect);
        let mut problems = Vec::new();
        let nearest = matches!(&expect, Ok(Some(Expect { nearest: Some(_), .. })));
        let mut applying = None;
        let report = match spec.map(|spec| ask(question, &spec, nearest)) {
            Ok(Ok((report, count))) => {
                applying = count;
                Some(report)
            }
            Ok(Err(why)) => {
                problems.push(undecided(&file, why));
                None
            }
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let expect = expect.unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        let told = |(expect, report): (_, &Report)| {
            let told = differences(&expect, report).into_iter().map(|difference| Difference {
                field: difference.field,
                expected: shown(&difference.expected),
                got: shown(&difference.got),
            });
            told.collect()
        };
        let differences = expect.zip(report.as_ref()).map(told);
        Outcome { report, applying, problems: findings(problems), differences }
    };
    input.requests.iter().enumerate().map(outcome).collect()
}

fn undecided(file: &Arc<str>, why: String) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "no-chain",
        file: file.clone(),
        at: Default::default(),
        object: String::new(),
        field: String::new(),
        message: why,
        help: String::new(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a clock in whole seconds; out of range it saturates")]
pub(crate) fn seconds(now: f64) -> i64 {
    now as i64
}

pub(crate) fn ready<'s>(spec: &'s RequestSpec, plan: &Plan, aim: &Aim, now: f64) -> Prepared<'s> {
    Prepared::new(spec, plan.authenticator(), &aim.workload, &aim.mesh, seconds(now))
}

fn proxy_report(
    input: &Input,
    imported: &Imported,
    aim: &Aim,
    spec: &RequestSpec,
    checker: &Checker,
) -> Result<Report, String> {
    let listener = input.listener.as_deref();
    let proxy = Proxy { imported, listener, workload: &aim.workload, mesh: &aim.mesh };
    Evaluator::Loaded(proxy).report(spec, seconds(input.now), checker).map_err(|why| why.to_string())
}

fn tokens(
    resources: &Resources,
    aim: &Aim,
    plan: &Plan,
    ready: &Prepared<'_>,
    checker: &Checker,
) -> Vec<Token> {
    if ready.rejected().is_some() {
        return Vec::new();
    }
    let crypto = ready.vouching(checker);
    let traces = ready.with_request(|request| plan.authenticator().trace(request, &crypto));
    let resources = gnomon_engine::versions::known(resources, aim.mesh.istio_version);
    let rules = attach(&resources, &aim.workload, &aim.mesh).jwt_rules;
    let told = traces.into_iter().filter_map(|trace| {
        let (meta, rule) = rules.get(trace.rule)?;
        Some(Token {
            policy: format!("{}/{}", meta.namespace, meta.name),
            file: meta.file.to_string(),
            line: rule.at.line,
            issuer: trace.issuer,
            location: trace.location,
            status: trace.status,
            passes: trace.passes,
            other_issuer: trace.other_issuer,
        })
    });
    told.collect()
}
