//! A request or a connection: what happens at each callback.

use crate::{
    active::{Active, Reporter},
    answer::Answer,
    compare::{self, Candidate, Comparison, Ending, Enforced, Refuser, compare, enforced, enforced_tcp},
    decide::{Decision, decide},
    enforce,
    host::{Host, Level, Property},
    instance::Instance,
    lines::{self, Ended, Subject},
    metrics::Counter,
    properties::Asked,
};
use alloc::{boxed::Box, rc::Rc, vec::Vec};
use core::mem::replace;
use gnomon_engine::{
    request::Protocol,
    verdict::{Outcome, Report, Stage},
};

/// A request or a connection that is under way.
#[derive(Debug)]
pub enum Stream {
    /// Nothing has been decided: the policies that are at work when it is will be asked.
    Waiting(Origin),
    /// What was decided, and who reports it. It holds no plan, no token and no key: a stream may live for days, and
    /// updates come and go.
    Decided(Decided),
    /// Nothing more to do here: an outbound listener of a sidecar, or a stream that has been counted.
    Done,
}

/// Where the policies come from.
#[derive(Debug)]
pub enum Origin {
    /// What is at work in a configuration of this thread's.
    Instance(Rc<Instance>),
    /// What all threads have. No plans: a later configuration has taken their place.
    #[cfg(feature = "threads")]
    Shared(Option<alloc::sync::Arc<crate::active::Plans>>, Rc<crate::active::Local>),
}

impl Origin {
    /// What reports.
    fn reporter(&self) -> Rc<Reporter> {
        match self {
            Origin::Instance(instance) => instance.reporter(),
            #[cfg(feature = "threads")]
            Origin::Shared(_, local) => local.reporter.clone(),
        }
    }

    /// What decides. `None`: a later configuration has taken its place.
    fn active(&self) -> Option<Active> {
        match self {
            Origin::Instance(instance) => instance.active(),
            #[cfg(feature = "threads")]
            Origin::Shared(plans, local) => Some(Active { plans: plans.clone()?, local: local.clone() }),
        }
    }

    /// What the filter is called in the proxy's configuration.
    fn name(&self) -> &[u8] {
        match self {
            Origin::Instance(instance) => instance.plugin(),
            #[cfg(feature = "threads")]
            Origin::Shared(_, local) => &local.name,
        }
    }
}

/// What was decided.
#[derive(Debug)]
pub struct Decided {
    decision: Decision,
    reporter: Rc<Reporter>,
}

/// Details of a response are cut to this: long enough for any policy id, so that what is compared is whole.
const LONGEST: usize = 2048;

const SUPERSEDED: &str = "later configurations of this name have taken the place of this one: if they are another \
    instance of the filter, give each a name of its own";

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Continue,
    /// It has been answered or closed.
    Pause,
}

impl Stream {
    /// The headers of a request have come: decide, and answer where the verdict is enforced.
    pub fn request_headers(&mut self, host: &dyn Host) -> Next {
        self.first(host, Protocol::Http, |asked, decision| {
            let next = enforce(asked, decision);
            // They are made of tokens.
            decision.edits.clear();
            next
        })
    }

    /// The first bytes of a TCP connection have come: decide, as the network RBAC filter does.
    pub fn downstream_data(&mut self, host: &dyn Host) -> Next {
        self.first(host, Protocol::Tcp, |asked, decision| {
            if decision.answer.outcome() == Outcome::Allow {
                return Next::Continue;
            }
            let _counted = asked.count(asked.host().close_connection());
            Next::Pause
        })
    }

    fn first(
        &mut self,
        host: &dyn Host,
        protocol: Protocol,
        enforce: impl FnOnce(&Asked<'_>, &mut Decision) -> Next,
    ) -> Next {
        let Stream::Waiting(origin) = self else { return Next::Continue };
        let reporter = origin.reporter();
        let asked = Asked::new(host);
        let mut next = Next::Continue;
        *self = if is_outbound(&asked, &reporter) {
            Stream::Done
        } else {
            let mut decision = decided(&asked, origin, protocol, true);
            if reporter.settings.enforce {
                next = enforce(&asked, &mut decision);
                if next == Next::Continue {
                    // Without it, whoever stands behind knows that this filter was not asked.
                    let _counted = asked.count(host.note("gnomon.passed", origin.name()));
                }
            }
            Stream::Decided(Decided { decision, reporter: reporter.clone() })
        };
        reporter.metrics.add(host, Counter::Errors, asked.failures());
        next
    }

    /// The response goes out: the debugging header, where one is wanted.
    pub fn response_headers(&mut self, host: &dyn Host) {
        let Stream::Decided(decided) = self else { return };
        let Reporter { settings, metrics, .. } = &*decided.reporter;
        let header = &settings.report.response_header;
        if !header.is_empty() {
            let asked = Asked::new(host);
            let value = lines::header_value(&decided.decision.answer);
            let _counted = asked.count(host.set_response_header(header.as_bytes(), value.as_bytes()));
            metrics.add(host, Counter::Errors, asked.failures());
        }
    }

    /// An HTTP stream has ended: compare, count, tell.
    pub fn log(&mut self, host: &dyn Host) {
        let asked = Asked::new(host);
        let (reporter, early, origin) = match replace(self, Stream::Done) {
            Stream::Done => return,
            Stream::Decided(decided) => (decided.reporter, Some(decided.decision), None),
            Stream::Waiting(origin) => {
                let reporter = origin.reporter();
                if is_outbound(&asked, &reporter) {
                    return;
                }
                (reporter, None, Some(origin))
            }
        };
        let mut ending = Some((early, origin));
        let told = host.response_details(&mut |details| {
            if let Some((early, origin)) = ending.take() {
                ended(&asked, &reporter, early, origin, details);
            }
        });
        let _counted = asked.count(told);
        if let Some((early, origin)) = ending {
            ended(&asked, &reporter, early, origin, &[]);
        }
        reporter.metrics.add(host, Counter::Errors, asked.failures());
    }

    /// A TCP connection has ended: compare, count, tell. Nothing is said of a connection that never sent
    /// anything, since no filter decides on one, nor of one that its client closed before a provider in front had answered.
    ///
    /// `by_proxy`: the client had not left. Envoy's ext_authz closes first and says afterwards that it was ext_authz: what
    /// it refused cannot be told from what was served and then closed by the other end. Where it stands in front, as
    /// istiod puts it, the connection's first bytes have never come here, and it is decided on now.
    pub fn connection_closed(&mut self, host: &dyn Host, by_proxy: bool) {
        let asked = Asked::new(host);
        let by_provider = || by_proxy && asked.count(asked.host().provider_was_asked()) == Ok(true);
        let (reporter, decision, late) = match replace(self, Stream::Done) {
            Stream::Decided(decided) => (decided.reporter, decided.decision, false),
            Stream::Waiting(origin) if by_provider() => {
                let reporter = origin.reporter();
                if is_outbound(&asked, &reporter) {
                    return;
                }
                let decision = decided(&asked, &origin, Protocol::Tcp, false);
                (reporter, decision, true)
            }
            Stream::Waiting(_) | Stream::Done => return,
        };
        let details = asked.property(Property::TerminationDetails).ok().flatten().unwrap_or_default();
        let details = details.get(..LONGEST).unwrap_or(&details);
        let enforced = if late {
            Enforced::Unknown
        } else if reporter.settings.enforce && decision.answer.outcome() != Outcome::Allow {
            // By this filter, which the proxy has no details of.
            Enforced::Refused { by: Refuser::Rbac, status: None }
        } else if details.is_empty() && by_provider() {
            Enforced::Unknown
        } else {
            enforced_tcp(details)
        };
        let result = result(&decision, &enforced, details);
        reporter.metrics.connection(host, result, Some(decision.answer.decided_by()));
        let ended = Ended { result, enforced: &enforced, status: None, details, late };
        finish(&asked, &reporter, decision, &ended);
        reporter.metrics.add(host, Counter::Errors, asked.failures());
    }
}

/// An HTTP stream has ended with these details. `early`: what was decided when its request came; `origin`: it was not.
fn ended(
    asked: &Asked<'_>,
    reporter: &Reporter,
    early: Option<Decision>,
    origin: Option<Origin>,
    details: &[u8],
) {
    let details = details.get(..LONGEST).unwrap_or(details);
    let code = asked.count(asked.host().response_status()).ok().flatten();
    let late = early.is_none();
    let enforced = enforced(
        Ending { code, details, decided: !late },
        || matches!(asked.property(Property::Upstream), Ok(Some(address)) if !address.is_empty()),
    );
    // Providers in front are taken to have let pass what comes here, which this one did not.
    let passed = !matches!(enforced, Enforced::Refused { by: Refuser::ExtAuthz, .. });
    let decision = match origin.filter(|_| enforced != Enforced::NotAsked) {
        Some(origin) => Some(decided(asked, &origin, Protocol::Http, passed)),
        None => early.filter(|_| enforced != Enforced::NotAsked),
    };
    match decision {
        // Nothing to compare with, and not even a request that a policy could be asked about.
        None => reporter.metrics.request(asked.host(), Comparison::Skipped, None),
        Some(decision) => {
            let result = result(&decision, &enforced, details);
            let ended = Ended { result, enforced: &enforced, status: code, details, late };
            reporter.metrics.request(asked.host(), result, Some(decision.answer.decided_by()));
            finish(asked, reporter, decision, &ended);
        }
    }
}

/// What the policies say that are at work.
fn decided(asked: &Asked<'_>, origin: &Origin, protocol: Protocol, passed: bool) -> Decision {
    match origin.active() {
        Some(active) => decide(asked, &active, protocol, passed),
        None => Decision::unknown(Vec::new(), SUPERSEDED),
    }
}

/// Carries a verdict out.
fn enforce(asked: &Asked<'_>, decision: &Decision) -> Next {
    let host = asked.host();
    let report = match &decision.answer {
        Answer::Other(report) if report.verdict != Outcome::Allow => report,
        _ => {
            asked.add(enforce::apply(host, &decision.edits));
            return Next::Continue;
        }
    };
    // Plaintext where mutual TLS is wanted gets no answer from Envoy either.
    if report.stage == Stage::Mtls && report.verdict == Outcome::Deny {
        let _counted = asked.count(host.close_request());
        return Next::Pause;
    }
    let mut reply = None;
    let told = host.request_headers(&mut |headers| reply = enforce::reply(report, headers));
    if asked.count(told).is_err() {
        reply = enforce::reply(report, &[]);
    }
    if let Some(reply) = reply {
        // A refusal that cannot be sent ends the stream all the same.
        if asked.count(host.reply(&reply)).is_err() {
            let _counted = asked.count(host.close_request());
        }
    }
    Next::Pause
}

/// How the candidate compares with the baseline, where there is one, or with what was enforced.
fn result(decision: &Decision, enforced: &Enforced, details: &[u8]) -> Comparison {
    let candidate = Candidate::of(&decision.answer, decision.provider_unasked);
    let Some(baseline) = &decision.baseline else { return compare(candidate, enforced, details) };
    compare(candidate, &compare::as_enforced(baseline), baseline.details().unwrap_or_default().as_bytes())
}

/// Policies are about what comes in; a plugin without a `match` is put on the outbound listeners too.
fn is_outbound(asked: &Asked<'_>, reporter: &Reporter) -> bool {
    reporter.settings.check_direction && asked.count(asked.host().is_outbound()) == Ok(true)
}

/// Writes the filter state and the log line, as far as they are wanted.
fn finish(asked: &Asked<'_>, reporter: &Reporter, decision: Decision, ended: &Ended<'_>) {
    let (outcome, wanted) = (decision.answer.outcome(), &reporter.settings.report);
    let (state, line) =
        (wanted.filter_state.has(outcome, ended.result), wanted.log.has(outcome, ended.result));
    if state || line {
        write(asked, reporter, decision, ended, state, line);
    }
}

/// Writes the filter state, the log line, or both.
#[cold]
fn write(
    asked: &Asked<'_>,
    reporter: &Reporter,
    decision: Decision,
    ended: &Ended<'_>,
    state: bool,
    line: bool,
) {
    let Decision { answer, baseline, subject, .. } = decision;
    let line = line && reporter.is_sampled() && is_timely(asked, reporter, &answer, ended);
    let report = answer.into_report();
    if state {
        let state = lines::filter_state(&report, ended);
        let _counted = asked.count(asked.host().note("gnomon", &state));
    }
    if line {
        tell(asked, reporter, &report, baseline, subject, ended);
    }
}

/// Whether a line more may be written now.
fn is_timely(asked: &Asked<'_>, reporter: &Reporter, answer: &Answer, ended: &Ended<'_>) -> bool {
    // Without a clock, each line is one too many.
    let now = asked.count(asked.host().now()).ok();
    let (most, result) = (reporter.settings.report.lines_per_second, ended.result.name());
    let timely = |now| reporter.limits.allow(now / 1_000_000_000, answer.decided_by(), result, most);
    let is = now.is_some_and(timely);
    if !is {
        reporter.metrics.add(asked.host(), Counter::LinesDropped, 1);
    }
    is
}

/// Writes the log line.
fn tell(
    asked: &Asked<'_>,
    reporter: &Reporter,
    report: &Report,
    baseline: Option<Answer>,
    subject: Option<Box<Subject>>,
    ended: &Ended<'_>,
) {
    let mut request = subject.map_or_else(|| read_subject(asked), |subject| *subject);
    let text = |property| asked.property(property).ok().flatten().map(|value| lines::text(&value));
    request.principal = text(Property::PeerUriSan).unwrap_or_default();
    // `1.2.3.4:80`, `[::1]:80`
    let remote = text(Property::Source).unwrap_or_default();
    request.remote = remote.rsplit_once(':').map(|(address, _port)| address.into()).unwrap_or(remote);
    let baseline = baseline.map(Answer::into_report);
    let line = lines::log_line(&reporter.settings.workload, &request, report, baseline.as_ref(), ended);
    let level = if ended.result.diverges() { Level::Warn } else { Level::Info };
    asked.host().log(level, &line);
}

/// The header lines once more: only where a line is written about a request that the candidate lets through.
fn read_subject(asked: &Asked<'_>) -> Subject {
    let mut subject = Subject::default();
    let told = asked.host().request_headers(&mut |headers| subject = Subject::read(headers));
    let _counted = asked.count(told);
    subject
}
