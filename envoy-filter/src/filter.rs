//! The filter without its proxy: what happens at each callback.

use crate::{
    cache::Cache,
    compare::{self, Candidate, Comparison, Ending, Enforced, Refuser, compare, enforced, enforced_tcp},
    config::{self, Settings},
    decide::{Decision, decide},
    enforce,
    facts::Asked,
    host::{Host, Level, Map},
    key_sets::KeySets,
    lines::{self, Ended, Subject},
    metrics::{self, Counter, Metrics},
    peers::Peers,
    wire,
};
use alloc::{borrow::Cow, boxed::Box, format, rc::Rc, string::String};
use core::cell::Cell;
use gnomon_engine::{
    Plan,
    jwt::Passed,
    request::Protocol,
    resource::Resources,
    verdict::{Outcome, Report, Stage},
};

const RESPONSE_CODE: &str = "response\0code";
const RESPONSE_DETAILS: &str = "response\0code_details";
const UPSTREAM: &str = "upstream\0address";
const TERMINATION_DETAILS: &str = "connection\0termination_details";
/// Where Istio notes which rule is the reason why a provider was asked about a connection.
const PROVIDER_ASKED: &str =
    "metadata\0filter_metadata\0envoy.filters.network.rbac\0istio_ext_authz_shadow_effective_policy_id";
const PRINCIPAL: &str = "connection\0uri_san_peer_certificate";
const REMOTE: &str = "source\0address";
const DIRECTION: &str = "xds\0listener_direction";
const OUTBOUND: i64 = 2;

/// One evaluation of so many is timed.
const TIMED: u32 = 64;
/// Between signs of life, in milliseconds.
const HEARTBEAT: u32 = 10_000;

/// A configuration at work.
#[derive(Debug)]
pub struct Active {
    /// What decides.
    pub plan: Plan,
    /// What it is compared with, where that is not what the proxy enforces.
    pub baseline: Option<Plan>,
    /// How to evaluate and what to write.
    pub settings: Settings,
    /// Tokens that have passed.
    pub tokens: Cache<Passed>,
    /// Certificates that have been read.
    pub peers: Peers,
    /// Key sets that stand elsewhere.
    pub key_sets: KeySets,
    metrics: Metrics,
    /// Lines logged so far, as shares: a line is written whenever the sum passes a whole number.
    share: Cell<f64>,
    /// The current second, and the lines written in it.
    lines: Cell<(u64, u32)>,
    /// Evaluations since one was timed.
    untimed: Cell<u32>,
    /// Milliseconds since the last sign of life.
    quiet: Cell<u32>,
}

/// A request or a connection that is under way. It keeps the configuration that it began with.
#[derive(Debug)]
pub struct Stream {
    active: Rc<Active>,
    decision: Option<Box<Decision>>,
    /// Nothing to do here: an outbound listener of a sidecar, or a connection that is done with.
    ignored: bool,
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Continue,
    /// It has been answered or closed.
    Pause,
}

/// Reads the configuration and builds its plan. `None` refuses the configuration; the log then says
/// everything that is wrong with it, and whatever ran before goes on.
pub fn configure(host: &dyn Host) -> Option<Active> {
    let active = try_configure(host);
    if active.is_none() {
        host.log(Level::Error, "gnomon: the configuration is refused; the one before, if any, goes on");
        metrics::refused(host);
    }
    active
}

fn try_configure(host: &dyn Host) -> Option<Active> {
    let text = match host.configuration() {
        Ok(text) => text,
        Err(refused) => {
            let line = format!("gnomon: the configuration cannot be read (status {})", refused.0);
            host.log(Level::Error, &line);
            return None;
        }
    };
    let config = config::read(host, &text);
    let generation = metrics::generation(&text);
    // While the plan is built, memory is at its highest.
    drop(text);
    for diagnostic in &config.diagnostics {
        let level = match diagnostic.severity {
            gnomon_engine::Severity::Error => Level::Error,
            gnomon_engine::Severity::Warning | gnomon_engine::Severity::Hint => Level::Warn,
        };
        host.log(level, &format!("gnomon: {diagnostic}"));
    }
    let loaded = config.loaded?;
    let policies = loaded.policies();
    let build = |resources: &Resources| Plan::build(resources, &loaded.workload, &loaded.mesh);
    let (plan, baseline) = (build(&loaded.resources), loaded.baseline.as_ref().map(build));
    let settings = loaded.settings;
    let key_sets = KeySets::of([Some(&plan), baseline.as_ref()].into_iter().flatten(), &settings.key_sets);
    let mut metrics = Metrics::define(host, settings.report.policies);
    metrics.loaded(host, policies, generation, !key_sets.is_empty());
    let line = format!("gnomon: {policies} policies loaded, evaluating for {}", settings.workload);
    host.log(Level::Info, &line);
    Some(Active {
        plan,
        baseline,
        settings,
        tokens: Cache::default(),
        peers: Peers::default(),
        key_sets,
        metrics,
        share: Cell::new(0.0),
        lines: Cell::new((0, 0)),
        untimed: Cell::new(0),
        quiet: Cell::new(0),
    })
}

impl Active {
    /// How often the tick comes: every second where key sets are waited for.
    fn period(&self) -> u32 {
        if self.key_sets.is_empty() { HEARTBEAT } else { 1000 }
    }

    /// The configuration has been taken.
    pub fn begin(&self, host: &dyn Host) {
        if host.tick_every(self.period()).is_err() {
            self.metrics.add(host, Counter::Errors, 1);
        }
        self.metrics.add(host, Counter::Heartbeats, 1);
        self.fetch(host);
    }

    /// Time has passed.
    pub fn tick(&self, host: &dyn Host) {
        let quiet = self.quiet.get().saturating_add(self.period());
        self.quiet.set(quiet % HEARTBEAT);
        self.metrics.add(host, Counter::Heartbeats, quiet / HEARTBEAT);
        self.fetch(host);
    }

    fn fetch(&self, host: &dyn Host) {
        if self.key_sets.is_empty() {
            return;
        }
        match host.now() {
            Ok(now) => {
                let settings = &self.settings.key_sets;
                self.key_sets.fetch(host, &self.metrics, settings, now / 1_000_000_000);
            }
            Err(_) => self.metrics.add(host, Counter::Errors, 1),
        }
    }

    /// A call has been answered.
    pub fn answered(&self, host: &dyn Host, call: u32, size: (usize, usize)) {
        self.key_sets.answered(host, &self.metrics, &self.settings.key_sets, call, size);
    }

    /// Evaluates; now and then with an eye on the clock.
    fn decide(&self, asked: &Asked<'_>, protocol: Protocol, passed: bool) -> Box<Decision> {
        let count = self.untimed.get().wrapping_add(1);
        self.untimed.set(count % TIMED);
        if count < TIMED {
            return Box::new(decide(asked, self, protocol, passed));
        }
        let before = asked.host().now();
        let decision = Box::new(decide(asked, self, protocol, passed));
        if let (Ok(before), Ok(after)) = (before, asked.host().now()) {
            self.metrics.took(asked.host(), after.saturating_sub(before));
        }
        decision
    }
}

impl Stream {
    /// One that begins now.
    pub fn new(active: Rc<Active>) -> Stream {
        Stream { active, decision: None, ignored: false }
    }

    /// The headers of a request have come: decide, and answer where the verdict is enforced.
    pub fn request_headers(&mut self, host: &dyn Host) -> Next {
        let asked = Asked::new(host);
        self.ignored = is_outbound(&asked, &self.active);
        let mut next = Next::Continue;
        if !self.ignored {
            let decision = self.active.decide(&asked, Protocol::Http, true);
            if self.active.settings.enforce {
                next = enforce(&asked, &decision);
            }
            self.decision = Some(decision);
        }
        self.active.metrics.add(host, Counter::Errors, asked.failures());
        next
    }

    /// The response goes out: the debugging header, where one is wanted.
    pub fn response_headers(&mut self, host: &dyn Host) {
        let header = &self.active.settings.report.response_header;
        if let (false, Some(decision)) = (header.is_empty(), &self.decision) {
            let asked = Asked::new(host);
            let value = lines::header_value(&decision.report);
            let _counted = asked.count(host.set_header(Map::Response, header.as_bytes(), value.as_bytes()));
            self.active.metrics.add(host, Counter::Errors, asked.failures());
        }
    }

    /// An HTTP stream has ended: compare, count, tell.
    pub fn log(&mut self, host: &dyn Host) {
        let active = self.active.clone();
        let asked = Asked::new(host);
        let decided = self.decision.is_some();
        if self.ignored || (!decided && is_outbound(&asked, &active)) {
            return;
        }
        self.ignored = true;
        let (code, details) = response(&asked);
        let upstream = compare::hangs_on_upstream(code, &details)
            && matches!(asked.property(UPSTREAM), Ok(Some(address)) if !address.is_empty());
        let enforced = enforced(Ending { code, details: &details, decided, upstream });
        if enforced == Enforced::NotAsked {
            // Nothing to compare with, and not even a request that a policy could be asked about.
            active.metrics.request(host, Comparison::Skipped, None);
        } else {
            // Providers in front are taken to have let pass what comes here, which this one did not.
            let passed = !matches!(enforced, Enforced::Refused { by: Refuser::ExtAuthz, .. });
            let decision =
                self.decision.take().unwrap_or_else(|| active.decide(&asked, Protocol::Http, passed));
            let result = result(&decision, &enforced, &details);
            let ended =
                Ended { result, enforced: &enforced, status: code, details: &details, late: !decided };
            active.metrics.request(host, result, Some(&policy(&decision.report)));
            finish(&asked, &active, *decision, &ended);
        }
        active.metrics.add(host, Counter::Errors, asked.failures());
    }

    /// The first bytes of a TCP connection have come: decide, as the network RBAC filter does.
    pub fn downstream_data(&mut self, host: &dyn Host) -> Next {
        if self.ignored || self.decision.is_some() {
            return Next::Continue;
        }
        let asked = Asked::new(host);
        self.ignored = is_outbound(&asked, &self.active);
        let mut next = Next::Continue;
        if !self.ignored {
            let decision = self.active.decide(&asked, Protocol::Tcp, true);
            if self.active.settings.enforce && decision.report.verdict != Outcome::Allow {
                let _counted = asked.count(host.close(true));
                next = Next::Pause;
            }
            self.decision = Some(decision);
        }
        self.active.metrics.add(host, Counter::Errors, asked.failures());
        next
    }

    /// A TCP connection has ended: compare, count, tell. A connection that never sent anything was never decided
    /// on, by nobody.
    ///
    /// `by_proxy`: the client had not left. Envoy's ext_authz closes first and says afterwards that it was ext_authz: what
    /// it refused cannot be told from what was served and then closed by the other end.
    pub fn connection_closed(&mut self, host: &dyn Host, by_proxy: bool) {
        let Some(decision) = self.decision.take() else { return };
        self.ignored = true;
        let active = self.active.clone();
        let asked = Asked::new(host);
        let details = asked.property(TERMINATION_DETAILS).ok().flatten().unwrap_or_default();
        let details = lines::text(&details);
        let enforced = if active.settings.enforce && decision.report.verdict != Outcome::Allow {
            // By this filter, which the proxy has no details of.
            Enforced::Refused { by: Refuser::Rbac, status: None }
        } else if by_proxy && details.is_empty() && matches!(asked.property(PROVIDER_ASKED), Ok(Some(_))) {
            Enforced::Unknown
        } else {
            enforced_tcp(&details)
        };
        let result = result(&decision, &enforced, &details);
        active.metrics.connection(host, result, Some(&policy(&decision.report)));
        let ended = Ended { result, enforced: &enforced, status: None, details: &details, late: false };
        finish(&asked, &active, *decision, &ended);
        active.metrics.add(host, Counter::Errors, asked.failures());
    }
}

/// Carries a verdict out.
fn enforce(asked: &Asked<'_>, decision: &Decision) -> Next {
    let host = asked.host();
    let report = &decision.report;
    if report.verdict == Outcome::Allow {
        asked.add(enforce::apply(host, &decision.edits));
        return Next::Continue;
    }
    // Plaintext where mutual TLS is wanted gets no answer from Envoy either.
    if report.stage == Stage::Mtls && report.verdict == Outcome::Deny {
        let _counted = asked.count(host.close(false));
        return Next::Pause;
    }
    let bytes = asked.count(host.headers(Map::Request)).unwrap_or_default();
    let headers = wire::pairs(&bytes).unwrap_or_default();
    if let Some(reply) = enforce::reply(report, &headers) {
        // A refusal that cannot be sent ends the stream all the same.
        if !enforce::answer(host, &reply) {
            asked.add(1);
            let _counted = asked.count(host.close(false));
        }
    }
    Next::Pause
}

/// How the candidate compares with the baseline, where there is one, or with what was enforced.
fn result(decision: &Decision, enforced: &Enforced, details: &str) -> Comparison {
    let candidate = candidate(decision);
    let Some(baseline) = &decision.baseline else { return compare(candidate, enforced, details) };
    compare(candidate, &compare::as_enforced(baseline), baseline.details.as_deref().unwrap_or_default())
}

/// The policy that decided, for the metrics; where there is none, the stage.
fn policy(report: &Report) -> Cow<'_, str> {
    match &report.policy {
        Some(policy) => Cow::Borrowed(policy),
        None => Cow::Owned(format!("({})", report.stage.name())),
    }
}

/// Policies are about what comes in; a plugin without a `match` is put on the outbound listeners too.
fn is_outbound(asked: &Asked<'_>, active: &Active) -> bool {
    active.settings.check_direction
        && matches!(asked.property(DIRECTION), Ok(Some(value)) if wire::integer(&value) == Some(OUTBOUND))
}

fn response(asked: &Asked<'_>) -> (Option<u16>, String) {
    let code = asked.property(RESPONSE_CODE).ok().flatten();
    let code = code.as_deref().and_then(wire::integer).and_then(|code| u16::try_from(code).ok());
    let details = asked.property(RESPONSE_DETAILS).ok().flatten().unwrap_or_default();
    // Long enough for any policy id, so that what is compared is whole.
    let details = String::from_utf8_lossy(details.get(..2048).unwrap_or(&details)).into_owned();
    (code, details)
}

fn candidate(decision: &Decision) -> Candidate<'_> {
    let report = &decision.report;
    Candidate {
        outcome: report.verdict,
        stage: report.stage,
        status: report.status,
        details: report.details.as_deref(),
        provider_unasked: decision.provider_unasked,
    }
}

/// Writes the filter state and the log line, as far as they are wanted.
fn finish(asked: &Asked<'_>, active: &Active, decision: Decision, ended: &Ended<'_>) {
    if active.settings.report.filter_state {
        let state = lines::filter_state(&decision.report, ended);
        let _counted = asked.count(asked.host().set_filter_state("gnomon", &state));
    }
    tell(asked, active, decision, ended);
}

/// Writes the log line, if one is wanted.
fn tell(asked: &Asked<'_>, active: &Active, decision: Decision, ended: &Ended<'_>) {
    let Decision { report, baseline, subject, .. } = decision;
    let wanted = match active.settings.report.log {
        config::Lines::None => false,
        config::Lines::Denied => report.verdict == Outcome::Deny,
        config::Lines::Divergent => ended.result.diverges(),
        config::Lines::All => true,
    };
    if !wanted || !sampled(active) {
        return;
    }
    if !timely(asked, active) {
        active.metrics.add(asked.host(), Counter::LinesDropped, 1);
        return;
    }
    let mut request = subject.unwrap_or_else(|| read_subject(asked));
    let property = |path| asked.property(path).ok().flatten().map(|value| lines::text(&value));
    request.principal = property(PRINCIPAL).unwrap_or_default();
    // `1.2.3.4:80`, `[::1]:80`
    let remote = property(REMOTE).unwrap_or_default();
    request.remote = remote.rsplit_once(':').map(|(address, _port)| address.into()).unwrap_or(remote);
    let line = lines::log_line(&active.settings.workload, &request, &report, baseline.as_ref(), ended);
    let level = if ended.result.diverges() { Level::Warn } else { Level::Info };
    asked.host().log(level, &line);
}

/// The header lines once more: only where a line is written about a request that the candidate lets through.
fn read_subject(asked: &Asked<'_>) -> Subject {
    let bytes = asked.count(asked.host().headers(Map::Request)).unwrap_or_default();
    Subject::read(&wire::pairs(&bytes).unwrap_or_default())
}

fn sampled(active: &Active) -> bool {
    let share = active.share.get() + active.settings.report.sample;
    // A share of a third three times is a little less than one.
    let due = share >= 1.0 - 1e-9;
    active.share.set(if due { share - 1.0 } else { share });
    due
}

/// Not too many lines in one second. Without a clock, each is one too many.
fn timely(asked: &Asked<'_>, active: &Active) -> bool {
    let Ok(now) = asked.count(asked.host().now()) else { return false };
    let now = now / 1_000_000_000;
    let (second, written) = active.lines.get();
    let written = if second == now { written } else { 0 };
    if written >= active.settings.report.lines_per_second {
        return false;
    }
    active.lines.set((now, written + 1));
    true
}
