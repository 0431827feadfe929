//! Whom a request reaches, and the mesh around it.

use alloc::{format, string::String, vec, vec::Vec};

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
    /// The services it belongs to, `name` or `namespace/name`: for `targetRefs` on a waypoint.
    pub services: Vec<String>,
}

impl Workload {
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

/// A version of Istio, for behaviour that changed: `1.30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct IstioVersion(
    /// Major.
    pub u16,
    /// Minor.
    pub u16,
);

impl IstioVersion {
    /// The newest whose semantics are implemented.
    pub const NEWEST: IstioVersion = IstioVersion(1, 32);
    /// The oldest that `istioVersion` accepts.
    pub const OLDEST: IstioVersion = IstioVersion(1, 24);

    /// Reads `1.30`, `v1.30.2` or `1.30-alpha`; `None`: no version, or none between the oldest and the newest.
    pub fn parse(text: &str) -> Option<IstioVersion> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split(['.', '-']);
        let mut number = || parts.next().and_then(|part| part.parse::<u16>().ok());
        let version = IstioVersion(number()?, number()?);
        (IstioVersion::OLDEST..=IstioVersion::NEWEST).contains(&version).then_some(version)
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
    /// `numTrustedProxies`: hops in front of a gateway.
    pub num_trusted_proxies: u32,
    /// Whose semantics.
    pub istio_version: IstioVersion,
}

impl Default for Mesh {
    fn default() -> Self {
        Mesh {
            root_namespace: "istio-system".into(),
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: vec![],
            extension_providers: vec![],
            path_normalization: PathNormalization::Base,
            num_trusted_proxies: 0,
            istio_version: IstioVersion::NEWEST,
        }
    }
}
