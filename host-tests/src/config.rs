//! Envoy's bootstrap with listeners as Istio's proxies have them. The filters are given; everything around them that
//! bears on what they see is made here.

use crate::{access_log, certs::Identity, filter};
use gnomon_engine::{
    path::PathHandling,
    workload::{PathNormalization, ProxyKind, Underscores, Workload},
};
use serde_json::{Map, Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A whole Envoy.
#[derive(Clone, Default)]
pub struct Bootstrap {
    /// Stands in the node's metadata, as Istio's agent puts it there.
    pub workload: Workload,
    /// Listeners; their names are unique.
    pub listeners: Vec<Listener>,
    /// Clusters that the filters name (see [`cluster`]).
    pub clusters: Vec<Value>,
}

/// The security filters of a listener, in order; what ends the chain is added.
#[derive(Clone)]
pub enum Filters {
    /// HTTP filters. What gets through them is answered 200, `ok`, with the header `x-path`: the path as the filters
    /// saw it.
    Http(Vec<Value>),
    /// Network filters. What gets through them is echoed.
    Tcp(Vec<Value>),
}

/// Whether a TLS client must show a certificate. One that is shown must be of the right CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCert {
    /// As a gateway's `SIMPLE` TLS with a client CA.
    Optional,
    /// As Istio's mutual TLS.
    Required,
}

/// The TLS side of a listener.
#[derive(Clone)]
pub struct ServerTls {
    /// The server's own certificate.
    pub identity: Identity,
    /// The CA of the clients, in PEM.
    pub client_ca: String,
    /// Must they show a certificate?
    pub client: ClientCert,
}

/// One listener on a free port of the loopback.
#[derive(Clone)]
pub struct Listener {
    /// Its name, also the `stat_prefix` of what is in it.
    pub name: String,
    /// What requests go through.
    pub filters: Filters,
    /// Network filters in front of all that, for every connection.
    pub on_connection: Vec<Value>,
    /// Plaintext gets a filter chain. False with TLS is STRICT: plaintext is refused, `filter_chain_not_found`.
    pub plaintext: bool,
    /// TLS gets a filter chain.
    pub tls: Option<ServerTls>,
    /// TLS gets the plaintext's filter chain: it is not terminated, its SNI is all that is seen. Only without `tls`.
    pub passthrough: bool,
    /// Decides about addresses: gateways stand at the edge, the others trust the last `x-forwarded-for` entry.
    pub proxy: ProxyKind,
    /// `numTrustedProxies`.
    pub trusted_hops: u32,
    /// What is done to the path before the filters see it.
    pub path: PathHandling,
    /// What is done to headers with an underscore.
    pub underscores: Underscores,
    /// The native module writes requests down, with this configuration; the file is beside the access log.
    pub requests: Option<(PathBuf, Value)>,
}

impl Listener {
    /// A sidecar's plaintext HTTP listener with Istio's defaults.
    pub fn http(name: &str, filters: Vec<Value>) -> Self {
        Listener {
            name: name.into(),
            filters: Filters::Http(filters),
            on_connection: Vec::new(),
            plaintext: true,
            tls: None,
            passthrough: false,
            proxy: ProxyKind::Sidecar,
            trusted_hops: 0,
            path: PathNormalization::Base.into(),
            underscores: Underscores::Allow,
            requests: None,
        }
    }

    /// A sidecar's plaintext TCP listener.
    pub fn tcp(name: &str, filters: Vec<Value>) -> Self {
        Listener { filters: Filters::Tcp(filters), ..Listener::http(name, Vec::new()) }
    }

    fn to_json(&self, log: &Path) -> Value {
        let mut chains = Vec::new();
        if let Some(tls) = &self.tls {
            chains.push(json!({
                "name": "tls",
                "filter_chain_match": {"transport_protocol": "tls"},
                "transport_socket": tls.to_json(),
                "filters": self.network_filters(log, Some(tls)),
            }));
        }
        if self.passthrough {
            chains.push(json!({"name": "any", "filters": self.network_filters(log, None)}));
        } else if self.plaintext {
            chains.push(json!({
                "name": "plaintext",
                "filter_chain_match": {"transport_protocol": "raw_buffer"},
                "filters": self.network_filters(log, None),
            }));
        }
        let mut connections = access_log::config(log, &self.name);
        if let (Filters::Http(_), Some(entry)) = (&self.filters, connections.as_object_mut()) {
            // Requests are logged by the HTTP connection manager; only what never gets there is logged here.
            entry.insert("filter".into(), json!({"response_flag_filter": {"flags": ["NR"]}}));
        }
        json!({
            "name": self.name,
            "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
            "listener_filters": [
                // Lets a client on the loopback come from any address; who sends no such header keeps its own.
                {"name": "envoy.filters.listener.proxy_protocol", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
                    "allow_requests_without_proxy_protocol": true,
                }},
                {"name": "envoy.filters.listener.tls_inspector", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
                }},
            ],
            "filter_chains": chains,
            "access_log": [connections],
        })
    }

    fn network_filters(&self, log: &Path, tls: Option<&ServerTls>) -> Value {
        let mut chain = self.on_connection.clone();
        if let (Filters::Http(filters), Some(_)) = (&self.filters, tls) {
            chain.extend(filters.iter().find_map(filter::peer_names));
        }
        match &self.filters {
            Filters::Http(filters) => chain.push(self.connection_manager(filters, log)),
            Filters::Tcp(filters) => {
                chain.extend(filters.iter().cloned());
                chain.push(json!({"name": "envoy.filters.network.echo", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo",
                }}));
            }
        }
        Value::Array(chain)
    }

    fn connection_manager(&self, filters: &[Value], log: &Path) -> Value {
        let mut filters = filters.to_vec();
        filters.push(json!({"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}));
        let edge = self.proxy == ProxyKind::Gateway;
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": self.name,
            "use_remote_address": edge,
            "xff_num_trusted_hops": self.trusted_hops,
            "forward_client_cert_details": if edge { "SANITIZE_SET" } else { "APPEND_FORWARD" },
            "set_current_client_cert_details": {"subject": true, "uri": true, "dns": true},
            "http_filters": filters,
            "access_log": [access_log::config(log, &self.name)],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
                "match": {"prefix": "/"},
                "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
                "response_headers_to_add": [
                    {"header": {"key": "x-path", "value": "%REQ(:PATH)%"}},
                ],
            }]}]},
        });
        if let (Some((module, configuration)), Some(logs)) =
            (&self.requests, manager.get_mut("access_log").and_then(Value::as_array_mut))
        {
            let mut configuration = configuration.clone();
            let file = log.with_file_name(access_log::REQUESTS);
            if let Some(fields) = configuration.as_object_mut() {
                let requests = json!({"file": file.to_string_lossy(), "headers": [access_log::CASE_HEADER]});
                fields.insert("requests".into(), requests);
            }
            logs.push(filter::access_logger(module, &configuration));
        }
        if let Some(manager) = manager.as_object_mut() {
            manager.append(&mut path_handling(&self.path));
            let underscores = match self.underscores {
                Underscores::Allow => "ALLOW",
                Underscores::Reject => "REJECT_REQUEST",
                Underscores::Drop => "DROP_HEADER",
            };
            let options = json!({"headers_with_underscores_action": underscores});
            manager.insert("common_http_protocol_options".into(), options);
            manager.insert("upgrade_configs".into(), json!([{"upgrade_type": "websocket"}]));
        }
        json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager})
    }
}

/// What istiod makes of `meshConfig.pathNormalization` and of `connectionSettings`.
fn path_handling(handling: &PathHandling) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("normalize_path".into(), handling.normalize.into());
    fields.insert("merge_slashes".into(), handling.merge_slashes.into());
    fields.insert("path_with_escaped_slashes_action".into(), json!(handling.escaped_slashes));
    fields
}

impl ServerTls {
    fn to_json(&self) -> Value {
        json!({"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": self.client == ClientCert::Required,
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": self.identity.certificate},
                    "private_key": {"inline_string": self.identity.key},
                }],
                "validation_context": {"trusted_ca": {"inline_string": self.client_ca}},
                "alpn_protocols": ["h2", "http/1.1"],
            },
        }})
    }
}

/// A static cluster with one endpoint, under the name that a filter calls it by. `http2` for gRPC.
pub fn cluster(name: &str, to: SocketAddr, http2: bool) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address(to)}}]},
        ]},
    });
    if let (true, Some(fields)) = (http2, cluster.as_object_mut()) {
        let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }});
        fields.insert("typed_extension_protocol_options".into(), options);
    }
    cluster
}

/// Lets `ipBlocks` believe PROXY headers, so that a client on the loopback can come from anywhere: istiod's
/// `direct_remote_ip` means the socket's address, Envoy's older `source_ip` the claimed one (before
/// x-forwarded-for); the matchers are the same.
pub fn believe_claimed_sources(filter: &mut Value) {
    match filter {
        Value::Object(fields) => {
            // Protobuf's JSON has both spellings.
            for (socket, claimed) in [("direct_remote_ip", "source_ip"), ("directRemoteIp", "sourceIp")] {
                if let Some(range) = fields.remove(socket) {
                    fields.insert(claimed.into(), range);
                }
            }
            fields.values_mut().for_each(believe_claimed_sources);
        }
        Value::Array(items) => items.iter_mut().for_each(believe_claimed_sources),
        _ => {}
    }
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}

/// What Istio makes of `extraStatTags: [gnomon_policy, gnomon_result]`, the labels of the filter's metrics.
fn stats_tags() -> Value {
    let tag = |name: &str| json!({"tag_name": name, "regex": format!(r"({name}=\.=(.*?);\.;)")});
    json!([tag("gnomon_policy"), tag("gnomon_result")])
}

impl Bootstrap {
    /// For this workload, with these listeners.
    pub fn new(workload: &Workload, listeners: Vec<Listener>) -> Self {
        Bootstrap { workload: workload.clone(), listeners, clusters: Vec::new() }
    }

    /// Envoy's configuration; every line of access log goes to `log`.
    pub fn to_json(&self, log: &Path) -> Value {
        let listeners: Vec<Value> = self.listeners.iter().map(|listener| listener.to_json(log)).collect();
        json!({
            "node": self.node(),
            "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
            "layered_runtime": {"layers": [{"name": "istio", "static_layer": {
                // Istio's bootstrap; the first: Envoy's own limit of 100 refuses regexes that istiod makes.
                "re2.max_program_size.error_level": 32768,
                "envoy.reloadable_features.http_reject_path_with_fragment": false,
                // The native module's metrics then have the names of the wasm filter's.
                "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix": true,
            }}]},
            "stats_config": {"stats_tags": stats_tags()},
            "static_resources": {"listeners": listeners, "clusters": self.clusters},
        })
    }

    /// The node as Istio's agent describes it: the filter reads its workload from the metadata.
    fn node(&self) -> Value {
        let workload = &self.workload;
        let kind = match workload.proxy {
            ProxyKind::Gateway => "router",
            ProxyKind::Waypoint => "waypoint",
            ProxyKind::Sidecar | ProxyKind::Ztunnel | ProxyKind::Agentgateway => "sidecar",
        };
        let name = if workload.name.is_empty() { "workload" } else { &workload.name };
        let labels: Map<String, Value> =
            workload.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        json!({
            "id": format!("{kind}~127.0.0.1~{name}.{ns}~{ns}.svc.cluster.local", ns = workload.namespace),
            "cluster": format!("{name}.{}", workload.namespace),
            "metadata": {
                "NAME": name,
                "NAMESPACE": workload.namespace,
                "LABELS": labels,
                "SERVICE_ACCOUNT": workload.service_account,
                "WORKLOAD_NAME": name,
                "MESH_ID": "cluster.local",
                "CLUSTER_ID": "Kubernetes",
                "ISTIO_VERSION": "1.30.0",
            },
        })
    }
}
