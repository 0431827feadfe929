//! Pairs of policy sets over a tiny alphabet: so few methods, paths, identities … that all requests can be listed which
//! policies of these values could tell apart.

use crate::{evaluator::World, tape::Tape};
use gnomon_engine::{
    Mesh, Node, Severity, Workload,
    decode::object,
    jwt::Json,
    prepare::RequestSpec,
    request::{ExtAuthzAnswer, Protocol},
    resource::Resources,
    workload::{ExtensionProvider, ProviderKind, ProxyKind},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What policies of a pair look at. The others may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    Method,
    Path,
    Host,
    Peer,
    Port,
    Address,
    Header,
    Token,
    Provider,
}

const HTTP: &[Axis] = &[
    Axis::Method,
    Axis::Path,
    Axis::Host,
    Axis::Peer,
    Axis::Port,
    Axis::Address,
    Axis::Header,
    Axis::Token,
    Axis::Provider,
];
const TCP: &[Axis] = &[Axis::Peer, Axis::Port, Axis::Address];

/// No pair has more requests than this, but for preflights.
const MOST_REQUESTS: usize = 1_300;

const METHODS: &[&str] = &["GET", "POST", "P*", "*T", "*"];
const PATHS: &[&str] = &["/a", "/b", "/a*", "/a/*", "*b", "/{*}", "/a/{*}", "/{**}", "/a/b", "*"];
const HOSTS: &[&str] = &["a.b", "A.b:80", "*.b", "a.*", "*"];
const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/a/sa/a",
    "cluster.local/ns/a/*",
    "*/sa/b",
    "corp/ns/a/sa/a",
    "cluster.local/ns/b/sa/b",
    "*",
];
const NAMESPACES: &[&str] = &["a", "b", "*"];
const ACCOUNTS: &[&str] = &["a/a", "b/a"];
const PORTS: &[&str] = &["80", "8080"];
const BLOCKS: &[&str] = &["10.0.0.0/30", "10.0.0.0/31", "10.0.0.1"];
const LINES: &[&str] = &["v", "w", "v*", "*"];
const REQUEST_PRINCIPALS: &[&str] = &["*", "https://i/u", "https://i/*", "*/u", "https://j/u"];
const GROUPS: &[&str] = &["d", "o", "*"];

/// Two sets of policies for one workload, as manifests.
#[derive(Clone, Debug)]
pub struct Pair {
    pub axes: Vec<Axis>,
    pub old: Vec<Value>,
    pub new: Vec<Value>,
    pub ztunnel: bool,
}

/// A pair that differs in something small, or in everything.
pub fn pair(tape: &mut Tape<'_>) -> Pair {
    let ztunnel = tape.once_in(8);
    let from = if ztunnel { TCP } else { HTTP };
    let mut axes: Vec<Axis> = (0..1 + tape.below(3)).map(|_| tape.of(from)).collect();
    axes.sort_unstable();
    axes.dedup();
    while axes.iter().map(|axis| values(*axis).len()).product::<usize>() > MOST_REQUESTS {
        axes.pop();
    }
    let old = policies(tape, &axes);
    let mut new = if tape.once_in(4) { policies(tape, &axes) } else { old.clone() };
    for _ in 0..tape.below(3) {
        change(tape, &axes, &mut new);
    }
    Pair { axes, old, new, ztunnel }
}

impl Pair {
    /// The world of these manifests.
    pub fn world(&self, manifests: &[Value]) -> World {
        let mut resources = Resources::default();
        for manifest in manifests {
            let node: Node = serde_json::from_value(manifest.clone()).expect("JSON is a tree");
            let mut problems = Vec::new();
            object(&node, &Arc::from("pair.json"), &mut resources, &mut problems);
            problems.retain(|problem| problem.severity == Severity::Error);
            assert!(problems.is_empty(), "{problems:?} in {manifest}");
        }
        let proxy = if self.ztunnel { ProxyKind::Ztunnel } else { ProxyKind::Sidecar };
        let workload = Workload {
            namespace: "shop".into(),
            labels: vec![("app".into(), "web".into())],
            proxy,
            ..Workload::default()
        };
        let provider = ExtensionProvider { name: "p".into(), kind: ProviderKind::Named };
        World { resources, workload, mesh: Mesh { extension_providers: vec![provider], ..Mesh::default() } }
    }

    /// All requests that differ in what the policies look at: one of each kind that these values can tell apart.
    pub fn requests(&self, protocol: Protocol) -> Vec<RequestSpec> {
        let mut all = vec![RequestSpec {
            protocol,
            method: "GET".into(),
            path: "/".into(),
            host: Some("x".into()).filter(|_| protocol == Protocol::Http),
            destination_port: Some(1),
            destination_ip: "10.9.9.9".parse().ok(),
            source_ip: "10.8.8.8".parse().ok(),
            ext_authz: vec![("p".into(), ExtAuthzAnswer::Allow)],
            ..RequestSpec::default()
        }];
        for axis in &self.axes {
            if protocol == Protocol::Http || TCP.contains(axis) || *axis == Axis::Provider {
                let ways = values(*axis);
                all = all.iter().flat_map(|spec| ways.iter().map(|way| way(spec.clone()))).collect();
            }
        }
        if protocol == Protocol::Http && self.axes.contains(&Axis::Token) {
            // What the JWT stage lets pass is OPTIONS with two headers.
            let preflights: Vec<RequestSpec> = all
                .iter()
                .filter(|spec| spec.method == "GET")
                .map(|spec| {
                    let mut spec = RequestSpec { method: "OPTIONS".into(), ..spec.clone() };
                    spec.headers.push(("origin".into(), "http://x".into()));
                    spec.headers.push(("access-control-request-method".into(), "GET".into()));
                    spec
                })
                .collect();
            all.extend(preflights);
        }
        all
    }
}

type Way = Box<dyn Fn(RequestSpec) -> RequestSpec>;

/// All values of an axis, each as what it does to a request.
fn values(axis: Axis) -> Vec<Way> {
    fn ways<T: Clone + 'static>(of: &[T], set: fn(&mut RequestSpec, T)) -> Vec<Way> {
        let way = |value: &T| -> Way {
            let value = value.clone();
            Box::new(move |mut spec| {
                set(&mut spec, value.clone());
                spec
            })
        };
        of.iter().map(way).collect()
    }
    match axis {
        Axis::Method => ways(&["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "T"], |spec, method| {
            spec.method = method.into();
        }),
        Axis::Path => {
            // All of up to three characters behind the slash, and what needs a fourth.
            let mut paths: Vec<String> = vec!["/".into()];
            for length in 0..3 {
                let longest: Vec<String> =
                    paths.iter().filter(|path| path.len() == length + 1).cloned().collect();
                paths.extend(longest.iter().flat_map(|path| ["a", "b", "/"].map(|c| format!("{path}{c}"))));
            }
            paths.extend(["/a//b", "/a/ab", "/a/a/", "/a/a/b"].map(String::from));
            // No template matches a bracket.
            paths.extend(["/[", "/[b", "/a[", "/a[b", "/a/[", "/a/[b"].map(String::from));
            ways(&paths, |spec, path| spec.path = path)
        }
        Axis::Host => ways(&["a.b", "A.B", "a.b:80", "c.b", "a.c", "a.x.b", "c"], |spec, host| {
            spec.host = Some(host.into());
        }),
        Axis::Peer => {
            let mut peers: Vec<Option<String>> = vec![None];
            for domain in ["cluster.local", "corp", "other"] {
                for namespace in ["a", "b", "c"] {
                    let identity = |account| Some(format!("{domain}/ns/{namespace}/sa/{account}"));
                    peers.extend(["a", "b", "c"].map(identity));
                }
            }
            peers.extend(["cluster.local/x", "cluster.local/x/sa/b"].map(|name| Some(name.into())));
            ways(&peers, |spec, peer| spec.principal = peer)
        }
        Axis::Port => ways(&[80, 8080, 1], |spec, port| spec.destination_port = Some(port)),
        Axis::Address => ways(&["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.4"], |spec, ip| {
            spec.source_ip = ip.parse().ok();
        }),
        Axis::Header => {
            let sets: Vec<Vec<&str>> = subsets(&["v", "w", "vx", "z"]);
            ways(&sets, |spec, lines| {
                spec.headers.extend(lines.into_iter().map(|line| ("x-a".into(), line.into())));
            })
        }
        Axis::Token => {
            let mut tokens: Vec<(Option<String>, Option<Json>)> = vec![
                (None, None),
                (Some("malformed".into()), None),
                (None, Some(Json::Object(vec![]))),
                (None, Some(claims("https://k", None, &[]))),
            ];
            for issuer in ["https://i", "https://j"] {
                for subject in [None, Some("u"), Some("v")] {
                    for groups in subsets(&["d", "o", "z"]) {
                        tokens.push((None, Some(claims(issuer, subject, &groups))));
                    }
                }
            }
            ways(&tokens, |spec, (token, claims)| (spec.token, spec.claims) = (token, claims))
        }
        Axis::Provider => {
            let answers = [ExtAuthzAnswer::Allow, ExtAuthzAnswer::Deny, ExtAuthzAnswer::Error];
            ways(&answers, |spec, answer| spec.ext_authz = vec![("p".into(), answer)])
        }
    }
}

fn subsets<'t>(of: &[&'t str]) -> Vec<Vec<&'t str>> {
    let chosen = |bits: usize| {
        (0..of.len()).filter(move |at| bits >> at & 1 == 1).map(|at| of[at]).collect::<Vec<_>>()
    };
    (0..1 << of.len()).map(chosen).collect()
}

fn claims(issuer: &str, subject: Option<&str>, groups: &[&str]) -> Json {
    let text = |text: &str| Json::String(text.into());
    let mut claims = vec![("iss".into(), text(issuer))];
    claims.extend(subject.map(|subject| ("sub".into(), text(subject))));
    if !groups.is_empty() {
        claims.push(("g".into(), Json::List(groups.iter().map(|group| text(group)).collect())));
    }
    Json::Object(claims)
}

fn manifest(kind: &str, name: String, spec: Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    })
}

fn policies(tape: &mut Tape<'_>, axes: &[Axis]) -> Vec<Value> {
    let mut all: Vec<Value> =
        (0..1 + tape.below(3)).map(|at| policy(tape, axes, &format!("p{at}"))).collect();
    if axes.contains(&Axis::Token) && !tape.once_in(5) {
        all.push(authentication(tape));
    }
    if axes.contains(&Axis::Peer) && tape.once_in(4) {
        all.push(mtls(tape, axes));
    }
    all
}

fn authentication(tape: &mut Tape<'_>) -> Value {
    let rule = |issuer: &str| json!({"issuer": issuer, "jwksUri": "https://keys.example/jwks"});
    let rules = match tape.below(3) {
        0 => vec![rule("https://i")],
        1 => vec![rule("https://j")],
        _ => vec![rule("https://i"), rule("https://j")],
    };
    manifest("RequestAuthentication", "jwt".into(), json!({ "jwtRules": rules }))
}

fn mtls(tape: &mut Tape<'_>, axes: &[Axis]) -> Value {
    let mode = |tape: &mut Tape<'_>| tape.of(&["STRICT", "PERMISSIVE", "DISABLE"]);
    let by_port = axes.contains(&Axis::Port);
    let spec = match tape.below(2) {
        0 => json!({"mtls": {"mode": mode(tape)}}),
        _ if !by_port => json!({"mtls": {"mode": mode(tape)}}),
        _ => json!({
            "selector": {"matchLabels": {"app": "web"}},
            "mtls": {"mode": mode(tape)},
            "portLevelMtls": {"8080": {"mode": mode(tape)}},
        }),
    };
    manifest("PeerAuthentication", "mtls".into(), spec)
}

fn policy(tape: &mut Tape<'_>, axes: &[Axis], name: &str) -> Value {
    let action = match tape.below(8) {
        0..=4 => "ALLOW",
        5 | 6 => "DENY",
        _ if axes.contains(&Axis::Provider) => "CUSTOM",
        _ => "AUDIT",
    };
    let custom = action == "CUSTOM";
    let axes: Vec<Axis> =
        axes.iter().copied().filter(|axis| !custom || !matches!(axis, Axis::Peer | Axis::Token)).collect();
    let rules: Vec<Value> = (0..1 + tape.below(2)).map(|_| rule(tape, &axes)).collect();
    let mut spec = json!({"action": action, "rules": rules});
    if custom {
        spec["provider"] = json!({"name": "p"});
    }
    manifest("AuthorizationPolicy", name.into(), spec)
}

fn rule(tape: &mut Tape<'_>, axes: &[Axis]) -> Value {
    let mut rule = json!({});
    let of = |wanted: &[Axis]| -> Vec<Axis> {
        axes.iter().copied().filter(|axis| wanted.contains(axis)).collect()
    };
    let sources = of(&[Axis::Peer, Axis::Address, Axis::Token]);
    if !sources.is_empty() && !tape.once_in(5) {
        let all: Vec<Value> =
            (0..1 + tape.below(4) / 3).map(|_| json!({"source": group(tape, &sources)})).collect();
        rule["from"] = json!(all);
    }
    let operations = of(&[Axis::Method, Axis::Path, Axis::Host, Axis::Port]);
    if !operations.is_empty() && !tape.once_in(5) {
        let all: Vec<Value> =
            (0..1 + tape.below(4) / 3).map(|_| json!({"operation": group(tape, &operations)})).collect();
        rule["to"] = json!(all);
    }
    let mut when = Vec::new();
    for axis in axes {
        let (key, pool) = match axis {
            Axis::Header => ("request.headers[x-a]", LINES),
            Axis::Token => ("request.auth.claims[g]", GROUPS),
            Axis::Peer => ("source.principal", PRINCIPALS),
            Axis::Port => ("destination.port", PORTS),
            Axis::Address => ("source.ip", BLOCKS),
            _ => continue,
        };
        let often = if matches!(axis, Axis::Header | Axis::Token) { 2 } else { 6 };
        if tape.once_in(often) {
            let (wanted, other) = lists(tape, pool);
            let mut condition = json!({ "key": key });
            for (name, list) in [("values", wanted), ("notValues", other)] {
                if !list.is_empty() {
                    condition[name] = json!(list);
                }
            }
            when.push(condition);
        }
    }
    if !when.is_empty() {
        rule["when"] = json!(when);
    }
    rule
}

/// Values, and those of its `not…`; one of them has some.
fn lists(tape: &mut Tape<'_>, pool: &[&str]) -> (Vec<String>, Vec<String>) {
    let list = |tape: &mut Tape<'_>| -> Vec<String> {
        (0..=tape.below(2)).map(|_| tape.of::<&str>(pool).into()).collect()
    };
    match tape.below(6) {
        0..=3 => (list(tape), vec![]),
        4 => (vec![], list(tape)),
        _ => (list(tape), list(tape)),
    }
}

/// A source or an operation: one or two of its fields.
fn group(tape: &mut Tape<'_>, axes: &[Axis]) -> Value {
    let mut group = json!({});
    for _ in 0..1 + tape.below(2) {
        let (name, not, pool) = match tape.of(axes) {
            Axis::Method => ("methods", "notMethods", METHODS),
            Axis::Path => ("paths", "notPaths", PATHS),
            Axis::Host => ("hosts", "notHosts", HOSTS),
            Axis::Port => ("ports", "notPorts", PORTS),
            Axis::Address => ("ipBlocks", "notIpBlocks", BLOCKS),
            Axis::Token => ("requestPrincipals", "notRequestPrincipals", REQUEST_PRINCIPALS),
            _ => match tape.below(3) {
                0 => ("principals", "notPrincipals", PRINCIPALS),
                1 => ("namespaces", "notNamespaces", NAMESPACES),
                _ => ("serviceAccounts", "notServiceAccounts", ACCOUNTS),
            },
        };
        // Service accounts stand beside neither principals nor namespaces.
        let has = |of: &[&str]| of.iter().any(|name| group.get(name).is_some());
        let accounts = ["serviceAccounts", "notServiceAccounts"];
        let others = ["principals", "notPrincipals", "namespaces", "notNamespaces"];
        if accounts.contains(&name) && has(&others) || others.contains(&name) && has(&accounts) {
            continue;
        }
        let (wanted, other) = lists(tape, pool);
        for (name, list) in [(name, wanted), (not, other)] {
            if !list.is_empty() {
                group[name] = json!(list);
            }
        }
    }
    group
}

/// One change: a policy more or less, another rule, another value.
fn change(tape: &mut Tape<'_>, axes: &[Axis], manifests: &mut Vec<Value>) {
    let authorization: Vec<usize> =
        (0..manifests.len()).filter(|at| manifests[*at]["kind"] == "AuthorizationPolicy").collect();
    match tape.below(8) {
        0 => manifests.push(policy(tape, axes, "new")),
        1 if !authorization.is_empty() => {
            manifests.remove(tape.of(&authorization));
        }
        2 if axes.contains(&Axis::Token) => {
            manifests.retain(|manifest| manifest["kind"] != "RequestAuthentication");
            if !tape.once_in(3) {
                manifests.push(authentication(tape));
            }
        }
        3 if axes.contains(&Axis::Peer) => {
            manifests.retain(|manifest| manifest["kind"] != "PeerAuthentication");
            manifests.push(mtls(tape, axes));
        }
        _ if !authorization.is_empty() => {
            let policy = &mut manifests[tape.of(&authorization)]["spec"];
            if policy["action"] == "CUSTOM" {
                return;
            }
            let rules = policy["rules"].as_array_mut().expect("it has rules");
            match tape.below(4) {
                0 => rules.push(rule(tape, axes)),
                1 if rules.len() > 1 => {
                    rules.remove(tape.below(rules.len()));
                }
                _ => {
                    let at = tape.below(rules.len());
                    change_list(tape, &mut rules[at]);
                }
            }
        }
        _ => {}
    }
    manifests.dedup_by(|a, b| a["metadata"] == b["metadata"]);
}

/// Takes a value out of one of the rule's lists of several values, or turns a list into its `not…`.
fn change_list(tape: &mut Tape<'_>, rule: &mut Value) {
    let mut lists: Vec<String> = Vec::new();
    let all = |rule: &Value, part: &str| rule[part].as_array().map_or(0, Vec::len);
    for (part, inner) in [("from", "/source"), ("to", "/operation"), ("when", "")] {
        for at in 0..all(rule, part) {
            let group = format!("/{part}/{at}{inner}");
            let fields = rule.pointer(&group).and_then(Value::as_object).into_iter().flatten();
            lists.extend(
                fields.filter(|(_, list)| list.is_array()).map(|(name, _)| format!("{group}/{name}")),
            );
        }
    }
    if lists.is_empty() {
        return;
    }
    let list = rule.pointer_mut(&tape.of(&lists)).and_then(Value::as_array_mut).expect("it is a list");
    if list.len() > 1 {
        list.remove(tape.below(list.len()));
    }
}
