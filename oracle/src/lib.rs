//! The naive evaluator: what the engine is tested and fuzzed against.
//!
//! [`evaluator`] is the reference text, paragraph by paragraph, on policies as written, and shares no code with the plan;
//! [`worlds`], [`requests`] and [`crowds`] draw policies and requests near their boundaries from a [`tape`] of choices, be
//! it random or a fuzzer's.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "proof, not product: what goes wrong here is to be seen at once"
)]

pub mod attachment;
pub mod attributes;
pub mod control_plane;
pub mod crowds;
pub mod evaluator;
pub mod layer4;
pub mod logic;
pub mod others;
pub mod pools;
pub mod requests;
pub mod small;
pub mod strings;
pub mod tape;
pub mod worlds;
