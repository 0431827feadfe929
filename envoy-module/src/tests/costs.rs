//! What a request costs, in calls into Envoy and in allocations: both are what the module mostly takes its time for.

use super::{allowing, alone, configure, request, stand_ins::Fake, *};
use core::cell::{Cell, RefCell};

thread_local! {
    /// Calls since [`counted`] began; `None`: nobody counts.
    static CALLS: RefCell<Option<Vec<&'static str>>> = const { RefCell::new(None) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Envoy is at work, whose allocations are not ours.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A callback runs.
pub(super) struct Envoys(bool);

impl Envoys {
    pub(super) fn call(name: &'static str) -> Envoys {
        let outer = INSIDE.replace(true);
        CALLS.with_borrow_mut(|calls| {
            if let Some(calls) = calls {
                calls.push(name.trim_start_matches("envoy_dynamic_module_callback_"));
            }
        });
        Envoys(outer)
    }
}

impl Drop for Envoys {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// The allocator has been asked for something.
pub(super) fn allocated() {
    let inside = INSIDE.try_with(Cell::get).unwrap_or(true);
    if !inside {
        let _gone = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }
}

/// The calls and the number of allocations of some work.
fn counted(work: impl FnOnce()) -> (Vec<&'static str>, usize) {
    CALLS.set(Some(Vec::with_capacity(64)));
    let before = ALLOCATIONS.get();
    work();
    let allocations = ALLOCATIONS.get() - before;
    (CALLS.take().unwrap(), allocations)
}

/// What each hook of a request's costs, when everything that is made once has been made.
fn hooks(ours: Ours, path: &str) -> [(Vec<&'static str>, usize); 5] {
    let mut all = [(); 5].map(|()| (Vec::new(), 0));
    for _ in 0..3 {
        let fake = request(path);
        let mut filter = core::ptr::null();
        all = [
            counted(|| filter = envoy_dynamic_module_on_http_filter_new(ours, fake.at())),
            counted(|| _ = envoy_dynamic_module_on_http_filter_request_headers(fake.at(), filter, true)),
            counted(|| _ = envoy_dynamic_module_on_http_filter_response_headers(fake.at(), filter, true)),
            counted(|| envoy_dynamic_module_on_http_filter_stream_complete(fake.at(), filter)),
            counted(|| envoy_dynamic_module_on_http_filter_destroy(filter)),
        ];
        fake.hook_ends();
    }
    all
}

#[test]
fn a_request_asks_envoy_for_what_is_looked_at_and_little_memory() {
    let _alone = alone();
    let config = Fake::default();
    const HEADERS: &[&str] = &["http_get_headers_size", "http_get_headers"];
    const END: &[&str] = &[
        "http_filter_get_attribute_string",
        "http_filter_get_attribute_int",
        "http_filter_increment_counter",
    ];
    let text = allowing("shadow", "/a").replace("\"all\"", "\"divergent\", \"log\": \"none\"");
    let ours = configure(&config, &text);
    let [begins, headers, response, complete, ends] = hooks(ours, "/a");
    // The filter itself, and the policy's name.
    assert_eq!(begins, (Vec::new(), 1));
    assert_eq!(headers, (HEADERS.to_vec(), 1));
    assert_eq!(response, (Vec::new(), 0));
    assert_eq!(complete, (END.to_vec(), 0));
    assert_eq!(ends, (Vec::new(), 0));
    // What differs is noted; whether an upstream was reached does not matter to a response that came from one.
    let [begins, headers, response, complete, ends] = hooks(ours, "/b");
    assert_eq!((begins.0, headers.0, response.0, ends.0), (vec![], HEADERS.to_vec(), vec![], vec![]));
    assert_eq!(complete.0, [END, &["http_set_filter_state_bytes"]].concat());
    envoy_dynamic_module_on_http_filter_config_destroy(ours);

    // Without policies nothing of the request is read, and no policy has a name.
    let nothing = r#"{"workload": {"namespace": "shop"}, "report": {"filterState": "divergent"},
        "candidate": {"resources": []}}"#;
    let ours = configure(&config, nothing);
    let [begins, headers, response, complete, ends] = hooks(ours, "/a");
    assert_eq!((begins.1, headers.1, response.1, complete.1, ends.1), (1, 0, 0, 0, 0));
    assert_eq!((headers.0, complete.0), (vec![], END.to_vec()));
    envoy_dynamic_module_on_http_filter_config_destroy(ours);
}
