//! Whom policies are about: the workloads among the manifests, and where there are none, those that the policies name.

use gnomon_engine::{
    Mesh, Workload,
    attach::GATEWAY_NAME_LABEL,
    resource::{Labels, Meta, Resources, Target, TargetKind},
    workload::ProxyKind,
};
use gnomon_manifests::inventory::Inventory;
use std::sync::Arc;

/// A workload, and what says that it exists.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is asked about.
    pub workload: Workload,
    /// False: no proxy stands before it, and no policy is asked. (`workload.proxy` is then what it would have.)
    pub has_proxy: bool,
    /// `Deployment shop/orders`, `the selector of AuthorizationPolicy shop/orders`.
    pub origin: String,
    /// The file of that object.
    pub file: Arc<str>,
    /// Where in it the object begins; 0: not known.
    pub line: u32,
}

impl Found {
    /// What tells it from the others, and what people may call it by: `shop/orders`; where only a selector names it,
    /// `shop/app=orders`; where only a namespace does, `shop`.
    pub fn handle(&self) -> String {
        let namespace = &self.workload.namespace;
        match self.short_handle() {
            short if short.is_empty() => namespace.clone(),
            short => format!("{namespace}/{short}"),
        }
    }

    fn short_handle(&self) -> String {
        let Workload { name, labels, services, proxy, .. } = &self.workload;
        if *proxy == ProxyKind::Waypoint && !services.is_empty() && labels.is_empty() {
            return format!("waypoint of {}", services.join(", "));
        }
        if !name.is_empty() {
            return name.clone();
        }
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        labels.join(",")
    }

    /// Somebody means it by this name: its handle, with or without the namespace (`shop/orders`, `orders.shop`), or the name
    /// that its labels give it (`app`, `app.kubernetes.io/name`, `service.istio.io/canonical-name`).
    pub fn is_called(&self, name: &str) -> bool {
        let labels = ["app", "app.kubernetes.io/name", "service.istio.io/canonical-name"];
        let labelled = |name: &str| {
            self.workload.labels.iter().any(|(key, value)| labels.contains(&key.as_str()) && value == name)
        };
        let called = |name: &str| self.short_handle() == name || labelled(name);
        self.handle() == name
            || called(name)
            || name
                .split_once('/')
                .or_else(|| name.rsplit_once('.').map(|(name, namespace)| (namespace, name)))
                .is_some_and(|(namespace, name)| namespace == self.workload.namespace && called(name))
    }
}

/// All of them: those of the manifests, then those that only policies name. A selector names workloads that the manifests
/// have; it is one by itself only where they have none.
pub fn find(inventory: &Inventory, resources: &Resources, mesh: &Mesh) -> Vec<Found> {
    let of_manifest = |candidate: gnomon_manifests::inventory::Candidate<'_>| Found {
        origin: format!("{} {}/{}", candidate.kind, candidate.meta.namespace, candidate.meta.name),
        file: candidate.meta.file.clone(),
        line: candidate.meta.at.line,
        has_proxy: candidate.has_proxy,
        workload: candidate.workload,
    };
    let mut found: Vec<Found> = inventory.workloads().into_iter().map(of_manifest).collect();
    let named = of_policies(resources, mesh);
    let new: Vec<Found> =
        named.into_iter().filter(|one| !found.iter().any(|known| covers(known, one, mesh))).collect();
    found.extend(new);
    found
}

fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|wanted| labels.contains(wanted))
}

/// What the manifests have already reaches at least as far.
fn covers(known: &Found, named: &Found, mesh: &Mesh) -> bool {
    let (known, named) = (&known.workload, &named.workload);
    let anywhere = named.namespace == mesh.root_namespace && !named.labels.is_empty();
    (known.namespace == named.namespace || anywhere)
        && selects(&named.labels, &known.labels)
        && named.services.iter().all(|service| known.services.contains(service))
}

/// The workloads that selectors, references and namespaces of policies name: the most particular ones.
fn of_policies(resources: &Resources, mesh: &Mesh) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut whole: Vec<(&Meta, String)> = Vec::new();
    let targets =
        resources.authorization.iter().map(|one| ("AuthorizationPolicy", &one.meta, &one.target)).chain(
            resources
                .request_authentication
                .iter()
                .map(|one| ("RequestAuthentication", &one.meta, &one.target)),
        );
    for (kind, meta, target) in targets {
        let name = format!("{kind} {}/{}", meta.namespace, meta.name);
        match target {
            Target::Selector(labels) if !labels.is_empty() => {
                add(&mut found, selected(meta, labels), meta, format!("the selector of {name}"));
            }
            Target::Refs(refs) => {
                for one in refs {
                    if let Some(workload) = referenced(meta, one.kind, &one.name) {
                        add(&mut found, workload, meta, format!("a targetRef of {name}"));
                    }
                }
            }
            _ => whole.push((meta, name)),
        }
    }
    for one in &resources.peer_authentication {
        let name = format!("PeerAuthentication {}/{}", one.meta.namespace, one.meta.name);
        match one.selector.as_ref().filter(|labels| !labels.is_empty()) {
            Some(labels) => {
                add(&mut found, selected(&one.meta, labels), &one.meta, format!("the selector of {name}"));
            }
            None => whole.push((&one.meta, name)),
        }
    }
    for (meta, name) in whole {
        let namespace = &meta.namespace;
        if *namespace != mesh.root_namespace && !found.iter().any(|one| one.workload.namespace == *namespace)
        {
            let workload = Workload { namespace: namespace.clone(), ..Workload::default() };
            add(&mut found, workload, meta, format!("the namespace of {name}"));
        }
    }
    found
}

/// Adds a workload, unless it or a more particular one is there; one that it is more particular than goes.
fn add(found: &mut Vec<Found>, workload: Workload, meta: &Meta, origin: String) {
    let same = |a: &Workload, b: &Workload| a.namespace == b.namespace && a.proxy == b.proxy;
    let within = |a: &Workload, b: &Workload| {
        same(a, b) && selects(&a.labels, &b.labels) && a.services.iter().all(|one| b.services.contains(one))
    };
    if found.iter().any(|known| within(&workload, &known.workload)) {
        return;
    }
    found.retain(|known| !within(&known.workload, &workload));
    let (file, line) = (meta.file.clone(), meta.at.line);
    found.push(Found { workload, has_proxy: true, origin, file, line });
}

pub(crate) fn selected(meta: &Meta, labels: &Labels) -> Workload {
    Workload {
        namespace: meta.namespace.clone(),
        labels: labels.clone(),
        proxy: if is_gateway(labels) { ProxyKind::Gateway } else { ProxyKind::Sidecar },
        ..Workload::default()
    }
}

/// The labels that Istio's own gateways have, by its charts and by the Gateway API.
fn is_gateway(labels: &Labels) -> bool {
    labels.iter().any(|(key, value)| {
        key.ends_with("/gateway-name")
            || (key == "istio" && value.ends_with("gateway"))
            || (key == "app"
                && value.starts_with("istio-")
                && (value.contains("gress") || value.contains("gateway")))
    })
}

pub(crate) fn referenced(meta: &Meta, kind: TargetKind, name: &str) -> Option<Workload> {
    let waypoint =
        Workload { namespace: meta.namespace.clone(), proxy: ProxyKind::Waypoint, ..Workload::default() };
    match kind {
        TargetKind::Service => {
            Some(Workload { name: "waypoint".into(), services: vec![name.into()], ..waypoint })
        }
        TargetKind::ServiceEntry => {
            let services = vec![format!("ServiceEntry/{name}")];
            Some(Workload { name: "waypoint".into(), services, ..waypoint })
        }
        // Only its class tells; by its name as nearly everybody calls them.
        TargetKind::Gateway if name.contains("waypoint") => {
            Some(gateway(&meta.namespace, name, waypoint.proxy))
        }
        TargetKind::Gateway => Some(gateway(&meta.namespace, name, ProxyKind::Gateway)),
        TargetKind::GatewayClass => None,
    }
}

fn gateway(namespace: &str, name: &str, proxy: ProxyKind) -> Workload {
    Workload {
        name: name.into(),
        namespace: namespace.into(),
        labels: vec![(GATEWAY_NAME_LABEL.into(), name.into())],
        proxy,
        ..Workload::default()
    }
}
