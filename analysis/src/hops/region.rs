//! All that a gateway does with requests, by hosts.

use super::{
    World,
    route::{Offered, api_gateway, host_fits, is_for, named, offered, rank, reaches, selects},
};
use gnomon_manifests::inventory::{Candidate, HttpMatch, Parent};

/// Rules, each with one of its matches.
type Matches<'i> = Vec<(Offered<'i>, HttpMatch)>;

/// The hosts that a gateway does the same with.
#[derive(Debug)]
pub(super) struct Region<'i> {
    /// `shop.example.com`, `*.example.com`, `*`.
    pub(super) hosts: String,
    /// Narrower patterns, whose hosts are of other regions.
    pub(super) but: Vec<String>,
    /// At which ports of the gateway; empty: at all that it serves.
    pub(super) ports: Vec<u16>,
    /// What it may do, in order: the first that takes a request has it.
    pub(super) matches: Matches<'i>,
}

/// All that a gateway does, by hosts that no pattern tells apart.
pub(super) fn regions<'i>(world: &World<'i>, gateway: &Candidate<'_>) -> Vec<Region<'i>> {
    let (ports, patterns) = served(world, gateway);
    let mut regions = Vec::new();
    for pattern in &patterns {
        let within = |other: &&String| *other != pattern && covers(pattern, other);
        let but: Vec<String> = patterns.iter().filter(within).cloned().collect();
        let member = pattern.replacen('*', "any-other", 1);
        // Ports that the same rules are for.
        let mut groups: Vec<(Vec<u16>, Matches<'i>)> = Vec::new();
        for port in &ports {
            let matches = ordered(&offered(world, gateway, Some(*port), &member));
            let matches: Vec<_> = matches
                .into_iter()
                .filter(|(offered, one)| {
                    one.port.is_none_or(|wanted| wanted == *port || reaches(gateway, *port, wanted))
                        && is_for(world, gateway, Some(*port), &member, (offered.meta, one))
                })
                .collect();
            let same = |others: &[(Offered<'i>, HttpMatch)]| {
                others.len() == matches.len()
                    && others
                        .iter()
                        .zip(&matches)
                        .all(|((a, x), (b, y))| std::ptr::eq(a.rule, b.rule) && x == y)
            };
            match groups.iter_mut().find(|(_, others)| same(others)) {
                Some((ports, _)) => ports.push(*port),
                None => groups.push((vec![*port], matches)),
            }
        }
        let only = groups.len() == 1;
        for (own, matches) in groups.into_iter().filter(|(_, matches)| !matches.is_empty()) {
            let own = if only { Vec::new() } else { own };
            regions.push(Region { hosts: pattern.clone(), but: but.clone(), ports: own, matches });
        }
    }
    regions
}

/// Does every host of the one pattern fit the other?
fn covers(pattern: &str, other: &str) -> bool {
    match (pattern.strip_prefix('*'), other.strip_prefix('*')) {
        (Some(end), Some(other)) => other.len() > end.len() && other.ends_with(end),
        (Some(_), None) => host_fits(pattern, other).is_some(),
        (None, _) => false,
    }
}

/// The ports of the gateway's Pod, and all patterns of hosts that its servers and routes have, in lower case.
fn served(world: &World<'_>, gateway: &Candidate<'_>) -> (Vec<u16>, Vec<String>) {
    let (mut ports, mut patterns) = (Vec::new(), Vec::new());
    let mut pattern = |text: &str| {
        let text = text.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let text = if text.is_empty() { "*".to_owned() } else { text };
        if !patterns.contains(&text) {
            patterns.push(text);
        }
    };
    let mut port = |number: u16| {
        if !ports.contains(&number) {
            ports.push(number);
        }
    };
    for one in world.inventory.gateways.iter().filter(|one| selects(&one.selector, gateway)) {
        for server in &one.servers {
            server.hosts.iter().for_each(|host| pattern(host));
            let behind = gateway.reached.iter().find(|reached| reached.port.number == server.port);
            port(behind.and_then(|reached| reached.target).unwrap_or(server.port));
        }
    }
    if let Some(api) = api_gateway(world, gateway) {
        for listener in &api.listeners {
            pattern(&listener.hostname);
            port(listener.port);
        }
        let routes = world.inventory.routes.iter().filter(|route| {
            let is_it =
                |parent: &Parent| parent.name == api.meta.name && parent.namespace == api.meta.namespace;
            route.parents.iter().any(is_it)
        });
        routes.flat_map(|route| &route.hostnames).for_each(|host| pattern(host));
    }
    for one in &world.inventory.virtual_services {
        if one.gateways.iter().any(|name| named(world, gateway, (&one.meta, name)).is_some()) {
            one.hosts.iter().for_each(|host| pattern(host));
        }
    }
    ports.sort_unstable();
    patterns.sort_unstable();
    (ports, patterns)
}

/// Each rule with each of its matches, in the order in which they are tried.
fn ordered<'i>(offered: &[Offered<'i>]) -> Matches<'i> {
    let mut all: Matches<'i> = Vec::new();
    for one in offered {
        match one.rule.matches.is_empty() {
            true => all.push((*one, HttpMatch::default())),
            false => all.extend(one.rule.matches.iter().map(|wanted| (*one, wanted.clone()))),
        }
    }
    if offered.iter().any(|one| one.by_rank) {
        all.sort_by_key(|(_, wanted)| std::cmp::Reverse(rank(wanted)));
    }
    all
}
