//! The smallest request of a set.

use crate::{
    axis::{Axis, Code, Member},
    bdd::Bdd,
    condition::Subject,
    kind::Kind,
    known::Known,
    space::Space,
};
use alloc::{borrow::ToOwned, string::String, vec, vec::Vec};
use gnomon_engine::{
    jwt::Json,
    prepare::RequestSpec,
    request::{ExtAuthzAnswer, Protocol},
};

/// A class for each axis, or several where it is a set; axes in the order of the space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point(pub Vec<Vec<u32>>);

impl Space {
    /// The point of a set that costs least; `None`: the set is empty.
    pub fn cheapest(&self, f: Bdd) -> Option<Point> {
        let mut search = Search { space: self, known: Known::default() };
        search.cost(f)?;
        let mut point: Vec<Vec<u32>> = self.axes.iter().map(usual).collect();
        let mut at = f;
        while let Some(step) = search.known.get(&at).copied().flatten() {
            let Some(choice) = step.choice else { break };
            if let Some(classes) = point.get_mut(choice.axis) {
                match choice.class {
                    Some(class) if !choice.adds => *classes = vec![class],
                    Some(class) => classes.push(class),
                    None => {}
                }
            }
            at = step.next;
        }
        Some(Point(point))
    }

    /// Is the point in the set?
    pub fn has(&self, f: Bdd, point: &Point) -> bool {
        self.manager.value(f, |variable| {
            let of = self.axes.iter().zip(&point.0).find(|(axis, _)| variable < axis.end());
            let Some((axis, classes)) = of else { return false };
            match axis.code {
                Code::Set(first) => classes.contains(&(variable - first)),
                Code::One(dimension) => classes.first().is_some_and(|class| dimension.bit(*class, variable)),
            }
        })
    }

    /// A request that lies there.
    pub fn request(&self, point: &Point, kind: Kind) -> RequestSpec {
        let protocol = kind.protocol();
        let mut spec =
            RequestSpec { protocol, method: "GET".into(), path: "/".into(), ..RequestSpec::default() };
        if protocol == Protocol::Http {
            spec.host = Some("example.com".into());
        }
        if kind == Kind::Connect {
            spec.method = "CONNECT".into();
            spec.host = Some("example.com:443".into());
        }
        let mut claims: Vec<(String, Json)> = Vec::new();
        let mut token = false;
        let mut garbage = None;
        for (axis, classes) in self.axes.iter().zip(&point.0) {
            let members: Vec<&Member> =
                classes.iter().filter_map(|class| axis.members.get(*class as usize)).collect();
            if axis.subject == Subject::Issuer {
                token = members.iter().any(|member| matches!(member, Member::Text(_) | Member::State(_)));
            }
            if let [Member::Garbage(place)] = members[..] {
                garbage = Some(place);
            }
            state(&mut spec, &mut claims, axis, &members);
        }
        if token && protocol == Protocol::Http {
            spec.claims = Some(Json::Object(claims));
        }
        if let Some(place) = garbage {
            spec = spec.with_token(place, "malformed");
        }
        if spec.method == "QUERY" {
            spec.headers.push(("content-type".into(), "text/plain".into()));
        }
        spec
    }
}

/// The cheapest class.
fn usual(axis: &Axis) -> Vec<u32> {
    match axis.code {
        Code::Set(_) => Vec::new(),
        Code::One(_) => {
            let cheapest = (0..).zip(&axis.costs).min_by_key(|(_, cost)| **cost);
            cheapest.map(|(class, _)| class).into_iter().collect()
        }
    }
}

fn state(spec: &mut RequestSpec, claims: &mut Vec<(String, Json)>, axis: &Axis, members: &[&Member]) {
    let texts = || {
        members.iter().filter_map(|member| match member {
            Member::Text(text) => Some(text.clone()),
            _ => None,
        })
    };
    let ip = || members.iter().find_map(|member| if let Member::Ip(ip) = member { Some(*ip) } else { None });
    match &axis.subject {
        Subject::Method => spec.method = texts().next().unwrap_or_default(),
        Subject::Path => spec.path = texts().next().unwrap_or_else(|| "/".into()),
        Subject::Host => spec.host = texts().next(),
        Subject::Header(name) => spec.headers.extend(texts().map(|text| (name.clone(), text))),
        Subject::Peer => {
            spec.principal =
                texts().next().map(|text| text.strip_prefix("spiffe://").unwrap_or(&text).to_owned());
        }
        Subject::SourceIp => spec.source_ip = ip(),
        Subject::RemoteIp => spec.remote_ip = ip(),
        Subject::DestinationIp => spec.destination_ip = ip(),
        Subject::Port => {
            spec.destination_port = members.iter().find_map(|member| match member {
                Member::Port(port) => Some(*port),
                _ => None,
            });
        }
        Subject::Sni => spec.sni = texts().next().filter(|text| !text.is_empty()),
        Subject::Preflight if members.contains(&&Member::State(1)) => {
            for (name, value) in [("origin", "http://x"), ("access-control-request-method", "GET")] {
                spec.headers.push((name.into(), value.into()));
            }
        }
        Subject::Preflight => {}
        Subject::Issuer => claims.extend(texts().next().map(|text| ("iss".into(), Json::String(text)))),
        Subject::Claim(path) => {
            if let Some(value) = value(texts().collect()) {
                insert(claims, path, value);
            }
        }
        Subject::MetadataText(filter, key) => {
            if let Some(text) = texts().next() {
                metadata(spec, filter, key, Json::String(text));
            }
        }
        Subject::MetadataList(filter, key) => {
            let items: Vec<Json> = texts().map(Json::String).collect();
            if !items.is_empty() {
                metadata(spec, filter, key, Json::List(items));
            }
        }
        Subject::Provider(name) => {
            let answer = match members {
                [Member::State(0), ..] => ExtAuthzAnswer::Allow,
                [Member::State(1), ..] => ExtAuthzAnswer::Deny,
                _ => ExtAuthzAnswer::Error,
            };
            spec.ext_authz.push((name.clone(), answer));
        }
    }
}

/// A text, or a list of texts. One with a blank stands in a list, since some claims are split at blanks.
fn value(mut texts: Vec<String>) -> Option<Json> {
    match texts.len() {
        0 => None,
        1 if !texts.iter().any(|text| text.contains(' ')) => texts.pop().map(Json::String),
        _ => Some(Json::List(texts.into_iter().map(Json::String).collect())),
    }
}

fn insert(claims: &mut Vec<(String, Json)>, path: &[String], value: Json) {
    match path {
        [] => {}
        [last] => claims.push((last.clone(), value)),
        [first, rest @ ..] => {
            let at = match claims.iter().position(|(name, _)| name == first) {
                Some(at) => at,
                None => {
                    claims.push((first.clone(), Json::Object(Vec::new())));
                    claims.len() - 1
                }
            };
            if let Some((_, Json::Object(inner))) = claims.get_mut(at) {
                insert(inner, rest, value);
            }
        }
    }
}

fn metadata(spec: &mut RequestSpec, filter: &str, key: &str, value: Json) {
    let at = match spec.metadata.iter().position(|(name, _)| name == filter) {
        Some(at) => at,
        None => {
            spec.metadata.push((filter.to_owned(), Json::Object(Vec::new())));
            spec.metadata.len() - 1
        }
    };
    if let Some((_, Json::Object(entries))) = spec.metadata.get_mut(at) {
        entries.push((key.to_owned(), value));
    }
}

/// The first step from a node on the cheapest way to "true".
#[derive(Clone, Copy, Debug)]
struct Step {
    cost: u32,
    choice: Option<Chosen>,
    next: Bdd,
}

#[derive(Clone, Copy, Debug)]
struct Chosen {
    axis: usize,
    class: Option<u32>,
    /// To a set, rather than in place of the usual class.
    adds: bool,
}

struct Search<'s> {
    space: &'s Space,
    /// `None`: there is no way.
    known: Known<Bdd, Option<Step>>,
}

impl Search<'_> {
    fn cost(&mut self, f: Bdd) -> Option<u32> {
        if let Some(known) = self.known.get(&f) {
            return known.map(|step| step.cost);
        }
        let step = match self.space.manager.decision(f) {
            None if f == Bdd::TRUE => Some(Step { cost: 0, choice: None, next: f }),
            None => None,
            Some((variable, low, high)) => {
                let at = self.space.axes.partition_point(|axis| axis.end() <= variable);
                self.space.axes.get(at).and_then(|axis| self.step(f, at, axis, variable, low, high))
            }
        };
        self.known.insert(f, step);
        step.map(|step| step.cost)
    }

    fn step(&mut self, f: Bdd, at: usize, axis: &Axis, variable: u32, low: Bdd, high: Bdd) -> Option<Step> {
        let cost = |class: u32| axis.costs.get(class as usize).copied().unwrap_or(1_000);
        let mut best: Option<Step> = None;
        let mut offer = |step: Step| {
            if best.is_none_or(|best| step.cost < best.cost) {
                best = Some(step);
            }
        };
        match axis.code {
            Code::Set(first) => {
                let class = variable - first;
                if let Some(rest) = self.cost(low) {
                    offer(Step {
                        cost: rest,
                        choice: Some(Chosen { axis: at, class: None, adds: true }),
                        next: low,
                    });
                }
                if let Some(rest) = self.cost(high) {
                    offer(Step {
                        cost: rest.saturating_add(cost(class)),
                        choice: Some(Chosen { axis: at, class: Some(class), adds: true }),
                        next: high,
                    });
                }
            }
            Code::One(dimension) => {
                for (classes, next) in dimension.split(&self.space.manager, f) {
                    let Some(rest) = self.cost(next) else { continue };
                    let cheapest = classes.iter().min_by_key(|class| cost(**class));
                    let Some(class) = cheapest.copied() else { continue };
                    offer(Step {
                        cost: rest.saturating_add(cost(class)),
                        choice: Some(Chosen { axis: at, class: Some(class), adds: false }),
                        next,
                    });
                }
            }
        }
        best
    }
}
