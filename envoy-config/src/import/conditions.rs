//! What an RBAC filter asks for, as conditions of compiled rules: for questions about all requests at once.
//!
//! A policy of Envoy's is any Boolean function of matches. It is taken apart into alternatives, each of which is a list
//! of conditions on one attribute each, negated or not. What has no such form is an error that names it.

use super::{
    chain::{Chain, Socket},
    expression::{Address, Expression, Metadata},
    jwt::Jwt,
    rbac::Policy,
    scene::JWT_FILTER,
    text::{Header, HeaderTest, Text, ValueTest},
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use gnomon_engine::{
    Attribute, Position,
    pattern::{Glob, Pattern, PeerPattern},
    plan::{Clause, Matcher, Origin, PathPattern, PolicyName, Rule},
};

/// No more alternatives than this for one policy.
const ALTERNATIVES: usize = 2_000;
/// Nor more values than this in all of its alternatives.
const VALUES: usize = 1_000_000;
/// No more ports of a range are listed.
const PORTS: u32 = 1_024;
const SPIFFE: &str = "spiffe://";

/// Alternatives, each of which is all of its conditions.
pub(super) type Groups = Vec<Vec<Clause>>;

/// What has no form here, and why.
pub(super) type Untold = String;

/// What bears on what a filter sees.
#[derive(Clone, Copy)]
pub(super) struct Seen<'c> {
    chain: &'c Chain,
    /// Network filters see no headers.
    network: bool,
    /// The filter that verifies tokens, where it stands before.
    jwt: Option<&'c Jwt>,
}

/// A condition on one attribute.
#[derive(Clone)]
struct Atom {
    attribute: Attribute,
    key: Option<String>,
    name: Vec<Box<str>>,
    matcher: Matcher,
    expected: Vec<String>,
}

/// What an expression comes to.
enum Meaning {
    Constant(bool),
    Atom(Atom),
    /// Where it holds, and where it does not.
    Both(Vec<Vec<(Atom, bool)>>, Vec<Vec<(Atom, bool)>>),
    Complex,
}

impl<'c> Seen<'c> {
    /// By a filter of this chain.
    pub(super) fn by(chain: &'c Chain, network: bool, jwt: Option<&'c Jwt>) -> Seen<'c> {
        Seen { chain, network, jwt }
    }

    /// A policy as a rule, under another prefix of its name than the stage's.
    pub(super) fn rule(&self, policy: &Policy, file: &Arc<str>) -> Result<Rule, Untold> {
        let groups = |all: &[Expression]| -> Result<Groups, Untold> {
            let any = self.any(all, policy.at)?;
            // Without a condition in one of them, all others do not count.
            Ok(if any.iter().any(Vec::is_empty) { vec![Vec::new()] } else { any })
        };
        let mut when = Vec::new();
        for condition in &policy.conditions {
            match &self.alternatives(condition, true, policy.at)?[..] {
                [one] => when.extend(one.iter().cloned()),
                _ => return Err("a condition beside permissions and principals".into()),
            }
        }
        let (from, to) = (groups(&policy.principals)?, groups(&policy.permissions)?);
        for (all, what) in [(&from, "principals"), (&to, "permissions")] {
            if all.is_empty() {
                when.push(Clause::never(what, policy.at));
            }
        }
        let boxed = |all: Groups| -> Box<[Box<[Clause]>]> {
            // No condition at all is how a rule asks for nothing.
            all.into_iter().filter(|group| !group.is_empty()).map(Vec::into_boxed_slice).collect()
        };
        Ok(Rule {
            id: policy.name.as_str().into(),
            origin: origin(&policy.name, policy.at, file),
            from: boxed(from),
            to: boxed(to),
            when: when.into(),
            notes: Vec::new(),
        })
    }

    fn any(&self, all: &[Expression], at: Position) -> Result<Groups, Untold> {
        // Each of them is an alternative of its own, as in a policy of Istio's.
        let mut groups = Vec::new();
        for one in all {
            groups.extend(self.alternatives(one, true, at)?);
            bounded(groups.len())?;
        }
        Ok(groups)
    }

    /// Where an expression holds, or does not.
    fn alternatives(&self, expression: &Expression, holds: bool, at: Position) -> Result<Groups, Untold> {
        match self.meaning(expression)? {
            Meaning::Constant(value) => Ok(if value == holds { vec![Vec::new()] } else { Vec::new() }),
            Meaning::Atom(atom) => Ok(vec![vec![atom.clause(!holds, at)]]),
            Meaning::Both(yes, no) => {
                let groups = if holds { yes } else { no };
                let clauses = |group: Vec<(Atom, bool)>| {
                    group.into_iter().map(|(atom, negated)| atom.clause(negated, at)).collect()
                };
                Ok(groups.into_iter().map(clauses).collect())
            }
            Meaning::Complex => match expression {
                Expression::Not(inner) => self.alternatives(inner, !holds, at),
                Expression::And(items) if holds => self.product(items, holds, at),
                Expression::Or(items) if !holds => self.product(items, holds, at),
                Expression::And(items) | Expression::Or(items) => {
                    let mut groups = Vec::new();
                    for item in items {
                        groups.extend(self.alternatives(item, holds, at)?);
                        bounded(groups.len())?;
                    }
                    Ok(groups)
                }
                _ => Err("a match of an unknown kind".into()),
            },
        }
    }

    fn product(&self, items: &[Expression], holds: bool, at: Position) -> Result<Groups, Untold> {
        let mut groups: Groups = vec![Vec::new()];
        for item in items {
            groups = product(&groups, &self.alternatives(item, holds, at)?)?;
        }
        Ok(groups)
    }

    fn meaning(&self, expression: &Expression) -> Result<Meaning, Untold> {
        Ok(match expression {
            Expression::Any(value) => Meaning::Constant(*value),
            Expression::And(items) | Expression::Or(items) if items.len() == 1 => match items.first() {
                Some(only) => return self.meaning_of_only(only),
                None => Meaning::Complex,
            },
            Expression::Not(inner) => match self.meaning(inner)? {
                Meaning::Constant(value) => Meaning::Constant(!value),
                Meaning::Both(yes, no) => Meaning::Both(no, yes),
                Meaning::Atom(atom) => {
                    Meaning::Both(vec![vec![(atom.clone(), true)]], vec![vec![(atom, false)]])
                }
                Meaning::Complex => Meaning::Complex,
            },
            Expression::And(items) => self.request_principal(items)?.map_or(Meaning::Complex, Meaning::Atom),
            Expression::Or(items) => self.merged(items)?,
            Expression::Header(header) => self.header(header)?,
            // A TCP connection has no path.
            Expression::Path(_) | Expression::Template(_) if self.network => Meaning::Constant(false),
            Expression::Path(text) => atom(
                Attribute::Path,
                Matcher::Path([PathPattern::Plain(pattern(text, "the path")?)].into()),
                vec![written(text)],
            ),
            Expression::Template(template) => atom(
                Attribute::Path,
                Matcher::Path([PathPattern::Template(template.clone().into())].into()),
                Vec::new(),
            ),
            Expression::Address(Address::Source, _) if self.chain.internal => Meaning::Constant(false),
            Expression::Address(which, net) => {
                let attribute = match which {
                    Address::Source => Attribute::SourceIp,
                    Address::Remote => Attribute::RemoteIp,
                    Address::Destination => Attribute::DestinationIp,
                };
                let shown = if net.prefix_len() == net.max_prefix_len() {
                    net.addr().to_string()
                } else {
                    net.to_string()
                };
                atom(attribute, Matcher::Ip([*net].into()), vec![shown])
            }
            Expression::Port(0, 65_536..) => Meaning::Constant(true),
            Expression::Port(start, end) => {
                if end.saturating_sub(*start) > PORTS {
                    return Err(format!("a range of more than {PORTS} ports ({start} to {end})"));
                }
                let ports: Vec<u16> = (*start..*end).filter_map(|port| u16::try_from(port).ok()).collect();
                let shown = ports.iter().map(ToString::to_string).collect();
                atom(Attribute::Port, Matcher::Port(ports.into()), shown)
            }
            Expression::Sni(text) if self.chain.sees_no_name() => {
                let answer = text.matches(b"");
                if let Some(name) = text.unread() {
                    return Err(name.to_string());
                }
                Meaning::Constant(answer == gnomon_engine::plan::Tri::True)
            }
            Expression::Sni(_) if self.chain.may_see_no_name() => {
                return Err("the server name, which is looked at on some ports only".into());
            }
            Expression::Sni(text) => atom(
                Attribute::Sni,
                Matcher::Text([pattern(text, "the server name")?].into()),
                vec![written(text)],
            ),
            Expression::Peer(text) => self.peer(text.as_ref())?,
            Expression::PeerState(text) if self.chain.internal || self.chain.socket != Socket::Raw => {
                Meaning::Atom(peer(text)?)
            }
            Expression::PeerState(_) => Meaning::Constant(false),
            Expression::Metadata(metadata) => self.metadata(metadata)?,
            Expression::FilterState(key) => return Err(format!("the filter state {key}")),
            Expression::Unread(name) => return Err(name.to_string()),
        })
    }

    fn meaning_of_only(&self, only: &Expression) -> Result<Meaning, Untold> {
        Ok(match self.meaning(only)? {
            // Taken apart in its own place.
            Meaning::Complex => Meaning::Complex,
            other => other,
        })
    }

    /// Any of several values of one attribute.
    fn merged(&self, items: &[Expression]) -> Result<Meaning, Untold> {
        let mut merged: Option<Atom> = None;
        for item in items {
            match (self.meaning(item)?, &mut merged) {
                (Meaning::Constant(true), _) => return Ok(Meaning::Constant(true)),
                (Meaning::Constant(false), _) => {}
                (Meaning::Atom(atom), None) => merged = Some(atom),
                (Meaning::Atom(atom), Some(into)) => {
                    if !into.take(atom) {
                        return Ok(Meaning::Complex);
                    }
                }
                _ => return Ok(Meaning::Complex),
            }
        }
        Ok(merged.map_or(Meaning::Constant(false), Meaning::Atom))
    }

    /// The issuer and the subject of one token: how istiod writes `requestPrincipals`.
    fn request_principal(&self, items: &[Expression]) -> Result<Option<Atom>, Untold> {
        let [Expression::Metadata(one), Expression::Metadata(other)] = items else { return Ok(None) };
        let claim = |metadata: &Metadata, name: &str| -> Option<Text> {
            let key = self.jwt?.only_payload_key()?;
            let path: Vec<&str> = metadata.path.iter().map(String::as_str).collect();
            let ours = metadata.filter == JWT_FILTER && !metadata.invert && path == [key, name];
            match &metadata.value {
                ValueTest::Text(text) if ours => Some(text.clone()),
                _ => None,
            }
        };
        let (Some(iss), Some(sub)) = (claim(one, "iss"), claim(other, "sub")) else { return Ok(None) };
        let pair = (pattern(&iss, "the issuer")?, pattern(&sub, "the subject")?);
        let expected = match (&pair.0, &pair.1) {
            (Pattern::Any, Pattern::Any) => "*".into(),
            (iss, sub) => format!("{}/{}", iss.written(), sub.written()),
        };
        Ok(Some(Atom {
            attribute: Attribute::RequestPrincipal,
            key: None,
            name: Vec::new(),
            matcher: Matcher::RequestPrincipal([pair].into()),
            expected: vec![expected],
        }))
    }

    fn header(&self, header: &Header) -> Result<Meaning, Untold> {
        let empty = |text: &Text| text.matches(b"") == gnomon_engine::plan::Tri::True;
        let Header { name, test, invert, missing_is_empty } = header;
        let text = match test {
            HeaderTest::Present(wanted) => {
                if self.network {
                    return Ok(Meaning::Constant(*wanted == *invert));
                }
                let there = present(name);
                return Ok(match *wanted != *invert {
                    true => Meaning::Atom(there),
                    false => Meaning::Both(vec![vec![(there.clone(), true)]], vec![vec![(there, false)]]),
                });
            }
            HeaderTest::Range(..) => return Err(format!("a range of numbers in the header {name}")),
            HeaderTest::Text(text) => text,
        };
        if let Some(name) = text.unread() {
            return Err(name.to_string());
        }
        if self.network {
            return Ok(Meaning::Constant(*missing_is_empty && empty(text) != *invert));
        }
        let value = of_header(name, text)?;
        let there = present(name);
        Ok(match (invert, *missing_is_empty, empty(text)) {
            // Without a line nothing holds, the opposite neither.
            (false, false, _) | (false, true, false) => Meaning::Atom(value),
            (true, false, _) => Meaning::Both(
                vec![vec![(there.clone(), false), (value.clone(), true)]],
                vec![vec![(there, true)], vec![(value, false)]],
            ),
            (true, true, false) => {
                Meaning::Both(vec![vec![(value.clone(), true)]], vec![vec![(value, false)]])
            }
            (invert, true, true) => {
                let yes = vec![vec![(value.clone(), false)], vec![(there.clone(), true)]];
                let no = vec![vec![(there, false), (value, true)]];
                if *invert { Meaning::Both(no, yes) } else { Meaning::Both(yes, no) }
            }
        })
    }

    /// A peer by its certificate.
    fn peer(&self, text: Option<&Text>) -> Result<Meaning, Untold> {
        Ok(match (self.chain.socket, text) {
            _ if self.chain.internal => Meaning::Constant(false),
            (Socket::Raw, _) => Meaning::Constant(false),
            // Nothing else gets here.
            (Socket::Tls { mutual: false }, None) => Meaning::Constant(true),
            (_, None) => Meaning::Atom(Atom::of_peer(PeerPattern::Present, "*".into())),
            (Socket::Tls { mutual: false }, Some(text))
                if text.matches(b"") != gnomon_engine::plan::Tri::False =>
            {
                return Err("a peer name that may be empty, where a client needs no certificate".into());
            }
            (_, Some(text)) => Meaning::Atom(peer(text)?),
        })
    }

    fn metadata(&self, metadata: &Metadata) -> Result<Meaning, Untold> {
        let Metadata { filter, path, value, invert } = metadata;
        let named = || format!("metadata of {filter} at {}", path.join("."));
        let answer = match filter.as_str() {
            "envoy.filters.http.rbac" | "envoy.filters.network.rbac" | "istio_authn" => return Err(named()),
            JWT_FILTER => self.claim(path, value)?,
            _ => {
                let [key] = &path[..] else { return Err(named()) };
                let mut values = Vec::new();
                if !texts(value, false, &mut values) {
                    return Err(named());
                }
                let mut matchers = Vec::new();
                let mut expected = Vec::new();
                for (of_list, text) in values {
                    let pattern = pattern(text, &named())?;
                    let shown = pattern.written();
                    expected.push(if of_list { format!("[{shown}]") } else { shown });
                    matchers.push((of_list, pattern));
                }
                Meaning::Atom(Atom {
                    attribute: Attribute::Metadata,
                    key: Some(format!(
                        "experimental.envoy.filters.{}[{key}]",
                        filter.strip_prefix("envoy.filters.").unwrap_or(filter)
                    )),
                    name: vec![filter.as_str().into(), key.as_str().into()],
                    matcher: Matcher::Metadata(matchers.into()),
                    expected,
                })
            }
        };
        Ok(match answer {
            answer if !invert => answer,
            Meaning::Constant(value) => Meaning::Constant(!value),
            Meaning::Atom(atom) => Meaning::Both(vec![vec![(atom.clone(), true)]], vec![vec![(atom, false)]]),
            Meaning::Both(yes, no) => Meaning::Both(no, yes),
            Meaning::Complex => return Err(named()),
        })
    }

    /// A claim, as a text or as an element of a list.
    fn claim(&self, path: &[String], value: &ValueTest) -> Result<Meaning, Untold> {
        if self.network {
            return Ok(Meaning::Constant(false));
        }
        let Some(jwt) = self.jwt else {
            return match self.chain.bare && !self.chain.has_jwt() {
                true => Err("claims, without the jwt_authn filter that verifies them".into()),
                // Nobody has read a token yet.
                false => Ok(Meaning::Constant(false)),
            };
        };
        let Some((first, claim)) = path.split_first() else { return Ok(Meaning::Constant(false)) };
        match jwt.only_payload_key() {
            Some(key) if key == first && !claim.is_empty() => {}
            Some(key) if key != first => return Ok(Meaning::Constant(false)),
            _ => return Err(format!("the claims of a token under {}", path.join("."))),
        }
        let named = format!("the claim {}", claim.join("."));
        let (mut lists, mut plain) = (Vec::new(), Vec::new());
        let mut values = Vec::new();
        if !texts(value, false, &mut values) {
            return Err(format!("{named}, which is compared with more than texts"));
        }
        for (of_list, text) in values {
            let pattern = pattern(text, &named)?;
            if of_list { lists.push(pattern) } else { plain.push(pattern) }
        }
        // These are never lists.
        let single = matches!(claim, [only] if matches!(only.as_str(), "iss" | "sub" | "jti"));
        let same = plain.len() == lists.len() && plain.iter().all(|pattern| lists.contains(pattern));
        if !(same || single && lists.is_empty()) {
            return Err(format!("{named}, of which texts and lists are compared otherwise"));
        }
        let (attribute, key) = match claim {
            [only] if only == "aud" => (Attribute::Audience, "request.auth.audiences".into()),
            [only] if only == "azp" => (Attribute::Presenter, "request.auth.presenter".into()),
            _ => {
                let names: Vec<String> = claim.iter().map(|name| format!("[{name}]")).collect();
                (Attribute::Claim, format!("request.auth.claims{}", names.concat()))
            }
        };
        Ok(Meaning::Atom(Atom {
            attribute,
            key: Some(key),
            name: claim.iter().map(|name| name.as_str().into()).collect(),
            expected: plain.iter().map(Pattern::written).collect(),
            matcher: Matcher::Text(plain.into()),
        }))
    }
}

/// Each of the one with each of the other.
pub(super) fn product(one: &Groups, other: &Groups) -> Result<Groups, Untold> {
    let size = |groups: &Groups| groups.iter().flatten().map(values).sum::<usize>();
    let copied = size(one).saturating_mul(other.len()).saturating_add(size(other).saturating_mul(one.len()));
    if copied > VALUES {
        return Err("nested conditions that are too large to be taken apart".into());
    }
    bounded(one.len().saturating_mul(other.len()))?;
    let both = one.iter().flat_map(|a| other.iter().map(|b| [a.as_slice(), b.as_slice()].concat()));
    Ok(both.collect())
}

/// How many values a condition has.
fn values(clause: &Clause) -> usize {
    match clause.matcher() {
        Matcher::Peer(of) => of.len(),
        Matcher::Ip(of) => of.len(),
        Matcher::Port(of) => of.len(),
        Matcher::Text(of) | Matcher::Header(of) | Matcher::Host(of) => of.len(),
        Matcher::Path(of) => of.len(),
        Matcher::RequestPrincipal(of) => of.len(),
        Matcher::Metadata(of) => of.len(),
        _ => 1,
    }
}

fn bounded(alternatives: usize) -> Result<(), Untold> {
    match alternatives > ALTERNATIVES {
        true => Err(format!("nested conditions with more than {ALTERNATIVES} alternatives")),
        false => Ok(()),
    }
}

/// The policy and rule that istiod has named so, or the name as a whole.
pub(super) fn origin(name: &str, at: Position, file: &Arc<str>) -> Origin {
    let parsed = name.split_once("ns[").and_then(|(_, rest)| {
        let (namespace, rest) = rest.split_once("]-policy[")?;
        let (policy, rest) = rest.split_once("]-rule[")?;
        let index = rest.split_once(']')?.0.parse().ok()?;
        Some((namespace, policy, index))
    });
    let (namespace, policy, index) = parsed.unwrap_or(("", name, 0));
    let policy = PolicyName { namespace: namespace.into(), name: policy.into(), file: file.clone() };
    Origin { policy: Arc::new(policy), index, at }
}

impl Atom {
    fn clause(self, negated: bool, at: Position) -> Clause {
        let Atom { attribute, key, name, matcher, expected } = self;
        Clause::of((attribute, key.as_deref()), name, (matcher, negated), expected, at)
    }

    fn of_peer(pattern: PeerPattern, written: String) -> Atom {
        let (attribute, expected) = match &pattern {
            PeerPattern::ServiceAccount { namespace, name } => {
                (Attribute::ServiceAccount, format!("{namespace}/{name}"))
            }
            PeerPattern::TrustDomain { .. } => (Attribute::TrustDomain, written),
            PeerPattern::Glob(glob) => {
                let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                let parts: Vec<String> = glob.parts().map(text).collect();
                let joined = parts.join("*");
                match joined.strip_prefix("*/ns/").and_then(|rest| rest.strip_suffix("/*")) {
                    Some(namespace) => (Attribute::Namespace, namespace.into()),
                    None => {
                        let bare = joined.strip_prefix(SPIFFE).unwrap_or(&joined);
                        (Attribute::Principal, bare.to_string())
                    }
                }
            }
            PeerPattern::Name(pattern) => {
                let written = pattern.written();
                (Attribute::Principal, written.strip_prefix(SPIFFE).unwrap_or(&written).to_string())
            }
            _ => (Attribute::Principal, written),
        };
        Atom {
            attribute,
            key: None,
            name: Vec::new(),
            matcher: Matcher::Peer([pattern].into()),
            expected: vec![expected],
        }
    }

    /// Adds the values of another on the same attribute; false: it is about something else.
    fn take(&mut self, other: Atom) -> bool {
        let peers = |attribute| {
            matches!(
                attribute,
                Attribute::Principal
                    | Attribute::Namespace
                    | Attribute::ServiceAccount
                    | Attribute::TrustDomain
            )
        };
        let same = self.attribute == other.attribute && self.key == other.key && self.name == other.name;
        if !(same || peers(self.attribute) && peers(other.attribute)) {
            return false;
        }
        fn add<T: Clone>(into: &mut Box<[T]>, more: &[T]) -> bool {
            *into = [&into[..], more].concat().into();
            true
        }
        let done = match (&mut self.matcher, &other.matcher) {
            (Matcher::Peer(into), Matcher::Peer(more)) => add(into, more),
            (Matcher::Ip(into), Matcher::Ip(more)) => add(into, more),
            (Matcher::Port(into), Matcher::Port(more)) => add(into, more),
            (Matcher::Text(into), Matcher::Text(more))
            | (Matcher::Header(into), Matcher::Header(more))
            | (Matcher::Host(into), Matcher::Host(more)) => add(into, more),
            (Matcher::Path(into), Matcher::Path(more)) => add(into, more),
            (Matcher::RequestPrincipal(into), Matcher::RequestPrincipal(more)) => add(into, more),
            (Matcher::Metadata(into), Matcher::Metadata(more)) => add(into, more),
            _ => false,
        };
        if done {
            self.expected.extend(other.expected);
        }
        done
    }
}

fn atom(attribute: Attribute, matcher: Matcher, expected: Vec<String>) -> Meaning {
    let key = match attribute {
        Attribute::DestinationIp => Some("destination.ip"),
        Attribute::Sni => Some("connection.sni"),
        _ => None,
    };
    Meaning::Atom(Atom { attribute, key: key.map(ToString::to_string), name: Vec::new(), matcher, expected })
}

/// A header is there.
fn present(name: &str) -> Atom {
    header(name, [Pattern::Any].into(), false, "*".into())
}

fn header(name: &str, patterns: Box<[Pattern]>, ignoring_case: bool, expected: String) -> Atom {
    let name = if name == "host" { ":authority" } else { name };
    let (attribute, key) = match (name, ignoring_case) {
        (":method", _) => (Attribute::Method, None),
        (":authority", true) => (Attribute::Host, None),
        _ => (Attribute::Header, Some(format!("request.headers[{name}]"))),
    };
    let matcher = if ignoring_case { Matcher::Host(patterns) } else { Matcher::Header(patterns) };
    Atom { attribute, key, name: vec![name.into()], matcher, expected: vec![expected] }
}

/// A value of a header.
fn of_header(name: &str, text: &Text) -> Result<Atom, Untold> {
    let what = format!("the header {name}");
    let host = matches!(name, ":authority" | "host");
    let (text, ignoring) = match text {
        Text::IgnoringCase(inner) if host => (&**inner, true),
        text => (text, false),
    };
    let mut found = pattern(text, &what)?;
    if let Text::Regex(source, _) = text {
        // A regular expression of something wants more than that the header is there.
        found = match &**source {
            ".*" => Pattern::Any,
            _ if found == Pattern::Any => return Err(format!("{what}, of which `{source}` wants a value")),
            _ => found,
        };
    }
    let shown = written(text);
    Ok(header(name, [found].into(), ignoring, shown))
}

/// The texts of a value and of the elements of lists; false: it is more than texts.
fn texts<'v>(value: &'v ValueTest, of_list: bool, found: &mut Vec<(bool, &'v Text)>) -> bool {
    match value {
        ValueTest::Text(text) => {
            found.push((of_list, text));
            true
        }
        ValueTest::OneOf(inner) if !of_list => texts(inner, true, found),
        ValueTest::Any(values) => values.iter().all(|value| texts(value, of_list, found)),
        _ => false,
    }
}

fn has_letters(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_alphabetic)
}

/// How a text is compared, where `.+` is what is not empty.
fn pattern(text: &Text, what: &str) -> Result<Pattern, Untold> {
    Ok(match text {
        Text::Exact(text) => Pattern::Exact(text.as_slice().into()),
        Text::Prefix(text) => Pattern::Prefix(text.as_slice().into()),
        Text::Suffix(text) => Pattern::Suffix(text.as_slice().into()),
        Text::Regex(source, _) => match expression(source) {
            Some(pattern) => pattern,
            None => return Err(format!("{what} by the regular expression `{source}`")),
        },
        Text::Contains(text) => {
            return Err(format!("{what}, which contains `{}`", String::from_utf8_lossy(text)));
        }
        Text::IgnoringCase(inner) => match &**inner {
            Text::Exact(bytes) | Text::Prefix(bytes) | Text::Suffix(bytes) if !has_letters(bytes) => {
                return pattern(inner, what);
            }
            _ => return Err(format!("{what} without regard to case")),
        },
        Text::Unread(name) => return Err(name.to_string()),
    })
}

/// An expression that says no more than one of Istio's own forms.
fn expression(source: &str) -> Option<Pattern> {
    if source == ".+" {
        return Some(Pattern::Any);
    }
    match PeerPattern::of_expression(source)? {
        PeerPattern::Name(pattern) => Some(pattern),
        PeerPattern::Glob(glob) => match glob.parts().collect::<Vec<_>>()[..] {
            [prefix, b""] => Some(Pattern::Prefix(prefix.into())),
            [b"", suffix] => Some(Pattern::Suffix(suffix.into())),
            _ => None,
        },
        _ => None,
    }
}

/// In Istio's notation, as far as it has one.
fn written(text: &Text) -> String {
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match text {
        Text::Exact(text) | Text::Contains(text) => lossy(text),
        Text::Prefix(text) => lossy(text) + "*",
        Text::Suffix(text) => format!("*{}", lossy(text)),
        Text::Regex(source, _) if &**source == ".+" => "*".into(),
        Text::Regex(source, _) => source.to_string(),
        Text::IgnoringCase(inner) => written(inner),
        Text::Unread(name) => name.to_string(),
    }
}

/// A name in the peer's certificate.
fn peer(text: &Text) -> Result<Atom, Untold> {
    let what = "a peer";
    let pattern = match text {
        Text::Exact(_) | Text::Prefix(_) => PeerPattern::Name(pattern(text, what)?),
        Text::Suffix(suffix) => PeerPattern::Glob(Glob::new([b""[..].into(), suffix.as_slice().into()])),
        Text::Contains(part) => {
            PeerPattern::Glob(Glob::new([b""[..].into(), part.as_slice().into(), b""[..].into()]))
        }
        Text::Regex(source, _) => PeerPattern::of_expression(source)
            .ok_or_else(|| format!("a peer by the regular expression `{source}`"))?,
        Text::IgnoringCase(_) => return Err("a peer without regard to case".into()),
        Text::Unread(name) => return Err(name.to_string()),
    };
    let told = |text: &[u8], whole: bool| thinkable(&String::from_utf8_lossy(text), whole);
    match &pattern {
        PeerPattern::Name(Pattern::Exact(name)) => told(name, true)?,
        PeerPattern::Name(Pattern::Prefix(name)) => told(name, false)?,
        PeerPattern::Glob(glob) => {
            let first = glob.parts().next().unwrap_or_default();
            if !first.is_empty() {
                told(first, false)?;
            }
            for part in glob.parts() {
                in_istios_form(&String::from_utf8_lossy(part))?;
            }
        }
        _ => {}
    }
    Ok(Atom::of_peer(pattern, written(text)))
}

/// What stands behind a segment `ns` is a namespace and an account.
fn in_istios_form(part: &str) -> Result<(), Untold> {
    for (at, _) in part.match_indices("/ns/") {
        let behind = part.get(at..).unwrap_or_default().split('/').skip(2).collect::<Vec<_>>();
        let fine = match &behind[..] {
            [_, sa] => "sa".starts_with(sa),
            [_, sa, _] => *sa == "sa",
            [_, _, ..] => false,
            _ => true,
        };
        if !fine {
            return Err(format!("a peer whose SPIFFE id is not of Istio's form (`{part}`)"));
        }
    }
    Ok(())
}

/// Is there a caller of such a name among those that are asked about: SPIFFE ids of Istio's form, or with another path
/// without a segment `ns`?
fn thinkable(name: &str, whole: bool) -> Result<(), Untold> {
    let Some(id) = name.strip_prefix(SPIFFE) else {
        return match SPIFFE.starts_with(name) && !whole {
            true => Ok(()),
            false => Err(format!("a peer that is no SPIFFE id (`{name}`)")),
        };
    };
    let segments: Vec<&str> = id.split('/').collect();
    let unusual = || Err(format!("a peer whose SPIFFE id is not of Istio's form (`{name}`)"));
    let (last, inner) = match segments.split_last() {
        Some((last, inner)) => (*last, inner),
        None => ("", &[][..]),
    };
    let complete = if whole { &segments[..] } else { inner };
    let usual = |segment: &&str| {
        !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let begun = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let domain = segments.first().is_none_or(|domain| !domain.bytes().any(|byte| byte.is_ascii_uppercase()));
    if !complete.iter().all(usual) || !begun || !domain || (whole && segments.len() < 2) {
        return unusual();
    }
    let istios = complete.get(1) == Some(&"ns");
    let form = match (istios, whole) {
        (true, true) => segments.len() == 5 && segments.get(3) == Some(&"sa"),
        (true, false) => {
            segments.len() <= 5
                && match segments.get(3) {
                    Some(sa) if segments.len() == 4 => "sa".starts_with(sa),
                    Some(sa) => *sa == "sa",
                    None => true,
                }
        }
        (false, _) => !complete.iter().skip(1).any(|segment| *segment == "ns"),
    };
    if form { Ok(()) } else { unusual() }
}
