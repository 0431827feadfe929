//! Which listener and which of its chains a connection meets.

use super::{
    Direction, Imported, Listener,
    chain::{Chain, Socket},
    connection::{Bytes, Connection},
    descend::{Descent, Outcomes},
    refusal::Refusal,
    tree::{Answer, Subject},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use gnomon_engine::request::{Input, Request};

/// Where a connection goes.
#[derive(Clone, Copy, Debug)]
pub enum Selected<'i> {
    /// To the filters of this chain.
    Chain(&'i Chain),
    /// It ends before any filter sees it.
    Refused(Refusal),
}

/// The request does not state what the choice of a filter chain depends on, or what was named does not exist; displayed
/// as a sentence that says what to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided(String);

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Undecided {}

impl Imported {
    /// The chain that a connection gets, chosen as Envoy chooses it.
    ///
    /// `wanted` names a listener, or one of its chains, or gives the port of one. Without it: the only listener; else
    /// the one bound to `destination.port`, inbound where there are such; else the one that takes connections for any
    /// port. In the listener its filters detect TLS and HTTP, and then the chains' criteria decide, or its
    /// `filterChainMatcher`. A peer with a certificate is taken to offer what Istio's clients do in ALPN
    /// (`istio-http/1.1`, `istio`), plaintext HTTP is version 1.1.
    ///
    /// # Errors
    ///
    /// What the choice depends on is not stated, or there is no such listener or chain.
    pub fn select(&self, wanted: Option<&str>, request: &Request<'_>) -> Result<Selected<'_>, Undecided> {
        self.chosen(wanted, request).map_err(Undecided)
    }

    fn chosen(&self, wanted: Option<&str>, request: &Request<'_>) -> Result<Selected<'_>, String> {
        let End { chain, refusal, .. } = self.end(wanted, request)?;
        Ok(match (chain, refusal) {
            (None, _) => Selected::Refused(Refusal::NoChain),
            (_, Some(refusal)) => Selected::Refused(refusal),
            (Some(chain), None) => Selected::Chain(chain),
        })
    }

    /// Which listeners are meant.
    fn meant<'w>(&self, wanted: Option<&'w str>) -> Result<Meant<'_, 'w>, String> {
        let listeners: Vec<&Listener> =
            self.listeners.iter().filter(|listener| !listener.chains.is_empty()).collect();
        if listeners.is_empty() {
            return Err("there is no listener and no filter in this configuration".into());
        }
        let all = |pool| Ok(Meant { pool, chain: None, port: None });
        let Some(wanted) = wanted else { return all(inbound(&listeners)) };
        let those = |fits: &dyn Fn(&Listener) -> bool| -> Vec<&Listener> {
            listeners.iter().copied().filter(|listener| fits(listener)).collect()
        };
        let named = those(&|listener| listener.name == wanted);
        if !named.is_empty() {
            return all(named);
        }
        let holding = those(&|listener| listener.chains.iter().any(|chain| chain.name == wanted));
        if !holding.is_empty() {
            return Ok(Meant { pool: holding, chain: Some(wanted), port: None });
        }
        if let Ok(port) = wanted.parse::<u16>() {
            let found = those(&|listener| {
                let mut chains = listener.chains.iter();
                listener.port == Some(port) || chains.any(|chain| chain.criteria.port == Some(port))
            });
            if !found.is_empty() {
                return Ok(Meant { pool: inbound(&found), chain: None, port: Some(port) });
            }
        }
        Err(format!(
            "no listener or filter chain has the name or port {}; the listeners are {}",
            gnomon_engine::decode::quoted(wanted),
            called(&listeners)
        ))
    }

    /// The listeners of which one may get a connection, and the only port that is meant, where it is named.
    pub(super) fn pool(&self, wanted: Option<&str>) -> Result<(Vec<&Listener>, Option<u16>), String> {
        self.meant(wanted).map(|meant| (meant.pool, meant.port))
    }

    /// The only chain that is meant, whatever the connection.
    pub(super) fn only_chain(&self, wanted: Option<&str>) -> Option<&Chain> {
        let Meant { pool, chain, .. } = self.meant(wanted).ok()?;
        let [listener] = &pool[..] else { return None };
        listener.only_chain(chain)
    }

    /// As [`Imported::select`], with more about a connection that is refused.
    pub(super) fn end(&self, wanted: Option<&str>, request: &Request<'_>) -> Result<End<'_>, String> {
        let Meant { pool, chain, port } = self.meant(wanted)?;
        let stated = match request.destination_port {
            Input::Is(port) => Some(port),
            Input::Absent | Input::Unknown => port,
        };
        bound(&pool, stated, request)?.end(chain, stated, request)
    }
}

/// What a name of a listener, of a chain, or a port means.
struct Meant<'i, 'w> {
    pool: Vec<&'i Listener>,
    /// Among the chains of this name.
    chain: Option<&'w str>,
    /// For a request that states no port.
    port: Option<u16>,
}

/// Where a connection ends.
pub(super) struct End<'i> {
    /// The chain; `None`: there is none for it.
    pub(super) chain: Option<&'i Chain>,
    /// Nothing of it reaches the chain's filters.
    pub(super) refusal: Option<Refusal>,
    /// It is TLS, which the chain does not end.
    pub(super) passes_tls: bool,
}

/// Those that are not for what the workload sends; all where none is for what it gets, as on a gateway.
fn inbound<'i>(listeners: &[&'i Listener]) -> Vec<&'i Listener> {
    if listeners.iter().all(|listener| listener.direction != Direction::Inbound) {
        return listeners.to_vec();
    }
    listeners.iter().copied().filter(|listener| listener.direction != Direction::Outbound).collect()
}

/// The listener that gets a connection to this port.
fn bound<'i>(
    pool: &[&'i Listener],
    port: Option<u16>,
    request: &Request<'_>,
) -> Result<&'i Listener, String> {
    if let [only] = pool {
        return Ok(only);
    }
    let those = |fits: &dyn Fn(&Listener) -> bool| -> Vec<&'i Listener> {
        pool.iter().copied().filter(|listener| fits(listener)).collect()
    };
    let mut missing = "destination.port";
    let mut found = those(&|listener| listener.port.is_some() && listener.port == port);
    if found.len() > 1 {
        missing = "destination.ip";
        if let Input::Is(ip) = request.destination_ip {
            let exact = those(&|listener| listener.port == port && listener.address == Some(ip));
            let any = those(&|listener| {
                listener.port == port && listener.address.is_some_and(|address| address.is_unspecified())
            });
            found = if exact.is_empty() { any } else { exact };
        }
    }
    if found.is_empty() {
        let any = those(&Listener::takes_any_port);
        let inbound: Vec<&Listener> =
            any.iter().copied().filter(|listener| listener.direction == Direction::Inbound).collect();
        found = if inbound.is_empty() { any } else { inbound };
        // Sidecars in ambient have both; what comes out of a tunnel is asked for by its listener's name.
        if found.iter().any(|listener| !listener.internal) {
            found.retain(|listener| !listener.internal);
        }
    }
    match (found.as_slice(), port) {
        ([only], _) => Ok(only),
        (_, Some(port)) if missing == "destination.port" => Err(format!(
            "no listener takes connections to port {port}; choose one with --listener: {}",
            called(pool)
        )),
        _ => Err(format!(
            "which listener gets the connection depends on {missing}, which the request does not state; state it, or \
             choose one with --listener: {}",
            called(if found.is_empty() { pool } else { &found })
        )),
    }
}

impl Listener {
    /// Its name, else its port.
    fn called(&self) -> String {
        match (self.name.as_str(), self.port) {
            ("", Some(port)) => port.to_string(),
            ("", None) => "(unnamed)".into(),
            (name, _) => name.into(),
        }
    }

    /// It is for what is redirected to it, whatever port it was for.
    pub(super) fn takes_any_port(&self) -> bool {
        let others = |chain: &Chain| chain.criteria.port.is_some_and(|port| Some(port) != self.port);
        self.inspectors.any_destination || self.chains.iter().any(others)
    }

    /// The chain that is meant by its name, or because there is no listener around it.
    fn only_chain(&self, wanted: Option<&str>) -> Option<&Chain> {
        let mut chains = self.chains.iter().filter(|chain| wanted.is_none_or(|wanted| chain.name == wanted));
        let (first, second) = (chains.next()?, chains.next());
        (second.is_none() && (wanted.is_some() || first.bare)).then_some(first)
    }

    /// Where a connection ends. Of several chains that do the same, any.
    fn end(&self, wanted: Option<&str>, port: Option<u16>, request: &Request<'_>) -> Result<End<'_>, String> {
        if let Some(only) = self.only_chain(wanted) {
            return Ok(End { chain: Some(only), refusal: None, passes_tls: false });
        }
        let (outcomes, missing, bytes) = self.outcomes(wanted, port, request)?;
        let first = outcomes.first().copied().flatten();
        let same = outcomes.iter().all(|outcome| match (first, outcome) {
            (Some(first), Some(other)) => first.does_the_same(other),
            (first, other) => first.is_none() && other.is_none(),
        });
        if !same {
            return Err(self.undecided(&outcomes, &missing));
        }
        let tls = matches!(bytes, Bytes::Tls { .. });
        Ok(End {
            chain: first,
            refusal: first.and_then(|chain| chain.refuses(bytes, request.protocol)),
            passes_tls: tls && first.is_some_and(|chain| chain.socket == Socket::Raw),
        })
    }

    /// The ports that it treats in a way of their own.
    pub(super) fn named_ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.port.into_iter().collect();
        ports.extend(self.chains.iter().filter_map(|chain| chain.criteria.port));
        ports.extend(self.inspectors.named_ports());
        if let Some(Ok(tree)) = &self.matcher {
            tree.add_ports(&mut ports);
        }
        ports
    }

    /// The chains that a connection may get, and what the choice depends on.
    fn outcomes(
        &self,
        wanted: Option<&str>,
        port: Option<u16>,
        request: &Request<'_>,
    ) -> Result<(Outcomes<'_>, Vec<&'static str>, Bytes), String> {
        let named = |chain: &&Chain| wanted.is_none_or(|wanted| chain.name == wanted);
        let chains: Vec<&Chain> = self.chains.iter().filter(named).collect();
        let mut connection = Connection::of(request, self.internal);
        // What is not redirected comes to the listener's own port.
        connection.port = port.or(if self.takes_any_port() { None } else { self.port });
        let mut missing = Vec::new();
        let outcomes = match &self.matcher {
            Some(matcher) if wanted.is_none() => self.by_tree(matcher, &connection, &mut missing)?,
            _ => {
                let mut descent = Descent {
                    connection: &connection,
                    inspectors: &self.inspectors,
                    internal: self.internal,
                    missing: Vec::new(),
                };
                let matched: Vec<&Chain> = chains.iter().copied().filter(|chain| !chain.fallback).collect();
                let outcomes = descent.find(&matched);
                missing = descent.missing;
                outcomes
            }
        };
        let fallback = chains.iter().copied().find(|chain| chain.fallback);
        let outcomes = outcomes.into_iter().map(|outcome| outcome.or(fallback)).collect();
        Ok((outcomes, missing, connection.bytes))
    }

    /// What `filterChainMatcher` says.
    fn by_tree<'i>(
        &'i self,
        matcher: &Result<super::tree::Tree, super::fields::Unread>,
        connection: &Connection<'_>,
        missing: &mut Vec<&'static str>,
    ) -> Result<Outcomes<'i>, String> {
        let detected = self.inspectors.detect(connection, connection.port);
        let subject = Subject { connection, detected, internal: self.internal };
        let unread = |name: &str| {
            format!(
                "which filter chain of listener {} a connection gets depends on {name}, which is not evaluated; choose \
                 one with --listener: {}",
                self.called(),
                names(self.chains.iter().map(|chain| chain.name.clone()))
            )
        };
        let answer = match matcher {
            Ok(tree) => tree.ask(&subject),
            Err(name) => return Err(unread(name)),
        };
        let all = self.chains.iter().filter(|chain| !chain.fallback);
        Ok(match answer {
            Answer::Chain(name) => [all.into_iter().find(|chain| chain.name == name)].into(),
            Answer::NoMatch => [None].into(),
            Answer::Unread(name) => return Err(unread(name)),
            Answer::Missing(name) => {
                missing.push(name);
                all.map(Some).chain([None]).collect()
            }
        })
    }

    fn undecided(&self, outcomes: &[Option<&Chain>], missing: &[&str]) -> String {
        let possible = names(outcomes.iter().map(|chain| match chain {
            Some(chain) => chain.name.clone(),
            None => "none".into(),
        }));
        format!(
            "which filter chain of listener {} the connection gets depends on {}, which the request does not state; \
             state it, or choose a chain with --listener: {possible}",
            self.called(),
            missing.join(" and ")
        )
    }
}

fn called(listeners: &[&Listener]) -> String {
    names(listeners.iter().map(|listener| listener.called()))
}

/// The first few, each once.
fn names(all: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for name in all.map(|name| gnomon_engine::decode::short(&name)) {
        if !shown.contains(&name) {
            shown.push(name);
        }
        if shown.len() > 12 {
            break;
        }
    }
    if shown.len() > 12 {
        shown.pop();
        shown.push("…".into());
    }
    shown.join(", ")
}
