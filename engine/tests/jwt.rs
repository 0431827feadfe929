//! RequestAuthentication: against answers recorded from Envoy, and what the recordings cannot show.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers stand outside of the test functions that clippy lets be blunt"
)]

#[path = "jwt/recorded.rs"]
mod recorded;
#[path = "jwt/smoke.rs"]
mod smoke;
