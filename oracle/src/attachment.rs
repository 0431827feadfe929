//! Which policies apply, and the mTLS modes.

use gnomon_engine::{
    Mesh, Workload,
    resource::{
        AuthorizationPolicy, JwtRule, Meta, MtlsMode, PeerAuthentication, Resources, Target, TargetKind,
    },
    workload::{IstioVersion, ProxyKind},
};

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

fn applies(resources: &Resources, meta: &Meta, target: &Target, workload: &Workload, mesh: &Mesh) -> bool {
    let waypoint = workload.proxy == ProxyKind::Waypoint;
    let own = meta.namespace == workload.namespace;
    let root = meta.namespace == mesh.root_namespace;
    let label = workload.labels.iter().find(|(key, _)| key == GATEWAY_NAME).map(|(_, value)| value);
    match target {
        _ if workload.proxy == ProxyKind::Agentgateway => false,
        Target::Namespace => !waypoint && (own || root),
        // ztunnel binds it to nobody; Envoy's proxies take it as none.
        Target::EmptySelector => !waypoint && (own || root) && workload.proxy != ProxyKind::Ztunnel,
        Target::Selector(labels) => {
            !waypoint && (own || root) && labels.iter().all(|label| workload.labels.contains(label))
        }
        Target::Refs(_) if workload.proxy == ProxyKind::Ztunnel => false,
        Target::Refs(refs)
            if mesh.istio_version < IstioVersion::minor(25)
                && refs.iter().any(|target| target.kind == TargetKind::GatewayClass) =>
        {
            // The whole policy was not admitted.
            false
        }
        // Without the label it is no Gateway API proxy, and references mean nothing to it.
        Target::Refs(_) if label.is_none() && !waypoint => false,
        Target::Refs(refs) => refs.iter().any(|target| match target.kind {
            TargetKind::Gateway => own && target.name == *label.unwrap_or(&workload.name),
            TargetKind::GatewayClass => waypoint && root && target.name == "istio-waypoint",
            TargetKind::Service | TargetKind::ServiceEntry => {
                let entry = target.kind == TargetKind::ServiceEntry;
                let wanted = format!("{}/{}", meta.namespace, target.name);
                let full = |name: &str| match name.contains('/') {
                    true => name.to_string(),
                    false => format!("{}/{name}", workload.namespace),
                };
                let is = |service: &String| match (
                    service.strip_prefix("ServiceEntry/"),
                    service.strip_prefix("Service/"),
                ) {
                    (Some(name), _) => entry && full(name) == wanted,
                    (_, Some(name)) => !entry && full(name) == wanted,
                    (None, None) => {
                        let name = full(service);
                        let there = |kind| {
                            resources
                                .services
                                .iter()
                                .any(|of| of.kind == kind && format!("{}/{}", of.namespace, of.name) == name)
                        };
                        let only_entry = there(TargetKind::ServiceEntry) && !there(TargetKind::Service);
                        only_entry == entry && name == wanted
                    }
                };
                waypoint && workload.services.iter().any(is)
            }
        }),
    }
}

pub fn authorization<'r>(
    resources: &'r Resources,
    workload: &Workload,
    mesh: &Mesh,
) -> Vec<&'r AuthorizationPolicy> {
    resources
        .authorization
        .iter()
        .filter(|p| applies(resources, &p.meta, &p.target, workload, mesh))
        .collect()
}

/// All rules of all that apply, sorted by issuer; the rest of the order is that of istiod's lookup.
pub fn jwt_rules<'r>(resources: &'r Resources, workload: &Workload, mesh: &Mesh) -> Vec<&'r JwtRule> {
    let mut policies: Vec<_> = resources
        .request_authentication
        .iter()
        .filter(|p| applies(resources, &p.meta, &p.target, workload, mesh))
        .collect();
    policies.sort_by_key(|p| {
        let namespace = &p.meta.namespace;
        let place = if *namespace == workload.namespace {
            0
        } else {
            1 + u8::from(*namespace != mesh.root_namespace)
        };
        (place, p.meta.creation_timestamp.clone().unwrap_or_default(), p.meta.name.clone())
    });
    if mesh.istio_version < IstioVersion::minor(27) {
        // A rule had to have an issuer.
        policies.retain(|p| p.rules.iter().all(|rule| !rule.issuer.text.is_empty()));
    }
    let mut rules: Vec<&JwtRule> = policies.iter().flat_map(|p| &p.rules).collect();
    rules.sort_by(|a, b| a.issuer.text.cmp(&b.issuer.text));
    rules
}

/// A mode, and what ztunnel calls the policy that refuses under it.
pub type Mode = (MtlsMode, String);

/// Every mode that a port may have: one, unless PeerAuthentications lack time stamps. `None`: a port that nobody lists.
///
/// Tried is every point in time at which a policy without a time stamp may have been made: before, between and after those of
/// the others.
pub fn mtls_modes(resources: &Resources, workload: &Workload, mesh: &Mesh, port: Option<u16>) -> Vec<Mode> {
    let all = &resources.peer_authentication;
    let mut stamps: Vec<&String> = all.iter().filter_map(|p| p.meta.creation_timestamp.as_ref()).collect();
    stamps.sort();
    stamps.dedup();
    let unknown: Vec<usize> =
        (0..all.len()).filter(|index| all[*index].meta.creation_timestamp.is_none()).collect();
    let moments = unknown.len() * (stamps.len() + 1);
    let mut modes: Vec<Mode> = Vec::new();
    for number in 0..moments.max(1).pow(u32::try_from(unknown.len()).expect("few")) {
        let mut rest = number;
        let ages: Vec<usize> = (0..all.len())
            .map(|index| match &all[index].meta.creation_timestamp {
                // There is room for all of the others between two of these.
                Some(stamp) => {
                    let place = stamps.iter().position(|known| *known == stamp).expect("it is one of them");
                    place * (unknown.len() + 1) + unknown.len()
                }
                None => {
                    let moment = rest % moments;
                    rest /= moments;
                    moment + moment / unknown.len()
                }
            })
            .collect();
        let mode = mtls_mode(resources, workload, mesh, port, &ages);
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
    modes
}

/// The mode, the ages of all PeerAuthentications being known.
fn mtls_mode(
    resources: &Resources,
    workload: &Workload,
    mesh: &Mesh,
    port: Option<u16>,
    ages: &[usize],
) -> Mode {
    let ztunnel = workload.proxy == ProxyKind::Ztunnel;
    let oldest = |fits: &dyn Fn(&PeerAuthentication) -> bool| {
        let found = resources.peer_authentication.iter().zip(ages).filter(|(policy, _)| fits(policy));
        found.min_by_key(|(policy, age)| (**age, policy.meta.name.clone())).map(|(policy, _)| policy)
    };
    let in_root = |p: &PeerAuthentication| p.meta.namespace == mesh.root_namespace;
    let in_own = |p: &PeerAuthentication| p.meta.namespace == workload.namespace;
    let plain = |p: &PeerAuthentication| p.selector.as_deref().unwrap_or_default().is_empty();
    let selects = |p: &PeerAuthentication| {
        !plain(p) && p.selector.iter().flatten().all(|label| workload.labels.contains(label))
    };
    let of_mesh = oldest(&|p| {
        // ztunnel hears of it only without the key `selector`, unless it is in its own namespace.
        in_root(p) && plain(p) && !(ztunnel && !in_own(p) && p.selector.is_some())
    });
    let of_namespace = oldest(&|p| !in_root(p) && in_own(p) && plain(p));
    let of_workload = oldest(&|p| !in_root(p) && in_own(p) && selects(p));
    let static_strict = format!("{}/istio_converted_static_strict", mesh.root_namespace);
    let set = |levels: &[Option<&PeerAuthentication>]| {
        let mut modes = levels.iter().flatten().filter_map(|policy| policy.mode);
        modes.next_back().unwrap_or(MtlsMode::Permissive)
    };
    if !ztunnel {
        let default = set(&[of_mesh, of_namespace, of_workload]);
        let listed = of_workload.and_then(|own| own.ports.iter().find(|(listed, _)| Some(*listed) == port));
        return (listed.and_then(|(_, mode)| *mode).unwrap_or(default), String::new());
    }

    // convertedSelectorPeerAuthentications, line by line.
    let strict = |p: Option<&PeerAuthentication>| p.is_some_and(|p| p.mode == Some(MtlsMode::Strict));
    let unset = |p: Option<&PeerAuthentication>| p.is_none_or(|p| p.mode.is_none());
    let mut effective = strict(of_mesh);
    if !unset(of_namespace) {
        effective = strict(of_namespace);
    }
    let mut converted = false;
    if let Some(own) = of_workload {
        let has = |mode: MtlsMode| own.ports.iter().any(|(_, of)| *of == Some(mode));
        let soft = has(MtlsMode::Permissive) || has(MtlsMode::Disable);
        match own.mode {
            Some(MtlsMode::Strict) => {
                converted = soft;
                effective = !soft;
            }
            Some(_) => {
                converted = has(MtlsMode::Strict);
                effective = false;
            }
            None if effective => {
                converted = has(MtlsMode::Permissive);
                effective = !converted;
            }
            None => converted = has(MtlsMode::Strict),
        }
    }
    if effective {
        return (MtlsMode::Strict, static_strict);
    }
    let Some(own) = of_workload.filter(|_| converted) else { return (MtlsMode::Permissive, String::new()) };

    // convertPeerAuthentication: clauses of which all, and groups of which any must refuse.
    let seen = oldest(&|p| !in_root(p) && in_own(p) && p.selector.is_none());
    let mut only: Vec<u16> = Vec::new();
    let mut but: Vec<u16> = Vec::new();
    for (listed, mode) in &own.ports {
        match mode {
            Some(MtlsMode::Strict) => {
                let parent = strict(Some(own))
                    || (unset(Some(own)) && strict(seen))
                    || (unset(seen) && strict(of_mesh));
                if !parent {
                    only.push(*listed);
                }
            }
            Some(_) => {
                let open = matches!(own.mode, Some(MtlsMode::Permissive | MtlsMode::Disable));
                let lax = own.mode.is_none()
                    && ((seen.is_some() && !strict(seen)) || (seen.is_none() && !strict(of_mesh)));
                if !open && !lax {
                    but.push(*listed);
                }
            }
            None => {}
        }
    }
    let listed = |ports: &[u16]| port.is_some_and(|port| ports.contains(&port));
    if listed(&only) || (!but.is_empty() && !listed(&but)) {
        let name = format!("{}/converted_peer_authentication_{}", own.meta.namespace, own.meta.name);
        return (MtlsMode::Strict, name);
    }
    (MtlsMode::Permissive, String::new())
}
