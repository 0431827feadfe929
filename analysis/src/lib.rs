//! What is computed about policies. No input or output happens here.
#![forbid(unsafe_code)]

pub mod bundle;
mod compare;
pub mod imported;
pub mod lint;
pub mod reference;
pub mod run;

pub use compare::{Difference, differences, shown};
pub use run::{CaseResult, Runner, TestResult};
