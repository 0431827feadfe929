//! Real Envoy as the judge of a verdict: the policies in Envoy's own filters, as istiod would configure them, with the
//! shadow filter beside them, and the request sent as its author wrote it.
//!
//! Every question becomes a real request: the peer's identity a certificate, addresses a PROXY header, claims a signed
//! token, a provider's answer a server that gives it, metadata a header that a filter takes away. Questions that agree
//! in all that belongs to the connection share one. What Envoy cannot be asked is said, never passed over.

mod alone;
mod batch;
mod observations;
mod test_listeners;
mod wire;

use crate::{
    Ca, Envoy, Identity, Names,
    err::Result,
    ext_authz::{ExtAuthz, GrpcExtAuthz},
};
use batch::Batch;
use gnomon_engine::{
    Mesh, Workload, jwt::Authenticator, prepare::Prepared, resource::Resources, verdict::Outcome,
};
use gnomon_manifests::request::RequestSpec;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use test_listeners::TestListeners;

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

impl Question<'_> {
    /// The request is at a port of the proxy's own.
    fn reaches_no_policy(&self) -> bool {
        let plain = Authenticator::default();
        Prepared::new(self.request, &plain, self.workload, self.mesh, 0).is_at_own_port()
    }
}

/// What came of a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What Envoy did.
    Seen(Box<Seen>),
    /// Envoy cannot be asked this, and why.
    Beyond(String),
}

/// What Envoy's own filters did, and what the shadow filter said about it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// allow or deny.
    pub verdict: Outcome,
    /// As in docs/formats.md, "Verdict": 200 for allow, `None` for a refused connection.
    pub status: Option<u16>,
    /// Envoy's details of a refusal.
    pub details: Option<String>,
    /// The id of the rule that matched in the last enforced RBAC filter in which one did.
    pub enforced: Option<String>,
    /// The id of the CUSTOM rule for which a provider was asked.
    pub asked: Option<String>,
    /// An AUDIT rule matched.
    pub audit: bool,
    /// Result and policy id of the dry-run ALLOW filter, where it ran.
    pub dry_run_allow: Option<(String, Option<String>)>,
    /// Of the dry-run DENY filter.
    pub dry_run_deny: Option<(String, Option<String>)>,
    /// The shadow filter's state (`verdict`, `status`, `stage`, `policy`, `result`, …); `None` where there is no filter
    /// or it had nothing to see.
    pub shadow: Option<Value>,
    /// What the native module's access logger wrote about it: a request as in docs/formats.md.
    pub written: Option<String>,
}

/// What all Envoys have in common: certificates are made once, providers run once.
pub struct Judge {
    ca: Ca,
    server: Identity,
    peers: Mutex<HashMap<String, Identity>>,
    http_provider: ExtAuthz,
    grpc_provider: GrpcExtAuthz,
}

impl Judge {
    /// With a certificate authority of its own.
    pub fn new() -> Result<Judge> {
        let ca = Ca::new("cluster.local")?;
        Ok(Judge {
            server: ca.issue(&Names::principal("cluster.local/ns/gnomon/sa/server"))?,
            ca,
            peers: Mutex::default(),
            http_provider: ExtAuthz::start()?,
            grpc_provider: GrpcExtAuthz::start()?,
        })
    }

    /// Asks all of them, in one Envoy with a listener for each set of policies and workload. With `filter`, the path of
    /// the built filter, it stands where Istio's phase AUTHN puts it, with the same policies as its candidate.
    ///
    /// # Errors
    ///
    /// Envoy does not take the configuration, or does not answer. With policies that cannot be loaded no question is
    /// answered.
    pub fn ask(&self, questions: &[Question<'_>], filter: Option<&Path>) -> Result<Vec<Answer>> {
        self.ask_with(questions, TestListeners::new(self, filter, false))
    }

    /// The same with the filter alone, enforcing: in the place of Envoy's own RBAC and jwt_authn.
    ///
    /// # Errors
    ///
    /// As [`Judge::ask`].
    pub fn ask_enforced(&self, questions: &[Question<'_>], filter: &Path) -> Result<Vec<Answer>> {
        self.ask_with(questions, TestListeners::new(self, Some(filter), true))
    }

    fn ask_with<'a>(
        &'a self,
        questions: &[Question<'_>],
        mut listeners: TestListeners<'a>,
    ) -> Result<Vec<Answer>> {
        let places = listeners.places(questions)?;
        if listeners.is_empty() {
            let beyond = places.into_iter().map(|place| Answer::Beyond(place.err().unwrap_or_default()));
            return Ok(beyond.collect());
        }
        let envoy = Envoy::start(&listeners.bootstrap()?)?;
        let mut batch = Batch::new(self, &listeners, &envoy);
        for (question, place) in questions.iter().zip(places) {
            match place {
                Ok(place) => batch.add(question, place)?,
                Err(why) => batch.beyond(why),
            }
        }
        batch.run()
    }

    /// The certificate of this peer.
    fn peer(&self, principal: &str) -> Result<Identity> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = peers.get(principal) {
            return Ok(identity.clone());
        }
        let identity = self.ca.issue(&Names::principal(principal))?;
        peers.insert(principal.to_owned(), identity.clone());
        Ok(identity)
    }
}
