//! The verdict with the whole way to it: a second, slow walk over the same plan.

use super::{
    Chain, CustomStage, Plan,
    evaluate::{How, Run, run},
    facts::Facts,
    outcome::Verdict,
    rule::{Clause, Dropped, Rule, RuleSet},
    test::{Test, ZtunnelPart},
};
use crate::{
    jwt::{Authentication, Crypto, Json, TokenTrace},
    request::{Input, Peer, Protocol, Request},
    verdict::{Check, Explanation, Nearest, Outcome, RuleTrace, Stage, StageResult, StageTrace, Unmet},
    workload::ProxyKind,
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Values from a request are cut at this many characters.
const SHOWN: usize = 200;
/// No more tokens than this are told of.
const TOKENS_SHOWN: usize = 4;

pub(super) fn explain(plan: &Plan, request: &Request<'_>, crypto: &dyn Crypto) -> Explanation {
    let Run { verdict, authentication } = run(plan, request, crypto, How::Linearly);
    let early = Facts { request, payload: None, edits: &[], joins_lines: plan.joins_lines };
    let late = match &authentication {
        Some(found) => Facts { request, payload: found.payload.as_ref(), edits: &found.edits, ..early },
        None => early,
    };
    let chain = plan.chain(request.protocol);
    let keys_unknown =
        authentication.as_ref().and_then(|a| a.failure.as_ref()).is_some_and(|f| f.missing.is_some());
    let writer = Writer { plan, verdict: &verdict, chain, keys_unknown };
    let mut stages = Vec::new();
    stages.extend(writer.mtls(request));
    stages.extend(writer.custom(&early));
    stages.extend(writer.jwt(authentication.as_ref(), &late, crypto));
    for (stage, set) in
        [(Stage::Audit, &chain.audit), (Stage::Deny, &chain.deny), (Stage::Allow, &chain.allow)]
    {
        if !set.is_empty() {
            stages.push(writer.rules(stage, set, &late));
        }
    }
    let mut report = verdict.report();
    if verdict.outcome == Outcome::Deny && verdict.stage == Stage::Allow {
        report.nearest = nearest(&chain.allow, &late);
    }
    Explanation { report, stages }
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
            Outcome::Allow => StageResult::Passed,
            Outcome::Deny if stage == decided => StageResult::Refused,
            Outcome::Deny if stage > decided => StageResult::NotReached,
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
        let mode = match mtls.modes.of(port) {
            crate::resource::MtlsMode::Disable => "DISABLE",
            crate::resource::MtlsMode::Permissive => "PERMISSIVE",
            crate::resource::MtlsMode::Strict => "STRICT",
        };
        let set_by = match mtls.set_by(port) {
            Some(name) => format!("{mode}, set by PeerAuthentication {name}"),
            None => format!("{mode}, Istio's default"),
        };
        let peer = match request.peer {
            Peer::Plaintext => "plaintext".into(),
            Peer::Tls { names: [], .. } => "TLS without a client certificate".into(),
            Peer::Tls { names: [name, ..], .. } => format!("mutual TLS, peer {}", shown(name)),
        };
        Some(self.line(Stage::Mtls, format!("{peer}; mode {set_by}")))
    }

    fn custom(&self, facts: &Facts<'_>) -> Option<StageTrace> {
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
        if trace.result != StageResult::NotReached {
            trace.rules = rules.iter().map(|rule| rule_trace(rule, false, facts)).collect();
            if let CustomStage::Ask(ask) = &self.chain.custom {
                trace.rules.extend(ask.dropped.iter().map(dropped_trace));
            }
            let asked = trace.rules.iter().any(|rule| rule.matched == Some(true));
            let said = match (asked, trace.result, facts.request.ext_authz) {
                (false, ..) => "not asked: no rule matched",
                (_, StageResult::Refused, _) => "refused",
                (_, StageResult::Unknown, _) => "asked, answer not known",
                _ => "asked, let pass",
            };
            if matches!(self.chain.custom, CustomStage::Ask(_)) {
                trace.summary = format!("{}: {said}", trace.summary);
            }
        }
        Some(trace)
    }

    fn jwt(
        &self,
        reached: Option<&Authentication>,
        facts: &Facts<'_>,
        crypto: &dyn Crypto,
    ) -> Option<StageTrace> {
        if self.plan.jwt_rules == 0 || self.plan.proxy == ProxyKind::Ztunnel {
            return None;
        }
        if facts.request.protocol == Protocol::Tcp {
            return Some(self.line(Stage::Jwt, "not on TCP".into()));
        }
        let rules = match self.plan.jwt_rules {
            1 => "1 rule".to_string(),
            n => format!("{n} rules"),
        };
        let found = match (reached, facts.payload) {
            (None, _) => String::new(),
            (Some(_), None) if self.result(Stage::Jwt) == StageResult::Passed => {
                ", no token: passes unidentified".into()
            }
            (Some(found), Some(_)) if found.failure.is_none() => {
                let trace = self.plan.authenticator.trace(facts.request, crypto);
                let place = trace.iter().find(|line| Some(line.rule) == found.rule && line.passes);
                let place = place.map_or(String::new(), |line| format!(" in {}", line.location));
                let claim = |name| match facts.claim(&[name]) {
                    Some(Json::String(text)) => shown(text.as_bytes()),
                    _ => "(none)".into(),
                };
                format!(", token{place} verified: iss {}, sub {}", claim("iss"), claim("sub"))
            }
            (Some(_), _) => {
                format!("; {}", token_lines(self.plan.authenticator.trace(facts.request, crypto)))
            }
        };
        Some(self.line(Stage::Jwt, format!("{rules}{found}")))
    }

    fn rules(&self, stage: Stage, set: &RuleSet, facts: &Facts<'_>) -> StageTrace {
        let mut trace = self.line(stage, String::new());
        let count = match set.policies {
            1 => "1 policy".to_string(),
            n => format!("{n} policies"),
        };
        if trace.result == StageResult::NotReached {
            trace.summary = format!("{count}, not reached");
            return trace;
        }
        trace.rules = set.rules.iter().map(|rule| rule_trace(rule, false, facts)).collect();
        let matched = trace.rules.iter().find(|rule| rule.matched == Some(true)).map(|rule| rule.id.clone());
        trace.rules.extend(set.shadow.iter().flatten().map(|rule| rule_trace(rule, true, facts)));
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

/// What each rule says to each token, of a request that did not pass. Rules without a token, and then rules of other
/// issuers, are told only where there is nothing else to tell.
fn token_lines(mut lines: Vec<TokenTrace>) -> String {
    for tells in [|line: &TokenTrace| !line.location.is_empty(), |line: &TokenTrace| !line.other_issuer] {
        if lines.iter().any(tells) {
            lines.retain(tells);
        }
    }
    let more = lines.len().saturating_sub(TOKENS_SHOWN);
    let told = lines.iter().take(TOKENS_SHOWN).map(|line| {
        let issuer = match &*line.issuer {
            "" => "any issuer".to_string(),
            issuer => format!("issuer {}", shown(issuer.as_bytes())),
        };
        match &*line.location {
            "" => format!("{issuer}: {}", line.status),
            location => format!("{issuer}, {location}: {}", line.status),
        }
    });
    let told = told.collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{told}; and {more} more") } else { told }
}

fn rule_trace(rule: &Rule, dry_run: bool, facts: &Facts<'_>) -> RuleTrace {
    let group = |clauses: &[Clause]| clauses.iter().map(|clause| check(clause, facts)).collect();
    RuleTrace {
        id: rule.id.to_string(),
        policy: format!("{}/{}", rule.origin.policy.namespace, rule.origin.policy.name),
        index: rule.origin.index,
        file: rule.origin.policy.file.to_string(),
        line: rule.origin.at.line,
        column: rule.origin.at.column,
        matched: rule.matches(facts).known(),
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

fn check(clause: &Clause, facts: &Facts<'_>) -> Check {
    Check {
        field: clause.field.to_string(),
        line: clause.at.line,
        column: clause.at.column,
        expected: clause.expected(),
        negated: clause.negated,
        got: got(&clause.test, facts),
        met: clause.ask(facts).known(),
    }
}

/// The ALLOW rule with the fewest unmet conditions; of those the first in Envoy's order. Rules that can never match
/// are no help to anybody.
fn nearest(allow: &RuleSet, facts: &Facts<'_>) -> Option<Nearest> {
    let miss = |rule: &Rule| {
        let mut unmet = fewest(&rule.from, facts);
        unmet.extend(fewest(&rule.to, facts));
        unmet.extend(unmet_of(&rule.when, facts));
        Nearest { policy: rule.id.to_string(), unmet }
    };
    let misses = allow.rules.iter().filter(|rule| !rule.is_hopeless()).map(miss);
    misses.min_by_key(|nearest| nearest.unmet.len())
}

/// The alternative with the fewest unmet conditions; one that can never hold is left out.
fn fewest(groups: &[Box<[Clause]>], facts: &Facts<'_>) -> Vec<Unmet> {
    let possible = groups
        .iter()
        .filter(|group| !group.iter().any(|clause| matches!(clause.test, Test::Never) && !clause.negated));
    possible.map(|group| unmet_of(group, facts)).min_by_key(Vec::len).unwrap_or_default()
}

fn unmet_of(clauses: &[Clause], facts: &Facts<'_>) -> Vec<Unmet> {
    let unmet = clauses.iter().filter(|clause| clause.ask(facts).known() != Some(true));
    unmet
        .map(|clause| Unmet {
            field: clause.field.to_string(),
            expected: clause.expected(),
            got: got(&clause.test, facts),
        })
        .collect()
}

/// What the request had where the test looks; `None`: nothing.
fn got(test: &Test, facts: &Facts<'_>) -> Option<String> {
    fn input<T: ToString>(input: Input<T>) -> Option<String> {
        match input {
            Input::Absent => None,
            Input::Unknown => Some("(not known)".into()),
            Input::Is(value) => Some(value.to_string()),
        }
    }
    let request = facts.request;
    match test {
        Test::Peer(_)
        | Test::Ztunnel(ZtunnelPart::Principal | ZtunnelPart::Namespace, _)
        | Test::ZtunnelAccount(_) => match request.peer {
            Peer::Plaintext => None,
            Peer::Tls { names, .. } => {
                let names: Vec<_> =
                    names.iter().map(|name| shown(name.strip_prefix(b"spiffe://").unwrap_or(name))).collect();
                (!names.is_empty()).then(|| names.join(", "))
            }
        },
        Test::SourceIp(_) => input(request.source_ip),
        Test::RemoteIp(_) => input(request.remote_ip),
        Test::DestinationIp(_) => input(request.destination_ip),
        Test::Port(_) => input(request.destination_port),
        Test::Sni(_) => (!request.sni.is_empty()).then(|| shown(request.sni)),
        Test::Host(_) => lines(facts, ":authority"),
        // A token is a secret: say that it is there, not what it is.
        Test::Header(name, _) if is_secret(name) => lines(facts, name).map(|_| "(present)".into()),
        Test::Header(name, _) => lines(facts, name),
        Test::Path(_) => {
            let mut path = None;
            let _ = facts.path(|value| {
                path = Some(shown(value));
                true
            });
            path
        }
        Test::RequestPrincipal(_) => {
            facts.payload?;
            let claim = |name| match facts.claim(&[name]) {
                Some(Json::String(text)) => shown(text.as_bytes()),
                _ => String::new(),
            };
            Some(format!("{}/{}", claim("iss"), claim("sub")))
        }
        Test::Claim(way, _) => facts.claim(way).map(json),
        Test::Metadata(of, _) => facts.metadata(&of.0, &of.1).map(json),
        Test::Never => None,
    }
}

fn is_secret(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "proxy-authorization" | "x-forwarded-client-cert")
}

fn lines(facts: &Facts<'_>, name: &str) -> Option<String> {
    let values: Vec<String> = facts.header_lines(name.as_bytes()).map(shown).collect();
    (!values.is_empty()).then(|| values.join(" | "))
}

fn json(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => value.to_string(),
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
