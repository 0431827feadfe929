//! Where filters stand in what people have: dumps, lists of listeners, single filters.

use super::{
    Direction, Listener,
    chain::{Chain, Does, Filter, HttpSettings, Socket},
    connection::{Inspectors, bound_to},
    criteria::Criteria,
    evaluate::BLACK_HOLE,
    ext_authz::ExtAuthz,
    fields::{Context, Place, get, integer, is_true, list, text},
    jwt::Jwt,
    rbac::Rbac,
    tree::Tree,
};
use crate::rbac::RENAMED_ALLOW;
use alloc::{format, string::String, sync::Arc, vec::Vec};
use gnomon_engine::{
    node::{Node, Value},
    path::PathHandling,
    request::Protocol,
    verdict::Stage,
    workload::{EscapedSlashes, Underscores},
};

/// What a filter is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rbac {
        network: bool,
    },
    Jwt,
    ExtAuthz {
        network: bool,
    },
    HttpManager,
    /// Nothing that decides.
    Harmless,
    /// It may answer requests or change them, but is no policy of Istio's.
    Other,
}

/// All listeners of a document.
pub(super) fn listeners(node: &Node, place: &Place<'_>, context: &mut Context) -> Vec<Listener> {
    let mut found = Vec::new();
    // Bootstraps repeat the static listeners of a dump.
    document(node, place, 8, &mut found, context);
    let mut named = None;
    for listener in &mut found {
        context.object = format!("listener {}", gnomon_engine::decode::short(&listener.name));
        for chain in &mut listener.chains {
            if let Some((name, from)) = chain.routes_elsewhere.take() {
                let named: &Vec<_> = named.get_or_insert_with(|| super::routes::named(node));
                match named.iter().find(|(other, _)| *other == name) {
                    Some((_, routes)) => {
                        let place = Place::ROOT.field("routeConfig");
                        super::routes::apply(routes, &place, from, chain, context);
                    }
                    None => super::routes::missing(chain, from, &name, context),
                }
            }
            // What is disabled, and enabled by no route.
            chain
                .filters
                .retain(|filter| !matches!(filter.does, Does::Nothing(_)) || !filter.by_route.is_empty());
        }
        context.object.clear();
    }
    found
}

fn document(node: &Node, place: &Place<'_>, depth: usize, found: &mut Vec<Listener>, context: &mut Context) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if let Value::List(items) = &node.value {
        let all_filters = !items.is_empty() && items.iter().all(|item| filter_kind(item).is_some());
        if all_filters {
            found.extend(bare(items, place, context));
        } else {
            for (index, item) in items.iter().enumerate() {
                document(item, &place.index(index), depth, found, context);
            }
        }
        return;
    }
    let has = |name| get(node, name).is_some();
    if has("filterChains") || has("defaultFilterChain") {
        found.push(listener(node, place, context));
    } else if let Some(configs) = get(node, "configs") {
        let place = place.field("configs");
        let items = || configs.as_list().unwrap_or_default().iter().enumerate();
        let dumps =
            |item: &Node| get(item, "dynamicListeners").is_some() || get(item, "staticListeners").is_some();
        let any = items().any(|(_, item)| dumps(item));
        for (index, item) in items().filter(|(_, item)| dumps(item) || !any) {
            document(item, &place.index(index), depth, found, context);
        }
    } else if has("dynamicListeners") || has("staticListeners") {
        for field in ["staticListeners", "dynamicListeners"] {
            let place = place.field(field);
            for (index, item) in list(node, field).iter().enumerate() {
                let place = place.index(index);
                // What warms up or drains does not decide.
                if let Some(state) = get(item, "activeState") {
                    document(state, &place.field("activeState"), depth, found, context);
                } else if get(item, "listener").is_some() {
                    document(item, &place, depth, found, context);
                }
            }
        }
    } else if let Some((name, inner)) = ["bootstrap", "staticResources", "listeners", "listener", "resources"]
        .into_iter()
        .find_map(|name| Some((name, get(node, name)?)))
    {
        document(inner, &place.field(name), depth, found, context);
    } else if has("filters") {
        let mut chain = chain(node, place, context);
        chain.bare = true;
        unless_known(&mut chain);
        let filters = list(node, "filters");
        // Other things have filters too.
        if !filters.is_empty() && filters.iter().all(|item| filter_kind(item).is_some()) {
            found.push(Listener::around(chain));
        }
    } else if has("httpFilters") || filter_kind(node).is_some() {
        found.extend(bare(core::slice::from_ref(node), place, context));
    }
}

/// Filters without a listener; `None`: none of them decides anything, so it is no proxy's configuration that this is.
fn bare(items: &[Node], place: &Place<'_>, context: &mut Context) -> Option<Listener> {
    let mut chain = empty_chain();
    chain.bare = true;
    for (index, item) in items.iter().enumerate() {
        let place = if items.len() == 1 { *place } else { place.index(index) };
        filter(item, &place, &mut chain, context);
    }
    (chain.is_secured() || chain.http.is_some()).then(|| Listener::around(chain))
}

impl Listener {
    /// One that has this chain and no more.
    fn around(chain: Chain) -> Listener {
        Listener {
            name: String::new(),
            port: None,
            direction: Direction::Unspecified,
            chains: [chain].into(),
            address: None,
            internal: false,
            inspectors: Arc::default(),
            matcher: None,
        }
    }
}

fn empty_chain() -> Chain {
    Chain {
        name: String::new(),
        protocol: Protocol::Tcp,
        http: None,
        filters: Vec::new(),
        routes: None,
        routes_elsewhere: None,
        criteria: Criteria::default(),
        fallback: false,
        socket: Socket::Unknown,
        black_hole: false,
        bare: false,
        internal: false,
        inspectors: None,
    }
}

fn listener(node: &Node, place: &Place<'_>, context: &mut Context) -> Listener {
    let name = text(node, "name").unwrap_or_default();
    context.object = format!("listener {}", gnomon_engine::decode::short(name));
    let (address, port) = bound_to(node);
    let mut chains = Vec::new();
    let internal = get(node, "internalListener").is_some();
    let chains_place = place.field("filterChains");
    for (index, item) in list(node, "filterChains").iter().enumerate() {
        chains.push(chain(item, &chains_place.index(index), context));
    }
    if let Some(item) = get(node, "defaultFilterChain") {
        let mut fallback = chain(item, &place.field("defaultFilterChain"), context);
        fallback.fallback = true;
        chains.push(fallback);
    }
    chains.iter_mut().for_each(|chain| chain.internal = internal);
    let mut inspectors = Inspectors::read(node, place, context);
    if get(node, "listenerFilters").is_none() {
        inspectors.assume(&chains);
    }
    let inspectors = Arc::new(inspectors);
    // Every listener has an address; without it, other things may be missing too.
    if get(node, "address").is_none() && !internal {
        chains.iter_mut().for_each(unless_known);
    } else {
        chains.iter_mut().for_each(|chain| chain.inspectors = Some(inspectors.clone()));
    }
    let matcher = get(node, "filterChainMatcher")
        .map(|matcher| Tree::read(matcher, &place.field("filterChainMatcher"), context));
    context.object.clear();
    Listener {
        name: name.into(),
        port,
        direction: match text(node, "trafficDirection") {
            Some("INBOUND") => Direction::Inbound,
            Some("OUTBOUND") => Direction::Outbound,
            _ => Direction::Unspecified,
        },
        chains,
        address,
        internal,
        inspectors,
        matcher,
    }
}

fn chain(node: &Node, place: &Place<'_>, context: &mut Context) -> Chain {
    let mut chain = empty_chain();
    chain.name = text(node, "name").unwrap_or_default().into();
    if let Some(matching) = get(node, "filterChainMatch") {
        chain.criteria = Criteria::read(matching, &place.field("filterChainMatch"), context);
    }
    let place = place.field("filters");
    for (index, item) in list(node, "filters").iter().enumerate() {
        filter(item, &place.index(index), &mut chain, context);
    }
    chain.socket = socket(node, &chain);
    chain
}

/// In a part of a listener, a socket that is not there may have been left out.
fn unless_known(chain: &mut Chain) {
    if chain.socket == Socket::Raw {
        chain.socket = Socket::Unknown;
    }
}

/// The transport socket of a chain.
///
/// Configurations that people pass on are often cut: a chain that only TLS can reach, and that has to end it to be of
/// use, is taken to do so where its socket is not there. Istio's own protocols come with mutual TLS.
fn socket(node: &Node, chain: &Chain) -> Socket {
    let socket = get(node, "transportSocket");
    let config = socket.and_then(|socket| get(socket, "typedConfig")).or_else(|| get(node, "tlsContext"));
    if socket.is_none() && config.is_none() {
        let Criteria { transport, names, protocols, .. } = &chain.criteria;
        let istios = protocols.iter().any(|name| name.starts_with("istio"));
        let ended = chain.protocol == Protocol::Http && (transport == "tls" || !names.is_empty());
        return if istios || ended { Socket::Tls { mutual: istios } } else { Socket::Raw };
    }
    let name = socket.and_then(|socket| text(socket, "name")).unwrap_or_default();
    if name.ends_with("raw_buffer") || config.is_some_and(|config| type_of(config).ends_with(".RawBuffer")) {
        return Socket::Raw;
    }
    let demanded = config.map(unwrapped).and_then(|tls| get(tls, "requireClientCertificate"));
    Socket::Tls { mutual: demanded.is_some_and(is_true) }
}

/// The message of a `typedConfig`, out of the wrappings that name its type only in a field.
pub(super) fn unwrapped(config: &Node) -> &Node {
    let wrapper = config.get("@type").and_then(Node::as_str).unwrap_or_default();
    if wrapper.ends_with(".TypedStruct") {
        return config.get("value").unwrap_or(config);
    }
    config
}

/// The type of a configuration, without its address.
pub(super) fn type_of(config: &Node) -> &str {
    let written = config.get("@type").and_then(Node::as_str).unwrap_or_default();
    let written = match written.ends_with(".TypedStruct") {
        true => text(config, "typeUrl").unwrap_or(written),
        false => written,
    };
    written.rsplit('/').next().unwrap_or(written)
}

/// The configuration of a filter: `typedConfig`, Envoy's older `config`, or the filter itself.
fn config_of(node: &Node) -> &Node {
    get(node, "typedConfig").or_else(|| get(node, "config")).unwrap_or(node)
}

/// The names that istiod gives RBAC filters.
fn is_rbac(name: &str) -> bool {
    matches!(name, "envoy.filters.http.rbac" | "envoy.filters.network.rbac" | RENAMED_ALLOW)
}

/// `None`: this is no filter.
fn filter_kind(node: &Node) -> Option<Kind> {
    node.as_map()?;
    let config = config_of(node);
    let (name, type_name) = (text(node, "name").unwrap_or_default(), type_of(config));
    let is_filter = !core::ptr::eq(config, node) || get(node, "configDiscovery").is_some();
    let ends = |suffix: &str| type_name.ends_with(suffix);
    let network = if type_name.is_empty() { name } else { type_name }.contains(".network.");
    Some(if ends(".RBAC") || is_rbac(name) {
        Kind::Rbac { network }
    } else if ends(".JwtAuthentication") || name == "envoy.filters.http.jwt_authn" {
        Kind::Jwt
    } else if ends(".ExtAuthz")
        || name == "envoy.filters.http.ext_authz"
        || name == "envoy.filters.network.ext_authz"
    {
        Kind::ExtAuthz { network }
    } else if ends(".HttpConnectionManager")
        || name == "envoy.filters.network.http_connection_manager"
        || get(node, "httpFilters").is_some()
    {
        Kind::HttpManager
    } else if is_filter || type_name.split('.').any(|part| part == "filters" || part == "filter") {
        // A part of `envoy.filters.http.router`, or of `envoy.extensions.filters.http.router.v3.Router`.
        match name.split('.').chain(type_name.split('.')).any(|part| HARMLESS.contains(&part)) {
            true => Kind::Harmless,
            false => Kind::Other,
        }
    } else if ["rules", "shadowRules", "policies", "matcher"].iter().any(|field| get(node, field).is_some()) {
        Kind::Rbac { network: false }
    } else if get(node, "providers").is_some() {
        Kind::Jwt
    } else {
        return None;
    })
}

/// Filters that neither answer nor change what RBAC sees.
const HARMLESS: &[&str] = &[
    "router",
    "tcp_proxy",
    "cors",
    "fault",
    "grpc_stats",
    "grpc_web",
    "stats",
    "alpn",
    "metadata_exchange",
    "peer_metadata",
    "waypoint_downstream_peer_metadata",
    "waypoint_upstream_peer_metadata",
    "set_filter_state",
    "connect_authority",
    "istio_authn",
    "authn",
    "compressor",
    "sni_cluster",
    "forward_downstream_sni",
    "echo",
    "direct_response",
];

fn filter(node: &Node, place: &Place<'_>, chain: &mut Chain, context: &mut Context) {
    let Some(kind) = filter_kind(node) else { return };
    let config = unwrapped(config_of(node));
    let field = if get(node, "typedConfig").is_some() { Some("typedConfig") } else { None };
    let inner = field.map_or(*place, |field| place.field(field));
    let place = &inner;
    // A filter whose configuration comes from elsewhere has nothing here to read.
    let elsewhere = get(node, "configDiscovery").is_some();
    let name = text(node, "name").unwrap_or_default();
    let mut push = |does| chain.filters.push(Filter::new(name, does));
    let off = get(node, "disabled").is_some_and(is_true);
    match kind {
        Kind::Rbac { .. } | Kind::Jwt | Kind::ExtAuthz { .. } if off => push(Does::Nothing(stage(kind))),
        _ if off => return,
        Kind::Harmless => {
            chain.black_hole |= text(config, "cluster") == Some(BLACK_HOLE);
        }
        Kind::Other => {
            let what = match name {
                "" => "this is no security filter; what it may do to a request is not evaluated".into(),
                name => format!(
                    "{} is no security filter; what it may do to a request is not evaluated",
                    gnomon_engine::decode::short(name)
                ),
            };
            context.note(place, node.at, what);
        }
        Kind::Rbac { .. } | Kind::Jwt | Kind::ExtAuthz { .. } if elsewhere => {
            let stage = stage(kind);
            let why = "its configuration is not in this document";
            push(Does::Unread(stage, context.unread(place, node.at, why)));
        }
        Kind::Rbac { network } => {
            // `envoy.config.rbac.v3.RBAC` is one engine's rules.
            let rules_alone = get(config, "rules").is_none()
                && get(config, "shadowRules").is_none()
                && get(config, "policies").is_some();
            let rbac = match rules_alone {
                true => Rbac {
                    rules: Some(super::rbac::Rules::read(config, place, context)),
                    ..Rbac::empty(network)
                },
                false => Rbac::read(config, network, place, context),
            };
            push(Does::Rbac(rbac));
        }
        Kind::Jwt => push(match Jwt::read(config, place, context) {
            Ok(jwt) => Does::Jwt(jwt),
            Err(name) => Does::Unread(Stage::Jwt, name),
        }),
        Kind::ExtAuthz { network } => {
            push(Does::ExtAuthz(ExtAuthz::read(config, network, place, context)));
        }
        Kind::HttpManager => manager(config, place, chain, context),
    }
    let http = matches!(kind, Kind::Rbac { network: false } | Kind::Jwt | Kind::ExtAuthz { network: false });
    if http || kind == Kind::HttpManager {
        chain.protocol = Protocol::Http;
    }
}

fn stage(kind: Kind) -> Stage {
    match kind {
        Kind::Jwt => Stage::Jwt,
        Kind::ExtAuthz { .. } => Stage::Custom,
        _ => Stage::Allow,
    }
}

fn manager(node: &Node, place: &Place<'_>, chain: &mut Chain, context: &mut Context) {
    let flag = |name| get(node, name).is_some_and(is_true);
    let slashes = text(node, "pathWithEscapedSlashesAction").unwrap_or("KEEP_UNCHANGED");
    let escaped_slashes = match slashes {
        "REJECT_REQUEST" => EscapedSlashes::Reject,
        "UNESCAPE_AND_REDIRECT" => EscapedSlashes::Redirect,
        "UNESCAPE_AND_FORWARD" => EscapedSlashes::Forward,
        _ => EscapedSlashes::Keep,
    };
    let options = get(node, "commonHttpProtocolOptions");
    let underscores = match options.and_then(|options| text(options, "headersWithUnderscoresAction")) {
        Some("REJECT_REQUEST") => Underscores::Reject,
        Some("DROP_HEADER") => Underscores::Drop,
        _ => Underscores::Allow,
    };
    chain.http = Some(HttpSettings {
        path: PathHandling {
            normalize: flag("normalizePath"),
            merge_slashes: flag("mergeSlashes"),
            escaped_slashes,
            // Only with the version of the proxy can that be known.
            strip_parameters: true,
        },
        underscores,
        gateway: flag("useRemoteAddress"),
        hops: get(node, "xffNumTrustedHops")
            .and_then(integer)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
    });
    let before = chain.filters.len();
    let filters = place.field("httpFilters");
    for (index, item) in list(node, "httpFilters").iter().enumerate() {
        filter_of_manager(item, &filters.index(index), chain, context);
    }
    let elsewhere = get(node, "rds").and_then(|rds| text(rds, "routeConfigName"));
    match get(node, "routeConfig") {
        Some(routes) => super::routes::apply(routes, &place.field("routeConfig"), before, chain, context),
        None => chain.routes_elsewhere = elsewhere.map(|name| (name.into(), before)),
    }
}

/// Filters of a connection manager hold none themselves.
fn filter_of_manager(node: &Node, place: &Place<'_>, chain: &mut Chain, context: &mut Context) {
    if filter_kind(node) != Some(Kind::HttpManager) {
        filter(node, place, chain, context);
    }
}
