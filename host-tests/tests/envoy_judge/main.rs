//! Real Envoy as the judge of the engine and of the filter: on what people wrote down, and on what nobody thought of.
#![expect(
    clippy::unwrap_used,
    reason = "tests may be blunt, and clippy.toml reaches only the #[test] functions"
)]

mod compare;
mod corpus;
mod enforced;
mod random;
mod shrink;
