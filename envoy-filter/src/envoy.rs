//! Envoy as the filter's [`Host`]: the functions that the module imports.
//!
//! Proxy-Wasm ABI 0.2.1. The life cycle, the contexts and the types are the SDK's ([`crate::entry`]). Of its `hostcalls` only
//! `dispatch_http_call` is used, of which its dispatcher has to know: the others panic on a status that they have no arm
//! for, and a panic ends the instance. Here every call answers with a status, which is taken for the number that it is: 0 is
//! *ok*, everything else an `Err`. Which one comes is the proxy's choice; nothing here stops at one that is not expected.

use crate::{metadata, wire};
use core::ptr::null_mut;
use gnomon_engine::{jwt::Json, order, request::Header};
use gnomon_shadow::{
    certificate,
    host::{Change, Fetch, Hash, Host, Level, MetricKind, Property, Refused, Reply},
    node::{Node, proxy_kind},
};
use proxy_wasm::hostcalls;
use std::{string::String, vec, vec::Vec};

/// The status of a name that does not exist.
const NOT_FOUND: u32 = 1;
/// Maps of header lines, as the ABI numbers them.
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const ANSWER_HEADERS: u32 = 6;
/// Buffers, as the ABI numbers them.
const ANSWER_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
/// Streams that can be closed.
const REQUEST: u32 = 0;
const DOWNSTREAM: u32 = 2;

/// More than this the configuration may not be. Envoy's own limits are far below.
const MAX_CONFIGURATION: usize = 64 << 20;

mod raw {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            kind: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_close_stream(kind: u32) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    }
}

/// The proxy that runs this module.
pub(crate) struct Envoy;

fn done(status: u32) -> Result<(), Refused> {
    if status == 0 { Ok(()) } else { Err(Refused(status)) }
}

/// Runs a call that answers with a buffer. `None`: the proxy gave none.
fn received(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Option<Vec<u8>>, Refused> {
    let mut data: *mut u8 = null_mut();
    let mut size: usize = 0;
    let status = call(&raw mut data, &raw mut size);
    let bytes = if data.is_null() || size == 0 {
        None
    } else {
        // SAFETY: the proxy has obtained `data` from `proxy_on_memory_allocate(size)`, which allocates exactly this size, has
        // filled it, and hands it over.
        Some(unsafe { Vec::from_raw_parts(data, size, size) })
    };
    done(status)?;
    Ok(bytes)
}

/// A property; the parts of its path are separated by NUL. `None`: not found, or an empty string.
fn property(path: &str) -> Result<Option<Vec<u8>>, Refused> {
    // SAFETY: the path is a live string; the proxy writes one pointer and one length.
    let call = |data, size| unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), data, size) };
    match received(call) {
        Err(Refused(NOT_FOUND)) => Ok(None),
        other => other,
    }
}

fn text(path: &str) -> Result<Option<String>, Refused> {
    Ok(property(path)?.and_then(|bytes| String::from_utf8(bytes).ok()))
}

fn buffer(kind: u32, most: usize) -> Result<Vec<u8>, Refused> {
    // SAFETY: the proxy writes one pointer and one length.
    let call = |data, size| unsafe { raw::proxy_get_buffer_bytes(kind, 0, most, data, size) };
    match received(call) {
        Err(Refused(NOT_FOUND)) => Ok(Vec::new()),
        other => other.map(Option::unwrap_or_default),
    }
}

fn lines(map: u32) -> Result<Vec<u8>, Refused> {
    // SAFETY: the proxy writes one pointer and one length.
    received(|data, size| unsafe { raw::proxy_get_header_map_pairs(map, data, size) })
        .map(Option::unwrap_or_default)
}

/// What a map that is none comes to.
const MALFORMED: Refused = Refused(3);

/// The body of the answer to a fetch, of so many header lines and bytes, if it is 200. A call that was cut off has no
/// lines, and asking for them would be an error.
pub(crate) fn answer(count: usize, bytes: usize) -> Option<Vec<u8>> {
    if count == 0 || bytes == 0 || bytes > gnomon_shadow::key_sets::LONGEST {
        return None;
    }
    let headers = lines(ANSWER_HEADERS).ok()?;
    let ok = wire::pairs(&headers)?.iter().any(|(name, value)| *name == b":status" && *value == b"200");
    buffer(ANSWER_BODY, bytes).ok().filter(|_| ok)
}

fn labels() -> Option<Vec<(String, String)>> {
    let Some(bytes) = property("xds\0node\0metadata\0LABELS").ok()? else { return Some(Vec::new()) };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let mut labels: Vec<(String, String)> = Vec::new();
    for (key, value) in wire::pairs(&bytes)? {
        labels.push((text(key)?, text(value)?));
    }
    order::sort_by(&mut labels, |(one, _), (other, _)| one.cmp(other));
    Some(labels)
}

/// Where Envoy has a property.
fn path(property: Property) -> &'static str {
    match property {
        Property::Source => "source\0address",
        Property::Destination => "destination\0address",
        Property::DirectSource => "filter_state\0gnomon.direct_remote_address",
        Property::ServerName => "connection\0requested_server_name",
        Property::PeerUriSan => "connection\0uri_san_peer_certificate",
        Property::PeerUriSans => "filter_state\0gnomon.peer_uri_san",
        Property::PeerDnsSan => "connection\0dns_san_peer_certificate",
        Property::PeerSubject => "connection\0subject_peer_certificate",
        Property::PeerDigest => "connection\0sha256_peer_certificate_digest",
        Property::WaypointPeer => "filter_state\0io.istio.peer_principal",
        Property::ResponseDetails => "response\0code_details",
        Property::TerminationDetails => "connection\0termination_details",
        Property::Upstream => "upstream\0address",
    }
}

impl Host for Envoy {
    fn log(&self, level: Level, line: &str) {
        let level = match level {
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        // SAFETY: the pointer and the length are those of a live string. A line that cannot be logged is lost.
        let _status = unsafe { raw::proxy_log(level, line.as_ptr(), line.len()) };
    }

    fn now(&self) -> Result<u64, Refused> {
        let mut time: u64 = 0;
        // SAFETY: the proxy writes one u64.
        done(unsafe { raw::proxy_get_current_time_nanoseconds(&raw mut time) })?;
        Ok(time)
    }

    fn tick_every(&self, milliseconds: u32) -> Result<(), Refused> {
        // SAFETY: a plain number.
        done(unsafe { raw::proxy_set_tick_period_milliseconds(milliseconds) })
    }

    fn configuration(&self) -> Result<Vec<u8>, Refused> {
        buffer(PLUGIN_CONFIGURATION, MAX_CONFIGURATION)
    }

    fn instance(&self) -> (Vec<u8>, Vec<u8>) {
        let part = |path| property(path).ok().flatten().unwrap_or_default();
        (part("plugin_name"), part("plugin_root_id"))
    }

    fn node(&self) -> Node {
        Node {
            kind: text("xds\0node\0id").ok().flatten().and_then(|id| proxy_kind(&id)),
            namespace: text("xds\0node\0metadata\0NAMESPACE"),
            service_account: text("xds\0node\0metadata\0SERVICE_ACCOUNT"),
            name: text("xds\0node\0metadata\0WORKLOAD_NAME").ok().flatten(),
            labels: labels(),
        }
    }

    fn request_headers(&self, read: &mut dyn FnMut(&[Header<'_>])) -> Result<(), Refused> {
        let bytes = lines(REQUEST_HEADERS)?;
        read(&wire::pairs(&bytes).ok_or(MALFORMED)?);
        Ok(())
    }

    fn property(&self, which: Property) -> Result<Option<Vec<u8>>, Refused> {
        property(path(which))
    }

    fn peer_names(&self) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        // As properties it shows the first of each kind only, but it also hands over the certificate.
        Ok(property("connection\0peer_certificate")?.as_deref().and_then(certificate::names))
    }

    fn mutual_tls(&self) -> Result<Option<bool>, Refused> {
        Ok(property("connection\0mtls")?.as_deref().and_then(wire::boolean))
    }

    fn is_outbound(&self) -> Result<bool, Refused> {
        const OUTBOUND: i64 = 2;
        let direction = property("xds\0listener_direction")?;
        Ok(direction.as_deref().and_then(wire::integer) == Some(OUTBOUND))
    }

    fn response_status(&self) -> Result<Option<u16>, Refused> {
        let code = property("response\0code")?;
        Ok(code.as_deref().and_then(wire::integer).and_then(|code| u16::try_from(code).ok()))
    }

    fn metadata(&self) -> Result<Vec<(String, Json)>, Refused> {
        metadata::read(&property("metadata")?.unwrap_or_default()).ok_or(MALFORMED)
    }

    fn has_verified_claims(&self) -> Result<bool, Refused> {
        // A null among the claims makes the read fail; only what is not there is not there.
        Ok(!matches!(property("metadata\0filter_metadata\0envoy.filters.http.jwt_authn"), Ok(None)))
    }

    fn provider_was_asked(&self) -> Result<bool, Refused> {
        // Where Istio notes which rule is the reason why a provider was asked about a connection.
        const REASON: &str = "metadata\0filter_metadata\0envoy.filters.network.rbac\0istio_ext_authz_shadow_effective_policy_id";
        Ok(property(REASON)?.is_some())
    }

    fn change_request(&self, name: &[u8], change: Change<'_>) -> Result<(), Refused> {
        let (at, size) = (name.as_ptr(), name.len());
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe {
            match change {
                Change::Set(value) => raw::proxy_replace_header_map_value(
                    REQUEST_HEADERS,
                    at,
                    size,
                    value.as_ptr(),
                    value.len(),
                ),
                Change::Add(value) => {
                    raw::proxy_add_header_map_value(REQUEST_HEADERS, at, size, value.as_ptr(), value.len())
                }
                Change::Remove => raw::proxy_remove_header_map_value(REQUEST_HEADERS, at, size),
            }
        })
    }

    fn set_response_header(&self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let (name, size) = (name.as_ptr(), name.len());
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe {
            raw::proxy_replace_header_map_value(RESPONSE_HEADERS, name, size, value.as_ptr(), value.len())
        })
    }

    fn reply(&self, reply: &Reply) -> Result<(), Refused> {
        let header: [wire::Pair<'_>; 1] =
            [(b"www-authenticate", reply.challenge.as_deref().unwrap_or_default())];
        let headers = wire::encode(if reply.challenge.is_some() { &header[..] } else { &[] });
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe {
            raw::proxy_send_local_response(
                reply.status.into(),
                reply.details.as_ptr(),
                reply.details.len(),
                reply.body.as_ptr(),
                reply.body.len(),
                headers.as_ptr(),
                headers.len(),
                // The proxy makes one of the status.
                -1,
            )
        })
    }

    fn close_request(&self) -> Result<(), Refused> {
        // SAFETY: a plain number.
        done(unsafe { raw::proxy_close_stream(REQUEST) })
    }

    fn close_connection(&self) -> Result<(), Refused> {
        // SAFETY: a plain number.
        done(unsafe { raw::proxy_close_stream(DOWNSTREAM) })
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe { raw::proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
    }

    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Result<Option<bool>, Refused> {
        const NAME: &str = "verify_signature";
        let hash = match hash {
            Hash::Sha256 => "sha256",
            Hash::Sha384 => "sha384",
            Hash::Sha512 => "sha512",
        };
        let argument = argument(hash, key, signature, text);
        // SAFETY: name and argument are live; the proxy writes one pointer and one length.
        let answer = received(|data, size| unsafe {
            raw::proxy_call_foreign_function(
                NAME.as_ptr(),
                NAME.len(),
                argument.as_ptr(),
                argument.len(),
                data,
                size,
            )
        });
        match answer {
            // `result` = 1: false where it is absent. The `error` that may follow is of no interest.
            Ok(answer) => Ok(Some(matches!(answer.as_deref(), Some([0x08, 1, ..])))),
            // There is no such function.
            Err(Refused(NOT_FOUND)) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Result<u32, Refused> {
        // The SDK's own, since its dispatcher has to know of the call. Envoy refuses with the two statuses that it has
        // arms for: a cluster or a header that is wrong, and a call that cannot be sent.
        let headers = vec![
            (":method", "GET"),
            (":scheme", fetch.scheme),
            (":authority", fetch.authority),
            (":path", fetch.path),
            ("accept", "application/json"),
        ];
        hostcalls::dispatch_http_call(fetch.cluster, headers, None, Vec::new(), fetch.timeout)
            .map_err(|status| Refused(status as u32))
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Refused> {
        let kind = match kind {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
            MetricKind::Histogram => 2,
        };
        let mut id: u32 = 0;
        // SAFETY: the name is a live string; the proxy writes one u32.
        done(unsafe { raw::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
        Ok(id)
    }

    fn define_labelled(&self, name: &str, labels: [(&str, &str); 2]) -> Result<u32, Refused> {
        // What Envoy's `stats_tags` take out of a name.
        let [(one, first), (two, second)] = labels;
        let name = format!("{one}=.={first};.;{two}=.={second};.;{name}");
        self.define_metric(MetricKind::Counter, &name)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused> {
        // SAFETY: plain numbers.
        done(unsafe { raw::proxy_record_metric(id, value) })
    }

    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused> {
        // SAFETY: plain numbers.
        done(unsafe { raw::proxy_increment_metric(id, offset) })
    }
}

/// The argument of `verify_signature`: a protobuf message of `hash_function` = 1, `public_key` = 2, `signature` = 3
/// and `text` = 4.
fn argument(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hash.len() + key.len() + signature.len() + text.len() + 24);
    for (field, value) in [(1u8, hash.as_bytes()), (2, key), (3, signature), (4, text)] {
        // Wire type 2: a length, then so many bytes.
        bytes.push(field << 3 | 2);
        let mut length = value.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(value);
    }
    bytes
}
