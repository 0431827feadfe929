//! The proxy-wasm ABI, version 0.2.1: the functions that the proxy gives, those that it calls.
//!
//! Only callbacks with something to do are exported. The proxy skips one that is not there, which is cheaper than
//! entering the module to return at once; in particular bodies and trailers never come here.
//!
//! A context id tells nothing about its kind: the same module serves as an HTTP filter and as a network filter,
//! and which callback comes first shows which.
//!
//! # Why not the SDK
//!
//! `proxy_wasm::hostcalls` (0.2.5) panics on every status that it has no arm for, and a panic ends the instance:
//!
//! | host call | arms besides *ok* | what else comes |
//! |---|---|---|
//! | `log`, `get_current_time`, `define_metric` | none | a refusal of any kind; nothing may hang on a log line, a clock or a counter |
//! | `get_buffer` | not found | a configuration that a proxy will not hand over is a refused configuration, not a trap |
//! | `get_map_bytes` | none | bad argument where the stream has no such map; it also unwraps names that are not UTF-8 and indexes by lengths that it does not check |
//! | `set_map_value` | none | bad argument once the response headers are on their way |
//! | `get_property` | not found, serialization, internal | bad argument, unimplemented (an older proxy or another one) |
//! | `set_property` | none | not found where there is no stream any more, bad argument for a read-only key |
//! | `call_foreign_function` | not found, bad argument, serialization, internal | whatever status that function returns, which is its own choice |
//! | `record_metric`, `increment_metric` | not found (bad argument) | bad argument, internal |
//!
//! Besides, they take the status as a Rust enum without the ABI's 5, 6, 9, 11 and 12, so that reading one of those is
//! undefined behaviour; and the SDK's dispatcher panics on a stream that it does not know, or knows as one of the other
//! kind. So the module speaks the ABI itself: every status is a number, every call may fail, every number of a stream is
//! looked up. Without the SDK it needs no standard library either, which with it is a sixth of the module.

use alloc::vec::Vec;

use crate::{
    contexts::Contexts,
    filter::{Next, Stream},
    host::{Host, Level, Map, MetricKind, Refused},
};
use core::{cell::RefCell, mem::ManuallyDrop, ptr::null_mut};

/// More than this the proxy may not hand over in one piece. Envoy's own limits are far below.
const MAX_ALLOCATION: usize = 64 << 20;

const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_RESPONSE_BODY: u32 = 4;
/// Streams that can be closed: a request, the downstream connection.
const REQUEST: u32 = 0;
const DOWNSTREAM: u32 = 2;
/// What callbacks return.
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Whatever panics ends the instance, as a trap does. The proxy's log then says where in the module; the texts that
/// the standard library would print are a tenth of the module's size.
#[cfg(not(feature = "software-crypto"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    Envoy.log(Level::Error, "gnomon: a bug ends this instance of the filter");
    core::arch::wasm32::unreachable()
}

/// All of the module's state.
struct State(RefCell<Contexts>);

// SAFETY: a proxy-wasm module has one thread.
unsafe impl Sync for State {}

static STATE: State = State(RefCell::new(Contexts::new()));

/// Runs `work` unless a call of the proxy's came while another was at work, which leaves nothing sensible to do.
fn with<T>(fallback: T, work: impl FnOnce(&mut Contexts) -> T) -> T {
    match STATE.0.try_borrow_mut() {
        Ok(mut contexts) => work(&mut contexts),
        Err(_) => fallback,
    }
}

/// Runs `work` on a stream, if there is one of that number.
fn stream(context: u32, work: impl FnOnce(&mut Stream)) {
    with((), |contexts| contexts.stream(context).map_or((), work));
}

/// Runs a step of a stream that says whether the stream goes on.
fn action(context: u32, step: fn(&mut Stream, &dyn Host) -> Next) -> u32 {
    let next = with(Next::Continue, |contexts| {
        contexts.stream(context).map_or(Next::Continue, |stream| step(stream, &Envoy))
    });
    if next == Next::Pause { PAUSE } else { CONTINUE }
}

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
        pub(super) fn proxy_http_call(
            cluster: *const u8,
            cluster_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout: u32,
            call: *mut u32,
        ) -> u32;
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

    // The C library of the target brings `memcmp`, which the compiler calls by itself.
    #[link(name = "c")]
    unsafe extern "C" {
        pub(super) fn __wasm_call_ctors();
    }
}

/// The proxy that runs this module.
struct Envoy;

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
        // SAFETY: the proxy has obtained `data` from `proxy_on_memory_allocate(size)`, which makes a vector of
        // exactly this capacity and forgets it, has filled it, and hands it over.
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
            raw::proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, MAX_ALLOCATION, data, size)
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
        done(unsafe { raw::proxy_close_stream(if connection { DOWNSTREAM } else { REQUEST }) })
    }

    fn dispatch(&self, cluster: &str, headers: &[u8], timeout: u32) -> Result<u32, Refused> {
        let (mut call, nothing) = (0, 0_u32.to_le_bytes());
        // SAFETY: pointers and lengths are those of live slices; the proxy writes one u32.
        done(unsafe {
            raw::proxy_http_call(
                cluster.as_ptr(),
                cluster.len(),
                headers.as_ptr(),
                headers.len(),
                nothing.as_ptr(),
                0,
                // No trailers: a map without pairs.
                nothing.as_ptr(),
                nothing.len(),
                timeout,
                &raw mut call,
            )
        })?;
        Ok(call)
    }

    fn call_body(&self, most: usize) -> Result<Vec<u8>, Refused> {
        // SAFETY: the proxy writes one pointer and one length.
        received(|data, size| unsafe { raw::proxy_get_buffer_bytes(CALL_RESPONSE_BODY, 0, most, data, size) })
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

// What the proxy calls. The names are the ABI's; nothing else in the program has them, so that exporting them
// unmangled is sound.

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the proxy calls this once, before anything else; it runs the module's static constructors.
    unsafe { raw::__wasm_call_ctors() }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what the proxy hands over; null where it may not be had, which the proxy reports as a failed call.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut bytes: Vec<u8> = Vec::new();
    if size == 0 || size > MAX_ALLOCATION || bytes.try_reserve_exact(size).is_err() {
        return null_mut();
    }
    // Its owner is whoever `received` hands it to.
    let mut bytes = ManuallyDrop::new(bytes);
    bytes.as_mut_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    with((), |contexts| contexts.create(context, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _size: usize) -> u32 {
    u32::from(with(false, |contexts| contexts.configure(&Envoy, root)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: u32, _end: u32) -> u32 {
    action(context, Stream::request_headers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: u32, _end: u32) -> u32 {
    stream(context, |stream| stream.response_headers(&Envoy));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_data(context: u32, _size: usize, _end: u32) -> u32 {
    action(context, Stream::downstream_data)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_connection_close(context: u32, _side: u32) {
    stream(context, |stream| stream.connection_closed(&Envoy));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    stream(context, |stream| stream.log(&Envoy));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(_context: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with((), |contexts| contexts.delete(context));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with((), |contexts| contexts.tick(&Envoy, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    call: u32,
    lines: usize,
    bytes: usize,
    _trailers: usize,
) {
    with((), |contexts| contexts.answered(&Envoy, root, call, (lines, bytes)));
}
