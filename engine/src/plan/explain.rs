//! The verdict with the trace of every stage: a second, slow evaluation of the same plan.

mod hint;
mod tokens;

use super::{
    Chain, CustomStage, Plan,
    clause::Clause,
    context::EvaluationContext,
    evaluate::{How, Run, run},
    matcher::Matcher,
    mtls::Mode,
    outcome::Verdict,
    rule::{Dropped, Rule, RuleSet},
};
use crate::{
    attribute,
    jwt::{Authentication, Crypto, Json},
    request::{ExtAuthzAnswer, Input, Peer, Protocol, Request},
    resource::MtlsMode,
    verdict::{Check, Explanation, Nearest, Outcome, RuleTrace, Stage, StageResult, StageTrace, Unmet},
    workload::ProxyKind,
};
use alloc::{
    borrow::Cow,
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Values from a request are cut at this many characters.
const SHOWN: usize = 200;

pub(super) fn explain(plan: &Plan, request: &Request<'_>, crypto: &dyn Crypto) -> Explanation {
    let Run { verdict, authentication } = run(plan, request, crypto, How::Linearly);
    let early = EvaluationContext::early(plan, request);
    let late = match &authentication {
        Some(found) => {
            EvaluationContext { request, payload: found.payload.as_deref(), edits: &found.edits, ..early }
        }
        None => early,
    };
    if plan.refused_configuration(request.protocol).is_some() {
        return Explanation { report: verdict.report(), stages: Vec::new() };
    }
    let (early, late) = (Seen { plan, context: early }, Seen { plan, context: late });
    let chain = plan.chain(request.protocol);
    let keys_unknown =
        authentication.as_ref().and_then(|a| a.failure.as_ref()).is_some_and(|f| f.missing.is_some());
    let writer = Writer { plan, verdict: &verdict, chain, keys_unknown };
    let mut stages = Vec::new();
    let mut mtls = writer.mtls(request);
    // ztunnel has it as one of its DENY policies, unless it is the handshake that fails.
    let later = plan.proxy == ProxyKind::Ztunnel && !verdict.is_refused_handshake();
    stages.extend(mtls.take_if(|_| !later));
    stages.extend(writer.custom(&early));
    stages.extend(writer.jwt(authentication.as_ref(), &late, crypto));
    for (stage, set) in
        [(Stage::Audit, &chain.audit), (Stage::Deny, &chain.deny), (Stage::Allow, &chain.allow)]
    {
        if !set.is_empty() {
            stages.push(writer.rules(stage, set, &late));
        }
        stages.extend(mtls.take_if(|_| stage == Stage::Deny));
    }
    let mut report = verdict.report();
    if verdict.outcome == Outcome::Deny && verdict.stage == Stage::Allow {
        report.nearest = nearest(&chain.allow, &late);
    }
    Explanation { report, stages }
}

/// A request as one stage sees it, and the plan that it is put to.
struct Seen<'a> {
    plan: &'a Plan,
    context: EvaluationContext<'a>,
}

impl Seen<'_> {
    /// `jwt_authn` lets it pass without a look at its tokens.
    fn is_preflight(&self) -> bool {
        self.plan.authenticator.is_preflight(self.context.request)
    }
}

struct Writer<'a> {
    plan: &'a Plan,
    verdict: &'a Verdict<'a>,
    chain: &'a Chain,
    /// A key set that could not be had stops the walk at the JWT stage; other doubts let it go on.
    keys_unknown: bool,
}

impl Writer<'_> {
    /// Was the stage reached, and did it refuse?
    fn result(&self, stage: Stage) -> StageResult {
        let decided = self.verdict.stage;
        match self.verdict.outcome {
            Outcome::Allow | Outcome::Redirect => StageResult::Passed,
            Outcome::Deny if stage == decided => StageResult::Refused,
            Outcome::Deny if self.verdict.position(stage) > self.verdict.position(decided) => {
                StageResult::NotReached
            }
            Outcome::Unknown if self.keys_unknown && stage > Stage::Jwt => StageResult::NotReached,
            Outcome::Unknown if self.keys_unknown && stage == Stage::Jwt => StageResult::Unknown,
            Outcome::Unknown if stage == decided => StageResult::Unknown,
            _ => StageResult::Passed,
        }
    }

    fn line(&self, stage: Stage, summary: String) -> StageTrace {
        StageTrace { stage, result: self.result(stage), summary, rules: Vec::new() }
    }

    fn mtls(&self, request: &Request<'_>) -> Option<StageTrace> {
        let mtls = self.plan.mtls.as_ref()?;
        let port = match request.destination_port {
            Input::Is(port) => Some(port),
            _ => None,
        };
        let spoken = |mode: &Mode| {
            let word = match mode.mode {
                MtlsMode::Disable => "DISABLE",
                MtlsMode::Permissive => "PERMISSIVE",
                MtlsMode::Strict => "STRICT",
            };
            match &mode.set_by {
                Some(name) => format!("{word}, set by PeerAuthentication {name}"),
                None => format!("{word}, Istio's default"),
            }
        };
        let modes: Vec<String> = mtls.gate(port).possible().iter().map(spoken).collect();
        let set_by = modes.join(", or ");
        let peer = match request.peer {
            Peer::Plaintext => "plaintext".into(),
            Peer::Tls { names: [], .. } => "TLS without a client certificate".into(),
            Peer::Tls { names: [name, ..], .. } => format!("mutual TLS, peer {}", shown(name)),
        };
        Some(self.line(Stage::Mtls, format!("{peer}; mode {set_by}")))
    }

    fn custom(&self, seen: &Seen<'_>) -> Option<StageTrace> {
        let (rules, summary): (&[Rule], String) = match &self.chain.custom {
            CustomStage::Absent => return None,
            CustomStage::Skipped { provider } => {
                let why =
                    format!("provider {provider} speaks HTTP; Istio skips it on TCP, so nothing is checked");
                return Some(self.line(Stage::Custom, why));
            }
            CustomStage::Broken { rules, why } => (rules, format!("enforced as DENY: {why}")),
            CustomStage::Ask(ask) => (&ask.rules, format!("provider {}", ask.provider)),
        };
        let mut trace = self.line(Stage::Custom, summary);
        if trace.result == StageResult::NotReached {
            return Some(trace);
        }
        trace.rules = rules.iter().map(|rule| rule_trace(rule, false, seen)).collect();
        let CustomStage::Ask(ask) = &self.chain.custom else {
            trace.doubt();
            return Some(trace);
        };
        let asked = trace.is_matched();
        trace.rules.extend(ask.dropped.iter().map(dropped_trace));
        if seen.context.request.is_without_path() {
            trace.summary = format!("{}: not asked: a request without a path has no route", trace.summary);
            return Some(trace);
        }
        let answers = seen.context.request.ext_authz;
        let answer = answers.iter().find(|(name, _)| *name == ask.provider).map(|(_, answer)| *answer);
        let asks = if asked == Some(true) { "asked" } else { "perhaps asked" };
        let said = match (asked, answer) {
            (Some(false), _) => Cow::Borrowed("not asked: no rule matched"),
            (_, Some(ExtAuthzAnswer::Allow)) => format!("{asks}, let pass").into(),
            (_, Some(ExtAuthzAnswer::Deny)) => format!("{asks}, refused").into(),
            (_, Some(ExtAuthzAnswer::Error)) if ask.fail_open => {
                format!("{asks}, did not answer: `failOpen` lets pass").into()
            }
            (_, Some(ExtAuthzAnswer::Error)) => format!("{asks}, did not answer").into(),
            (_, None) => format!("{asks}, and its answer is not stated").into(),
        };
        trace.summary = format!("{}: {said}", trace.summary);
        let lets_pass = match answer {
            Some(ExtAuthzAnswer::Allow) => true,
            Some(ExtAuthzAnswer::Error) => ask.fail_open,
            Some(ExtAuthzAnswer::Deny) | None => false,
        };
        // A later stage may have refused all the same.
        if asked != Some(false) && !lets_pass && trace.result == StageResult::Passed {
            trace.result = StageResult::Unknown;
        }
        Some(trace)
    }

    fn jwt(
        &self,
        reached: Option<&Authentication>,
        seen: &Seen<'_>,
        crypto: &dyn Crypto,
    ) -> Option<StageTrace> {
        if self.plan.jwt_rules == 0 || self.plan.proxy == ProxyKind::Ztunnel {
            return None;
        }
        if seen.context.request.protocol == Protocol::Tcp {
            return Some(self.line(Stage::Jwt, "not on TCP: no token is read".into()));
        }
        let rules = match self.plan.jwt_rules {
            1 => "1 rule".to_string(),
            n => format!("{n} rules"),
        };
        let found = reached
            .map_or(String::new(), |found| tokens::summary(seen, found, self.result(Stage::Jwt), crypto));
        Some(self.line(Stage::Jwt, format!("{rules}{found}")))
    }

    fn rules(&self, stage: Stage, set: &RuleSet, seen: &Seen<'_>) -> StageTrace {
        let mut trace = self.line(stage, String::new());
        let count = match set.policies {
            1 => "1 policy".to_string(),
            n => format!("{n} policies"),
        };
        if trace.result == StageResult::NotReached {
            trace.summary = format!("{count}, not reached");
            return trace;
        }
        trace.rules = set.rules.iter().map(|rule| rule_trace(rule, false, seen)).collect();
        trace.doubt();
        let matched = trace.rules.iter().find(|rule| rule.matched == Some(true)).map(|rule| rule.id.clone());
        trace.rules.extend(set.shadow.iter().flatten().map(|rule| rule_trace(rule, true, seen)));
        trace.rules.extend(set.dropped.iter().map(dropped_trace));
        trace.summary = match matched {
            Some(id) => format!("{count}, {id} matched"),
            None if set.policies == 0 => "dry run only".into(),
            None if trace.result == StageResult::Unknown => format!("{count}, cannot be known"),
            None => format!("{count}, none matched"),
        };
        trace
    }
}

impl StageTrace {
    /// Does one of its rules match? `None`: not known.
    fn is_matched(&self) -> Option<bool> {
        let any = |wanted| self.rules.iter().any(|rule| rule.matched == wanted);
        if any(Some(true)) {
            return Some(true);
        }
        (!any(None)).then_some(false)
    }

    /// A stage whose answer is not known has not passed the request, even where a later one refuses it for certain.
    fn doubt(&mut self) {
        if self.stage != Stage::Audit && self.result == StageResult::Passed && self.is_matched().is_none() {
            self.result = StageResult::Unknown;
        }
    }
}

fn rule_trace(rule: &Rule, dry_run: bool, seen: &Seen<'_>) -> RuleTrace {
    let group = |clauses: &[Clause]| clauses.iter().map(|clause| check(clause, seen)).collect();
    RuleTrace {
        id: rule.id.to_string(),
        policy: format!("{}/{}", rule.origin.policy.namespace, rule.origin.policy.name),
        index: rule.origin.index,
        file: rule.origin.policy.file.to_string(),
        line: rule.origin.at.line,
        column: rule.origin.at.column,
        matched: rule.matches(&seen.context).known(),
        dry_run,
        notes: rule.notes.clone(),
        from: rule.from.iter().map(|clauses| group(clauses)).collect(),
        to: rule.to.iter().map(|clauses| group(clauses)).collect(),
        when: group(&rule.when),
    }
}

fn dropped_trace(rule: &Dropped) -> RuleTrace {
    RuleTrace {
        id: rule.id(),
        policy: format!("{}/{}", rule.origin.policy.namespace, rule.origin.policy.name),
        index: rule.origin.index,
        file: rule.origin.policy.file.to_string(),
        line: rule.origin.at.line,
        column: rule.origin.at.column,
        matched: Some(false),
        dry_run: rule.dry_run,
        notes: alloc::vec![rule.reason.to_string()],
        from: Vec::new(),
        to: Vec::new(),
        when: Vec::new(),
    }
}

fn check(clause: &Clause, seen: &Seen<'_>) -> Check {
    let got = got(clause, &seen.context);
    let at = clause.at();
    Check {
        field: clause.field(),
        line: at.line,
        column: at.column,
        expected: clause.expected(),
        negated: clause.is_negated(),
        note: hint::note(clause, seen, got.as_deref()),
        got,
        met: clause.ask(&seen.context).known(),
    }
}

/// The ALLOW rule with the fewest unmet conditions; of those the first in Envoy's order. A rule that no request can meet
/// is left out.
fn nearest(allow: &RuleSet, seen: &Seen<'_>) -> Option<Nearest> {
    let miss = |rule: &Rule| {
        let mut unmet = fewest(&rule.from, seen)?;
        unmet.extend(fewest(&rule.to, seen)?);
        unmet.extend(unmet_of(&rule.when, seen)?);
        Some(Nearest { policy: rule.id.to_string(), unmet })
    };
    allow.rules.iter().filter_map(miss).min_by_key(|nearest| nearest.unmet.len())
}

/// The alternative with the fewest unmet conditions; `None`: no request can meet any.
fn fewest(groups: &[Box<[Clause]>], seen: &Seen<'_>) -> Option<Vec<Unmet>> {
    if groups.is_empty() {
        return Some(Vec::new());
    }
    groups.iter().filter_map(|group| unmet_of(group, seen)).min_by_key(Vec::len)
}

/// `None`: no request can meet all of them.
fn unmet_of(clauses: &[Clause], seen: &Seen<'_>) -> Option<Vec<Unmet>> {
    let unmet = clauses.iter().filter(|clause| clause.ask(&seen.context).known() != Some(true));
    unmet
        .map(|clause| {
            let expected = hint::possible(clause, seen).ok()?;
            let got = got(clause, &seen.context);
            let note = hint::note_of_possible(clause, seen, got.as_deref());
            Some(Unmet { field: clause.field(), expected, got, note })
        })
        .collect()
}

/// What the request had where the clause looks; `None`: nothing.
fn got(clause: &Clause, context: &EvaluationContext<'_>) -> Option<String> {
    fn input<T: ToString>(input: Input<T>) -> Option<String> {
        match input {
            Input::Absent => None,
            Input::Unknown => Some("(not known)".into()),
            Input::Is(value) => Some(value.to_string()),
        }
    }
    if matches!(clause.matcher(), Matcher::Never) {
        return None;
    }
    let request = context.request;
    match clause.input {
        attribute::Input::Peer => {
            let subject = hint::Subject::of(clause);
            let names: Vec<_> = hint::peer_names(request.peer)
                .map(|name| hint::part_of_identity(subject, &shown(name)))
                .collect();
            (!names.is_empty()).then(|| names.join(", "))
        }
        which @ (attribute::Input::SourceIp
        | attribute::Input::RemoteIp
        | attribute::Input::DestinationIp) => input(context.known_address(which)),
        attribute::Input::DestinationPort => input(request.destination_port),
        attribute::Input::Sni => (!request.sni.is_empty()).then(|| shown(request.sni)),
        attribute::Input::Host => lines(context, b":authority"),
        attribute::Input::Header => match clause.header() {
            // Names of cookies tell what was sent, their values may be secrets.
            b"cookie" => {
                let lines: Vec<_> =
                    context.header_lines(b"cookie").map(|line| shown(&cookie_names(line))).collect();
                (!lines.is_empty()).then(|| lines.join(" | "))
            }
            // A token is a secret: say that it is there, not what it is.
            name if is_secret(name) => lines(context, name).map(|_| "(present)".into()),
            name => lines(context, name),
        },
        attribute::Input::Path => {
            let mut path = None;
            let _ = context.path(|value| {
                path = Some(shown(value));
                true
            });
            path
        }
        attribute::Input::RequestPrincipal => {
            context.payload?;
            let claim = |name| match context.claim(&[name]) {
                Some(Json::String(text)) => shown(text.as_bytes()),
                _ => String::new(),
            };
            Some(format!("{}/{}", claim("iss"), claim("sub")))
        }
        attribute::Input::Claim => context.claim(&clause.name).map(json),
        attribute::Input::Metadata => context.metadata(&clause.name).map(json),
    }
}

fn is_secret(name: &[u8]) -> bool {
    matches!(name, b"authorization" | b"proxy-authorization" | b"x-forwarded-client-cert")
}

/// `a=…; b=…`
fn cookie_names(line: &[u8]) -> Vec<u8> {
    let masked =
        line.split(|byte| *byte == b';').map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => [pair.get(..=at).unwrap_or_default(), "…".as_bytes()].concat(),
            None => "…".as_bytes().to_vec(),
        });
    masked.collect::<Vec<_>>().join(&b';')
}

fn lines(context: &EvaluationContext<'_>, name: &[u8]) -> Option<String> {
    let values: Vec<String> = context.header_lines(name).map(shown).collect();
    (!values.is_empty()).then(|| values.join(" | "))
}

fn json(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(value) => value.to_string(),
        Json::Number(_) => value.write(),
        Json::String(text) => shown(text.as_bytes()),
        Json::List(items) => {
            let items: Vec<_> = items
                .iter()
                .take(20)
                .map(|item| match item {
                    Json::List(_) | Json::Object(_) => "…".into(),
                    other => json(other),
                })
                .collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(_) => "{…}".into(),
    }
}

fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.into_owned(),
    }
}
