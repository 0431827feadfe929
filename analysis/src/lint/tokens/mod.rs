//! Tokens that are not asked for, or cannot be had.

pub(in crate::lint) mod authorization_without_prefix;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod claim_route_without_authentication;
pub(in crate::lint) mod custom_before_token;
pub(in crate::lint) mod issuer_pattern;
pub(in crate::lint) mod issuer_without_keys;
pub(in crate::lint) mod keys_from_discovery_document;
pub(in crate::lint) mod keys_over_http;
pub(in crate::lint) mod one_issuer_two_keys;
pub(in crate::lint) mod output_claim_name;
pub(in crate::lint) mod shared_issuer_any_audience;
pub(in crate::lint) mod token_not_forwarded;
pub(in crate::lint) mod token_not_required;
pub(in crate::lint) mod token_without_authentication;
pub(in crate::lint) mod token_without_subject;
pub(in crate::lint) mod unknown_issuer;
