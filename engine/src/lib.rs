//! What would these Istio policies do with this request, and why?
//!
//! Data flows one way, and each step is a type: [`resource::Resources`] (as written) → [`attach`]
//! (what applies to one [`Workload`]) → [`Plan`] (compiled, immutable) ; [`Request`] + [`Plan`] →
//! [`Verdict`].
//!
//! ```
#![doc = include_str!("../examples/verdict.rs")]
//! ```
//!
//! No clock, no randomness and no I/O live here: the time is a field of the request, signatures are
//! checked through [`jwt::Crypto`]. The feature `crypto` (part of `std`) adds `jwt::SoftwareCrypto`, which is
//! backed by jsonwebtoken.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod attach;
pub mod attribute;
pub mod base64;
mod bytes;
mod decimal;
pub mod decode;
pub mod diagnostic;
pub mod headers;
pub mod json;
pub mod jwt;
pub mod node;
pub mod order;
pub mod outline;
pub mod path;
pub mod pattern;
pub mod plan;
pub mod prepare;
pub mod provider;
pub mod regex;
pub mod request;
pub mod resource;
#[cfg(feature = "others")]
pub mod sequences;
pub mod slices;
pub mod target;
pub mod template;
pub mod verdict;
pub mod versions;
pub mod workload;

pub use attribute::Attribute;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use node::{Node, Position, Value};
pub use plan::{Plan, Verdict};
pub use request::Request;
pub use workload::{Mesh, Workload};
