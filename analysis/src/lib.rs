//! What is computed about policies. No input or output happens here.
#![forbid(unsafe_code)]

pub mod bundle;
mod compare;
pub mod elsewhere;
pub mod imported;
pub mod lint;
pub mod materialize;
mod place;
pub mod run;

pub use compare::{Difference, differences, shown};
pub use elsewhere::{Elsewhere, elsewhere};
pub use materialize::{Materialized, materialize, materialize_at};
pub use place::with_token;
pub use run::{CaseResult, Runner, TestResult};
