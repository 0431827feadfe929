//! What the filter may ask of the proxy, as a trait: `envoy` is Envoy, tests have their own.
//!
//! Every call can fail and no failure may matter: a caller gets an `Err` and goes on.

use alloc::vec::Vec;
use core::time::Duration;

/// A call that the host refused, with the ABI's status: 2 bad argument, 3 serialization failure, 10 internal
/// failure, 12 unimplemented, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u32);

impl Refused {
    /// The status of a name that does not exist.
    pub const NOT_FOUND: Refused = Refused(1);
}

/// Levels of the proxy's log, as the ABI numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Hidden by Istio's default.
    Info = 2,
    /// Shown by Istio's default.
    Warn = 3,
    /// Shown by Istio's default.
    Error = 4,
}

/// Kinds of metrics that the filter defines, as the ABI numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// Is set.
    Gauge = 1,
    /// Takes single values.
    Histogram = 2,
}

/// Maps of header lines, as the ABI numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// The request's.
    Request = 0,
    /// The response's.
    Response = 2,
    /// Those of the answer to a call of our own.
    CallResponse = 6,
}

/// The proxy around the filter.
pub trait Host {
    /// Writes a line to the proxy's log.
    fn log(&self, level: Level, line: &str);

    /// The clock, in nanoseconds since 1970.
    fn now(&self) -> Result<u64, Refused>;

    /// The plugin configuration; empty where there is none. Only while configuring.
    fn configuration(&self) -> Result<Vec<u8>, Refused>;

    /// All lines of a map in the encoding that [`crate::wire::pairs`] reads.
    fn headers(&self, map: Map) -> Result<Vec<u8>, Refused>;

    /// Sets a header, replacing all its lines.
    fn set_header(&self, map: Map, name: &[u8], value: &[u8]) -> Result<(), Refused>;

    /// Adds a line.
    fn add_header(&self, map: Map, name: &[u8], value: &[u8]) -> Result<(), Refused>;

    /// Removes all lines of a header.
    fn remove_header(&self, map: Map, name: &[u8]) -> Result<(), Refused>;

    /// Answers the request; `headers` as [`crate::wire::encode`] writes them.
    fn reply(&self, status: u16, details: &str, body: &str, headers: &[u8]) -> Result<(), Refused>;

    /// Ends the stream without an answer: a request, or a connection.
    fn close(&self, connection: bool) -> Result<(), Refused>;

    /// Sends a request to a cluster; the number of the call, whose answer comes as a callback.
    fn dispatch(&self, cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> Result<u32, Refused>;

    /// The body of the answer to such a call, at most so many bytes of it.
    fn call_body(&self, most: usize) -> Result<Vec<u8>, Refused>;

    /// Has the tick come every so many milliseconds.
    fn tick_every(&self, milliseconds: u32) -> Result<(), Refused>;

    /// A property; the parts of `path` are separated by NUL. `None`: not found, or an empty string.
    fn property(&self, path: &str) -> Result<Option<Vec<u8>>, Refused>;

    /// Stores filter state `wasm.<key>`.
    fn set_filter_state(&self, key: &str, value: &[u8]) -> Result<(), Refused>;

    /// Calls one of the proxy's foreign functions.
    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Refused>;

    /// Defines a metric, or finds the one of that name.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Refused>;

    /// Sets a gauge, or puts a value into a histogram.
    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused>;

    /// Adds to a counter.
    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused>;
}
