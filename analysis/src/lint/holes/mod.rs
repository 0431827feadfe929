//! Ways around a rule.

pub(in crate::lint) mod absent_claim_passes;
pub(in crate::lint) mod authorization_header;
pub(in crate::lint) mod deny_identity_in_plaintext;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod envoy_filter_name;
pub(in crate::lint) mod exact_path;
pub(in crate::lint) mod forwarded_for_header;
pub(in crate::lint) mod head_beside_get;
pub(in crate::lint) mod header_as_identity;
pub(in crate::lint) mod host_without_port;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod node_port;
pub(in crate::lint) mod not_identity_in_plaintext;
pub(in crate::lint) mod open_identity_prefix;
pub(in crate::lint) mod paths_not_normalized_by_mesh;
pub(in crate::lint) mod raw_path_header;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod service_port;
pub(in crate::lint) mod source_nat;
pub(in crate::lint) mod subtree_without_root;
pub(in crate::lint) mod suffix_without_dot;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod unverified_peers;
