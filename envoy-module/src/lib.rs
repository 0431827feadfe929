//! The candidate verdict inside Envoy: a dynamic module that looks at the traffic and never touches it.
//!
//! What it does is in [`gnomon_shadow`], as for the proxy-wasm filter; the configuration, the verdicts, the reports and the
//! metrics are the same. Here is what makes a native module of that:
//!
//! | | |
//! |---|---|
//! | [`abi`] | the functions that Envoy calls and that it has, and all that is unsafe |
//! | [`filter`], [`connection`] | one HTTP request, one TCP connection: what each hook does |
//! | [`access`], [`attributes`], [`sink`] | the access logger: what it writes of requests, and where |
//! | [`configuration`] | what all workers share: plans, settings, numbers of metrics, tokens, key sets |
//! | [`worker`] | what each worker keeps of a configuration |
//! | [`main_thread`], [`request`] | Envoy as the shadow's `Host`, while configuring and at a request |
//! | [`ticker`] | a thread that sleeps: key sets that are due, plans that nobody asks any more |
//! | [`tally`] | what workers count under labels, until Envoy is told |
//! | [`guard`] | no panic leaves a hook |
//!
//! # Threads
//!
//! Envoy's main thread reads a configuration and gives its pointer to all workers. A worker takes a count of the plans for
//! as long as a request waits for its verdict, reads them without a lock, and keeps counters' names, certificates and log
//! limits in memory of its own. An update is another pointer; a refused one is none, and Envoy keeps what it had.

#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "this is where Envoy's C functions are called, and called by")]
pub(crate) mod abi;
mod access;
mod attributes;
mod configuration;
mod connection;
mod filter;
mod guard;
mod main_thread;
mod memory;
mod metric;
mod names;
mod node;
mod request;
mod signature;
mod sink;
mod tally;
#[cfg(test)]
#[expect(unsafe_code, reason = "tests stand in for Envoy")]
mod tests;
mod ticker;
mod worker;
