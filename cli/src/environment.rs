//! The workload and the mesh, from options and files.

use crate::{sources::SourceArgs, style};
use gnomon_engine::{Diagnostic, Mesh, Workload, decode, workload::ProxyKind};
use gnomon_manifests::{Loaded, parse, read_file};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Whose policies are asked about.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Workload and mesh")]
pub(crate) struct EnvironmentArgs {
    /// The workload's namespace [default: default]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
    /// Its labels: app=webapp,version=v1
    #[arg(short, long, value_name = "K=V,…", value_delimiter = ',', value_parser = label)]
    labels: Vec<(String, String)>,
    /// Its proxy [default: sidecar]
    #[arg(long, value_enum)]
    proxy: Option<Proxy>,
    /// Its name, `orders`, `prod/orders` or `orders.prod`, as it is among the manifests or as the policies call it; or a file with all of
    /// it (`workload:`), over which the options above are laid
    #[arg(short, long, alias = "to", value_name = "NAME|FILE")]
    workload: Option<PathBuf>,
    /// A file with the mesh's settings (`mesh:`) [default: MeshConfig in the ConfigMap `istio`, where one is read]
    #[arg(long, value_name = "FILE")]
    mesh: Option<PathBuf>,
    /// A namespace alone says which of the known workloads are meant.
    #[arg(skip)]
    among_known: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Proxy {
    Sidecar,
    Gateway,
    Waypoint,
    Ztunnel,
    Agentgateway,
}

impl EnvironmentArgs {
    /// The namespace that the options say.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The same for a cluster, where all workloads are known: a namespace alone says which of them are meant.
    pub(crate) fn within(&self, sources: &SourceArgs) -> EnvironmentArgs {
        EnvironmentArgs { among_known: sources.cluster.cluster, ..self.clone() }
    }

    /// The workload to be looked up; `None`: a file says it, or nothing does.
    pub(crate) fn workload_name(&self) -> Option<&str> {
        let path = self.workload.as_deref()?;
        let is_file = ["yaml", "yml", "json"].iter().any(|end| path.extension() == Some(OsStr::new(end)));
        if is_file || path == Path::new("-") || path.is_file() { None } else { path.to_str() }
    }

    /// The same with this workload, as if it were given with -w.
    pub(crate) fn with_workload(&self, name: &Path) -> EnvironmentArgs {
        EnvironmentArgs { workload: Some(name.to_owned()), ..self.clone() }
    }

    /// The options say which workload it is, and need no manifests for it.
    pub(crate) fn tells_workload(&self) -> bool {
        let is_file = self.workload.is_some() && self.workload_name().is_none();
        let told = (self.namespace.is_some() && !self.among_known)
            || !self.labels.is_empty()
            || self.proxy.is_some();
        is_file || (told && self.workload.is_none())
    }

    /// The options say something of the mesh.
    pub(crate) fn tells_mesh(&self) -> bool {
        self.mesh.is_some()
    }

    /// A workload's namespace is not another one than that of the options.
    pub(crate) fn namespace_fits(&self, namespace: &str) -> bool {
        self.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
    }

    /// The workload and the mesh, or all that is wrong with their files.
    pub(crate) fn read(&self, findings: &mut Loaded) -> (Workload, Mesh) {
        let mut workload = match self.workload.as_ref().filter(|_| self.workload_name().is_none()) {
            Some(file) => read(file, findings, decode::workload).unwrap_or_default(),
            None => Workload::default(),
        };
        let mesh = match &self.mesh {
            Some(file) => self::mesh(file, findings),
            None => mesh_at_hand(findings),
        };
        if let Some(namespace) = &self.namespace {
            workload.namespace.clone_from(namespace);
        }
        self.lay_over(&mut workload);
        (workload, mesh)
    }

    /// The mesh is as somebody says, not assumed.
    pub(crate) fn knows_mesh(&self, loaded: &Loaded) -> bool {
        self.mesh.is_some() || loaded.inventory.mesh(&mut Vec::new()).is_some()
    }

    /// The labels and the proxy that the options say, over whatever else says them.
    pub(crate) fn lay_over(&self, workload: &mut Workload) {
        for (key, value) in &self.labels {
            workload.labels.retain(|(known, _)| known != key);
            workload.labels.push((key.clone(), value.clone()));
        }
        workload.labels.sort();
        workload.proxy = match self.proxy {
            Some(Proxy::Sidecar) => ProxyKind::Sidecar,
            Some(Proxy::Gateway) => ProxyKind::Gateway,
            Some(Proxy::Waypoint) => ProxyKind::Waypoint,
            Some(Proxy::Ztunnel) => ProxyKind::Ztunnel,
            Some(Proxy::Agentgateway) => ProxyKind::Agentgateway,
            None => workload.proxy,
        };
    }
}

/// The mesh out of a file.
pub(crate) fn mesh(file: &Path, findings: &mut Loaded) -> Mesh {
    read(file, findings, decode::mesh).unwrap_or_default()
}

/// The mesh that the manifests configure, if exactly one ConfigMap does.
fn mesh_at_hand(loaded: &mut Loaded) -> Mesh {
    let mut found = Vec::new();
    let Some((meta, mesh)) = loaded.inventory.mesh(&mut found) else { return Mesh::default() };
    eprintln!(
        "note: mesh settings from the ConfigMap {}/{} in {}",
        style::safe(&meta.namespace),
        style::safe(&meta.name),
        style::safe(&style::place(&meta.file, meta.at.line))
    );
    loaded.diagnostics.extend(found);
    mesh
}

type Decode<T> = fn(&gnomon_engine::Node, &Arc<str>, &mut Vec<Diagnostic>) -> T;

/// The first document of a file, decoded.
fn read<T>(path: &Path, findings: &mut Loaded, decode: Decode<T>) -> Option<T> {
    let text = match read_file(path) {
        Ok(text) => text,
        Err(unread) => {
            findings.diagnostics.push(*unread);
            return None;
        }
    };
    let file: Arc<str> = Arc::from(&*path.to_string_lossy());
    let (documents, problems) = parse(&text, &file);
    findings.diagnostics.extend(problems);
    let decoded = documents.first().map(|document| decode(document, &file, &mut findings.diagnostics));
    findings.sources.insert(file, text.into());
    decoded
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write a label as key=value".into()),
    }
}
