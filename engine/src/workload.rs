//! Whom a request reaches, and the mesh around it.

use crate::{order, resource::TargetKind};
use alloc::{format, string::String, vec, vec::Vec};
use core::fmt;

/// What kind of proxy enforces the policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyKind {
    /// Envoy beside the workload.
    #[default]
    Sidecar,
    /// An ingress or egress gateway.
    Gateway,
    /// An ambient waypoint: only policies with `targetRefs` count.
    Waypoint,
    /// The ambient node proxy: layer 4 only.
    Ztunnel,
    /// A gateway of one of the classes `istio-agentgateway` and `istio-agentgateway-waypoint` (Istio 1.30): istiod gives it
    /// none of the policies.
    Agentgateway,
}

/// A service behind a waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// [`TargetKind::Service`] or [`TargetKind::ServiceEntry`]: a waypoint tells them apart by their registry, whatever
    /// they are called. `None`: not said; what is among the manifests decides, and a Service it is where both are, or
    /// neither.
    pub kind: Option<TargetKind>,
    /// `None`: the workload's own.
    pub namespace: Option<&'a str>,
    /// The object's name.
    pub name: &'a str,
}

impl<'a> Service<'a> {
    /// Reads `name` or `namespace/name`, or either behind `Service/` or `ServiceEntry/`. `None`: it has more parts, or an empty one.
    pub fn parse(text: &'a str) -> Option<Service<'a>> {
        let (kind, rest) = match text.split_once('/') {
            Some(("ServiceEntry", rest)) => (Some(TargetKind::ServiceEntry), rest),
            Some(("Service", rest)) => (Some(TargetKind::Service), rest),
            _ => (None, text),
        };
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rest),
        };
        let whole = |part: &str| !part.is_empty() && !part.contains('/');
        (whole(name) && namespace.is_none_or(whole)).then_some(Service { kind, namespace, name })
    }
}

/// The workload whose policies are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// For people; empty where not given.
    pub name: String,
    /// Its namespace; `default` by default.
    pub namespace: String,
    /// Its pod labels, sorted by key.
    pub labels: Vec<(String, String)>,
    /// Its service account; empty where not given.
    pub service_account: String,
    /// The proxy that enforces.
    pub proxy: ProxyKind,
    /// The proxy checks the certificates that peers show. Where it does not (a Gateway server with MUTUAL and
    /// `insecureSkipVerify`, frontend validation AllowInsecureFallback), a name in one proves nothing, and what a
    /// condition on it says is unknown. `None`: not said; the Gateways among the manifests decide
    /// ([`crate::attach::verifies_peers`]).
    pub verifies_peers: Option<bool>,
    /// `connectionSettings` of its own, in place of the mesh's.
    pub connection_settings: Option<ConnectionSettings>,
    /// The services it belongs to, for `targetRefs` on a waypoint: `name`, `namespace/name`, and for a ServiceEntry
    /// `ServiceEntry/name` or `ServiceEntry/namespace/name` ([`Service::parse`]).
    pub services: Vec<String>,
}

impl Workload {
    /// [`Workload::services`], read.
    pub fn service_refs(&self) -> impl Iterator<Item = Service<'_>> {
        self.services.iter().filter_map(|service| Service::parse(service))
    }

    /// `namespace/name`, for people: the name given, else the label `app`, else only the namespace.
    pub fn display_name(&self) -> String {
        let app = || self.labels.iter().find(|(key, _)| key == "app").map(|(_, value)| value.as_str());
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty()).or_else(app).unwrap_or_default();
        if name.is_empty() { self.namespace.clone() } else { format!("{}/{name}", self.namespace) }
    }
}

impl Default for Workload {
    fn default() -> Self {
        Workload {
            name: String::new(),
            namespace: "default".into(),
            labels: Vec::new(),
            service_account: String::new(),
            proxy: ProxyKind::Sidecar,
            verifies_peers: None,
            connection_settings: None,
            services: Vec::new(),
        }
    }
}

/// `meshConfig.pathNormalization.normalization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PathNormalization {
    /// As sent.
    None,
    /// RFC 3986 dot segments, unreserved escapes decoded, `\` as `/`. Istio's default.
    #[default]
    Base,
    /// BASE, then runs of slashes become one.
    MergeSlashes,
    /// `%2F` and `%5C` decoded, then MERGE_SLASHES.
    DecodeAndMergeSlashes,
}

/// `path_with_escaped_slashes_action`: what a connection manager does with `%2F` and `%5C` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum EscapedSlashes {
    /// They stay.
    #[default]
    #[serde(rename = "KEEP_UNCHANGED")]
    Keep,
    /// 400.
    #[serde(rename = "REJECT_REQUEST")]
    Reject,
    /// 307 to the path with slashes in their place.
    #[serde(rename = "UNESCAPE_AND_REDIRECT")]
    Redirect,
    /// Slashes in their place, for the filters and the upstream.
    #[serde(rename = "UNESCAPE_AND_FORWARD")]
    Forward,
}

/// `headers_with_underscores_action`: what a connection manager does with a header `a_b`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum Underscores {
    /// It stays.
    #[default]
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_ALLOW")]
    Allow,
    /// 400; on HTTP/2 the stream is reset.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST")]
    Reject,
    /// It is left out.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_DROP_HEADER")]
    Drop,
}

/// ProxyConfig's `connectionSettings` (Istio 1.31), as far as they bear on a verdict. What is not set is as the mesh's
/// `pathNormalization` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConnectionSettings {
    /// `profile: EDGE`: on gateways what is not set becomes what Envoy recommends for the edge.
    #[serde(rename = "profile", serialize_with = "profile", skip_serializing_if = "core::ops::Not::not")]
    pub edge: bool,
    /// `httpMergeSlashes`.
    #[serde(rename = "httpMergeSlashes", skip_serializing_if = "Option::is_none")]
    pub merge_slashes: Option<bool>,
    /// `httpPathWithEscapedSlashesAction`.
    #[serde(rename = "httpPathWithEscapedSlashesAction", skip_serializing_if = "Option::is_none")]
    pub escaped_slashes: Option<EscapedSlashes>,
    /// `httpHeadersWithUnderscoresAction`.
    #[serde(rename = "httpHeadersWithUnderscoresAction", skip_serializing_if = "Option::is_none")]
    pub underscores: Option<Underscores>,
}

/// The only profile that means something.
fn profile<S: serde::Serializer>(_: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("EDGE")
}

impl ConnectionSettings {
    /// With the defaults of the profile, which only gateways have (`connection_settings.go`).
    #[must_use]
    pub fn resolved(self, proxy: ProxyKind) -> ConnectionSettings {
        if !self.edge || proxy != ProxyKind::Gateway {
            return self;
        }
        ConnectionSettings {
            merge_slashes: self.merge_slashes.or(Some(true)),
            escaped_slashes: self.escaped_slashes.or(Some(EscapedSlashes::Redirect)),
            underscores: self.underscores.or(Some(Underscores::Reject)),
            ..self
        }
    }
}

/// A provider for CUSTOM policies out of `meshConfig.extensionProviders`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionProvider {
    /// Its name.
    pub name: String,
    /// What is known about it.
    pub kind: ProviderKind,
}

/// Which protocol a provider speaks. An HTTP provider is skipped on TCP chains.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderKind {
    /// Only the name is known; treated as HTTP or gRPC, whichever the chain needs.
    Named,
    /// `envoyExtAuthzHttp`, with MeshConfig's own entry.
    Http(crate::Node),
    /// `envoyExtAuthzGrpc`, with MeshConfig's own entry.
    Grpc(crate::Node),
}

/// A version of Istio, for behaviour that changed: `1.30`, or with its patch release `1.30.2`.
///
/// Much of what changed was mended in a patch release, on several branches at once
/// ([`versions`](crate::versions)). A version without a patch release stands for all of its minor version: where they
/// differ and a verdict depends on it, the verdict is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IstioVersion {
    minor: u16,
    patch: Option<u16>,
}

impl IstioVersion {
    /// The newest whose semantics are implemented.
    pub const NEWEST: IstioVersion = IstioVersion::minor(32);
    /// The oldest that `istioVersion` accepts.
    pub const OLDEST: IstioVersion = IstioVersion::minor(24);

    /// 1.`minor`, of which the patch release is not known.
    pub const fn minor(minor: u16) -> IstioVersion {
        IstioVersion { minor, patch: None }
    }

    /// The patch release of this minor version.
    #[must_use]
    pub const fn with_patch(self, patch: u16) -> IstioVersion {
        IstioVersion { patch: Some(patch), ..self }
    }

    /// Reads `1.30`, `v1.30.2`, `1.30-alpha` or `1.30.2-distroless`; `None`: no version, or none between the oldest and the newest.
    pub fn parse(text: &str) -> Option<IstioVersion> {
        let text = text.strip_prefix('v').unwrap_or(text);
        // What stands behind a `-` names a build, which has no semantics of its own.
        let text = text.split(['-', '+']).next().unwrap_or(text);
        let mut parts = text.split('.');
        let mut number = || parts.next().map(|part| part.parse::<u16>().ok());
        let (major, minor, patch) = (number()??, number()??, number());
        if major != 1 || patch == Some(None) || parts.next().is_some() {
            return None;
        }
        let known = (IstioVersion::OLDEST.minor..=IstioVersion::NEWEST.minor).contains(&minor);
        known.then_some(IstioVersion { minor, patch: patch.flatten() })
    }

    /// The minor version, and the patch release where it is known.
    pub fn parts(self) -> (u16, Option<u16>) {
        (self.minor, self.patch)
    }

    /// 1.`minor` or later.
    pub fn is_since(self, minor: u16) -> bool {
        self.minor >= minor
    }

    /// One of these patch releases (minor, patch) or a later one of its branch, or a minor version later than all of
    /// them. Without a patch release it counts as the newest of its minor version; see
    /// [`versions::alternatives`](crate::versions::alternatives).
    pub fn has_patch(self, patches: &[(u16, u16)]) -> bool {
        match patches.iter().find(|(minor, _)| *minor == self.minor) {
            Some((_, patch)) => self.patch.is_none_or(|own| own >= *patch),
            None => patches.iter().all(|(minor, _)| *minor < self.minor),
        }
    }

    /// The patch releases that stand for all of this version's, out of those (minor, patch) that changed something:
    /// itself where it is one patch release.
    pub(crate) fn releases(self, changes: &[(u16, u16)]) -> Vec<IstioVersion> {
        if self.patch.is_some() {
            return vec![self];
        }
        let changes = changes.iter().filter(|(minor, _)| *minor == self.minor).map(|(_, patch)| *patch);
        let mut patches: Vec<u16> = [0].into_iter().chain(changes).collect();
        order::sort(&mut patches);
        patches.dedup();
        patches.into_iter().map(|patch| self.with_patch(patch)).collect()
    }
}

impl fmt::Display for IstioVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            Some(patch) => write!(f, "1.{}.{patch}", self.minor),
            None => write!(f, "1.{}", self.minor),
        }
    }
}

impl serde::Serialize for IstioVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What of MeshConfig bears on a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// `rootNamespace`.
    pub root_namespace: String,
    /// `trustDomain`.
    pub trust_domain: String,
    /// `trustDomainAliases`.
    pub trust_domain_aliases: Vec<String>,
    /// `extensionProviders` that speak ext_authz.
    pub extension_providers: Vec<ExtensionProvider>,
    /// `pathNormalization`.
    pub path_normalization: PathNormalization,
    /// `defaultConfig.connectionSettings`, for proxies without settings of their own.
    pub connection_settings: Option<ConnectionSettings>,
    /// `numTrustedProxies`: hops in front of a gateway.
    pub num_trusted_proxies: u32,
    /// Whose semantics.
    pub istio_version: IstioVersion,
    /// istiod's `ENABLE_GATEWAY_API_HTTPROUTE_AUTH` (Istio 1.32, off by default): gateways get their ALLOW filter
    /// under a name of its own. No verdict depends on it.
    pub gateway_api_http_route_auth: bool,
}

impl Default for Mesh {
    fn default() -> Self {
        Mesh {
            root_namespace: "istio-system".into(),
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: vec![],
            extension_providers: vec![],
            path_normalization: PathNormalization::Base,
            connection_settings: None,
            num_trusted_proxies: 0,
            istio_version: IstioVersion::NEWEST,
            gateway_api_http_route_auth: false,
        }
    }
}
