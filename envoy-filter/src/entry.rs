//! What the proxy calls: the functions that the module exports.
//!
//! Proxy-Wasm ABI 0.2.1, as far as the filter needs it; callbacks that are not here cost nothing, since the proxy does not
//! enter the module for them. Not by the SDK: its dispatcher has tables and traits for everything that there is, 35 kB of
//! them, panics for a context that it does not know, and wants to be told whether a stream is a request or a connection
//! when it is created, which the proxy does not say then. Here the callback that comes shows what it is.

use crate::{
    contexts::Contexts,
    envoy::{self, Envoy},
};
use core::{alloc::Layout, cell::RefCell, ptr};
use gnomon_shadow::{
    host::Host,
    stream::{Next, Stream},
};

thread_local! {
    /// All of the module's state.
    static STATE: RefCell<Contexts> = const { RefCell::new(Contexts::new()) };
}

/// The peer that closed a connection: ours.
const LOCAL: u32 = 1;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Says which ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Comes first.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the linker's own, to be called once, before everything else.
    unsafe { __wasm_call_ctors() }
}

/// Memory for what the proxy hands over; [`Envoy`] takes it as a vector of this size. Null where there is none: then the
/// proxy's call fails.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the size is not 0.
        Ok(layout) if size > 0 => unsafe { alloc::alloc::alloc(layout) },
        _ => ptr::null_mut(),
    }
}

/// Runs `work` unless a call of the proxy's came while another was at work, which leaves nothing sensible to do.
fn with<T>(fallback: T, work: impl FnOnce(&mut Contexts) -> T) -> T {
    STATE.with(|state| match state.try_borrow_mut() {
        Ok(mut contexts) => work(&mut contexts),
        Err(_) => fallback,
    })
}

/// Runs a step of a stream, if there is one of that number: 0, it goes on; 1, it does not.
fn stream(context: u32, step: impl FnOnce(&mut Stream, &dyn Host) -> Next) -> u32 {
    let next = with(Next::Continue, |contexts| {
        contexts.stream(context).map_or(Next::Continue, |stream| step(stream, &Envoy))
    });
    u32::from(next == Next::Pause)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    with((), |contexts| contexts.create(context, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with((), |contexts| contexts.delete(context));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    u32::from(with(false, |contexts| contexts.configure(&Envoy, root, size)))
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
    let body = envoy::answer(lines, bytes);
    with((), |contexts| contexts.answered(&Envoy, root, call, body.as_deref()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _lines: usize, _end: u32) -> u32 {
    stream(context, Stream::request_headers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _lines: usize, _end: u32) -> u32 {
    stream(context, |stream, host| {
        stream.response_headers(host);
        Next::Continue
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    stream(context, |stream, host| {
        stream.log(host);
        Next::Continue
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_data(context: u32, _size: usize, _end: u32) -> u32 {
    stream(context, Stream::downstream_data)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_connection_close(context: u32, side: u32) {
    stream(context, |stream, host| {
        stream.connection_closed(host, side == LOCAL);
        Next::Continue
    });
}
