//! PeerAuthentication at ztunnel: what istiod converts it to (`pilot/pkg/serviceregistry/ambient/authorization.go`).
//!
//! ztunnel knows DENY policies for connections without an identity, and nothing else of mutual TLS: a static one that
//! stands for STRICT, and for a workload's ports a converted one. istiod decides in two places which of them a workload
//! gets and what is in the converted one, and the two do not look at the same policies; the surprises that follow are
//! cases of the corpus (`peer-authentication.gnomon.yaml`).

use super::peer::{Effect, PortMode, Winners};
use crate::resource::{MtlsMode, PeerAuthentication};
use alloc::vec::Vec;

/// What a connection without an identity meets.
pub(super) fn effect<'r>(winners: &Winners<'r>) -> Effect<'r> {
    let open = |set_by| PortMode { mode: MtlsMode::Permissive, set_by, converted: false };
    let mut default = PortMode { mode: MtlsMode::Permissive, set_by: None, converted: false };
    for policy in [winners.mesh, winners.namespace, winners.workload].into_iter().flatten() {
        if let Some(mode) = policy.mode {
            let mode = if mode == MtlsMode::Strict { mode } else { MtlsMode::Permissive };
            default = PortMode { mode, set_by: Some(policy), converted: false };
        }
    }
    let Some(policy) = winners.workload.filter(|policy| refers(policy, default.mode)) else {
        return Effect { default, ports: Vec::new() };
    };
    // From here on the static policy is not there: the converted one stands for all.
    let strict = PortMode { mode: MtlsMode::Strict, set_by: Some(policy), converted: true };
    match Converted::of(policy, winners) {
        // The reference leads nowhere, and every port is open.
        Converted::Nothing => Effect { default: open(Some(policy)), ports: Vec::new() },
        Converted::Only(ports) => Effect {
            default: open(default.set_by.filter(|_| default.mode == MtlsMode::Permissive).or(Some(policy))),
            ports: ports.into_iter().map(|port| (port, strict)).collect(),
        },
        Converted::AllBut(ports) => Effect {
            default: strict,
            ports: ports.into_iter().map(|port| (port, open(Some(policy)))).collect(),
        },
    }
}

/// Whether the workload gets the converted policy instead of the static one (`convertedSelectorPeerAuthentications`): one of its
/// ports says otherwise than the rest. Under an inherited STRICT a DISABLE port is not looked for.
fn refers(policy: &PeerAuthentication, effective: MtlsMode) -> bool {
    let any = |wanted: &[MtlsMode]| {
        policy.ports.iter().any(|(_, mode)| mode.is_some_and(|mode| wanted.contains(&mode)))
    };
    match policy.mode {
        Some(MtlsMode::Strict) => any(&[MtlsMode::Permissive, MtlsMode::Disable]),
        Some(MtlsMode::Permissive | MtlsMode::Disable) => any(&[MtlsMode::Strict]),
        None if effective == MtlsMode::Strict => any(&[MtlsMode::Permissive]),
        None => any(&[MtlsMode::Strict]),
    }
}

/// What the converted policy refuses without an identity.
enum Converted {
    /// There is none.
    Nothing,
    /// These ports.
    Only(Vec<u16>),
    /// Every port but these.
    AllBut(Vec<u16>),
}

impl Converted {
    /// `convertPeerAuthentication`, which looks at the mesh's policy and at the namespace's without the key `selector`.
    fn of(policy: &PeerAuthentication, winners: &Winners<'_>) -> Converted {
        let mode = |policy: Option<&PeerAuthentication>| policy.and_then(|policy| policy.mode);
        let mesh_strict = mode(winners.mesh) == Some(MtlsMode::Strict);
        let namespace = mode(winners.converting);
        // Also where the workload's policy says otherwise: istiod's condition binds so.
        let meshs = mesh_strict && namespace.is_none();
        let covered = policy.mode == Some(MtlsMode::Strict)
            || (policy.mode.is_none() && namespace == Some(MtlsMode::Strict))
            || meshs;
        let exempting = match policy.mode {
            Some(mode) => mode == MtlsMode::Strict,
            // A namespace policy without a mode keeps the mesh's from being looked at here.
            None => namespace == Some(MtlsMode::Strict) || (winners.converting.is_none() && mesh_strict),
        };
        let ports = |wanted: fn(MtlsMode) -> bool| -> Vec<u16> {
            policy.ports.iter().filter(|(_, mode)| mode.is_some_and(wanted)).map(|(port, _)| *port).collect()
        };
        let exempt = if exempting { ports(|mode| mode != MtlsMode::Strict) } else { Vec::new() };
        if !exempt.is_empty() {
            return Converted::AllBut(exempt);
        }
        match if covered { Vec::new() } else { ports(|mode| mode == MtlsMode::Strict) } {
            strict if strict.is_empty() => Converted::Nothing,
            strict => Converted::Only(strict),
        }
    }
}
