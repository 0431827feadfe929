//! All objects that were read, beside the three kinds that decide over requests: who the policies are for.
//!
//! Manifests, `kubectl get -o yaml` and what a cluster answers come in by the same door, [`Inventory::take`]. Nothing here
//! decides over requests, so nothing is validated: what is malformed in a field counts as absent.

mod gateway_api;
mod http_route;
mod mesh;
mod object;
mod pod;
mod protocol;
mod reach;
mod service;
mod traffic;

pub use gateway_api::{ApiGateway, GatewayClass, Listener, Parent, Route};
pub use http_route::{Destination, HeaderChanges, HttpMatch, HttpRule, PathMatch, PathRewrite, TextMatch};
pub use object::{Meta, Owner};
pub use pod::{ContainerPort, Pod, PodKind};
pub use protocol::Protocol;
pub use reach::{Candidate, Reached};
pub use service::{Service, ServicePort, TargetPort};
pub use traffic::{
    ClientTls, DestinationRule, EnvoyFilter, Gateway, Server, ServiceEntry, VirtualService, WasmPlugin,
};

use gnomon_engine::{Diagnostic, Mesh, Node, Position};
use object::text;
use std::{collections::HashMap, sync::Arc};

/// The objects by kind, each in the order read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Inventory {
    /// Namespace.
    pub namespaces: Vec<Meta>,
    /// ServiceAccount.
    pub service_accounts: Vec<Meta>,
    /// Service.
    pub services: Vec<Service>,
    /// Pod, and the kinds with a template of one: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob.
    pub pods: Vec<Pod>,
    /// `networking.istio.io` Gateway.
    pub gateways: Vec<Gateway>,
    /// VirtualService.
    pub virtual_services: Vec<VirtualService>,
    /// DestinationRule.
    pub destination_rules: Vec<DestinationRule>,
    /// ServiceEntry.
    pub service_entries: Vec<ServiceEntry>,
    /// WasmPlugin.
    pub wasm_plugins: Vec<WasmPlugin>,
    /// `gateway.networking.k8s.io` Gateway.
    pub api_gateways: Vec<ApiGateway>,
    /// GatewayClass.
    pub gateway_classes: Vec<GatewayClass>,
    /// HTTPRoute, GRPCRoute, TLSRoute, TCPRoute.
    pub routes: Vec<Route>,
    /// EnvoyFilter.
    pub envoy_filters: Vec<EnvoyFilter>,
    /// Objects of the kinds for security that Istio had before 1.6 and has no more, each with its kind.
    pub removed: Vec<(Meta, String)>,
    /// AuthorizationPolicies with a label or an annotation that is almost `istio.io/dry-run`, each with that key and its
    /// path. They are not counted here: who they are decides over requests.
    pub almost_dry: Vec<(Meta, String, &'static str)>,
    /// MeshConfig out of the ConfigMaps called `istio` (`istio-REVISION`).
    pub meshes: Vec<(Meta, Node)>,
}

/// Does something with each list of an inventory; a list that is left out here does not compile.
macro_rules! each_list {
    ($inventory:expr, $list:ident => $do:expr) => {
        each_list!(
            $inventory, $list => $do;
            namespaces, service_accounts, services, pods, gateways, virtual_services, destination_rules,
            service_entries, wasm_plugins, api_gateways, gateway_classes, routes, envoy_filters, removed,
            almost_dry, meshes
        )
    };
    ($inventory:expr, $list:ident => $do:expr; $($name:ident),*) => {{
        let Inventory { $($name),* } = $inventory;
        $({
            let $list = $name;
            $do;
        })*
    }};
}

impl Inventory {
    /// Takes an object. False: it is of a kind that is not looked at.
    ///
    /// Kinds are told apart by their group, whatever the version: Istio and Kubernetes keep several versions of one kind
    /// alike.
    pub fn take(&mut self, node: &Node, file: &Arc<str>) -> bool {
        let group = text(node, "apiVersion").split_once('/').map_or("", |(group, _)| group);
        let meta = Meta::of(node, file);
        match (group, text(node, "kind")) {
            ("", "Namespace") => self.namespaces.push(meta),
            ("", "ServiceAccount") => self.service_accounts.push(meta),
            ("", "Service") => self.services.push(Service::read(node, meta)),
            ("", "ConfigMap") => match mesh::config(node, &meta) {
                Some(config) => self.meshes.push((meta, config)),
                None => return false,
            },
            ("" | "apps" | "batch" | "extensions", kind) => match PodKind::of(group, kind) {
                Some(kind) => self.pods.push(Pod::read(node, meta, kind)),
                None => return false,
            },
            ("networking.istio.io", "Gateway") => self.gateways.push(Gateway::read(node, meta)),
            ("networking.istio.io", "VirtualService") => {
                self.virtual_services.push(VirtualService::read(node, meta))
            }
            ("networking.istio.io", "DestinationRule") => {
                self.destination_rules.push(DestinationRule::read(node, meta))
            }
            ("networking.istio.io", "ServiceEntry") => {
                self.service_entries.push(ServiceEntry::read(node, meta))
            }
            ("networking.istio.io", "EnvoyFilter") => self.envoy_filters.push(EnvoyFilter::read(node, meta)),
            ("rbac.istio.io" | "authentication.istio.io" | "config.istio.io", kind) => {
                self.removed.push((meta, kind.to_owned()));
            }
            ("extensions.istio.io", "WasmPlugin") => self.wasm_plugins.push(WasmPlugin::read(node, meta)),
            ("gateway.networking.k8s.io", "Gateway") => self.api_gateways.push(ApiGateway::read(node, meta)),
            ("gateway.networking.k8s.io", "GatewayClass") => {
                self.gateway_classes.push(GatewayClass::read(node, meta));
            }
            ("gateway.networking.k8s.io", kind @ ("HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute")) => {
                self.routes.push(Route::read(node, meta, kind));
            }
            _ => return false,
        }
        true
    }

    /// Looks at an AuthorizationPolicy for a key that is almost the annotation for dry runs.
    pub(crate) fn look_for_dry_run(&mut self, node: &Node, file: &Arc<str>) {
        const EXACT: &str = "istio.io/dry-run";
        let Some(metadata) = node.get("metadata") else { return };
        for (map, path) in [("annotations", "metadata.annotations"), ("labels", "metadata.labels")] {
            let entries = metadata.get(map).and_then(Node::as_map).unwrap_or_default();
            for (key, _) in entries {
                let plain: String = key.name.chars().filter(char::is_ascii_alphanumeric).collect();
                let almost = plain.to_ascii_lowercase().ends_with("dryrun");
                if almost && (key.name != EXACT || map == "labels") {
                    let meta = Meta { at: key.at, ..Meta::of(node, file) };
                    self.almost_dry.push((meta, key.name.clone(), path));
                }
            }
        }
    }

    /// Of objects of one kind, namespace and name the last one read stays, as with `kubectl apply`; the places of the others.
    pub(crate) fn last_of_each(&mut self) -> Vec<(Arc<str>, Position)> {
        let mut gone = Vec::new();
        each_list!(self, list => last_of(list, &mut gone));
        gone
    }

    /// The objects of the files that `has` says yes to.
    pub fn only(&self, has: &dyn Fn(&str) -> bool) -> Inventory {
        let mut only = self.clone();
        each_list!(&mut only, list => list.retain(|one| has(&one.meta().file)));
        only
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        let mut count = 0_usize;
        each_list!(self, list => count += list.len());
        // Those are policies.
        count.saturating_sub(self.almost_dry.len())
    }

    /// Nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The workloads that policies can be for, with the Services that lead to them. Objects that another one makes
    /// (the ReplicaSet of a Deployment, its Pods) stand for themselves only where that one is not there.
    ///
    /// Time and memory grow with the objects and with what is found, not with their product.
    pub fn workloads(&self) -> Vec<Candidate<'_>> {
        reach::candidates(self)
    }

    /// The mesh that the manifests configure, where exactly one ConfigMap does; what is wrong with it goes to `found`.
    pub fn mesh(&self, found: &mut Vec<Diagnostic>) -> Option<(&Meta, Mesh)> {
        match self.meshes.as_slice() {
            [(meta, config)] => Some((meta, mesh::mesh(config, meta, found))),
            _ => None,
        }
    }
}

/// Leaves the last of each name; objects without one are all different.
fn last_of<T: Listed>(all: &mut Vec<T>, gone: &mut Vec<(Arc<str>, Position)>) {
    if !T::ONE_OF_A_NAME {
        return;
    }
    let name = |one: &T| (one.kind().to_owned(), one.meta().namespace.clone(), one.meta().name.clone());
    let last: HashMap<_, usize> = all.iter().map(name).zip(0..).collect();
    if last.len() == all.len() {
        return;
    }
    let mut number = 0..;
    all.retain(|one| {
        let last = last.get(&name(one)).copied() == number.next() || one.meta().name.is_empty();
        if !last {
            gone.push((one.meta().file.clone(), one.meta().at));
        }
        last
    });
}

/// An object of one of the lists.
trait Listed {
    /// One cluster has no room for two of one name; otherwise the list is of findings, or is told of elsewhere.
    const ONE_OF_A_NAME: bool = true;
    /// Its name and place.
    fn meta(&self) -> &Meta;
    /// Its kind, in lists of several.
    fn kind(&self) -> &str {
        ""
    }
}

impl Listed for Meta {
    fn meta(&self) -> &Meta {
        self
    }
}

impl Listed for Pod {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn kind(&self) -> &str {
        self.kind.name()
    }
}

impl Listed for Route {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn kind(&self) -> &str {
        &self.kind
    }
}

impl<A> Listed for (Meta, A) {
    const ONE_OF_A_NAME: bool = false;
    fn meta(&self) -> &Meta {
        &self.0
    }
}

impl<A, B> Listed for (Meta, A, B) {
    const ONE_OF_A_NAME: bool = false;
    fn meta(&self) -> &Meta {
        &self.0
    }
}

macro_rules! listed {
    ($($object:ty),*) => { $(impl Listed for $object {
        fn meta(&self) -> &Meta {
            &self.meta
        }
    })* };
}

listed!(
    Service,
    Gateway,
    VirtualService,
    DestinationRule,
    ServiceEntry,
    WasmPlugin,
    ApiGateway,
    GatewayClass,
    EnvoyFilter
);
