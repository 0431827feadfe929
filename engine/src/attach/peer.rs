//! PeerAuthentication: one policy of each level counts, the oldest.

use super::{Attachment, Level, Policy, Reason, Subject, age, ambient};
use crate::{
    order,
    resource::{Meta, MtlsMode, PeerAuthentication},
};
use alloc::vec::Vec;
use core::ptr;

/// The PeerAuthentications that may count at each level: none, one, or, where some carry no `creationTimestamp`, all that
/// may be the oldest.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PeerLevels<'r> {
    /// Root namespace, no labels.
    pub mesh: Vec<&'r PeerAuthentication>,
    /// The workload's namespace, no labels.
    pub namespace: Vec<&'r PeerAuthentication>,
    /// Those of the namespace without the key `selector`: what istiod looks at when it converts the workload's policy
    /// for ztunnel (`PeerAuthByNamespace` in `ambient/policies.go`), though what applies there is `namespace`.
    pub converting: Vec<&'r PeerAuthentication>,
    /// The workload's namespace, labels that select it.
    pub workload: Vec<&'r PeerAuthentication>,
}

/// Leaves of the PeerAuthentications of one level only the oldest attached, and says of the others why they are not.
pub(super) fn settle<'r>(all: &mut [(Policy<'r>, Attachment<'r>)], subject: &Subject<'_>) -> PeerLevels<'r> {
    let of = |level: Level<'_>, all: &[(Policy<'r>, Attachment<'r>)]| -> Vec<&'r PeerAuthentication> {
        let found = all.iter().filter_map(|(policy, attachment)| match policy {
            Policy::PeerAuthentication(policy) if *attachment == Attachment::Applies(level) => Some(*policy),
            _ => None,
        });
        found.collect()
    };
    let namespace = of(Level::Namespace, all);
    let without_key = namespace.iter().copied().filter(|policy| policy.selector.is_none()).collect();
    let levels = PeerLevels {
        mesh: may_be_oldest(of(Level::Mesh, all)),
        converting: may_be_oldest(without_key),
        namespace: may_be_oldest(namespace),
        workload: may_be_oldest(of(Level::Workload, all)),
    };
    let converts = subject.is_ztunnel() && levels.workload.iter().any(|policy| !policy.ports.is_empty());
    for (policy, attachment) in all {
        let (Policy::PeerAuthentication(policy), Attachment::Applies(level)) = (*policy, &*attachment) else {
            continue;
        };
        let candidates = match level {
            Level::Mesh => &levels.mesh,
            Level::Namespace => &levels.namespace,
            Level::Workload | Level::Target(_) => &levels.workload,
        };
        let is = |other: &&&PeerAuthentication| ptr::eq(**other, policy);
        if !candidates.iter().any(|other| is(&other)) {
            let read = converts && levels.converting.iter().any(|other| is(&other));
            if let Some(winner) = candidates.last().filter(|_| !read) {
                *attachment = Attachment::Not(Reason::Older(&winner.meta));
            }
        } else if let Some(other) = candidates.iter().find(|other| !is(other)) {
            let more = candidates.len().saturating_sub(2);
            *attachment = Attachment::Undecided(Some(Reason::AgeUnknown { other: &other.meta, more }));
        }
    }
    levels
}

/// Those that may be the oldest: where all carry time stamps the one, else also each that has none, since in a cluster it
/// has one that is not in the manifests. The one that has a time stamp comes last.
fn may_be_oldest(mut level: Vec<&PeerAuthentication>) -> Vec<&PeerAuthentication> {
    order::sort_by(&mut level, |a, b| age(&a.meta).cmp(&age(&b.meta)));
    let stamped = |policy: &&PeerAuthentication| policy.meta.creation_timestamp.is_some();
    let unknown = level.iter().take_while(|policy| !stamped(policy)).count();
    level.truncate(unknown.saturating_add(1));
    level
}

/// A mode and where it comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PortMode<'r> {
    /// The mode.
    pub mode: MtlsMode,
    /// The policy that sets it; `None`: Istio's default.
    pub set_by: Option<&'r PeerAuthentication>,
    /// At ztunnel: the refusal is that of this policy as istiod converted it, and not that of the one that stands for STRICT
    /// everywhere.
    pub converted: bool,
}

/// What may hold for a port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PortModes<'r> {
    /// One mode, or several where it depends on which policy is the oldest.
    pub possible: Vec<PortMode<'r>>,
    /// The policies whose ages would tell; empty where there is one mode.
    pub contenders: Vec<&'r Meta>,
}

impl PortModes<'_> {
    /// The same modes are possible.
    pub fn agrees(&self, other: &PortModes<'_>) -> bool {
        let has = |of: &PortModes<'_>, mode| of.possible.iter().any(|possible| possible.mode == mode);
        [MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict]
            .into_iter()
            .all(|mode| has(self, mode) == has(other, mode))
    }
}

/// The modes that apply: for all ports, and the exceptions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MtlsModes<'r> {
    /// Every port that is not listed.
    pub default: PortModes<'r>,
    /// By workload port.
    pub ports: Vec<(u16, PortModes<'r>)>,
}

impl<'r> MtlsModes<'r> {
    /// The modes for a port; `None` stands for a port that is not known.
    pub fn of(&self, port: Option<u16>) -> &PortModes<'r> {
        self.ports
            .iter()
            .find(|(exception, _)| Some(*exception) == port)
            .map_or(&self.default, |(_, modes)| modes)
    }
}

/// The policies of one level that are taken for the oldest, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Winners<'r> {
    pub(super) mesh: Option<&'r PeerAuthentication>,
    pub(super) namespace: Option<&'r PeerAuthentication>,
    pub(super) converting: Option<&'r PeerAuthentication>,
    pub(super) workload: Option<&'r PeerAuthentication>,
}

/// What follows from one choice of winners.
#[derive(Clone, Debug)]
pub(super) struct Effect<'r> {
    pub(super) default: PortMode<'r>,
    pub(super) ports: Vec<(u16, PortMode<'r>)>,
}

impl<'r> Effect<'r> {
    fn of(&self, port: Option<u16>) -> PortMode<'r> {
        let listed = self.ports.iter().find(|(listed, _)| Some(*listed) == port);
        listed.map_or(self.default, |(_, mode)| *mode)
    }
}

impl<'r> PeerLevels<'r> {
    /// What holds at a sidecar.
    pub fn modes(&self) -> MtlsModes<'r> {
        self.resolve(false, inherited)
    }

    /// What holds at ztunnel, which knows "identity required" or not.
    pub fn ambient_modes(&self) -> MtlsModes<'r> {
        self.resolve(true, ambient::effect)
    }

    fn resolve(&self, ambient: bool, effect: impl Fn(&Winners<'r>) -> Effect<'r>) -> MtlsModes<'r> {
        let by_mode = |a: &PeerAuthentication, b: &PeerAuthentication| a.mode == b.mode;
        let by_selector = |a: &PeerAuthentication, b: &PeerAuthentication| {
            a.mode == b.mode && a.selector.is_none() == b.selector.is_none()
        };
        let by_ports =
            |a: &PeerAuthentication, b: &PeerAuthentication| a.mode == b.mode && a.ports == b.ports;
        let (meshes, workloads) = (kinds(&self.mesh, by_mode), kinds(&self.workload, by_ports));
        let namespaces = kinds(&self.namespace, by_selector);
        let others = if ambient { kinds(&self.converting, by_mode) } else { alloc::vec![None] };

        let mut effects: Vec<(Winners<'r>, Effect<'r>)> = Vec::new();
        for &mesh in &meshes {
            for &namespace in &namespaces {
                for &other in &others {
                    // The oldest of all is the oldest of those without the key, if it is one of them.
                    let own = namespace.filter(|policy| policy.selector.is_none());
                    let converting = own.or(other);
                    for &workload in &workloads {
                        let winners = Winners { mesh, namespace, converting, workload };
                        effects.push((winners, effect(&winners)));
                    }
                }
            }
        }
        let mut listed: Vec<u16> =
            effects.iter().flat_map(|(_, effect)| effect.ports.iter().map(|(port, _)| *port)).collect();
        order::sort(&mut listed);
        listed.dedup();
        MtlsModes {
            default: self.merge(&effects, None),
            ports: listed.into_iter().map(|port| (port, self.merge(&effects, Some(port)))).collect(),
        }
    }

    /// All that may hold for one port.
    fn merge(&self, effects: &[(Winners<'r>, Effect<'r>)], port: Option<u16>) -> PortModes<'r> {
        let mut possible: Vec<PortMode<'r>> = Vec::new();
        for (_, effect) in effects {
            let mode = effect.of(port);
            if !possible.iter().any(|known| known.mode == mode.mode) {
                possible.push(mode);
            }
        }
        let mut contenders: Vec<&'r Meta> = Vec::new();
        if possible.len() > 1 {
            type Winner<'r> = fn(&Winners<'r>) -> Option<&'r PeerAuthentication>;
            let levels: [(&Vec<&'r PeerAuthentication>, Winner<'r>); 4] = [
                (&self.mesh, |winners| winners.mesh),
                (&self.namespace, |winners| winners.namespace),
                (&self.converting, |winners| winners.converting),
                (&self.workload, |winners| winners.workload),
            ];
            for (candidates, winner) in levels {
                if candidates.len() > 1 && decides(effects, port, winner) {
                    for policy in candidates {
                        if !contenders.iter().any(|known| ptr::eq(*known, &policy.meta)) {
                            contenders.push(&policy.meta);
                        }
                    }
                }
            }
        }
        PortModes { possible, contenders }
    }
}

/// Another winner of one level leaves other modes possible.
fn decides<'r>(
    effects: &[(Winners<'r>, Effect<'r>)],
    port: Option<u16>,
    winner: fn(&Winners<'r>) -> Option<&'r PeerAuthentication>,
) -> bool {
    let same = |a: Option<&PeerAuthentication>, b: Option<&PeerAuthentication>| match (a, b) {
        (Some(a), Some(b)) => ptr::eq(a, b),
        (None, None) => true,
        _ => false,
    };
    let can_be = |of: &Winners<'r>, mode| {
        let mut alike = effects.iter().filter(|(winners, _)| same(winner(winners), winner(of)));
        alike.any(|(_, effect)| effect.of(port).mode == mode)
    };
    let Some((first, _)) = effects.first() else { return false };
    [MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict]
        .into_iter()
        .any(|mode| effects.iter().any(|(winners, _)| can_be(winners, mode) != can_be(first, mode)))
}

/// One candidate of each kind; `None` where there is no candidate.
fn kinds<'r>(
    candidates: &[&'r PeerAuthentication],
    alike: impl Fn(&PeerAuthentication, &PeerAuthentication) -> bool,
) -> Vec<Option<&'r PeerAuthentication>> {
    let mut kinds: Vec<Option<&'r PeerAuthentication>> = Vec::new();
    for candidate in candidates {
        if !kinds.iter().flatten().any(|known| alike(known, candidate)) {
            kinds.push(Some(candidate));
        }
    }
    if kinds.is_empty() {
        kinds.push(None);
    }
    kinds
}

/// PERMISSIVE, overwritten by mesh, namespace and workload where they are set; port entries come only from the workload's
/// policy, and one that is UNSET inherits.
fn inherited<'r>(winners: &Winners<'r>) -> Effect<'r> {
    let mut default = PortMode { mode: MtlsMode::Permissive, set_by: None, converted: false };
    for policy in [winners.mesh, winners.namespace, winners.workload].into_iter().flatten() {
        if let Some(mode) = policy.mode {
            default = PortMode { mode, set_by: Some(policy), converted: false };
        }
    }
    let ports = winners.workload.into_iter().flat_map(|policy| {
        policy.ports.iter().map(move |(port, mode)| {
            let own = mode.map(|mode| PortMode { mode, set_by: Some(policy), converted: false });
            (*port, own.unwrap_or(default))
        })
    });
    Effect { default, ports: ports.collect() }
}
