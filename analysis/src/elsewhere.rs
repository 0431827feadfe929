//! Policies that do not apply to a workload, each with the reason in words.

use gnomon_engine::{
    Mesh, Workload,
    attach::{Attached, GATEWAY_NAME_LABEL, attach, selects},
    resource::{Labels, Meta, Resources, Target},
    versions,
    workload::ProxyKind,
};
use serde::Serialize;

/// A policy that has no say about the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// `AuthorizationPolicy`, `RequestAuthentication` or `PeerAuthentication`.
    pub kind: &'static str,
    /// The policy as `namespace/name`.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// Its line; 0 where not known.
    pub line: u32,
    /// Why it has no say: a clause without a subject, "its selector wants app=catalog, the workload has app=webapp".
    pub why: String,
}

/// All of them, in the order read. What [`attach`] finds is not among them; the reason is found afterwards, by the same
/// rules, so it explains and never decides.
pub fn elsewhere(resources: &Resources, workload: &Workload, mesh: &Mesh) -> Vec<Elsewhere> {
    let known = versions::known(resources, mesh.istio_version);
    let attached = attach(&known, workload, mesh);
    let who = Who { workload, mesh };
    let mut found = Vec::new();
    for policy in &resources.authorization {
        if !attached.authorization.iter().any(|used| same(&used.meta, &policy.meta)) {
            let unknown = !known.authorization.iter().any(|other| same(&other.meta, &policy.meta));
            found.push(who.tell("AuthorizationPolicy", &policy.meta, unknown, || who.target(&policy.target)));
        }
    }
    for policy in &resources.request_authentication {
        let used = attached.jwt_rules.iter().any(|(meta, _)| same(meta, &policy.meta));
        if !used && !policy.rules.is_empty() {
            let unknown = !known.request_authentication.iter().any(|other| same(&other.meta, &policy.meta));
            let why = || match workload.proxy {
                ProxyKind::Ztunnel => "ztunnel reads no tokens".into(),
                _ => who.target(&policy.target),
            };
            found.push(who.tell("RequestAuthentication", &policy.meta, unknown, why));
        }
    }
    for policy in &resources.peer_authentication {
        if !is_winner(&attached, &policy.meta) {
            let why = || who.peer(policy.selector.as_ref(), &policy.meta);
            found.push(who.tell("PeerAuthentication", &policy.meta, false, why));
        }
    }
    found
}

/// `versions::known` copies, so addresses do not tell; an object's place does.
fn same(a: &Meta, b: &Meta) -> bool {
    (&a.namespace, &a.name, &a.file, a.at) == (&b.namespace, &b.name, &b.file, b.at)
}

fn is_winner(attached: &Attached<'_>, meta: &Meta) -> bool {
    let peer = &attached.peer;
    [peer.mesh, peer.namespace, peer.workload].iter().flatten().any(|used| same(&used.meta, meta))
}

struct Who<'a> {
    workload: &'a Workload,
    mesh: &'a Mesh,
}

impl Who<'_> {
    fn tell(
        &self,
        kind: &'static str,
        meta: &Meta,
        unknown: bool,
        why: impl FnOnce() -> String,
    ) -> Elsewhere {
        let version = self.mesh.istio_version;
        Elsewhere {
            kind,
            policy: format!("{}/{}", meta.namespace, meta.name),
            file: meta.file.to_string(),
            line: meta.at.line,
            why: match (unknown, self.namespace(&meta.namespace)) {
                (true, _) => format!("Istio {version} does not take it"),
                (false, Some(other)) => other,
                (false, None) => why(),
            },
        }
    }

    /// Why a namespace is out of reach; `None` where it is not.
    fn namespace(&self, namespace: &str) -> Option<String> {
        let (own, root) = (&self.workload.namespace, &self.mesh.root_namespace);
        let of_service = self.workload.proxy == ProxyKind::Waypoint
            && self.workload.services.iter().any(|service| {
                service.split_once('/').is_some_and(|(service_namespace, _)| service_namespace == namespace)
            });
        let reached = namespace == own || namespace == root || of_service;
        (!reached).then(|| {
            format!(
                "it is in the namespace {namespace}; the workload is in {own}, the root namespace is {root}"
            )
        })
    }

    fn target(&self, target: &Target) -> String {
        let proxy = self.workload.proxy;
        match target {
            Target::Namespace | Target::Selector(_) if proxy == ProxyKind::Waypoint => {
                "it has no targetRefs, and a waypoint takes only policies that name it or a service of its own".into()
            }
            Target::Selector(labels) => self.selector(labels),
            Target::Namespace => "it does not reach this kind of proxy".into(),
            Target::Refs(refs) => {
                let names: Vec<String> =
                    refs.iter().map(|target| format!("{:?} {}", target.kind, target.name)).collect();
                let names = names.join(", ");
                let gateway = self.workload.labels.iter().any(|(key, _)| key == GATEWAY_NAME_LABEL);
                match proxy {
                    ProxyKind::Sidecar if !gateway => {
                        format!("it targets {names}; targetRefs never reach a sidecar")
                    }
                    ProxyKind::Ztunnel => format!("it targets {names}; targetRefs never reach ztunnel"),
                    _ => format!("it targets {names}, which is not this workload"),
                }
            }
        }
    }

    fn selector(&self, selector: &Labels) -> String {
        let own = &self.workload.labels;
        let unmet = selector.iter().filter(|wanted| !own.contains(wanted));
        let told = unmet.map(|(key, value)| match own.iter().find(|(name, _)| name == key) {
            Some((_, other)) => format!("its selector wants {key}={value}, the workload has {key}={other}"),
            None => format!("its selector wants {key}={value}, and the workload has no label {key}"),
        });
        told.collect::<Vec<_>>().join("; ")
    }

    fn peer(&self, selector: Option<&Labels>, meta: &Meta) -> String {
        let labels = selector.filter(|labels| !labels.is_empty());
        match labels {
            Some(_) if meta.namespace == self.mesh.root_namespace => {
                "a PeerAuthentication with a selector counts nowhere in the root namespace".into()
            }
            Some(labels) if !selects(labels, &self.workload.labels) => self.selector(labels),
            _ => "an older policy of the same scope wins".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gnomon_manifests::load_text;

    const POLICIES: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: here, namespace: shop}
spec: {selector: {matchLabels: {app: web}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: other-label, namespace: shop}
spec: {selector: {matchLabels: {app: db, tier: back}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: other-namespace, namespace: bank}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: gateway, namespace: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  jwtRules: [{issuer: a}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a, namespace: shop, creationTimestamp: 2024-01-01T00:00:00Z}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: b, namespace: shop, creationTimestamp: 2025-01-01T00:00:00Z}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: rooted, namespace: istio-system}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}
";

    #[test]
    fn each_has_its_reason() {
        let loaded = load_text(POLICIES, "p.yaml").unwrap();
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
        let web = vec![("app".to_string(), "web".to_string())];
        let workload = Workload { namespace: "shop".into(), labels: web, ..Workload::default() };
        let told = elsewhere(&loaded.resources, &workload, &Mesh::default());
        let told: Vec<_> = told.iter().map(|e| (e.policy.as_str(), e.line, e.why.as_str())).collect();
        let two = "its selector wants app=db, the workload has app=web; \
                   its selector wants tier=back, and the workload has no label tier";
        assert_eq!(
            told,
            [
                ("shop/other-label", 7, two),
                (
                    "bank/other-namespace",
                    12,
                    "it is in the namespace bank; the workload is in shop, the root namespace is istio-system"
                ),
                ("shop/gateway", 17, "it targets Gateway front; targetRefs never reach a sidecar"),
                ("shop/tokens", 23, "its selector wants app=db, the workload has app=web"),
                ("shop/b", 35, "an older policy of the same scope wins"),
                (
                    "istio-system/rooted",
                    40,
                    "a PeerAuthentication with a selector counts nowhere in the root namespace"
                ),
            ]
        );
        let plan = gnomon_engine::Plan::build(&loaded.resources, &workload, &Mesh::default());
        assert_eq!(plan.elsewhere(), told.len(), "the plan counts the same");
    }

    #[test]
    fn a_waypoint_wants_target_refs() {
        let loaded = load_text(POLICIES, "p.yaml").unwrap();
        let workload =
            Workload { namespace: "shop".into(), proxy: ProxyKind::Waypoint, ..Workload::default() };
        let told = elsewhere(&loaded.resources, &workload, &Mesh::default());
        let why =
            |name: &str| told.iter().find(|e| e.policy == name).map(|e| e.why.clone()).unwrap_or_default();
        assert!(why("shop/here").starts_with("it has no targetRefs"), "{}", why("shop/here"));
        assert_eq!(why("shop/gateway"), "it targets Gateway front, which is not this workload");
    }
}
