//! Real Envoy as the judge of a verdict: the policies in Envoy's own filters, as istiod would configure them, with the
//! shadow filter beside them, and the request sent as its author wrote it.
//!
//! Every question becomes a real connection: the peer's identity a certificate, addresses a PROXY header, claims a
//! signed token, a provider's answer a server that gives it. What Envoy cannot be asked is said, never passed over.

mod alone;
mod bench;
mod wire;

use crate::{
    AccessLog, Envoy, access_log,
    client::{Connection, Reply},
    err::{Context, Error, Result},
    ext_authz::ExtAuthz,
};
use bench::{Bench, Benches};
use gnomon_engine::{Mesh, Workload, request::Protocol, resource::Resources, verdict::Outcome};
use gnomon_manifests::request::RequestSpec;
use serde_json::Value;
use std::{path::Path, sync::Arc};

/// A request against the policies of one workload.
#[derive(Clone)]
pub struct Question<'a> {
    /// All policies there are. Questions that share them share a listener.
    pub resources: &'a Arc<Resources>,
    /// Whose policies.
    pub workload: &'a Workload,
    /// The mesh around it.
    pub mesh: &'a Mesh,
    /// The request as written.
    pub request: &'a RequestSpec,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What Envoy did.
    Seen(Seen),
    /// Envoy cannot be asked this, and why.
    Beyond(String),
}

/// What Envoy's own filters did, and what the shadow filter said about it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// allow or deny.
    pub verdict: Outcome,
    /// As formats §4 has it: 200 for allow, `None` for a refused connection.
    pub status: Option<u16>,
    /// Envoy's details of a refusal.
    pub details: Option<String>,
    /// Result and policy id of the dry-run ALLOW filter, where it ran.
    pub dry_run_allow: Option<(String, Option<String>)>,
    /// Of the dry-run DENY filter.
    pub dry_run_deny: Option<(String, Option<String>)>,
    /// The shadow filter's state (`verdict`, `status`, `stage`, `policy`, `result`, …); `None` where there is no filter
    /// or it had nothing to see.
    pub shadow: Option<Value>,
}

/// Asks all of them, in one Envoy with a listener for each set of policies and workload. With `filter`, the path of the
/// built filter, it stands where Istio's phase AUTHN puts it, with the same policies as its candidate.
pub fn ask(questions: &[Question<'_>], filter: Option<&Path>) -> Result<Vec<Answer>> {
    ask_with(questions, Benches::new(filter)?)
}

/// The same with the filter alone, enforcing: in the place of Envoy's own RBAC and jwt_authn.
pub fn ask_enforced(questions: &[Question<'_>], filter: &Path) -> Result<Vec<Answer>> {
    let mut benches = Benches::new(Some(filter))?;
    benches.enforces = true;
    ask_with(questions, benches)
}

fn ask_with(questions: &[Question<'_>], mut benches: Benches) -> Result<Vec<Answer>> {
    let provider = ExtAuthz::start()?;
    let places: Vec<_> = questions.iter().map(|question| benches.place(question)).collect::<Result<_>>()?;
    if benches.is_empty() {
        return Ok(places.into_iter().map(|place| Answer::Beyond(place.err().unwrap_or_default())).collect());
    }
    let envoy = Envoy::start(&benches.bootstrap(provider.address())?)?;
    let mut answers = Vec::new();
    for (number, (question, place)) in questions.iter().zip(places).enumerate() {
        let answer = match place {
            Err(why) => Answer::Beyond(why),
            Ok(place) => {
                let court = Court { envoy: &envoy, provider: &provider, benches: &benches };
                court.hear(question, benches.get(place)?, &format!("case-{number}"))?
            }
        };
        answers.push(answer);
    }
    Ok(answers)
}

struct Court<'a> {
    envoy: &'a Envoy,
    provider: &'a ExtAuthz,
    benches: &'a Benches,
}

impl Court<'_> {
    fn hear(&self, question: &Question<'_>, bench: &Bench, case: &str) -> Result<Answer> {
        let request = question.request;
        if let Err(why) = wire::answer_as_told(self.provider, request, &bench.resources) {
            return Ok(Answer::Beyond(why));
        }
        let identity = match &request.principal {
            Some(principal) => Some(self.benches.ca.issue(&crate::Names::principal(principal))?),
            None => None,
        };
        let dial = match wire::dial(self.envoy.address(&bench.name)?, request, identity.as_ref()) {
            Ok(dial) => dial,
            Err(why) => return Ok(Answer::Beyond(why)),
        };
        let mut connection = Connection::open(&dial)?;
        let log = self.envoy.access_log();
        if request.protocol == Protocol::Tcp {
            let bytes = if bench.passthrough {
                crate::Tls { sni: request.sni.as_deref(), ..crate::Tls::default() }.client_hello()?
            } else {
                b"gnomon".to_vec()
            };
            let back = connection.exchange(&bytes)?;
            let port = connection.port();
            drop(connection);
            return Ok(Answer::Seen(tcp(log, port, back == bytes)?));
        }
        let bytes = match wire::request(question, bench)? {
            Ok(bytes) => bytes.header(access_log::CASE_HEADER, case),
            Err(why) => return Ok(Answer::Beyond(why)),
        };
        let reply = connection.send(&bytes)?;
        let port = connection.port();
        drop(connection);
        http(log, &reply, case, port).map(Answer::Seen)
    }
}

fn tcp(log: &AccessLog, port: u16, echoed: bool) -> Result<Seen> {
    let line = log.of_port(port)?;
    let details = access_log::text(&line, "termination").map(Into::into);
    let details =
        details.or_else(|| if echoed { None } else { access_log::text(&line, "details").map(Into::into) });
    Ok(Seen {
        verdict: if echoed { Outcome::Allow } else { Outcome::Deny },
        status: echoed.then_some(200),
        details,
        dry_run_allow: dry_run(&line, "networkRbac", "allow"),
        dry_run_deny: dry_run(&line, "networkRbac", "deny"),
        shadow: shadow(&line)?,
    })
}

fn http(log: &AccessLog, reply: &Reply, case: &str, port: u16) -> Result<Seen> {
    let Reply::Http(response) = reply else {
        let line = log.of_port(port)?;
        return Ok(Seen {
            verdict: Outcome::Deny,
            status: None,
            details: access_log::details(&line).map(Into::into),
            dry_run_allow: None,
            dry_run_deny: None,
            shadow: None,
        });
    };
    let line = log.of_case(case).or_else(|_| log.of_port(port))?;
    let details = access_log::text(&line, "details")
        .ok_or_else(|| Error::new(format!("no details in the access log line {line}")))?;
    // What gets through is answered by the route.
    let allowed = details == "direct_response";
    Ok(Seen {
        verdict: if allowed { Outcome::Allow } else { Outcome::Deny },
        status: Some(response.status),
        details: (!allowed).then(|| details.to_owned()),
        dry_run_allow: dry_run(&line, "rbac", "allow"),
        dry_run_deny: dry_run(&line, "rbac", "deny"),
        shadow: shadow(&line)?,
    })
}

fn dry_run(line: &Value, field: &str, action: &str) -> Option<(String, Option<String>)> {
    let metadata = line.get(field)?;
    let text =
        |key: &str| metadata.get(format!("istio_dry_run_{action}_shadow_{key}")).and_then(Value::as_str);
    Some((text("engine_result")?.to_owned(), text("effective_policy_id").map(Into::into)))
}

fn shadow(line: &Value) -> Result<Option<Value>> {
    let state = access_log::text(line, "gnomon");
    state.map(|state| serde_json::from_str(state).or_cannot("read the filter's state")).transpose()
}
