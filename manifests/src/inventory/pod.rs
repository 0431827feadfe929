//! Pods, and what makes them.

use super::{
    Meta,
    object::{at, labels, list, port, text, value},
};
use gnomon_engine::{Node, Value, resource::Labels};

/// A Pod, or an object with a template of one.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Name and place of the object.
    pub meta: Meta,
    /// Its kind.
    pub kind: PodKind,
    /// The labels of the Pods, sorted by key.
    pub labels: Labels,
    /// The annotations of the Pods, sorted by key.
    pub annotations: Labels,
    /// `serviceAccountName`; `default` when absent.
    pub service_account: String,
    /// `hostNetwork`: no proxy is injected.
    pub host_network: bool,
    /// The ports that its containers declare.
    pub ports: Vec<ContainerPort>,
    /// The arguments of its container `istio-proxy`: which proxy it is.
    pub proxy_arguments: Vec<String>,
}

/// The kinds of Pods and of what makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum PodKind {
    /// Itself.
    Pod,
    /// `apps`.
    Deployment,
    /// `apps`.
    StatefulSet,
    /// `apps`.
    DaemonSet,
    /// `apps`.
    ReplicaSet,
    /// Of the core group, before ReplicaSet.
    ReplicationController,
    /// `batch`.
    Job,
    /// `batch`; its template is a Job's.
    CronJob,
}

/// One of a container's `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// `name`; empty when absent.
    pub name: String,
    /// `containerPort`.
    pub number: u16,
}

impl PodKind {
    pub(super) fn of(group: &str, kind: &str) -> Option<PodKind> {
        Some(match (group, kind) {
            ("", "Pod") => PodKind::Pod,
            ("", "ReplicationController") => PodKind::ReplicationController,
            ("apps" | "extensions", "Deployment") => PodKind::Deployment,
            ("apps", "StatefulSet") => PodKind::StatefulSet,
            ("apps" | "extensions", "DaemonSet") => PodKind::DaemonSet,
            ("apps" | "extensions", "ReplicaSet") => PodKind::ReplicaSet,
            ("batch", "Job") => PodKind::Job,
            ("batch", "CronJob") => PodKind::CronJob,
            _ => return None,
        })
    }

    /// As `kind` has it.
    pub fn name(self) -> &'static str {
        match self {
            PodKind::Pod => "Pod",
            PodKind::Deployment => "Deployment",
            PodKind::StatefulSet => "StatefulSet",
            PodKind::DaemonSet => "DaemonSet",
            PodKind::ReplicaSet => "ReplicaSet",
            PodKind::ReplicationController => "ReplicationController",
            PodKind::Job => "Job",
            PodKind::CronJob => "CronJob",
        }
    }
}

impl Pod {
    pub(super) fn read(node: &Node, meta: Meta, kind: PodKind) -> Self {
        let template = match kind {
            PodKind::Pod => Some(node),
            PodKind::CronJob => at(node, &["spec", "jobTemplate", "spec", "template"]),
            _ => at(node, &["spec", "template"]),
        };
        let map = |name: &str| {
            template.and_then(|pod| at(pod, &["metadata", name])).map(labels).unwrap_or_default()
        };
        let spec = template.and_then(|pod| pod.get("spec"));
        let listed = |name: &str| spec.map_or(&[][..], |spec| list(spec, name));
        let account = spec.map_or("", |spec| match text(spec, "serviceAccountName") {
            "" => text(spec, "serviceAccount"),
            name => name,
        });
        let on_host = spec.and_then(|spec| spec.get("hostNetwork"));
        let containers = listed("containers").iter().chain(listed("initContainers"));
        let proxy = containers.clone().find(|container| text(container, "name") == "istio-proxy");
        let arguments = proxy.map_or(&[][..], |proxy| list(proxy, "args"));
        let ports = containers.flat_map(|container| list(container, "ports"));
        let declared = |node: &Node| {
            Some(ContainerPort { name: text(node, "name").into(), number: port(node, "containerPort")? })
        };
        Pod {
            kind,
            labels: map("labels"),
            annotations: map("annotations"),
            service_account: if account.is_empty() { "default".into() } else { account.into() },
            host_network: matches!(on_host, Some(Node { value: Value::Bool(true), .. })),
            ports: ports.filter_map(declared).collect(),
            proxy_arguments: arguments.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
            meta,
        }
    }

    /// The value of one of the Pods' labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        value(&self.labels, key)
    }

    /// The value of one of the Pods' annotations.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        value(&self.annotations, key)
    }
}
