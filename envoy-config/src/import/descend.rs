//! Which filter chain a connection gets by the chains' `filterChainMatch`.
//!
//! Envoy goes down nine levels (destination port, destination, server name, transport protocol, application protocols,
//! direct source, source type, source, source port). On each it takes the most specific entry that fits and never comes
//! back to a less specific one: what finds nothing further down gets the default chain. Envoy 1.40,
//! `filter_chain_manager_impl.cc`.

use super::{
    chain::Chain,
    connection::{Connection, Detected, Inspectors, NO_ADDRESS},
    criteria::SourceType,
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::net::IpAddr;
use ipnet::IpNet;

/// So many outcomes are told apart.
const MAX_OUTCOMES: usize = 13;

/// The chains that a connection may get, each once; `None`: no chain fits. One, where the request says enough.
pub(super) type Outcomes<'i> = Vec<Option<&'i Chain>>;

/// A connection on its way down.
pub(super) struct Descent<'d> {
    pub(super) connection: &'d Connection<'d>,
    pub(super) inspectors: &'d Inspectors,
    /// The listener is an internal one: the socket's own peer has no address.
    pub(super) internal: bool,
    /// What the choice depends on and the request does not state, in the order of the levels.
    pub(super) missing: Vec<&'static str>,
}

type Groups<'i, K> = BTreeMap<K, Vec<&'i Chain>>;

/// The chains under each of their values; under `none` where they ask for nothing.
fn groups<'i, K: Ord>(
    chains: &[&'i Chain],
    none: impl Fn() -> K,
    values: impl Fn(&'i Chain) -> Vec<K>,
) -> Groups<'i, K> {
    let mut groups: Groups<'i, K> = BTreeMap::new();
    for chain in chains {
        let mut keys = values(chain);
        if keys.is_empty() {
            keys.push(none());
        }
        for key in keys {
            groups.entry(key).or_default().push(chain);
        }
    }
    groups
}

fn add<'i>(outcomes: &mut Outcomes<'i>, more: Outcomes<'i>) {
    for outcome in more {
        let known = outcomes.iter().any(|known| same(*known, outcome));
        if !known && outcomes.len() < MAX_OUTCOMES {
            outcomes.push(outcome);
        }
    }
}

fn same(one: Option<&Chain>, other: Option<&Chain>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => core::ptr::eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

impl Descent<'_> {
    /// The chains that it may get.
    pub(super) fn find<'i>(&mut self, chains: &[&'i Chain]) -> Outcomes<'i> {
        let groups = groups(chains, || None, |chain| chain.criteria.port.map(Some).into_iter().collect());
        let Some(port) = self.connection.port else {
            // Any of them, or a port that none of them names.
            let mut branches: Vec<(Option<u16>, &[&'i Chain])> =
                groups.iter().map(|(port, chains)| (*port, chains.as_slice())).collect();
            if !groups.contains_key(&None) {
                branches.push((None, &[]));
            }
            let branches = branches.into_iter();
            return self
                .all("destination.port", branches, |this, (port, chains)| this.below_port(chains, port));
        };
        match groups.get(&Some(port)).or_else(|| groups.get(&None)) {
            Some(chains) => self.below_port(chains, Some(port)),
            None => vec![None],
        }
    }

    fn below_port<'i>(&mut self, chains: &[&'i Chain], port: Option<u16>) -> Outcomes<'i> {
        let detected = self.inspectors.detect(self.connection, port);
        let groups = by_range(chains, |chain| &chain.criteria.destinations);
        let destination = self.connection.destination;
        self.address("destination.ip", &groups, destination, |this, chains| {
            this.below_destination(chains, &detected)
        })
    }

    fn below_destination<'i>(&mut self, chains: &[&'i Chain], detected: &Detected<'_>) -> Outcomes<'i> {
        let groups = groups(
            chains,
            || "",
            |chain| {
                // `*.a.com` is kept as `.a.com`, which is no name.
                let keys = chain.criteria.names.iter();
                keys.map(|name| name.strip_prefix('*').unwrap_or(name)).collect()
            },
        );
        let sni = core::str::from_utf8(detected.sni).unwrap_or_default();
        let suffixes =
            sni.char_indices().skip(1).filter(|(at, c)| *c == '.' && at.saturating_add(1) < sni.len());
        let suffixes = suffixes.filter_map(|(at, _)| sni.get(at..));
        let mut keys = core::iter::once(sni).chain(suffixes).chain([""]);
        match keys.find_map(|key| groups.get(key)) {
            Some(chains) => self.below_name(chains, detected),
            None => vec![None],
        }
    }

    fn below_name<'i>(&mut self, chains: &[&'i Chain], detected: &Detected<'_>) -> Outcomes<'i> {
        let by_transport = groups(
            chains,
            || "",
            |chain| [chain.criteria.transport.as_str()].into_iter().filter(|t| !t.is_empty()).collect(),
        );
        let Some(chains) = by_transport.get(detected.transport).or_else(|| by_transport.get("")) else {
            return vec![None];
        };
        let by_protocol = groups(
            chains,
            || "",
            |chain| chain.criteria.protocols.iter().map(|name| name.as_str()).collect(),
        );
        let mut offered = detected.protocols.iter().copied().chain([""]);
        let Some(chains) = offered.find_map(|name| by_protocol.get(name)) else { return vec![None] };
        let by_direct = by_range(chains, |chain| &chain.criteria.direct_sources);
        let direct = if self.internal { Some(NO_ADDRESS) } else { self.connection.source };
        self.address("source.ip", &by_direct, direct, Descent::below_direct_source)
    }

    fn below_direct_source<'i>(&mut self, chains: &[&'i Chain]) -> Outcomes<'i> {
        let groups = groups(chains, || SourceType::Any, |chain| vec![chain.criteria.source_type]);
        if groups.keys().all(|key| *key == SourceType::Any) {
            return self.below_source_type(chains);
        }
        let any = groups.get(&SourceType::Any).map(Vec::as_slice).unwrap_or_default();
        let of = |kind| groups.get(&kind).map_or(any, Vec::as_slice);
        match self.connection.source_type() {
            Some(kind) => self.below_source_type(of(kind)),
            None => {
                let missing = if self.connection.source.is_none() { "source.ip" } else { "destination.ip" };
                let branches = [of(SourceType::Local), of(SourceType::External)].into_iter();
                self.all(missing, branches, |this, chains| this.below_source_type(chains))
            }
        }
    }

    fn below_source_type<'i>(&mut self, chains: &[&'i Chain]) -> Outcomes<'i> {
        let groups = by_range(chains, |chain| &chain.criteria.sources);
        let source = self.connection.source;
        self.address("source.ip", &groups, source, Descent::below_source)
    }

    fn below_source<'i>(&mut self, chains: &[&'i Chain]) -> Outcomes<'i> {
        let groups = groups(
            chains,
            || None,
            |chain| chain.criteria.source_ports.iter().map(|port| Some(*port)).collect(),
        );
        let outcome = |chains: &[&'i Chain]| vec![chains.first().copied()];
        let mut branches: Vec<&[&'i Chain]> = groups.values().map(Vec::as_slice).collect();
        if !groups.contains_key(&None) {
            branches.push(&[]);
        }
        self.all("the client's port", branches.into_iter(), |_, chains| outcome(chains))
    }

    /// The group with the longest range that holds the address.
    fn address<'i>(
        &mut self,
        name: &'static str,
        groups: &Groups<'i, Option<IpNet>>,
        address: Option<IpAddr>,
        below: impl Fn(&mut Self, &[&'i Chain]) -> Outcomes<'i>,
    ) -> Outcomes<'i> {
        let Some(address) = address else {
            let mut branches: Vec<&[&'i Chain]> = groups.values().map(Vec::as_slice).collect();
            if !groups.contains_key(&None) {
                branches.push(&[]);
            }
            return self.all(name, branches.into_iter(), below);
        };
        let holds = |range: &&Option<IpNet>| range.is_none_or(|range| range.contains(&address));
        let length = |range: &Option<IpNet>| range.map(|range| range.prefix_len());
        let best = groups.keys().filter(holds).max_by_key(|range| length(range));
        match best.and_then(|best| groups.get(best)) {
            Some(chains) => below(self, chains),
            None => vec![None],
        }
    }

    /// The outcomes of all branches; where they differ, they depend on `name`.
    fn all<'i, B>(
        &mut self,
        name: &'static str,
        branches: impl Iterator<Item = B>,
        below: impl Fn(&mut Self, B) -> Outcomes<'i>,
    ) -> Outcomes<'i> {
        let mut found: Option<Outcomes<'i>> = None;
        let at = self.missing.len();
        let mut differ = false;
        for branch in branches {
            let outcomes = below(self, branch);
            match &mut found {
                None => found = Some(outcomes),
                Some(found) => {
                    let equal = found.len() == outcomes.len()
                        && outcomes.iter().all(|one| found.iter().any(|other| same(*one, *other)));
                    differ |= !equal;
                    add(found, outcomes);
                }
            }
        }
        if differ && !self.missing.contains(&name) {
            self.missing.insert(at, name);
        }
        found.unwrap_or_else(|| vec![None])
    }
}

fn by_range<'i>(
    chains: &[&'i Chain],
    ranges: impl Fn(&'i Chain) -> &'i Vec<IpNet>,
) -> Groups<'i, Option<IpNet>> {
    groups(chains, || None, |chain| ranges(chain).iter().map(|range| Some(*range)).collect())
}
