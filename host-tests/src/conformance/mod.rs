//! Random worlds before the engine and before real Envoy: what nobody thought of writing down.
//!
//! A world is drawn from a seed ([`draw`]), its policies are exported as istiod would and loaded into Envoy's own
//! filters, its requests are sent, and Envoy's answers are compared with the engine's. A disagreement is made as
//! small as it can be ([`shrink`]) and written as a suite whose expectation is Envoy's answer.

mod ask;
pub mod compare;
pub mod draw;
mod random;
mod run;
pub mod shrink;
mod world;
mod write;

pub use ask::ask;
pub use compare::Engine;
pub use random::Random;
pub use run::{Disagreement, OnAnswer, Settings, Summary, run};
pub use world::{Read, World};
pub use write::yaml;
