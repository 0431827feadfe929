//! One TCP connection: what each hook does, and Envoy at it as the shadow's host.
//!
//! As a network filter the module evaluates connections at their first bytes, as Envoy's network RBAC does. It also notes
//! all names of the peer's certificate for the HTTP filter on the same connection, to which Envoy shows the first URI SAN
//! and the first DNS SAN only; without a configuration it does nothing else.

use crate::{
    abi::{
        Attribute,
        http::Kind,
        network::{Config, Side, Stream as AbiStream},
    },
    configuration::{Configuration, Own},
    guard::{caught, guard},
    main_thread::{NOT_HERE, not_here, now, write},
    metric::{self, Row},
    names, node,
    worker::{self, Worker},
};
use core::cell::{Cell, RefCell};
use gnomon_engine::{jwt::Json, request::Header};
use gnomon_shadow::{
    host::{Change, Fetch, Hash, Host, Level, MetricKind, Property, Refused, Reply},
    node::Node,
    stream::{Next, Origin, Stream},
};
use std::{rc::Rc, sync::Arc};

/// A connection that is under way.
#[derive(Debug)]
pub(crate) struct Connection {
    /// `None`: there is nothing to evaluate.
    worker: Option<Rc<Worker>>,
    stream: RefCell<Stream>,
    /// Nobody can say any more whether it may go on, and somebody has to.
    refuses: bool,
    /// The peer's names have been noted.
    noted: Cell<bool>,
}

/// Takes a configuration, or refuses it. An empty one only has names noted.
pub(crate) fn configure(config: &Config<'_>, name: &[u8], text: &[u8]) -> Option<Arc<Configuration>> {
    guard(|| {
        let host = Configuring { config, name, text };
        let panics = config.define(Kind::Counter, "gnomon_panics_total").ok();
        if text.is_empty() {
            return Some(Arc::new(Configuration::without_policies(name)));
        }
        Configuration::read(&host, name, text, Own { panics, ..Own::default() })
    })
    .flatten()
}

/// A connection begins.
pub(crate) fn begin(configuration: Option<&Configuration>) -> Connection {
    let idle = |refuses| Connection {
        worker: None,
        stream: RefCell::new(Stream::Done),
        refuses,
        noted: Cell::new(false),
    };
    let Some(configuration) = configuration.filter(|configuration| configuration.has_policies()) else {
        return idle(false);
    };
    let made = guard(|| {
        let worker = worker::of(configuration)?;
        let stream = Stream::Waiting(Origin::Shared(configuration.plans(), worker.local.clone()));
        Some(Connection { worker: Some(worker), stream: RefCell::new(stream), ..idle(false) })
    });
    made.flatten().unwrap_or_else(|| idle(configuration.settings.enforce))
}

/// A connection is gone.
pub(crate) fn end(connection: Box<Connection>) {
    let _panicked = caught(|| drop(connection));
}

impl Connection {
    /// Does a step. `None`: it has panicked, or there is nothing to do.
    fn step<T>(&self, stream: &AbiStream<'_>, step: impl FnOnce(&mut Stream, &At<'_>) -> T) -> Option<T> {
        let worker = self.worker.as_deref()?;
        let at = At { stream, name: &worker.local.name, closes: Cell::new(false) };
        let done = guard(|| {
            let mut ours = self.stream.try_borrow_mut().ok()?;
            Some(step(&mut ours, &at))
        });
        let Some(done) = done else {
            if let Some(panics) = worker.panics {
                let _lost = stream.increment(panics, 1);
            }
            if let Ok(mut ours) = self.stream.try_borrow_mut() {
                let _panicked = caught(|| *ours = Stream::Done);
            }
            return None;
        };
        if at.closes.get() {
            stream.close();
        }
        done
    }

    /// Bytes have come. False: the connection has been closed, and nothing else is to see them.
    pub(crate) fn read(&self, stream: &AbiStream<'_>) -> bool {
        if !self.noted.replace(true) {
            let _panicked = guard(|| names::note(stream));
        }
        if self.worker.is_none() && !self.refuses {
            return true;
        }
        let next = self.step(stream, |ours, at| ours.downstream_data(at));
        let goes_on = match next {
            Some(next) => next == Next::Continue,
            None => !self.refuses && !self.worker.as_ref().is_some_and(|worker| worker.enforces()),
        };
        if next.is_none() && !goes_on {
            stream.close();
        }
        goes_on
    }

    /// The connection is closed; `by_proxy`: the client had not left.
    pub(crate) fn closed(&self, stream: &AbiStream<'_>, by_proxy: bool) {
        let _panicked = self.step(stream, |ours, at| ours.connection_closed(at, by_proxy));
    }
}

/// Envoy's main thread while a configuration is read.
struct Configuring<'a> {
    config: &'a Config<'a>,
    name: &'a [u8],
    text: &'a [u8],
}

impl Host for Configuring<'_> {
    fn log(&self, level: Level, line: &str) {
        write(level, line);
    }

    fn now(&self) -> Result<u64, Refused> {
        now()
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

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Refused> {
        let kind = Kind::from(kind);
        metric::number(kind.into(), self.config.define(kind, name).map_err(Refused)?)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused> {
        match metric::row(id) {
            (Row::Gauge, id) => self.config.set(id, value).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused> {
        match (metric::row(id), u64::try_from(offset)) {
            ((Row::Counter, id), Ok(offset)) => self.config.increment(id, offset).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    not_here! {
        tick_every(u32) -> ();
        // Policies about connections look at no tokens.
        fetch(&Fetch<'_>) -> u32;
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

/// Envoy at the connection of the hook that runs.
struct At<'a> {
    stream: &'a AbiStream<'a>,
    name: &'a [u8],
    /// It is closed last, when nothing of it is looked at any more.
    closes: Cell<bool>,
}

impl Host for At<'_> {
    fn log(&self, level: Level, line: &str) {
        write(level, line);
    }

    fn now(&self) -> Result<u64, Refused> {
        now()
    }

    fn property(&self, property: Property) -> Result<Option<Vec<u8>>, Refused> {
        let found = match property {
            Property::Source => self.stream.address(Side::Remote),
            Property::Destination => self.stream.address(Side::Local),
            Property::DirectSource => self.stream.address(Side::DirectRemote),
            Property::ServerName => self.stream.server_name(),
            Property::PeerUriSan => self.stream.uri_sans().and_then(|names| names.into_iter().next()),
            Property::PeerDnsSan => self.stream.dns_sans().and_then(|names| names.into_iter().next()),
            Property::PeerSubject => self.stream.subject(),
            Property::PeerUriSans => self.stream.noted("gnomon.peer_uri_san"),
            Property::WaypointPeer => self.stream.noted("io.istio.peer_principal"),
            Property::TerminationDetails => self.stream.text(Attribute::TerminationDetails),
            Property::Upstream | Property::PeerDigest | Property::ResponseDetails => None,
        };
        Ok(found.filter(|text| !text.is_empty()))
    }

    fn peer_names(&self) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        Ok(names::of(self.stream))
    }

    fn mutual_tls(&self) -> Result<Option<bool>, Refused> {
        // A certificate has a subject, or else names.
        let shown =
            || self.stream.subject().is_some() || names::of(self.stream).is_some_and(|all| !all.is_empty());
        Ok(self.stream.is_tls().then(shown))
    }

    fn is_outbound(&self) -> Result<bool, Refused> {
        // The ABI does not tell: the filter belongs into inbound listeners.
        Ok(false)
    }

    fn metadata(&self) -> Result<Vec<(String, Json)>, Refused> {
        Err(NOT_HERE)
    }

    fn provider_was_asked(&self) -> Result<bool, Refused> {
        // Where Istio notes which rule is the reason why a provider was asked about a connection.
        const RBAC: &str = "envoy.filters.network.rbac";
        Ok(self.stream.metadata(RBAC, "istio_ext_authz_shadow_effective_policy_id").is_some())
    }

    fn close_connection(&self) -> Result<(), Refused> {
        self.closes.set(true);
        Ok(())
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        let is = self.stream.note(&format!("wasm.{key}"), value);
        if is { Ok(()) } else { Err(Refused(1)) }
    }

    fn define_labelled(&self, _name: &str, _labels: [(&str, &str); 2]) -> Result<u32, Refused> {
        // The ABI has no labels for network filters.
        Err(NOT_HERE)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused> {
        match metric::row(id) {
            (Row::Histogram, id) => self.stream.record(id, value).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused> {
        match (metric::row(id), u64::try_from(offset)) {
            ((Row::Counter, id), Ok(by)) => self.stream.increment(id, by).map_err(Refused),
            _ => Err(NOT_HERE),
        }
    }

    fn instance(&self) -> (Vec<u8>, Vec<u8>) {
        (self.name.to_vec(), Vec::new())
    }

    fn node(&self) -> Node {
        // Only a configuration that is read asks for it.
        node::unknown(NOT_HERE)
    }

    not_here! {
        tick_every(u32) -> ();
        configuration() -> Vec<u8>;
        request_headers(&mut dyn FnMut(&[Header<'_>])) -> ();
        response_status() -> Option<u16>;
        has_verified_claims() -> bool;
        change_request(&[u8], Change<'_>) -> ();
        set_response_header(&[u8], &[u8]) -> ();
        reply(&Reply) -> ();
        close_request() -> ();
        verify(Hash, &[u8], &[u8], &[u8]) -> Option<bool>;
        fetch(&Fetch<'_>) -> u32;
        define_metric(MetricKind, &str) -> u32;
    }
}
