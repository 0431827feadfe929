//! What came back and what Envoy wrote about it: both together are the answer.

use super::{
    Seen,
    batch::{Observation, Returned},
};
use crate::{
    AccessLog, access_log,
    client::{Reply, Response},
    err::{Context, Error, Result},
};
use gnomon_engine::verdict::Outcome;
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The id of a question's request.
pub(super) fn case(number: usize) -> String {
    format!("case-{number}")
}

/// The lines by what finds them.
#[derive(Default)]
struct Lines {
    by_case: HashMap<String, Value>,
    /// By listener and port, of what has no case: TCP, and what Envoy refused before it had read the headers.
    by_port: HashMap<(String, u16), Value>,
}

impl Lines {
    fn add(&mut self, line: Value) {
        if let Some(case) = access_log::text(&line, "case") {
            self.by_case.insert(case.to_owned(), line);
            return;
        }
        let port = access_log::text(&line, "direct")
            .and_then(|at| at.rsplit_once(':'))
            .and_then(|(_, port)| port.parse().ok());
        if let (Some(listener), Some(port)) = (access_log::text(&line, "listener"), port) {
            self.by_port.insert((listener.to_owned(), port), line);
        }
    }

    fn find(&self, observation: &Observation) -> Option<&Value> {
        let by_port = || self.by_port.get(&(observation.listener.clone(), observation.port));
        match &observation.reply {
            Returned::Http(Reply::Http(response)) => {
                // Envoy closes the connection on what it cannot read, and has no case of it.
                let unread = || by_port().filter(|_| response.status >= 400);
                self.by_case.get(&case(observation.number)).or_else(unread)
            }
            _ => by_port(),
        }
    }
}

/// Waits until there is a line for each. With `writes`, the native module's access logger writes as well.
pub(super) fn collect(
    log: &AccessLog,
    observations: &[Observation],
    writes: bool,
) -> Result<Vec<(usize, Seen)>> {
    let deadline = Instant::now() + access_log::PATIENCE;
    let mut lines = Lines::default();
    let mut missing = observations.iter().collect::<Vec<_>>();
    loop {
        log.drain()?.into_iter().for_each(|line| lines.add(line));
        missing.retain(|observation| lines.find(observation).is_none());
        let Some(first) = missing.first() else { break };
        if Instant::now() > deadline {
            return Err(Error::new(format!(
                "no access log line for {} requests, the first {} at {}, port {}",
                missing.len(),
                case(first.number),
                first.listener,
                first.port
            )));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut written = if writes { log.requests() } else { HashMap::new() };
    let mut seen = |observation: &Observation| {
        let line = lines.find(observation).ok_or_else(|| Error::new("a line is gone"))?;
        let written = written.remove(&case(observation.number));
        Ok((observation.number, Seen { written, ..seen(line, &observation.reply)? }))
    };
    observations.iter().map(&mut seen).collect()
}

fn seen(line: &Value, reply: &Returned) -> Result<Seen> {
    let text = |name: &str| access_log::text(line, name);
    let ended = || text("termination").or_else(|| text("details")).map(str::to_owned);
    let (refused, status, details) = match reply {
        // What gets through is echoed, or answered by the route.
        Returned::Echo(true) => (false, Some(200), text("termination").map(Into::into)),
        Returned::Echo(false) => (true, None, ended()),
        Returned::Http(Reply::Closed(_)) => (true, None, access_log::details(line).map(Into::into)),
        Returned::Http(Reply::Http(response)) => {
            let details = text("details")
                .ok_or_else(|| Error::new(format!("no details in the access log line {line}")))?;
            // CONNECT gets no further than the routes, which are behind the filters.
            let refused = details != "direct_response" && details != "route_not_found";
            let status = if refused { status(response, refused) } else { 200 };
            (refused, Some(status), refused.then(|| details.to_owned()))
        }
    };
    let rbac = if matches!(reply, Returned::Echo(_)) { "networkRbac" } else { "rbac" };
    let id = |key: &str| line.get(rbac)?.get(key)?.as_str().map(str::to_owned);
    let hint = line.pointer("/common/access_log_hint").and_then(Value::as_bool);
    let shadow = text("gnomon").map(serde_json::from_str).transpose().or_cannot("read the filter's state")?;
    Ok(Seen {
        verdict: match refused {
            true if redirects(reply) => Outcome::Redirect,
            true => Outcome::Deny,
            false => Outcome::Allow,
        },
        status,
        details,
        enforced: id("enforced_effective_policy_id"),
        asked: id("istio_ext_authz_shadow_effective_policy_id"),
        audit: hint == Some(true),
        dry_run_allow: dry_run(line, rbac, "allow"),
        dry_run_deny: dry_run(line, rbac, "deny"),
        shadow,
        written: None,
    })
}

/// Is the client sent elsewhere?
fn redirects(reply: &Returned) -> bool {
    matches!(reply, Returned::Http(Reply::Http(response)) if response.header("location").is_some())
}

/// The status, which gRPC says in a header of its own. Several statuses of HTTP stand there as 14, of which the worlds
/// and the corpus name one (`statusOnError: "503"`).
fn status(response: &Response, refused: bool) -> u16 {
    if response.header("location").is_some() {
        return 307;
    }
    match response.header("grpc-status") {
        Some("7") if refused => 403,
        Some("12") if refused => 404,
        Some("13") if refused => 400,
        Some("14") if refused => 503,
        Some("16") if refused => 401,
        _ => response.status,
    }
}

fn dry_run(line: &Value, field: &str, action: &str) -> Option<(String, Option<String>)> {
    let metadata = line.get(field)?;
    let text =
        |key: &str| metadata.get(format!("istio_dry_run_{action}_shadow_{key}")).and_then(Value::as_str);
    Some((text("engine_result")?.to_owned(), text("effective_policy_id").map(Into::into)))
}
