//! Which listener and which of its chains a connection meets.

use super::{Imported, Listener, chain::Chain};
use crate::request::{Input, Peer, Request};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// The chain for a connection.
#[derive(Clone, Copy, Debug)]
pub enum Selected<'i> {
    /// This one.
    Chain(&'i Chain),
    /// The listener has none for it: Envoy closes the connection, `filter_chain_not_found`.
    NoChain,
}

impl Imported {
    /// The chain that a connection meets.
    ///
    /// `wanted` names a listener, or one of its chains, or gives the port of one. Without it: the only listener; else
    /// the inbound one on `destination.port`; else the only inbound one with security filters. Among a listener's
    /// chains Envoy's rule decides: destination port, then address, then SNI, then TLS or not, then ALPN, of
    /// which a peer with a certificate is taken to offer Istio's.
    ///
    /// # Errors
    ///
    /// A sentence that says what to add, where several remain.
    pub fn select(&self, wanted: Option<&str>, request: &Request<'_>) -> Result<Selected<'_>, String> {
        let listeners: Vec<&Listener> =
            self.listeners.iter().filter(|listener| !listener.chains.is_empty()).collect();
        if listeners.is_empty() {
            return Err("there is no listener and no filter in this configuration".into());
        }
        let asked_port = wanted.and_then(|wanted| wanted.parse::<u16>().ok());
        let stated_port = match request.destination_port {
            Input::Is(port) => Some(port),
            Input::Absent | Input::Unknown => None,
        };
        let on_port = |listener: &Listener, port: u16| {
            listener.port == Some(port) || listener.chains.iter().any(|chain| chain.serves.port == Some(port))
        };
        let mut port = stated_port;
        let candidates: Vec<&Listener> = if let Some(wanted) = wanted {
            let chain =
                listeners.iter().flat_map(|listener| &listener.chains).find(|chain| chain.name == wanted);
            let named: Vec<&Listener> =
                listeners.iter().copied().filter(|listener| listener.name == wanted).collect();
            match (asked_port, chain) {
                _ if !named.is_empty() => named,
                (_, Some(chain)) => return Ok(Selected::Chain(chain)),
                (Some(asked), _) => {
                    port = Some(stated_port.unwrap_or(asked));
                    let found: Vec<&Listener> =
                        listeners.iter().copied().filter(|listener| on_port(listener, asked)).collect();
                    let inbound: Vec<&Listener> =
                        found.iter().copied().filter(|found| found.inbound).collect();
                    if inbound.is_empty() { found } else { inbound }
                }
                _ => Vec::new(),
            }
        } else if let [_] = listeners.as_slice() {
            listeners.clone()
        } else {
            let inbound = || listeners.iter().copied().filter(|listener| listener.inbound);
            let matching: Vec<&Listener> = match port {
                Some(port) => inbound().filter(|listener| on_port(listener, port)).collect(),
                None => Vec::new(),
            };
            match matching.is_empty() {
                false => matching,
                true => inbound().filter(|listener| listener.chains.iter().any(Chain::is_secured)).collect(),
            }
        };
        match candidates.as_slice() {
            [only] => only.chain(port, request),
            found => {
                let shown = if found.is_empty() { listeners.as_slice() } else { found };
                let shown = names(shown.iter().map(|listener| listener.called()));
                Err(match wanted {
                    Some(wanted) if found.is_empty() => format!(
                        "no listener or filter chain has the name or port {}; the listeners are {shown}",
                        crate::decode::quoted(wanted)
                    ),
                    _ => format!(
                        "it is not clear which listener is meant; choose one with --listener: {shown}"
                    ),
                })
            }
        }
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

    fn chain(&self, port: Option<u16>, request: &Request<'_>) -> Result<Selected<'_>, String> {
        if let [only] = self.chains.as_slice()
            && (only.bare || only.serves.fallback)
        {
            return Ok(Selected::Chain(only));
        }
        let mut left: Vec<&Chain> = self.chains.iter().filter(|chain| !chain.serves.fallback).collect();
        // At each step the most specific match wins, and nothing goes back.
        if left.iter().any(|chain| chain.serves.port.is_some() && chain.serves.port == port) {
            left.retain(|chain| chain.serves.port == port);
        } else if port.is_some() {
            left.retain(|chain| chain.serves.port.is_none());
        }
        if let Input::Is(ip) = request.destination_ip {
            let longest = |chain: &&Chain| {
                let fitting = chain.serves.ranges.iter().filter(|range| range.contains(&ip));
                fitting.map(|range| u16::from(range.prefix_len()) + 1).max()
            };
            let fits = |chain: &&Chain| chain.serves.ranges.is_empty() || longest(chain).is_some();
            left.retain(|chain| fits(chain));
            let best = left.iter().map(|chain| longest(chain).unwrap_or(0)).max().unwrap_or(0);
            left.retain(|chain| longest(chain).unwrap_or(0) == best);
        }
        let best = left.iter().map(|chain| name_match(chain, request.sni)).max().unwrap_or(0);
        left.retain(|chain| best > 0 && name_match(chain, request.sni) == best);
        let tls = matches!(request.peer, Peer::Tls { .. });
        let exact = left.iter().any(|chain| chain.serves.tls == Some(tls));
        left.retain(|chain| chain.serves.tls == if exact { Some(tls) } else { None });
        let certified = matches!(request.peer, Peer::Tls { names, .. } if !names.is_empty());
        let istios = |chain: &&Chain| chain.serves.protocols.iter().any(|name| name.starts_with("istio"));
        if left.len() > 1 && tls {
            let certified = certified && left.iter().any(|chain| istios(chain) || chain.serves.mutual);
            left.retain(|chain| (istios(chain) || chain.serves.mutual) == certified);
        }
        // A plain client names no protocol.
        if left.iter().any(|chain| chain.serves.protocols.is_empty()) && left.len() > 1 && !certified {
            left.retain(|chain| chain.serves.protocols.is_empty());
        }
        if let [only] = left.as_slice() {
            // Mutual TLS does not come about without a certificate.
            let refused = only.serves.mutual && tls && !certified;
            return Ok(if refused { Selected::NoChain } else { Selected::Chain(only) });
        }
        if left.is_empty() {
            let fallback = self.chains.iter().find(|chain| chain.serves.fallback);
            return Ok(fallback.map_or(Selected::NoChain, Selected::Chain));
        }
        let secured: Vec<&Chain> = left.iter().copied().filter(|chain| chain.is_secured()).collect();
        if let ([only], None) = (secured.as_slice(), port) {
            return Ok(Selected::Chain(only));
        }
        Err(format!(
            "listener {} has several filter chains for this connection; say destination.port, source.principal or \
             sni, or choose one with --listener: {}",
            self.called(),
            names(left.iter().map(|chain| chain.name.clone()))
        ))
    }
}

/// 0: no match; the longer the better; 1: any name.
fn name_match(chain: &Chain, sni: &[u8]) -> usize {
    if chain.serves.names.is_empty() {
        return 1;
    }
    let score = |name: &String| match name.strip_prefix('*') {
        Some(suffix) if sni.ends_with(suffix.as_bytes()) => suffix.len().saturating_add(2),
        None if sni == name.as_bytes() => usize::MAX,
        _ => 0,
    };
    chain.serves.names.iter().map(score).max().unwrap_or(0)
}

/// The first few.
fn names(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.map(|name| crate::decode::short(&name)).collect();
    let shown = all.get(..all.len().min(12)).unwrap_or_default().join(", ");
    if all.len() > 12 { format!("{shown}, …") } else { shown }
}
