//! Parts of what a workload is asked: ports, kinds of paths, connections in place of requests.

use gnomon_engine::{
    Attribute,
    pattern::Pattern,
    resource::{AuthorizationPolicy, FieldSet, Text},
};
use gnomon_manifests::inventory::Protocol;
use gnomon_symbolic::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Parts by path are so many at most; the paths behind them are `other paths`.
const PATHS: usize = 50;

/// A part of all that a workload can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// A port of the workload; `None`: not by port, or all ports that no other part names.
    pub port: Option<u16>,
    /// A value of `paths`; `None`: not by path, or all paths that no other part names.
    pub path: Option<String>,
    /// For people: `port 8080`, `other ports`, `paths /api/*`; empty: everything.
    pub name: String,
    /// Connections, and no requests.
    pub is_tcp: bool,
    /// Rules that match what is in no other part.
    pub(super) others: Vec<Value>,
}

impl Part {
    /// Everything: requests, or connections.
    pub fn everything(is_tcp: bool) -> Part {
        Part { port: None, path: None, name: String::new(), is_tcp, others: Vec::new() }
    }

    pub(super) fn kinds(&self) -> &'static [Kind] {
        if self.is_tcp { &[Kind::Tcp] } else { &[Kind::Http, Kind::Connect] }
    }

    /// What is of both.
    fn and(&self, other: &Part) -> Part {
        let name = match (&*self.name, &*other.name) {
            (one, "") | ("", one) => one.to_owned(),
            (one, more) => format!("{one}, {more}"),
        };
        Part {
            port: self.port.or(other.port),
            path: self.path.clone().or_else(|| other.path.clone()),
            name,
            is_tcp: self.is_tcp,
            others: self.others.iter().chain(&other.others).cloned().collect(),
        }
    }
}

/// By port: those that the workload has and those that the policies which apply to it name, then the others. Of ports that speak no HTTP the
/// connections.
pub fn by_port(
    ports: &BTreeMap<u16, Protocol>,
    policies: &[&AuthorizationPolicy],
    is_tcp: bool,
) -> Vec<Part> {
    let named = values(policies, Attribute::Port);
    let mut all: BTreeSet<u16> = named.filter_map(|text| text.text.parse().ok()).collect();
    all.extend(ports.keys());
    let to = |operation: Value| json!({"to": [{"operation": operation}]});
    let mut parts: Vec<Part> = all
        .iter()
        .map(|port| {
            let speaks_tcp = ports.get(port).is_some_and(|protocol| protocol.is_tcp());
            let is_tcp = is_tcp || speaks_tcp;
            let name = if speaks_tcp { format!("port {port} (TCP)") } else { format!("port {port}") };
            let others = vec![to(json!({"notPorts": [port.to_string()]}))];
            Part { port: Some(*port), path: None, name, is_tcp, others }
        })
        .collect();
    if !parts.is_empty() {
        let texts: Vec<String> = all.iter().map(u16::to_string).collect();
        let name = "other ports".to_owned();
        parts.push(Part { name, others: vec![to(json!({"ports": texts}))], ..Part::everything(is_tcp) });
    }
    if parts.is_empty() { vec![Part::everything(is_tcp)] } else { parts }
}

/// By the paths that the policies name which apply to the workload, the narrower ones first, each without those before it; then the others.
pub fn by_path(policies: &[&AuthorizationPolicy]) -> Vec<Part> {
    let named = values(policies, Attribute::Path);
    let mut texts: Vec<&str> = named.map(|text| text.text.as_str()).filter(|text| *text != "*").collect();
    let rank = |text: &str| {
        let kind = match Pattern::parse(text) {
            Pattern::Exact(_) if !text.contains('{') => 0,
            Pattern::Exact(_) => 1,
            Pattern::Any | Pattern::Prefix(_) | Pattern::Suffix(_) => 2,
        };
        (kind, std::cmp::Reverse(text.len()), text.to_owned())
    };
    texts.sort_by_cached_key(|text| rank(text));
    texts.dedup();
    texts.truncate(PATHS);
    let to = |operation: Value| json!({"to": [{"operation": operation}]});
    let mut parts = Vec::new();
    for (at, path) in texts.iter().enumerate() {
        let mut others = vec![to(json!({"notPaths": [path]}))];
        let before = texts.get(..at).unwrap_or_default();
        if !before.is_empty() {
            others.push(to(json!({"paths": before})));
        }
        let name = format!("paths {path}");
        parts.push(Part { path: Some((*path).to_owned()), name, others, ..Part::everything(false) });
    }
    if parts.is_empty() {
        return vec![Part::everything(false)];
    }
    let (name, others) = ("other paths".to_owned(), vec![to(json!({"paths": texts}))]);
    parts.push(Part { name, others, ..Part::everything(false) });
    parts
}

/// Each port by paths; of connections there are no paths.
pub fn by_both(ports: &[Part], paths: &[Part]) -> Vec<Part> {
    let mut all = Vec::new();
    for port in ports {
        match port.is_tcp {
            true => all.push(port.clone()),
            false => all.extend(paths.iter().map(|path| port.and(path))),
        }
    }
    all
}

/// The values of a field of operations, in all rules.
fn values<'p>(policies: &[&'p AuthorizationPolicy], of: Attribute) -> impl Iterator<Item = &'p Text> {
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    let fields = rules.flat_map(|rule| rule.to.iter().flat_map(FieldSet::iter));
    fields
        .filter(move |(attribute, _)| *attribute == of)
        .flat_map(|(_, values)| values.values.iter().chain(&values.not_values))
}
