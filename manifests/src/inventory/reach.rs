//! Which workloads there are, and which Services lead to them.

use super::{
    ApiGateway, Inventory, Meta, Pod, PodKind, Protocol, Service, ServicePort, TargetPort, object::value,
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{Workload, resource::Labels, workload::ProxyKind};
use std::collections::{BTreeMap, HashMap, HashSet};

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The class whose Gateways are waypoints (Istio, `pkg/config/constants`).
const WAYPOINT_CLASS: &str = "istio-waypoint";
/// Classes of Istio whose Gateways are Envoys that it deploys.
const GATEWAY_CLASSES: [&str; 2] = ["istio", "istio-east-west"];

/// A workload that policies can be for.
#[derive(Clone, Debug)]
pub struct Candidate<'i> {
    /// What it is asked about: name, namespace, labels, service account, proxy, Services.
    pub workload: Workload,
    /// False: no proxy stands before it, and no policy is asked. (`workload.proxy` is then what it would have.)
    pub has_proxy: bool,
    /// The object that it comes from.
    pub meta: &'i Meta,
    /// The kind of that object: `Deployment`, or `Gateway` for what Istio deploys.
    pub kind: &'static str,
    /// Each port of each Service that leads to it.
    pub reached: Vec<Reached<'i>>,
}

/// A Service's port, and the workload's port behind it.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'i> {
    /// The Service.
    pub service: &'i Service,
    /// Its port.
    pub port: &'i ServicePort,
    /// The port of the workload; `None`: no container has a port of that name.
    pub target: Option<u16>,
}

impl Candidate<'_> {
    /// The workload's ports and what they speak to the proxy beside it. Where two Services disagree, the first one read
    /// counts, as the older one does in a cluster.
    pub fn ports(&self) -> BTreeMap<u16, Protocol> {
        let mut ports = BTreeMap::new();
        for reached in &self.reached {
            if let Some(target) = reached.target {
                ports.entry(target).or_insert(reached.port.protocol);
            }
        }
        ports
    }
}

pub(super) fn candidates(inventory: &Inventory) -> Vec<Candidate<'_>> {
    let around = Around::of(inventory);
    let made = Made::of(inventory);
    let pods = inventory.pods.iter().filter(|pod| !made.by_another(pod)).map(|pod| around.pod(pod));
    let deployed = inventory.api_gateways.iter().filter_map(|gateway| around.gateway(gateway));
    pods.chain(deployed).collect()
}

/// The objects that make others.
struct Made<'i>(HashSet<(&'i str, &'i str, &'i str)>);

impl<'i> Made<'i> {
    fn of(inventory: &'i Inventory) -> Self {
        let pods = inventory.pods.iter().filter(|pod| pod.kind != PodKind::Pod);
        Made(pods.map(|pod| (pod.meta.namespace.as_str(), pod.kind.name(), pod.meta.name.as_str())).collect())
    }

    fn by_another(&self, pod: &Pod) -> bool {
        let has = |owner: &super::Owner| self.0.contains(&(&*pod.meta.namespace, &*owner.kind, &*owner.name));
        pod.meta.owner.as_ref().is_some_and(has)
    }
}

/// What workloads are looked up in.
struct Around<'i> {
    inventory: &'i Inventory,
    /// Services by namespace and by the first label that they select.
    services: HashMap<(&'i str, &'i str, &'i str), Vec<&'i Service>>,
    namespaces: HashMap<&'i str, &'i Meta>,
    /// Gateways whose Pods are among the objects: namespace, name.
    deployed: HashSet<(&'i str, &'i str)>,
    /// What Gateways of `networking.istio.io` select, by the first label.
    selected: HashMap<(&'i str, &'i str), Vec<&'i Labels>>,
}

impl<'i> Around<'i> {
    fn of(inventory: &'i Inventory) -> Self {
        let mut services: HashMap<_, Vec<_>> = HashMap::new();
        for service in inventory.services.iter().filter(|service| !service.external) {
            if let Some((key, value)) = service.selector.first() {
                services.entry((&*service.meta.namespace, &**key, &**value)).or_default().push(service);
            }
        }
        let mut selected: HashMap<_, Vec<_>> = HashMap::new();
        for gateway in &inventory.gateways {
            if let Some((key, value)) = gateway.selector.first() {
                selected.entry((&**key, &**value)).or_default().push(&gateway.selector);
            }
        }
        let named = |pod: &'i Pod| Some((&*pod.meta.namespace, pod.label(GATEWAY_NAME)?));
        Around {
            inventory,
            services,
            selected,
            namespaces: inventory.namespaces.iter().map(|meta| (&*meta.name, meta)).collect(),
            deployed: inventory.pods.iter().filter_map(named).collect(),
        }
    }

    fn pod(&self, pod: &'i Pod) -> Candidate<'i> {
        let (proxy, has_proxy) = self.proxy(pod);
        let number = |name: &str| pod.ports.iter().find(|port| port.name == name).map(|port| port.number);
        let reached = self.reached(&pod.meta.namespace, &pod.labels, number);
        let name = pod.meta.name.clone();
        let workload = self.workload(&pod.meta, name, &pod.labels, &pod.service_account, proxy, &reached);
        Candidate { workload, has_proxy, meta: &pod.meta, kind: pod.kind.name(), reached }
    }

    /// What Istio deploys for a Gateway, where the Deployment is not there: `NAME-CLASS`, a waypoint without the class,
    /// with a service account of the same name (`gatewaycommon/deploymentcontroller.go`, Istio 1.32).
    fn gateway(&self, gateway: &'i ApiGateway) -> Option<Candidate<'i>> {
        let (meta, class) = (&gateway.meta, gateway.class.as_str());
        let waypoint = class == WAYPOINT_CLASS;
        let ours = waypoint || GATEWAY_CLASSES.contains(&class) || self.class_is_istios(class);
        if !ours || gateway.manual || self.deployed.contains(&(&*meta.namespace, &*meta.name)) {
            return None;
        }
        let default = if waypoint { meta.name.clone() } else { format!("{}-{class}", meta.name) };
        let or_default = |key: &str| meta.annotation(key).map_or_else(|| default.clone(), str::to_owned);
        let account = or_default("gateway.istio.io/service-account");
        let name = or_default("gateway.istio.io/name-override");
        let mut labels = if gateway.infrastructure.is_empty() {
            meta.labels.clone()
        } else {
            gateway.infrastructure.clone()
        };
        labels.retain(|(key, _)| key != GATEWAY_NAME);
        labels.push((GATEWAY_NAME.into(), meta.name.clone()));
        sort_by(&mut labels, Ord::cmp);
        let proxy = if waypoint { ProxyKind::Waypoint } else { ProxyKind::Gateway };
        let reached = self.reached(&meta.namespace, &labels, |_| None);
        let workload = self.workload(meta, name, &labels, &account, proxy, &reached);
        Some(Candidate { workload, has_proxy: true, meta, kind: "Gateway", reached })
    }

    fn class_is_istios(&self, class: &str) -> bool {
        let found = self.inventory.gateway_classes.iter().find(|known| known.meta.name == class);
        found.is_some_and(|class| class.controller == "istio.io/gateway-controller")
    }

    fn workload(
        &self,
        meta: &Meta,
        name: String,
        labels: &Labels,
        service_account: &str,
        proxy: ProxyKind,
        reached: &[Reached<'i>],
    ) -> Workload {
        let mut services: Vec<String> = match proxy {
            ProxyKind::Waypoint => self.behind(meta),
            _ => reached.iter().map(|reached| reached.service.meta.name.clone()).collect(),
        };
        services.dedup();
        Workload {
            name,
            namespace: meta.namespace.clone(),
            labels: labels.clone(),
            service_account: service_account.to_owned(),
            proxy,
            services,
            ..Workload::default()
        }
    }

    /// The Services that use a waypoint: by their own label `istio.io/use-waypoint`, or by that of their namespace.
    fn behind(&self, waypoint: &Meta) -> Vec<String> {
        const USES: &str = "istio.io/use-waypoint";
        let uses = |service: &&Service| {
            let namespace = self.namespaces.get(&*service.meta.namespace).copied();
            let by = [Some(&service.meta), namespace]
                .into_iter()
                .flatten()
                .find(|meta| meta.label(USES).is_some());
            by.is_some_and(|by| {
                let of = by.label("istio.io/use-waypoint-namespace").unwrap_or(&service.meta.namespace);
                by.label(USES) == Some(&*waypoint.name) && of == waypoint.namespace
            })
        };
        let name = |service: &Service| match service.meta.namespace == waypoint.namespace {
            true => service.meta.name.clone(),
            false => format!("{}/{}", service.meta.namespace, service.meta.name),
        };
        self.inventory.services.iter().filter(uses).map(name).collect()
    }

    fn reached(
        &self,
        namespace: &str,
        labels: &Labels,
        number: impl Fn(&str) -> Option<u16>,
    ) -> Vec<Reached<'i>> {
        let mut reached = Vec::new();
        for (key, value) in labels {
            for service in self.services.get(&(namespace, &**key, &**value)).into_iter().flatten() {
                if !selects(&service.selector, labels) {
                    continue;
                }
                reached.extend(service.ports.iter().map(|port| {
                    let target = match &port.target {
                        TargetPort::Number(number) => Some(*number),
                        TargetPort::Name(name) => number(name),
                    };
                    Reached { service, port, target }
                }));
            }
        }
        reached
    }

    /// The kind of proxy, and whether there is one. What the manifests leave open is a sidecar: policies are written
    /// for workloads that have one.
    fn proxy(&self, pod: &Pod) -> (ProxyKind, bool) {
        let namespace = self.namespaces.get(&*pod.meta.namespace).copied();
        let argument = |wanted: &str| pod.proxy_arguments.iter().any(|argument| argument == wanted);
        let class = pod.label("gateway.networking.k8s.io/gateway-class-name");
        if argument("waypoint") || class == Some(WAYPOINT_CLASS) {
            return (ProxyKind::Waypoint, true);
        }
        let template = pod.annotation("inject.istio.io/templates");
        let is_gateway = argument("router")
            || template.is_some_and(|names| names.split(',').any(|name| name.trim() == "gateway"))
            || pod.label(GATEWAY_NAME).is_some()
            || self.is_selected(&pod.labels);
        if is_gateway {
            return (ProxyKind::Gateway, true);
        }
        if argument("sidecar") {
            return (ProxyKind::Sidecar, true);
        }
        let inject = pod.label("sidecar.istio.io/inject").or(pod.annotation("sidecar.istio.io/inject"));
        // A label on the Pod is stronger than the namespace's (`istio.io/dataplane-mode`).
        let mode = |meta: &Meta| meta.label("istio.io/dataplane-mode").map(str::to_owned);
        let own = pod.label("istio.io/dataplane-mode").map(str::to_owned);
        let ambient = own.or_else(|| namespace.and_then(mode)).as_deref() == Some("ambient");
        let injected = namespace.is_some_and(|namespace| {
            namespace.label("istio-injection") == Some("enabled") || namespace.label("istio.io/rev").is_some()
        });
        if ambient && inject != Some("true") && !injected {
            return (ProxyKind::Ztunnel, !pod.host_network);
        }
        let refused =
            namespace.is_some_and(|namespace| namespace.label("istio-injection") == Some("disabled"));
        let off = pod.host_network || inject == Some("false") || (refused && inject != Some("true"));
        (ProxyKind::Sidecar, !off)
    }

    fn is_selected(&self, labels: &Labels) -> bool {
        labels.iter().any(|(key, value)| {
            let candidates = self.selected.get(&(&**key, &**value)).into_iter().flatten();
            candidates.into_iter().any(|selector| selects(selector, labels))
        })
    }
}

/// All of a selector's labels are there; both are sorted.
fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, wanted)| value(labels, key) == Some(wanted))
}
