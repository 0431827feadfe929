use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{MtlsMode, PeerAuthentication},
};
use gnomon_manifests::inventory::Meta as Origin;
use std::path::Path;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "tls-towards-peers",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "A DestinationRule sets a `tls.mode` that the PeerAuthentication of the host's namespace does not accept."
    ),
    why: documented!(
        "DISABLE sends plaintext and SIMPLE a TLS without an Istio certificate: under STRICT no filter chain takes \
          either, and the connection is reset before any policy is asked (the client's proxy says 503). ISTIO_MUTUAL \
          towards DISABLE fails the other way round. ISTIO_MUTUAL fits STRICT and PERMISSIVE alike."
    ),
    instead: documented!(
        "Use ISTIO_MUTUAL, or leave `tls` out: proxies then find out by themselves what the other side speaks."
    ),
    limits: documented!(
        "The mode of the namespace counts, or of the mesh; which pods a host leads to is not known, so that policies \
             with a selector are named, not counted. Objects that leave their namespace out belong together only within one \
             folder. istiod has no sidecar, so that hosts of Istio's own are passed over. Root namespace: that of the mesh's \
             settings."
    ),
    source: documented!(
        "https://istio.io/latest/docs/ops/common-problems/network-issues/#503-errors-after-setting-destination-rule"
    ),
    example: documented!(example: Example {
        bad: "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders.shop.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}
",
        good: "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders.shop.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
",
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    for rule in &input.inventory.destination_rules {
        let Some(namespace) = namespace(&rule.host, &rule.meta.namespace) else { continue };
        if is_control_plane(&rule.host, namespace, &input.mesh.root_namespace) {
            continue;
        }
        let near: Vec<&PeerAuthentication> = input
            .context
            .peers(namespace)
            .filter(|peer| belong_together(&rule.meta, namespace, peer))
            .collect();
        let Some((peer, mode)) = mode_in(&near, namespace, &input.mesh.root_namespace) else { continue };
        for tls in &rule.tls {
            let (sends, wants) = match (tls.mode.text.as_str(), mode) {
                ("DISABLE", MtlsMode::Strict) => ("sends plaintext", "STRICT"),
                ("SIMPLE", MtlsMode::Strict) => ("sends TLS without an Istio certificate", "STRICT"),
                ("ISTIO_MUTUAL", MtlsMode::Disable) => ("sends mutual TLS", "DISABLE"),
                _ => continue,
            };
            let message = format!(
                "{} {sends} to {}, and PeerAuthentication {}/{} ({}) is {wants}: the connection is refused",
                tls.mode.text,
                rule.host,
                peer.meta.namespace,
                peer.meta.name,
                place(peer)
            );
            let help = match near.iter().find(|other| is_exception(other, namespace, mode)) {
                Some(other) => format!(
                    "use ISTIO_MUTUAL or leave `tls` out; only what PeerAuthentication {} ({}) selects may differ",
                    other.meta.name,
                    place(other)
                ),
                None => "use ISTIO_MUTUAL or leave `tls` out".into(),
            };
            findings
                .in_object(("DestinationRule", &rule.meta), tls.mode.at, &*tls.field, message, help)
                .see(Policy::PeerAuthentication(peer));
        }
    }
}

/// `FILE:LINE`.
fn place(peer: &PeerAuthentication) -> String {
    format!("{}:{}", peer.meta.file, peer.meta.at.line)
}

/// istiod and what else Istio runs without sidecars in its own namespace.
fn is_control_plane(host: &str, namespace: &str, root: &str) -> bool {
    let service = host.split('.').next().unwrap_or(host);
    namespace == root && (service == "istiod" || service.starts_with("istiod-") || service == "istio-pilot")
}

/// Objects without a namespace get theirs from whoever applies them, so that those of two folders need not meet.
fn belong_together(rule: &Origin, namespace: &str, peer: &PeerAuthentication) -> bool {
    const LEFT_OUT: &str = "default";
    let folder = |file: &str| Path::new(file).parent().map(Path::to_owned);
    let by_default = namespace == LEFT_OUT && rule.namespace == LEFT_OUT && peer.meta.namespace == LEFT_OUT;
    !by_default || folder(&rule.file) == folder(&peer.meta.file)
}

/// The namespace of a host as DestinationRules write it; `None`: not a service of the cluster's. A wildcard above
/// namespaces gives `*`, which no policy of a namespace is in.
fn namespace<'h>(host: &'h str, own: &'h str) -> Option<&'h str> {
    match host.split_once(".svc.") {
        Some((service, _)) => Some(service.rsplit('.').next().unwrap_or(service)),
        None if host.contains('.') => None,
        None => Some(own),
    }
}

/// The mode that holds without regard to labels, and who says so: the oldest policy of the namespace, else of the mesh.
fn mode_in<'p>(
    all: &[&'p PeerAuthentication],
    namespace: &str,
    root: &str,
) -> Option<(&'p PeerAuthentication, MtlsMode)> {
    let oldest = |namespace: &str| {
        let of = all.iter().copied().filter(|peer| peer.meta.namespace == namespace && !has_labels(peer));
        of.min_by_key(|peer| (peer.meta.creation_timestamp.clone(), peer.meta.name.clone()))
    };
    let said = |peer: &'p PeerAuthentication| Some((peer, peer.mode?));
    oldest(namespace).and_then(said).or_else(|| oldest(root).and_then(said))
}

fn has_labels(peer: &PeerAuthentication) -> bool {
    peer.selector.as_ref().is_some_and(|labels| !labels.is_empty())
}

/// A policy for some workloads of the namespace that wants something else.
fn is_exception(peer: &PeerAuthentication, namespace: &str, mode: MtlsMode) -> bool {
    let differs = |other: Option<MtlsMode>| other.is_some_and(|other| other != mode);
    let ports = peer.ports.iter().any(|(_, mode)| differs(*mode));
    peer.meta.namespace == namespace && has_labels(peer) && (differs(peer.mode) || ports)
}
