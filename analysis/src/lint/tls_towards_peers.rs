use super::{Input, Lint, about_origin};
use gnomon_engine::{
    Diagnostic,
    resource::{MtlsMode, PeerAuthentication},
};

pub(super) const LINT: Lint = Lint {
    code: "tls-towards-peers",
    what: "A DestinationRule sets a `tls.mode` that the PeerAuthentication of the host's namespace does not accept.",
    why: "DISABLE sends plaintext and SIMPLE a TLS without an Istio certificate: under STRICT no filter chain takes \
          either, and the connection is reset before any policy is asked (the client's proxy says 503). ISTIO_MUTUAL \
          towards DISABLE fails the other way round. ISTIO_MUTUAL fits STRICT and PERMISSIVE alike.",
    instead: "Use ISTIO_MUTUAL, or leave `tls` out: proxies then find out by themselves what the other side speaks.",
    limits: "The mode of the namespace counts, or of the mesh; which pods a host leads to is not known, so that policies \
             with a selector are named, not counted. Root namespace: that of the mesh's settings.",
    check,
};

fn check(input: &Input<'_>, found: &mut Vec<Diagnostic>) {
    let all = &input.resources.peer_authentication;
    for rule in &input.traffic.destination_rules {
        let Some(namespace) = namespace(&rule.host, &rule.origin.namespace) else { continue };
        let Some((peer, mode)) = mode_in(all, namespace, &input.mesh.root_namespace) else { continue };
        for tls in &rule.tls {
            let (sends, wants) = match (tls.mode.text.as_str(), mode) {
                ("DISABLE", MtlsMode::Strict) => ("sends plaintext", "STRICT"),
                ("SIMPLE", MtlsMode::Strict) => ("sends TLS without an Istio certificate", "STRICT"),
                ("ISTIO_MUTUAL", MtlsMode::Disable) => ("sends mutual TLS", "DISABLE"),
                _ => continue,
            };
            let mut finding =
                about_origin("DestinationRule", &rule.origin, LINT.code, tls.mode.at, &tls.field);
            finding.message = format!(
                "{} {sends} to {}, and PeerAuthentication {}/{} is {wants}: the connection is refused",
                tls.mode.text, rule.host, peer.meta.namespace, peer.meta.name
            );
            finding.help = match all.iter().find(|other| is_exception(other, namespace, mode)) {
                Some(other) => format!(
                    "use ISTIO_MUTUAL or leave `tls` out; only what PeerAuthentication {} selects may differ",
                    other.meta.name
                ),
                None => "use ISTIO_MUTUAL or leave `tls` out".into(),
            };
            found.push(finding);
        }
    }
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
    all: &'p [PeerAuthentication],
    namespace: &str,
    root: &str,
) -> Option<(&'p PeerAuthentication, MtlsMode)> {
    let oldest = |namespace: &str| {
        let of = all.iter().filter(|peer| peer.meta.namespace == namespace && !has_labels(peer));
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
