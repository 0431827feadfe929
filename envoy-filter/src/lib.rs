//! The candidate verdict inside Envoy: a proxy-wasm filter that looks at the traffic and never touches it.
//!
//! The plugin configuration (`docs/filter.md`) names policies, the *candidate*. When a request's headers come, the filter
//! evaluates the candidate for it; when the stream has ended, it compares that verdict with what the proxy's own
//! filters did, counts, writes filter state `wasm.gnomon` and, where they differ, a log line.
//!
//! What it does is in [`gnomon_shadow`]; here is what makes an Envoy filter of that: the functions that the module exports
//! and imports, and which number of the proxy's is which stream.
//!
//! # Where it stands
//!
//! Before `jwt_authn` (Istio's phase `AUTHN`): that filter takes the token out of the request that it has verified.
//! Behind it, a candidate with RequestAuthentication is `unknown` for every such request. What it and RBAC did is read
//! at the end. Where a filter in front has already answered, the candidate is evaluated
//! at the end too (`late` in the log line). The same module serves as a network filter, in front of the network RBAC
//! filter, and then evaluates connections at their first bytes, as that does.
//!
//! # What a proxy does not tell
//!
//! The physical peer behind X-Forwarded-For; a request without that header has one address, and there nothing is
//! missing. A wasm property shows only the first URI SAN of the peer, but the certificate itself can be read
//! ([`gnomon_shadow::certificate`]). For the rest, put this filter in front, and its two keys are read where a verdict depends on them;
//! without it such a verdict is `unknown`, never guessed:
//!
//! ```yaml
//! name: envoy.filters.http.set_filter_state
//! typed_config:
//!   "@type": type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config
//!   on_request_headers:
//!   - object_key: gnomon.peer_uri_san
//!     factory_key: envoy.string
//!     format_string: {text_format_source: {inline_string: "%DOWNSTREAM_PEER_URI_SAN%"}}
//!   - object_key: gnomon.direct_remote_address
//!     factory_key: envoy.string
//!     format_string: {text_format_source: {inline_string: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"}}
//! ```
//!
//! # Safety
//!
//! A trap in a filter answers the request with 503, and with Istio's failure policy switches the filter off without a
//! word. So every call to the proxy may fail and no input is trusted. Entry point, dispatcher and contexts are those of the
//! proxy-wasm SDK; its functions towards the proxy, which panic on statuses that they do not expect, are not used but for
//! one (`envoy` says which). `cargo xtask filter` refuses a module with a way
//! into a panic that is not argued for. Give the filter a `vm_id` of its own: plugins of one VM share each other's crashes.

extern crate alloc;

pub mod contexts;
#[cfg(target_arch = "wasm32")]
mod entry;
#[cfg(target_arch = "wasm32")]
mod envoy;
pub mod metadata;
pub mod wire;
