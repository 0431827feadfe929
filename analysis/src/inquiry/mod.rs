//! What people have in hand when something was refused: a `curl`, a line of an access log, the `details` of a refusal,
//! lines that Envoy writes with `rbac: debug`. Each becomes a request, what the proxy answered, or both.
//!
//! Nothing here looks at policies: [`Answer::meaning`] says which filter spoke, and an evaluator says the rest.

mod access_log;
mod curl;
mod debug_log;
mod details;
mod ztunnel;

pub use details::{Cause, Meaning, RuleName};

use serde_json::{Map, Value};

/// Longer texts are not read.
const LONGEST: usize = 1 << 20;

/// What a text was, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
    /// What it was recognised as.
    pub kind: Kind,
    /// The request that it shows (docs/formats.md, "Request"); `None`: it shows none.
    pub request: Option<Value>,
    /// What a proxy answered; `None`: it does not say.
    pub answer: Option<Answer>,
    /// The connection was TLS, though nothing says whose certificate the client showed.
    pub tls: bool,
    /// What such a text never shows, though policies may ask for it: names of fields of a request.
    pub silent: &'static [&'static str],
    /// What was passed over, in words.
    pub notes: Vec<String>,
}

/// What a text was recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A command line of curl.
    Curl,
    /// A line of Envoy's access log, in Istio's text format or as JSON.
    AccessLog,
    /// A line of ztunnel's access log.
    ZtunnelLog,
    /// Lines of Envoy with `rbac: debug`.
    DebugLog,
    /// `%RESPONSE_CODE_DETAILS%` alone, or a body that Envoy writes.
    Details,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Curl => "a curl command",
            Kind::AccessLog => "a line of Envoy's access log",
            Kind::ZtunnelLog => "a line of ztunnel's access log",
            Kind::DebugLog => "Envoy's debug log",
            Kind::Details => "the details of a response",
        }
    }
}

/// What a proxy says about its answer, in Envoy's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// `%RESPONSE_CODE%`; `None`: not said, or a connection that ended without one.
    pub status: Option<u16>,
    /// `%RESPONSE_FLAGS%`, empty for none.
    pub flags: String,
    /// `%RESPONSE_CODE_DETAILS%`, empty for none.
    pub details: String,
    /// `%CONNECTION_TERMINATION_DETAILS%`, empty for none.
    pub termination: String,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`, empty for none.
    pub transport_failure: String,
    /// The line was written by the proxy of a client, about a request that it sent.
    pub outbound: bool,
    /// The workload that was asked, where the line says it: namespace, name.
    pub workload: Option<(String, String)>,
}

/// Reads what somebody pasted.
///
/// # Errors
///
/// It is none of the things that are known, or one that cannot be read; in words.
pub fn read(text: &str) -> Result<Inquiry, String> {
    let text = text.trim();
    if text.len() > LONGEST {
        return Err(
            "the text is longer than 1 MB: give the line or the lines that are about the request".into()
        );
    }
    if text.is_empty() {
        return Err("there is no text".into());
    }
    if curl::is(text) {
        return curl::read(text);
    }
    if let Some(found) = ztunnel::read(text) {
        return Ok(found);
    }
    if let Some(found) = debug_log::read(text) {
        return Ok(found);
    }
    if let Some(found) = access_log::read(text) {
        return Ok(found);
    }
    details::read(text).ok_or_else(|| {
        "this is no curl command, no line of an access log of Envoy or ztunnel, no debug log of the RBAC filter, and no \
         details of a refusal that Envoy knows"
            .into()
    })
}

/// Sets a field by its path, unless the value is `-` or nothing: what Envoy writes for what it does not know.
fn put(request: &mut Map<String, Value>, path: &[&str], value: &str) {
    if matches!(value, "" | "-") {
        return;
    }
    put_value(request, path, value.into());
}

fn put_value(request: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [name] => {
            request.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let inner = request.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put_value(inner, rest, value);
            }
        }
        [] => {}
    }
}

/// An address with its port: `10.0.0.1:8080`, `[::1]:8080`.
fn address(text: &str) -> Option<(String, u16)> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    let ip: std::net::IpAddr = ip.parse().ok()?;
    Some((ip.to_string(), port.parse().ok()?))
}

/// Source and destination of a request.
fn put_addresses(request: &mut Map<String, Value>, local: &str, remote: &str) {
    if let Some((ip, port)) = address(local) {
        put(request, &["destination", "ip"], &ip);
        put_value(request, &["destination", "port"], port.into());
    }
    if let Some((ip, _)) = address(remote) {
        put(request, &["source", "ip"], &ip);
    }
}
