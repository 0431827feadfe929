//! Requests as people write them (docs/formats.md, "Request").

use gnomon_engine::order::sort_by;
use gnomon_engine::{
    Diagnostic, Diagnostics, Node, Severity, Value, address,
    decode::{Cursor, Fields, Reader, quoted},
    jwt::Json,
    request::{ExtAuthzAnswer, Protocol},
};
use std::{net::IpAddr, sync::Arc};

pub use gnomon_engine::prepare::RequestSpec;

/// What a request file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Requests {
    /// One request; its verdict is printed as one object.
    One(Box<RequestSpec>),
    /// A list, possibly empty; so are the verdicts.
    List(Vec<RequestSpec>),
}

impl Requests {
    /// The requests in order.
    pub fn as_slice(&self) -> &[RequestSpec] {
        match self {
            Requests::One(request) => std::slice::from_ref(request),
            Requests::List(requests) => requests,
        }
    }
}

/// JSON lines, a request each, as one list: as the native module's access logger writes them. `None`: the text is something
/// else. Every line stays where it is.
pub fn json_lines(text: &str) -> Option<String> {
    let is_object = |line: &str| line.starts_with('{') && line.ends_with('}');
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    // One alone is a document as it is, and so is an object over several lines.
    let many = lines().nth(1).is_some() && lines().all(is_object);
    many.then(|| {
        let last = lines().count();
        let mut seen = 0;
        let mut list = String::with_capacity(text.len() + last + 2);
        list.push('[');
        for line in text.lines() {
            list.push_str(line);
            if !line.trim().is_empty() {
                seen += 1;
                list.push_str(if seen < last { "," } else { "]" });
            }
            list.push('\n');
        }
        list
    })
}

/// Reads a document that holds one request or a list of them, each with or without the key `request`.
///
/// # Errors
///
/// All that is wrong with any of them. An unknown field is an error here, unlike in a policy: it would have no
/// effect, and a test of it would pass.
pub fn requests(file: &Arc<str>, document: &Node) -> Result<Requests, Diagnostics> {
    let reader = Reader::new(file, "");
    let root = reader.root(document);
    let requests = match &document.value {
        Value::List(_) => list(&root),
        // The key may hold a list as well.
        Value::Map(_) if document.get("request").is_some_and(|inner| inner.as_list().is_some()) => {
            list(&wrapped(root))
        }
        Value::Map(_) => Requests::One(Box::new(read(wrapped(root)))),
        _ => {
            root.error(
                "wrong-type",
                format!("expected a request, got {}", document.value.kind()),
                "write fields such as `method: GET` and `path: /`, or a list of such maps",
            );
            Requests::List(Vec::new())
        }
    };
    finish(reader, requests)
}

/// The requests of a list, each with or without the key `request`.
fn list(cursor: &Cursor<'_>) -> Requests {
    Requests::List(cursor.elements().map(|item| read(wrapped(item))).collect())
}

/// Reads one request without the key `request`; `path` is its field path for diagnostics.
///
/// # Errors
///
/// As [`requests`].
pub fn request(file: &Arc<str>, object: &str, path: &str, node: &Node) -> Result<RequestSpec, Diagnostics> {
    let reader = Reader::new(file, object);
    let request = read(reader.at_path(node, path));
    finish(reader, request)
}

/// The value, unless something was wrong; unknown fields count.
pub(crate) fn finish<T>(reader: Reader, value: T) -> Result<T, Diagnostics> {
    let found = strict(reader.into_diagnostics());
    if found.iter().any(|found| found.severity == Severity::Error) { Err(found.into()) } else { Ok(value) }
}

/// Turns unknown fields into errors: in requests and suites they are never intended.
pub fn strict(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for found in found.iter_mut().filter(|found| found.code == "unknown-field") {
        found.severity = Severity::Error;
        if found.help == "it is ignored" {
            found.help.clear();
        }
    }
    sort_by(&mut found, |a, b| a.at.cmp(&b.at));
    found
}

/// The map below `request`, where there is that key.
fn wrapped(cursor: Cursor<'_>) -> Cursor<'_> {
    if cursor.node().get("request").is_none() {
        return cursor;
    }
    let outer = cursor.clone();
    let Some(mut fields) = cursor.fields() else { return outer };
    let inner = fields.get_or_null("request");
    fields.finish();
    inner.unwrap_or(outer)
}

fn read(cursor: Cursor<'_>) -> RequestSpec {
    let mut spec =
        RequestSpec { at: cursor.at(), method: "GET".into(), path: "/".into(), ..RequestSpec::default() };
    // A request of which nothing is said: `request:`.
    if cursor.is_null() {
        return spec;
    }
    let Some(mut fields) = cursor.fields() else { return spec };
    // What only HTTP has is read for TCP too, and later not looked at: a matrix may go over both.
    let protocols = [("http", Protocol::Http), ("tcp", Protocol::Tcp)];
    spec.protocol = fields.word("protocol", &protocols).unwrap_or_default();
    if let Some(method) = fields.get("method").and_then(|method| token(&method, "method")) {
        spec.method = method;
    }
    if let Some(path) = line(&mut fields, "path") {
        spec.path = path;
    }
    spec.host = line(&mut fields, "host");
    spec.headers = fields.get("headers").map(|headers| header_lines(&headers)).unwrap_or_default();
    spec.token = line(&mut fields, "token");
    if let (Some(_), Some(claims)) = (&spec.token, fields.get("claims")) {
        claims.error("token-and-claims", "both `token` and `claims` are given", "keep one of them");
    }
    let has_authorization = spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let (Some(token), true) = (fields.get("token"), has_authorization) {
        let help = "keep one of them; a list under `headers.authorization` sends several lines";
        token.error("token-and-header", "both `token` and the header `authorization` are given", help);
    }
    spec.claims = fields.get("claims").and_then(|claims| object(&claims));
    if let Some(mut source) = fields.fields("source") {
        spec.principal = line(&mut source, "principal");
        spec.source_ip = source.get("ip").and_then(|ip| address(&ip));
        source.finish();
    }
    spec.remote_ip = fields.get("remoteIp").and_then(|ip| address(&ip));
    if let Some(mut destination) = fields.fields("destination") {
        spec.destination_ip = destination.get("ip").and_then(|ip| address(&ip));
        spec.destination_port =
            destination.integer("port", 0..=65_535).and_then(|port| u16::try_from(port).ok());
        destination.finish();
    }
    spec.sni = line(&mut fields, "sni");
    spec.time = fields.get("time").and_then(|time| instant(&time));
    let answers =
        [("allow", ExtAuthzAnswer::Allow), ("deny", ExtAuthzAnswer::Deny), ("error", ExtAuthzAnswer::Error)];
    for (key, answer) in fields.get("extAuthz").map(|map| map.entries()).unwrap_or_default() {
        // A null takes back what the defaults say.
        if let Some(answer) = Some(answer).filter(|answer| !answer.is_null()).and_then(|a| a.word(&answers)) {
            spec.ext_authz.push((key.name.clone(), answer));
        }
    }
    for (key, namespace) in fields.get("metadata").map(|map| map.entries()).unwrap_or_default() {
        if let Some(value) = Some(namespace).filter(|n| !n.is_null()).and_then(|n| object(&n)) {
            spec.metadata.push((key.name.clone(), value));
        }
    }
    fields.finish();
    spec
}

/// A string without line breaks and NUL, which no header line can carry.
fn line(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    let cursor = fields.get(name)?;
    one_line(&cursor)
}

fn one_line(cursor: &Cursor<'_>) -> Option<String> {
    let text = cursor.string()?.text;
    if text.contains(['\r', '\n', '\0']) {
        cursor.error("line-break", "contains a line break or NUL", "nothing like it can be sent in HTTP");
        return None;
    }
    Some(text)
}

/// An HTTP token: what a method or a header's name is made of.
fn token(cursor: &Cursor<'_>, what: &str) -> Option<String> {
    let text = one_line(cursor)?;
    if is_token(&text) {
        return Some(text);
    }
    cursor.error("bad-token", format!("{} is no {what}", quoted(&text)), "");
    None
}

fn is_token(text: &str) -> bool {
    let symbol = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(symbol)
}

fn header_lines(cursor: &Cursor<'_>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (key, value) in cursor.entries() {
        // Extended CONNECT is the one request whose pseudo header nothing else can say.
        if !is_token(&key.name) && key.name != ":protocol" {
            let help = if key.name.starts_with(':') { "write `method`, `path` and `host`" } else { "" };
            value.report_key(key, "bad-token", format!("{} is no header name", quoted(&key.name)), help);
            continue;
        }
        match &value.node().value {
            Value::Null => {}
            Value::List(_) => {
                let values = value.list().unwrap_or_default();
                lines.extend(values.iter().filter_map(one_line).map(|text| (key.name.clone(), text)));
            }
            _ => lines.extend(one_line(&value).map(|text| (key.name.clone(), text))),
        }
    }
    lines
}

fn address(cursor: &Cursor<'_>) -> Option<IpAddr> {
    let text = cursor.string()?.text;
    let parsed = address::parse_ip(&text);
    if parsed.is_none() {
        let message = format!("{} is no IP address", quoted(&text));
        cursor.error("bad-ip", message, "write 10.1.2.3 or 2001:db8::1, without a port");
    }
    parsed
}

fn instant(cursor: &Cursor<'_>) -> Option<i64> {
    if let Value::Number(_) = cursor.node().value {
        return cursor.integer(i64::MIN..=i64::MAX);
    }
    let text = cursor.string()?.text;
    let parsed = crate::time::rfc3339(&text);
    if parsed.is_none() {
        let message = format!("{} is no point in time", quoted(&text));
        cursor.error("bad-time", message, "write 2025-05-04T07:04:01Z, or seconds since 1970");
    }
    parsed
}

fn object(cursor: &Cursor<'_>) -> Option<Json> {
    if cursor.node().as_map().is_none() {
        cursor.wrong_type("a map");
        return None;
    }
    json(cursor)
}

fn json(cursor: &Cursor<'_>) -> Option<Json> {
    Some(match &cursor.node().value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::String(text) => Json::String(text.clone()),
        Value::Number(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Json::Number(number),
            _ => {
                cursor.error("bad-number", format!("{} is no number that JSON has", quoted(text)), "");
                return None;
            }
        },
        Value::List(_) => Json::List(cursor.list()?.iter().map(json).collect::<Option<_>>()?),
        Value::Map(_) => {
            let members = cursor.entries();
            let members = members.iter().map(|(key, member)| Some((key.name.clone(), json(member)?)));
            Json::Object(members.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests;
