//! Sets of requests.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
pub mod bdd;
pub mod dimension;
pub mod numbers;
pub mod text;
