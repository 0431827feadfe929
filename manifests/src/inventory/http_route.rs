//! Rules that lead HTTP requests on: of a VirtualService (`networking/v1alpha3/virtual_service.proto`), an HTTPRoute or a
//! GRPCRoute, in one form.

use super::object::{at, list, port, text};
use gnomon_engine::{Node, Position, Value};

/// One rule: what it takes, and what becomes of it.
#[derive(Clone, Debug, Default)]
pub struct HttpRule {
    /// Where it is written.
    pub at: Position,
    /// Any of them; none: every request.
    pub matches: Vec<HttpMatch>,
    /// The gateway answers itself, so: `a redirect`, `a direct response`.
    pub answers: Option<String>,
    /// What becomes of the path.
    pub rewrite: Option<PathRewrite>,
    /// The host that goes on.
    pub authority: Option<String>,
    /// Header lines that go on otherwise.
    pub headers: HeaderChanges,
    /// Where to.
    pub destinations: Vec<Destination>,
}

/// What a request has to have, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpMatch {
    /// The path, without the query.
    pub path: Option<PathMatch>,
    /// Upper and lower case of the path are the same.
    pub ignores_case: bool,
    /// The method.
    pub method: Option<TextMatch>,
    /// The host.
    pub authority: Option<TextMatch>,
    /// Headers, names in lower case; with `true`: must not match.
    pub headers: Vec<(String, TextMatch, bool)>,
    /// Parameters of the query.
    pub query: Vec<(String, TextMatch)>,
    /// The port of the gateway.
    pub port: Option<u16>,
    /// The gateways it counts on; empty: those of the whole.
    pub gateways: Vec<String>,
    /// Conditions that are not looked at, by their field.
    pub others: Vec<String>,
}

/// How a path is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole of it.
    Exact(String),
    /// It begins so.
    Prefix(String),
    /// It begins with these segments (Gateway API).
    Segments(String),
    /// An expression of RE2 for the whole.
    Regex(String),
}

/// How another text is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// The whole of it.
    Exact(String),
    /// It begins so.
    Prefix(String),
    /// An expression of RE2 for the whole.
    Regex(String),
    /// It is there.
    Present,
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// What matched, a prefix or the whole, becomes this.
    Matched(String),
    /// Prefixes are of whole segments (Gateway API).
    Segments(String),
    /// All of it becomes this.
    Whole(String),
    /// Something that is not looked at.
    Other,
}

/// Changes of header lines, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Set, in place of what is there.
    pub set: Vec<(String, String)>,
    /// Added.
    pub add: Vec<(String, String)>,
    /// Taken out.
    pub remove: Vec<String>,
}

/// Where a rule leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A host as Istio names it, or a Service's name.
    pub host: String,
    /// The Service's namespace, where a reference says it.
    pub namespace: Option<String>,
    /// The Service's port.
    pub port: Option<u16>,
    /// The subset of a DestinationRule; empty: none.
    pub subset: String,
    /// Its share; `None`: all that the others leave.
    pub weight: Option<u32>,
}

fn number(node: &Node, name: &str) -> Option<u32> {
    match &node.get(name)?.value {
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

pub(super) fn is_true(node: &Node, name: &str) -> bool {
    matches!(node.get(name), Some(Node { value: Value::Bool(true), .. }))
}

fn entries<'n>(node: &'n Node, name: &str) -> impl Iterator<Item = (String, &'n Node)> {
    let entries = node.get(name).and_then(Node::as_map).unwrap_or_default();
    entries.iter().map(|(key, value)| (key.name.clone(), value))
}

fn pairs(node: &Node, name: &str) -> Vec<(String, String)> {
    entries(node, name).filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
}

/// `{exact: a}`, `{prefix: a}`, `{regex: a}`; empty: it is there.
fn string_match(node: &Node) -> TextMatch {
    let of = |name: &str| node.get(name).and_then(Node::as_str).map(str::to_owned);
    let exact = of("exact").map(TextMatch::Exact);
    let other = || of("prefix").map(TextMatch::Prefix).or_else(|| of("regex").map(TextMatch::Regex));
    exact.or_else(other).unwrap_or(TextMatch::Present)
}

/// `http` of a VirtualService.
pub(super) fn of_virtual_service(spec: &Node) -> Vec<HttpRule> {
    list(spec, "http").iter().map(istio_rule).collect()
}

fn istio_rule(node: &Node) -> HttpRule {
    let answers =
        [("redirect", "a redirect"), ("directResponse", "a direct response"), ("delegate", "a delegate")];
    let answers = answers.iter().find(|(name, _)| node.get(name).is_some());
    let rewrite = node.get("rewrite");
    let whole = rewrite.and_then(|rewrite| rewrite.get("uri")?.as_str());
    let request = at(node, &["headers", "request"]);
    HttpRule {
        at: node.at,
        matches: list(node, "match").iter().map(istio_match).collect(),
        answers: answers.map(|(_, words)| (*words).to_owned()),
        rewrite: match (whole, rewrite.and_then(|rewrite| rewrite.get("uriRegexRewrite"))) {
            (_, Some(_)) => Some(PathRewrite::Other),
            (Some(uri), None) => Some(PathRewrite::Matched(uri.to_owned())),
            (None, None) => None,
        },
        authority: rewrite.and_then(|rewrite| Some(rewrite.get("authority")?.as_str()?.to_owned())),
        headers: HeaderChanges {
            set: request.map(|one| pairs(one, "set")).unwrap_or_default(),
            add: request.map(|one| pairs(one, "add")).unwrap_or_default(),
            remove: request.map(|one| super::object::texts(one, "remove")).unwrap_or_default(),
        },
        destinations: list(node, "route")
            .iter()
            .filter_map(|route| {
                let to = route.get("destination")?;
                Some(Destination {
                    host: text(to, "host").to_owned(),
                    namespace: None,
                    port: to.get("port").and_then(|bound| port(bound, "number")),
                    subset: text(to, "subset").to_owned(),
                    weight: number(route, "weight"),
                })
            })
            .collect(),
    }
}

fn istio_match(node: &Node) -> HttpMatch {
    let path = node.get("uri").and_then(|uri| match string_match(uri) {
        TextMatch::Exact(text) => Some(PathMatch::Exact(text)),
        TextMatch::Prefix(text) => Some(PathMatch::Prefix(text)),
        TextMatch::Regex(text) => Some(PathMatch::Regex(text)),
        TextMatch::Present => None,
    });
    let headers = |name: &'static str, negated: bool| {
        entries(node, name).map(move |(key, value)| (key.to_ascii_lowercase(), string_match(value), negated))
    };
    let query = entries(node, "queryParams").map(|(key, value)| (key, string_match(value)));
    let known = ["scheme", "sourceLabels", "sourceNamespace"];
    HttpMatch {
        path,
        ignores_case: is_true(node, "ignoreUriCase"),
        method: node.get("method").map(string_match),
        authority: node.get("authority").map(string_match),
        headers: headers("headers", false).chain(headers("withoutHeaders", true)).collect(),
        query: query.collect(),
        port: port(node, "port"),
        gateways: super::object::texts(node, "gateways"),
        others: known.iter().filter(|name| node.get(name).is_some()).map(|name| (*name).to_owned()).collect(),
    }
}

/// `rules` of an HTTPRoute or a GRPCRoute.
pub(super) fn of_route(spec: &Node, kind: &str) -> Vec<HttpRule> {
    list(spec, "rules").iter().map(|node| gateway_rule(node, kind)).collect()
}

fn gateway_rule(node: &Node, kind: &str) -> HttpRule {
    let read = if kind == "GRPCRoute" { grpc_match } else { gateway_match };
    let mut rule = HttpRule {
        at: node.at,
        matches: list(node, "matches").iter().map(read).collect(),
        destinations: list(node, "backendRefs")
            .iter()
            .map(|backend| Destination {
                host: text(backend, "name").to_owned(),
                namespace: backend.get("namespace").and_then(Node::as_str).map(str::to_owned),
                port: port(backend, "port"),
                subset: String::new(),
                weight: number(backend, "weight"),
            })
            .collect(),
        ..HttpRule::default()
    };
    for filter in list(node, "filters") {
        match text(filter, "type") {
            "RequestRedirect" => rule.answers = Some("a redirect".into()),
            "URLRewrite" => {
                let Some(rewrite) = filter.get("urlRewrite") else { continue };
                rule.authority = rewrite.get("hostname").and_then(Node::as_str).map(str::to_owned);
                rule.rewrite = rewrite.get("path").map(|path| match text(path, "type") {
                    "ReplaceFullPath" => PathRewrite::Whole(text(path, "replaceFullPath").into()),
                    "ReplacePrefixMatch" => PathRewrite::Segments(text(path, "replacePrefixMatch").into()),
                    _ => PathRewrite::Other,
                });
            }
            "RequestHeaderModifier" => {
                let Some(change) = filter.get("requestHeaderModifier") else { continue };
                let named = |name: &str| -> Vec<(String, String)> {
                    let pair = |one: &Node| (text(one, "name").to_owned(), text(one, "value").to_owned());
                    list(change, name).iter().map(pair).collect()
                };
                let remove = super::object::texts(change, "remove");
                rule.headers = HeaderChanges { set: named("set"), add: named("add"), remove };
            }
            _ => {}
        }
    }
    rule
}

/// `{type: Exact, value: a}`; Exact is what is meant where nothing is said.
fn typed(node: &Node) -> TextMatch {
    let value = text(node, "value").to_owned();
    if text(node, "type") == "RegularExpression" { TextMatch::Regex(value) } else { TextMatch::Exact(value) }
}

fn gateway_match(node: &Node) -> HttpMatch {
    let path = node.get("path").map(|path| {
        let value = path.get("value").and_then(Node::as_str).unwrap_or("/").to_owned();
        match text(path, "type") {
            "Exact" => PathMatch::Exact(value),
            "RegularExpression" => PathMatch::Regex(value),
            _ => PathMatch::Segments(value),
        }
    });
    let named = |one: &Node| (text(one, "name").to_owned(), typed(one));
    let headers = list(node, "headers").iter().map(named);
    HttpMatch {
        path,
        method: node.get("method").and_then(Node::as_str).map(|method| TextMatch::Exact(method.into())),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value, false)).collect(),
        query: list(node, "queryParams").iter().map(named).collect(),
        ..HttpMatch::default()
    }
}

fn grpc_match(node: &Node) -> HttpMatch {
    let method = node.get("method");
    let field = |name: &str| method.map_or("", |method| text(method, name));
    let (service, name) = (field("service"), field("method"));
    let is_regex = field("type") == "RegularExpression";
    let path = match (is_regex, service, name) {
        (_, "", "") => None,
        (false, service, "") => Some(PathMatch::Prefix(format!("/{service}/"))),
        (false, "", name) => Some(PathMatch::Regex(format!("/[^/]+/{}", escaped(name)))),
        (false, service, name) => Some(PathMatch::Exact(format!("/{service}/{name}"))),
        (true, service, name) => {
            let any = |text: &str| if text.is_empty() { "[^/]+".to_owned() } else { text.to_owned() };
            Some(PathMatch::Regex(format!("/{}/{}", any(service), any(name))))
        }
    };
    let headers = list(node, "headers").iter();
    HttpMatch {
        path,
        headers: headers.map(|one| (text(one, "name").to_ascii_lowercase(), typed(one), false)).collect(),
        ..HttpMatch::default()
    }
}

/// Letters of an expression stand for themselves.
fn escaped(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    text.chars().flat_map(|c| if word(c) { vec![c] } else { vec!['\\', c] }).collect()
}
