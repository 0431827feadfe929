//! Policies that reach other workloads than they seem to.

#[cfg(feature = "neighbours")]
pub(in crate::lint) mod agentgateway_target;
pub(in crate::lint) mod disable_at_ztunnel;
pub(in crate::lint) mod dry_run_misspelled;
pub(in crate::lint) mod gateway_class_target;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod gateway_refused;
pub(in crate::lint) mod http_at_ztunnel;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod http_on_tcp;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod http_on_tcp_service;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod namespace_without_workloads;
pub(in crate::lint) mod not_at_ztunnel;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod peer_authentication_on_gateway;
pub(in crate::lint) mod peer_selector_in_root;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod port_mtls_of_service_port;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod probe_not_rewritten;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod removed_kind;
pub(in crate::lint) mod selector_on_waypoint;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod selector_selects_nothing;
pub(in crate::lint) mod source_ip_at_waypoint;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod target_not_found;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod target_without_waypoint;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod tcp_port_refused;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod tls_towards_peers;
pub(in crate::lint) mod trust_domain_at_ztunnel;
pub(in crate::lint) mod two_custom_providers;
pub(in crate::lint) mod two_peer_authentications;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod workload_without_proxy;
