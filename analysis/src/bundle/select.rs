//! Which policies can apply to any of the workloads that a plugin reaches.

use gnomon_engine::{
    Mesh, Workload,
    attach::{GATEWAY_NAME_LABEL, WAYPOINT_CLASS},
    resource::{Labels, Meta, PeerAuthentication, Resources, Target, TargetKind, TargetRef},
    workload::ProxyKind,
};

/// The workloads that a plugin reaches: those of a namespace, or of all, that have these labels beside any others.
#[derive(Clone, Debug)]
pub struct Reach<'a> {
    /// `None`: every namespace. That is what an object in the root namespace reaches.
    pub namespace: Option<&'a str>,
    /// What the workloads are known to have.
    pub labels: Labels,
    /// Their proxies.
    pub proxy: ProxyKind,
    /// The services behind a waypoint, `name` or `namespace/name`; empty: not known.
    pub services: &'a [String],
    root: &'a str,
}

impl<'a> Reach<'a> {
    /// What an object in the workload's namespace reaches that selects its labels or, instead, names these targets.
    /// `only_namespace` is the promise that an object in the root namespace finds no such workload anywhere else.
    pub fn new(workload: &'a Workload, targets: &[TargetRef], mesh: &'a Mesh, only_namespace: bool) -> Self {
        let in_root = workload.namespace == mesh.root_namespace;
        let one_gateway = |target: &&TargetRef| target.kind == TargetKind::Gateway && targets.len() == 1;
        let mut labels = if targets.is_empty() { workload.labels.clone() } else { Labels::new() };
        if let Some(gateway) = targets.first().filter(one_gateway) {
            labels.push((GATEWAY_NAME_LABEL.into(), gateway.name.clone()));
        }
        // Targets are in the object's own namespace; a class is in none, and its gateways are anywhere.
        let anywhere = targets.is_empty() || targets.iter().any(|of| of.kind == TargetKind::GatewayClass);
        Reach {
            namespace: (!in_root || only_namespace || !anywhere).then_some(&workload.namespace),
            labels,
            proxy: workload.proxy,
            services: &workload.services,
            root: &mesh.root_namespace,
        }
    }

    /// Some workload may have this selector's labels: it contradicts none of those that are known.
    fn may_have(&self, selector: &Labels) -> bool {
        selector.iter().all(|(key, value)| self.known(key).is_none_or(|known| known == value))
    }

    fn known(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn may_be_in(&self, namespace: &str) -> bool {
        self.namespace.is_none_or(|own| own == namespace)
    }

    /// As the engine attaches ([`gnomon_engine::attach`]), where what is not known may be anything.
    fn may_target(&self, meta: &Meta, target: &Target) -> bool {
        let waypoint = self.proxy == ProxyKind::Waypoint;
        let near = self.may_be_in(&meta.namespace) || meta.namespace == self.root;
        match target {
            Target::Namespace => near && !waypoint,
            Target::Selector(labels) => near && !waypoint && self.may_have(labels),
            Target::Refs(refs) => refs.iter().any(|target| match target.kind {
                TargetKind::Service | TargetKind::ServiceEntry => {
                    waypoint && self.may_serve(&meta.namespace, &target.name)
                }
                TargetKind::GatewayClass => {
                    waypoint && meta.namespace == self.root && target.name == WAYPOINT_CLASS
                }
                TargetKind::Gateway => {
                    let gateway = self.known(GATEWAY_NAME_LABEL);
                    let may_be = match self.proxy {
                        ProxyKind::Sidecar | ProxyKind::Ztunnel => gateway == Some(&target.name),
                        _ => gateway.is_none_or(|known| known == target.name),
                    };
                    may_be && self.may_be_in(&meta.namespace)
                }
            }),
        }
    }

    fn may_serve(&self, namespace: &str, name: &str) -> bool {
        let is = |service: &String| match service.split_once('/') {
            Some((of, service)) => of == namespace && service == name,
            None => self.may_be_in(namespace) && service == name,
        };
        self.services.is_empty() || self.services.iter().any(is)
    }

    fn may_secure(&self, policy: &PeerAuthentication) -> bool {
        let (own, root) = (self.may_be_in(&policy.meta.namespace), policy.meta.namespace == self.root);
        match policy.selector.as_ref().filter(|labels| !labels.is_empty()) {
            None => own || root,
            Some(labels) => own && !root && self.may_have(labels),
        }
    }
}

/// The policies that can apply to a workload within reach, and how many were left out. Every such workload gets from
/// these the policies that it gets from all.
pub fn select(resources: &Resources, reach: &Reach<'_>) -> (Resources, usize) {
    let mut selected = resources.clone();
    let count = |resources: &Resources| {
        let Resources { authorization, request_authentication, peer_authentication } = resources;
        authorization.len() + request_authentication.len() + peer_authentication.len()
    };
    selected.authorization.retain(|policy| reach.may_target(&policy.meta, &policy.target));
    selected.request_authentication.retain(|policy| reach.may_target(&policy.meta, &policy.target));
    selected.peer_authentication.retain(|policy| reach.may_secure(policy));
    let left_out = count(resources) - count(&selected);
    (selected, left_out)
}
