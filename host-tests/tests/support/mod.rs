//! What several test programs share.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test program uses its part")]
#![allow(
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code may be blunt"
)]

pub mod wasm_host;
