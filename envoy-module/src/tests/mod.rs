//! The module without a proxy: hooks in the order in which Envoy calls them, in any other, and on many threads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code may be blunt"
)]

mod any_order;
mod costs;
mod heap;
mod life;
mod requests;
mod stand_ins;
mod threads;

use crate::{abi::Buffer, guard};
use core::ffi::c_void;
use stand_ins::Fake;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Ours = *const c_void;
type Envoys = *mut c_void;

// What the module exports.
unsafe extern "C" {
    safe fn envoy_dynamic_module_on_http_filter_config_new(
        config: Envoys,
        name: Buffer,
        text: Buffer,
    ) -> Ours;
    safe fn envoy_dynamic_module_on_http_filter_config_destroy(ours: Ours);
    safe fn envoy_dynamic_module_on_http_filter_config_scheduled(config: Envoys, ours: Ours, event: u64);
    safe fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
        config: Envoys,
        ours: Ours,
        call: u64,
        result: u32,
        lines: *const crate::abi::Line,
        count: usize,
        pieces: *const Buffer,
        pieces_count: usize,
    );
    safe fn envoy_dynamic_module_on_http_filter_new(ours: Ours, stream: Envoys) -> Ours;
    safe fn envoy_dynamic_module_on_http_filter_destroy(ours: Ours);
    safe fn envoy_dynamic_module_on_http_filter_request_headers(stream: Envoys, ours: Ours, end: bool)
    -> u32;
    safe fn envoy_dynamic_module_on_http_filter_response_headers(
        stream: Envoys,
        ours: Ours,
        end: bool,
    ) -> u32;
    safe fn envoy_dynamic_module_on_http_filter_stream_complete(stream: Envoys, ours: Ours);
    safe fn envoy_dynamic_module_on_network_filter_config_new(
        config: Envoys,
        name: Buffer,
        text: Buffer,
    ) -> Ours;
    safe fn envoy_dynamic_module_on_network_filter_config_destroy(ours: Ours);
    safe fn envoy_dynamic_module_on_network_filter_new(ours: Ours, stream: Envoys) -> Ours;
    safe fn envoy_dynamic_module_on_network_filter_destroy(ours: Ours);
    safe fn envoy_dynamic_module_on_network_filter_read(
        stream: Envoys,
        ours: Ours,
        length: usize,
        end: bool,
    ) -> u32;
    safe fn envoy_dynamic_module_on_network_filter_event(stream: Envoys, ours: Ours, event: u32);
}

/// Tests that look at what is the process's: one after the other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    guard::tests::reset();
    stand_ins::METRICS.lock().unwrap().clear();
    stand_ins::LOG.lock().unwrap().clear();
    drop(crate::ticker::left_behind(b"gnomon"));
    alone
}

/// Only these paths are allowed.
fn allowing(mode: &str, path: &str) -> String {
    format!(
        r#"{{"mode": "{mode}", "workload": {{"namespace": "shop"}}, "report": {{"filterState": "all"}}, "candidate": {{"resources": [{{
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {{"name": "a", "namespace": "shop"}},
            "spec": {{"rules": [{{"to": [{{"operation": {{"paths": ["{path}"]}}}}]}}]}}}}]}}}}"#
    )
}

fn configure(fake: &Fake, text: &str) -> Ours {
    let (name, text) = (Buffer::of(b"gnomon"), Buffer::of(text.as_bytes()));
    let made = envoy_dynamic_module_on_http_filter_config_new(fake.at(), name, text);
    fake.hook_ends();
    made
}

/// A request for a path, with what Envoy says at its end.
fn request(path: &str) -> Fake {
    let line = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    Fake {
        lines: vec![line(":method", "GET"), line(":path", path), line(":authority", "shop")],
        attributes: [(16, b"via_upstream".to_vec())].into(),
        numbers: [(15, 200)].into(),
        ..Fake::default()
    }
}

/// The whole life of a request: whether it went on.
fn pass(configuration: Ours, fake: &Fake) -> bool {
    let filter = envoy_dynamic_module_on_http_filter_new(configuration, fake.at());
    let next = envoy_dynamic_module_on_http_filter_request_headers(fake.at(), filter, true);
    fake.hook_ends();
    envoy_dynamic_module_on_http_filter_response_headers(fake.at(), filter, true);
    fake.hook_ends();
    envoy_dynamic_module_on_http_filter_stream_complete(fake.at(), filter);
    fake.hook_ends();
    envoy_dynamic_module_on_http_filter_destroy(filter);
    next == 0
}
