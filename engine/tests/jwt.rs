//! RequestAuthentication: against answers recorded from Envoy, and what the recordings cannot show.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers stand outside of the test functions that clippy lets be blunt"
)]

#[path = "jwt/common.rs"]
mod common;
#[path = "jwt/explained.rs"]
mod explained;
#[path = "jwt/front_ends.rs"]
mod front_ends;
#[path = "jwt/random.rs"]
mod random;
#[path = "jwt/recorded.rs"]
mod recorded;
#[path = "jwt/time.rs"]
mod time;
#[path = "jwt/unknown.rs"]
mod unknown;
