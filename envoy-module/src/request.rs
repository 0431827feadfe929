//! Envoy at one request, as the shadow's host.

use crate::{
    abi::{Attribute, http::Stream},
    access,
    main_thread::{NOT_HERE, not_here, now, write},
    metric::{self, Row},
    names, node, signature,
    worker::Worker,
};
use core::cell::RefCell;
use gnomon_engine::{
    Plan,
    jwt::{Authentication, Json},
    request::Header,
};
use gnomon_shadow::{
    address,
    host::{Change, Fetch, Hash, Host, Level, MetricKind, Property, Refused, Reply},
    node::Node,
};

/// What Envoy cannot do with a stream.
const FAILED: Refused = Refused(1);
const JWT_AUTHN: &[u8] = b"envoy.filters.http.jwt_authn";
/// Dynamic metadata with a name that is no text.
const NOT_SHOWN: Refused = Refused(2);

/// The stream of the hook that runs.
pub(crate) struct Request<'a> {
    stream: &'a Stream<'a>,
    worker: &'a Worker,
    last: RefCell<Option<Last>>,
}

/// What is done to a request last, when nothing of it is looked at any more: Envoy then calls other hooks of ours.
#[derive(Debug)]
enum Last {
    Reply(u16, String, String, Option<Vec<u8>>),
    Reset,
}

impl<'a> Request<'a> {
    pub(crate) fn new(stream: &'a Stream<'a>, worker: &'a Worker) -> Self {
        Request { stream, worker, last: RefCell::new(None) }
    }

    /// Answers or ends the request, where that was wanted.
    pub(crate) fn finish(self) {
        match self.last.into_inner() {
            Some(Last::Reply(status, details, body, challenge)) => {
                respond(self.stream, status, challenge.as_deref(), &body, &details);
            }
            Some(Last::Reset) => self.stream.reset(),
            None => {}
        }
    }

    fn text(&self, attribute: Attribute) -> Option<Vec<u8>> {
        self.stream.text(attribute)
    }
}

/// Answers a request as Envoy's own filters do.
pub(crate) fn respond(stream: &Stream<'_>, status: u16, challenge: Option<&[u8]>, body: &str, details: &str) {
    let mut lines: Vec<(&[u8], &[u8])> = Vec::new();
    if let Some(challenge) = challenge {
        lines.push((b"www-authenticate", challenge));
    }
    // From a module Envoy takes no status for gRPC, and would answer 0: OK. Where a line says one it stays.
    let mut grpc = false;
    stream.lines(&mut |headers| grpc = is_grpc(headers));
    let number = grpc_status(status).to_string();
    if grpc {
        lines.push((b"grpc-status", number.as_bytes()));
    }
    stream.respond(status, &lines, body, details);
}

/// As Envoy tells a gRPC request (`Grpc::Common::isGrpcRequestHeaders`).
fn is_grpc(headers: &[Header<'_>]) -> bool {
    let value = |wanted: &[u8]| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let kind = value(b"content-type").and_then(|kind| kind.strip_prefix(b"application/grpc"));
    value(b":path").is_some() && kind.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'+'))
}

/// What Envoy makes of an HTTP status (`Grpc::Utility::httpToGrpcStatus`).
fn grpc_status(status: u16) -> u8 {
    const UNKNOWN: u8 = 2;
    const PERMISSION_DENIED: u8 = 7;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

fn done(is: bool) -> Result<(), Refused> {
    if is { Ok(()) } else { Err(FAILED) }
}

impl Host for Request<'_> {
    fn log(&self, level: Level, line: &str) {
        write(level, line);
    }

    fn now(&self) -> Result<u64, Refused> {
        now()
    }

    fn request_headers(&self, read: &mut dyn FnMut(&[Header<'_>])) -> Result<(), Refused> {
        done(self.stream.lines(read))
    }

    fn property(&self, property: Property) -> Result<Option<Vec<u8>>, Refused> {
        let found = match property {
            Property::Source => self.text(Attribute::SourceAddress),
            Property::Destination => self.text(Attribute::DestinationAddress),
            Property::DirectSource => self.stream.noted("gnomon.direct_remote_address"),
            Property::ServerName => self.text(Attribute::ServerName),
            Property::PeerUriSan => self.text(Attribute::PeerUriSan),
            Property::PeerUriSans => self.stream.noted("gnomon.peer_uri_san"),
            Property::PeerDnsSan => self.text(Attribute::PeerDnsSan),
            Property::PeerSubject => self.text(Attribute::PeerSubject),
            Property::PeerDigest => self.text(Attribute::PeerDigest),
            Property::WaypointPeer => self.stream.noted("io.istio.peer_principal"),
            Property::ResponseDetails => self.text(Attribute::ResponseCodeDetails),
            Property::TerminationDetails => self.text(Attribute::TerminationDetails),
            Property::Upstream => self.text(Attribute::UpstreamAddress),
        };
        Ok(found.filter(|text| !text.is_empty()))
    }

    fn peer_names(&self) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        // The ABI shows the first of each kind here, and all of them to a network filter.
        Ok(self.stream.noted(names::KEY).and_then(|text| names::read(&text)))
    }

    fn mutual_tls(&self) -> Result<Option<bool>, Refused> {
        Ok(self.stream.truth(Attribute::ConnectionMtls))
    }

    fn is_outbound(&self) -> Result<bool, Refused> {
        const OUTBOUND: u64 = 2;
        Ok(self.stream.number(Attribute::ListenerDirection) == Some(OUTBOUND))
    }

    fn response_status(&self) -> Result<Option<u16>, Refused> {
        Ok(self.stream.number(Attribute::ResponseCode).and_then(|code| u16::try_from(code).ok()))
    }

    fn response_details(&self, read: &mut dyn FnMut(&[u8])) -> Result<(), Refused> {
        self.stream.show(Attribute::ResponseCodeDetails, read);
        Ok(())
    }

    fn metadata(&self) -> Result<Vec<(String, Json)>, Refused> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| NOT_SHOWN);
        let mut all = Vec::new();
        for namespace in self.stream.metadata_namespaces() {
            let mut entries = Vec::new();
            for key in self.stream.metadata_keys(&namespace) {
                match self.stream.metadata_value(&namespace, &key) {
                    Some(value) => entries.push((text(&key)?, value)),
                    // Structures and null, which no condition of a policy matches. Claims are one: those are left out, so
                    // that nobody takes them for empty.
                    None if namespace == JWT_AUTHN => {}
                    None => entries.push((text(&key)?, Json::Null)),
                }
            }
            all.push((text(&namespace)?, Json::Object(entries)));
        }
        Ok(all)
    }

    fn has_verified_claims(&self) -> Result<bool, Refused> {
        Ok(self.stream.metadata_namespaces().iter().any(|name| name == JWT_AUTHN))
    }

    fn decided(&self, plan: &Plan, found: Option<&Authentication>, metadata: &[(String, Json)]) {
        let Some(part) = access::note(plan, found, metadata) else { return };
        self.stream.set_metadata(access::NAMESPACE, access::REQUEST, part.as_bytes());
        let source = self.stream.noted("gnomon.direct_remote_address");
        if let Some(ip) = source.and_then(|source| address::ip(&source)) {
            self.stream.set_metadata(access::NAMESPACE, access::SOURCE, ip.to_string().as_bytes());
        }
    }

    fn change_request(&self, name: &[u8], change: Change<'_>) -> Result<(), Refused> {
        done(match change {
            Change::Set(value) => self.stream.change(name, Some(value), false),
            Change::Add(value) => self.stream.change(name, Some(value), true),
            Change::Remove => self.stream.change(name, None, false),
        })
    }

    fn set_response_header(&self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        done(self.stream.set_response_header(name, value))
    }

    fn reply(&self, reply: &Reply) -> Result<(), Refused> {
        let Reply { status, details, body, challenge } = reply;
        self.last.replace(Some(Last::Reply(*status, details.clone(), body.clone(), challenge.clone())));
        Ok(())
    }

    fn close_request(&self) -> Result<(), Refused> {
        self.last.replace(Some(Last::Reset));
        Ok(())
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        // The names of the wasm filter, so that access logs and conditions stay as they are.
        done(match key {
            "gnomon" => self.stream.note("wasm.gnomon", value),
            key => self.stream.note(&format!("wasm.{key}"), value),
        })
    }

    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Result<Option<bool>, Refused> {
        // Envoy lends its own library to WebAssembly only.
        Ok(signature::verify(hash, key, signature, text))
    }

    fn define_labelled(&self, _name: &str, labels: [(&str, &str); 2]) -> Result<u32, Refused> {
        metric::number(Row::Labelled, self.worker.labelled(labels.map(|(_, value)| value))?)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused> {
        match metric::row(id) {
            (Row::Histogram, id) => self.stream.record(id, value).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused> {
        let by = u64::try_from(offset).map_err(|_| NOT_HERE)?;
        match metric::row(id) {
            (Row::Counter, id) => self.stream.increment(id, by).map_err(Refused),
            (Row::Labelled, place) => self.worker.count(place, by),
            _ => Err(NOT_HERE),
        }
    }

    fn instance(&self) -> (Vec<u8>, Vec<u8>) {
        (self.worker.local.name.clone(), Vec::new())
    }

    fn node(&self) -> Node {
        // Only a configuration that is read asks for it.
        node::unknown(NOT_HERE)
    }

    not_here! {
        tick_every(u32) -> ();
        configuration() -> Vec<u8>;
        provider_was_asked() -> bool;
        close_connection() -> ();
        fetch(&Fetch<'_>) -> u32;
        define_metric(MetricKind, &str) -> u32;
    }
}
