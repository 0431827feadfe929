//! The shadow of a candidate: a proxy's requests, evaluated against policies that somebody wants to roll out and compared
//! with what the proxy did. It looks at the traffic and, unless told to enforce, never touches it.
//!
//! What a proxy is lives in a shell around this crate, which implements [`host::Host`] and passes callbacks on:
//!
//! | the proxy | calls |
//! |---|---|
//! | is configured | [`Instances::configure`](instances::Instances::configure) |
//! | lets time pass | [`Instances::tick`](instances::Instances::tick) |
//! | has an answer to a fetch | [`Instances::answered`](instances::Instances::answered) |
//! | begins a stream | [`Instances::begins`](instances::Instances::begins) |
//! | has the headers of a request, or the first bytes of a connection | [`Stream::request_headers`](stream::Stream::request_headers), [`downstream_data`](stream::Stream::downstream_data) |
//! | is done with a stream | [`Stream::log`](stream::Stream::log), [`connection_closed`](stream::Stream::connection_closed) |
//!
//! Data flows one way: configuration → [`preparation`] → [`active::Active`] (plan, keys, tokens) ; request → [`decide`]
//! → [`answer`] → [`compare`] → [`lines`] and [`metrics`]. No call to the proxy may matter: each of them may fail, and no input is
//! trusted.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod active;
pub mod address;
pub mod answer;
pub mod cache;
pub mod certificate;
pub mod compare;
pub mod config;
pub mod crypto;
pub mod decide;
pub mod digest;
pub mod enforce;
pub mod gzip;
pub mod host;
pub mod instance;
pub mod instances;
pub mod key_sets;
pub mod limits;
pub mod lines;
pub mod masks;
pub mod metrics;
pub mod node;
pub mod peers;
pub mod preparation;
pub mod properties;
pub mod stream;
pub mod write;
