//! How one proxy speaks to the next: by DestinationRule, or by what Istio finds out (`autoMtls`).

use super::World;
use gnomon_engine::{Mesh, Plan, Workload, attach::attach, resource::MtlsMode, workload::ProxyKind};
use gnomon_manifests::inventory::{Candidate, DestinationRule, Service};

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'a> {
    pub(super) workload: &'a Workload,
    /// The Service's port that it asks for.
    pub(super) port: u16,
    /// The subset; empty: none.
    pub(super) subset: &'a str,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// The client's identity, where it shows one.
    pub(super) principal: Option<String>,
    /// In words.
    pub(super) how: Vec<String>,
    /// Why it cannot be made.
    pub(super) fails: Option<String>,
}

/// The identity of a workload, without `spiffe://`.
pub(super) fn identity(workload: &Workload, mesh: &Mesh) -> String {
    let account = if workload.service_account.is_empty() { "default" } else { &workload.service_account };
    format!("{}/ns/{}/sa/{account}", mesh.trust_domain, workload.namespace)
}

/// Does the workload take a connection at this port, with or without an identity? `None`: nobody knows.
pub(super) fn takes(plan: &Plan, identified: bool, port: u16) -> Option<bool> {
    let modes = plan.peer_modes();
    let of_port = modes.iter().find(|modes| modes.port == Some(port));
    let Some(modes) = of_port.or_else(|| modes.iter().find(|modes| modes.port.is_none())) else {
        return Some(true);
    };
    let strict = |(mode, _): &(MtlsMode, Option<&str>)| *mode == MtlsMode::Strict;
    match identified || !modes.modes.iter().any(strict) {
        true => Some(true),
        false => modes.modes.iter().all(strict).then_some(false),
    }
}

/// The connection from a client to a workload by a Service's port.
pub(super) fn connection(
    world: &World<'_>,
    client: Client<'_>,
    service: &Service,
    target: &Candidate<'_>,
    port: u16,
) -> Connection {
    let principal = identity(client.workload, world.mesh);
    let rule = applying(world, client.workload, service);
    let said = rule.and_then(|rule| {
        let tls = rule.tls_at(client.port, client.subset)?;
        Some((tls.mode.text.as_str(), format!("{}:{}", rule.meta.file, tls.mode.at.line)))
    });
    let mode = mode(world, &target.workload, port);
    let mutual = |how: String| Connection { principal: Some(principal.clone()), how: vec![how], fails: None };
    let plaintext = |how: String| Connection { principal: None, how: vec![how], fails: None };
    match said {
        Some(("ISTIO_MUTUAL", place)) => {
            mutual(format!("mutual TLS by a DestinationRule ({place}), as {principal}"))
        }
        Some(("DISABLE", place)) => plaintext(format!("plaintext by a DestinationRule ({place})")),
        Some((other @ ("SIMPLE" | "MUTUAL"), place)) => {
            match target.has_proxy && target.workload.proxy != ProxyKind::Ztunnel {
                // A sidecar takes TLS with Istio's own protocol names only; other TLS goes to the workload as bytes.
                true if mode == MtlsMode::Strict => Connection {
                    fails: Some(format!(
                        "the DestinationRule ({place}) has TLS of its own ({other}), and {} takes mutual TLS of the mesh only: the \
                     connection is reset (`upstream connect error`)",
                        target.workload.display_name()
                    )),
                    ..Connection::default()
                },
                _ => plaintext(format!(
                    "TLS of its own ({other}) by a DestinationRule ({place}): the mesh sees no identity"
                )),
            }
        }
        _ if !target.has_proxy => plaintext("plaintext: the workload has no proxy".to_owned()),
        _ if mode == MtlsMode::Disable => {
            plaintext("plaintext: PeerAuthentication is DISABLE there".to_owned())
        }
        _ => mutual(format!("mutual TLS, as {principal}")),
    }
}

/// What PeerAuthentication says there; the first of what is possible where that is not known.
fn mode(world: &World<'_>, workload: &Workload, port: u16) -> MtlsMode {
    let attached = attach(world.resources, workload, world.mesh);
    let modes = match workload.proxy {
        ProxyKind::Ztunnel => attached.peer.ambient_modes(),
        _ => attached.peer.modes(),
    };
    modes.of(Some(port)).possible.first().map_or(MtlsMode::Permissive, |one| one.mode)
}

/// The DestinationRule for a Service: that of the client's namespace, of the Service's, or of the root namespace.
fn applying<'i>(world: &World<'i>, client: &Workload, service: &Service) -> Option<&'i DestinationRule> {
    let full = |rule: &DestinationRule| match rule.host.contains('.') {
        true => rule.host.clone(),
        false => format!("{}.{}.svc.cluster.local", rule.host, rule.meta.namespace),
    };
    let host = format!("{}.{}.svc.cluster.local", service.meta.name, service.meta.namespace);
    let fits = |rule: &&DestinationRule| {
        let named = full(rule);
        named == host || named.strip_prefix('*').is_some_and(|end| host.ends_with(end))
    };
    let in_namespace = |namespace: &str| {
        let there = world.inventory.destination_rules.iter().filter(|rule| rule.meta.namespace == namespace);
        // A host without a star is more particular.
        there.filter(fits).min_by_key(|rule| rule.host.starts_with('*'))
    };
    in_namespace(&client.namespace)
        .or_else(|| in_namespace(&service.meta.namespace))
        .or_else(|| in_namespace(&world.mesh.root_namespace))
}
