//! Today's policies and tomorrow's, from the scenario `examples/end-user-jwt`.

use gnomon_engine::{
    Mesh, Workload,
    request::Protocol,
    resource::{Resources, manifest::manifests},
    workload::ProxyKind,
};
use gnomon_envoy_config::export;
use gnomon_host_tests::{Error, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The scenario's stages build on each other; this is all of them.
const CURRENT: [&str; 3] = ["1-authentication", "2-require-a-token", "3-who-may-do-what"];

/// What the gateway enforces and what is evaluated beside it.
pub(crate) struct Scenario {
    /// For people, relative to the workspace.
    pub(crate) folder: PathBuf,
    /// A line for each of today's policies.
    pub(crate) current: Vec<String>,
    resources: Resources,
    /// For people, relative to the workspace.
    pub(crate) candidate_file: PathBuf,
    /// A line for each of tomorrow's.
    pub(crate) candidate: Vec<String>,
    /// For the filter's configuration.
    pub(crate) candidate_manifests: Vec<Value>,
    /// The ingress gateway.
    pub(crate) workload: Workload,
    /// Istio's defaults.
    pub(crate) mesh: Mesh,
}

impl Scenario {
    /// Reads both; a policy that Istio would refuse is an error with its place.
    pub(crate) fn load() -> Result<Scenario> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = PathBuf::from("examples/end-user-jwt");
        let candidate_file = folder.join("demo/candidate.yaml");
        let resources = read(&CURRENT.map(|set| workspace.join(&folder).join(set)))?;
        let candidate = read(&[workspace.join(&candidate_file)])?;
        Ok(Scenario {
            current: lines(&resources),
            resources,
            candidate: lines(&candidate),
            candidate_manifests: manifests(&candidate),
            folder,
            candidate_file,
            workload: Workload {
                name: "istio-ingressgateway".into(),
                namespace: "istio-system".into(),
                labels: vec![("app".into(), "istio-ingressgateway".into())],
                service_account: "istio-ingressgateway-service-account".into(),
                proxy: ProxyKind::Gateway,
                ..Workload::default()
            },
            mesh: Mesh::default(),
        })
    }

    /// Today's policies as istiod would configure Envoy's own filters.
    pub(crate) fn native_filters(&self) -> Vec<Value> {
        export(&self.resources, &self.workload, &self.mesh, Protocol::Http)
    }
}

fn read(paths: &[PathBuf]) -> Result<Resources> {
    let loaded = gnomon_manifests::load(paths)
        .map_err(|wrong| Error::new(format!("the demo's policies have errors:\n{wrong}")))?;
    Ok(loaded.resources)
}

fn lines(resources: &Resources) -> Vec<String> {
    let authentication = resources.request_authentication.iter().map(|policy| {
        let issuers: Vec<&str> = policy.rules.iter().map(|rule| rule.issuer.text.as_str()).collect();
        format!("RequestAuthentication {} of {}", policy.meta.name, issuers.join(", "))
    });
    let authorization = resources.authorization.iter().map(|policy| {
        let action = format!("{:?}", policy.action).to_uppercase();
        format!("AuthorizationPolicy {action} {}", policy.meta.name)
    });
    authentication.chain(authorization).collect()
}
