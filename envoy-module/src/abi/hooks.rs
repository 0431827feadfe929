//! The hooks of the HTTP filter.

use super::{
    Buffer, Envoys, Line, MOST_LINES, Ours,
    http::{Config, Stream},
    joined,
};
use crate::{configuration::Configuration, filter, filter::Filter};
use core::{ffi::c_void, ptr::null, slice};
use gnomon_shadow::key_sets::LONGEST;
use std::sync::Arc;

/// What goes on as if the filter were not there; for bodies, trailers and the responses of others as well.
const CONTINUE: u32 = 0;
/// No further filter sees the request.
const STOP: u32 = 1;

/// A configuration has come. Null refuses it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: *mut c_void,
    name: Buffer,
    text: Buffer,
) -> *const c_void {
    // SAFETY: both texts live until the hook ends.
    let (name, text) = unsafe { (name.bytes(), text.bytes()) };
    let made = filter::configure(&Config::new(config), name, text);
    made.map_or(null(), |made| Arc::into_raw(made).cast())
}

/// No stream has it any more.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(ours: *const c_void) {
    if !ours.is_null() {
        // SAFETY: `config_new` made it, and Envoy gives it back once.
        filter::forget(unsafe { Arc::from_raw(ours.cast::<Configuration>()) });
    }
}

/// Lends what `config_new` made.
///
/// # Safety
///
/// `ours` is null, or such a pointer that `config_destroy` has not got yet and will not get before the hook ends.
unsafe fn configuration<'a>(ours: *const c_void) -> Option<&'a Configuration> {
    // SAFETY: the caller vouches for it. Configurations are only ever borrowed shared.
    unsafe { ours.cast::<Configuration>().as_ref() }
}

/// Lends what `filter_new` made.
///
/// # Safety
///
/// As for a configuration, with `filter_destroy`. A filter is used by the thread that made it.
unsafe fn filter<'a>(ours: *const c_void) -> Option<&'a Filter> {
    // SAFETY: the caller vouches for it. Filters are only ever borrowed shared.
    unsafe { ours.cast::<Filter>().as_ref() }
}

/// A request begins. Null would end it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_new(
    ours: *const c_void,
    _stream: *mut c_void,
) -> *const c_void {
    // SAFETY: Envoy names a configuration that it holds.
    let made = filter::begin(unsafe { configuration(ours) });
    Box::into_raw(Box::new(made)).cast_const().cast()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_destroy(ours: *const c_void) {
    if !ours.is_null() {
        // SAFETY: `filter_new` made it, and Envoy gives it back once, on the same thread.
        filter::end(unsafe { Box::from_raw(ours.cast_mut().cast::<Filter>()) });
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    stream: *mut c_void,
    ours: *const c_void,
    _end: bool,
) -> u32 {
    // SAFETY: Envoy names a filter that it holds.
    let goes_on = unsafe { filter(ours) }.is_none_or(|filter| filter.request_headers(&Stream::new(stream)));
    if goes_on { CONTINUE } else { STOP }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    stream: *mut c_void,
    ours: *const c_void,
    _end: bool,
) -> u32 {
    // SAFETY: as above.
    if let Some(filter) = unsafe { filter(ours) } {
        filter.response_headers(&Stream::new(stream));
    }
    CONTINUE
}

/// The stream is over and its access logs are not written yet.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(stream: *mut c_void, ours: *const c_void) {
    // SAFETY: as above.
    if let Some(filter) = unsafe { filter(ours) } {
        filter.complete(&Stream::new(stream));
    }
}

/// Some time has passed: our own thread asked for it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    config: *mut c_void,
    ours: *const c_void,
    _event: u64,
) {
    // SAFETY: Envoy names a configuration that it holds.
    if let Some(configuration) = unsafe { configuration(ours) } {
        filter::tick(&Config::new(config), configuration);
    }
}

/// An answer to a request for a key set, or none.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
    config: *mut c_void,
    ours: *const c_void,
    call: u64,
    result: u32,
    lines: *const Line,
    count: usize,
    pieces: *const Buffer,
    pieces_count: usize,
) {
    // SAFETY: Envoy names a configuration that it holds; lines and pieces live until the hook ends.
    unsafe {
        let Some(configuration) = configuration(ours) else { return };
        let is_200 = result == 0 && !lines.is_null() && count <= MOST_LINES && {
            let mut lines = slice::from_raw_parts(lines, count).iter();
            lines.any(|line| line.name.bytes() == b":status" && line.value.bytes() == b"200")
        };
        let body = if is_200 { joined(pieces, pieces_count, LONGEST) } else { None };
        filter::answered(&Config::new(config), configuration, call, body.as_deref());
    }
}

/// Hooks that Envoy wants and that have nothing to do here: their arguments, and what lets the stream go on.
macro_rules! nothing {
    ($($name:ident($($argument:ty),*) $(-> $answer:ty = $value:expr)?;)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $argument),*) $(-> $answer)? { $($value)? }
    )*};
}

nothing! {
    envoy_dynamic_module_on_http_filter_per_route_config_new(Buffer, Buffer) -> Ours = null();
    envoy_dynamic_module_on_http_filter_per_route_config_destroy(Ours);
    envoy_dynamic_module_on_http_filter_request_body(Envoys, Ours, bool) -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_request_trailers(Envoys, Ours) -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_response_body(Envoys, Ours, bool) -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_response_trailers(Envoys, Ours) -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_http_callout_done(
        Envoys, Ours, u64, u32, *const Line, usize, *const Buffer, usize
    );
    envoy_dynamic_module_on_http_filter_http_stream_headers(Envoys, Ours, u64, *const Line, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(Envoys, Ours, u64, *const Buffer, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(Envoys, Ours, u64, *const Line, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(Envoys, Ours, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Envoys, Ours, u64, u32);
    envoy_dynamic_module_on_http_filter_scheduled(Envoys, Ours, u64);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(Envoys, Ours);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(Envoys, Ours);
    envoy_dynamic_module_on_http_filter_local_reply(Envoys, Ours, u32, Buffer, bool) -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_config_http_stream_headers(Envoys, Ours, u64, *const Line, usize, bool);
    envoy_dynamic_module_on_http_filter_config_http_stream_data(Envoys, Ours, u64, *const Buffer, usize, bool);
    envoy_dynamic_module_on_http_filter_config_http_stream_trailers(Envoys, Ours, u64, *const Line, usize);
    envoy_dynamic_module_on_http_filter_config_http_stream_complete(Envoys, Ours, u64);
    envoy_dynamic_module_on_http_filter_config_http_stream_reset(Envoys, Ours, u64, u32);
    envoy_dynamic_module_on_network_filter_write(Envoys, Ours, usize, bool) -> u32 = CONTINUE;
    envoy_dynamic_module_on_network_filter_http_callout_done(
        Envoys, Ours, u64, u32, *const Line, usize, *const Buffer, usize
    );
    envoy_dynamic_module_on_network_filter_scheduled(Envoys, Ours, u64);
    envoy_dynamic_module_on_network_filter_config_scheduled(Ours, u64);
    envoy_dynamic_module_on_network_filter_above_write_buffer_high_watermark(Envoys, Ours);
    envoy_dynamic_module_on_network_filter_below_write_buffer_low_watermark(Envoys, Ours);
}
