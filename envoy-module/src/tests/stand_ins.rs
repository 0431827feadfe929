//! A proxy in the place of Envoy: the callbacks, which answer from what a test has put into [`Fake`], or at random.
//!
//! What a callback lends lives until the hook ends, as in Envoy, so that a sanitizer sees whoever looks at it later.

use super::costs;
use crate::abi::{Buffer, Line, access::Bytes};
use core::{cell::Cell, ffi::c_void};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Numbers that look random, and are the same every time.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// Some bytes, or words that mean something to a policy.
    pub(super) fn bytes(&mut self) -> Vec<u8> {
        const WORDS: [&[u8]; 14] = [
            b":path",
            b":method",
            b":authority",
            b"authorization",
            b"Bearer a.b.c",
            b"GET",
            b"/a",
            b"/b/../a",
            b"10.0.0.1:80",
            b"[::1]:0",
            b"spiffe://cluster.local/ns/shop/sa/cart",
            b"3:abc2:xy.",
            b"application/grpc",
            b"rbac_access_denied_matched_policy[none]",
        ];
        match self.below(4) {
            0 => Vec::new(),
            1 => {
                let length = self.below(40);
                (0..length).map(|_| self.below(256) as u8).collect()
            }
            _ => WORDS[self.below(WORDS.len())].to_vec(),
        }
    }
}

/// Among the numbers of a stream: bytes that an access logger is told of. Envoy has no attribute of this number.
pub(super) const RECEIVED: u32 = 1000;

/// One configuration, request or connection of Envoy's.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) lines: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) attributes: BTreeMap<u32, Vec<u8>>,
    pub(super) numbers: BTreeMap<u32, u64>,
    /// Where nothing is put in, answers are these.
    pub(super) random: Option<RefCell<Random>>,
    pub(super) notes: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(super) replies: RefCell<Vec<(u32, String)>>,
    pub(super) ended: Cell<bool>,
    /// What is lent while a hook runs.
    pub(super) lent: RefCell<VecDeque<Box<[u8]>>>,
    pub(super) calls: Cell<u64>,
}

/// Metrics by name, and by the labels of the one that has some.
pub(super) static METRICS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What was logged.
pub(super) static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SCHEDULED: AtomicU64 = AtomicU64::new(0);

pub(super) fn metric(name: &str) -> u64 {
    METRICS.lock().unwrap().get(name).copied().unwrap_or(0)
}

fn of(at: *mut c_void) -> &'static Fake {
    // SAFETY: tests hand hooks nothing but this, and keep it while a hook runs.
    unsafe { &*at.cast::<Fake>() }
}

fn read(buffer: Buffer) -> Vec<u8> {
    // SAFETY: the module lends a text for as long as the callback runs.
    unsafe { buffer.bytes() }.to_vec()
}

impl Fake {
    pub(super) fn at(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// The hook has returned.
    pub(super) fn hook_ends(&self) {
        self.lent.borrow_mut().clear();
    }

    fn lend(&self, text: Vec<u8>) -> Buffer {
        let text = text.into_boxed_slice();
        let buffer = Buffer::of(&text);
        self.lent.borrow_mut().push_back(text);
        buffer
    }

    /// Answers with a text, or not.
    fn give(&self, known: Option<Vec<u8>>, to: *mut Buffer) -> bool {
        let text = known.or_else(|| {
            let mut random = self.random.as_ref()?.borrow_mut();
            (random.below(3) > 0).then(|| random.bytes())
        });
        let Some(text) = text else { return false };
        let buffer = self.lend(text);
        // SAFETY: the module has room for one buffer there.
        unsafe { to.write(buffer) };
        true
    }

    fn chance(&self) -> bool {
        self.random.as_ref().is_none_or(|random| random.borrow_mut().below(8) > 0)
    }

    fn some(&self, most: usize) -> usize {
        self.random.as_ref().map_or(0, |random| random.borrow_mut().below(most))
    }

    fn fill(&self, count: usize, to: *mut Buffer) -> bool {
        for place in 0..count {
            let text = self.random.as_ref().map(|random| random.borrow_mut().bytes()).unwrap_or_default();
            let buffer = self.lend(text);
            // SAFETY: the module has room for as many as it was told.
            unsafe { to.add(place).write(buffer) };
        }
        self.chance()
    }
}

fn define(name: Buffer, id: *mut usize) -> u32 {
    let name = String::from_utf8(read(name)).unwrap();
    let mut names = NAMES.lock().unwrap();
    let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    // SAFETY: the module has room for a number there.
    unsafe { id.write(place) };
    0
}

fn count(id: usize, values: *const Buffer, labels: usize, by: u64, add: bool) -> u32 {
    let Some(mut name) = NAMES.lock().unwrap().get(id).cloned() else { return 1 };
    for place in 0..labels {
        // SAFETY: the module lends as many values as it says.
        let value = read(unsafe { *values.add(place) });
        name.push('|');
        name.push_str(&String::from_utf8_lossy(&value));
    }
    let mut metrics = METRICS.lock().unwrap();
    let place = metrics.entry(name).or_default();
    *place = if add { *place + by } else { by };
    0
}

type At = *mut c_void;

/// Callbacks by name, without the prefix that all have.
macro_rules! callbacks {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $answer:ty)? $body:block)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $kind),*) $(-> $answer)? {
            let _envoy = costs::Envoys::call(stringify!($name));
            $body
        }
    )*};
}

callbacks! {
    envoy_dynamic_module_callback_log(_level: u32, text: Buffer) {
        LOG.lock().unwrap().push(String::from_utf8_lossy(&read(text)).into_owned());
    }
    envoy_dynamic_module_callback_get_concurrency() -> u32 { 2 }
    envoy_dynamic_module_callback_http_filter_config_define_counter(
        _at: At, name: Buffer, _labels: *const Buffer, _count: usize, id: *mut usize
    ) -> u32 { define(name, id) }
    envoy_dynamic_module_callback_http_filter_config_define_gauge(
        _at: At, name: Buffer, _labels: *const Buffer, _count: usize, id: *mut usize
    ) -> u32 { define(name, id) }
    envoy_dynamic_module_callback_http_filter_config_define_histogram(
        _at: At, name: Buffer, _labels: *const Buffer, _count: usize, id: *mut usize
    ) -> u32 { define(name, id) }
    envoy_dynamic_module_callback_http_filter_config_increment_counter(
        _at: At, id: usize, values: *const Buffer, labels: usize, by: u64
    ) -> u32 { count(id, values, labels, by, true) }
    envoy_dynamic_module_callback_http_filter_config_set_gauge(
        _at: At, id: usize, values: *const Buffer, labels: usize, value: u64
    ) -> u32 { count(id, values, labels, value, false) }
    envoy_dynamic_module_callback_http_filter_increment_counter(
        _at: At, id: usize, values: *const Buffer, labels: usize, by: u64
    ) -> u32 { count(id, values, labels, by, true) }
    envoy_dynamic_module_callback_http_filter_record_histogram_value(
        _at: At, id: usize, values: *const Buffer, labels: usize, _value: u64
    ) -> u32 { count(id, values, labels, 1, true) }
    envoy_dynamic_module_callback_http_filter_config_http_callout(
        at: At, id: *mut u64, _cluster: Buffer, lines: *const Line, count: usize, _body: Buffer, _time: u64
    ) -> u32 {
        let fake = of(at);
        for place in 0..count {
            // SAFETY: the module lends as many lines as it says.
            let line = unsafe { *lines.add(place) };
            assert!(!read(line.name).is_empty());
        }
        fake.calls.set(fake.calls.get() + 1);
        // SAFETY: the module has room for a number there.
        unsafe { id.write(fake.calls.get()) };
        u32::from(!fake.chance())
    }
    envoy_dynamic_module_callback_http_filter_config_scheduler_new(_at: At) -> At {
        SCHEDULED.fetch_add(1, Ordering::Relaxed);
        Box::into_raw(Box::new(7_u64)).cast()
    }
    envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler: At) {
        SCHEDULED.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: it is what `new` has made, and comes back once.
        drop(unsafe { Box::from_raw(scheduler.cast::<u64>()) });
    }
    envoy_dynamic_module_callback_http_filter_config_scheduler_commit(scheduler: At, _event: u64) {
        // SAFETY: it has not been deleted: a sanitizer would see that.
        assert_eq!(unsafe { *scheduler.cast::<u64>() }, 7);
    }
    envoy_dynamic_module_callback_http_get_headers_size(at: At, _map: u32) -> usize { of(at).lines.len() }
    envoy_dynamic_module_callback_http_get_headers(at: At, _map: u32, to: *mut Line) -> bool {
        let fake = of(at);
        for (place, (name, value)) in fake.lines.iter().enumerate() {
            let line = Line { name: fake.lend(name.clone()), value: fake.lend(value.clone()) };
            // SAFETY: the module has room for as many as it was told.
            unsafe { to.add(place).write(line) };
        }
        fake.chance()
    }
    envoy_dynamic_module_callback_http_set_header(at: At, _map: u32, name: Buffer, value: Buffer) -> bool {
        let _read = (read(name), read(value));
        of(at).hook_ends();
        of(at).chance()
    }
    envoy_dynamic_module_callback_http_add_header(at: At, _map: u32, name: Buffer, value: Buffer) -> bool {
        let _read = (read(name), read(value));
        of(at).hook_ends();
        of(at).chance()
    }
    envoy_dynamic_module_callback_http_send_response(
        at: At, status: u32, lines: *const Line, count: usize, body: Buffer, details: Buffer
    ) {
        for place in 0..count {
            // SAFETY: the module lends as many lines as it says.
            let line = unsafe { *lines.add(place) };
            let _read = (read(line.name), read(line.value));
        }
        let _read = read(body);
        let details = String::from_utf8_lossy(&read(details)).into_owned();
        of(at).replies.borrow_mut().push((status, details));
    }
    envoy_dynamic_module_callback_http_filter_reset_stream(at: At, _reason: u32, details: Buffer) {
        let _read = read(details);
        of(at).ended.set(true);
    }
    envoy_dynamic_module_callback_http_filter_get_attribute_string(at: At, which: u32, to: *mut Buffer) -> bool {
        of(at).give(of(at).attributes.get(&which).cloned(), to)
    }
    envoy_dynamic_module_callback_network_filter_get_attribute_string(at: At, which: u32, to: *mut Buffer) -> bool {
        of(at).give(of(at).attributes.get(&which).cloned(), to)
    }
    envoy_dynamic_module_callback_http_filter_get_attribute_int(at: At, which: u32, to: *mut u64) -> bool {
        let number = of(at).numbers.get(&which).copied();
        let number = number.or_else(|| of(at).random.is_some().then(|| of(at).some(600) as u64));
        // SAFETY: the module has room for a number there.
        number.inspect(|number| unsafe { to.write(*number) }).is_some()
    }
    envoy_dynamic_module_callback_http_filter_get_attribute_bool(at: At, _which: u32, to: *mut bool) -> bool {
        // SAFETY: the module has room for a bool there.
        unsafe { to.write(of(at).some(2) == 1) };
        of(at).random.is_some() && of(at).chance()
    }
    envoy_dynamic_module_callback_http_set_filter_state_bytes(at: At, key: Buffer, value: Buffer) -> bool {
        let key = String::from_utf8(read(key)).unwrap();
        of(at).notes.borrow_mut().insert(key, read(value));
        of(at).chance()
    }
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        at: At, namespace: Buffer, key: Buffer, value: Buffer
    ) {
        let text = |buffer| String::from_utf8(read(buffer)).unwrap();
        of(at).notes.borrow_mut().insert(format!("{}/{}", text(namespace), text(key)), read(value));
    }
    envoy_dynamic_module_callback_access_logger_get_headers_size(at: At, _map: u32) -> usize {
        of(at).lines.len()
    }
    envoy_dynamic_module_callback_access_logger_get_headers(at: At, map: u32, to: *mut Line) -> bool {
        envoy_dynamic_module_callback_http_get_headers(at, map, to)
    }
    envoy_dynamic_module_callback_access_logger_get_downstream_remote_address(
        at: At, to: *mut Buffer, port: *mut u32
    ) -> bool { address(at, to, port) }
    envoy_dynamic_module_callback_access_logger_get_downstream_direct_remote_address(
        at: At, to: *mut Buffer, port: *mut u32
    ) -> bool { address(at, to, port) }
    envoy_dynamic_module_callback_access_logger_get_downstream_local_address(
        at: At, to: *mut Buffer, port: *mut u32
    ) -> bool { address(at, to, port) }
    envoy_dynamic_module_callback_access_logger_is_mtls(at: At) -> bool { of(at).some(2) == 1 }
    envoy_dynamic_module_callback_access_logger_get_downstream_peer_uri_san_size(at: At) -> usize {
        of(at).lines.len() % 3
    }
    envoy_dynamic_module_callback_access_logger_get_downstream_peer_uri_san(at: At, to: *mut Buffer) -> bool {
        of(at).fill(of(at).lines.len() % 3, to)
    }
    envoy_dynamic_module_callback_access_logger_get_requested_server_name(at: At, to: *mut Buffer) -> bool {
        of(at).give(None, to)
    }
    envoy_dynamic_module_callback_access_logger_get_bytes_info(at: At, to: *mut Bytes) {
        let received = of(at).numbers.get(&RECEIVED).copied().unwrap_or_else(|| of(at).some(3) as u64);
        // SAFETY: the module has room for four numbers there.
        unsafe { to.write(Bytes { received, ..Bytes::default() }) };
    }
    envoy_dynamic_module_callback_access_logger_get_response_code_details(at: At, to: *mut Buffer) -> bool {
        of(at).give(of(at).attributes.get(&16).cloned(), to)
    }
    envoy_dynamic_module_callback_access_logger_get_connection_termination_details(
        at: At, to: *mut Buffer
    ) -> bool { of(at).give(None, to) }
    envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(
        at: At, namespace: Buffer, key: Buffer, to: *mut Buffer
    ) -> bool {
        let text = |buffer| String::from_utf8(read(buffer)).unwrap();
        let known = of(at).notes.borrow().get(&format!("{}/{}", text(namespace), text(key))).cloned();
        of(at).give(known, to)
    }
    envoy_dynamic_module_callback_http_get_filter_state_typed(at: At, key: Buffer, to: *mut Buffer) -> bool {
        let key = String::from_utf8(read(key)).unwrap();
        let known = of(at).notes.borrow().get(&key).cloned();
        of(at).give(known, to)
    }
    envoy_dynamic_module_callback_http_get_metadata_namespaces_count(at: At, _source: u32) -> usize {
        // As many as are then filled in, whatever is asked in between.
        of(at).lines.len() % 4
    }
    envoy_dynamic_module_callback_http_get_metadata_namespaces(at: At, _source: u32, to: *mut Buffer) -> bool {
        of(at).fill(of(at).lines.len() % 4, to)
    }
    envoy_dynamic_module_callback_http_get_metadata_keys_count(at: At, _source: u32, of_: Buffer) -> usize {
        let _read = read(of_);
        of(at).lines.len() % 3
    }
    envoy_dynamic_module_callback_http_get_metadata_keys(
        at: At, _source: u32, of_: Buffer, to: *mut Buffer
    ) -> bool {
        let _read = read(of_);
        of(at).fill(of(at).lines.len() % 3, to)
    }
    envoy_dynamic_module_callback_http_get_metadata_string(
        at: At, _source: u32, one: Buffer, key: Buffer, to: *mut Buffer
    ) -> bool {
        let _read = (read(one), read(key));
        of(at).give(None, to)
    }
    envoy_dynamic_module_callback_http_get_metadata_number(
        at: At, _source: u32, _one: Buffer, _key: Buffer, to: *mut f64
    ) -> bool {
        // SAFETY: the module has room for a number there.
        unsafe { to.write(f64::NAN) };
        of(at).some(2) == 1
    }
    envoy_dynamic_module_callback_http_get_metadata_bool(
        at: At, _source: u32, _one: Buffer, _key: Buffer, _to: *mut bool
    ) -> bool { of(at).some(2) == 1 }
    envoy_dynamic_module_callback_http_get_metadata_list_size(
        at: At, _source: u32, _one: Buffer, _key: Buffer, to: *mut usize
    ) -> bool {
        // SAFETY: the module has room for a number there.
        unsafe { to.write(if of(at).some(9) == 0 { usize::MAX } else { of(at).some(5) }) };
        of(at).random.is_some()
    }
    envoy_dynamic_module_callback_http_get_metadata_list_string(
        at: At, _source: u32, _one: Buffer, _key: Buffer, _index: usize, to: *mut Buffer
    ) -> bool { of(at).give(None, to) }
    envoy_dynamic_module_callback_http_get_metadata_list_number(
        at: At, _source: u32, _one: Buffer, _key: Buffer, _index: usize, _to: *mut f64
    ) -> bool { of(at).some(2) == 1 }
    envoy_dynamic_module_callback_http_get_metadata_list_bool(
        at: At, _source: u32, _one: Buffer, _key: Buffer, _index: usize, _to: *mut bool
    ) -> bool { of(at).some(2) == 1 }

    envoy_dynamic_module_callback_network_filter_config_define_counter(
        _at: At, name: Buffer, id: *mut usize
    ) -> u32 { define(name, id) }
    envoy_dynamic_module_callback_network_filter_config_define_gauge(
        _at: At, name: Buffer, id: *mut usize
    ) -> u32 { define(name, id) }
    envoy_dynamic_module_callback_network_filter_config_define_histogram(
        _at: At, name: Buffer, id: *mut usize
    ) -> u32 { define(name, id) }
    envoy_dynamic_module_callback_network_filter_config_increment_counter(_at: At, id: usize, by: u64) -> u32 {
        count(id, core::ptr::null(), 0, by, true)
    }
    envoy_dynamic_module_callback_network_filter_config_set_gauge(_at: At, id: usize, value: u64) -> u32 {
        count(id, core::ptr::null(), 0, value, false)
    }
    envoy_dynamic_module_callback_network_filter_increment_counter(_at: At, id: usize, by: u64) -> u32 {
        count(id, core::ptr::null(), 0, by, true)
    }
    envoy_dynamic_module_callback_network_filter_record_histogram_value(_at: At, id: usize, _value: u64) -> u32 {
        count(id, core::ptr::null(), 0, 1, true)
    }
    envoy_dynamic_module_callback_network_filter_close(at: At, _way: u32) { of(at).ended.set(true); }
    envoy_dynamic_module_callback_network_filter_get_remote_address(
        at: At, to: *mut Buffer, port: *mut u32
    ) -> bool { address(at, to, port) }
    envoy_dynamic_module_callback_network_filter_get_direct_remote_address(
        at: At, to: *mut Buffer, port: *mut u32
    ) -> bool { address(at, to, port) }
    envoy_dynamic_module_callback_network_filter_get_local_address(
        at: At, to: *mut Buffer, port: *mut u32
    ) -> bool { address(at, to, port) }
    envoy_dynamic_module_callback_network_filter_get_requested_server_name(at: At, to: *mut Buffer) -> bool {
        of(at).give(None, to)
    }
    envoy_dynamic_module_callback_network_filter_is_ssl(at: At) -> bool { of(at).some(2) == 1 }
    envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(at: At) -> usize { of(at).lines.len() % 5 }
    envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(at: At, to: *mut Buffer) -> bool {
        of(at).fill(of(at).lines.len() % 5, to)
    }
    envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans_size(at: At) -> usize { of(at).lines.len() % 3 }
    envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans(at: At, to: *mut Buffer) -> bool {
        of(at).fill(of(at).lines.len() % 3, to)
    }
    envoy_dynamic_module_callback_network_filter_get_ssl_subject(at: At, to: *mut Buffer) -> bool {
        of(at).give(None, to)
    }
    envoy_dynamic_module_callback_network_set_filter_state_bytes(at: At, key: Buffer, value: Buffer) -> bool {
        let key = String::from_utf8(read(key)).unwrap();
        of(at).notes.borrow_mut().insert(key, read(value));
        true
    }
    envoy_dynamic_module_callback_network_get_filter_state_typed(at: At, key: Buffer, to: *mut Buffer) -> bool {
        let _read = read(key);
        of(at).give(None, to)
    }
    envoy_dynamic_module_callback_network_get_dynamic_metadata_string(
        at: At, one: Buffer, key: Buffer, to: *mut Buffer
    ) -> bool {
        let _read = (read(one), read(key));
        of(at).give(None, to)
    }
}

fn address(at: At, to: *mut Buffer, port: *mut u32) -> bool {
    // SAFETY: the module has room for a number there.
    unsafe { port.write(of(at).some(70_000) as u32) };
    of(at).give(None, to)
}
