//! Everything that can reach a proxy's filters, as one plan: for questions about all requests at once.
//!
//! Connections are told apart by what chooses a filter chain: the port, whether a client shows a certificate, the server
//! name. Each of these *cells* is put to the listener as [`Imported::select`] would put it; cells that meet the same
//! filters are one class, and where there are several, the rules of each are bound to their cells.

use super::{
    Imported, Listener,
    chain::{Chain, Does, HttpSettings},
    conditions::{Untold, origin},
    refusal::Refusal,
    select::End,
    stages::unnamed,
};
use alloc::{
    boxed::Box,
    collections::BTreeSet,
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::fmt;
use gnomon_engine::{
    Attribute, Plan, Position,
    jwt::Authenticator,
    pattern::{Pattern, PeerPattern},
    plan::{ChainParts, Clause, Matcher, Parts, Rule},
    prepare::ProxySettings,
    request::{Input, Peer, Protocol, Request},
};

/// No more ways than this for a connection to begin.
const CELLS: usize = 20_000;
/// Any client's certificate.
const SOMEBODY: &[&[u8]] = &[b"spiffe://cluster.local/ns/default/sa/default"];

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// A listener's name or port, or a filter chain's name; `None`: all of what comes in.
    pub listener: Option<&'a str>,
    /// What holds where the configuration does not say it: for filters without a connection manager, and whose Envoy it is.
    pub told: &'a ProxySettings,
    /// Somebody checks what a peer's certificate says.
    pub believes_peers: bool,
    /// It stands beside policies, which know no listeners: only connections that a listener treats as policies take them
    /// are asked about.
    pub beside_policies: bool,
}

/// A configuration as a plan.
#[derive(Debug)]
pub struct Reach {
    /// The plan. It gives the verdicts of the configuration; what it tells beside them may differ.
    pub plan: Plan,
    /// Some HTTP requests reach a chain that reads HTTP, or are refused before.
    pub http: bool,
    /// Some connections reach a chain that does not.
    pub tcp: bool,
    /// A port at which they are asked about, for a request that states none.
    pub port: Option<u16>,
    /// It is about one filter chain, whatever the listener in front of it lets through.
    pub behind_listener: bool,
    /// What is not asked about: HTTP, TCP. A verdict there means nothing.
    pub outside: [Vec<Rule>; 2],
}

/// What of a configuration cannot be said as conditions on requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untranslated(String);

impl fmt::Display for Untranslated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Untranslated {}

/// One way for a connection to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// `None`: a port that nothing names.
    port: Option<u16>,
    peer: bool,
    /// By number.
    name: usize,
}

/// Server names that nothing tells apart.
struct Names {
    member: String,
    clauses: Vec<Clause>,
}

/// What becomes of a cell.
#[derive(Clone, Copy)]
enum Fate<'i> {
    Chain(&'i Chain),
    Refused(Refusal),
    Outside,
}

/// The connections of one protocol.
struct Ways<'i> {
    ports: Vec<u16>,
    names: Vec<Names>,
    cells: Vec<(Cell, Fate<'i>)>,
}

impl Imported {
    /// Everything that comes in, or to the listener that is named.
    ///
    /// # Errors
    ///
    /// What has no form as conditions, or what the choice of a filter chain depends on beside port, certificate and server
    /// name: never guessed.
    pub fn reach(&self, scope: Scope<'_>) -> Result<Reach, Untranslated> {
        self.reached(scope).map_err(Untranslated)
    }

    fn reached(&self, scope: Scope<'_>) -> Result<Reach, Untold> {
        let ways = [self.ways(scope, Protocol::Http)?, self.ways(scope, Protocol::Tcp)?];
        let [http, tcp] = &ways;
        let chains = http.chains();
        let manager = settings(&chains)?;
        let (authenticator, jwt_rules) = authenticator(&chains)?;
        let told = scope.told;
        let settings = match manager {
            Some(manager) => ProxySettings {
                path: manager.path,
                underscores: manager.underscores,
                gateway: manager.gateway,
                hops: manager.hops,
                ..told.clone()
            },
            None => told.clone(),
        };
        let parts = Parts {
            name: scope.listener.unwrap_or("the proxy").to_string(),
            settings,
            authenticator,
            jwt_rules,
            believes_peers: scope.believes_peers,
            joins_lines: chains.iter().any(|chain| chain.joins_lines()),
            http: http.parts()?,
            tcp: tcp.parts()?,
        };
        let inside = |ways: &Ways<'_>| ways.cells.iter().any(|(_, fate)| !matches!(fate, Fate::Outside));
        let first = ways.iter().flat_map(|ways| &ways.cells).find(|(_, fate)| !matches!(fate, Fate::Outside));
        Ok(Reach {
            plan: Plan::of_parts(parts),
            http: inside(http),
            tcp: inside(tcp),
            port: first.map(|(cell, _)| http.member(cell.port)),
            behind_listener: self.only_chain(scope.listener).is_some(),
            outside: [http.outside(), tcp.outside()],
        })
    }

    fn ways(&self, scope: Scope<'_>, protocol: Protocol) -> Result<Ways<'_>, Untold> {
        let (pool, port) = self.pool(scope.listener)?;
        let ports: BTreeSet<u16> = match (self.only_chain(scope.listener), port) {
            (Some(_), _) => BTreeSet::new(),
            (None, Some(port)) => [port].into(),
            (None, None) => pool.iter().flat_map(|listener| listener.named_ports()).collect(),
        };
        let ports: Vec<u16> = ports.into_iter().collect();
        let names = names(&pool);
        let others = pool.len() == 1 || pool.iter().any(|listener| listener.takes_any_port());
        let others = others && port.is_none();
        let all: Vec<Option<u16>> = ports.iter().copied().map(Some).chain(others.then_some(None)).collect();
        if all.len().saturating_mul(names.len()).saturating_mul(2) > CELLS {
            return Err("more ports and server names than are told apart; choose a listener".into());
        }
        let mut ways = Ways { ports, names, cells: Vec::new() };
        for port in all {
            for peer in [true, false] {
                for name in 0..ways.names.len() {
                    let cell = Cell { port, peer, name };
                    let fate = self.fate(scope, &ways, cell, protocol)?;
                    ways.cells.push((cell, fate));
                }
            }
        }
        if scope.beside_policies {
            // A port at which nobody is served: policies do not say which there are.
            let served: Vec<Option<u16>> = ways
                .cells
                .iter()
                .filter(|(_, fate)| matches!(fate, Fate::Chain(_)))
                .map(|(cell, _)| cell.port)
                .collect();
            for (cell, fate) in &mut ways.cells {
                if !served.contains(&cell.port) {
                    *fate = Fate::Outside;
                }
            }
        }
        Ok(ways)
    }

    fn fate<'i>(
        &'i self,
        scope: Scope<'_>,
        ways: &Ways<'_>,
        cell: Cell,
        protocol: Protocol,
    ) -> Result<Fate<'i>, Untold> {
        let sni = ways.names.get(cell.name).map_or("", |names| names.member.as_str());
        let request = Request {
            protocol,
            peer: match cell.peer {
                true => Peer::Tls { names: SOMEBODY, complete: true },
                false => Peer::Plaintext,
            },
            destination_port: Input::Is(ways.member(cell.port)),
            source_ip: Input::Unknown,
            remote_ip: Input::Unknown,
            destination_ip: Input::Unknown,
            sni: sni.as_bytes(),
            ..Request::http(&[])
        };
        let End { chain, refusal, passes_tls } = self.end(scope.listener, &request)?;
        let Some(chain) = chain else {
            return Ok(if scope.beside_policies && !scope.is_sidecar() {
                Fate::Outside
            } else {
                Fate::Refused(refusal.unwrap_or(Refusal::NoChain))
            });
        };
        if chain.protocol != protocol {
            return Ok(Fate::Outside);
        }
        // Policies know nothing of these.
        let unusual = chain.black_hole
            || (!cell.peer
                && !sni.is_empty()
                && scope.is_sidecar()
                && self.only_chain(scope.listener).is_none())
            || (passes_tls && protocol == Protocol::Tcp)
            || (refusal.is_some() && !scope.is_sidecar());
        Ok(match refusal {
            _ if scope.beside_policies && unusual => Fate::Outside,
            Some(refusal) => Fate::Refused(refusal),
            None => Fate::Chain(chain),
        })
    }
}

impl Scope<'_> {
    fn is_sidecar(&self) -> bool {
        use gnomon_engine::workload::ProxyKind;
        !matches!(self.told.proxy, Some(ProxyKind::Gateway | ProxyKind::Waypoint))
    }
}

impl<'i> Ways<'i> {
    /// A port for a request.
    fn member(&self, port: Option<u16>) -> u16 {
        let free = || [80, 8080, 81].into_iter().chain(1..).find(|port| !self.ports.contains(port));
        port.or_else(free).unwrap_or_default()
    }

    /// The different things that chains do, each by one of them.
    fn chains(&self) -> Vec<&'i Chain> {
        let mut found: Vec<&'i Chain> = Vec::new();
        for (_, fate) in &self.cells {
            if let Fate::Chain(chain) = fate
                && !found.iter().any(|known| known.does_the_same(chain))
            {
                found.push(chain);
            }
        }
        found
    }

    fn outside(&self) -> Vec<Rule> {
        let outside = self.guards(|fate| matches!(fate, Fate::Outside));
        outside.into_iter().map(|guard| unnamed("it is not asked about", guard)).collect()
    }

    fn parts(&self) -> Result<ChainParts, Untold> {
        let mut parts = ChainParts { deny: self.outside(), ..ChainParts::default() };
        let mut refusals: Vec<Refusal> = Vec::new();
        for (_, fate) in &self.cells {
            if let Fate::Refused(refusal) = fate
                && !refusals.contains(refusal)
            {
                refusals.push(*refusal);
            }
        }
        for refusal in refusals {
            let guards = self.guards(|fate| matches!(fate, Fate::Refused(other) if *other == refusal));
            parts.deny.extend(guards.into_iter().map(|guard| unnamed(refusal.short(), guard)));
        }
        let chains = self.chains();
        let mut stages = Vec::new();
        for chain in &chains {
            stages.push(chain.stages().map_err(|what| match chain.name.as_str() {
                "" => what,
                name => format!("filter chain {name}: {what}"),
            })?);
        }
        let allows = stages.iter().any(|stage| stage.allow.is_some());
        for (chain, stage) in chains.iter().zip(stages) {
            // What is refused before need not be told from what is not.
            let guards = match chains.len() {
                1 => vec![Vec::new()],
                _ => self.guards(|fate| matches!(fate, Fate::Chain(other) if other.does_the_same(chain))),
            };
            let bound = |rules: Vec<Rule>| -> Vec<Rule> {
                let each = rules.iter().flat_map(|rule| {
                    guards.iter().map(|guard| Rule {
                        when: rule.when.iter().chain(guard).cloned().collect(),
                        ..rule.clone()
                    })
                });
                each.collect()
            };
            if chain.black_hole {
                parts.deny.extend(bound(vec![unnamed("this chain leads nowhere", Vec::new())]));
            }
            parts.deny.extend(bound(stage.deny));
            if allows {
                let nothing_needed = || vec![unnamed("no ALLOW filter is there", Vec::new())];
                let allow = stage.allow.unwrap_or_else(nothing_needed);
                parts.allow.get_or_insert_default().extend(bound(allow));
            }
            if let Some(custom) = stage.custom {
                let rules = bound(custom.rules);
                match &mut parts.custom {
                    None => parts.custom = Some(gnomon_engine::plan::CustomParts { rules, ..custom }),
                    Some(known)
                        if known.provider == custom.provider && known.fails_open == custom.fails_open =>
                    {
                        known.rules.extend(rules);
                    }
                    Some(_) => return Err("filter chains with different ext_authz providers".into()),
                }
            }
        }
        Ok(parts)
    }

    /// Conditions that hold in these cells and in no others, as alternatives.
    fn guards(&self, is: impl Fn(&Fate<'_>) -> bool) -> Vec<Vec<Clause>> {
        let inside: Vec<bool> = self.cells.iter().map(|(_, fate)| is(fate)).collect();
        if inside.iter().all(|inside| !inside) {
            return Vec::new();
        }
        // The ports of each pair of peer and name.
        let ports = |peer: bool, name: usize| -> Vec<Option<u16>> {
            let cells = self.cells.iter().zip(&inside);
            let those =
                cells.filter(|((cell, _), inside)| **inside && cell.peer == peer && cell.name == name);
            those.map(|((cell, _), _)| cell.port).collect()
        };
        let by_name = |peer: bool| -> Vec<Vec<Option<u16>>> {
            (0..self.names.len()).map(|name| ports(peer, name)).collect()
        };
        let (with, without) = (by_name(true), by_name(false));
        let mut guards = Vec::new();
        let sides = match with == without {
            true => vec![(None, with)],
            false => vec![(Some(true), with), (Some(false), without)],
        };
        for (peer, names) in sides {
            let same = names.iter().all(|ports| Some(ports) == names.first());
            for (number, ports) in names.iter().enumerate().take(if same { 1 } else { usize::MAX }) {
                let Some(port) = self.port_clause(ports) else { continue };
                let mut guard: Vec<Clause> = Vec::new();
                guard.extend(peer.map(|peer| {
                    let any = Matcher::Peer([PeerPattern::Present].into());
                    clause(Attribute::Principal, None, any, !peer)
                }));
                if let (false, Some(name)) = (same, self.names.get(number)) {
                    guard.extend(name.clauses.iter().cloned());
                }
                guard.extend(port);
                guards.push(guard);
            }
        }
        guards
    }

    /// `None`: no port; inside, `None`: every port.
    fn port_clause(&self, ports: &[Option<u16>]) -> Option<Option<Clause>> {
        if ports.is_empty() {
            return None;
        }
        let there = |port: &u16| ports.contains(&Some(*port));
        let (others, listed): (bool, Vec<u16>) = match ports.contains(&None) {
            true => (true, self.ports.iter().copied().filter(|port| !there(port)).collect()),
            false => (false, self.ports.iter().copied().filter(there).collect()),
        };
        // Where no other port leads anywhere, all that are named are all that there are.
        let all = !self.cells.iter().any(|(cell, _)| cell.port.is_none()) && listed.len() == self.ports.len();
        if (others && listed.is_empty()) || (!others && all) {
            return Some(None);
        }
        Some(Some(clause(Attribute::Port, None, Matcher::Port(listed.into()), others)))
    }
}

fn clause(attribute: Attribute, key: Option<&str>, matcher: Matcher, negated: bool) -> Clause {
    let expected: Vec<String> = match &matcher {
        Matcher::Port(ports) => ports.iter().map(ToString::to_string).collect(),
        Matcher::Text(patterns) => patterns.iter().map(Pattern::written).collect(),
        _ => vec!["*".into()],
    };
    Clause::of((attribute, key), Vec::<Box<str>>::new(), (matcher, negated), expected, Position::default())
}

/// The server names that the listeners tell apart: none, each that is named, what a wildcard is for, any other.
fn names(pool: &[&Listener]) -> Vec<Names> {
    let chains = pool.iter().flat_map(|listener| &listener.chains);
    let named: BTreeSet<&str> =
        chains.flat_map(|chain| chain.criteria.names.iter().map(String::as_str)).collect();
    let sni = |patterns: Vec<Pattern>, negated| {
        clause(Attribute::Sni, Some("connection.sni"), Matcher::Text(patterns.into()), negated)
    };
    let exact = |text: &str| Pattern::Exact(text.as_bytes().into());
    let suffix = |text: &str| Pattern::Suffix(text.as_bytes().into());
    let mut all = vec![Names { member: String::new(), clauses: vec![sni(vec![exact("")], false)] }];
    let mut taken: Vec<Pattern> = vec![exact("")];
    let wild: Vec<&str> =
        named.iter().filter_map(|name| name.strip_prefix('*')).filter(|w| !w.is_empty()).collect();
    // A name that is nothing but the end of a wildcard is not under it.
    let whole = named.iter().copied().filter(|name| !name.starts_with('*')).chain(wild.iter().copied());
    for name in whole.filter(|name| !name.is_empty()) {
        taken.push(exact(name));
        all.push(Names { member: name.into(), clauses: vec![sni(vec![exact(name)], false)] });
    }
    for end in &wild {
        let more_specific = |other: &&&str| other.len() > end.len() && other.ends_with(*end);
        let mut but: Vec<Pattern> = wild.iter().filter(more_specific).map(|other| suffix(other)).collect();
        but.extend(
            taken
                .iter()
                .filter(|pattern| matches!(pattern, Pattern::Exact(text) if text.ends_with(end.as_bytes())))
                .cloned(),
        );
        let mut clauses = vec![sni(vec![suffix(end)], false)];
        if !but.is_empty() {
            clauses.push(sni(but, true));
        }
        all.push(Names { member: format!("any-other-name{end}"), clauses });
    }
    taken.extend(wild.iter().map(|end| suffix(end)));
    all.push(Names { member: "any-other-name.invalid".into(), clauses: vec![sni(taken, true)] });
    all
}

/// The connection managers' settings, which must be the same: what reaches the filters is then the same request.
fn settings(chains: &[&Chain]) -> Result<Option<HttpSettings>, Untold> {
    let mut all = chains.iter().map(|chain| chain.http);
    let first = all.next().flatten();
    match all.all(|other| other == first) {
        true => Ok(first),
        false => Err(
            "filter chains that normalize paths or trust X-Forwarded-For in different ways; choose one with \
                      --listener"
                .into(),
        ),
    }
}

/// The one jwt_authn filter of all chains.
fn authenticator(chains: &[&Chain]) -> Result<(Authenticator, usize), Untold> {
    let of = |chain: &&'_ Chain| {
        let mut filters = chain.filters.iter();
        filters.position(|filter| matches!(filter.does, Does::Jwt(_)))
    };
    let jwt = |chain: &Chain, at: usize| match chain.filters.get(at).map(|filter| &filter.does) {
        Some(Does::Jwt(jwt)) => Some(jwt.compiled()),
        _ => None,
    };
    let mut found: Option<(&Chain, usize)> = None;
    for (number, chain) in chains.iter().enumerate() {
        let at = of(chain);
        let same = match (found, at) {
            (Some((known, a)), Some(b)) => {
                match (known.filters.get(a).map(|f| &f.does), chain.filters.get(b).map(|f| &f.does)) {
                    (Some(Does::Jwt(a)), Some(Does::Jwt(b))) => a.says_the_same(b),
                    _ => false,
                }
            }
            (None, None) => true,
            (None, Some(_)) => number == 0,
            (Some(_), None) => false,
        };
        if !same {
            return Err("filter chains with different jwt_authn filters; choose one with --listener".into());
        }
        if let (None, Some(at)) = (found, at) {
            found = Some((chain, at));
        }
    }
    Ok(found.and_then(|(chain, at)| jwt(chain, at)).unwrap_or_default())
}

/// A policy as istiod has named it, out of the name of a loaded one: its namespace, its name and the number of its rule.
pub fn policy_of(loaded: &str) -> Option<(String, String, usize)> {
    let found = origin(loaded, Position::default(), &Arc::from(""));
    let of = &found.policy;
    (!of.namespace.is_empty()).then(|| (of.namespace.to_string(), of.name.to_string(), found.index))
}
