//! The harness of everything that is judged in real Envoy: certificates with SPIFFE identities, a client that
//! controls every byte, signed tokens, listeners configured as Istio's proxies are, and Envoy itself.
//!
//! Nothing here decides anything about policies: it carries requests to Envoy and brings back what Envoy did.

pub mod access_log;
pub mod candidate;
pub mod certs;
pub mod client;
pub mod config;
pub mod conformance;
pub mod envoy;
pub mod err;
pub mod ext_authz;
pub mod filter;
pub mod judge;
pub mod listeners;
pub mod load;
pub mod measured;
pub mod metrics;
pub mod process;
pub mod tokens;
pub mod xds;

pub use access_log::AccessLog;
pub use certs::{Ca, Identity, Names};
pub use client::{Connection, Dial, Proxy, Reply, RequestBytes, Response, Tls};
pub use config::{Bootstrap, ClientCert, Filters, Listener, ServerTls};
pub use envoy::Envoy;
pub use err::{Error, Result};
