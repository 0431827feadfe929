//! The workload and the mesh that questions are about.

use super::{Cursor, Fields, Problem, Reader, quoted, short};
use crate::{
    Diagnostic, Mesh, Node, Value, Workload,
    node::Key,
    workload::{
        ConnectionSettings, EscapedSlashes, ExtensionProvider, IstioVersion, PathNormalization, ProviderKind,
        ProxyKind, Service, Underscores,
    },
};
use alloc::{format, string::String, sync::Arc, vec::Vec};

/// Reads a workload, with or without the key `workload` around it. What is wrong goes to `diagnostics` and is left at
/// its default; `null` is the default workload.
pub fn workload(node: &Node, file: &Arc<str>, diagnostics: &mut Vec<Diagnostic>) -> Workload {
    let reader = Reader::new(file, "");
    let read = workload_at(wrapped(&reader, node, "workload"));
    diagnostics.extend(reader.into_diagnostics());
    read
}

/// Reads a mesh, with or without the key `mesh` around it. What is wrong goes to `diagnostics` and is left at its
/// default; `null` is the default mesh.
pub fn mesh(node: &Node, file: &Arc<str>, diagnostics: &mut Vec<Diagnostic>) -> Mesh {
    let reader = Reader::new(file, "");
    let read = mesh_at(wrapped(&reader, node, "mesh"));
    diagnostics.extend(reader.into_diagnostics());
    read
}

/// One file may hold both `workload:` and `mesh:`.
fn wrapped<'a>(reader: &'a Reader, node: &'a Node, name: &str) -> Cursor<'a> {
    const BOTH: [&str; 2] = ["workload", "mesh"];
    let entries = node.as_map().unwrap_or_default();
    let only_these = !entries.is_empty() && entries.iter().all(|(key, _)| BOTH.contains(&key.name.as_str()));
    const NOTHING: &Node = &Node { value: Value::Null, at: crate::Position { line: 0, column: 0 } };
    match node.get(name) {
        Some(inner) if only_these => reader.at_path(inner, name),
        None if only_these => reader.at_path(NOTHING, name),
        _ => reader.root(node),
    }
}

/// Reads a workload inside another document.
pub fn workload_at(cursor: Cursor<'_>) -> Workload {
    let mut read = Workload::default();
    if cursor.is_null() {
        return read;
    }
    let Some(mut fields) = cursor.fields() else { return read };
    let mut text = |name: &'static str| fields.string(name).map(|text| text.text);
    read.name = text("name").unwrap_or_default();
    read.namespace = text("namespace").filter(|name| !name.is_empty()).unwrap_or(read.namespace);
    read.service_account = text("serviceAccount").unwrap_or_default();
    read.labels = fields.string_map("labels");
    let kinds = [
        ("sidecar", ProxyKind::Sidecar),
        ("gateway", ProxyKind::Gateway),
        ("waypoint", ProxyKind::Waypoint),
        ("ztunnel", ProxyKind::Ztunnel),
        ("agentgateway", ProxyKind::Agentgateway),
    ];
    read.proxy = fields.word("proxy", &kinds).unwrap_or_default();
    if let Some(verifies) = fields.word("peerVerification", &[("certificate", true), ("none", false)]) {
        read.verifies_peers = Some(verifies);
    }
    read.connection_settings = fields.get("connectionSettings").and_then(connection_settings);
    for cursor in fields.list("services") {
        let Some(text) = cursor.string() else { continue };
        if Service::parse(&text.text).is_none() {
            let message = format!("{} names no service", quoted(&text.text));
            cursor.error("bad-service", message, "write name, namespace/name or ServiceEntry/name");
        }
        read.services.push(text.text);
    }
    fields.finish();
    read
}

/// Reads a mesh inside another document.
pub fn mesh_at(cursor: Cursor<'_>) -> Mesh {
    let mut read = Mesh::default();
    if cursor.is_null() {
        return read;
    }
    let Some(mut fields) = cursor.fields() else { return read };
    let mut text = |name: &'static str, default: String| {
        let written = fields.string_checked(name, |text| match text {
            "" => Err(Problem::new("empty-value", format!("{name} must not be empty"), "remove it")),
            _ => Ok(()),
        });
        written.map_or(default, |text| text.text)
    };
    read.root_namespace = text("rootNamespace", read.root_namespace);
    read.trust_domain = text("trustDomain", read.trust_domain);
    read.trust_domain_aliases = texts(&mut fields, "trustDomainAliases");
    for cursor in fields.list("extensionProviders") {
        read.extension_providers.extend(provider(cursor));
    }
    if let Some(cursor) = fields.get("pathNormalization") {
        read.path_normalization = normalization(cursor).unwrap_or_default();
    }
    read.connection_settings = fields.get("connectionSettings").and_then(connection_settings);
    // MeshConfig has them among the settings of all proxies, of which the others bear on no verdict.
    if let Some(default) = fields.get("defaultConfig")
        && let Some(mut default) = default.fields()
    {
        let settings = default.get("connectionSettings").and_then(connection_settings);
        read.connection_settings = settings.or(read.connection_settings);
    }
    if let Some(hops) = fields.integer("numTrustedProxies", 0..=i64::from(u32::MAX)) {
        read.num_trusted_proxies = u32::try_from(hops).unwrap_or_default();
    }
    if let Some(cursor) = fields.get("istioVersion") {
        read.istio_version = version(&cursor).unwrap_or(read.istio_version);
    }
    read.gateway_api_http_route_auth = fields.bool("gatewayApiHttpRouteAuth").unwrap_or_default();
    fields.finish();
    read
}

fn texts(fields: &mut Fields<'_>, name: &'static str) -> Vec<String> {
    fields.strings(name).into_iter().map(|text| text.text).collect()
}

/// A word, or MeshConfig's own `{normalization: WORD}`.
fn normalization(cursor: Cursor<'_>) -> Option<PathNormalization> {
    let words = [
        ("NONE", PathNormalization::None),
        ("BASE", PathNormalization::Base),
        ("MERGE_SLASHES", PathNormalization::MergeSlashes),
        ("DECODE_AND_MERGE_SLASHES", PathNormalization::DecodeAndMergeSlashes),
        // MeshConfig's zero value.
        ("DEFAULT", PathNormalization::Base),
    ];
    if cursor.node().as_map().is_none() {
        return cursor.word(&words);
    }
    let mut fields = cursor.fields()?;
    let read = fields.word("normalization", &words);
    fields.finish();
    read
}

/// Istio's own `connectionSettings`; the timeouts and limits in them bear on no verdict.
fn connection_settings(cursor: Cursor<'_>) -> Option<ConnectionSettings> {
    let mut fields = cursor.fields()?;
    let slashes = [
        ("PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED", None),
        ("KEEP_UNCHANGED", Some(EscapedSlashes::Keep)),
        ("REJECT_REQUEST", Some(EscapedSlashes::Reject)),
        ("UNESCAPE_AND_REDIRECT", Some(EscapedSlashes::Redirect)),
        ("UNESCAPE_AND_FORWARD", Some(EscapedSlashes::Forward)),
    ];
    let underscores = [
        ("HEADERS_WITH_UNDERSCORES_UNSPECIFIED", None),
        ("HEADERS_WITH_UNDERSCORES_ALLOW", Some(Underscores::Allow)),
        ("HEADERS_WITH_UNDERSCORES_REJECT_REQUEST", Some(Underscores::Reject)),
        ("HEADERS_WITH_UNDERSCORES_DROP_HEADER", Some(Underscores::Drop)),
    ];
    let settings = ConnectionSettings {
        edge: fields.string("profile").is_some_and(|profile| profile.text == "EDGE"),
        merge_slashes: fields.bool("httpMergeSlashes"),
        escaped_slashes: fields.word("httpPathWithEscapedSlashesAction", &slashes).flatten(),
        underscores: fields.word("httpHeadersWithUnderscoresAction", &underscores).flatten(),
    };
    // The timeouts and limits among them.
    fields.ignore(&[
        "listenerPerConnectionBufferLimitBytes",
        "clusterPerConnectionBufferLimitBytes",
        "globalDownstreamMaxConnections",
        "httpIdleTimeout",
        "httpMaxConnectionDuration",
        "httpMaxStreamDuration",
        "httpStreamIdleTimeout",
        "httpRequestTimeout",
        "httpRequestHeadersTimeout",
        "httpDrainTimeout",
        "httpMaxConcurrentStreams",
        "http2InitialStreamWindowSize",
        "http2InitialConnectionWindowSize",
    ]);
    fields.finish();
    Some(settings)
}

/// `1.30`, `1.30.2`, `v1.30`. YAML reads a bare 1.30 as a number; its text is still there.
fn version(cursor: &Cursor<'_>) -> Option<IstioVersion> {
    let text = match &cursor.node().value {
        Value::Number(text) | Value::String(text) => text.as_str(),
        _ => {
            cursor.wrong_type("a string");
            return None;
        }
    };
    let (oldest, newest) = (IstioVersion::OLDEST, IstioVersion::NEWEST);
    let known = IstioVersion::parse(text);
    if known.is_none() {
        let message = format!("expected an Istio version from {oldest} to {newest}, got {}", quoted(text));
        cursor.error("unknown-version", message, "write it in quotes, like \"1.30.2\" or \"1.30\"");
    }
    known
}

/// A name, or MeshConfig's own entry. Providers that are no authorizers (tracers, loggers) are passed over.
fn provider(cursor: Cursor<'_>) -> Option<ExtensionProvider> {
    if cursor.node().as_map().is_none() {
        let name = cursor.string()?;
        if name.text.is_empty() {
            cursor.error("empty-value", "a provider's name must not be empty", "");
            return None;
        }
        return Some(ExtensionProvider { name: name.text, kind: ProviderKind::Named });
    }
    let node = cursor.node();
    let mut fields = cursor.fields()?;
    let name = fields.string("name").filter(|name| !name.text.is_empty());
    if name.is_none() && fields.get("name").is_none_or(|name| name.node().as_str().is_some()) {
        fields.cursor().error("empty-value", "a provider must have a name", "");
    }
    let mut entry = |field: &'static str| {
        let cursor = fields.get(field)?;
        if cursor.node().as_map().is_none() {
            cursor.wrong_type("a map");
        }
        Some(cursor.node().clone())
    };
    let (http, grpc) = (entry("envoyExtAuthzHttp"), entry("envoyExtAuthzGrpc"));
    let kind = match (http, grpc) {
        (Some(_), Some(_)) => {
            let message = "envoyExtAuthzHttp and envoyExtAuthzGrpc exclude each other";
            fields.cursor().error("conflicting-provider", message, "make two providers of it");
            return None;
        }
        (Some(entry), None) => ProviderKind::Http(entry),
        (None, Some(entry)) => ProviderKind::Grpc(entry),
        (None, None) => {
            let says = |(key, node): &(Key, Node)| key.name != "name" && node.value != Value::Null;
            let others = node.as_map().unwrap_or_default().iter().any(says);
            if others {
                let text = name.map(|name| short(&name.text)).unwrap_or_default();
                let message = format!("the provider {text} is no external authorizer");
                let help = "CUSTOM needs envoyExtAuthzHttp or envoyExtAuthzGrpc";
                fields.cursor().warning("other-provider", message, help);
                return None;
            }
            ProviderKind::Named
        }
    };
    Some(ExtensionProvider { name: name?.text, kind })
}
