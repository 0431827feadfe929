//! The filter as the SDK's contexts.
//!
//! Every callback returns *continue*, and what it does is in [`crate::filter`].
//!
//! # HTTP filter or network filter
//!
//! The same module serves as both. The SDK's dispatcher wants to know which of the two a stream is when it is created,
//! keeps it in the table of that kind, and panics where a callback of the other kind comes. At that moment the proxy
//! does not say: the ABI has no such word, and a property that exists for one kind only is a call that can fail, with a
//! trap behind a wrong guess. So a stream is entered in both tables, and the callback that comes first shows what it is,
//! without a question to anybody. See [`Root::create_http_context`].

use crate::{
    envoy::Envoy,
    filter::{self, Active, Stream},
};
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext, StreamContext},
    types::{Action, ContextType, PeerType},
};
use std::{cell::RefCell, rc::Rc};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| Box::new(Root(Box::new(Plugin { id, active: None, pending: RefCell::default() }))));
}}

// What the SDK exports to the proxy.
unsafe extern "C" {
    safe fn proxy_on_context_create(context: u32, root: u32);
    safe fn proxy_on_delete(context: u32);
}

thread_local! {
    /// Streams that the dispatcher has dropped from its HTTP table and still has in the other one.
    static HALF_GONE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

// Each kind of context is one pointer. The SDK's traits have a hundred methods, and copies of them that differ in
// nothing, not even in the size of what they are called on, are made one.

/// One plugin configuration of the proxy's.
struct Root(Box<Plugin>);

struct Plugin {
    id: u32,
    /// `None` until a configuration has been taken.
    active: Option<Rc<Active>>,
    /// A stream whose other half the dispatcher is to create now.
    pending: RefCell<Option<Rc<Shared>>>,
}

/// What both contexts of a stream stand for.
struct Shared {
    id: u32,
    /// `None` without a configuration.
    stream: RefCell<Option<Stream>>,
}

impl Shared {
    /// Runs `work` on the stream. It is never at work already: no callback comes within another.
    fn with(&self, work: impl FnOnce(&mut Stream)) {
        if let Ok(mut stream) = self.stream.try_borrow_mut()
            && let Some(stream) = stream.as_mut()
        {
            work(stream);
        }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let Some(active) = filter::configure(&Envoy) else { return false };
        self.0.active = Some(Rc::new(active));
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        let half = self.0.pending.borrow().is_some();
        Some(if half { ContextType::StreamContext } else { ContextType::HttpContext })
    }

    /// Creates the stream's other half first, by telling the dispatcher about the same stream once more. It can take
    /// that: while it creates a stream it holds nothing but the table of roots, for reading.
    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // The end of a stream reaches one half only. Not there, where the dispatcher is at work on its tables, but here
        // the other one can go.
        for gone in HALF_GONE.take() {
            proxy_on_delete(gone);
        }
        let stream = RefCell::new(self.0.active.clone().map(Stream::new));
        let shared = Rc::new(Shared { id, stream });
        self.0.pending.replace(Some(shared.clone()));
        proxy_on_context_create(id, self.0.id);
        Some(Box::new(Http(shared)))
    }

    fn create_stream_context(&self, _id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Tcp(self.0.pending.take()?)))
    }
}

/// A stream as long as it may be a request.
struct Http(Rc<Shared>);

impl Drop for Http {
    fn drop(&mut self) {
        HALF_GONE.with_borrow_mut(|gone| gone.push(self.0.id));
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.0.with(|stream| stream.request_headers(&Envoy));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.0.with(|stream| stream.response_headers(&Envoy));
        Action::Continue
    }

    fn on_log(&mut self) {
        self.0.with(|stream| stream.log(&Envoy));
    }
}

/// A stream as long as it may be a connection.
struct Tcp(Rc<Shared>);

impl Context for Tcp {}

impl StreamContext for Tcp {
    fn on_downstream_data(&mut self, _size: usize, _end: bool) -> Action {
        self.0.with(|stream| stream.downstream_data(&Envoy));
        Action::Continue
    }

    fn on_downstream_close(&mut self, _side: PeerType) {
        self.0.with(|stream| stream.connection_closed(&Envoy));
    }
}
