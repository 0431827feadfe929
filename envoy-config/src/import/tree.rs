//! `filterChainMatcher`: the tree by which a waypoint's `main_internal` chooses a filter chain. Where a listener has one,
//! its chains' `filterChainMatch` count for nothing.

use super::{
    connection::{Connection, Detected},
    criteria::SourceType,
    expression::cidr,
    fields::{Context, Place, Unread, get, is_true, text},
    locate::{type_of, unwrapped},
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::{IpAddr, SocketAddr};
use gnomon_engine::node::{Node, Position};
use ipnet::IpNet;

/// How deep matchers may nest.
const MAX_DEPTH: usize = 32;
/// The filter state in which a waypoint has the address that the tunnel's client asked for.
const ORIGINAL_DESTINATION: &str = "envoy.filters.listener.original_dst.local_ip";

/// `xds.type.matcher.v3.Matcher`, as far as it looks things up in a tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    field: Field,
    kind: Kind,
    /// What is done where nothing matches.
    otherwise: Option<Box<OnMatch>>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// By the whole value.
    Exact(Vec<(String, OnMatch)>),
    /// By the longest prefix, then by shorter ones.
    Prefix(Vec<(String, OnMatch)>),
    /// By the longest range, then by shorter ones that are not `exclusive`.
    Ranges(Vec<Range>, Vec<OnMatch>),
}

#[derive(Clone, Debug)]
struct Range {
    within: IpNet,
    exclusive: bool,
    /// Where its entry stands.
    entry: usize,
}

#[derive(Clone, Debug)]
enum OnMatch {
    /// The name of a chain.
    Chain(String),
    Tree(Tree),
    Unread(Unread),
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
enum Field {
    DestinationIp,
    DestinationPort,
    SourceIp,
    DirectSourceIp,
    SourcePort,
    SourceType,
    ServerName,
    TransportProtocol,
    ApplicationProtocols,
    OriginalDestination,
}

/// What a tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<'t> {
    /// The chain of this name.
    Chain(&'t str),
    /// None of its entries match: the default chain.
    NoMatch,
    /// The request does not state this.
    Missing(&'static str),
    /// This is not evaluated.
    Unread(&'t str),
}

/// A connection before a tree.
pub(super) struct Subject<'s> {
    pub(super) connection: &'s Connection<'s>,
    pub(super) detected: Detected<'s>,
    pub(super) internal: bool,
}

type Read<T> = Result<T, Unread>;

impl Tree {
    /// # Errors
    ///
    /// What is not evaluated.
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Read<Tree> {
        Tree::nested(node, place, MAX_DEPTH, context)
    }

    fn nested(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> Read<Tree> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(context.unread(place, node.at, "matchers nest too deeply"));
        };
        let Some(tree) = get(node, "matcherTree") else {
            return Err(context.unread(place, node.at, "only matchers in the form of a tree are evaluated"));
        };
        let place_of_tree = place.field("matcherTree");
        let (field, kind) = Kind::read(tree, &place_of_tree, depth, context)?;
        let otherwise = get(node, "onNoMatch")
            .map(|otherwise| Box::new(OnMatch::read(otherwise, &place.field("onNoMatch"), depth, context)));
        Ok(Tree { field, kind, otherwise })
    }

    /// Adds the ports that it names.
    pub(super) fn add_ports(&self, ports: &mut Vec<u16>) {
        let entries: Vec<&OnMatch> = match &self.kind {
            Kind::Exact(entries) => {
                if matches!(self.field, Field::DestinationPort) {
                    ports.extend(entries.iter().filter_map(|(key, _)| key.parse::<u16>().ok()));
                }
                entries.iter().map(|(_, then)| then).collect()
            }
            Kind::Prefix(entries) => entries.iter().map(|(_, then)| then).collect(),
            Kind::Ranges(_, entries) => entries.iter().collect(),
        };
        for then in entries.into_iter().chain(self.otherwise.as_deref()) {
            if let OnMatch::Tree(tree) = then {
                tree.add_ports(ports);
            }
        }
    }

    pub(super) fn ask<'t>(&'t self, subject: &Subject<'_>) -> Answer<'t> {
        match self.look_up(subject) {
            Answer::NoMatch => self.otherwise.as_ref().map_or(Answer::NoMatch, |then| then.ask(subject)),
            answer => answer,
        }
    }

    /// The first entry that leads to a chain, the most specific first.
    fn look_up<'t>(&'t self, subject: &Subject<'_>) -> Answer<'t> {
        let value = match subject.value(self.field) {
            Ok(Some(value)) => value,
            Ok(None) => return Answer::NoMatch,
            Err(missing) => return Answer::Missing(missing),
        };
        let mut fitting: Vec<&OnMatch> = Vec::new();
        match &self.kind {
            Kind::Exact(entries) => {
                fitting.extend(entries.iter().find(|(key, _)| *key == value).map(|(_, then)| then));
            }
            Kind::Prefix(entries) => {
                let mut found: Vec<_> =
                    entries.iter().filter(|(key, _)| value.starts_with(key.as_str())).collect();
                gnomon_engine::order::sort_by(&mut found, |a, b| b.0.len().cmp(&a.0.len()));
                fitting.extend(found.into_iter().map(|(_, then)| then));
            }
            Kind::Ranges(ranges, entries) => {
                let Ok(address) = value.parse::<IpAddr>() else { return Answer::NoMatch };
                let mut found: Vec<&Range> =
                    ranges.iter().filter(|range| range.within.contains(&address)).collect();
                gnomon_engine::order::sort_by(&mut found, |a, b| {
                    b.within.prefix_len().cmp(&a.within.prefix_len()).then(a.entry.cmp(&b.entry))
                });
                let tried = found.into_iter().enumerate();
                let tried = tried.filter(|(place, range)| *place == 0 || !range.exclusive);
                fitting.extend(tried.filter_map(|(_, range)| entries.get(range.entry)));
            }
        }
        fitting
            .into_iter()
            .map(|then| then.ask(subject))
            .find(|answer| *answer != Answer::NoMatch)
            .unwrap_or(Answer::NoMatch)
    }
}

impl OnMatch {
    fn read(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> OnMatch {
        if get(node, "keepMatching").is_some_and(is_true) {
            return OnMatch::Unread(context.unread(place, node.at, "keepMatching is not evaluated"));
        }
        if let Some(inner) = get(node, "matcher") {
            return match Tree::nested(inner, &place.field("matcher"), depth, context) {
                Ok(tree) => OnMatch::Tree(tree),
                Err(unread) => OnMatch::Unread(unread),
            };
        }
        let config = get(node, "action").and_then(|action| get(action, "typedConfig"));
        let name = config
            .filter(|config| type_of(config).ends_with(".StringValue"))
            .and_then(|config| text(unwrapped(config), "value"));
        match name {
            Some(name) => OnMatch::Chain(name.into()),
            None => OnMatch::Unread(context.unread(place, node.at, "this names no filter chain")),
        }
    }

    fn ask<'t>(&'t self, subject: &Subject<'_>) -> Answer<'t> {
        match self {
            OnMatch::Chain(name) => Answer::Chain(name),
            OnMatch::Tree(tree) => tree.ask(subject),
            OnMatch::Unread(name) => Answer::Unread(name),
        }
    }
}

impl Kind {
    fn read(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> Read<(Field, Kind)> {
        let no = |context: &mut Context, name: &str, at: Position| {
            context.unread(&place.field(name), at, "this matcher is not evaluated")
        };
        let Some(field) = get(node, "input").and_then(Field::read) else {
            return Err(no(context, "input", get(node, "input").map_or(node.at, |input| input.at)));
        };
        for name in ["exactMatchMap", "prefixMatchMap"] {
            let Some(map) = get(node, name) else { continue };
            let place = place.field(name);
            let entries = get(map, "map").and_then(Node::as_map).unwrap_or_default().iter();
            let entries = entries
                .map(|(key, then)| {
                    (key.name.clone(), OnMatch::read(then, &place.key(&key.name), depth, context))
                })
                .collect();
            let kind = if name == "exactMatchMap" { Kind::Exact } else { Kind::Prefix };
            return Ok((field, kind(entries)));
        }
        let Some(custom) = get(node, "customMatch") else {
            return Err(context.unread(place, node.at, "this matcher is not evaluated"));
        };
        let config = get(custom, "typedConfig").filter(|config| type_of(config).ends_with(".IPMatcher"));
        let Some(config) = config.map(unwrapped) else { return Err(no(context, "customMatch", custom.at)) };
        let place = place.field("customMatch");
        let matchers = super::fields::list(config, "rangeMatchers");
        let entries: Vec<OnMatch> = matchers
            .iter()
            .enumerate()
            .map(|(index, matcher)| match get(matcher, "onMatch") {
                Some(then) => OnMatch::read(then, &place.index(index), depth, context),
                None => {
                    OnMatch::Unread(context.unread(&place.index(index), matcher.at, "there is no onMatch"))
                }
            })
            .collect();
        let ranges = matchers.iter().enumerate().flat_map(|(entry, matcher)| {
            let exclusive = get(matcher, "exclusive").is_some_and(is_true);
            let ranges = super::fields::list(matcher, "ranges").iter().filter_map(cidr);
            ranges.map(move |within| Range { within: within.trunc(), exclusive, entry })
        });
        Ok((field, Kind::Ranges(ranges.collect(), entries)))
    }
}

impl Field {
    fn read(input: &Node) -> Option<Field> {
        let config = get(input, "typedConfig")?;
        Some(match type_of(config).rsplit('.').next()? {
            "DestinationIPInput" => Field::DestinationIp,
            "DestinationPortInput" => Field::DestinationPort,
            "SourceIPInput" => Field::SourceIp,
            "DirectSourceIPInput" => Field::DirectSourceIp,
            "SourcePortInput" => Field::SourcePort,
            "SourceTypeInput" => Field::SourceType,
            "ServerNameInput" => Field::ServerName,
            "TransportProtocolInput" => Field::TransportProtocol,
            "ApplicationProtocolInput" => Field::ApplicationProtocols,
            "FilterStateInput" if text(unwrapped(config), "key") == Some(ORIGINAL_DESTINATION) => {
                Field::OriginalDestination
            }
            _ => return None,
        })
    }
}

impl Subject<'_> {
    /// The value of a field as Envoy writes it; `None`: there is none.
    ///
    /// # Errors
    ///
    /// What the request does not state.
    fn value(&self, field: Field) -> Result<Option<String>, &'static str> {
        let Connection { port, destination, source, .. } = *self.connection;
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(match field {
            Field::DestinationIp => Some(destination.ok_or("destination.ip")?.to_string()),
            Field::DestinationPort => Some(port.ok_or("destination.port")?.to_string()),
            Field::SourceIp => Some(source.ok_or("source.ip")?.to_string()),
            Field::DirectSourceIp if self.internal => None,
            Field::DirectSourceIp => Some(source.ok_or("source.ip")?.to_string()),
            Field::SourcePort => return Err("the client's port"),
            Field::SourceType => match self.connection.source_type().ok_or("source.ip")? {
                SourceType::Local => Some("local".into()),
                SourceType::Any | SourceType::External => None,
            },
            Field::ServerName => filled(String::from_utf8_lossy(self.detected.sni).into_owned()),
            Field::TransportProtocol => Some(self.detected.transport.into()),
            Field::ApplicationProtocols => {
                let quoted = self.detected.protocols.iter().map(|name| format!("'{name}'"));
                filled(quoted.collect::<Vec<_>>().join(","))
            }
            Field::OriginalDestination => {
                let address = destination.ok_or("destination.ip")?;
                Some(SocketAddr::new(address, port.ok_or("destination.port")?).to_string())
            }
        })
    }
}
