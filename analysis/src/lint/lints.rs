//! The list of lints.

use super::{Lint, attachment, holes, shape, tokens, values};

/// All lints, by code. A new one is its file, a `mod` line in the folder of its group, and its line here.
pub const LINTS: &[&Lint] = &[
    &holes::absent_claim_passes::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::agentgateway_target::LINT,
    &shape::allows_nothing::LINT,
    &holes::authorization_header::LINT,
    &tokens::authorization_without_prefix::LINT,
    &values::cidr_in_header::LINT,
    #[cfg(feature = "neighbours")]
    &tokens::claim_route_without_authentication::LINT,
    &shape::contradiction::LINT,
    &values::cookie_value::LINT,
    &shape::covered_value::LINT,
    &tokens::custom_before_token::LINT,
    &shape::denies_everything::LINT,
    &holes::deny_identity_in_plaintext::LINT,
    &attachment::disable_at_ztunnel::LINT,
    &values::dotted_claim::LINT,
    &attachment::dry_run_misspelled::LINT,
    &shape::duplicate_policy::LINT,
    &shape::duplicate_rule::LINT,
    &shape::duplicate_value::LINT,
    #[cfg(feature = "neighbours")]
    &holes::envoy_filter_name::LINT,
    &values::every_namespace::LINT,
    &holes::exact_path::LINT,
    &shape::excluded_value::LINT,
    &shape::excludes_everything::LINT,
    &holes::forwarded_for_header::LINT,
    &attachment::gateway_class_target::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::gateway_refused::LINT,
    &holes::head_beside_get::LINT,
    &holes::header_as_identity::LINT,
    &values::host_bits::LINT,
    &holes::host_without_port::LINT,
    &attachment::http_at_ztunnel::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::http_on_tcp::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::http_on_tcp_service::LINT,
    #[cfg(feature = "proofs")]
    &shape::idle_rule::LINT,
    #[cfg(feature = "reductions")]
    &shape::idle_value::LINT,
    &tokens::issuer_pattern::LINT,
    &tokens::issuer_without_keys::LINT,
    &tokens::keys_from_discovery_document::LINT,
    &tokens::keys_over_http::LINT,
    &values::list_in_value::LINT,
    &values::literal_star::LINT,
    &values::malformed_key::LINT,
    &values::mapped_address::LINT,
    &values::method_case::LINT,
    &shape::misplaced_field::LINT,
    &shape::misspelt_field::LINT,
    &values::namespace_shape::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::namespace_without_workloads::LINT,
    &values::negated_value::LINT,
    #[cfg(feature = "neighbours")]
    &holes::node_port::LINT,
    &attachment::not_at_ztunnel::LINT,
    &holes::not_identity_in_plaintext::LINT,
    &shape::nots_allow_everybody::LINT,
    &shape::nots_deny_everybody::LINT,
    &tokens::one_issuer_two_keys::LINT,
    &holes::open_identity_prefix::LINT,
    &tokens::output_claim_name::LINT,
    &values::padded_value::LINT,
    &values::path_in_methods::LINT,
    &values::path_not_normalized::LINT,
    &values::path_parameter::LINT,
    &values::path_without_slash::LINT,
    &holes::paths_not_normalized_by_mesh::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::peer_authentication_on_gateway::LINT,
    &attachment::peer_selector_in_root::LINT,
    &values::placeholder::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::port_mtls_of_service_port::LINT,
    &values::port_zero::LINT,
    &values::principal_shape::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::probe_not_rewritten::LINT,
    &values::query_in_path::LINT,
    &holes::raw_path_header::LINT,
    &values::regular_expression::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::removed_kind::LINT,
    &values::request_principal_shape::LINT,
    &attachment::selector_on_waypoint::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::selector_selects_nothing::LINT,
    #[cfg(feature = "neighbours")]
    &holes::service_port::LINT,
    &tokens::shared_issuer_any_audience::LINT,
    &attachment::source_ip_at_waypoint::LINT,
    &holes::source_nat::LINT,
    &values::spiffe_prefix::LINT,
    &shape::split_rule::LINT,
    &shape::star_says_nothing::LINT,
    &holes::subtree_without_root::LINT,
    &holes::suffix_without_dot::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::target_not_found::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::target_without_waypoint::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::tcp_port_refused::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::tls_towards_peers::LINT,
    &tokens::token_not_forwarded::LINT,
    &tokens::token_not_required::LINT,
    &tokens::token_without_authentication::LINT,
    &tokens::token_without_subject::LINT,
    &attachment::trust_domain_at_ztunnel::LINT,
    &attachment::two_custom_providers::LINT,
    &attachment::two_peer_authentications::LINT,
    &values::typed_claim::LINT,
    &shape::unconditional_rule::LINT,
    &tokens::unknown_issuer::LINT,
    &values::unknown_method::LINT,
    &values::unknown_namespace::LINT,
    #[cfg(feature = "neighbours")]
    &values::unknown_service_account::LINT,
    &values::unknown_trust_domain::LINT,
    #[cfg(feature = "neighbours")]
    &holes::unverified_peers::LINT,
    &values::url_in_hosts::LINT,
    #[cfg(feature = "neighbours")]
    &attachment::workload_without_proxy::LINT,
];
