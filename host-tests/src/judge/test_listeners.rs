//! A listener for each set of policies and workload.

use super::{Judge, Question, alone};
use crate::{
    Bootstrap, ClientCert, Filters, Listener, ServerTls, candidate,
    config::{self, believe_claimed_sources},
    err::{Error, Result},
    ext_authz::ANSWER_HEADER,
    filter,
};
use gnomon_engine::{
    Mesh, Plan, Workload,
    attach::{attach, verifies_peers},
    jwt::Json,
    prepare::ProxySettings,
    request::Protocol,
    resource::{MtlsMode, Resources},
    workload::ProxyKind,
};
use gnomon_envoy_config::export;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// One listener and what it stands for.
pub(super) struct TestListener {
    pub(super) name: String,
    /// The policies, with key sets that we can sign for where claims are given.
    pub(super) resources: Arc<Resources>,
    /// TLS is not terminated: only its first bytes are looked at.
    pub(super) passthrough: bool,
    /// Namespaces and keys of the dynamic metadata that requests bring along, each in a header of its own.
    pub(super) metadata: Vec<(String, String)>,
    original: Arc<Resources>,
    workload: Workload,
    mesh: Mesh,
    protocol: Protocol,
    mode: MtlsMode,
    signs: bool,
    plan: OnceLock<Plan>,
}

impl TestListener {
    /// What stands in the listener, compiled.
    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::build(&self.resources, &self.workload, &self.mesh))
    }
}

/// The header that carries the metadata in this place.
pub(super) fn metadata_header(place: usize) -> String {
    format!("x-gnomon-metadata-{place}")
}

/// All of them.
pub(super) struct TestListeners<'a> {
    all: Vec<TestListener>,
    filter: Option<PathBuf>,
    /// The filter enforces, and nothing stands behind it.
    enforces: bool,
    judge: &'a Judge,
}

impl<'a> TestListeners<'a> {
    pub(super) fn new(judge: &'a Judge, filter: Option<&Path>, enforces: bool) -> TestListeners<'a> {
        TestListeners { all: Vec::new(), filter: filter.map(Path::to_owned), enforces, judge }
    }

    /// Requests are written down as well: by the native module, where it is the filter.
    pub(super) fn writes(&self) -> bool {
        !self.enforces && self.filter.as_deref().is_some_and(filter::is_module)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, place: usize) -> Result<&TestListener> {
        self.all.get(place).ok_or_else(|| Error::new("a question without a listener"))
    }

    /// Finds or makes the listener of each question; an inner error says why there can be none.
    pub(super) fn places(
        &mut self,
        questions: &[Question<'_>],
    ) -> Result<Vec<std::result::Result<usize, String>>> {
        questions.iter().map(|question| self.place(question)).collect()
    }

    fn place(&mut self, question: &Question<'_>) -> Result<std::result::Result<usize, String>> {
        let Question { resources, workload, mesh, request } = question;
        if let Some(why) = beyond(question) {
            return Ok(Err(why.into()));
        }
        let mode = match workload.proxy {
            ProxyKind::Sidecar => {
                let modes = attach(resources, workload, mesh).peer.modes();
                match modes.of(request.destination_port).possible[..] {
                    [only] => only.mode,
                    _ => return Ok(Err("PeerAuthentications of which nobody can tell the oldest".into())),
                }
            }
            _ => MtlsMode::Permissive,
        };
        let passthrough =
            request.protocol == Protocol::Tcp && request.sni.is_some() && request.principal.is_none();
        if passthrough && mode == MtlsMode::Strict {
            return Ok(Err("a TLS handshake that fails for want of a certificate: no filter sees it".into()));
        }
        let signs = request.claims.is_some();
        let same = |listener: &TestListener| {
            Arc::ptr_eq(&listener.original, resources)
                && listener.workload == **workload
                && listener.mesh == **mesh
                && listener.protocol == request.protocol
                && (listener.mode, listener.passthrough, listener.signs) == (mode, passthrough, signs)
        };
        // Questions about one set of policies mostly come together.
        let place = match self.all.iter().rposition(same) {
            Some(place) => place,
            None => {
                self.all.push(TestListener {
                    name: format!("listener-{}", self.all.len()),
                    resources: match signs {
                        true => Arc::new(candidate::with_our_keys(resources)),
                        false => Arc::clone(resources),
                    },
                    passthrough,
                    metadata: Vec::new(),
                    original: Arc::clone(resources),
                    workload: Workload::clone(workload),
                    mesh: Mesh::clone(mesh),
                    protocol: request.protocol,
                    mode,
                    signs,
                    plan: OnceLock::new(),
                });
                self.all.len().saturating_sub(1)
            }
        };
        if let Some(listener) = self.all.get_mut(place) {
            for (namespace, value) in &request.metadata {
                let Json::Object(members) = value else { continue };
                for (key, _) in members {
                    let wanted = (namespace.clone(), key.clone());
                    if !listener.metadata.contains(&wanted) {
                        listener.metadata.push(wanted);
                    }
                }
            }
        }
        Ok(Ok(place))
    }

    /// Envoy with all listeners.
    pub(super) fn bootstrap(&self) -> Result<Bootstrap> {
        let mut listeners =
            self.all.iter().map(|listener| self.listener(listener)).collect::<Result<Vec<_>>>()?;
        if self.enforces {
            listeners.iter_mut().for_each(alone::enforce);
        }
        // The exported filters name their clusters.
        let mut names = BTreeMap::new();
        for listener in &listeners {
            let (Filters::Http(filters) | Filters::Tcp(filters)) = &listener.filters;
            filters.iter().for_each(|filter| clusters_of(filter, &mut names));
        }
        let cluster = |(name, grpc): (&String, &bool)| match grpc {
            true => config::cluster(name, self.judge.grpc_provider.address(), true),
            false => config::cluster(name, self.judge.http_provider.address(), false),
        };
        // Workloads differ from listener to listener, so each filter is told its own.
        let mut bootstrap = Bootstrap::new(&Workload::default(), listeners);
        bootstrap.clusters = names.iter().map(cluster).collect();
        Ok(bootstrap)
    }

    fn listener(&self, listener: &TestListener) -> Result<Listener> {
        let mut filters = export(&listener.resources, &listener.workload, &listener.mesh, listener.protocol);
        filters.iter_mut().for_each(believe_claimed_sources);
        filters.iter_mut().for_each(let_the_answer_through);
        if let Some(wasm) = &self.filter {
            // Phase AUTHN: behind the CUSTOM providers, in front of jwt_authn.
            let is_provider = |filter: &Value| {
                filter.get("name").and_then(Value::as_str).is_some_and(|name| name.ends_with(".ext_authz"))
            };
            let place = filters.iter().rposition(is_provider).map_or(0, |last| last.saturating_add(1));
            let configuration =
                candidate::configuration(&listener.resources, &listener.workload, &listener.mesh);
            filters.insert(
                place,
                match listener.protocol {
                    Protocol::Http => filter::http_filter(wasm, &configuration),
                    Protocol::Tcp => filter::network_filter(wasm, &configuration),
                },
            );
        }
        let http = listener.protocol == Protocol::Http;
        // What it reads of a token the filter notes.
        let module = self.filter.as_ref().filter(|_| self.writes());
        let requests = module.map(|module| {
            let configuration =
                candidate::configuration(&listener.resources, &listener.workload, &listener.mesh);
            (module.clone(), configuration)
        });
        let waypoint = listener.workload.proxy == ProxyKind::Waypoint;
        if http && waypoint {
            filters.insert(0, waypoint_peer());
        }
        if !listener.metadata.is_empty() {
            filters.insert(0, metadata_of_headers(&listener.metadata));
        }
        let client = match listener.workload.proxy {
            ProxyKind::Sidecar => ClientCert::Required,
            _ => ClientCert::Optional,
        };
        let tls =
            ServerTls { identity: self.judge.server.clone(), client_ca: self.judge.ca.pem.clone(), client };
        Ok(Listener {
            filters: if http { Filters::Http(filters) } else { Filters::Tcp(filters) },
            on_connection: vec![claimed_peer(waypoint)],
            plaintext: listener.mode != MtlsMode::Strict,
            tls: (listener.mode != MtlsMode::Disable && !listener.passthrough).then_some(tls),
            passthrough: listener.passthrough,
            proxy: listener.workload.proxy,
            trusted_hops: match listener.workload.proxy {
                ProxyKind::Gateway => listener.mesh.num_trusted_proxies,
                _ => 0,
            },
            path: ProxySettings::of(&listener.workload, &listener.mesh).path,
            underscores: ProxySettings::of(&listener.workload, &listener.mesh).underscores,
            name: listener.name.clone(),
            requests: requests.filter(|_| http),
        })
    }
}

/// Tells the shadow filter all the peer's names, and the physical peer as it is told anywhere else, but the claimed one (see
/// [`believe_claimed_sources`]): a connection's remote address knows of no x-forwarded-for yet.
///
/// On a waypoint also the peer where an HBONE listener leaves it, for TCP.
fn claimed_peer(waypoint: bool) -> Value {
    let peer = |key: &str| {
        json!({
            "object_key": key,
            "factory_key": "envoy.string",
            "format_string": {
                "text_format_source": {"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"},
                "omit_empty_values": true,
            },
            "skip_if_empty": true,
        })
    };
    let keys = ["gnomon.peer_uri_san", "io.istio.peer_principal"];
    let peers: Vec<Value> = keys.iter().take(if waypoint { 2 } else { 1 }).map(|key| peer(key)).collect();
    json!({"name": "envoy.filters.network.set_filter_state", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
        "on_new_connection": [{
            "object_key": "gnomon.direct_remote_address",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_REMOTE_ADDRESS%"}},
        }],
        "on_downstream_tls_handshake": peers,
    }})
}

/// Leaves the peer where an HBONE listener leaves it for a waypoint's filters: no object for no peer.
fn waypoint_peer() -> Value {
    json!({"name": "envoy.filters.http.set_filter_state", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [{
            "object_key": "io.istio.peer_principal",
            "factory_key": "envoy.string",
            "format_string": {
                "text_format_source": {"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"},
                "omit_empty_values": true,
            },
            "skip_if_empty": true,
        }],
    }})
}

/// Makes dynamic metadata of the headers that carry it, and takes them away.
fn metadata_of_headers(metadata: &[(String, String)]) -> Value {
    let rule = |(place, (namespace, key)): (usize, &(String, String))| {
        json!({
            "header": metadata_header(place),
            "on_header_present": {
                "metadata_namespace": namespace, "key": key, "type": "PROTOBUF_VALUE", "encode": "BASE64",
            },
            "remove": true,
        })
    };
    json!({"name": "envoy.filters.http.header_to_metadata", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
        "request_rules": metadata.iter().enumerate().map(rule).collect::<Vec<_>>(),
    }})
}

/// Lets a provider that speaks HTTP see what it is to answer; gRPC's see all headers. The clusters of the latter get names
/// of their own: a provider of which only the name is known speaks HTTP here and gRPC there.
fn let_the_answer_through(filter: &mut Value) {
    let Some(config) = filter.get_mut("typedConfig").and_then(Value::as_object_mut) else { return };
    if let Some(name) =
        config.get_mut("grpcService").and_then(|service| service.pointer_mut("/envoyGrpc/clusterName"))
    {
        *name = format!("grpc:{}", name.as_str().unwrap_or_default()).into();
    }
    if !config.contains_key("httpService") {
        return;
    }
    let allowed = config.entry("allowedHeaders").or_insert_with(|| json!({"patterns": []}));
    if let Some(patterns) = allowed.get_mut("patterns").and_then(Value::as_array_mut) {
        patterns.push(json!({"exact": ANSWER_HEADER}));
    }
}

/// Why Envoy cannot be asked about these policies.
fn beyond(question: &Question<'_>) -> Option<&'static str> {
    let Question { resources, workload, mesh, request } = question;
    let mut rules = resources.request_authentication.iter().flat_map(|policy| &policy.rules);
    let mut locations = rules.clone().flat_map(|rule| &rule.from_headers);
    let in_tokens = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if matches!(workload.proxy, ProxyKind::Ztunnel | ProxyKind::Agentgateway) {
        return Some("ztunnel is no Envoy");
    }
    if question.reaches_no_policy() {
        return Some("a port of the proxy's own: no listener of istiod's is there");
    }
    if !verifies_peers(resources, workload) {
        return Some("a peer that nobody verifies: what the policies say is unknown, not what Envoy does");
    }
    if Plan::build(resources, workload, mesh).refused_configuration(request.protocol).is_some() {
        return Some("a configuration that Envoy refuses");
    }
    if resources.requires_tokens() {
        return Some("no istiod configures `presence: REQUIRED` yet");
    }
    if request.claims.is_some() && rules.any(|rule| rule.issuer.text.is_empty()) {
        return Some("nobody can sign for a rule that names no issuer");
    }
    if request.claims.is_some()
        && locations.any(|header| !header.prefix.is_empty() && header.prefix.bytes().all(in_tokens))
    {
        return Some(
            "a prefix that may stand within a token: the engine's and the signed one are not one text",
        );
    }
    if !request.metadata.is_empty() && request.protocol == Protocol::Tcp {
        return Some("dynamic metadata of a TCP connection: nothing here sets it");
    }
    if workload.proxy == ProxyKind::Waypoint
        && Plan::build(resources, workload, mesh).required_inputs().source_ip
    {
        return Some("a waypoint's listener is internal and its connections have no address; ours have one");
    }
    None
}

/// The clusters that a configuration names, and whether they speak gRPC.
fn clusters_of(config: &Value, names: &mut BTreeMap<String, bool>) {
    match config {
        Value::Object(fields) => {
            for (key, grpc) in [("cluster", false), ("clusterName", true)] {
                if let Some(name) = fields.get(key).and_then(Value::as_str) {
                    names.insert(name.into(), grpc);
                }
            }
            fields.values().for_each(|value| clusters_of(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| clusters_of(item, names)),
        _ => {}
    }
}
