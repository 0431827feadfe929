//! The filter's configuration (docs/formats.md, "Filter configuration").

use gnomon_engine::{Mesh, Workload, workload::ProviderKind};
use serde_json::{Map, Value, json};

/// The configuration around a candidate (`{"resources": […]}` or `{"gzip": "…"}`). What is not given is left to the
/// filter: the workload to its proxy's node metadata, the mesh to Istio's defaults.
pub fn configuration(candidate: Value, workload: Option<Value>, mesh: &Mesh, report: Value) -> Value {
    let mut fields = Map::new();
    fields.insert("mode".into(), "shadow".into());
    fields.insert("candidate".into(), candidate);
    if let Some(workload) = workload {
        fields.insert("workload".into(), workload);
    }
    if *mesh != Mesh::default() {
        fields.insert("mesh".into(), mesh_fields(mesh));
    }
    if report.as_object().is_some_and(|report| !report.is_empty()) {
        fields.insert("report".into(), report);
    }
    Value::Object(fields)
}

/// `workload:` with every field that is known.
pub fn workload_fields(workload: &Workload) -> Value {
    let labels: Map<String, Value> =
        workload.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut fields = Map::new();
    fields.insert("namespace".into(), json!(workload.namespace));
    fields.insert("labels".into(), Value::Object(labels));
    fields.insert("proxy".into(), json!(workload.proxy));
    if !workload.services.is_empty() {
        fields.insert("services".into(), json!(workload.services));
    }
    if workload.verifies_peers == Some(false) {
        fields.insert("peerVerification".into(), "none".into());
    }
    if let Some(settings) = workload.connection_settings {
        fields.insert("connectionSettings".into(), json!(settings));
    }
    for (name, value) in [("name", &workload.name), ("serviceAccount", &workload.service_account)] {
        if !value.is_empty() {
            fields.insert(name.into(), json!(value));
        }
    }
    Value::Object(fields)
}

/// `mesh:` with every field.
pub fn mesh_fields(mesh: &Mesh) -> Value {
    let providers: Vec<Value> = mesh
        .extension_providers
        .iter()
        .map(|provider| match &provider.kind {
            ProviderKind::Named => json!(provider.name),
            ProviderKind::Http(entry) => json!({"name": provider.name, "envoyExtAuthzHttp": entry}),
            ProviderKind::Grpc(entry) => json!({"name": provider.name, "envoyExtAuthzGrpc": entry}),
        })
        .collect();
    let version = mesh.istio_version;
    let mut fields = json!({
        "rootNamespace": mesh.root_namespace,
        "trustDomain": mesh.trust_domain,
        "trustDomainAliases": mesh.trust_domain_aliases,
        "extensionProviders": providers,
        "pathNormalization": mesh.path_normalization,
        "numTrustedProxies": mesh.num_trusted_proxies,
        "gatewayApiHttpRouteAuth": mesh.gateway_api_http_route_auth,
        "istioVersion": version.to_string(),
    });
    if let (Some(settings), Some(fields)) = (mesh.connection_settings, fields.as_object_mut()) {
        fields.insert("connectionSettings".into(), json!(settings));
    }
    fields
}
