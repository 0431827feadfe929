//! A listener for each set of policies and workload.

use super::{Question, alone};
use crate::{
    Bootstrap, Ca, ClientCert, Filters, Listener, Names, ServerTls, candidate,
    config::{self, believe_claimed_sources},
    err::{Error, Result},
    filter,
};
use gnomon_engine::{
    Mesh, Workload,
    attach::attach,
    envoy::export,
    request::Protocol,
    resource::{MtlsMode, Presence, Resources},
    workload::ProxyKind,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One listener and what it stands for.
pub(super) struct Bench {
    pub(super) name: String,
    /// The policies, with key sets that we can sign for where claims are given.
    pub(super) resources: Resources,
    /// TLS is not terminated: only its first bytes are looked at.
    pub(super) passthrough: bool,
    original: Arc<Resources>,
    workload: Workload,
    mesh: Mesh,
    protocol: Protocol,
    mode: MtlsMode,
    signs: bool,
}

/// All of them.
pub(super) struct Benches {
    all: Vec<Bench>,
    filter: Option<PathBuf>,
    /// The filter enforces, and nothing stands behind it.
    pub(super) enforces: bool,
    pub(super) ca: Ca,
}

impl Benches {
    pub(super) fn new(filter: Option<&Path>) -> Result<Benches> {
        Ok(Benches {
            all: Vec::new(),
            filter: filter.map(Path::to_owned),
            enforces: false,
            ca: Ca::new("cluster.local")?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, place: usize) -> Result<&Bench> {
        self.all.get(place).ok_or_else(|| Error::new("a question without a listener"))
    }

    /// Finds or makes the listener of a question; the inner error says why there can be none.
    pub(super) fn place(&mut self, question: &Question<'_>) -> Result<std::result::Result<usize, String>> {
        let Question { resources, workload, mesh, request } = question;
        if workload.proxy == ProxyKind::Ztunnel {
            return Ok(Err("ztunnel is no Envoy".into()));
        }
        let mut rules = resources.request_authentication.iter().flat_map(|policy| &policy.rules);
        if rules.clone().any(|rule| rule.presence == Presence::Required) {
            return Ok(Err("no istiod configures `presence: REQUIRED` yet".into()));
        }
        if request.claims.is_some() && rules.any(|rule| rule.issuer.text.is_empty()) {
            return Ok(Err("nobody can sign for a rule that names no issuer".into()));
        }
        let mode = match workload.proxy {
            ProxyKind::Sidecar => attach(resources, workload, mesh).peer.modes().of(request.destination_port),
            _ => MtlsMode::Permissive,
        };
        let passthrough =
            request.protocol == Protocol::Tcp && request.sni.is_some() && request.principal.is_none();
        let signs = request.claims.is_some();
        let same = |bench: &Bench| {
            Arc::ptr_eq(&bench.original, resources)
                && bench.workload == **workload
                && bench.mesh == **mesh
                && bench.protocol == request.protocol
                && (bench.mode, bench.passthrough, bench.signs) == (mode, passthrough, signs)
        };
        if let Some(place) = self.all.iter().position(same) {
            return Ok(Ok(place));
        }
        self.all.push(Bench {
            name: format!("bench-{}", self.all.len()),
            resources: if signs { candidate::with_our_keys(resources) } else { Resources::clone(resources) },
            passthrough,
            original: Arc::clone(resources),
            workload: Workload::clone(workload),
            mesh: Mesh::clone(mesh),
            protocol: request.protocol,
            mode,
            signs,
        });
        Ok(Ok(self.all.len().saturating_sub(1)))
    }

    /// Envoy with all listeners; every provider is the server at `provider`.
    pub(super) fn bootstrap(&self, provider: SocketAddr) -> Result<Bootstrap> {
        let mut listeners = self.all.iter().map(|bench| self.listener(bench)).collect::<Result<Vec<_>>>()?;
        if self.enforces {
            listeners.iter_mut().for_each(alone::enforce);
        }
        // The exported filters name their clusters.
        let mut names = BTreeSet::new();
        for listener in &listeners {
            let (Filters::Http(filters) | Filters::Tcp(filters)) = &listener.filters;
            filters.iter().for_each(|filter| clusters_of(filter, &mut names));
        }
        // Workloads differ from listener to listener, so each filter is told its own.
        let mut bootstrap = Bootstrap::new(&Workload::default(), listeners);
        bootstrap.clusters = names.iter().map(|name| config::cluster(name, provider, false)).collect();
        Ok(bootstrap)
    }

    fn listener(&self, bench: &Bench) -> Result<Listener> {
        let mut filters = export(&bench.resources, &bench.workload, &bench.mesh, bench.protocol);
        filters.iter_mut().for_each(believe_claimed_sources);
        if let Some(wasm) = &self.filter {
            // Phase AUTHN: behind the CUSTOM providers, in front of jwt_authn.
            let is_provider = |filter: &Value| {
                filter.get("name").and_then(Value::as_str).is_some_and(|name| name.ends_with(".ext_authz"))
            };
            let place = filters.iter().rposition(is_provider).map_or(0, |last| last.saturating_add(1));
            let configuration = candidate::configuration(&bench.resources, &bench.workload, &bench.mesh);
            filters.insert(
                place,
                match bench.protocol {
                    Protocol::Http => filter::http_filter(wasm, &configuration),
                    Protocol::Tcp => filter::network_filter(wasm, &configuration),
                },
            );
        }
        let http = bench.protocol == Protocol::Http;
        if http && bench.workload.proxy == ProxyKind::Waypoint {
            filters.insert(0, waypoint_peer());
        }
        let identity = self.ca.issue(&Names::principal("cluster.local/ns/gnomon/sa/server"))?;
        let client = match bench.workload.proxy {
            ProxyKind::Sidecar => ClientCert::Required,
            _ => ClientCert::Optional,
        };
        let tls = ServerTls { identity, client_ca: self.ca.pem.clone(), client };
        Ok(Listener {
            filters: if http { Filters::Http(filters) } else { Filters::Tcp(filters) },
            on_connection: vec![claimed_peer()],
            plaintext: bench.mode != MtlsMode::Strict,
            tls: (bench.mode != MtlsMode::Disable && !bench.passthrough).then_some(tls),
            passthrough: bench.passthrough,
            proxy: bench.workload.proxy,
            trusted_hops: match bench.workload.proxy {
                ProxyKind::Gateway => bench.mesh.num_trusted_proxies,
                _ => 0,
            },
            path_normalization: bench.mesh.path_normalization,
            name: bench.name.clone(),
        })
    }
}

/// Tells the shadow filter all the peer's names, and the physical peer as it is told anywhere else, but the claimed one (see
/// [`believe_claimed_sources`]): a connection's remote address knows of no x-forwarded-for yet.
fn claimed_peer() -> Value {
    json!({"name": "envoy.filters.network.set_filter_state", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
        "on_new_connection": [{
            "object_key": "gnomon.direct_remote_address",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_REMOTE_ADDRESS%"}},
        }],
        "on_downstream_tls_handshake": [{
            "object_key": "gnomon.peer_uri_san",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"}},
        }],
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

fn clusters_of(config: &Value, names: &mut BTreeSet<String>) {
    match config {
        Value::Object(fields) => {
            for key in ["cluster", "clusterName"] {
                if let Some(name) = fields.get(key).and_then(Value::as_str) {
                    names.insert(name.into());
                }
            }
            fields.values().for_each(|value| clusters_of(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| clusters_of(item, names)),
        _ => {}
    }
}
