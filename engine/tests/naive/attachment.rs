//! Which policies apply, and the mTLS modes.

use gnomon_engine::{
    Mesh, Workload,
    resource::{
        AuthorizationPolicy, JwtRule, Meta, MtlsMode, PeerAuthentication, Resources, Target, TargetKind,
    },
    workload::{IstioVersion, ProxyKind},
};

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

fn applies(meta: &Meta, target: &Target, workload: &Workload, mesh: &Mesh) -> bool {
    let waypoint = workload.proxy == ProxyKind::Waypoint;
    let own = meta.namespace == workload.namespace;
    let root = meta.namespace == mesh.root_namespace;
    let label = workload.labels.iter().find(|(key, _)| key == GATEWAY_NAME).map(|(_, value)| value);
    match target {
        Target::Namespace => !waypoint && (own || root),
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
                let wanted = format!("{}/{}", meta.namespace, target.name);
                let full = |service: &String| match service.contains('/') {
                    true => service.clone(),
                    false => format!("{}/{service}", workload.namespace),
                };
                waypoint && workload.services.iter().any(|service| full(service) == wanted)
            }
        }),
    }
}

/// Does a policy of this level fit: the policy, whether it is in the root namespace, its labels.
type Fits<'a> = &'a dyn Fn(&PeerAuthentication, bool, &[(String, String)]) -> bool;

pub(crate) fn authorization<'r>(
    resources: &'r Resources,
    workload: &Workload,
    mesh: &Mesh,
) -> Vec<&'r AuthorizationPolicy> {
    resources.authorization.iter().filter(|p| applies(&p.meta, &p.target, workload, mesh)).collect()
}

/// All rules of all that apply, sorted by issuer; the rest of the order is that of istiod's lookup.
pub(crate) fn jwt_rules<'r>(resources: &'r Resources, workload: &Workload, mesh: &Mesh) -> Vec<&'r JwtRule> {
    let mut policies: Vec<_> = resources
        .request_authentication
        .iter()
        .filter(|p| applies(&p.meta, &p.target, workload, mesh))
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

/// The mode for a port; `None`: a port that nobody lists.
pub(crate) fn mtls_mode(
    resources: &Resources,
    workload: &Workload,
    mesh: &Mesh,
    port: Option<u16>,
) -> MtlsMode {
    let ztunnel = workload.proxy == ProxyKind::Ztunnel;
    let oldest = |fits: Fits<'_>| {
        resources
            .peer_authentication
            .iter()
            .filter(|p| {
                let labels = p.selector.as_deref().unwrap_or_default();
                fits(p, p.meta.namespace == mesh.root_namespace, labels)
            })
            .min_by_key(|p| {
                let meta = &p.meta;
                (
                    meta.creation_timestamp.clone().unwrap_or_default(),
                    meta.name.clone(),
                    meta.namespace.clone(),
                )
            })
    };
    let in_own = |p: &PeerAuthentication| p.meta.namespace == workload.namespace;
    let of_mesh = oldest(&|p, root, labels| {
        // ztunnel hears of it only without the key `selector`, unless it is in its own namespace.
        root && labels.is_empty() && !(ztunnel && !in_own(p) && p.selector.is_some())
    });
    let of_namespace = oldest(&|p, root, labels| !root && in_own(p) && labels.is_empty());
    let of_workload = oldest(&|p, root, labels| {
        !root && in_own(p) && !labels.is_empty() && labels.iter().all(|label| workload.labels.contains(label))
    });
    let mut inherited = MtlsMode::Permissive;
    for level in [of_mesh, of_namespace].into_iter().flatten() {
        inherited = level.mode.unwrap_or(inherited);
    }
    let Some(own) = of_workload else { return if ztunnel { soft(inherited) } else { inherited } };
    let default = own.mode.unwrap_or(inherited);
    let listed = own.ports.iter().find(|(listed, _)| Some(*listed) == port).map(|(_, mode)| *mode);
    let mode = match listed {
        None => default,
        Some(mode) => mode.unwrap_or(default),
    };
    if !ztunnel {
        return mode;
    }
    // What istiod makes of ports where the mesh is STRICT; here it looks only at policies without the key `selector`.
    let of_namespace = of_namespace.filter(|policy| policy.selector.is_none());
    let mesh_strict = of_mesh.is_some_and(|policy| policy.mode == Some(MtlsMode::Strict));
    let namespace_silent = of_namespace.is_none_or(|policy| policy.mode.is_none());
    let exempts = own.ports.iter().any(|(_, mode)| *mode == Some(MtlsMode::Permissive));
    match own.mode {
        None if inherited == MtlsMode::Strict && !exempts => MtlsMode::Strict,
        // The policy that is to stand for all comes out empty.
        None if inherited == MtlsMode::Strict
            && mesh_strict
            && of_namespace.is_some()
            && namespace_silent =>
        {
            MtlsMode::Permissive
        }
        Some(MtlsMode::Permissive | MtlsMode::Disable) if mesh_strict && namespace_silent => {
            MtlsMode::Permissive
        }
        _ => soft(mode),
    }
}

fn soft(mode: MtlsMode) -> MtlsMode {
    if mode == MtlsMode::Strict { MtlsMode::Strict } else { MtlsMode::Permissive }
}
