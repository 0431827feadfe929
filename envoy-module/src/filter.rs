//! One HTTP request: what each hook does.

use crate::{
    abi::http::{Config, Kind, Stream as AbiStream},
    configuration::{Configuration, Own},
    guard::{caught, guard},
    main_thread::MainThread,
    request::{Request, respond},
    ticker,
    worker::{self, Worker},
};
use core::cell::RefCell;
use gnomon_shadow::stream::{Next, Origin, Stream};
use std::{rc::Rc, sync::Arc};

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Filter {
    /// `None`: there is nothing to do, since the module is off.
    worker: Option<Rc<Worker>>,
    stream: RefCell<Stream>,
    /// Nobody can say any more whether the request may pass, and somebody has to.
    refuses: bool,
}

/// Takes a configuration, or refuses it.
pub(crate) fn configure(config: &Config<'_>, name: &[u8], text: &[u8]) -> Option<Arc<Configuration>> {
    guard(|| {
        let labels = ["gnomon_policy", "gnomon_result"];
        let own = Own {
            labelled: config.define(Kind::Counter, "gnomon_policy_requests_total", &labels).ok(),
            panics: config.define(Kind::Counter, "gnomon_panics_total", &[]).ok(),
            scheduler: config.scheduler(),
        };
        Configuration::read(&MainThread { config, name, text }, name, text, own)
    })
    .flatten()
}

/// A configuration that no stream has any more.
pub(crate) fn forget(configuration: Arc<Configuration>) {
    let _panicked = caught(|| ticker::ends(&configuration));
    let _panicked = caught(|| drop(configuration));
}

/// A second or so has passed.
pub(crate) fn tick(config: &Config<'_>, configuration: &Configuration) {
    let _panicked = guard(|| configuration.tick(config, ticker::beats(configuration)));
}

/// An answer to a fetch has come, with this body, or has not come.
pub(crate) fn answered(config: &Config<'_>, configuration: &Configuration, call: u64, body: Option<&[u8]>) {
    let _panicked = guard(|| configuration.answered(config, call, body));
}

/// A request begins.
pub(crate) fn begin(configuration: Option<&Configuration>) -> Filter {
    let Some(configuration) = configuration else { return Filter::idle(false) };
    let made = guard(|| {
        let worker = worker::of(configuration)?;
        let stream = Stream::Waiting(Origin::Shared(configuration.plans(), worker.local.clone()));
        Some(Filter { worker: Some(worker), stream: RefCell::new(stream), ..Filter::idle(false) })
    });
    made.flatten().unwrap_or_else(|| Filter::idle(configuration.settings.enforce))
}

/// A request is gone.
pub(crate) fn end(filter: Box<Filter>) {
    let _panicked = caught(|| drop(filter));
}

/// What Envoy answers where no verdict can be had and one is to be enforced.
fn refuse(stream: &AbiStream<'_>) {
    respond(stream, 403, None, "RBAC: access denied", "gnomon_verdict_unknown");
}

impl Filter {
    fn idle(refuses: bool) -> Filter {
        Filter { worker: None, stream: RefCell::new(Stream::Done), refuses }
    }

    /// Does a step. `None`: it has panicked.
    fn step<T>(
        &self,
        stream: &AbiStream<'_>,
        step: impl FnOnce(&mut Stream, &Request<'_>) -> T,
    ) -> Option<T> {
        let worker = self.worker.as_deref()?;
        let request = Request::new(stream, worker);
        let done = guard(|| {
            // Envoy calls hooks while others are at work: those have nothing to see.
            let mut ours = self.stream.try_borrow_mut().ok()?;
            Some(step(&mut ours, &request))
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
        request.finish();
        done
    }

    /// The request's headers have come. False: it has been answered, and nothing else is to see it.
    pub(crate) fn request_headers(&self, stream: &AbiStream<'_>) -> bool {
        let next = self.step(stream, |ours, request| ours.request_headers(request));
        let goes_on = match next {
            Some(next) => next == Next::Continue,
            None => !self.refuses && !self.worker.as_ref().is_some_and(|worker| worker.enforces()),
        };
        if next.is_none() && !goes_on {
            refuse(stream);
        }
        goes_on
    }

    /// The response's headers go out.
    pub(crate) fn response_headers(&self, stream: &AbiStream<'_>) {
        if !self.worker.as_ref().is_some_and(|worker| worker.wants_response_headers()) {
            return;
        }
        let _panicked = self.step(stream, |ours, request| ours.response_headers(request));
    }

    /// The stream is over.
    pub(crate) fn complete(&self, stream: &AbiStream<'_>) {
        let _panicked = self.step(stream, |ours, request| ours.log(request));
    }
}
