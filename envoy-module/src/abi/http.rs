//! The HTTP filter: what its hooks may ask for.

use super::{Attribute, Buffer, Line, MOST_LINES};
use core::{cell::Cell, ffi::c_void, marker::PhantomData, mem::MaybeUninit, ptr::null, slice};
use gnomon_engine::request::Header;

/// Header maps.
const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;
/// As many lines as most requests have: for these no memory is asked for.
const FEW: usize = 32;
/// What a callback answers that has done what was wanted.
const SUCCESS: u32 = 0;

/// A configuration of Envoy's, on its main thread.
pub(crate) struct Config<'h>(*mut c_void, PhantomData<&'h ()>);

/// A request of Envoy's, on its worker.
pub(crate) struct Stream<'h> {
    pub(super) at: *mut c_void,
    /// Texts of Envoy's are being looked at: nothing may change them.
    reading: Cell<bool>,
    hook: PhantomData<&'h ()>,
}

unsafe extern "C" {
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: *mut c_void,
        name: Buffer,
        labels: *const Buffer,
        count: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        config: *mut c_void,
        name: Buffer,
        labels: *const Buffer,
        count: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_define_histogram(
        config: *mut c_void,
        name: Buffer,
        labels: *const Buffer,
        count: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        config: *mut c_void,
        id: usize,
        values: *const Buffer,
        count: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
        config: *mut c_void,
        id: usize,
        values: *const Buffer,
        count: usize,
        value: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_increment_counter(
        stream: *mut c_void,
        id: usize,
        values: *const Buffer,
        count: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_record_histogram_value(
        stream: *mut c_void,
        id: usize,
        values: *const Buffer,
        count: usize,
        value: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_http_callout(
        config: *mut c_void,
        id: *mut u64,
        cluster: Buffer,
        lines: *const Line,
        count: usize,
        body: Buffer,
        milliseconds: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(config: *mut c_void) -> *mut c_void;
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler: *mut c_void);
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(scheduler: *mut c_void, event: u64);
    fn envoy_dynamic_module_callback_http_get_headers_size(stream: *mut c_void, map: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(
        stream: *mut c_void,
        map: u32,
        lines: *mut Line,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_header(
        stream: *mut c_void,
        map: u32,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_add_header(
        stream: *mut c_void,
        map: u32,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_send_response(
        stream: *mut c_void,
        status: u32,
        lines: *const Line,
        count: usize,
        body: Buffer,
        details: Buffer,
    );
    fn envoy_dynamic_module_callback_http_filter_reset_stream(
        stream: *mut c_void,
        reason: u32,
        details: Buffer,
    );
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        stream: *mut c_void,
        attribute: u32,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
        stream: *mut c_void,
        attribute: u32,
        found: *mut u64,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_bool(
        stream: *mut c_void,
        attribute: u32,
        found: *mut bool,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        stream: *mut c_void,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        stream: *mut c_void,
        namespace: Buffer,
        key: Buffer,
        value: Buffer,
    );
    fn envoy_dynamic_module_callback_http_get_filter_state_typed(
        stream: *mut c_void,
        key: Buffer,
        found: *mut Buffer,
    ) -> bool;
}

/// Has a callback write a value, if it has one.
pub(super) fn written<T: Copy>(mut place: T, call: impl FnOnce(*mut T) -> bool) -> Option<T> {
    call(&raw mut place).then_some(place)
}

/// The same for a text, which is copied.
pub(super) fn text(call: impl FnOnce(*mut Buffer) -> bool) -> Option<Vec<u8>> {
    // SAFETY: where the callback says so, it has pointed the buffer at a text that lives at least until the hook ends.
    written(Buffer::NONE, call).map(|found| unsafe { found.bytes() }.to_vec())
}

/// A number from a callback that defines something.
fn defined(call: impl FnOnce(*mut usize) -> u32) -> Result<usize, u32> {
    let mut id = 0;
    match call(&raw mut id) {
        SUCCESS => Ok(id),
        refused => Err(refused),
    }
}

pub(super) fn done(status: u32) -> Result<(), u32> {
    if status == SUCCESS { Ok(()) } else { Err(status) }
}

/// Metrics of each kind have numbers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Config<'_> {
    pub(super) fn new(at: *mut c_void) -> Self {
        Config(at, PhantomData)
    }

    /// Defines a metric, or finds the one of that name.
    pub(crate) fn define(&self, kind: Kind, name: &str, labels: &[&str]) -> Result<usize, u32> {
        let define = match kind {
            Kind::Counter => envoy_dynamic_module_callback_http_filter_config_define_counter,
            Kind::Gauge => envoy_dynamic_module_callback_http_filter_config_define_gauge,
            Kind::Histogram => envoy_dynamic_module_callback_http_filter_config_define_histogram,
        };
        let labels: Vec<Buffer> = labels.iter().map(|label| Buffer::of(label.as_bytes())).collect();
        // SAFETY: the configuration is that of the hook that runs; all texts live while they are read.
        defined(|id| unsafe {
            define(self.0, Buffer::of(name.as_bytes()), labels.as_ptr(), labels.len(), id)
        })
    }

    /// Adds to a counter, for these values of its labels where it has some.
    pub(crate) fn increment(&self, id: usize, labels: &[String], by: u64) -> Result<(), u32> {
        let labels: Vec<Buffer> = labels.iter().map(|label| Buffer::of(label.as_bytes())).collect();
        // SAFETY: the configuration is that of the hook that runs; Envoy looks the number up, and all texts live while they
        // are read. It takes no labels where there are none.
        done(unsafe {
            envoy_dynamic_module_callback_http_filter_config_increment_counter(
                self.0,
                id,
                labels.as_ptr(),
                labels.len(),
                by,
            )
        })
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, id: usize, value: u64) -> Result<(), u32> {
        // SAFETY: as above.
        done(unsafe {
            envoy_dynamic_module_callback_http_filter_config_set_gauge(self.0, id, null(), 0, value)
        })
    }

    /// Sends a request without a body; the number of the call, whose answer comes as a hook.
    pub(crate) fn send(&self, cluster: &str, lines: &[(&str, &str)], milliseconds: u64) -> Result<u64, u32> {
        let lines: Vec<Line> =
            lines.iter().map(|(name, value)| Line::of(name.as_bytes(), value.as_bytes())).collect();
        let cluster = Buffer::of(cluster.as_bytes());
        let mut id = 0;
        // SAFETY: the configuration is that of the hook that runs; all texts live while they are read.
        done(unsafe {
            envoy_dynamic_module_callback_http_filter_config_http_callout(
                self.0,
                &raw mut id,
                cluster,
                lines.as_ptr(),
                lines.len(),
                Buffer::NONE,
                milliseconds,
            )
        })?;
        Ok(id)
    }

    /// What reaches this configuration from any thread.
    pub(crate) fn scheduler(&self) -> Option<Scheduler> {
        // SAFETY: the configuration is that of the hook that runs.
        let made = unsafe { envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.0) };
        (!made.is_null()).then_some(Scheduler(made))
    }
}

/// Has the main thread call [`filter::tick`] for a configuration.
#[derive(Debug)]
pub(crate) struct Scheduler(*mut c_void);

// SAFETY: Envoy lets any thread use it: "used to dispatch HTTP filter configuration operations to the main thread from any
// thread". It is deleted once, by its owner, while nobody else has it.
unsafe impl Send for Scheduler {}
// SAFETY: as above; to commit is all that can be done by reference.
unsafe impl Sync for Scheduler {}

impl Scheduler {
    /// The hook comes soon, or never where the configuration is gone.
    pub(crate) fn commit(&self) {
        // SAFETY: it is deleted with its owner only.
        unsafe { envoy_dynamic_module_callback_http_filter_config_scheduler_commit(self.0, 0) }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // SAFETY: it was made for us and is not used any more.
        unsafe { envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.0) }
    }
}

impl Stream<'_> {
    pub(super) fn new(at: *mut c_void) -> Self {
        Stream { at, reading: Cell::new(false), hook: PhantomData }
    }

    /// Shows the request's header lines; none where it has none any more.
    pub(crate) fn lines(&self, read: &mut dyn FnMut(&[Header<'_>])) -> bool {
        // SAFETY: the stream is that of the hook that runs.
        let count = unsafe { envoy_dynamic_module_callback_http_get_headers_size(self.at, REQUEST) };
        if count > MOST_LINES {
            return false;
        }
        // Not filled beforehand: most of it would never be looked at.
        let mut few = [const { MaybeUninit::<Line>::uninit() }; FEW];
        let mut many = Vec::new();
        let lines = few.get_mut(..count).unwrap_or_else(|| {
            many.resize(count, MaybeUninit::uninit());
            &mut many
        });
        if count > 0 {
            // SAFETY: there is room for as many lines as there are, and nothing has changed them since they were counted.
            let told = unsafe {
                envoy_dynamic_module_callback_http_get_headers(self.at, REQUEST, lines.as_mut_ptr().cast())
            };
            if !told {
                return false;
            }
        }
        let outer = self.reading.replace(true);
        let shown = |line: &MaybeUninit<Line>| {
            // SAFETY: Envoy has written as many as there are.
            let Line { name, value } = unsafe { line.assume_init() };
            // SAFETY: the texts live until the hook ends or a line is changed, which is refused meanwhile.
            unsafe { (name.bytes(), value.bytes()) }
        };
        let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; FEW];
        match headers.get_mut(..count) {
            Some(headers) => {
                for (header, line) in headers.iter_mut().zip(&*lines) {
                    header.write(shown(line));
                }
                // SAFETY: each of them has just been written.
                read(unsafe { slice::from_raw_parts(headers.as_ptr().cast(), headers.len()) });
            }
            None => read(&lines.iter().map(shown).collect::<Vec<_>>()),
        }
        self.reading.set(outer);
        true
    }

    /// Sets a line of the request's, adds one, or (without a value) removes all of the name.
    pub(crate) fn change(&self, name: &[u8], value: Option<&[u8]>, add: bool) -> bool {
        self.header(REQUEST, name, value, add)
    }

    /// Sets a line of the response's.
    pub(crate) fn set_response_header(&self, name: &[u8], value: &[u8]) -> bool {
        self.header(RESPONSE, name, Some(value), false)
    }

    fn header(&self, map: u32, name: &[u8], value: Option<&[u8]>, add: bool) -> bool {
        if self.reading.get() {
            return false;
        }
        let change = if add {
            envoy_dynamic_module_callback_http_add_header
        } else {
            envoy_dynamic_module_callback_http_set_header
        };
        // An empty slice's pointer is not null, which would remove the line.
        let value = value.map_or(Buffer::NONE, Buffer::of);
        // SAFETY: the stream is that of the hook that runs, nobody looks at its lines, and both texts live.
        unsafe { change(self.at, map, Buffer::of(name), value) }
    }

    /// Answers the request. Envoy calls further hooks of the stream before this returns.
    pub(crate) fn respond(&self, status: u16, lines: &[(&[u8], &[u8])], body: &str, details: &str) {
        if self.reading.get() {
            return;
        }
        let lines: Vec<Line> = lines.iter().map(|(name, value)| Line::of(name, value)).collect();
        let (body, details) = (Buffer::of(body.as_bytes()), Buffer::of(details.as_bytes()));
        let (at, count) = (lines.as_ptr(), lines.len());
        // SAFETY: the stream is that of the hook that runs; all texts live while they are read.
        unsafe {
            envoy_dynamic_module_callback_http_send_response(
                self.at,
                status.into(),
                at,
                count,
                body,
                details,
            );
        }
    }

    /// Ends the request without an answer.
    pub(crate) fn reset(&self) {
        if !self.reading.get() {
            // SAFETY: the stream is that of the hook that runs.
            unsafe { envoy_dynamic_module_callback_http_filter_reset_stream(self.at, 0, Buffer::NONE) }
        }
    }

    /// What Envoy knows as a text.
    pub(crate) fn text(&self, attribute: Attribute) -> Option<Vec<u8>> {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_string(self.at, attribute as u32, found)
        })
    }

    /// Shows what Envoy knows as a text; empty where there is none.
    pub(crate) fn show(&self, attribute: Attribute, read: &mut dyn FnMut(&[u8])) {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one buffer.
        let found = written(Buffer::NONE, |found| unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_string(self.at, attribute as u32, found)
        });
        let outer = self.reading.replace(true);
        // SAFETY: the text lives until the hook ends or something is changed, which is refused meanwhile.
        read(found.map_or(&[], |found| unsafe { found.bytes() }));
        self.reading.set(outer);
    }

    /// What Envoy knows as a number.
    pub(crate) fn number(&self, attribute: Attribute) -> Option<u64> {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one number.
        written(0, |found| unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_int(self.at, attribute as u32, found)
        })
    }

    /// What Envoy knows as yes or no.
    pub(crate) fn truth(&self, attribute: Attribute) -> Option<bool> {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one bool.
        written(false, |found| unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_bool(self.at, attribute as u32, found)
        })
    }

    /// Notes a text about the stream.
    pub(crate) fn note(&self, key: &str, value: &[u8]) -> bool {
        let (key, value) = (Buffer::of(key.as_bytes()), Buffer::of(value));
        // SAFETY: the stream is that of the hook that runs; both texts live while they are read.
        unsafe { envoy_dynamic_module_callback_http_set_filter_state_bytes(self.at, key, value) }
    }

    /// Notes a text in the stream's dynamic metadata.
    pub(crate) fn set_metadata(&self, namespace: &str, key: &str, value: &[u8]) {
        let [namespace, key, value] = [namespace.as_bytes(), key.as_bytes(), value].map(Buffer::of);
        // SAFETY: the stream is that of the hook that runs; all texts live while they are read.
        unsafe {
            envoy_dynamic_module_callback_http_set_dynamic_metadata_string(self.at, namespace, key, value)
        }
    }

    /// What has been noted about the stream.
    pub(crate) fn noted(&self, key: &str) -> Option<Vec<u8>> {
        // SAFETY: the stream is that of the hook that runs; Envoy writes one buffer.
        text(|found| unsafe {
            envoy_dynamic_module_callback_http_get_filter_state_typed(
                self.at,
                Buffer::of(key.as_bytes()),
                found,
            )
        })
    }

    /// Adds to a counter without labels.
    pub(crate) fn increment(&self, id: usize, by: u64) -> Result<(), u32> {
        // SAFETY: the stream is that of the hook that runs; Envoy looks the number up.
        done(unsafe {
            envoy_dynamic_module_callback_http_filter_increment_counter(self.at, id, null(), 0, by)
        })
    }

    /// Puts a value into a histogram.
    pub(crate) fn record(&self, id: usize, value: u64) -> Result<(), u32> {
        // SAFETY: the stream is that of the hook that runs; Envoy looks the number up.
        done(unsafe {
            envoy_dynamic_module_callback_http_filter_record_histogram_value(self.at, id, null(), 0, value)
        })
    }
}
