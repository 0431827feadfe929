//! Envoy's configuration, both ways: what istiod makes of policies ([`export`]), and what a proxy does that has loaded
//! something of the kind ([`import`]).
//!
//! The export is written from the policies as they stand, past the compiled [`Plan`](gnomon_engine::Plan), in istiod's
//! own shape: a second implementation that lets real Envoy judge the first. Istio 1.32 (`pilot/pkg/security/authz`,
//! `…/authn`); protobuf's JSON.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod ext_authz;
pub mod import;
mod jwt_authn;
mod matcher;
mod model;
mod rbac;
mod trust_domain;

use alloc::{string::String, vec::Vec};
use gnomon_engine::{
    Mesh, Workload, attach::attach, request::Protocol, resource::Resources, versions, workload::ProxyKind,
};
use serde_json::{Map, Value, json};

/// The security filters of one chain of `workload`, in their order: CUSTOM (RBAC and ext_authz for each provider),
/// JWT, then RBAC for AUDIT, DENY and ALLOW; stages without policies have none.
///
/// HTTP filters for [`Protocol::Http`], network filters for [`Protocol::Tcp`]: as `{"name", "typedConfig"}` with
/// protobuf's camel-case names. Peers are recognized by their certificate, on a waypoint by the filter state that its
/// HBONE listener leaves. ztunnel and agentgateway have no such
/// filters, so the list is empty. `ENABLE_GATEWAY_API_HTTPROUTE_AUTH` ([`Mesh::gateway_api_http_route_auth`]) renames a
/// gateway's ALLOW filter.
///
/// Traps: a cluster for each CUSTOM provider must exist where this is loaded (`outbound|PORT||HOST`, or the bare name
/// of a provider of which nothing else is known). A JWT rule without inline keys gets the key that istiod falls
/// back to, which nobody can sign for: Gnomon fetches nothing. A path template without a leading slash makes Envoy refuse
/// the whole configuration ([`gnomon_engine::template::Template::is_valid`]).
pub fn export(resources: &Resources, workload: &Workload, mesh: &Mesh, protocol: Protocol) -> Vec<Value> {
    if matches!(workload.proxy, ProxyKind::Ztunnel | ProxyKind::Agentgateway) {
        return Vec::new();
    }
    let resources = versions::known(resources, mesh.istio_version);
    let attached = attach(&resources, workload, mesh);
    let chain = model::Chain {
        tcp: protocol == Protocol::Tcp,
        filter_state: workload.proxy == ProxyKind::Waypoint,
        renames_allow: protocol == Protocol::Http
            && workload.proxy == ProxyKind::Gateway
            && mesh.gateway_api_http_route_auth
            && versions::renames_allow_filter(mesh.istio_version),
        mesh,
    };
    let mut filters = rbac::custom(&attached.authorization, &chain);
    if protocol == Protocol::Http {
        let rules: Vec<_> = attached.jwt_rules.iter().map(|(_, rule)| *rule).collect();
        filters.extend(jwt_authn::filter(&rules, mesh.istio_version, workload.proxy != ProxyKind::Sidecar));
    }
    filters.extend(rbac::stages(&attached.authorization, &chain));
    filters
}

/// One filter: its name, the protobuf type of its configuration, the configuration.
fn filter(name: &str, kind: &str, mut config: Map<String, Value>) -> Value {
    config.insert("@type".into(), format_type(kind));
    json!({ "name": name, "typedConfig": config })
}

fn format_type(kind: &str) -> Value {
    Value::String(alloc::format!("type.googleapis.com/envoy.extensions.{kind}"))
}

/// A map of these entries.
fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
}
