//! [`Node`](crate::Node) trees to values of the engine's types, with a diagnostic for everything that is wrong.
//!
//! What Istio's admission would refuse is an error; what it takes but what does not say what it seems to is a warning.
//! All problems of an object are reported, not the first.

mod nearest;
mod reader;

pub use nearest::nearest;
pub use reader::{Cursor, Fields, MAX_PROBLEMS, Reader, quoted, short};
