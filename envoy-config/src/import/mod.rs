//! The other way round: what a proxy has loaded, evaluated as it stands.
//!
//! Reads what `istioctl proxy-config listener -o json` prints, Envoy's `/config_dump`, and single filters, in camel case
//! and snake case, in the forms of Envoy's old and new versions and of Istio's. The policies behind them are not
//! reconstructed: the matchers themselves are evaluated, in three-valued logic. What is not evaluated is named, and a
//! verdict that depends on it is `unknown`.
//!
//! Bounds: matchers nest 64 deep, expressions have Istio's limit for RE2 each and a common one, a thousand findings are
//! kept. Time and memory are linear in the document.

mod atom;
mod chain;
mod conditions;
mod connection;
mod criteria;
mod decisions;
mod descend;
mod evaluate;
mod evaluation_context;
mod expression;
mod ext_authz;
mod fields;
mod jwt;
mod locate;
mod node;
mod rbac;
mod reach;
mod refusal;
mod request_view;
mod routes;
mod select;
mod sequences;
mod stages;
mod text;
mod tree;

pub use chain::{Chain, HttpSettings};
pub use node::ProxyNode;
pub use reach::{Reach, Scope, Untranslated, policy_of};
pub use refusal::Refusal;
pub use select::{Selected, Undecided};

use alloc::{string::String, sync::Arc, vec::Vec};
use connection::Inspectors;
use core::net::IpAddr;
use fields::{Context, Place, Unread};
use gnomon_engine::{Diagnostic, Node};
use tree::Tree;

/// A proxy's configuration.
#[derive(Debug)]
pub struct Imported {
    /// Its listeners in order; single filters make one without a name.
    pub listeners: Vec<Listener>,
    /// Whose proxy it is, where its bootstrap is there and Istio's.
    pub node: Option<ProxyNode>,
    /// All that is not evaluated, with its place: `not-evaluated` where a verdict may depend on it, `passed-over` for
    /// filters that are no security filters.
    pub findings: Vec<Diagnostic>,
}

/// A listener.
#[derive(Debug)]
pub struct Listener {
    /// Its name: `virtualInbound`, `0.0.0.0_8080`.
    pub name: String,
    /// The port of its address.
    pub port: Option<u16>,
    /// `trafficDirection`
    pub direction: Direction,
    /// Its filter chains, the default one last.
    pub chains: Vec<Chain>,
    /// The address that it is bound to.
    address: Option<IpAddr>,
    /// It is an internal one, as a waypoint's.
    internal: bool,
    inspectors: Arc<Inspectors>,
    /// How a chain is chosen, where not by the chains' own criteria.
    matcher: Option<Result<Tree, Unread>>,
}

/// Whose traffic a listener is for. Gateways have theirs marked as outbound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Not stated.
    #[default]
    Unspecified,
    /// What others send to the workload.
    Inbound,
    /// What the workload sends.
    Outbound,
}

impl Imported {
    /// Reads a configuration; `file` is how findings call it. What it does not understand it names or passes over:
    /// look whether there are [`Imported::listeners`] at all.
    pub fn read(document: &Node, file: &Arc<str>) -> Imported {
        let mut context = Context::new(file);
        let listeners = locate::listeners(document, &Place::ROOT, &mut context);
        Imported { listeners, node: node::find(document), findings: context.findings }
    }
}

/// What istiod does not write is evaluated.
const OTHERS: bool = cfg!(feature = "others");

/// What the names of CUSTOM's rules begin with.
fn rules_of_custom() -> &'static str {
    crate::rbac::CUSTOM_PREFIX
}
