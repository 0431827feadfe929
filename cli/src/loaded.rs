//! What a proxy has loaded, in place of policies.

use crate::{
    environment::EnvironmentArgs,
    findings, style,
    workloads::{All, chosen},
};
use gnomon_analysis::{
    imported::Proxy,
    workloads::{Found, find},
};
use gnomon_engine::{Mesh, Workload};
use gnomon_envoy_config::import::ProxyNode;
use gnomon_manifests::{Loaded, LoadedProxy, imported, imported_text, read_file};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

const HEADING: &str = "Policies";

/// Which file, and what of it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LoadedArgs {
    /// In place of policies what a proxy has loaded: `istioctl proxy-config listener POD -o json`, Envoy's /config_dump,
    /// or a single filter; YAML or JSON, or - for standard input
    #[arg(help_heading = HEADING, long, value_name = "FILE", conflicts_with_all = ["policies", "cluster"])]
    pub(crate) envoy_config: Option<PathBuf>,
    /// The listener of it, or one of its filter chains [default: all that come in]
    #[arg(help_heading = HEADING, long, value_name = "NAME|PORT", requires = "envoy_config")]
    pub(crate) listener: Option<String>,
}

/// A configuration, read, for as long as it is asked.
pub(crate) struct Configuration {
    read: LoadedProxy,
    listener: Option<String>,
    /// For people.
    pub(crate) name: String,
}

impl LoadedArgs {
    /// The configuration, where one is named; `Err`: what is wrong with it has been printed.
    pub(crate) fn read(&self, consequence: &str) -> Result<Option<Configuration>, ()> {
        match &self.envoy_config {
            None => Ok(None),
            Some(file) => read(file, self.listener.clone(), consequence).map(Some),
        }
    }
}

/// Reads a configuration; `Err`: what is wrong with it has been printed.
pub(crate) fn read(file: &Path, listener: Option<String>, consequence: &str) -> Result<Configuration, ()> {
    match imported(file) {
        Ok(read) => Ok(Configuration::new(read, file, listener)),
        Err(wrong) => {
            findings::print(&wrong.loaded, &mut HashSet::default(), consequence);
            Err(())
        }
    }
}

/// Is the file a proxy's configuration, and no Kubernetes object?
pub(crate) fn is_configuration(file: &Path) -> bool {
    let known = file.extension().and_then(|end| end.to_str());
    if !file.is_file() || !known.is_some_and(|end| matches!(end, "json" | "yaml" | "yml")) {
        return false;
    }
    let Ok(text) = read_file(file) else { return false };
    // Manifests may be many; no configuration of Envoy's has these.
    let manifests = ["apiVersion:", "\"apiVersion\":"].iter().any(|key| text.contains(key));
    !manifests && imported_text(text, &file.to_string_lossy()).is_ok()
}

/// The workload that policies are read for beside a configuration: as the options say it, else the one whose proxy it
/// is, with what the manifests know of it.
pub(crate) fn workload_beside(
    configuration: &Configuration,
    environment: &EnvironmentArgs,
    told: Workload,
    loaded: &Loaded,
    mesh: &Mesh,
) -> Result<(String, Workload), String> {
    let named = environment.tells_workload() || environment.workload_name().is_some();
    if let (false, Some(node)) = (named, configuration.node()) {
        let mut workload = node.workload.clone();
        let known = find(&loaded.inventory, &loaded.resources, mesh);
        let own = |found: &&Found| {
            found.workload.namespace == workload.namespace && found.is_called(&workload.name)
        };
        // Labels are as the proxy has them; what it serves only the manifests say.
        if let Some(found) = known.iter().find(own) {
            workload.services.clone_from(&found.workload.services);
            workload.connection_settings = found.workload.connection_settings;
            workload.verifies_peers = found.workload.verifies_peers;
        }
        return Ok((workload.display_name(), workload));
    }
    let asked = chosen(environment, told, All::No, loaded, mesh)?.into_iter().next();
    let asked = asked.ok_or("no workload is named")?;
    Ok((asked.name(), asked.workload))
}

impl Configuration {
    fn new(read: LoadedProxy, file: &Path, listener: Option<String>) -> Configuration {
        let file = file.to_string_lossy();
        let name = match (&listener, &read.imported.node) {
            (Some(listener), _) => format!("{listener} of {file}"),
            (None, Some(node)) => node.workload.display_name(),
            (None, None) => file.into_owned(),
        };
        Configuration { read, listener, name }
    }

    /// Whose proxy it is, as its bootstrap says.
    pub(crate) fn node(&self) -> Option<&ProxyNode> {
        self.read.imported.node.as_ref()
    }

    /// To be asked.
    pub(crate) fn proxy<'a>(&'a self, workload: &'a Workload, mesh: &'a Mesh) -> Proxy<'a> {
        Proxy { imported: &self.read.imported, listener: self.listener.as_deref(), workload, mesh }
    }

    /// The workload and the mesh that the options say, else whose proxy it is and of which version.
    pub(crate) fn around(
        &self,
        told: Option<Workload>,
        mesh: Mesh,
        version_is_told: bool,
    ) -> (Workload, Mesh) {
        let node = self.node();
        let workload = told.or_else(|| node.map(|node| node.workload.clone())).unwrap_or_default();
        let version = node.and_then(|node| node.version).filter(|_| !version_is_told);
        let istio_version = version.unwrap_or(mesh.istio_version);
        (workload, Mesh { istio_version, ..mesh })
    }

    /// Says how much of it is not evaluated, where there is anything.
    pub(crate) fn tell_unread(&self) {
        let named = self.read.findings.diagnostics.len();
        if named > 0 {
            eprintln!(
                "note: {} of {} {} not evaluated; what depends on one is not guessed",
                style::plural(named, "part"),
                style::safe(&self.name),
                if named == 1 { "is" } else { "are" }
            );
        }
    }
}
