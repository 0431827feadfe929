//! What lints look things up in, built once: linting stays linear in the manifests.

use gnomon_engine::{
    Attribute, Mesh,
    attach::{Attachment, GATEWAY_NAME_LABEL, Policy, Reason, Subject},
    attribute::Kind,
    resource::{
        Action, AuthorizationPolicy, Labels, Meta, MtlsMode, PeerAuthentication, RequestAuthentication,
        Resources, Rule, Target, TargetKind,
    },
    workload::ProxyKind,
};
use gnomon_manifests::inventory::{Candidate, Inventory};
use std::collections::{HashMap, HashSet};

/// A workload among the manifests.
#[derive(Debug)]
pub(crate) struct Known<'l> {
    pub(crate) candidate: &'l Candidate<'l>,
    number: usize,
    subject: Subject<'l>,
}

/// All that is looked up.
#[derive(Debug)]
pub(crate) struct Context<'l> {
    /// The workloads behind a proxy.
    pub(crate) workloads: &'l [Known<'l>],
    unproxied: HashMap<&'l str, Vec<&'l Candidate<'l>>>,
    by_namespace: HashMap<&'l str, Vec<usize>>,
    by_label: HashMap<(&'l str, &'l str), Vec<usize>>,
    /// Gateways and waypoints: what `targetRefs` can reach.
    proxies: Vec<usize>,
    /// The policies by namespace.
    pub(crate) authorization: HashMap<&'l str, Vec<&'l AuthorizationPolicy>>,
    request: HashMap<&'l str, Vec<&'l RequestAuthentication>>,
    /// Those that ask for tokens, or leave the decision to a provider.
    asking: HashMap<&'l str, Vec<&'l AuthorizationPolicy>>,
    peer: HashMap<&'l str, Vec<&'l PeerAuthentication>>,
    /// Service accounts by namespace: those that are objects, and those that workloads have.
    pub(crate) accounts: HashMap<&'l str, HashSet<&'l str>>,
    /// Namespaces that are objects.
    pub(crate) namespaces: HashSet<&'l str>,
    reached: HashMap<(&'static str, &'l str, &'l str), Vec<usize>>,
    tokens: Vec<Vec<&'l RequestAuthentication>>,
    root: &'l str,
}

/// What the manifests say of mutual TLS where a policy applies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mtls<'l> {
    /// No connection without an identity.
    Strict,
    /// Plaintext gets through; who says so, `None`: nobody says otherwise.
    Open(Option<&'l PeerAuthentication>),
    /// It is not the same for all that the policy is for.
    Differs,
}

impl<'l> Known<'l> {
    /// Those with a proxy.
    pub(crate) fn all(
        candidates: &'l [Candidate<'l>],
        resources: &Resources,
        mesh: &'l Mesh,
    ) -> Vec<Known<'l>> {
        let known = candidates.iter().filter(|candidate| candidate.has_proxy);
        known
            .enumerate()
            .map(|(number, candidate)| Known {
                candidate,
                number,
                subject: Subject::new(resources, &candidate.workload, mesh),
            })
            .collect()
    }

    /// The kind of its proxy.
    pub(crate) fn proxy(&self) -> ProxyKind {
        self.candidate.workload.proxy
    }

    /// Why the policy, which means it by its namespace and labels, does not apply; `None`: it does.
    pub(crate) fn misses(&self, policy: Policy<'l>) -> Option<Reason<'l>> {
        match self.subject.attachment(policy) {
            Attachment::Not(reason) => Some(reason),
            _ => None,
        }
    }
}

impl<'l> Context<'l> {
    pub(crate) fn new(
        candidates: &'l [Candidate<'l>],
        workloads: &'l [Known<'l>],
        resources: &'l Resources,
        inventory: &'l Inventory,
        root: &'l str,
    ) -> Self {
        let mut context = Context {
            workloads,
            unproxied: HashMap::new(),
            by_namespace: HashMap::new(),
            by_label: HashMap::new(),
            proxies: Vec::new(),
            authorization: HashMap::new(),
            request: HashMap::new(),
            asking: HashMap::new(),
            peer: HashMap::new(),
            accounts: HashMap::new(),
            namespaces: inventory.namespaces.iter().map(|meta| meta.name.as_str()).collect(),
            reached: HashMap::new(),
            tokens: Vec::new(),
            root,
        };
        for candidate in candidates.iter().filter(|candidate| !candidate.has_proxy) {
            context.unproxied.entry(&candidate.workload.namespace).or_default().push(candidate);
        }
        for (number, known) in workloads.iter().enumerate() {
            let workload = &known.candidate.workload;
            context.by_namespace.entry(&workload.namespace).or_default().push(number);
            if matches!(workload.proxy, ProxyKind::Gateway | ProxyKind::Waypoint) {
                context.proxies.push(number);
            }
            for (key, value) in &workload.labels {
                context.by_label.entry((key, value)).or_default().push(number);
            }
            let accounts = context.accounts.entry(&workload.namespace).or_default();
            accounts.insert(&workload.service_account);
        }
        for account in &inventory.service_accounts {
            context.accounts.entry(&account.namespace).or_default().insert(&account.name);
        }
        for policy in &resources.authorization {
            context.authorization.entry(&policy.meta.namespace).or_default().push(policy);
            if policy.action == Action::Custom || policy.rules.iter().any(asks_for_token) {
                context.asking.entry(&policy.meta.namespace).or_default().push(policy);
            }
        }
        for policy in &resources.request_authentication {
            context.request.entry(&policy.meta.namespace).or_default().push(policy);
        }
        for policy in &resources.peer_authentication {
            context.peer.entry(&policy.meta.namespace).or_default().push(policy);
        }
        if !workloads.is_empty() {
            context.tokens = vec![Vec::new(); workloads.len()];
            for policy in Policy::all(resources) {
                let reached = context.find(policy);
                if let Policy::RequestAuthentication(policy) = policy {
                    for number in &reached {
                        if let Some(tokens) = context.tokens.get_mut(*number) {
                            tokens.push(policy);
                        }
                    }
                }
                context.reached.insert(key(policy), reached);
            }
        }
        context
    }

    /// The workloads at hand that the policy applies to.
    pub(crate) fn reached(&self, policy: Policy<'l>) -> impl Iterator<Item = &'l Known<'l>> {
        let reached = self.reached.get(&key(policy)).map_or(&[][..], Vec::as_slice);
        let workloads = self.workloads;
        reached.iter().filter_map(move |number| workloads.get(*number))
    }

    /// The RequestAuthentications that apply to a workload.
    pub(crate) fn tokens(&self, known: &Known<'l>) -> &[&'l RequestAuthentication] {
        self.tokens.get(known.number).map_or(&[][..], Vec::as_slice)
    }

    /// The workloads that the policy means by its namespace and labels, whether or not their proxies take it.
    pub(crate) fn meant(&self, meta: &Meta, target: &Target) -> impl Iterator<Item = &'l Known<'l>> {
        let workloads = self.workloads;
        self.candidates(meta, target).into_iter().filter_map(move |number| workloads.get(number))
    }

    /// A workload of the policy's namespace that its labels select, and that no proxy stands before.
    #[cfg(feature = "neighbours")]
    pub(crate) fn unproxied(&self, meta: &Meta, labels: &Labels) -> Option<&'l Candidate<'l>> {
        let mut all = self.unproxied.get(meta.namespace.as_str())?.iter().copied();
        all.find(|one| labels.iter().all(|label| one.workload.labels.contains(label)))
    }

    /// The workloads at hand in a namespace; of the root namespace's policies, all.
    #[cfg(feature = "neighbours")]
    pub(crate) fn near(&self, namespace: &str) -> impl Iterator<Item = &'l Known<'l>> {
        let workloads = self.workloads;
        let numbers: Vec<usize> = match namespace == self.root {
            true => (0..workloads.len()).collect(),
            false => self.by_namespace.get(namespace).cloned().unwrap_or_default(),
        };
        numbers.into_iter().filter_map(move |number| workloads.get(number))
    }

    /// RequestAuthentications that may apply where the policy does, as far as namespaces and labels tell.
    pub(crate) fn token_rules(
        &self,
        meta: &Meta,
        target: &Target,
    ) -> impl Iterator<Item = &'l RequestAuthentication> {
        let namespaces: Vec<&str> = match meta.namespace == self.root {
            true => self.request.keys().copied().collect(),
            false => vec![&meta.namespace, self.root],
        };
        let found: Vec<&'l RequestAuthentication> = namespaces
            .iter()
            .filter_map(|namespace| self.request.get(*namespace))
            .flatten()
            .copied()
            .collect();
        let target = target.clone();
        found.into_iter().filter(move |policy| may_meet(&target, &policy.target))
    }

    /// A policy that may apply where this target does asks for a token, or leaves the decision to a provider.
    pub(crate) fn asks_for_tokens(&self, meta: &Meta, target: &Target) -> bool {
        let meets =
            |all: &Vec<&AuthorizationPolicy>| all.iter().any(|policy| may_meet(target, &policy.target));
        match meta.namespace == self.root {
            true => self.asking.values().any(meets),
            false => [meta.namespace.as_str(), self.root]
                .iter()
                .filter_map(|namespace| self.asking.get(namespace))
                .any(meets),
        }
    }

    /// A RequestAuthentication of the namespace.
    pub(crate) fn near_tokens(&self, namespace: &str) -> Option<&'l RequestAuthentication> {
        self.request.get(namespace)?.first().copied()
    }

    /// Policies of the namespace and of the root namespace that may apply where this target does.
    pub(crate) fn beside(
        &self,
        meta: &'l Meta,
        target: &'l Target,
    ) -> impl Iterator<Item = &'l AuthorizationPolicy> {
        let root = (meta.namespace != self.root).then_some(self.root);
        let namespaces = [Some(meta.namespace.as_str()), root];
        let found: Vec<&'l AuthorizationPolicy> = namespaces
            .into_iter()
            .flatten()
            .filter_map(|namespace| self.authorization.get(namespace))
            .flatten()
            .copied()
            .collect();
        found.into_iter().filter(|policy| may_meet(target, &policy.target))
    }

    /// Whether plaintext gets to what the policy is for.
    pub(crate) fn mtls(&self, meta: &Meta, target: &Target) -> Mtls<'l> {
        let mesh = self.unlabelled(self.root);
        let namespace = if meta.namespace == self.root { None } else { self.unlabelled(&meta.namespace) };
        let mut says = [namespace, mesh].into_iter().flatten().find(|policy| policy.mode.is_some());
        let own: &[(String, String)] = match target {
            Target::Selector(labels) => labels,
            _ => &[],
        };
        for policy in self.peer.get(meta.namespace.as_str()).into_iter().flatten() {
            let labels = policy.selector.as_ref().filter(|labels| !labels.is_empty());
            let Some(labels) = labels.filter(|_| meta.namespace != self.root) else { continue };
            if agree(own, labels) {
                match labels.iter().all(|label| own.contains(label)) {
                    true if policy.mode.is_some() => says = Some(policy),
                    true => {}
                    false => return Mtls::Differs,
                }
            }
        }
        if meta.namespace == self.root && matches!(target, Target::Namespace | Target::EmptySelector) {
            // Each namespace has its own mode.
            let other = self.peer.iter().any(|(namespace, all)| *namespace != self.root && !all.is_empty());
            if other && says.is_none_or(|policy| policy.mode != Some(MtlsMode::Strict)) {
                return Mtls::Differs;
            }
        }
        match says {
            Some(PeerAuthentication { mode: Some(MtlsMode::Strict), .. }) => Mtls::Strict,
            says => Mtls::Open(says),
        }
    }

    /// The PeerAuthentications of a namespace and of the root namespace.
    #[cfg(feature = "neighbours")]
    pub(crate) fn peers(&self, namespace: &str) -> impl Iterator<Item = &'l PeerAuthentication> {
        let root = (namespace != self.root).then_some(self.root);
        let namespaces = [Some(namespace), root].into_iter().flatten();
        let found: Vec<_> = namespaces.filter_map(|namespace| self.peer.get(namespace)).collect();
        let found: Vec<&'l PeerAuthentication> = found.into_iter().flatten().copied().collect();
        found.into_iter()
    }

    /// The PeerAuthentication without labels of a namespace; of several the oldest.
    fn unlabelled(&self, namespace: &str) -> Option<&'l PeerAuthentication> {
        let all = self.peer.get(namespace)?.iter().copied();
        all.filter(|policy| policy.selector.as_ref().is_none_or(Vec::is_empty))
            .min_by_key(|policy| (&policy.meta.creation_timestamp, &policy.meta.name))
    }

    fn find(&self, policy: Policy<'l>) -> Vec<usize> {
        let meta = policy.meta();
        let selector = |labels: &Labels| Target::Selector(labels.clone());
        let numbers = match policy {
            Policy::Authorization(policy) => self.candidates(meta, &policy.target),
            Policy::RequestAuthentication(policy) => self.candidates(meta, &policy.target),
            Policy::PeerAuthentication(policy) => {
                self.candidates(meta, &policy.selector.as_ref().map(selector).unwrap_or_default())
            }
        };
        let applies = |number: &usize| {
            let attachment = self.workloads.get(*number).map(|known| known.subject.attachment(policy));
            matches!(attachment, Some(Attachment::Applies(_)))
        };
        numbers.into_iter().filter(applies).collect()
    }

    /// The numbers of the workloads that a target means by namespace and labels.
    fn candidates(&self, meta: &Meta, target: &Target) -> Vec<usize> {
        let in_namespace = |number: &usize| {
            let of = self.workloads.get(*number).map(|known| known.candidate.workload.namespace.as_str());
            meta.namespace == self.root || of == Some(&meta.namespace)
        };
        let labels = match target {
            Target::Selector(labels) => labels.as_slice(),
            _ => &[],
        };
        let Some((key, value)) = labels.first() else {
            if matches!(target, Target::Refs(_)) {
                return self.proxies.clone();
            }
            return match meta.namespace == self.root {
                true => (0..self.workloads.len()).collect(),
                false => self.by_namespace.get(meta.namespace.as_str()).cloned().unwrap_or_default(),
            };
        };
        let labelled = self.by_label.get(&(key.as_str(), value.as_str())).into_iter().flatten().copied();
        let has = |number: &usize| {
            let of = self.workloads.get(*number).map(|known| &known.candidate.workload.labels);
            of.is_some_and(|of| labels.iter().all(|label| of.contains(label)))
        };
        labelled.filter(in_namespace).filter(has).collect()
    }
}

fn key(policy: Policy<'_>) -> (&'static str, &str, &str) {
    (policy.kind(), &policy.meta().namespace, &policy.meta().name)
}

pub(crate) fn asks_for_token(rule: &Rule) -> bool {
    let of_token =
        |attribute: Attribute| matches!(attribute.row().kind, Kind::Claim | Kind::RequestPrincipal);
    let from = rule.from.iter().any(|set| set.iter().any(|(attribute, _)| of_token(attribute)));
    let key = |key: &str| Attribute::of_key(key).is_some_and(|(attribute, _)| of_token(attribute));
    from || rule.when.iter().any(|condition| key(&condition.key.text))
}

/// No label is in both with different values.
pub(crate) fn agree(one: &[(String, String)], other: &[(String, String)]) -> bool {
    !one.iter().any(|(key, value)| other.iter().any(|(k, v)| k == key && v != value))
}

/// There can be a workload that both targets name, as far as they tell.
pub(crate) fn may_meet(one: &Target, other: &Target) -> bool {
    match (one, other) {
        (Target::Selector(one), Target::Selector(other)) => agree(one, other),
        (Target::Refs(one), Target::Refs(other)) => {
            let mut pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
            // A Gateway may be the waypoint of a Service.
            pairs.any(|(one, other)| one.kind != other.kind || one.name == other.name)
        }
        (Target::Refs(refs), Target::Selector(labels)) | (Target::Selector(labels), Target::Refs(refs)) => {
            let named = labels.iter().find(|(key, _)| key == GATEWAY_NAME_LABEL).map(|(_, name)| name);
            refs.iter().any(|target| {
                target.kind == TargetKind::Gateway && named.is_none_or(|named| *named == target.name)
            })
        }
        // A waypoint takes no policies without targets.
        (Target::Refs(refs), _) | (_, Target::Refs(refs)) => {
            refs.iter().any(|target| target.kind == TargetKind::Gateway)
        }
        _ => true,
    }
}
