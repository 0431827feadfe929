//! Values that match nothing, or not what they seem to.

pub(in crate::lint) mod cidr_in_header;
pub(in crate::lint) mod cookie_value;
pub(in crate::lint) mod dotted_claim;
pub(in crate::lint) mod every_namespace;
pub(in crate::lint) mod host_bits;
pub(in crate::lint) mod literal_star;
pub(in crate::lint) mod malformed_key;
pub(in crate::lint) mod mapped_address;
pub(in crate::lint) mod method_case;
pub(in crate::lint) mod namespace_shape;
pub(in crate::lint) mod path_in_methods;
pub(in crate::lint) mod path_not_normalized;
pub(in crate::lint) mod path_without_slash;
pub(in crate::lint) mod port_zero;
pub(in crate::lint) mod principal_shape;
pub(in crate::lint) mod query_in_path;
pub(in crate::lint) mod regular_expression;
pub(in crate::lint) mod request_principal_shape;
pub(in crate::lint) mod spiffe_prefix;
pub(in crate::lint) mod typed_claim;
pub(in crate::lint) mod unknown_method;
pub(in crate::lint) mod unknown_namespace;
pub(in crate::lint) mod unknown_service_account;
pub(in crate::lint) mod unknown_trust_domain;
pub(in crate::lint) mod url_in_hosts;
