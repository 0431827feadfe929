//! Text and folders to policies, requests and suites, with file, line and column for everything.
#![forbid(unsafe_code)]

mod merge;
pub mod request;
pub mod suite;
mod time;

pub use merge::merged;
pub use time::rfc3339;
