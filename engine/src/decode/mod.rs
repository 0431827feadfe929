//! [`Node`](crate::Node) trees to values of the engine's types, with a diagnostic for everything that is wrong.
//!
//! What Istio's admission would refuse (the CRD's schema or istiod's webhook, as of 1.32) is an error; what it takes
//! but what does not say what it seems to is a warning. All problems of an object are reported, not the first, and an
//! object with errors is left out.

mod authorization_policy;
mod bound;
mod cursor;
mod duration;
mod fields;
mod gateway;
mod jwks;
mod meta;
mod nearest;
mod object;
mod peer_authentication;
mod reader;
mod request_authentication;
mod target;
mod values;
mod workload;

pub use bound::{Bound, MAX_PROBLEMS};
pub use cursor::Cursor;
pub use fields::Fields;
pub use nearest::nearest;
pub use object::{GROUP, KINDS, Tally, object, objects, surroundings};
pub use reader::{Problem, Reader, quoted, short};
pub use workload::{mesh, mesh_at, workload, workload_at};
