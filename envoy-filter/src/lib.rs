//! The candidate verdict inside Envoy: a proxy-wasm filter that looks at the traffic and never touches it.

pub mod compare;
pub mod facts;
pub mod host;
pub mod lines;
pub mod metrics;
pub mod wire;
