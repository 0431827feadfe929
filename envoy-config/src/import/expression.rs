//! Permissions and principals: the same algebra under two sets of names.

use super::{
    evaluation_context::EvaluationContext,
    fields::{Context, Fields, Place, Unread, get, integer, is_true, list, not_evaluated, text},
    request_view::known,
    text::{Header, Text, ValueTest},
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::IpAddr;
use gnomon_engine::{
    node::{Node, Position},
    path::without_query,
    plan::Tri,
    request::Peer,
    template::Template,
    verdict::{Missing, RequestField},
};
use ipnet::IpNet;

/// How deep matchers may nest.
pub(super) const MAX_DEPTH: usize = 64;
/// The filter state in which a waypoint has the peer.
const PEER_STATE: &str = "io.istio.peer_principal";

/// One permission or principal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Any(bool),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Header(Header),
    Path(Text),
    Template(Template),
    Address(Address, IpNet),
    /// From, up to but without.
    Port(u32, u32),
    Sni(Text),
    /// Any name in the peer's certificate; `None`: TLS at all.
    Peer(Option<Text>),
    /// All URIs of the peer's certificate as one text, with commas between; never true where there is none.
    UriSan(Text),
    /// The peer in filter state.
    PeerState(Text),
    /// Other filter state, which no request tells of.
    FilterState(String),
    Metadata(Metadata),
    Unread(Unread),
}

/// Which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Source,
    Remote,
    Destination,
}

/// `MetadataMatcher`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metadata {
    pub(super) filter: String,
    pub(super) path: Vec<String>,
    pub(super) value: ValueTest,
    pub(super) invert: bool,
}

impl Metadata {
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Metadata {
        let path = list(node, "path").iter().map(|step| text(step, "key").unwrap_or_default().to_string());
        let value = match get(node, "value") {
            Some(value) => ValueTest::read(value, &place.field("value"), MAX_DEPTH, context),
            None => ValueTest::Unread(context.unread(place, node.at, "there is no value")),
        };
        Metadata {
            filter: text(node, "filter").unwrap_or_default().into(),
            path: path.collect(),
            value,
            invert: get(node, "invert").is_some_and(is_true),
        }
    }

    pub(super) fn matches(&self, context: &EvaluationContext<'_>) -> Tri {
        let answer = match context.metadata(&self.filter, &self.path) {
            Ok(value) => self.value.matches(value.as_deref()),
            Err(_) => Tri::Unknown,
        };
        if self.invert { !answer } else { answer }
    }

    /// What an unknown answer depends on.
    pub(super) fn missing(&self, context: &EvaluationContext<'_>) -> Vec<Missing> {
        match context.metadata(&self.filter, &self.path) {
            Err(missing) => missing,
            Ok(_) => self.value.unread().map(not_evaluated).into_iter().collect(),
        }
    }
}

impl Expression {
    /// Reads one; `depth`: how deep it may yet nest.
    pub(super) fn read(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> Expression {
        let unread = |context: &mut Context, place: &Place<'_>, at: Position, why: &str| {
            Expression::Unread(context.unread(place, at, why))
        };
        let Some(depth) = depth.checked_sub(1) else {
            return unread(context, place, node.at, "matchers nest too deeply");
        };
        let set = Fields::of(node).map(|fields| fields.rest().collect::<Vec<_>>());
        let (key, inner) = match set.as_deref() {
            Some([(key, inner)]) => (*key, *inner),
            // `destinationPort: 0` and the like: the default of its field, but here it is the match.
            Some([]) if node.as_map().is_some_and(|entries| entries.len() == 1) => {
                match node.as_map().and_then(<[_]>::first) {
                    Some((key, inner)) => (key.name.as_str(), inner),
                    None => return unread(context, place, node.at, "nothing is set"),
                }
            }
            _ => return unread(context, place, node.at, "not exactly one match is set"),
        };
        let name = camel(key);
        let here = place.field(key);
        let many = |field: &'static str, context: &mut Context| -> Vec<Expression> {
            let here = here.field(field);
            let items = list(inner, field).iter().enumerate();
            items.map(|(index, item)| Expression::read(item, &here.index(index), depth, context)).collect()
        };
        let range = |which, context: &mut Context| match cidr(inner) {
            Some(range) => Expression::Address(which, range),
            None => unread(context, &here, inner.at, "this is no address range"),
        };
        match name.as_str() {
            "any" => Expression::Any(is_true(inner)),
            "andRules" => Expression::And(many("rules", context)),
            "orRules" => Expression::Or(many("rules", context)),
            "andIds" => Expression::And(many("ids", context)),
            "orIds" => Expression::Or(many("ids", context)),
            "notRule" | "notId" => Expression::Not(Box::new(Expression::read(inner, &here, depth, context))),
            "header" => match Header::read(inner, &here, context) {
                Ok(header) => Expression::Header(header),
                Err(name) => Expression::Unread(name),
            },
            "urlPath" => match get(inner, "path") {
                Some(path) => Expression::Path(Text::read(path, &here.field("path"), context)),
                None => unread(context, &here, inner.at, "there is no path"),
            },
            "uriTemplate" => match template(inner) {
                Some(template) => Expression::Template(template),
                None => unread(context, &here, inner.at, "this path template is not evaluated"),
            },
            "sourceIp" | "directRemoteIp" => range(Address::Source, context),
            "remoteIp" => range(Address::Remote, context),
            "destinationIp" => range(Address::Destination, context),
            "destinationPort" => match integer(inner).and_then(|port| u32::try_from(port).ok()) {
                Some(port) => Expression::Port(port, port.saturating_add(1)),
                None => unread(context, &here, inner.at, "this is no port"),
            },
            "destinationPortRange" => {
                let bound =
                    |name| get(inner, name).map_or(Some(0), integer).and_then(|n| u32::try_from(n).ok());
                match (bound("start"), bound("end")) {
                    (Some(start), Some(end)) => Expression::Port(start, end),
                    _ => unread(context, &here, inner.at, "this is no range of ports"),
                }
            }
            "requestedServerName" => Expression::Sni(Text::read(inner, &here, context)),
            "authenticated" => Expression::Peer(
                get(inner, "principalName")
                    .map(|name| Text::read(name, &here.field("principalName"), context)),
            ),
            "filterState" => match (text(inner, "key"), get(inner, "stringMatch")) {
                (Some(PEER_STATE), Some(name)) => {
                    Expression::PeerState(Text::read(name, &here.field("stringMatch"), context))
                }
                (key, _) => {
                    unread(context, &here, inner.at, "no request tells this filter state");
                    Expression::FilterState(key.unwrap_or_default().into())
                }
            },
            "metadata" => Expression::Metadata(Metadata::read(inner, &here, context)),
            "sourcedMetadata" if matches!(text(inner, "metadataSource"), None | Some("DYNAMIC")) => {
                match get(inner, "metadataMatcher") {
                    Some(matcher) => {
                        Expression::Metadata(Metadata::read(matcher, &here.field("metadataMatcher"), context))
                    }
                    None => unread(context, &here, inner.at, "there is no matcher"),
                }
            }
            _ => unread(context, &here, inner.at, "this match is not evaluated"),
        }
    }

    pub(super) fn matches(&self, context: &EvaluationContext<'_>) -> Tri {
        let view = &context.view;
        match self {
            Expression::Any(value) => (*value).into(),
            Expression::Not(inner) => !inner.matches(context),
            Expression::And(items) => Tri::all(items.iter().map(|item| item.matches(context))),
            Expression::Or(items) => Tri::any(items.iter().map(|item| item.matches(context))),
            Expression::Header(header) => header.matches(view),
            Expression::Path(text) => {
                let paths = view.lines(b":path").map(without_query);
                Tri::any(paths.map(|path| text.matches(path)))
            }
            Expression::Template(template) => view.path(|path| template.matches(path)),
            // A waypoint listens on an internal address, where connections have no IP address of their own.
            Expression::Address(Address::Source, _) if context.internal => Tri::False,
            Expression::Address(which, range) => {
                let within = |ip: IpAddr| range.contains(&ip);
                let address = match which {
                    Address::Source => view.request.direct_ip(),
                    Address::Remote => view.request.remote_ip,
                    Address::Destination => view.request.local_ip(),
                };
                known(address, within)
            }
            Expression::Port(start, end) => {
                known(view.request.destination_port, |port| (*start..*end).contains(&u32::from(port)))
            }
            Expression::Sni(text) => text.matches(view.request.sni),
            // What an internal listener gets is plaintext; the peer is in the filter state.
            Expression::Peer(_) if context.internal => Tri::False,
            Expression::Peer(None) => matches!(view.request.peer, Peer::Tls { .. }).into(),
            Expression::Peer(Some(text)) => peer(view.request.peer, text, true),
            Expression::UriSan(_) if context.internal => Tri::False,
            Expression::UriSan(text) => uris(view.request.peer, text),
            Expression::PeerState(text) => peer(view.request.peer, text, false),
            Expression::FilterState(_) | Expression::Unread(_) => Tri::Unknown,
            Expression::Metadata(metadata) => metadata.matches(context),
        }
    }

    /// As a condition of a matcher; `None`: it needs the URI of a certificate, and there is no TLS. The matcher then stops
    /// without an answer (seen in Envoy 1.40).
    pub(super) fn settled(&self, context: &EvaluationContext<'_>) -> Option<Tri> {
        match self {
            Expression::UriSan(_) if context.view.request.peer == Peer::Plaintext => None,
            Expression::Not(inner) => inner.settled(context).map(|answer| !answer),
            // The first that does not hold ends it.
            Expression::And(items) => {
                let mut all = Tri::True;
                for item in items {
                    all = Tri::all([all, item.settled(context)?].into_iter());
                    if all == Tri::False {
                        break;
                    }
                }
                Some(all)
            }
            // One that holds is enough, wherever it stands.
            Expression::Or(items) => {
                let answers: Vec<Option<Tri>> = items.iter().map(|item| item.settled(context)).collect();
                match answers.contains(&Some(Tri::True)) {
                    true => Some(Tri::True),
                    false => {
                        answers.into_iter().collect::<Option<Vec<Tri>>>().map(|all| Tri::any(all.into_iter()))
                    }
                }
            }
            _ => Some(self.matches(context)),
        }
    }

    /// It looks at a header of which several lines are one value.
    pub(super) fn joins_lines(&self) -> bool {
        match self {
            Expression::Not(inner) => inner.joins_lines(),
            Expression::And(items) | Expression::Or(items) => items.iter().any(Expression::joins_lines),
            // Of these there is one line.
            Expression::Header(header) => header.joins_lines && !header.name.starts_with(':'),
            _ => false,
        }
    }

    /// Adds what an unknown answer depends on.
    pub(super) fn missing(&self, context: &EvaluationContext<'_>, found: &mut Vec<Missing>) {
        if self.matches(context) != Tri::Unknown {
            return;
        }
        let missing = match self {
            Expression::Not(inner) => return inner.missing(context, found),
            Expression::And(items) | Expression::Or(items) => {
                return items.iter().for_each(|item| item.missing(context, found));
            }
            Expression::Header(header) => header.unread().map(not_evaluated),
            Expression::Path(text) | Expression::Sni(text) => text.unread().map(not_evaluated),
            Expression::Address(Address::Source, _) => Some(RequestField::SourceIp.into()),
            Expression::Address(Address::Remote, _) => Some(RequestField::RemoteIp.into()),
            Expression::Address(Address::Destination, _) => Some(RequestField::DestinationIp.into()),
            Expression::Port(..) => Some(RequestField::DestinationPort.into()),
            Expression::Peer(Some(text)) | Expression::UriSan(text) | Expression::PeerState(text) => {
                Some(text.unread().map_or(RequestField::SourcePrincipal.into(), not_evaluated))
            }
            Expression::FilterState(key) => Some(Missing::FilterState(key.to_string())),
            Expression::Metadata(metadata) => return found.extend(metadata.missing(context)),
            Expression::Unread(name) => Some(not_evaluated(name)),
            Expression::Any(_) | Expression::Template(_) | Expression::Peer(None) => None,
        };
        found.extend(missing);
    }
}

/// Any name of the peer. The subject of a certificate is matched even where it is empty, as it is in Istio's.
fn peer(peer: Peer<'_>, text: &Text, subject: bool) -> Tri {
    match peer {
        Peer::Plaintext => Tri::False,
        Peer::Tls { names, complete } => {
            let found = Tri::any(names.iter().map(|name| text.matches(name)));
            let found = if subject && names.is_empty() { found.max(text.matches(b"")) } else { found };
            if complete { found } else { found.max(Tri::Unknown) }
        }
    }
}

/// The URIs of a certificate, which are told from its other names by their scheme.
fn uris(peer: Peer<'_>, text: &Text) -> Tri {
    let Peer::Tls { names, complete } = peer else { return Tri::False };
    if !complete {
        return Tri::Unknown;
    }
    let uris = names.iter().filter(|name| name.windows(3).any(|part| part == b"://"));
    match uris.copied().collect::<Vec<_>>() {
        none if none.is_empty() => Tri::False,
        all => text.matches(&all.join(&b',')),
    }
}

/// `CidrRange`.
pub(super) fn cidr(node: &Node) -> Option<IpNet> {
    let address: IpAddr = text(node, "addressPrefix")?.parse().ok()?;
    let length = match get(node, "prefixLen") {
        // A wrapped number in a TypedStruct.
        Some(length) => integer(length.get("value").unwrap_or(length))?,
        None => 0,
    };
    IpNet::new(address, u8::try_from(length).ok()?).ok()
}

/// Envoy's `*` and `**` are Istio's `{*}` and `{**}`; what else Envoy's templates can say, Istio never writes.
pub(super) fn template(node: &Node) -> Option<Template> {
    let config = super::locate::unwrapped(get(node, "typedConfig")?);
    let pattern = text(config, "pathTemplate")?;
    let segments: Option<Vec<String>> = pattern
        .split('/')
        .map(|segment| match segment {
            "*" | "**" => Some(format!("{{{segment}}}")),
            literal if literal.contains(['*', '{', '}']) => None,
            literal => Some(literal.into()),
        })
        .collect();
    Template::parse(&segments?.join("/")).ok().filter(Template::is_valid)
}

/// `not_rule` as `notRule`.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' => upper = true,
            other if upper => {
                out.push(other.to_ascii_uppercase());
                upper = false;
            }
            other => out.push(other),
        }
    }
    out
}
