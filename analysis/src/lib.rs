//! What is computed about policies. No input or output happens here.
#![forbid(unsafe_code)]

pub mod advice;
pub mod bundle;
mod compare;
pub mod coverage;
pub mod describe;
pub mod diff;
pub mod draft;
pub mod drift;
pub mod evaluator;
pub mod hops;
pub mod idle;
pub mod imported;
pub mod inquiry;
pub mod invariant;
pub mod link;
pub mod lint;
pub mod matrix;
pub mod notes;
pub mod reference;
pub mod run;
pub mod suggest;
pub mod upgrade;
pub mod workloads;

pub use compare::{Difference, differences, shown};
pub use evaluator::{Evaluator, Plans};
pub use run::{CaseResult, Runner, TestResult};
