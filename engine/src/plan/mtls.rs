//! The mTLS gate: may the connection exist?

use super::{facts::PeerModes, outcome::Refusal};
use crate::{
    attach::{Attached, PortModes},
    plan::context::Identity,
    request::{Input, Peer, Request},
    resource::{Meta, MtlsMode},
    verdict::{Missing, RequestField},
    workload::{Mesh, ProxyKind, Workload},
};
use alloc::{format, string::String, vec, vec::Vec};

/// No more PeerAuthentications than this are named where their ages are not known.
const NAMED: usize = 8;

/// What PeerAuthentication makes of a workload.
#[derive(Debug)]
pub(super) struct Mtls {
    default: Gate,
    /// By workload port, sorted.
    ports: Vec<(u16, Gate)>,
    /// At ztunnel: the only trust domain of which a certificate is taken.
    trust_domain: Option<String>,
    /// Nobody is refused, on any port: asked before every request's handshake and mode, since it mostly holds.
    pub(super) is_open: bool,
}

/// What holds for a port.
#[derive(Debug)]
pub(super) struct Gate {
    /// One mode, or several where it depends on which policy is the oldest.
    possible: Vec<Mode>,
    /// The policies whose ages would tell.
    contenders: Option<String>,
}

#[derive(Debug)]
pub(super) struct Mode {
    pub(super) mode: MtlsMode,
    /// The policy that sets it, as `namespace/name`; `None`: Istio's default.
    pub(super) set_by: Option<String>,
    /// What ztunnel calls the policy that refuses.
    pub(super) denied_by: String,
}

/// What the gate says.
pub(super) enum Answer<'p> {
    Open,
    Shut(Refusal<'p>),
    /// It depends on these inputs.
    Unknown(Vec<Missing>),
}

impl Mtls {
    /// Gateways terminate TLS by their own settings, waypoints take HBONE only: no gate there.
    pub(super) fn of(attached: &Attached<'_>, workload: &Workload, mesh: &Mesh) -> Option<Mtls> {
        let ztunnel = workload.proxy == ProxyKind::Ztunnel;
        let modes = match workload.proxy {
            ProxyKind::Sidecar => attached.peer.modes(),
            ProxyKind::Ztunnel => attached.peer.ambient_modes(),
            ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Agentgateway => return None,
        };
        let gate = |modes: &PortModes<'_>| Gate::of(modes, mesh);
        let mut mtls = Mtls {
            default: gate(&modes.default),
            ports: modes.ports.iter().map(|(port, modes)| (*port, gate(modes))).collect(),
            trust_domain: ztunnel.then(|| mesh.trust_domain.clone()),
            is_open: false,
        };
        mtls.is_open = !mtls.needs_peer();
        Some(mtls)
    }

    /// PERMISSIVE everywhere refuses nobody.
    pub(super) fn needs_peer(&self) -> bool {
        self.trust_domain.is_some()
            || self.gates().flat_map(|gate| &gate.possible).any(|mode| mode.mode != MtlsMode::Permissive)
    }

    pub(super) fn needs_port(&self) -> bool {
        !self.ports.is_empty()
    }

    /// What each listed port wants, then what all others do.
    pub(super) fn by_port(&self) -> impl Iterator<Item = PeerModes<'_>> {
        let listed = self.ports.iter().map(|(port, gate)| (Some(*port), gate));
        listed.chain([(None, &self.default)]).map(|(port, gate)| PeerModes {
            port,
            modes: gate.possible.iter().map(|mode| (mode.mode, mode.set_by.as_deref())).collect(),
        })
    }

    /// At ztunnel: the trust domain that it takes.
    pub(super) fn trust_domain(&self) -> Option<&str> {
        self.trust_domain.as_deref()
    }

    fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.ports.iter().map(|(_, gate)| gate).chain([&self.default])
    }

    /// What holds for a port.
    pub(super) fn gate(&self, port: Option<u16>) -> &Gate {
        let listed = self.ports.iter().find(|(listed, _)| Some(*listed) == port);
        listed.map_or(&self.default, |(_, gate)| gate)
    }

    /// ztunnel takes client certificates of its own trust domain only, and of those only with a name `td/ns/X/sa/Y`
    /// (`src/tls/workload.rs`): before any policy. Plaintext is not its business here.
    pub(super) fn handshake<'p>(&'p self, request: &Request<'_>) -> Answer<'p> {
        let (Some(own), Peer::Tls { names, complete }) = (&self.trust_domain, request.peer) else {
            return Answer::Open;
        };
        let ours = |name: &&[u8]| Identity::parse(name).is_some_and(|id| id.trust_domain == own.as_bytes());
        match names.iter().any(ours) {
            false if !complete => Answer::Unknown(vec![RequestField::SourcePrincipal.into()]),
            false if !names.is_empty() => Answer::Shut(Refusal::Handshake { trust_domain: own }),
            _ => Answer::Open,
        }
    }

    /// STRICT wants a client certificate, DISABLE has no chain that takes TLS.
    pub(super) fn ask<'p>(&'p self, request: &Request<'_>) -> Answer<'p> {
        let port = match request.destination_port {
            Input::Is(port) => Some(port),
            Input::Absent => None,
            Input::Unknown if self.ports.iter().all(|(_, gate)| gate.agrees(&self.default)) => None,
            Input::Unknown => return Answer::Unknown(vec![RequestField::DestinationPort.into()]),
        };
        self.gate(port).ask(request.peer)
    }
}

impl Gate {
    fn of(modes: &PortModes<'_>, mesh: &Mesh) -> Gate {
        let mode = |mode: &crate::attach::PortMode<'_>| Mode {
            mode: mode.mode,
            set_by: mode.set_by.map(|policy| format!("{}/{}", policy.meta.namespace, policy.meta.name)),
            denied_by: match mode.set_by.filter(|_| mode.converted) {
                Some(policy) => {
                    format!("{}/converted_peer_authentication_{}", policy.meta.namespace, policy.meta.name)
                }
                None => format!("{}/istio_converted_static_strict", mesh.root_namespace),
            },
        };
        Gate {
            possible: modes.possible.iter().map(mode).collect(),
            contenders: (!modes.contenders.is_empty()).then(|| named(&modes.contenders)),
        }
    }

    fn agrees(&self, other: &Gate) -> bool {
        let has = |gate: &Gate, mode| gate.possible.iter().any(|possible| possible.mode == mode);
        let all = [MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict];
        all.into_iter().all(|mode| has(self, mode) == has(other, mode))
    }

    /// What may hold here.
    pub(super) fn possible(&self) -> &[Mode] {
        &self.possible
    }

    fn ask<'p>(&'p self, peer: Peer<'_>) -> Answer<'p> {
        let mut shut = None;
        let mut open = false;
        let mut missing: Vec<Missing> = Vec::new();
        for mode in &self.possible {
            match (mode.mode, peer) {
                (MtlsMode::Strict, Peer::Plaintext | Peer::Tls { names: [], complete: true })
                | (MtlsMode::Disable, Peer::Tls { .. }) => {
                    shut.get_or_insert(mode);
                }
                (MtlsMode::Strict, Peer::Tls { names: [], complete: false }) => {
                    missing.push(RequestField::SourcePrincipal.into());
                }
                _ => open = true,
            }
        }
        match (shut, open || !missing.is_empty()) {
            (Some(mode), false) => Answer::Shut(Refusal::Mtls { mode }),
            (None, _) if missing.is_empty() => Answer::Open,
            _ => {
                if shut.is_some() || open {
                    missing.extend(self.contenders.clone().map(Missing::CreationTimestamps));
                }
                Answer::Unknown(missing)
            }
        }
    }
}

/// `a/x and a/y`
fn named(contenders: &[&Meta]) -> String {
    let mut text = String::new();
    for (number, meta) in contenders.iter().take(NAMED).enumerate() {
        let last = number.saturating_add(1) == contenders.len();
        text.push_str(match number {
            0 => "",
            _ if last => " and ",
            _ => ", ",
        });
        text.push_str(&meta.namespace);
        text.push('/');
        text.push_str(&meta.name);
    }
    if let more @ 1.. = contenders.len().saturating_sub(NAMED) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
