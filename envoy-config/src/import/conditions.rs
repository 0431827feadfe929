//! What an RBAC filter asks for, as conditions of compiled rules: for questions about all requests at once.
//!
//! A policy of Envoy's is any Boolean function of matches. It is taken apart into alternatives, each of which is a list
//! of conditions on one attribute each, negated or not. What has no such form is an error that names it.

use super::{
    atom::{Atom, of_header, of_text, only_pattern, peer, present},
    chain::{Chain, Socket},
    decisions::Decision,
    evaluation_context::JWT_FILTER,
    expression::{Address, Expression, Metadata},
    jwt::Jwt,
    rbac::Policy,
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
    pattern::{Pattern, PeerPattern},
    plan::{Clause, Matcher, Origin, PathPattern, PolicyName, Rule},
};

/// No more alternatives than this for one policy.
const ALTERNATIVES: usize = 2_000;
/// Nor more values than this in all of its alternatives.
const VALUES: usize = 1_000_000;
/// Alternatives of two conditions are multiplied out up to so many; more are nested.
const MULTIPLIED: usize = 32;
/// No more ports of a range are listed.
const PORTS: u32 = 1_024;

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

    /// A rule for a decision of a matcher: where all of `holds` hold, and none of `others`, each of which is all of its
    /// conditions.
    pub(super) fn decision(
        &self,
        decision: &Decision,
        holds: &[&Expression],
        others: &[Vec<&Expression>],
        file: &Arc<str>,
    ) -> Result<Rule, Untold> {
        let at = decision.at;
        let others: Vec<&[&Expression]> = others.iter().map(Vec::as_slice).collect();
        let mut groups = self.where_only(holds, &others, at)?;
        let when = if groups.is_empty() { vec![Clause::never("matcher", at)] } else { Vec::new() };
        if groups.iter().any(Vec::is_empty) {
            groups.clear();
        }
        Ok(Rule {
            id: decision.name.as_str().into(),
            origin: origin(&decision.called, at, file),
            from: Box::default(),
            to: groups.into_iter().map(Vec::into_boxed_slice).collect(),
            when: when.into(),
            notes: Vec::new(),
        })
    }

    /// Where all of `holds` hold, and none of `others`.
    pub(super) fn region(&self, holds: &[&Expression], others: &[&[&Expression]]) -> Result<Groups, Untold> {
        self.where_only(holds, others, Position::default())
    }

    fn where_only(
        &self,
        holds: &[&Expression],
        others: &[&[&Expression]],
        at: Position,
    ) -> Result<Groups, Untold> {
        let mut groups: Groups = vec![Vec::new()];
        for one in holds {
            groups = both(groups, self.alternatives(one, true, at)?)?;
        }
        for other in others {
            // What holds here anyway is nothing by which they differ.
            let told = |one: &&&Expression| !holds.iter().any(|here| core::ptr::eq(*here, **one));
            let mut all: Groups = vec![Vec::new()];
            for one in other.iter().filter(told) {
                all = both(all, self.alternatives(one, true, at)?)?;
            }
            groups = match (&all[..], other.iter().filter(told).count()) {
                // Everything is there, or nothing.
                ([], _) => groups,
                _ if all.iter().any(Vec::is_empty) => Vec::new(),
                // One condition is negated as such.
                ([group], 1) if group.len() == 1 => {
                    let one = other.iter().find(told);
                    let none = one.map(|one| self.alternatives(one, false, at)).transpose()?;
                    both(groups, none.unwrap_or_default())?
                }
                _ => both(groups, vec![vec![nested(all, true)]])?,
            };
        }
        Ok(groups)
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
            groups = both(groups, self.alternatives(item, holds, at)?)?;
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
            Expression::Path(text) => {
                let plain = |pattern| Matcher::Path([PathPattern::Plain(pattern)].into());
                Meaning::Atom(of_text((Attribute::Path, None), text, "the path", plain)?)
            }
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
            Expression::Sni(text) => {
                let plain = |pattern| Matcher::Text([pattern].into());
                let sni = (Attribute::Sni, Some("connection.sni"));
                Meaning::Atom(of_text(sni, text, "the server name", plain)?)
            }
            Expression::Peer(text) => self.peer(text.as_ref())?,
            // One id in each certificate.
            Expression::UriSan(text) => match self.chain.socket {
                Socket::Tls { .. } if !self.chain.internal => Meaning::Atom(peer(text)?),
                _ => return Err("a matcher on the URI of a certificate, where there may be no TLS".into()),
            },
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
        let pair = (only_pattern(&iss, "the issuer")?, only_pattern(&sub, "the subject")?);
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
        let Header { name, test, invert, missing_is_empty, .. } = header;
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
                    let pattern = only_pattern(text, &named())?;
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
            let pattern = only_pattern(text, &named)?;
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

/// Any of these groups, or none of them, as one condition.
fn nested(groups: Groups, negated: bool) -> Clause {
    Clause::any_of(groups.into_iter().map(Vec::into_boxed_slice), negated)
}

/// Each of the one with each of the other; where that would be many, the one with the other as a whole.
fn both(one: Groups, other: Groups) -> Result<Groups, Untold> {
    if one.len().saturating_mul(other.len()) <= MULTIPLIED || one.len() == 1 || other.len() == 1 {
        return product(&one, &other);
    }
    Ok(vec![vec![nested(one, false), nested(other, false)]])
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
        Matcher::AnyOf(groups) => groups.iter().flatten().map(values).sum(),
        Matcher::Sequences(of) => of.iter().flat_map(|one| &one.any).map(|steps| steps.len()).sum(),
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

fn atom(attribute: Attribute, matcher: Matcher, expected: Vec<String>) -> Meaning {
    let key = match attribute {
        Attribute::DestinationIp => Some("destination.ip"),
        _ => None,
    };
    Meaning::Atom(Atom { attribute, key: key.map(ToString::to_string), name: Vec::new(), matcher, expected })
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
