//! Where a policy is judged: at a workload to which nothing more applies than the policies that apply wherever it does.
//!
//! What is found there about the rules of a stage holds everywhere: whatever else applies somewhere only adds rules.

use super::{Input, context::asks_for_token};
use crate::{
    diff::State,
    workloads::{referenced, selected},
};
use gnomon_engine::{
    Mesh, Workload,
    attach::{Attachment, Policy, Subject},
    resource::{Action, AuthorizationPolicy, Resources, Target},
    workload::{PathNormalization, ProxyKind},
};

/// Policies of a namespace and the root namespace together.
const POLICIES: usize = 300;

/// The DENY and ALLOW policies of a place with the RequestAuthentications there, and all that the proxies and the mesh can
/// be.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The policies.
    pub(crate) resources: Resources,
    workloads: Vec<Workload>,
    meshes: Vec<Mesh>,
}

impl Place {
    /// `None`: there are too many policies or rules, or it is not certain which tokens are checked there.
    pub(crate) fn of(
        input: Input<'_>,
        policy: &AuthorizationPolicy,
        workload: &Workload,
        most_rules: usize,
    ) -> Option<Place> {
        let Input { context, mesh, .. } = input;
        let namespace = policy.meta.namespace.as_str();
        let mut names = vec![namespace, mesh.root_namespace.as_str()];
        names.dedup();
        let near: usize = names.iter().filter_map(|name| context.authorization.get(name)).map(Vec::len).sum();
        if near > POLICIES {
            return None;
        }
        let nothing = Resources::default();
        let subject = Subject::new(&nothing, workload, mesh);
        let applies = |policy| matches!(subject.attachment(policy), Attachment::Applies(_));
        let here = names.iter().filter_map(|name| context.authorization.get(name)).flatten();
        let here = here.filter(|policy| counts(policy) && applies(Policy::Authorization(policy)));
        // Neither CUSTOM nor mutual TLS: they refuse more, and let nothing in.
        let authorization: Vec<AuthorizationPolicy> = here.map(|policy| (*policy).clone()).collect();
        let mut rules = authorization.iter().flat_map(|policy| &policy.rules);
        if rules.clone().count() > most_rules {
            return None;
        }
        let mut tokens = context.token_rules(&policy.meta, &policy.target).peekable();
        let none = tokens.peek().is_none();
        let (applying, other): (Vec<_>, Vec<_>) =
            tokens.partition(|policy| applies(Policy::RequestAuthentication(policy)));
        if rules.any(asks_for_token) && (none || !other.is_empty()) {
            return None;
        }
        let resources = Resources {
            authorization,
            request_authentication: applying.into_iter().cloned().collect(),
            unverified: input.resources.unverified.clone(),
            ..Resources::default()
        };
        let mut meshes = vec![mesh.clone()];
        if !input.mesh_is_known {
            meshes.push(Mesh { path_normalization: PathNormalization::None, ..mesh.clone() });
        }
        let workloads = kinds(input, policy, workload)
            .into_iter()
            .map(|proxy| Workload { proxy, ..workload.clone() })
            .collect();
        Some(Place { resources, workloads, meshes })
    }

    /// For each kind of proxy and mesh.
    pub(crate) fn states(&self) -> impl Iterator<Item = State<'_>> {
        self.meshes.iter().flat_map(|mesh| {
            self.workloads.iter().map(|workload| State { resources: &self.resources, workload, mesh })
        })
    }
}

/// It is enforced, and has rules.
pub(crate) fn counts(policy: &AuthorizationPolicy) -> bool {
    matches!(policy.action, Action::Allow | Action::Deny) && !policy.dry_run && !policy.rules.is_empty()
}

/// A workload to which no other policies apply than those that apply wherever this one does.
pub(crate) fn least(policy: &AuthorizationPolicy) -> Option<Workload> {
    let meta = &policy.meta;
    match &policy.target {
        Target::Namespace | Target::EmptySelector => {
            Some(Workload { namespace: meta.namespace.clone(), ..Workload::default() })
        }
        Target::Selector(labels) => Some(selected(meta, labels)),
        Target::Refs(refs) => match &refs[..] {
            [one] => referenced(meta, one.kind, &one.name),
            _ => None,
        },
    }
}

/// What the proxies can be that ask the policy.
fn kinds(input: Input<'_>, policy: &AuthorizationPolicy, workload: &Workload) -> Vec<ProxyKind> {
    let mut kinds = vec![workload.proxy];
    if workload.proxy == ProxyKind::Sidecar {
        kinds.push(ProxyKind::Ztunnel);
    }
    for known in input.context.meant(&policy.meta, &policy.target) {
        if matches!(policy.target, Target::Refs(_)) {
            break;
        }
        match known.proxy() {
            ProxyKind::Agentgateway | ProxyKind::Waypoint => {}
            proxy if !kinds.contains(&proxy) => kinds.push(proxy),
            _ => {}
        }
    }
    kinds
}
