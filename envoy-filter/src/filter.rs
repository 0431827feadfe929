//! The filter without its proxy: what happens at each callback.

use crate::{
    compare::{Candidate, Comparison, Ending, Enforced, compare, enforced, enforced_tcp},
    config::{self, Settings},
    decide::{Decision, decide},
    facts::Asked,
    host::{Host, Level},
    lines::{self, Ended, Subject},
    metrics::{self, Metrics},
    wire,
};
use alloc::{boxed::Box, format, rc::Rc, string::String};
use core::cell::Cell;
use gnomon_engine::{
    Plan,
    request::Protocol,
    verdict::{Outcome, Report},
};

const RESPONSE_CODE: &str = "response\0code";
const RESPONSE_DETAILS: &str = "response\0code_details";
const UPSTREAM: &str = "upstream\0address";
const TERMINATION_DETAILS: &str = "connection\0termination_details";
const PRINCIPAL: &str = "connection\0uri_san_peer_certificate";
const REMOTE: &str = "source\0address";
const DIRECTION: &str = "xds\0listener_direction";
const OUTBOUND: i64 = 2;

/// A configuration at work.
#[derive(Debug)]
pub struct Active {
    /// What decides.
    pub plan: Plan,
    /// How to evaluate and what to write.
    pub settings: Settings,
    metrics: Metrics,
    /// Lines logged so far, as shares: a line is written whenever the sum passes a whole number.
    share: Cell<f64>,
}

/// A request or a connection that is under way. It keeps the configuration that it began with.
#[derive(Debug)]
pub struct Stream {
    active: Rc<Active>,
    decision: Option<Box<Decision>>,
    /// Nothing to do here: an outbound listener of a sidecar, or a connection that is done with.
    ignored: bool,
}

/// Reads the configuration and builds its plan. `None` refuses the configuration; the log then says
/// everything that is wrong with it, and whatever ran before goes on.
pub fn configure(host: &dyn Host) -> Option<Active> {
    let text = match host.configuration() {
        Ok(text) => text,
        Err(refused) => {
            host.log(
                Level::Error,
                &format!("gnomon: the configuration cannot be read (status {})", refused.0),
            );
            return None;
        }
    };
    let config = config::read(host, &text);
    for diagnostic in &config.diagnostics {
        let level = match diagnostic.severity {
            gnomon_engine::Severity::Error => Level::Error,
            gnomon_engine::Severity::Warning => Level::Warn,
        };
        host.log(level, &format!("gnomon: {diagnostic}"));
    }
    let Some(loaded) = config.loaded else {
        host.log(Level::Error, "gnomon: the configuration is refused");
        return None;
    };
    let plan = Plan::build(&loaded.resources, &loaded.workload, &loaded.mesh);
    let metrics = Metrics::define(host);
    metrics.loaded(host, loaded.policies(), metrics::generation(&text));
    let policies = loaded.policies();
    let active = Active { plan, settings: loaded.settings, metrics, share: Cell::new(0.0) };
    host.log(
        Level::Info,
        &format!("gnomon: {} policies loaded, evaluating for {}", policies, active.settings.workload),
    );
    Some(active)
}

impl Stream {
    /// One that begins now.
    pub fn new(active: Rc<Active>) -> Stream {
        Stream { active, decision: None, ignored: false }
    }

    /// The headers of a request have come: decide.
    pub fn request_headers(&mut self, host: &dyn Host) {
        let asked = Asked::new(host);
        self.ignored = is_outbound(&asked, &self.active);
        if !self.ignored {
            self.decision = Some(Box::new(decide(&asked, &self.active, Protocol::Http)));
        }
        self.active.metrics.errors(host, asked.failures());
    }

    /// The response goes out: the debugging header, where one is wanted.
    pub fn response_headers(&mut self, host: &dyn Host) {
        let header = &self.active.settings.report.response_header;
        if let (false, Some(decision)) = (header.is_empty(), &self.decision) {
            let asked = Asked::new(host);
            let value = lines::header_value(&decision.report);
            let _counted = asked.count(host.set_response_header(header, &value));
            self.active.metrics.errors(host, asked.failures());
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
        let upstream = code.is_none_or(|code| code == 0)
            && matches!(asked.property(UPSTREAM), Ok(Some(address)) if !address.is_empty());
        let enforced = enforced(Ending { code, details: &details, decided, upstream });
        if enforced == Enforced::NotAsked {
            // Nothing to compare with, and not even a request that a policy could be asked about.
            active.metrics.request(host, Comparison::Skipped);
        } else {
            let decision =
                self.decision.take().unwrap_or_else(|| Box::new(decide(&asked, &active, Protocol::Http)));
            let result = compare(candidate(&decision.report), &enforced, &details);
            active.metrics.request(host, result);
            let ended =
                Ended { result, enforced: &enforced, status: code, details: &details, late: !decided };
            if active.settings.report.filter_state {
                let state = lines::filter_state(&decision.report, &ended);
                let _counted = asked.count(host.set_filter_state("gnomon", &state));
            }
            tell(&asked, &active, *decision, &ended);
        }
        active.metrics.errors(host, asked.failures());
    }

    /// The first bytes of a TCP connection have come: decide, as the network RBAC filter does.
    pub fn downstream_data(&mut self, host: &dyn Host) {
        if self.ignored || self.decision.is_some() {
            return;
        }
        let asked = Asked::new(host);
        self.ignored = is_outbound(&asked, &self.active);
        if !self.ignored {
            self.decision = Some(Box::new(decide(&asked, &self.active, Protocol::Tcp)));
        }
        self.active.metrics.errors(host, asked.failures());
    }

    /// A TCP connection has ended: compare, count, tell. A connection that never sent anything was never decided
    /// on, by nobody.
    pub fn connection_closed(&mut self, host: &dyn Host) {
        let Some(decision) = self.decision.take() else { return };
        self.ignored = true;
        let active = self.active.clone();
        let asked = Asked::new(host);
        let details = asked.property(TERMINATION_DETAILS).ok().flatten().unwrap_or_default();
        let details = lines::text(&details);
        let enforced = enforced_tcp(&details);
        let result = compare(candidate(&decision.report), &enforced, &details);
        active.metrics.connection(host, result);
        let ended = Ended { result, enforced: &enforced, status: None, details: &details, late: false };
        if active.settings.report.filter_state {
            let state = lines::filter_state(&decision.report, &ended);
            let _counted = asked.count(host.set_filter_state("gnomon", &state));
        }
        tell(&asked, &active, *decision, &ended);
        active.metrics.errors(host, asked.failures());
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

fn candidate(report: &Report) -> Candidate<'_> {
    Candidate {
        outcome: report.verdict,
        stage: report.stage,
        status: report.status,
        details: report.details.as_deref(),
    }
}

/// Writes the log line, if one is wanted.
fn tell(asked: &Asked<'_>, active: &Active, decision: Decision, ended: &Ended<'_>) {
    let report = &decision.report;
    let wanted = match active.settings.report.log {
        config::Lines::None => false,
        config::Lines::Denied => report.verdict == Outcome::Deny,
        config::Lines::Divergent => ended.result.diverges(),
        config::Lines::All => true,
    };
    if !wanted || !sampled(active) {
        return;
    }
    let mut request = decision.subject.unwrap_or_else(|| subject(asked));
    let property = |path| asked.property(path).ok().flatten().map(|value| lines::text(&value));
    request.principal = property(PRINCIPAL).unwrap_or_default();
    // `1.2.3.4:80`, `[::1]:80`
    let remote = property(REMOTE).unwrap_or_default();
    request.remote = remote.rsplit_once(':').map(|(address, _port)| address.into()).unwrap_or(remote);
    let line = lines::log_line(&active.settings.workload, &request, report, ended);
    let level = if ended.result.diverges() { Level::Warn } else { Level::Info };
    asked.host().log(level, &line);
}

/// The header lines once more: only where a line is written about a request that the candidate lets through.
fn subject(asked: &Asked<'_>) -> Subject {
    let bytes = asked.count(asked.host().request_headers()).unwrap_or_default();
    Subject::read(&wire::pairs(&bytes).unwrap_or_default())
}

fn sampled(active: &Active) -> bool {
    let share = active.share.get() + active.settings.report.sample;
    // A share of a third three times is a little less than one.
    let due = share >= 1.0 - 1e-9;
    active.share.set(if due { share - 1.0 } else { share });
    due
}
