//! Envoy as the filter's [`Host`].
//!
//! The life cycle, the contexts and the types are the SDK's ([`crate::entry`]). Most of its `hostcalls` are not called
//! here: they panic on a status that they have no arm for, and a panic ends the instance. What each has arms for
//! besides *ok*, in 0.2.5:
//!
//! | host call | arms | what else comes |
//! |---|---|---|
//! | `log`, `get_current_time`, `define_metric` | none | a refusal of any kind; nothing may hang on a log line, a clock or a counter |
//! | `get_buffer` | not found | a configuration that a proxy will not hand over is a refused configuration, not a trap |
//! | `get_map_bytes` | none | bad argument where the stream has no such map; it also unwraps names that are not UTF-8 and indexes by lengths that it does not check |
//! | `set_map_value`, `add_map_value`, `remove_map_value`, `send_http_response` | none | bad argument once the response headers are on their way |
//! | `get_property` | not found, serialization, internal | bad argument, unimplemented (an older proxy or another one) |
//! | `set_property` | none | not found where there is no stream any more, bad argument for a read-only key |
//! | `call_foreign_function` | not found, bad argument, serialization, internal | whatever status that function returns, which is its own choice |
//! | `record_metric`, `increment_metric` | not found (bad argument) | bad argument, internal |
//!
//! Besides, they take the status as a Rust enum without the ABI's 5, 6, 9, 11 and 12, so that reading one of those is
//! undefined behaviour. So the same imports are declared here once more, with the status as the number that it is.

use crate::host::{Host, Level, Map, MetricKind, Refused};
use core::{ptr::null_mut, time::Duration};
use proxy_wasm::{
    hostcalls,
    types::{BufferType, StreamType},
};
use std::vec::Vec;

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
        // SAFETY: the proxy has obtained `data` from the SDK's `proxy_on_memory_allocate(size)`, which makes a boxed slice of
        // exactly this size and forgets it, has filled it, and hands it over.
        Some(unsafe { Vec::from_raw_parts(data, size, size) })
    };
    done(status)?;
    Ok(bytes)
}

impl Host for Envoy {
    fn log(&self, level: Level, line: &str) {
        // SAFETY: the pointer and the length are those of a live string. A line that cannot be logged is lost.
        let _status = unsafe { raw::proxy_log(level as u32, line.as_ptr(), line.len()) };
    }

    fn now(&self) -> Result<u64, Refused> {
        let mut time: u64 = 0;
        // SAFETY: the proxy writes one u64.
        done(unsafe { raw::proxy_get_current_time_nanoseconds(&raw mut time) })?;
        Ok(time)
    }

    fn configuration(&self) -> Result<Vec<u8>, Refused> {
        // SAFETY: the proxy writes one pointer and one length.
        let call = |data, size| unsafe {
            raw::proxy_get_buffer_bytes(
                BufferType::PluginConfiguration as u32,
                0,
                MAX_CONFIGURATION,
                data,
                size,
            )
        };
        match received(call) {
            Err(Refused::NOT_FOUND) => Ok(Vec::new()),
            other => other.map(Option::unwrap_or_default),
        }
    }

    fn headers(&self, map: Map) -> Result<Vec<u8>, Refused> {
        // SAFETY: the proxy writes one pointer and one length.
        received(|data, size| unsafe { raw::proxy_get_header_map_pairs(map as u32, data, size) })
            .map(Option::unwrap_or_default)
    }

    fn set_header(&self, map: Map, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let (name, size) = (name.as_ptr(), name.len());
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe {
            raw::proxy_replace_header_map_value(map as u32, name, size, value.as_ptr(), value.len())
        })
    }

    fn add_header(&self, map: Map, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let (name, size) = (name.as_ptr(), name.len());
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe { raw::proxy_add_header_map_value(map as u32, name, size, value.as_ptr(), value.len()) })
    }

    fn remove_header(&self, map: Map, name: &[u8]) -> Result<(), Refused> {
        // SAFETY: pointer and length are those of a live slice.
        done(unsafe { raw::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
    }

    fn reply(&self, status: u16, details: &str, body: &str, headers: &[u8]) -> Result<(), Refused> {
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe {
            raw::proxy_send_local_response(
                status.into(),
                details.as_ptr(),
                details.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                // The proxy makes one of the status.
                -1,
            )
        })
    }

    fn close(&self, connection: bool) -> Result<(), Refused> {
        // SAFETY: a plain number.
        done(unsafe {
            raw::proxy_close_stream({
                let stream = if connection { StreamType::Downstream } else { StreamType::HttpRequest };
                stream as u32
            })
        })
    }

    fn dispatch(&self, cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> Result<u32, Refused> {
        // The SDK's own, since its dispatcher has to know of the call. Envoy refuses with the two statuses that it has
        // arms for: a cluster or a header that is wrong, and a call that cannot be sent.
        hostcalls::dispatch_http_call(cluster, headers.to_vec(), None, Vec::new(), timeout)
            .map_err(|status| Refused(status as u32))
    }

    fn call_body(&self, most: usize) -> Result<Vec<u8>, Refused> {
        // SAFETY: the proxy writes one pointer and one length.
        received(|data, size| unsafe {
            raw::proxy_get_buffer_bytes(BufferType::HttpCallResponseBody as u32, 0, most, data, size)
        })
        .map(Option::unwrap_or_default)
    }

    fn tick_every(&self, milliseconds: u32) -> Result<(), Refused> {
        // SAFETY: a plain number.
        done(unsafe { raw::proxy_set_tick_period_milliseconds(milliseconds) })
    }

    fn property(&self, path: &str) -> Result<Option<Vec<u8>>, Refused> {
        // SAFETY: the path is a live string; the proxy writes one pointer and one length.
        let call = |data, size| unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), data, size) };
        match received(call) {
            Err(Refused::NOT_FOUND) => Ok(None),
            other => other,
        }
    }

    fn set_filter_state(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        // SAFETY: pointers and lengths are those of live slices.
        done(unsafe { raw::proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
    }

    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Refused> {
        // SAFETY: name and argument are live; the proxy writes one pointer and one length.
        received(|data, size| unsafe {
            raw::proxy_call_foreign_function(
                name.as_ptr(),
                name.len(),
                argument.as_ptr(),
                argument.len(),
                data,
                size,
            )
        })
        .map(Option::unwrap_or_default)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Refused> {
        let mut id: u32 = 0;
        // SAFETY: the name is a live string; the proxy writes one u32.
        done(unsafe { raw::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
        Ok(id)
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
