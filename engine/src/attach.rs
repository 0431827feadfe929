//! Which policies apply to a workload.
//!
//! The rules are istiod's (`pilot/pkg/model/policyattachment.go`, `authentication.go`, `authorization.go` and, for
//! PeerAuthentication, `pilot/pkg/security/authn/policy_applier.go`), Istio 1.24 to 1.32.

use crate::order;
use crate::resource::{
    AuthorizationPolicy, JwtRule, Labels, Meta, MtlsMode, PeerAuthentication, Resources, Target, TargetKind,
};
use crate::workload::{Mesh, ProxyKind, Workload};
use alloc::{string::String, vec::Vec};

/// The label that makes a pod an instance of a Gateway API gateway.
pub const GATEWAY_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// The GatewayClass that a root-namespace policy names to reach every waypoint.
pub const WAYPOINT_CLASS: &str = "istio-waypoint";

/// What applies to one workload, borrowed from the resources.
#[derive(Clone, Debug, Default)]
pub struct Attached<'r> {
    /// All AuthorizationPolicies, in the order read.
    pub authorization: Vec<&'r AuthorizationPolicy>,
    /// The rules of all RequestAuthentications in istiod's order before it sorts by issuer: the workload's
    /// namespace, the root namespace, the services' namespaces; in each by age, then name.
    pub jwt_rules: Vec<(&'r Meta, &'r JwtRule)>,
    /// The PeerAuthentications that win at their level.
    pub peer: PeerWinners<'r>,
    /// How many policies of the three kinds do not apply.
    pub elsewhere: usize,
}

/// The one PeerAuthentication of each level that counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerWinners<'r> {
    /// Root namespace, no labels.
    pub mesh: Option<&'r PeerAuthentication>,
    /// The workload's namespace, no labels.
    pub namespace: Option<&'r PeerAuthentication>,
    /// The workload's namespace, labels that select it.
    pub workload: Option<&'r PeerAuthentication>,
}

/// Finds what applies.
///
/// A policy with `targetRefs` never applies to a sidecar, and one without never to a waypoint: the two commonest
/// reasons for a policy that "does nothing".
pub fn attach<'r>(resources: &'r Resources, workload: &Workload, mesh: &Mesh) -> Attached<'r> {
    let who = Who::new(workload, mesh);
    let authorization: Vec<_> =
        resources.authorization.iter().filter(|p| who.reaches(&p.meta, &p.target)).collect();

    let mut request: Vec<_> = resources
        .request_authentication
        .iter()
        .filter(|p| workload.proxy != ProxyKind::Ztunnel && who.reaches(&p.meta, &p.target))
        .collect();
    order::sort_by(&mut request, |a, b| {
        (who.lookup_order(&a.meta.namespace), age(&a.meta))
            .cmp(&(who.lookup_order(&b.meta.namespace), age(&b.meta)))
    });

    let peer = peer_winners(resources, workload, mesh);
    let all = resources.authorization.len()
        + resources.request_authentication.len()
        + resources.peer_authentication.len();
    let used = authorization.len()
        + request.len()
        + [peer.mesh, peer.namespace, peer.workload].iter().flatten().count();
    Attached {
        authorization,
        jwt_rules: request.iter().flat_map(|p| p.rules.iter().map(move |rule| (&p.meta, rule))).collect(),
        peer,
        elsewhere: all.saturating_sub(used),
    }
}

/// Oldest first; a policy without a time stamp counts as oldest, as Go's zero time does.
fn age(meta: &Meta) -> (&str, &str, &str) {
    (meta.creation_timestamp.as_deref().unwrap_or(""), &meta.name, &meta.namespace)
}

/// `selector` is a subset of `labels`: exact and case-sensitive.
pub fn selects(selector: &Labels, labels: &[(String, String)]) -> bool {
    selector.iter().all(|wanted| labels.contains(wanted))
}

/// The workload as attachment sees it.
struct Who<'a> {
    workload: &'a Workload,
    mesh: &'a Mesh,
    gateway: Option<&'a str>,
    services: Vec<(&'a str, &'a str)>,
}

impl<'a> Who<'a> {
    fn new(workload: &'a Workload, mesh: &'a Mesh) -> Self {
        let label =
            workload.labels.iter().find(|(key, _)| key == GATEWAY_NAME_LABEL).map(|(_, v)| v.as_str());
        // A waypoint always carries the label; where the workload as given does not, its name stands in.
        let gateway = match workload.proxy {
            ProxyKind::Waypoint => Some(label.unwrap_or(&workload.name)),
            _ => label,
        };
        let services = workload
            .services
            .iter()
            .map(|service| service.split_once('/').unwrap_or((&workload.namespace, service)))
            .collect();
        Who { workload, mesh, gateway, services }
    }

    fn in_scope(&self, namespace: &str) -> bool {
        namespace == self.workload.namespace
            || namespace == self.mesh.root_namespace
            || (self.workload.proxy == ProxyKind::Waypoint
                && self.services.iter().any(|(service_namespace, _)| *service_namespace == namespace))
    }

    fn lookup_order(&self, namespace: &str) -> usize {
        if namespace == self.workload.namespace {
            0
        } else if namespace == self.mesh.root_namespace {
            1
        } else {
            2
        }
    }

    fn reaches(&self, meta: &Meta, target: &Target) -> bool {
        if !self.in_scope(&meta.namespace) {
            return false;
        }
        match target {
            // Root-namespace policies without references are ignored by waypoints as well.
            Target::Namespace => self.workload.proxy != ProxyKind::Waypoint,
            Target::Selector(labels) => {
                self.workload.proxy != ProxyKind::Waypoint && selects(labels, &self.workload.labels)
            }
            Target::Refs(refs) => {
                let waypoint = self.workload.proxy == ProxyKind::Waypoint;
                let Some(gateway) = self.gateway else { return false };
                if self.workload.proxy == ProxyKind::Ztunnel {
                    return false;
                }
                refs.iter().any(|target| match target.kind {
                    TargetKind::Service | TargetKind::ServiceEntry => {
                        waypoint && self.services.contains(&(meta.namespace.as_str(), target.name.as_str()))
                    }
                    TargetKind::GatewayClass => {
                        waypoint
                            && meta.namespace == self.mesh.root_namespace
                            && target.name == WAYPOINT_CLASS
                    }
                    TargetKind::Gateway => {
                        meta.namespace == self.workload.namespace && target.name == gateway
                    }
                })
            }
        }
    }
}

/// The oldest policy of each level; a labelled policy in the root namespace counts nowhere, not even for workloads
/// of the root namespace.
fn peer_winners<'r>(resources: &'r Resources, workload: &Workload, mesh: &Mesh) -> PeerWinners<'r> {
    let mut winners = PeerWinners::default();
    for policy in &resources.peer_authentication {
        let labels = policy.selector.as_ref().filter(|labels| !labels.is_empty());
        let in_root = policy.meta.namespace == mesh.root_namespace;
        let in_own = policy.meta.namespace == workload.namespace;
        let level = match labels {
            None if in_root => &mut winners.mesh,
            None if in_own => &mut winners.namespace,
            Some(labels) if in_own && !in_root && selects(labels, &workload.labels) => &mut winners.workload,
            _ => continue,
        };
        // ztunnel: istiod fetches the mesh-level policy only where the key `selector` is absent altogether.
        if workload.proxy == ProxyKind::Ztunnel && in_root && !in_own && policy.selector.is_some() {
            continue;
        }
        match level {
            Some(oldest) if age(&oldest.meta) <= age(&policy.meta) => {}
            _ => *level = Some(policy),
        }
    }
    winners
}

/// The modes that apply: one for all ports, and the exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsModes {
    /// Every port that is not listed.
    pub default: MtlsMode,
    /// By workload port.
    pub ports: Vec<(u16, MtlsMode)>,
}

impl MtlsModes {
    /// The mode for a port; `None` stands for a port that is not known.
    pub fn of(&self, port: Option<u16>) -> MtlsMode {
        self.ports
            .iter()
            .find(|(exception, _)| Some(*exception) == port)
            .map_or(self.default, |(_, mode)| *mode)
    }
}

impl PeerWinners<'_> {
    /// Resolves inheritance: PERMISSIVE, overwritten by mesh, namespace and workload where they are set; port entries
    /// come only from the workload's policy, an UNSET one inherits.
    pub fn modes(&self) -> MtlsModes {
        let default = [self.mesh, self.namespace, self.workload]
            .iter()
            .flatten()
            .filter_map(|policy| policy.mode)
            .next_back()
            .unwrap_or(MtlsMode::Permissive);
        let ports = self
            .workload
            .map(|policy| policy.ports.iter().map(|(port, mode)| (*port, mode.unwrap_or(default))).collect())
            .unwrap_or_default();
        MtlsModes { default, ports }
    }

    /// The policy that sets the mode of `port`, for the explanation.
    pub fn decisive(&self, port: Option<u16>) -> Option<&PeerAuthentication> {
        let names_port = |policy: &&PeerAuthentication| {
            policy.ports.iter().any(|(p, mode)| Some(*p) == port && mode.is_some())
        };
        if let Some(policy) = self.workload.filter(names_port) {
            return Some(policy);
        }
        [self.workload, self.namespace, self.mesh].into_iter().flatten().find(|policy| policy.mode.is_some())
    }

    /// The same at ztunnel, which knows only "identity required" or not: DISABLE acts as PERMISSIVE. istiod
    /// (`ambient/authorization.go`) puts ports into a policy of their own, with three surprises where STRICT is
    /// inherited:
    ///
    /// - A workload policy without a mode is looked at only when one of its ports is PERMISSIVE; a DISABLE port alone
    ///   exempts nothing.
    /// - If STRICT is the mesh's and the namespace has a policy without a mode, such a port leaves nothing of the
    ///   policy that should stand for all: every port is open.
    /// - A workload policy that is PERMISSIVE or DISABLE does not get its STRICT ports under a STRICT mesh, unless the
    ///   namespace says otherwise.
    pub fn ambient_modes(&self) -> MtlsModes {
        let mut modes = self.modes();
        // What istiod fetches here are policies without the key `selector`.
        let namespace = self.namespace.filter(|policy| policy.selector.is_none());
        let mesh_strict = self.mesh.is_some_and(|policy| policy.mode == Some(MtlsMode::Strict));
        let meshs_own = mesh_strict && namespace.is_none_or(|policy| policy.mode.is_none());
        match self.workload.and_then(|policy| policy.mode) {
            None if self.workload.is_some() && modes.default == MtlsMode::Strict => {
                if !modes.ports.iter().any(|(_, mode)| *mode == MtlsMode::Permissive) {
                    modes.ports.clear();
                } else if meshs_own && namespace.is_some() {
                    modes = MtlsModes { default: MtlsMode::Permissive, ports: Vec::new() };
                }
            }
            Some(MtlsMode::Permissive | MtlsMode::Disable) if meshs_own => modes.ports.clear(),
            _ => {}
        }
        let soften = |mode: MtlsMode| match mode {
            MtlsMode::Disable => MtlsMode::Permissive,
            other => other,
        };
        modes.default = soften(modes.default);
        for (_, mode) in &mut modes.ports {
            *mode = soften(*mode);
        }
        modes
    }
}
