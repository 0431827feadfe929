//! What a proxy does with a request before its security filters look.

use crate::{
    path::PathHandling,
    versions,
    workload::{IstioVersion, Mesh, ProxyKind, Underscores, Workload},
};

/// The settings of the connection manager in front of the filters, and which ports never lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// What is done to the path.
    pub path: PathHandling,
    /// What is done to headers with an underscore.
    pub underscores: Underscores,
    /// `use_remote_address`: it stands at the edge.
    pub gateway: bool,
    /// `xff_num_trusted_hops`; only a gateway has any.
    pub hops: u32,
    /// Whose ports are its own; `None`: nobody says which proxy it is.
    pub proxy: Option<ProxyKind>,
    /// Whose Envoy it is.
    pub version: IstioVersion,
}

impl ProxySettings {
    /// As istiod configures them.
    pub fn of(workload: &Workload, mesh: &Mesh) -> ProxySettings {
        let gateway = workload.proxy == ProxyKind::Gateway;
        let version = mesh.istio_version;
        let known = versions::has_connection_settings(version);
        let own = workload.connection_settings.or(mesh.connection_settings).filter(|_| known);
        let own = own.unwrap_or_default().resolved(workload.proxy);
        let path = PathHandling::from(mesh.path_normalization);
        ProxySettings {
            path: PathHandling {
                merge_slashes: own.merge_slashes.unwrap_or(path.merge_slashes),
                escaped_slashes: own.escaped_slashes.unwrap_or(path.escaped_slashes),
                ..path
            },
            underscores: own.underscores.unwrap_or_default(),
            gateway,
            // istiod configures hops for gateways only.
            hops: if gateway { mesh.num_trusted_proxies } else { 0 },
            proxy: Some(workload.proxy),
            version,
        }
    }
}

/// A port of the proxy itself, at which no policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnPort {
    pub(super) port: u16,
    /// Connections to it are taken, by something that has no policies.
    pub(super) serves: bool,
    /// What is there, and who reaches the policies all the same.
    pub(super) what: &'static str,
}

/// Is the port the proxy's own?
///
/// A sidecar's are left out of the redirection by the injection template and the CNI plugin (`-d 15090,15021,15020`) and
/// by `istio-iptables` (15008); to 15006, the inbound listener's, belongs a chain that leads nowhere
/// (`buildInboundBlackhole`). 15000 listens on the loopback only, and from elsewhere 15000 and 15001 are ports like
/// others. A gateway's are static listeners of its bootstrap. Waypoints and ztunnel see the ports of workloads, which
/// have no proxy of their own there.
pub(super) fn own_port(proxy: ProxyKind, port: u16, loopback: bool) -> Option<OwnPort> {
    let found = |serves, what| Some(OwnPort { port, serves, what });
    match (proxy, port) {
        (ProxyKind::Sidecar | ProxyKind::Gateway, 15000) if loopback => {
            found(true, "Envoy's administration interface, on the loopback only")
        }
        (ProxyKind::Sidecar, 15020 | 15021 | 15090) => found(
            true,
            "connections to it are not intercepted, but for those that come over HBONE, from ambient clients, which \
             do reach the policies",
        ),
        (ProxyKind::Sidecar, 15008) => found(
            true,
            "connections to it are not intercepted; it takes HBONE, and the connections inside reach the policies \
             under their own ports",
        ),
        (ProxyKind::Sidecar, 15006) => {
            found(false, "intercepted connections arrive there, and one to the port itself is closed")
        }
        (ProxyKind::Gateway, 15020 | 15021 | 15090) => {
            found(true, "a static listener without policies, for health and metrics")
        }
        _ => None,
    }
}
