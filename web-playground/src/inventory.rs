//! Whom policies are about: the workloads among the manifests, and where there are none, those that the policies name.

use crate::{api::Source, shape};
use gnomon_engine::{
    Mesh, Node, Workload,
    attach::{Attachment, GATEWAY_NAME_LABEL, attachments},
    resource::{Action, Labels, Meta, Resources, Target, TargetKind},
    workload::ProxyKind,
};
use serde::Serialize;
use serde_json::Value;

/// How many workloads are told.
const MOST: usize = 100;
/// The class of ambient's waypoints.
const WAYPOINT_CLASS: &str = "istio-waypoint";

/// What [`crate::Session::inventory`] answers.
#[derive(Debug, Default, Serialize)]
pub struct Inventory {
    /// The workloads that were found, at most a hundred.
    pub workloads: Vec<Found>,
    /// All policies, in the order read.
    pub policies: Vec<PolicyOf>,
}

/// A workload that was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// docs/formats.md, "Workload and mesh".
    pub workload: Value,
    /// What says that it exists: `Deployment shop/orders`, `the selector of AuthorizationPolicy shop/orders`.
    pub origin: String,
}

/// A policy and whom it reaches.
#[derive(Debug, Serialize)]
pub struct PolicyOf {
    /// `AuthorizationPolicy`, `RequestAuthentication` or `PeerAuthentication`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Of an AuthorizationPolicy.
    pub action: Option<&'static str>,
    /// Its file.
    pub file: String,
    /// Where it begins; 0 where not known.
    pub line: u32,
    /// Indices in [`Inventory::workloads`].
    pub workloads: Vec<usize>,
}

/// A workload, and what says that it exists.
struct Candidate {
    workload: Workload,
    origin: String,
}

/// Finds them.
pub(crate) fn inventory(sources: &[Source], resources: &Resources, mesh: &Mesh) -> Inventory {
    let mut candidates = of_manifests(sources);
    let named = of_policies(resources, mesh);
    // A selector names workloads that the manifests have; it is one by itself only where they have none.
    let new = named.into_iter().filter(|one| !candidates.iter().any(|known| covers(known, one, mesh)));
    let new: Vec<Candidate> = new.collect();
    candidates.extend(new);
    candidates.truncate(MOST);

    let mut policies = policies(resources);
    let mut workloads = Vec::new();
    for (index, candidate) in candidates.into_iter().enumerate() {
        // Both are in the order of the kinds, then as read.
        let attached = attachments(resources, &candidate.workload, mesh);
        for (policy, (_, attachment)) in policies.iter_mut().zip(attached) {
            if matches!(attachment, Attachment::Applies(_)) {
                policy.workloads.push(index);
            }
        }
        workloads.push(Found { workload: shape::workload(&candidate.workload), origin: candidate.origin });
    }
    Inventory { workloads, policies }
}

fn policies(resources: &Resources) -> Vec<PolicyOf> {
    let of = |kind, meta: &Meta, action| PolicyOf {
        kind,
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        action,
        file: meta.file.to_string(),
        line: meta.at.line,
        workloads: Vec::new(),
    };
    let authorization = resources
        .authorization
        .iter()
        .map(|one| of("AuthorizationPolicy", &one.meta, Some(action(one.action))));
    let tokens =
        resources.request_authentication.iter().map(|one| of("RequestAuthentication", &one.meta, None));
    let peers = resources.peer_authentication.iter().map(|one| of("PeerAuthentication", &one.meta, None));
    authorization.chain(tokens).chain(peers).collect()
}

/// As a policy writes it.
fn action(action: Action) -> &'static str {
    match action {
        Action::Allow => "ALLOW",
        Action::Deny => "DENY",
        Action::Audit => "AUDIT",
        Action::Custom => "CUSTOM",
    }
}

fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|wanted| labels.contains(wanted))
}

/// What the manifests have already reaches at least as far.
fn covers(known: &Candidate, named: &Candidate, mesh: &Mesh) -> bool {
    let (known, named) = (&known.workload, &named.workload);
    let anywhere = named.namespace == mesh.root_namespace && !named.labels.is_empty();
    (known.namespace == named.namespace || anywhere)
        && selects(&named.labels, &known.labels)
        && named.services.iter().all(|service| known.services.contains(service))
}

/// The workloads that selectors, references and namespaces of policies name: the most particular ones.
fn of_policies(resources: &Resources, mesh: &Mesh) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut whole: Vec<(&str, String)> = Vec::new();
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
                add(&mut found, selected(meta, labels), format!("the selector of {name}"));
            }
            Target::Refs(refs) => {
                for one in refs {
                    if let Some(workload) = referenced(meta, one.kind, &one.name) {
                        add(&mut found, workload, format!("a targetRef of {name}"));
                    }
                }
            }
            _ => whole.push((&meta.namespace, name)),
        }
    }
    for one in &resources.peer_authentication {
        let name = format!("PeerAuthentication {}/{}", one.meta.namespace, one.meta.name);
        match one.selector.as_ref().filter(|labels| !labels.is_empty()) {
            Some(labels) => add(&mut found, selected(&one.meta, labels), format!("the selector of {name}")),
            None => whole.push((&one.meta.namespace, name)),
        }
    }
    for (namespace, name) in whole {
        if namespace != mesh.root_namespace && !found.iter().any(|one| one.workload.namespace == namespace) {
            let workload = Workload { namespace: namespace.into(), ..Workload::default() };
            add(&mut found, workload, format!("the namespace of {name}"));
        }
    }
    found
}

/// Adds a workload, unless it or a more particular one is there; one that it is more particular than goes.
fn add(found: &mut Vec<Candidate>, workload: Workload, origin: String) {
    let same = |a: &Workload, b: &Workload| a.namespace == b.namespace && a.proxy == b.proxy;
    let within = |a: &Workload, b: &Workload| {
        same(a, b) && selects(&a.labels, &b.labels) && a.services.iter().all(|one| b.services.contains(one))
    };
    if found.iter().any(|known| within(&workload, &known.workload)) {
        return;
    }
    found.retain(|known| !within(&known.workload, &workload));
    found.push(Candidate { workload, origin });
}

fn selected(meta: &Meta, labels: &Labels) -> Workload {
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

fn referenced(meta: &Meta, kind: TargetKind, name: &str) -> Option<Workload> {
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

/// The workloads among the objects of Kubernetes that stand beside the policies.
fn of_manifests(sources: &[Source]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for source in sources {
        // Reading twice costs, and most texts have policies alone.
        if !source.text.contains("containers") && !source.text.contains("gateway.networking.k8s.io") {
            continue;
        }
        let (documents, _) = gnomon_manifests::parse(&source.text, &source.name);
        let mut waiting: Vec<&Node> = documents.iter().rev().collect();
        while let Some(node) = waiting.pop() {
            match node.get("items").and_then(Node::as_list) {
                Some(items) => waiting.extend(items.iter().rev()),
                None => found.extend(of_manifest(node)),
            }
        }
    }
    found
}

fn of_manifest(node: &Node) -> Option<Candidate> {
    let text = |node: &Node, path: &[&str]| {
        let inner = path.iter().try_fold(node, |at, name| at.get(name))?;
        inner.as_str().map(str::to_string)
    };
    let kind = text(node, &["kind"])?;
    let name = text(node, &["metadata", "name"]).or_else(|| text(node, &["metadata", "generateName"]))?;
    let namespace = text(node, &["metadata", "namespace"]).unwrap_or_else(|| "default".into());
    let origin = format!("{kind} {namespace}/{name}");
    if kind == "Gateway" && text(node, &["apiVersion"])?.starts_with("gateway.networking.k8s.io/") {
        let class = text(node, &["spec", "gatewayClassName"]).unwrap_or_default();
        let proxy = if class == WAYPOINT_CLASS { ProxyKind::Waypoint } else { ProxyKind::Gateway };
        return Some(Candidate { workload: gateway(&namespace, &name, proxy), origin });
    }
    let spec = node.get("spec")?;
    // A Pod, what makes pods, and what makes what makes pods.
    let template = [&["jobTemplate", "spec", "template"][..], &["template"][..]]
        .into_iter()
        .find_map(|path| path.iter().try_fold(spec, |at, name| at.get(name)));
    let pod = template.unwrap_or(node);
    pod.get("spec")?.get("containers")?.as_list()?;
    let labels =
        pod.get("metadata").and_then(|meta| meta.get("labels")).and_then(Node::as_map).unwrap_or_default();
    let mut labels: Labels = labels
        .iter()
        .filter_map(|(key, value)| Some((key.name.clone(), value.as_str()?.to_string())))
        .collect();
    labels.sort();
    let account = text(pod, &["spec", "serviceAccountName"]).unwrap_or_default();
    let proxy = if is_gateway(&labels) { ProxyKind::Gateway } else { ProxyKind::Sidecar };
    let workload =
        Workload { name, namespace, labels, service_account: account, proxy, ..Workload::default() };
    Some(Candidate { workload, origin })
}
