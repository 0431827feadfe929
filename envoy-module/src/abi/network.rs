//! The network filter: its hooks, and what they may ask for.

use super::{
    Attribute, Buffer, MOST_LINES, Ours,
    http::{Kind, done, text},
    later,
};
use crate::{
    configuration::Configuration,
    connection::{self, Connection},
};
use core::{ffi::c_void, marker::PhantomData, ptr::null};
use std::sync::Arc;

/// What goes on as if the filter were not there.
const CONTINUE: u32 = 0;
/// No further filter sees the bytes.
const STOP: u32 = 1;
/// Ways to close: what is still to be written is not.
const NO_FLUSH: u32 = 1;
/// Events of a connection.
const REMOTE_CLOSE: u32 = 0;
const LOCAL_CLOSE: u32 = 1;

/// A configuration of Envoy's, on its main thread.
pub(crate) struct Config<'h>(*mut c_void, PhantomData<&'h ()>);

/// A connection of Envoy's, on its worker.
pub(crate) struct Stream<'h>(*mut c_void, PhantomData<&'h ()>);

unsafe extern "C" {
    fn envoy_dynamic_module_callback_network_filter_config_define_counter(
        config: *mut c_void,
        name: Buffer,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_config_define_gauge(
        config: *mut c_void,
        name: Buffer,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_config_define_histogram(
        config: *mut c_void,
        name: Buffer,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_config_increment_counter(
        config: *mut c_void,
        id: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_config_set_gauge(
        config: *mut c_void,
        id: usize,
        value: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_increment_counter(
        stream: *mut c_void,
        id: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_record_histogram_value(
        stream: *mut c_void,
        id: usize,
        value: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_network_filter_close(stream: *mut c_void, way: u32);
    fn envoy_dynamic_module_callback_network_filter_get_remote_address(
        stream: *mut c_void,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_filter_get_direct_remote_address(
        stream: *mut c_void,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_filter_get_local_address(
        stream: *mut c_void,
        address: *mut Buffer,
        port: *mut u32,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_filter_get_requested_server_name(
        stream: *mut c_void,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_filter_is_ssl(stream: *mut c_void) -> bool;
    fn envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(stream: *mut c_void) -> usize;
    fn envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(
        stream: *mut c_void,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans_size(stream: *mut c_void) -> usize;
    fn envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans(
        stream: *mut c_void,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_filter_get_ssl_subject(
        stream: *mut c_void,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_set_filter_state_bytes(
        stream: *mut c_void,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_get_filter_state_typed(
        stream: *mut c_void,
        key: Buffer,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_network_get_dynamic_metadata_string(
        stream: *mut c_void,
        namespace: Buffer,
        key: Buffer,
        found: *mut Buffer,
    ) -> bool;
}

impl Config<'_> {
    /// Defines a metric, or finds the one of that name.
    pub(crate) fn define(&self, kind: Kind, name: &str) -> Result<usize, u32> {
        let define = match kind {
            Kind::Counter => envoy_dynamic_module_callback_network_filter_config_define_counter,
            Kind::Gauge => envoy_dynamic_module_callback_network_filter_config_define_gauge,
            Kind::Histogram => envoy_dynamic_module_callback_network_filter_config_define_histogram,
        };
        let mut id = 0;
        // SAFETY: the configuration is that of the hook that runs; the name lives while it is read.
        done(unsafe { define(self.0, Buffer::of(name.as_bytes()), &raw mut id) })?;
        Ok(id)
    }

    /// Adds to a counter.
    pub(crate) fn increment(&self, id: usize, by: u64) -> Result<(), u32> {
        // SAFETY: the configuration is that of the hook that runs; Envoy looks the number up.
        done(unsafe { envoy_dynamic_module_callback_network_filter_config_increment_counter(self.0, id, by) })
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, id: usize, value: u64) -> Result<(), u32> {
        // SAFETY: as above.
        done(unsafe { envoy_dynamic_module_callback_network_filter_config_set_gauge(self.0, id, value) })
    }
}

/// Which of a connection's addresses.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Remote,
    DirectRemote,
    Local,
}

impl Stream<'_> {
    /// An address with its port: `1.2.3.4:80`, `[::1]:80`.
    pub(crate) fn address(&self, side: Side) -> Option<Vec<u8>> {
        let ask = match side {
            Side::Remote => envoy_dynamic_module_callback_network_filter_get_remote_address,
            Side::DirectRemote => envoy_dynamic_module_callback_network_filter_get_direct_remote_address,
            Side::Local => envoy_dynamic_module_callback_network_filter_get_local_address,
        };
        let mut port = 0;
        // SAFETY: the connection is that of the hook that runs; Envoy writes a buffer and a number.
        let ip = text(|found| unsafe { ask(self.0, found, &raw mut port) })?;
        let v6 = ip.contains(&b':') && !ip.starts_with(b"[");
        let (open, close) = if v6 { ("[", "]") } else { ("", "") };
        let port = format!("{close}:{port}");
        Some([open.as_bytes(), &ip, port.as_bytes()].concat())
    }

    /// The server name of the TLS handshake.
    pub(crate) fn server_name(&self) -> Option<Vec<u8>> {
        // SAFETY: the connection is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_network_filter_get_requested_server_name(self.0, found)
        })
    }

    /// Whether TLS was terminated here.
    pub(crate) fn is_tls(&self) -> bool {
        // SAFETY: the connection is that of the hook that runs.
        unsafe { envoy_dynamic_module_callback_network_filter_is_ssl(self.0) }
    }

    /// URI SANs of the peer's certificate.
    pub(crate) fn uri_sans(&self) -> Option<Vec<Vec<u8>>> {
        // SAFETY: the connection is that of the hook that runs; there is room for as many as there are.
        unsafe {
            let count = envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(self.0);
            names(count, |found| envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(self.0, found))
        }
    }

    /// DNS SANs of the peer's certificate.
    pub(crate) fn dns_sans(&self) -> Option<Vec<Vec<u8>>> {
        // SAFETY: as above.
        unsafe {
            let count = envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans_size(self.0);
            names(count, |found| envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans(self.0, found))
        }
    }

    /// The subject of the peer's certificate.
    pub(crate) fn subject(&self) -> Option<Vec<u8>> {
        // SAFETY: the connection is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe { envoy_dynamic_module_callback_network_filter_get_ssl_subject(self.0, found) })
    }

    /// What Envoy knows as a text, since 1.40.
    pub(crate) fn text(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let ask = later()?;
        // SAFETY: the connection is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe { ask(self.0, attribute as u32, found) })
    }

    /// Notes a text about the connection, and all requests on it.
    pub(crate) fn note(&self, key: &str, value: &[u8]) -> bool {
        let (key, value) = (Buffer::of(key.as_bytes()), Buffer::of(value));
        // SAFETY: the connection is that of the hook that runs; both texts live while they are read.
        unsafe { envoy_dynamic_module_callback_network_set_filter_state_bytes(self.0, key, value) }
    }

    /// What has been noted about the connection.
    pub(crate) fn noted(&self, key: &str) -> Option<Vec<u8>> {
        let key = Buffer::of(key.as_bytes());
        // SAFETY: the connection is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_network_get_filter_state_typed(self.0, key, found)
        })
    }

    /// A text in dynamic metadata.
    pub(crate) fn metadata(&self, namespace: &str, key: &str) -> Option<Vec<u8>> {
        let (namespace, key) = (Buffer::of(namespace.as_bytes()), Buffer::of(key.as_bytes()));
        // SAFETY: the connection is that of the hook that runs, both names live; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_network_get_dynamic_metadata_string(self.0, namespace, key, found)
        })
    }

    /// Adds to a counter.
    pub(crate) fn increment(&self, id: usize, by: u64) -> Result<(), u32> {
        // SAFETY: the connection is that of the hook that runs; Envoy looks the number up.
        done(unsafe { envoy_dynamic_module_callback_network_filter_increment_counter(self.0, id, by) })
    }

    /// Puts a value into a histogram.
    pub(crate) fn record(&self, id: usize, value: u64) -> Result<(), u32> {
        // SAFETY: as above.
        done(unsafe {
            envoy_dynamic_module_callback_network_filter_record_histogram_value(self.0, id, value)
        })
    }

    /// Ends the connection. Envoy calls further hooks before this returns.
    pub(crate) fn close(&self) {
        // SAFETY: the connection is that of the hook that runs.
        unsafe { envoy_dynamic_module_callback_network_filter_close(self.0, NO_FLUSH) }
    }
}

/// Names of which there are so many. `None`: they cannot be told.
///
/// # Safety
///
/// The callback fills in as many buffers as `count` says, with texts that live until the hook ends.
unsafe fn names(count: usize, call: impl FnOnce(*mut Buffer) -> bool) -> Option<Vec<Vec<u8>>> {
    if count == 0 {
        return Some(Vec::new());
    }
    if count > MOST_LINES {
        return None;
    }
    let mut found = vec![Buffer::NONE; count];
    if !call(found.as_mut_ptr()) {
        return None;
    }
    // SAFETY: the caller vouches for it.
    Some(found.iter().map(|name| unsafe { name.bytes() }.to_vec()).collect())
}

/// A configuration has come. Null refuses it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_config_new(
    config: *mut c_void,
    name: Buffer,
    text: Buffer,
) -> Ours {
    // SAFETY: both texts live until the hook ends.
    let (name, text) = unsafe { (name.bytes(), text.bytes()) };
    let made = connection::configure(&Config(config, PhantomData), name, text);
    made.map_or(null(), |made| Arc::into_raw(made).cast())
}

/// No connection has it any more.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_config_destroy(ours: Ours) {
    if !ours.is_null() {
        // SAFETY: `config_new` made it, and Envoy gives it back once.
        crate::filter::forget(unsafe { Arc::from_raw(ours.cast::<Configuration>()) });
    }
}

/// A connection begins. Null would end it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_new(ours: Ours, _stream: *mut c_void) -> Ours {
    // SAFETY: Envoy names a configuration that it holds; it is only ever borrowed shared.
    let made = connection::begin(unsafe { ours.cast::<Configuration>().as_ref() });
    Box::into_raw(Box::new(made)).cast_const().cast()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_destroy(ours: Ours) {
    if !ours.is_null() {
        // SAFETY: `filter_new` made it, and Envoy gives it back once, on the same thread.
        connection::end(unsafe { Box::from_raw(ours.cast_mut().cast::<Connection>()) });
    }
}

/// Lends what `filter_new` made.
///
/// # Safety
///
/// `ours` is null, or such a pointer that `filter_destroy` has not got yet. It is used by the thread that made it.
unsafe fn filter<'a>(ours: Ours) -> Option<&'a Connection> {
    // SAFETY: the caller vouches for it. It is only ever borrowed shared.
    unsafe { ours.cast::<Connection>().as_ref() }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_new_connection(
    _stream: *mut c_void,
    _ours: Ours,
) -> u32 {
    CONTINUE
}

/// The first bytes have come, or more.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_read(
    stream: *mut c_void,
    ours: Ours,
    _length: usize,
    _end: bool,
) -> u32 {
    // SAFETY: Envoy names a filter that it holds.
    let goes_on = unsafe { filter(ours) }.is_none_or(|filter| filter.read(&Stream(stream, PhantomData)));
    if goes_on { CONTINUE } else { STOP }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_event(stream: *mut c_void, ours: Ours, event: u32) {
    if matches!(event, REMOTE_CLOSE | LOCAL_CLOSE) {
        // SAFETY: as above.
        if let Some(filter) = unsafe { filter(ours) } {
            filter.closed(&Stream(stream, PhantomData), event == LOCAL_CLOSE);
        }
    }
}
