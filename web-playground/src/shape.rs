//! Requests, workloads, meshes and expectations as the formats have them: from values back to what people write.

use crate::api::{Finding, findings};
use gnomon_analysis::diff::document;
use gnomon_engine::{Mesh, Node, Workload, verdict::Outcome, workload::ProviderKind};
use gnomon_manifests::{
    request::RequestSpec,
    suite::{Expect, ExpectNearest, ExpectShadow, ExpectUnmet},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A text as values.
#[derive(Debug, Serialize)]
pub(crate) struct Documents {
    documents: Vec<Node>,
    diagnostics: Vec<Finding>,
}

pub(crate) fn documents(text: &str) -> Documents {
    let (documents, found) = gnomon_manifests::parse(text, "");
    Documents { documents, diagnostics: findings(found) }
}

/// Fields in order; what is not there is left out.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    fn some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn map(&mut self, name: &str, fields: Fields) {
        if !fields.0.is_empty() {
            self.put(name, Value::Object(fields.0));
        }
    }

    fn text(&mut self, name: &str, text: &str, default: &str) {
        if text != default {
            self.put(name, text);
        }
    }
}

/// docs/formats.md, "Request"; without `method` where it is GET.
pub(crate) fn request(spec: &RequestSpec) -> Value {
    let mut document = document(spec);
    if let Value::Object(fields) = &mut document {
        if fields.get("method").is_some_and(|method| method == "GET") {
            fields.remove("method");
        }
        if let Some(time) = spec.time {
            fields.insert("time".into(), json!(time));
        }
    }
    document
}

/// docs/formats.md, "Workload and mesh".
pub(crate) fn workload(workload: &Workload) -> Value {
    let mut out = Fields::default();
    out.text("name", &workload.name, "");
    out.put("namespace", workload.namespace.as_str());
    let mut labels = Fields::default();
    workload.labels.iter().for_each(|(key, value)| labels.put(key, value.as_str()));
    out.map("labels", labels);
    out.text("serviceAccount", &workload.service_account, "");
    if workload.proxy != Workload::default().proxy {
        out.put("proxy", json!(workload.proxy));
    }
    if let Some(verifies) = workload.verifies_peers {
        out.put("peerVerification", if verifies { "certificate" } else { "none" });
    }
    if let Some(settings) = workload.connection_settings {
        out.put("connectionSettings", json!(settings));
    }
    if !workload.services.is_empty() {
        out.put("services", workload.services.as_slice());
    }
    Value::Object(out.0)
}

/// docs/formats.md, "Workload and mesh"; only what is not Istio's default.
pub(crate) fn mesh(mesh: &Mesh) -> Value {
    let default = Mesh::default();
    let mut out = Fields::default();
    out.text("rootNamespace", &mesh.root_namespace, &default.root_namespace);
    out.text("trustDomain", &mesh.trust_domain, &default.trust_domain);
    if !mesh.trust_domain_aliases.is_empty() {
        out.put("trustDomainAliases", mesh.trust_domain_aliases.as_slice());
    }
    if !mesh.extension_providers.is_empty() {
        let providers = mesh.extension_providers.iter().map(|provider| match &provider.kind {
            ProviderKind::Named => json!(provider.name),
            ProviderKind::Http(entry) => json!({"name": provider.name, "envoyExtAuthzHttp": entry}),
            ProviderKind::Grpc(entry) => json!({"name": provider.name, "envoyExtAuthzGrpc": entry}),
        });
        out.put("extensionProviders", providers.collect::<Vec<Value>>());
    }
    if mesh.path_normalization != default.path_normalization {
        out.put("pathNormalization", json!(mesh.path_normalization));
    }
    if let Some(settings) = mesh.connection_settings {
        out.put("connectionSettings", json!(settings));
    }
    if mesh.num_trusted_proxies != 0 {
        out.put("numTrustedProxies", mesh.num_trusted_proxies);
    }
    if mesh.gateway_api_http_route_auth {
        out.put("gatewayApiHttpRouteAuth", true);
    }
    if mesh.istio_version != default.istio_version {
        out.put("istioVersion", mesh.istio_version.to_string());
    }
    Value::Object(out.0)
}

/// Formats §5; a verdict alone in the short form.
pub(crate) fn expect(expect: &Expect) -> Value {
    let mut out = Fields::default();
    out.some("verdict", expect.verdict.map(|verdict| json!(verdict)));
    out.some("status", expect.status.map(|status| json!(status)));
    out.some("stage", expect.stage.map(|stage| json!(stage)));
    out.some("details", expect.details.as_ref().map(|details| json!(details)));
    out.some("policy", expect.policy.as_ref().map(|policy| json!(policy)));
    out.some("location", expect.location.as_ref().map(|location| json!(location)));
    out.some("reason", expect.reason.as_deref());
    out.some("audit", expect.audit);
    out.some("missing", expect.missing.as_ref().map(|missing| json!(missing)));
    match (&expect.dry_run_allow, &expect.dry_run_deny) {
        (Some(None), Some(None)) => out.put("dryRun", Value::Null),
        (allow, deny) => {
            let mut both = Fields::default();
            both.some("allow", allow.as_ref().map(|of| of.as_ref().map(shadow)));
            both.some("deny", deny.as_ref().map(|of| of.as_ref().map(shadow)));
            out.map("dryRun", both);
        }
    }
    out.some("nearest", expect.nearest.as_ref().map(|of| of.as_ref().map(nearest)));
    match (out.0.len(), expect.verdict) {
        (0, _) => Value::Null,
        (1, Some(verdict)) => json!(word(verdict)),
        _ => Value::Object(out.0),
    }
}

fn shadow(expect: &ExpectShadow) -> Value {
    let mut out = Fields::default();
    out.some("result", expect.result);
    out.some("policy", expect.policy.as_ref().map(|policy| json!(policy)));
    Value::Object(out.0)
}

fn nearest(expect: &ExpectNearest) -> Value {
    let mut out = Fields::default();
    out.some("policy", expect.policy.as_deref());
    let unmet = |one: &ExpectUnmet| {
        let mut out = Fields::default();
        out.some("field", one.field.as_deref());
        out.some("expected", one.expected.as_ref().map(|values| json!(values)));
        out.some("got", one.got.as_ref().map(|got| json!(got)));
        Value::Object(out.0)
    };
    out.some("unmet", expect.unmet.as_ref().map(|all| all.iter().map(unmet).collect::<Vec<_>>()));
    Value::Object(out.0)
}

fn word(verdict: Outcome) -> &'static str {
    match verdict {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
        Outcome::Unknown => "unknown",
        Outcome::Redirect => "redirect",
    }
}
