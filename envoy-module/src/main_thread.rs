//! Envoy's main thread as the shadow's host: while a configuration is read, and when its time comes.

use crate::{
    abi::{
        Level as AbiLevel, heap,
        http::{Config, Kind},
        log,
    },
    metric::{self, Row},
    node,
};
use gnomon_engine::{jwt::Json, request::Header};
use gnomon_shadow::{
    host::{Change, Fetch, Hash, Host, Level, MetricKind, Property, Refused, Reply},
    node::Node,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a call is told that makes no sense where it is made.
pub(crate) const NOT_HERE: Refused = Refused(1000);

/// A configuration of Envoy's, and its text while it comes.
pub(crate) struct MainThread<'a> {
    pub(crate) config: &'a Config<'a>,
    pub(crate) name: &'a [u8],
    pub(crate) text: &'a [u8],
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> Result<u64, Refused> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Refused(1))?;
    u64::try_from(since.as_nanos()).map_err(|_| Refused(1))
}

/// Writes to Envoy's log.
pub(crate) fn write(level: Level, line: &str) {
    let level = match level {
        Level::Info => AbiLevel::Info,
        Level::Warn => AbiLevel::Warn,
        Level::Error => AbiLevel::Error,
    };
    log(level, line);
}

/// Methods of [`Host`] that have no answer in this place.
macro_rules! not_here {
    ($($name:ident($($argument:ty),*) -> $answer:ty;)*) => {$(
        fn $name(&self, $(_: $argument),*) -> Result<$answer, Refused> {
            Err($crate::main_thread::NOT_HERE)
        }
    )*};
}
pub(crate) use not_here;

impl Host for MainThread<'_> {
    fn log(&self, level: Level, line: &str) {
        write(level, line);
    }

    fn now(&self) -> Result<u64, Refused> {
        now()
    }

    fn tick_every(&self, _milliseconds: u32) -> Result<(), Refused> {
        // It comes every second anyway.
        Ok(())
    }

    fn short_lived(&self, on: bool) {
        heap::short_lived(on);
    }

    fn configuration(&self) -> Result<Vec<u8>, Refused> {
        Ok(self.text.to_vec())
    }

    fn instance(&self) -> (Vec<u8>, Vec<u8>) {
        (self.name.to_vec(), Vec::new())
    }

    fn node(&self) -> Node {
        node::read()
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Result<u32, Refused> {
        let lines = [
            (":method", "GET"),
            (":scheme", fetch.scheme),
            ("host", fetch.authority),
            (":path", fetch.path),
            ("accept", "application/json"),
        ];
        let milliseconds = u64::try_from(fetch.timeout.as_millis()).unwrap_or(u64::MAX);
        let call = self.config.send(fetch.cluster, &lines, milliseconds).map_err(Refused)?;
        u32::try_from(call).map_err(|_| NOT_HERE)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Refused> {
        let kind = Kind::from(kind);
        metric::number(kind.into(), self.config.define(kind, name, &[]).map_err(Refused)?)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused> {
        match metric::row(id) {
            (Row::Gauge, id) => self.config.set(id, value).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused> {
        match (metric::row(id), u64::try_from(offset)) {
            ((Row::Counter, id), Ok(offset)) => self.config.increment(id, &[], offset).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    not_here! {
        request_headers(&mut dyn FnMut(&[Header<'_>])) -> ();
        property(Property) -> Option<Vec<u8>>;
        peer_names() -> Option<Vec<Vec<u8>>>;
        mutual_tls() -> Option<bool>;
        is_outbound() -> bool;
        response_status() -> Option<u16>;
        metadata() -> Vec<(String, Json)>;
        has_verified_claims() -> bool;
        provider_was_asked() -> bool;
        change_request(&[u8], Change<'_>) -> ();
        set_response_header(&[u8], &[u8]) -> ();
        reply(&Reply) -> ();
        close_request() -> ();
        close_connection() -> ();
        note(&str, &[u8]) -> ();
        verify(Hash, &[u8], &[u8], &[u8]) -> Option<bool>;
        define_labelled(&str, [(&str, &str); 2]) -> u32;
    }
}
