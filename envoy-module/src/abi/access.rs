//! The access logger: its hooks, and what they may ask for.

use super::{
    Buffer, Line, MOST_LINES, Ours,
    http::{text, written},
};
use crate::{access, access::Logger};
use core::{ffi::c_void, marker::PhantomData, ptr::null};
use gnomon_engine::request::Header;
use std::sync::Arc;

/// The request's headers among the maps that Envoy has.
const REQUEST: u32 = 0;
/// More names than this a certificate may not have.
const MOST_NAMES: usize = 10_000;

/// A stream that is over, on its worker.
pub(crate) struct Entry<'h> {
    at: *mut c_void,
    /// It was a request, even where it has no headers: Envoy could not read them.
    pub(crate) is_request: bool,
    hook: PhantomData<&'h ()>,
}

/// Bytes of a stream.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Bytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// To and from what stands behind.
    pub(crate) upstream_received: u64,
    pub(crate) upstream_sent: u64,
}

unsafe extern "C" {
    fn envoy_dynamic_module_callback_access_logger_get_headers_size(logger: *mut c_void, map: u32) -> usize;
    fn envoy_dynamic_module_callback_access_logger_get_headers(
        logger: *mut c_void,
        map: u32,
        lines: *mut Line,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_downstream_remote_address(
        logger: *mut c_void,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_downstream_direct_remote_address(
        logger: *mut c_void,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_downstream_local_address(
        logger: *mut c_void,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_is_mtls(logger: *mut c_void) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_downstream_peer_uri_san_size(
        logger: *mut c_void,
    ) -> usize;
    fn envoy_dynamic_module_callback_access_logger_get_downstream_peer_uri_san(
        logger: *mut c_void,
        names: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_requested_server_name(
        logger: *mut c_void,
        name: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_bytes_info(logger: *mut c_void, bytes: *mut Bytes);
    fn envoy_dynamic_module_callback_access_logger_get_response_code_details(
        logger: *mut c_void,
        details: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_connection_termination_details(
        logger: *mut c_void,
        details: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(
        logger: *mut c_void,
        namespace: Buffer,
        key: Buffer,
        found: *mut Buffer,
    ) -> bool;
}

/// Tells an address of the stream's.
type AddressCall = unsafe extern "C" fn(*mut c_void, *mut Buffer, *mut u32) -> bool;

/// Addresses of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// The client, as Envoy has derived it.
    Remote,
    /// The physical peer.
    DirectRemote,
    /// Where it was connected to.
    Local,
}

/// When Envoy logs a stream; at the other times it is not over.
const NOT_SAID: u32 = 0;
const TCP_CONNECTION_END: u32 = 3;
const DOWNSTREAM_END: u32 = 6;

/// A configuration has come. Null refuses it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_access_logger_config_new(
    _config: *mut c_void,
    name: Buffer,
    text: Buffer,
) -> *const c_void {
    // SAFETY: both texts live until the hook ends.
    let (name, text) = unsafe { (name.bytes(), text.bytes()) };
    access::configure(name, text).map_or(null(), |made| Arc::into_raw(made).cast())
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_access_logger_config_destroy(ours: Ours) {
    if !ours.is_null() {
        // SAFETY: `config_new` made it, and Envoy gives it back once.
        access::forget(unsafe { Arc::from_raw(ours.cast::<Logger>()) });
    }
}

/// A worker gets its logger: a further count of the configuration.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_access_logger_new(ours: Ours, _logger: *mut c_void) -> Ours {
    if ours.is_null() {
        return null();
    }
    // SAFETY: Envoy names a configuration that it holds, of which this is one count more.
    unsafe { Arc::increment_strong_count(ours.cast::<Logger>()) };
    ours
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_access_logger_destroy(ours: Ours) {
    if !ours.is_null() {
        // SAFETY: `new` counted it, and Envoy gives it back once.
        access::forget(unsafe { Arc::from_raw(ours.cast::<Logger>()) });
    }
}

/// A stream is to be logged.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_access_logger_log(logger: *mut c_void, ours: Ours, when: u32) {
    if !matches!(when, NOT_SAID | TCP_CONNECTION_END | DOWNSTREAM_END) {
        return;
    }
    // SAFETY: Envoy names a logger that it holds; configurations are only ever borrowed shared.
    if let Some(ours) = unsafe { ours.cast::<Logger>().as_ref() } {
        ours.log(&Entry { at: logger, is_request: when == DOWNSTREAM_END, hook: PhantomData });
    }
}

/// The logger is about to go.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_access_logger_flush(ours: Ours) {
    // SAFETY: as above.
    if let Some(ours) = unsafe { ours.cast::<Logger>().as_ref() } {
        ours.flush();
    }
}

impl Entry<'_> {
    /// Shows the request's header lines; none where there is no request.
    pub(crate) fn lines(&self, read: &mut dyn FnMut(&[Header<'_>])) {
        // SAFETY: the stream is that of the hook that runs.
        let count = unsafe { envoy_dynamic_module_callback_access_logger_get_headers_size(self.at, REQUEST) };
        if count > MOST_LINES {
            return read(&[]);
        }
        let mut lines = vec![Line::NONE; count];
        // SAFETY: there is room for as many lines as there are, and nothing changes them while the hook runs.
        let told = count > 0
            && unsafe {
                envoy_dynamic_module_callback_access_logger_get_headers(self.at, REQUEST, lines.as_mut_ptr())
            };
        if !told {
            return read(&[]);
        }
        // SAFETY: the texts live until the hook ends.
        let headers = lines.iter().map(|line| unsafe { (line.name.bytes(), line.value.bytes()) });
        read(&headers.collect::<Vec<_>>());
    }

    /// An address and a port, where it is an IP address.
    pub(crate) fn address(&self, side: Side) -> Option<(Vec<u8>, u16)> {
        let call: AddressCall = match side {
            Side::Remote => envoy_dynamic_module_callback_access_logger_get_downstream_remote_address,
            Side::DirectRemote => {
                envoy_dynamic_module_callback_access_logger_get_downstream_direct_remote_address
            }
            Side::Local => envoy_dynamic_module_callback_access_logger_get_downstream_local_address,
        };
        let mut port = 0;
        // SAFETY: the stream is that of the hook that runs; Envoy writes one buffer and one number.
        let address = text(|found| unsafe { call(self.at, found, &raw mut port) })?;
        Some((address, u16::try_from(port).ok()?))
    }

    /// Whether the peer has shown a certificate.
    pub(crate) fn has_certificate(&self) -> bool {
        // SAFETY: the stream is that of the hook that runs.
        unsafe { envoy_dynamic_module_callback_access_logger_is_mtls(self.at) }
    }

    /// The URI SANs of the peer's certificate.
    pub(crate) fn uri_names(&self) -> Vec<Vec<u8>> {
        // SAFETY: the stream is that of the hook that runs.
        let count =
            unsafe { envoy_dynamic_module_callback_access_logger_get_downstream_peer_uri_san_size(self.at) };
        if count == 0 || count > MOST_NAMES {
            return Vec::new();
        }
        let mut names = vec![Buffer::NONE; count];
        // SAFETY: there is room for as many names as there are.
        let told = unsafe {
            envoy_dynamic_module_callback_access_logger_get_downstream_peer_uri_san(
                self.at,
                names.as_mut_ptr(),
            )
        };
        // SAFETY: the texts live until the hook ends, and are copied.
        let copied = names.iter().map(|name| unsafe { name.bytes() }.to_vec());
        if told { copied.collect() } else { Vec::new() }
    }

    /// The server name of the TLS handshake.
    pub(crate) fn server_name(&self) -> Option<Vec<u8>> {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_access_logger_get_requested_server_name(self.at, found)
        })
    }

    /// How many bytes of the client's have come through to the last filter.
    pub(crate) fn received(&self) -> u64 {
        let mut bytes = Bytes::default();
        // SAFETY: the stream is that of the hook that runs; Envoy writes four numbers.
        unsafe { envoy_dynamic_module_callback_access_logger_get_bytes_info(self.at, &raw mut bytes) };
        bytes.received
    }

    /// How it ended: the details of the response, else those of the connection.
    pub(crate) fn details(&self) -> Option<Vec<u8>> {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_access_logger_get_response_code_details(self.at, found)
        })
        .or_else(|| {
            // SAFETY: as above.
            text(|found| unsafe {
                envoy_dynamic_module_callback_access_logger_get_connection_termination_details(self.at, found)
            })
        })
    }

    /// A text in the stream's dynamic metadata.
    pub(crate) fn metadata(&self, namespace: &str, key: &str) -> Option<Vec<u8>> {
        let (namespace, key) = (Buffer::of(namespace.as_bytes()), Buffer::of(key.as_bytes()));
        // SAFETY: the stream is that of the hook that runs; both texts live while they are read, and Envoy writes one buffer.
        written(Buffer::NONE, |found| unsafe {
            envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(self.at, namespace, key, found)
        })
        // SAFETY: where the callback says so, it has pointed the buffer at a text that lives until the hook ends.
        .map(|found| unsafe { found.bytes() }.to_vec())
    }
}
