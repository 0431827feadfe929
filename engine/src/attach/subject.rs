//! Whom policies are matched with: a workload, or the workloads of which a part is known.

use super::{Attachment, GATEWAY_NAME_LABEL, Level, Policy, Reason, UnmetLabel, WAYPOINT_CLASS};
use crate::{
    resource::{
        Action, Labels, Meta, PeerAuthentication, Resources, Target, TargetKind, TargetRef, UnverifiedGateway,
    },
    workload::{Mesh, ProxyKind, Service, Workload},
};
use alloc::{format, string::String, vec::Vec};

/// A workload as attachment sees it, or every workload that fits what is known.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// `None`: any.
    namespace: Option<&'a str>,
    labels: &'a [(String, String)],
    /// There may be labels beside these.
    more_labels: bool,
    /// The Gateway that the proxy is an instance of, and so the label that says it.
    gateway: Option<&'a str>,
    proxy: ProxyKind,
    /// `None`: any.
    services: Option<Vec<Service<'a>>>,
    root: &'a str,
}

impl<'a> Subject<'a> {
    /// One workload, of which everything is known.
    pub fn new(resources: &Resources, workload: &'a Workload, mesh: &'a Mesh) -> Self {
        let label = value_of(&workload.labels, GATEWAY_NAME_LABEL);
        Subject {
            namespace: Some(&workload.namespace),
            labels: &workload.labels,
            more_labels: false,
            // A waypoint always carries the label; where the workload as given does not, its name stands in.
            gateway: match workload.proxy {
                ProxyKind::Waypoint => Some(label.unwrap_or(&workload.name)),
                _ => label,
            },
            proxy: workload.proxy,
            services: Some(services(resources, workload)),
            root: &mesh.root_namespace,
        }
    }

    /// Every workload with the proxy of `workload` that an object in its namespace reaches: one that selects its labels
    /// or, instead, names these targets. `only_namespace` is the promise that an object in the root namespace finds
    /// no such workload anywhere else.
    pub fn within_reach(
        resources: &Resources,
        workload: &'a Workload,
        targets: &'a [TargetRef],
        mesh: &'a Mesh,
        only_namespace: bool,
    ) -> Self {
        let in_root = workload.namespace == mesh.root_namespace;
        // Targets are in the object's own namespace; a class is in none, and its gateways are anywhere.
        let anywhere = targets.is_empty() || targets.iter().any(|of| of.kind == TargetKind::GatewayClass);
        let gateway = match targets {
            [TargetRef { kind: TargetKind::Gateway, name, .. }] => Some(name.as_str()),
            [] => value_of(&workload.labels, GATEWAY_NAME_LABEL),
            _ => None,
        };
        Subject {
            namespace: (!in_root || only_namespace || !anywhere).then_some(&workload.namespace),
            labels: if targets.is_empty() { &workload.labels } else { &[] },
            more_labels: true,
            gateway,
            proxy: workload.proxy,
            services: (!workload.services.is_empty()).then(|| services(resources, workload)),
            root: &mesh.root_namespace,
        }
    }

    /// Where it is; `None`: in any namespace.
    pub fn namespace(&self) -> Option<&'a str> {
        self.namespace
    }

    /// The labels that it is known to have.
    pub fn known_labels(&self) -> Labels {
        let mut labels = self.labels.to_vec();
        if let Some(gateway) = self.gateway.filter(|_| value_of(self.labels, GATEWAY_NAME_LABEL).is_none()) {
            labels.push((GATEWAY_NAME_LABEL.into(), gateway.into()));
        }
        labels
    }

    /// What a policy is to it. PeerAuthentications are not compared with each other here: of those that apply at one
    /// level only the oldest counts ([`super::attachments`]).
    pub fn attachment<'r>(&self, policy: Policy<'r>) -> Attachment<'r>
    where
        'a: 'r,
    {
        if self.proxy == ProxyKind::Agentgateway {
            return Attachment::Not(Reason::Agentgateway);
        }
        match policy {
            Policy::Authorization(policy) => match self.target(&policy.meta, &policy.target) {
                Attachment::Not(reason) => Attachment::Not(reason),
                _ if self.is_ztunnel() && policy.dry_run => Attachment::Not(Reason::DryRunAtZtunnel),
                _ if self.is_ztunnel() && matches!(policy.action, Action::Custom | Action::Audit) => {
                    Attachment::Not(Reason::ActionAtZtunnel(policy.action))
                }
                attachment => attachment,
            },
            Policy::RequestAuthentication(_) if self.is_ztunnel() => Attachment::Not(Reason::TokensAtZtunnel),
            Policy::RequestAuthentication(policy) => self.target(&policy.meta, &policy.target),
            Policy::PeerAuthentication(policy) => self.peer(policy),
        }
    }

    pub(super) fn is_ztunnel(&self) -> bool {
        self.proxy == ProxyKind::Ztunnel
    }

    /// In which order istiod looks through the namespaces.
    pub(super) fn lookup_order(&self, namespace: &str) -> usize {
        match Some(namespace) == self.namespace {
            true => 0,
            false => 1 + usize::from(namespace != self.root),
        }
    }

    fn is_waypoint(&self) -> bool {
        self.proxy == ProxyKind::Waypoint
    }

    fn label(&self, key: &str) -> Option<&'a str> {
        let gateway = || self.gateway.filter(|_| key == GATEWAY_NAME_LABEL);
        value_of(self.labels, key).or_else(gateway)
    }

    fn may_be_in(&self, namespace: &str) -> bool {
        self.namespace.is_none_or(|own| own == namespace)
    }

    /// `Ok`: reached for sure, where true.
    fn reaches<'r>(&self, namespace: &'r str) -> Result<bool, Reason<'r>>
    where
        'a: 'r,
    {
        match self.namespace {
            _ if namespace == self.root => Ok(true),
            None => Ok(false),
            Some(own) if own == namespace => Ok(true),
            Some(own) => Err(Reason::OtherNamespace { policy: namespace, workload: own, root: self.root }),
        }
    }

    /// `Ok`: selected for sure, where true. Exact and case-sensitive; no label selects everybody.
    fn selected<'r>(&self, selector: &'r Labels) -> Result<bool, Reason<'r>>
    where
        'a: 'r,
    {
        let mut certain = true;
        let mut unmet = Vec::new();
        for (key, wants) in selector {
            match self.label(key) {
                Some(has) if has == wants => {}
                None if self.more_labels => certain = false,
                has => unmet.push(UnmetLabel { key, wants, has }),
            }
        }
        if unmet.is_empty() { Ok(certain) } else { Err(Reason::Labels(unmet)) }
    }

    fn target<'r>(&self, meta: &'r Meta, target: &'r Target) -> Attachment<'r>
    where
        'a: 'r,
    {
        let of = |found: Result<(bool, Level<'r>), Reason<'r>>| match found {
            Ok((true, level)) => Attachment::Applies(level),
            Ok((false, _)) => Attachment::Undecided(None),
            Err(reason) => Attachment::Not(reason),
        };
        let everybody = if meta.namespace == self.root { Level::Mesh } else { Level::Namespace };
        match target {
            Target::Refs(refs) => self.refs(meta, refs),
            // Root-namespace policies without references are ignored by waypoints as well.
            _ if self.is_waypoint() => Attachment::Not(Reason::NoTargets),
            Target::Namespace => of(self.reaches(&meta.namespace).map(|sure| (sure, everybody))),
            Target::EmptySelector if self.is_ztunnel() => of(match self.reaches(&meta.namespace) {
                Ok(_) => Err(Reason::EmptySelectorAtZtunnel),
                Err(reason) => Err(reason),
            }),
            Target::EmptySelector => of(self.reaches(&meta.namespace).map(|sure| (sure, everybody))),
            Target::Selector(labels) => of(self
                .reaches(&meta.namespace)
                .and_then(|reached| Ok((self.selected(labels)? && reached, Level::Workload)))),
        }
    }

    /// References are ORed.
    fn refs<'r>(&self, meta: &'r Meta, refs: &'r [TargetRef]) -> Attachment<'r>
    where
        'a: 'r,
    {
        let served = self.services.iter().flatten().any(|service| {
            self.is_waypoint() && service.namespace.or(self.namespace) == Some(&meta.namespace)
        });
        let any_service = self.is_waypoint() && self.services.is_none();
        if let Err(reason) = self.reaches(&meta.namespace)
            && !served
            && !any_service
        {
            return Attachment::Not(reason);
        }
        let gateway_known = !self.more_labels || self.gateway.is_some();
        if self.is_ztunnel() || (self.proxy == ProxyKind::Sidecar && self.gateway.is_none()) {
            return Attachment::Not(Reason::TargetsUnread { targets: refs, proxy: self.proxy });
        }
        if self.proxy == ProxyKind::Gateway && self.gateway.is_none() && gateway_known {
            return Attachment::Not(Reason::TargetsUnread { targets: refs, proxy: self.proxy });
        }
        let mut undecided = false;
        for target in refs {
            let (may, sure) = match target.kind {
                TargetKind::Service | TargetKind::ServiceEntry => self.serves(meta, target),
                TargetKind::GatewayClass => {
                    let all = meta.namespace == self.root && target.name == WAYPOINT_CLASS;
                    (self.is_waypoint() && all, true)
                }
                TargetKind::Gateway => {
                    let named = self.gateway.is_none_or(|gateway| gateway == target.name);
                    (named && self.may_be_in(&meta.namespace), self.namespace.is_some() && gateway_known)
                }
            };
            match (may, sure) {
                (true, true) => return Attachment::Applies(Level::Target(target)),
                (true, false) => undecided = true,
                (false, _) => {}
            }
        }
        match undecided {
            true => Attachment::Undecided(None),
            false => Attachment::Not(Reason::OtherTargets(refs)),
        }
    }

    /// Whether it may be behind this waypoint, and whether that is sure.
    fn serves(&self, meta: &Meta, target: &TargetRef) -> (bool, bool) {
        let Some(services) = self.services.as_ref().filter(|_| self.is_waypoint()) else {
            return (self.is_waypoint(), false);
        };
        let named = |service: &&Service<'_>| service.kind == Some(target.kind) && service.name == target.name;
        let mut found = services.iter().filter(named).map(|service| {
            let namespace = service.namespace.or(self.namespace);
            (namespace.is_none_or(|namespace| namespace == meta.namespace), namespace.is_some())
        });
        found.find(|(may, _)| *may).unwrap_or((false, true))
    }

    /// Its level, whoever is older.
    fn peer<'r>(&self, policy: &'r PeerAuthentication) -> Attachment<'r>
    where
        'a: 'r,
    {
        let namespace = policy.meta.namespace.as_str();
        let in_root = namespace == self.root;
        let reached = match self.reaches(namespace) {
            Ok(reached) => reached,
            Err(reason) => return Attachment::Not(reason),
        };
        match policy.selector.as_ref().filter(|labels| !labels.is_empty()) {
            // A labelled policy in the root namespace counts nowhere, not even for workloads of the root namespace.
            Some(_) if in_root => Attachment::Not(Reason::SelectorInRoot),
            Some(labels) => match self.selected(labels) {
                Ok(selected) if selected && reached => Attachment::Applies(Level::Workload),
                Ok(_) => Attachment::Undecided(None),
                Err(reason) => Attachment::Not(reason),
            },
            // istiod fetches a mesh-level policy for ztunnel only where the key `selector` is absent altogether, unless the
            // workload is in the root namespace itself.
            None if self.is_ztunnel() && in_root && policy.selector.is_some() => match self.namespace {
                Some(own) if own != self.root => Attachment::Not(Reason::EmptySelectorAtZtunnel),
                Some(_) => Attachment::Applies(Level::Mesh),
                None => Attachment::Undecided(None),
            },
            None if in_root => Attachment::Applies(Level::Mesh),
            None if reached => Attachment::Applies(Level::Namespace),
            None => Attachment::Undecided(None),
        }
    }
}

/// Says of the workload what else these manifests tell of it: for whoever gets the policies alone. Which services are
/// ServiceEntries, and whether the proxy verifies its peers.
pub fn settle(workload: &mut Workload, resources: &Resources) {
    let entries: Vec<String> = services(resources, workload)
        .iter()
        .filter(|service| service.kind == Some(TargetKind::ServiceEntry))
        .map(|service| match service.namespace {
            Some(namespace) => format!("{namespace}/{}", service.name),
            None => service.name.into(),
        })
        .collect();
    for service in &mut workload.services {
        if entries.contains(service) {
            service.insert_str(0, "ServiceEntry/");
        }
    }
    if !verifies_peers(resources, workload) {
        workload.verifies_peers = Some(false);
    }
}

/// Whether the proxy checks the certificates that peers show: as the workload says, else unless a Gateway among the
/// manifests that it is an instance of says otherwise.
pub fn verifies_peers(resources: &Resources, workload: &Workload) -> bool {
    let is_of = |gateway: &UnverifiedGateway| match &gateway.selector {
        Some(selector) => selector.iter().all(|label| workload.labels.contains(label)),
        None => {
            gateway.namespace == workload.namespace
                && value_of(&workload.labels, GATEWAY_NAME_LABEL) == Some(gateway.name.as_str())
        }
    };
    let found = || workload.proxy == ProxyKind::Gateway && resources.unverified.iter().any(is_of);
    workload.verifies_peers.unwrap_or_else(|| !found())
}

/// The workload's services, each with its kind.
fn services<'a>(resources: &Resources, workload: &'a Workload) -> Vec<Service<'a>> {
    let kind = |service: &Service<'_>| {
        let namespace = service.namespace.unwrap_or(&workload.namespace);
        let there = |kind| {
            resources.services.iter().any(|object| {
                object.kind == kind && object.name == service.name && object.namespace == namespace
            })
        };
        match there(TargetKind::ServiceEntry) && !there(TargetKind::Service) {
            true => TargetKind::ServiceEntry,
            false => TargetKind::Service,
        }
    };
    let whole =
        |service: Service<'a>| Service { kind: service.kind.or_else(|| Some(kind(&service))), ..service };
    workload.service_refs().map(whole).collect()
}

fn value_of<'l>(labels: &'l [(String, String)], key: &str) -> Option<&'l str> {
    labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}
