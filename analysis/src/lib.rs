//! What is computed about policies. No input or output happens here.
#![forbid(unsafe_code)]

mod compare;
pub mod materialize;
pub mod run;

pub use compare::{Difference, differences};
pub use materialize::{Materialized, materialize};
pub use run::{CaseResult, Runner, TestResult};
