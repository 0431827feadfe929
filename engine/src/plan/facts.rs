//! What decides beside the rules, for whoever reasons about a plan rather than asks it.

use super::{CustomStage, Plan};
use crate::{
    request::Protocol,
    resource::MtlsMode,
    workload::{IstioVersion, ProxyKind},
};
use alloc::vec::Vec;

/// What the mTLS gate may want of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerModes<'p> {
    /// The workload port; `None`: every port that is not listed.
    pub port: Option<u16>,
    /// One mode with the PeerAuthentication that sets it as `namespace/name` (`None`: Istio's default), or several where
    /// it depends on which of two policies is older: what they disagree on is then unknown.
    pub modes: Vec<(MtlsMode, Option<&'p str>)>,
}

impl Plan {
    /// Whose semantics it has.
    pub fn version(&self) -> IstioVersion {
        self.version
    }

    /// The plan itself, then those of older patch releases to which the policies mean something else. A verdict on which
    /// they do not all agree is unknown.
    pub fn releases(&self) -> impl Iterator<Item = &Plan> {
        core::iter::once(self).chain(&self.older)
    }

    /// False where nobody checks what a peer's certificate says, so that every condition on it is unknown.
    pub fn believes_peers(&self) -> bool {
        !self.believes_nobody
    }

    /// The mTLS gate, the ports that are listed before the others; empty: this proxy has none.
    pub fn peer_modes(&self) -> Vec<PeerModes<'_>> {
        self.mtls.iter().flat_map(|mtls| mtls.by_port()).collect()
    }

    /// At ztunnel: the only trust domain of which a client's certificate is taken, as `td/ns/NAMESPACE/sa/ACCOUNT`.
    pub fn accepted_trust_domain(&self) -> Option<&str> {
        self.mtls.as_ref().and_then(|mtls| mtls.trust_domain())
    }

    /// The CUSTOM provider lets requests pass when it does not answer.
    pub fn provider_fails_open(&self, protocol: Protocol) -> bool {
        matches!(&self.chain(protocol).custom, CustomStage::Ask(ask) if ask.fail_open)
    }

    /// ztunnel compares SPIFFE ids part by part and sees no HTTP.
    pub fn is_ztunnel(&self) -> bool {
        self.proxy == ProxyKind::Ztunnel
    }
}
