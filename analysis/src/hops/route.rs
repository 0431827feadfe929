//! Where a gateway leads a request.

use super::{End, World};
use gnomon_engine::{
    Position, Workload, prepare::RequestSpec, regex::Regex, request::Protocol, resource::Labels,
};
use gnomon_manifests::inventory::{
    ApiGateway, Candidate, Destination, Gateway, HttpMatch, HttpRule, Meta, PathMatch, PathRewrite, Server,
    Service, TextMatch,
};
use std::sync::Arc;

/// Where it goes.
pub(super) struct Led<'i> {
    pub(super) service: &'i Service,
    /// The Service's port.
    pub(super) port: u16,
    pub(super) subset: String,
    /// With what the rule changes.
    pub(super) request: RequestSpec,
    pub(super) how: Vec<String>,
}

/// A rule that may lead the request, with what it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered<'i> {
    pub(super) rule: &'i HttpRule,
    /// The VirtualService or route.
    pub(super) meta: &'i Meta,
    kind: &'i str,
    /// How particular the host is that it is for: an exact one, then the longest.
    host: (bool, usize),
    /// Rules of the Gateway API are in the order of how particular they are, not as written.
    pub(super) by_rank: bool,
}

/// The first rule that takes the request, and its destination: the one that leads to the wanted workload, if there is one;
/// else the one with the largest share.
pub(super) fn route<'i>(
    world: &World<'i>,
    gateway: &Candidate<'_>,
    request: &RequestSpec,
    wanted: Option<&Workload>,
) -> Result<Led<'i>, End> {
    if request.protocol != Protocol::Http {
        return Err(End::Undecided("routes of TCP connections are not followed".into()));
    }
    let Some(host) = request.host.as_deref() else {
        return Err(End::Undecided("the request states no host, and a gateway routes by it".into()));
    };
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let name = name.to_ascii_lowercase();
    let offered = offered(world, gateway, request.destination_port, &name);
    let mut taken: Vec<(&Offered<'i>, Taken)> = Vec::new();
    for one in &offered {
        if let Some(taking) =
            takes(world, one, gateway, request, &name).map_err(|why| undecided(one, &why))?
        {
            taken.push((one, taking));
        }
    }
    let ranked = taken.iter().any(|(one, _)| one.by_rank);
    let chosen = match ranked {
        // The first of equals, so from the end.
        true => taken.into_iter().rev().max_by_key(|(_, taken)| taken.rank),
        false => taken.into_iter().next(),
    };
    let Some((one, taken)) = chosen else {
        let why = match offered.is_empty() {
            true if redirects(world, gateway, request.destination_port, &name) => {
                "the gateway redirects to https (`httpsRedirect`)".to_owned()
            }
            true => {
                format!("no route for the host {name} at this gateway: it answers 404 (NR, route_not_found)")
            }
            false => "no rule of its routes takes the request: the gateway answers 404 (NR, route_not_found)"
                .to_owned(),
        };
        return Err(End::Stops(why));
    };
    let by = one.named();
    one.goes_on()?;
    let mut how = Vec::new();
    let destination = chosen_destination(world, one, wanted, &mut how)
        .ok_or_else(|| End::Stops(format!("{by} leads nowhere: the gateway answers 500 or 503")))?;
    let (service, port) = service(world, destination, one.meta)?;
    how.insert(0, leads(one, service, port));
    let request = changed(one.rule, &taken, request, &mut how)
        .ok_or_else(|| undecided(one, "it rewrites the path by an expression"))?;
    Ok(Led { service, port, subset: destination.subset.clone(), request, how })
}

fn undecided(one: &Offered<'_>, why: &str) -> End {
    End::Undecided(format!("{}: {why}", one.named()))
}

impl Offered<'_> {
    /// `VirtualService shop/shop (mesh.yaml:29)`
    pub(super) fn named(&self) -> String {
        let place = place(&self.meta.file, self.rule.at);
        format!("{} {}/{}{place}", self.kind, self.meta.namespace, self.meta.name)
    }

    /// It has destinations, and does not answer by itself.
    pub(super) fn goes_on(&self) -> Result<(), End> {
        let by = self.named();
        match self.rule.answers.as_deref() {
            None => Ok(()),
            Some("a delegate") => Err(End::Undecided(format!(
                "{by} delegates to another VirtualService, which is not followed"
            ))),
            Some(answers) => Err(End::Stops(format!("the gateway answers with {answers}, by {by}"))),
        }
    }
}

/// Where a rule leads, in words.
pub(super) fn leads(one: &Offered<'_>, service: &Service, port: u16) -> String {
    format!("{} leads to {}/{} port {port}", one.named(), service.meta.namespace, service.meta.name)
}

/// The rules for a host, in the order in which they are written: those of the most particular pattern have all of its
/// requests, as Envoy's virtual hosts do.
pub(super) fn offered<'i>(
    world: &World<'i>,
    gateway: &Candidate<'_>,
    port: Option<u16>,
    host: &str,
) -> Vec<Offered<'i>> {
    let mut offered = of_virtual_services(world, gateway, port, host);
    offered.extend(of_routes(world, gateway, port, host));
    let best = offered.iter().map(|one| one.host).max();
    offered.retain(|one| Some(one.host) == best);
    offered
}

fn place(file: &Arc<str>, at: Position) -> String {
    match (file.is_empty(), at.line) {
        (true, _) => String::new(),
        (false, 0) => format!(" ({file})"),
        (false, line) => format!(" ({file}:{line})"),
    }
}

/// How particular a pattern of hosts is that fits; `None`: it does not.
pub(super) fn host_fits(pattern: &str, host: &str) -> Option<(bool, usize)> {
    // `namespace/host` of a Gateway.
    let pattern = pattern.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some(end) => {
            (host.ends_with(end) && (end.is_empty() || host.len() > end.len())).then_some((false, end.len()))
        }
        None => (pattern == host).then_some((true, pattern.len())),
    }
}

fn of_virtual_services<'i>(
    world: &World<'i>,
    gateway: &Candidate<'_>,
    port: Option<u16>,
    host: &str,
) -> Vec<Offered<'i>> {
    let mut offered = Vec::new();
    for one in &world.inventory.virtual_services {
        let at = |named: &String| serves(world, gateway, port, host, (&one.meta, named));
        let fits = one.hosts.iter().filter_map(|pattern| host_fits(pattern, host)).max();
        if let (true, Some(fits)) = (one.gateways.iter().any(at), fits) {
            let meta = &one.meta;
            offered.extend(one.http.iter().map(|rule| Offered {
                rule,
                meta,
                kind: "VirtualService",
                host: fits,
                by_rank: false,
            }));
        }
    }
    offered
}

/// The Gateway of this name, if it is for this proxy; named as a VirtualService writes it: `name`, `namespace/name`.
pub(super) fn named<'i>(
    world: &World<'i>,
    gateway: &Candidate<'_>,
    (owner, name): (&Meta, &str),
) -> Option<&'i Gateway> {
    let (namespace, name) = name.split_once('/').unwrap_or((&owner.namespace, name));
    world.inventory.gateways.iter().find(|one| {
        one.meta.namespace == namespace && one.meta.name == name && selects(&one.selector, gateway)
    })
}

/// Does a Gateway that a VirtualService names lead requests for this host by its routes?
pub(super) fn serves(
    world: &World<'_>,
    gateway: &Candidate<'_>,
    port: Option<u16>,
    host: &str,
    (owner, name): (&Meta, &str),
) -> bool {
    named(world, gateway, (owner, name)).is_some_and(|of| {
        servers(of, gateway, port, host).any(|(server, pattern)| {
            let for_it = match pattern.split_once('/') {
                None | Some(("*", _)) => true,
                Some((".", _)) => owner.namespace == of.meta.namespace,
                Some((namespace, _)) => owner.namespace == namespace,
            };
            for_it && !server.redirects
        })
    })
}

/// A match may be for some of the gateways only.
pub(super) fn is_for(
    world: &World<'_>,
    gateway: &Candidate<'_>,
    port: Option<u16>,
    host: &str,
    (owner, wanted): (&Meta, &HttpMatch),
) -> bool {
    let mut gateways = wanted.gateways.iter();
    wanted.gateways.is_empty() || gateways.any(|name| serves(world, gateway, port, host, (owner, name)))
}

/// The servers of a Gateway that speak HTTP with this host at this port, with the pattern that fits.
fn servers<'g>(
    of: &'g Gateway,
    gateway: &Candidate<'_>,
    port: Option<u16>,
    host: &str,
) -> impl Iterator<Item = (&'g Server, &'g str)> {
    of.servers
        .iter()
        .filter(move |server| {
            let fits = port.is_none_or(|port| port == server.port || reaches(gateway, port, server.port));
            fits && !server.is_tcp()
        })
        .flat_map(move |server| {
            let patterns = server.hosts.iter().filter(move |pattern| host_fits(pattern, host).is_some());
            patterns.map(move |pattern| (server, pattern.as_str()))
        })
}

/// Does a Gateway redirect what comes to this host at this port?
fn redirects(world: &World<'_>, gateway: &Candidate<'_>, port: Option<u16>, host: &str) -> bool {
    let all = world.inventory.gateways.iter().filter(|one| selects(&one.selector, gateway));
    all.flat_map(|one| servers(one, gateway, port, host)).any(|(server, _)| server.redirects)
}

pub(super) fn selects(selector: &Labels, gateway: &Candidate<'_>) -> bool {
    selector.iter().all(|label| gateway.workload.labels.contains(label))
}

/// The Gateway of the Gateway API that the workload is.
pub(super) fn api_gateway<'i>(world: &World<'i>, gateway: &Candidate<'_>) -> Option<&'i ApiGateway> {
    let labels = &gateway.workload.labels;
    let (_, name) = labels.iter().find(|(key, _)| key == gnomon_engine::attach::GATEWAY_NAME_LABEL)?;
    let is_it =
        |one: &&ApiGateway| one.meta.name == *name && one.meta.namespace == gateway.workload.namespace;
    world.inventory.api_gateways.iter().find(is_it)
}

/// A port of the gateway's Pod is that of a server by its Service.
pub(super) fn reaches(gateway: &Candidate<'_>, port: u16, server: u16) -> bool {
    gateway.reached.iter().any(|one| one.target == Some(port) && one.port.number == server)
}

fn of_routes<'i>(
    world: &World<'i>,
    gateway: &Candidate<'_>,
    port: Option<u16>,
    host: &str,
) -> Vec<Offered<'i>> {
    let Some(api) = api_gateway(world, gateway) else { return Vec::new() };
    let mut offered = Vec::new();
    for route in &world.inventory.routes {
        let listens = |section: &str| {
            api.listeners.iter().any(|listener| {
                (section.is_empty() || listener.name == section)
                    && port.is_none_or(|port| port == listener.port)
                    && (listener.hostname.is_empty() || host_fits(&listener.hostname, host).is_some())
            })
        };
        let bound = route.parents.iter().any(|parent| {
            parent.kind == "Gateway"
                && parent.name == api.meta.name
                && parent.namespace == api.meta.namespace
                && listens(&parent.section)
        });
        let fits = match route.hostnames.is_empty() {
            true => Some((false, 0)),
            false => route.hostnames.iter().filter_map(|pattern| host_fits(pattern, host)).max(),
        };
        if let (true, Some(fits)) = (bound, fits) {
            let (meta, kind) = (&route.meta, route.kind.as_str());
            offered.extend(route.http.iter().map(|rule| Offered {
                rule,
                meta,
                kind,
                host: fits,
                by_rank: true,
            }));
        }
    }
    offered
}

/// How a request fits a rule.
#[derive(Clone, Debug, Default)]
struct Taken {
    /// What of the path matched: for rewriting it.
    matched: Option<PathMatch>,
    rank: Rank,
}

/// Exact path, length of the path, method, headers, parameters: in this order.
pub(super) type Rank = (bool, usize, bool, usize, usize);

/// `Ok(None)`: the rule is not for this request. Of a VirtualService's matches the first one counts, of a route's the most
/// particular one.
fn takes(
    world: &World<'_>,
    offered: &Offered<'_>,
    gateway: &Candidate<'_>,
    request: &RequestSpec,
    host: &str,
) -> Result<Option<Taken>, String> {
    if offered.rule.matches.is_empty() {
        return Ok(Some(Taken::default()));
    }
    let mut best: Option<Taken> = None;
    for one in &offered.rule.matches {
        if is_for(world, gateway, request.destination_port, host, (offered.meta, one))
            && fits(one, gateway, request, host)?
        {
            let rank = rank(one);
            if !offered.by_rank {
                return Ok(Some(Taken { matched: one.path.clone(), rank }));
            }
            if best.as_ref().is_none_or(|best| best.rank < rank) {
                best = Some(Taken { matched: one.path.clone(), rank });
            }
        }
    }
    Ok(best)
}

/// How particular a match is (Gateway API, `HTTPRouteMatch`).
pub(super) fn rank(one: &HttpMatch) -> Rank {
    let (exact, length) = match &one.path {
        Some(PathMatch::Exact(text)) => (true, text.len()),
        Some(PathMatch::Prefix(text) | PathMatch::Segments(text) | PathMatch::Regex(text)) => {
            (false, text.len())
        }
        None => (false, 0),
    };
    (exact, length, one.method.is_some(), one.headers.len(), one.query.len())
}

fn fits(one: &HttpMatch, gateway: &Candidate<'_>, request: &RequestSpec, host: &str) -> Result<bool, String> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let port_fits =
        |port: u16| request.destination_port.is_none_or(|own| own == port || reaches(gateway, own, port));
    if !one.port.is_none_or(port_fits) {
        return Ok(false);
    }
    let mut all = true;
    if let Some(wanted) = &one.path {
        all &= path_fits(wanted, path, one.ignores_case)?;
    }
    if let Some(wanted) = &one.method {
        all &= text_fits(wanted, Some(&request.method))?;
    }
    if let Some(wanted) = &one.authority {
        all &= text_fits(wanted, Some(request.host.as_deref().unwrap_or(host)))?;
    }
    for (name, wanted, negated) in &one.headers {
        let lines: Vec<&str> = request
            .headers
            .iter()
            .filter(|(sent, _)| sent.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        // Envoy joins the lines of a header.
        let joined = (!lines.is_empty()).then(|| lines.join(","));
        all &= text_fits(wanted, joined.as_deref())? != *negated;
    }
    for (name, wanted) in &one.query {
        let values = query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        });
        all &= text_fits(wanted, values.into_iter().next())?;
    }
    if all && !one.others.is_empty() {
        return Err(format!("its `{}` is not followed", one.others.join("`, `")));
    }
    Ok(all)
}

fn path_fits(wanted: &PathMatch, path: &str, ignores_case: bool) -> Result<bool, String> {
    let folded = |text: &str| if ignores_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let path = &folded(path);
    Ok(match wanted {
        PathMatch::Exact(text) => *path == folded(text),
        PathMatch::Prefix(text) => path.starts_with(&folded(text)),
        PathMatch::Segments(text) => {
            let text = text.trim_end_matches('/');
            path.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathMatch::Regex(text) => matches(text, path)?,
    })
}

fn text_fits(wanted: &TextMatch, value: Option<&str>) -> Result<bool, String> {
    let Some(value) = value else { return Ok(false) };
    Ok(match wanted {
        TextMatch::Exact(text) => value == text,
        TextMatch::Prefix(text) => value.starts_with(text),
        TextMatch::Regex(text) => matches(text, value)?,
        TextMatch::Present => true,
    })
}

fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    let compiled =
        Regex::new(pattern).map_err(|why| format!("its expression `{pattern}` cannot be read: {why}"))?;
    Ok(compiled.matches(text.as_bytes()))
}

/// The destination that leads to the wanted workload, or else the one with the largest share.
fn chosen_destination<'i>(
    world: &World<'i>,
    one: &Offered<'i>,
    wanted: Option<&Workload>,
    how: &mut Vec<String>,
) -> Option<&'i Destination> {
    let leads_there = |destination: &&Destination| {
        wanted.is_some_and(|wanted| {
            service(world, destination, one.meta)
                .is_ok_and(|(service, port)| world.is_behind(service, port, wanted))
        })
    };
    shared(one.rule).find(leads_there).or_else(|| heaviest(&one.rule.destinations, how))
}

/// The destinations that get requests.
pub(super) fn shared(rule: &HttpRule) -> impl Iterator<Item = &Destination> {
    let destinations = &rule.destinations;
    destinations.iter().filter(|one| share(one, destinations) > 0)
}

fn share(one: &Destination, all: &[Destination]) -> u32 {
    one.weight.unwrap_or(if all.len() == 1 { 100 } else { 1 })
}

/// The destination with the largest share; the others are told.
fn heaviest<'d>(destinations: &'d [Destination], how: &mut Vec<String>) -> Option<&'d Destination> {
    let share = |one: &Destination| share(one, destinations);
    let chosen = destinations.iter().filter(|one| share(one) > 0).max_by_key(|one| share(one))?;
    let others: Vec<String> = destinations
        .iter()
        .filter(|one| *one != chosen && share(one) > 0)
        .map(|one| format!("{} (weight {})", one.host, share(one)))
        .collect();
    if !others.is_empty() {
        how.push(format!("the rule has other destinations, which are not followed: {}", others.join(", ")));
    }
    Some(chosen)
}

/// The Service that a destination names, and its port.
pub(super) fn service<'i>(
    world: &World<'i>,
    to: &Destination,
    meta: &Meta,
) -> Result<(&'i Service, u16), End> {
    let full = to.host.trim_end_matches('.');
    let mut parts = full.splitn(3, '.');
    let (name, namespace) = match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        (name, None, _) => (name, to.namespace.as_deref().unwrap_or(&meta.namespace)),
        (name, Some(namespace), Some(rest)) if rest == "svc" || rest.starts_with("svc.") => (name, namespace),
        _ => {
            let entry =
                world.inventory.service_entries.iter().any(|one| one.hosts.iter().any(|host| host == full));
            return Err(match entry {
                true => End::Stops(format!(
                    "{full} is a ServiceEntry: the request leaves what the manifests describe"
                )),
                false => End::Undecided(format!("{full} is no Service of this cluster")),
            });
        }
    };
    let all = &world.inventory.services;
    let found = all.iter().find(|one| one.meta.name == name && one.meta.namespace == namespace);
    let Some(found) = found else {
        return Err(End::Undecided(format!("the Service {namespace}/{name} is not among the manifests")));
    };
    let port = match (to.port, &found.ports[..]) {
        (Some(port), ports) if ports.iter().any(|one| one.number == port) => port,
        (Some(port), _) => {
            return Err(End::Stops(format!(
                "the Service {namespace}/{name} has no port {port}: the gateway answers 503"
            )));
        }
        (None, [only]) => only.number,
        (None, _) => {
            return Err(End::Undecided(format!(
                "the rule names no port, and {namespace}/{name} has several"
            )));
        }
    };
    Ok((found, port))
}

/// The request as the rule sends it on; `None`: it cannot be said.
fn changed(
    rule: &HttpRule,
    taken: &Taken,
    request: &RequestSpec,
    how: &mut Vec<String>,
) -> Option<RequestSpec> {
    let mut next = request.clone();
    let (path, query) = match request.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request.path.as_str(), None),
    };
    let prefix = match &taken.matched {
        Some(PathMatch::Prefix(text) | PathMatch::Segments(text)) => Some(text.as_str()),
        Some(PathMatch::Exact(_)) => Some(path),
        Some(PathMatch::Regex(_)) => None,
        None => Some("/"),
    };
    let rewritten = match &rule.rewrite {
        None => None,
        Some(PathRewrite::Other) => return None,
        Some(PathRewrite::Whole(text)) => Some(text.clone()),
        Some(PathRewrite::Matched(text)) => match prefix {
            // An expression that matches is rewritten as a whole.
            None => Some(text.clone()),
            Some(prefix) => Some(format!("{text}{}", path.get(prefix.len()..).unwrap_or_default())),
        },
        Some(PathRewrite::Segments(text)) => {
            let rest = path.get(prefix.unwrap_or_default().trim_end_matches('/').len()..).unwrap_or_default();
            let joined = format!("{}{rest}", text.trim_end_matches('/'));
            Some(if joined.starts_with('/') { joined } else { format!("/{joined}") })
        }
    };
    if let Some(new) = rewritten {
        how.push(format!("the path becomes {new}"));
        next.path = match query {
            Some(query) => format!("{new}?{query}"),
            None => new,
        };
    }
    if let Some(authority) = &rule.authority {
        how.push(format!("the host becomes {authority}"));
        next.host = Some(authority.clone());
    }
    for name in &rule.headers.remove {
        next.headers.retain(|(sent, _)| !sent.eq_ignore_ascii_case(name));
    }
    for (name, value) in &rule.headers.set {
        next.headers.retain(|(sent, _)| !sent.eq_ignore_ascii_case(name));
        next.headers.push((name.clone(), value.clone()));
    }
    next.headers.extend(rule.headers.add.iter().cloned());
    let names: Vec<&str> =
        rule.headers.set.iter().chain(&rule.headers.add).map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        how.push(format!("the headers {} are written", names.join(", ")));
    }
    if !rule.headers.remove.is_empty() {
        how.push(format!("the headers {} are taken out", rule.headers.remove.join(", ")));
    }
    Some(next)
}
