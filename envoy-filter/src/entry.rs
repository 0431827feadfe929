//! The filter as the SDK's contexts: what the proxy calls.
//!
//! What a callback does is in [`gnomon_shadow::stream`]; which stream it is about, in [`crate::contexts`]. The SDK exports every
//! callback that there is; `cargo xtask filter` takes those out that are not implemented here (its `callbacks.rs`).
//!
//! # HTTP filter or network filter
//!
//! The same module serves as both. The SDK's dispatcher wants to know which of the two a stream is when it is created,
//! keeps it in the table of that kind, and panics where a callback of the other kind comes. At that moment the proxy
//! does not say: the ABI has no such word, and a property that exists for one kind only is a call that can fail, with a
//! trap behind a wrong guess. So a stream is entered in both tables, and the callback that comes first shows what it is,
//! without a question to anybody. See [`Root::create_http_context`].

use crate::{
    contexts::Contexts,
    envoy::{self, Envoy},
};
use core::cell::{Cell, RefCell};
use gnomon_shadow::{
    host::Host,
    stream::{Next, Stream},
};
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext, StreamContext},
    types::{Action, ContextType, PeerType},
};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| Box::new(Root(Box::new((id, Cell::new(false))))));
}}

// What the SDK exports to the proxy.
unsafe extern "C" {
    safe fn proxy_on_context_create(context: u32, root: u32);
    safe fn proxy_on_delete(context: u32);
}

thread_local! {
    /// All of the module's state.
    static STATE: RefCell<Contexts> = const { RefCell::new(Contexts::new()) };
    /// Streams that the dispatcher has dropped from its HTTP table and still has in the other one.
    static HALF_GONE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` unless a call of the proxy's came while another was at work, which leaves nothing sensible to do.
fn with<T>(fallback: T, work: impl FnOnce(&mut Contexts) -> T) -> T {
    STATE.with(|state| match state.try_borrow_mut() {
        Ok(mut contexts) => work(&mut contexts),
        Err(_) => fallback,
    })
}

/// Runs `work` on a stream, if there is one of that number.
fn stream(context: u32, work: impl FnOnce(&mut Stream)) {
    with((), |contexts| contexts.stream(context).map_or((), work));
}

/// Runs a step of a stream that says whether the stream goes on.
fn action(context: u32, step: fn(&mut Stream, &dyn Host) -> Next) -> Action {
    let next = with(Next::Continue, |contexts| {
        contexts.stream(context).map_or(Next::Continue, |stream| step(stream, &Envoy))
    });
    if next == Next::Pause { Action::Pause } else { Action::Continue }
}

// Each kind of context is one pointer or number. The SDK's traits have a hundred methods, and copies of them that
// differ in nothing, not even in the size of what they are called on, are made one.

/// One plugin configuration of the proxy's: its number, and whether a stream's other half is to be created now.
struct Root(Box<(u32, Cell<bool>)>);

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, lines: usize, bytes: usize, _trailers: usize) {
        let body = envoy::answer(lines, bytes);
        with((), |contexts| contexts.answered(&Envoy, self.0.0, call, body.as_deref()));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        with(false, |contexts| contexts.configure(&Envoy, self.0.0, size))
    }

    fn on_tick(&mut self) {
        with((), |contexts| contexts.tick(&Envoy, self.0.0));
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(if self.0.1.get() { ContextType::StreamContext } else { ContextType::HttpContext })
    }

    /// Creates the stream's other half first, by telling the dispatcher about the same stream once more. It can take
    /// that: while it creates a stream it holds nothing but the table of roots, for reading.
    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // The end of a stream reaches one half only. Not there, where the dispatcher is at work on its tables, but here
        // the other one can go.
        for gone in HALF_GONE.take() {
            proxy_on_delete(gone);
        }
        let (root, half) = &*self.0;
        with((), |contexts| contexts.create(id, *root));
        half.set(true);
        proxy_on_context_create(id, *root);
        half.set(false);
        Some(Box::new(Http(id)))
    }

    fn create_stream_context(&self, id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Tcp(id)))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        with((), |contexts| contexts.delete(self.0.0));
    }
}

/// A stream as long as it may be a request.
struct Http(u32);

impl Drop for Http {
    fn drop(&mut self) {
        with((), |contexts| contexts.delete(self.0));
        HALF_GONE.with_borrow_mut(|gone| gone.push(self.0));
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        action(self.0, Stream::request_headers)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        stream(self.0, |stream| stream.response_headers(&Envoy));
        Action::Continue
    }

    fn on_log(&mut self) {
        stream(self.0, |stream| stream.log(&Envoy));
    }
}

/// A stream as long as it may be a connection.
struct Tcp(u32);

impl Context for Tcp {}

impl StreamContext for Tcp {
    fn on_downstream_data(&mut self, _size: usize, _end: bool) -> Action {
        action(self.0, Stream::downstream_data)
    }

    fn on_downstream_close(&mut self, side: PeerType) {
        stream(self.0, |stream| stream.connection_closed(&Envoy, side == PeerType::Local));
    }
}
