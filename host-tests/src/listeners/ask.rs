//! Drawn listeners in one real Envoy: what it does with their connections, beside what gnomon says.

use super::{
    chain::{CLIENT, SERVER},
    draw::{Drawing, Drawn, Speaks, put},
};
use crate::{
    access_log::{self, AccessLog, details, text},
    certs::{Ca, Identity, Names},
    client::{Connection, Dial, Proxy, Tls},
    envoy::Envoy,
    err::{Context, Error, Result},
};
use gnomon_analysis::imported::Proxy as Imports;
use gnomon_engine::{
    Mesh, Node, Workload,
    jwt::SoftwareCrypto,
    request::Protocol,
    verdict::{Outcome, Report},
};
use gnomon_envoy_config::import::Imported;
use gnomon_manifests::request::RequestSpec;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

/// What a client sends that does not speak HTTP.
const BYTES: &[u8] = b"\0\x01 these are no words of HTTP\r\n\r\n";

/// Certificates for all of it.
pub(super) struct Pki {
    ca: Ca,
    client: Identity,
    server: Identity,
}

/// What Envoy did with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The filter chain; `None`: there was none for it.
    pub chain: Option<String>,
    /// It got through.
    pub allowed: bool,
    /// Of the HTTP answer, where there was one.
    pub status: Option<u16>,
    /// Why it was refused, as far as Envoy says.
    pub details: Option<String>,
}

/// Names of the lines in Envoy's log.
const OF_CONNECTION: &str = "connection";
const OF_REQUEST: &str = "request";

impl Pki {
    pub(super) fn new() -> Result<Pki> {
        let ca = Ca::new("cluster.local")?;
        let client = ca.issue(&Names::principal(CLIENT))?;
        let server = ca.issue(&Names::principal("cluster.local/ns/web/sa/web"))?;
        Ok(Pki { ca, client, server })
    }
}

/// An Envoy with all of these, called by their places.
pub(super) fn start(pki: &Pki, drawn: &[Drawn]) -> Result<Envoy> {
    Envoy::start_with(|log| {
        let listeners: Vec<Value> =
            drawn.iter().enumerate().map(|(place, drawn)| for_envoy(pki, drawn, place, log)).collect();
        json!({
            "admin": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": 0}}},
            "staticResources": {
                "listeners": listeners,
                "clusters": [{"name": "BlackHoleCluster", "type": "STATIC", "connectTimeout": "1s"}],
            },
        })
    })
}

/// The same listener where clients can reach it: on the loopback, with a PROXY header in place of what redirects
/// connections to a proxy, and with its certificates.
fn for_envoy(pki: &Pki, drawn: &Drawn, place: usize, log: &Path) -> Value {
    let mut listener = drawn.listener.clone();
    if let Some(fields) = listener.as_object_mut() {
        fields.remove("internalListener");
    }
    put(&mut listener, "name", place.to_string().into());
    put(&mut listener, "address", json!({"socketAddress": {"address": "127.0.0.1", "portValue": 0}}));
    put(&mut listener, "accessLog", json!([access_log::config(log, OF_CONNECTION)]));
    let mut filters = Vec::new();
    if drawn.claims {
        filters.push(json!({"name": "envoy.filters.listener.proxy_protocol", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
        }}));
    }
    let others = drawn.listener.get("listenerFilters").and_then(Value::as_array).into_iter().flatten();
    let redirects = |filter: &&Value| {
        filter.get("name").is_some_and(|name| name == "envoy.filters.listener.original_dst")
    };
    filters.extend(others.filter(|filter| !redirects(filter)).cloned());
    put(&mut listener, "listenerFilters", json!(filters));
    complete(&mut listener, pki, log);
    listener
}

/// Gives TLS its certificates and HTTP its log.
fn complete(message: &mut Value, pki: &Pki, log: &Path) {
    match message {
        Value::Array(items) => items.iter_mut().for_each(|item| complete(item, pki, log)),
        Value::Object(_) => {
            if message.get("tlsCertificates").is_some_and(|certificates| certificates == SERVER) {
                let certificate = json!([{
                    "certificateChain": {"inlineString": pki.server.certificate},
                    "privateKey": {"inlineString": pki.server.key},
                }]);
                put(message, "tlsCertificates", certificate);
                put(message, "validationContext", json!({"trustedCa": {"inlineString": pki.ca.pem}}));
            }
            if message.get("httpFilters").is_some() {
                put(message, "accessLog", json!([access_log::config(log, OF_REQUEST)]));
            }
            for (_, field) in message.as_object_mut().into_iter().flatten() {
                complete(field, pki, log);
            }
        }
        _ => {}
    }
}

/// What Envoy does with each connection of one listener.
pub(super) fn ask(pki: &Pki, envoy: &Envoy, drawn: &Drawn, place: usize) -> Result<Vec<Seen>> {
    let to = envoy.address(&place.to_string())?;
    let mut sent = Vec::new();
    for drawing in &drawn.connections {
        sent.push(send(pki, to, drawn, drawing)?);
    }
    sent.into_iter().map(|(port, reply)| seen(envoy.access_log(), port, &reply)).collect()
}

/// A reply: all that came back, of how many bytes sent.
struct Got {
    bytes: Vec<u8>,
    sent: Vec<u8>,
}

fn send(pki: &Pki, to: SocketAddr, drawn: &Drawn, drawing: &Drawing) -> Result<(u16, Got)> {
    let mutual = drawing.speaks == Speaks::MutualTls;
    let alpn: &[&str] = match (drawing.speaks, drawing.http) {
        (Speaks::MutualTls, true) => &["istio-http/1.1", "istio", "http/1.1"],
        (Speaks::MutualTls, false) => &["istio-peer-exchange", "istio"],
        (_, true) => &["http/1.1"],
        (_, false) => &[],
    };
    let tls = Tls { identity: mutual.then_some(&pki.client), sni: drawing.sni, alpn };
    let (destination, port) = drawing.destination;
    let dial = Dial {
        to,
        from: (!drawn.claims).then_some(drawing.source),
        proxy: drawn.claims.then(|| Proxy::new(drawing.source, SocketAddr::new(destination, port))),
        tls: (drawing.speaks != Speaks::Plaintext).then_some(tls),
    };
    let sent = match drawing.http {
        true => format!("GET {} HTTP/1.1\r\nhost: web\r\n\r\n", drawing.path).into_bytes(),
        false => BYTES.to_vec(),
    };
    let mut connection = Connection::open(&dial)?;
    let mut bytes = Vec::new();
    // What is not answered is refused, or the log says what became of it.
    if connection.write_all(&sent).and_then(|()| connection.flush()).is_ok() {
        let mut buffer = [0; 4096];
        while bytes.len() < sent.len() && status(&bytes).is_none() {
            match connection.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
    }
    Ok((connection.port(), Got { bytes, sent }))
}

/// The status of an HTTP answer.
fn status(bytes: &[u8]) -> Option<u16> {
    let line = bytes.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

fn seen(log: &AccessLog, port: u16, got: &Got) -> Result<Seen> {
    let ends = format!(":{port}");
    let of = |kind: &'static str| {
        let is = |line: &Value| {
            let from = ["direct", "remote"]
                .iter()
                .any(|name| text(line, name).is_some_and(|at| at.ends_with(&ends)));
            from && text(line, "listener") == Some(kind)
        };
        log.take(is)
    };
    let line = of(OF_CONNECTION)?;
    let mut status = status(&got.bytes);
    let flags = text(&line, "flags").unwrap_or_default();
    let mut details = details(&line).map(str::to_owned);
    // A TLS client cannot read that its handshake was no HTTP. A line that is left would be found by a later client of
    // this port.
    if flags.contains("DPE") || status.is_some() {
        let line = of(OF_REQUEST)?;
        details = access_log::details(&line).map(str::to_owned);
        status = line.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    }
    let chain = text(&line, "chain").filter(|chain| !chain.is_empty()).map(str::to_owned);
    // A TLS client does not understand the echo of its own handshake; nothing then stood in its way.
    let unhindered = chain.is_some()
        && details.is_none()
        && flags == "-"
        && text(&line, "tlsFailure").is_none_or(|failure| failure.starts_with("TLS_error|error:"));
    let allowed = status.map_or(got.bytes == got.sent || unhindered, |status| status == 200);
    Ok(Seen { chain, allowed, status, details })
}

/// What differs between Envoy and gnomon, for each connection of a listener.
pub(super) fn differences(drawn: &Drawn, seen: &[Seen], to: SocketAddr) -> Result<Vec<Option<String>>> {
    let node: Node = serde_json::from_value(json!([drawn.listener])).or_cannot("read the listener")?;
    let imported = Imported::read(&node, &Arc::from("listener"));
    if let Some(finding) = imported.findings.first() {
        return Err(Error::new(format!("{} is not evaluated: {}", finding.field, finding.message)));
    }
    let (workload, mesh) = (Workload::default(), Mesh::default());
    let proxy = Imports { imported: &imported, listener: None, workload: &workload, mesh: &mesh };
    let differs = |(drawing, seen): (&Drawing, &Seen)| {
        let spec = request(drawn, drawing, to);
        let report = match proxy.report(&spec, 0, &SoftwareCrypto) {
            Ok(report) => report,
            Err(error) => return Some(format!("no verdict: {error}")),
        };
        let chain = match proxy.chain(&spec, 0) {
            // Which chain refuses a handshake is not said.
            Ok(None) if report.details.as_deref() != Some("filter_chain_not_found") => seen.chain.clone(),
            Ok(chain) => chain.map(|chain| chain.name.clone()),
            Err(error) => return Some(format!("no chain: {error}")),
        };
        (chain != seen.chain || told(&report) != told_by_envoy(seen))
            .then(|| format!("Envoy: {seen:?}\n  here: chain {chain:?}, {report:?}"))
    };
    Ok(drawn.connections.iter().zip(seen).map(differs).collect())
}

type Told = (bool, Option<u16>, Option<String>);

fn told_by_envoy(seen: &Seen) -> Told {
    match seen.allowed {
        true => (true, None, None),
        false => (false, seen.status, seen.details.clone()),
    }
}

/// Verdict, and of a refusal the status and details.
fn told(report: &Report) -> Told {
    match report.verdict {
        Outcome::Allow => (true, None, None),
        Outcome::Deny | Outcome::Redirect => (false, report.status, report.details.clone()),
        // Nothing here is left open.
        Outcome::Unknown => (false, None, Some("unknown".into())),
    }
}

/// The request as a person states it.
fn request(drawn: &Drawn, drawing: &Drawing, to: SocketAddr) -> RequestSpec {
    let (destination, port) = if drawn.claims { drawing.destination } else { (to.ip(), to.port()) };
    RequestSpec {
        protocol: if drawing.http { Protocol::Http } else { Protocol::Tcp },
        method: "GET".into(),
        path: drawing.path.into(),
        host: Some("web".into()),
        principal: (drawing.speaks == Speaks::MutualTls).then(|| CLIENT.into()),
        source_ip: Some(drawing.source),
        destination_ip: Some(destination),
        destination_port: Some(port),
        sni: drawing.sni.map(Into::into),
        ..RequestSpec::default()
    }
}
