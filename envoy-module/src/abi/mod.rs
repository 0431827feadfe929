//! Envoy's dynamic-module ABI, declared by hand from its C header (`source/extensions/dynamic_modules/abi/abi.h`), and a
//! safe interface above it. Nothing else in this crate is unsafe.
//!
//! Whatever is declared here stands in v0.1.0 of the ABI, as its header was at last, as in v0.2.0 (Envoy 1.40), since Envoy loads no
//! module that names a function which it has not got. A later one is looked up by name when it is first wanted
//! ([`later`]).
//!
//! # Why this is sound
//!
//! - A pointer to something of Envoy's comes with a hook and is good until that hook returns. The types that carry one
//!   ([`http::Stream`] and its like) are made here, lent to the work of that hook, and cannot be kept: they borrow.
//! - Texts of Envoy's live until the hook ends or the proxy is told to change something. What is read is copied at once,
//!   but for header lines; while those are being looked at, every change is refused.
//! - A pointer of ours is a `Box` or an `Arc` that a hook gave to Envoy, which gives it back to later hooks and to
//!   `destroy` once. Null is passed over. While a hook changes something, Envoy may call another one on the same thread:
//!   so what it points to is only borrowed shared, and holds cells.
//! - No panic leaves a hook ([`crate::guard`]).

pub(crate) mod access;
pub(crate) mod heap;
mod hooks;
pub(crate) mod http;
mod metadata;
pub(crate) mod network;

use core::{ffi::c_void, ptr::null, slice};
use std::sync::OnceLock;

/// The version that Envoy compares with its own.
const VERSION: &core::ffi::CStr = c"v0.2.0";

/// What an Envoy that is too old lacks.
const NEWEST: [&core::ffi::CStr; 2] = [
    c"envoy_dynamic_module_callback_http_filter_config_increment_counter",
    c"envoy_dynamic_module_callback_http_get_metadata_list_string",
];

/// More lines than this a request may not have. Envoy's own limit is 100 where nobody has raised it.
const MOST_LINES: usize = 10_000;
/// More pieces than this an answer may not come in.
const MOST_PIECES: usize = 100_000;

/// A text: Envoy's, or ours while a callback reads it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Buffer {
    at: *const u8,
    length: usize,
}

impl Buffer {
    const NONE: Buffer = Buffer { at: null(), length: 0 };

    pub(crate) fn of(text: &[u8]) -> Buffer {
        Buffer { at: text.as_ptr(), length: text.len() }
    }

    /// # Safety
    ///
    /// So many bytes can be read there for as long as `'a`, or it is null.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.at.is_null() || self.length > isize::MAX.unsigned_abs() {
            return &[];
        }
        // SAFETY: not null, not longer than any object may be, and the caller vouches for the rest.
        unsafe { slice::from_raw_parts(self.at, self.length) }
    }
}

/// A header line, in the same two roles.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) name: Buffer,
    pub(crate) value: Buffer,
}

impl Line {
    const NONE: Line = Line { name: Buffer::NONE, value: Buffer::NONE };

    fn of(name: &[u8], value: &[u8]) -> Line {
        Line { name: Buffer::of(name), value: Buffer::of(value) }
    }
}

unsafe extern "C" {
    fn envoy_dynamic_module_callback_log(level: u32, text: Buffer);
    safe fn envoy_dynamic_module_callback_get_concurrency() -> u32;
    fn dlsym(handle: *mut c_void, name: *const core::ffi::c_char) -> *mut c_void;
}

/// The first thing that is called. Envoy compares the version with its own and logs a mismatch; null unloads the module.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const core::ffi::c_char {
    // The last of what is declared here to have come to Envoy. Where it binds lazily, a missing one would end the process
    // with the first request.
    for name in NEWEST {
        // SAFETY: a text with its NUL; the answer is only looked at.
        if unsafe { dlsym(LOADED, name.as_ptr()) }.is_null() {
            let name = name.to_string_lossy();
            log(
                Level::Critical,
                &format!(
                    "gnomon: this module is for the dynamic-module ABI {} and needs a newer Envoy; this proxy has \
                     no {name}",
                    VERSION.to_string_lossy()
                ),
            );
            return null();
        }
    }
    VERSION.as_ptr()
}

/// What a hook gave to Envoy, and what is Envoy's.
type Ours = *const c_void;
type Envoys = *mut c_void;

/// Levels of Envoy's log, as the ABI numbers them.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// Writes to Envoy's log, under `dynamic_modules`.
pub(crate) fn log(level: Level, line: &str) {
    // SAFETY: the text lives while it is read.
    unsafe { envoy_dynamic_module_callback_log(level as u32, Buffer::of(line.as_bytes())) }
}

/// How many worker threads Envoy has. Only on its main thread.
pub(crate) fn workers() -> u32 {
    envoy_dynamic_module_callback_get_concurrency()
}

/// `dlsym` looks through what is loaded already: on Linux and macOS the handle of that is 0 and -2.
#[cfg(target_os = "macos")]
const LOADED: *mut c_void = core::ptr::without_provenance_mut(usize::MAX - 1);
#[cfg(not(target_os = "macos"))]
const LOADED: *mut c_void = core::ptr::null_mut();

/// Shows an attribute.
type AttributeCall = unsafe extern "C" fn(*mut c_void, u32, *mut Buffer) -> bool;

/// `envoy_dynamic_module_callback_network_filter_get_attribute_string`, since 1.40 (envoyproxy/envoy#46024): the filter, the
/// attribute's number and a buffer, as for a request; both hand the latter two on to `ContextAccessor::getAttributeString`,
/// and so does the machine code of the released 1.40.0.
fn later() -> Option<AttributeCall> {
    static FOUND: OnceLock<Option<AttributeCall>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        const NAME: &core::ffi::CStr = c"envoy_dynamic_module_callback_network_filter_get_attribute_string";
        // SAFETY: a text with its NUL; the answer is only looked at.
        let found = unsafe { dlsym(LOADED, NAME.as_ptr()) };
        // SAFETY: what is under that name is that function. Null is no function, and becomes none.
        unsafe { core::mem::transmute::<*mut c_void, Option<AttributeCall>>(found) }
    })
}

/// What Envoy knows about a stream or a connection, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    ResponseCode = 15,
    ResponseCodeDetails = 16,
    SourceAddress = 24,
    DestinationAddress = 26,
    ConnectionMtls = 29,
    ServerName = 30,
    PeerSubject = 33,
    PeerDnsSan = 35,
    PeerUriSan = 37,
    PeerDigest = 38,
    TerminationDetails = 40,
    UpstreamAddress = 41,
    ListenerDirection = 59,
}

/// Puts together an answer's pieces.
///
/// # Safety
///
/// `pieces` is null, or so many buffers can be read there, and each of them.
unsafe fn joined(pieces: *const Buffer, count: usize, most: usize) -> Option<Vec<u8>> {
    if pieces.is_null() || count > MOST_PIECES {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    let pieces = unsafe { slice::from_raw_parts(pieces, count) };
    let mut whole = Vec::new();
    for piece in pieces {
        // SAFETY: as above.
        let piece = unsafe { piece.bytes() };
        if whole.len() + piece.len() > most {
            return None;
        }
        whole.extend_from_slice(piece);
    }
    Some(whole)
}
