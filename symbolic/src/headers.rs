//! Which headers a client decides about, and which the proxy.

use crate::{space::Setting, undecided::Undecided};
use gnomon_engine::{
    headers::{is_inline, is_name},
    workload::Underscores,
};

/// How a header can be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// No filter ever sees it.
    Never,
    /// The proxy adds it where the client does not; one value.
    Always,
    /// Not at all, or as one value.
    Single,
    /// Any number of lines.
    Lines,
}

/// How a header, by its name in lower case, reaches the filters of such a proxy (`gnomon_engine::headers`).
///
/// # Errors
///
/// Its value depends on other parts of the request.
pub(crate) fn presence(name: &str, setting: Setting<'_>) -> Result<Presence, Undecided> {
    let gateway = setting.proxy.gateway;
    if name == "origin" || name == "access-control-request-method" {
        // They make a preflight, which is an axis of its own where there are tokens.
        return match setting.of_tokens.is_empty() {
            true => Ok(Presence::Single),
            false => Err(Undecided::Unsupported("a condition on a CORS header beside RequestAuthentication")),
        };
    }
    if setting.of_tokens.iter().any(|of| of == name) {
        return Err(Undecided::Unsupported(
            "a condition on a header that RequestAuthentication reads or writes",
        ));
    }
    if name.contains('_') && setting.proxy.underscores != Underscores::Allow {
        return Ok(Presence::Never);
    }
    Ok(match name {
        "connection" | "upgrade" | "http2-settings" | "te" => {
            return Err(Undecided::Unsupported("a condition on a header of the connection itself"));
        }
        "keep-alive" | "proxy-connection" | "transfer-encoding" | "x-forwarded-client-cert" => {
            Presence::Never
        }
        "x-envoy-expected-rq-timeout-ms"
        | "x-envoy-force-trace"
        | "x-envoy-hedge-on-per-try-timeout"
        | "x-envoy-internal"
        | "x-envoy-ip-tags"
        | "x-envoy-max-retries"
        | "x-envoy-original-url"
        | "x-envoy-retriable-header-names"
        | "x-envoy-retriable-status-codes"
        | "x-envoy-retry-grpc-on"
        | "x-envoy-retry-on"
        | "x-envoy-upstream-alt-stat-name"
        | "x-envoy-upstream-rq-per-try-timeout-ms"
        | "x-envoy-upstream-rq-timeout-alt-response"
        | "x-envoy-upstream-rq-timeout-ms"
        | "x-envoy-upstream-stream-duration-ms" => Presence::Never,
        "x-envoy-decorator-operation"
        | "x-envoy-downstream-service-cluster"
        | "x-envoy-downstream-service-node"
        | "x-envoy-original-host"
        | "x-envoy-original-path"
            if gateway =>
        {
            Presence::Never
        }
        "x-forwarded-for" | "x-envoy-external-address" | "x-request-id" | "x-forwarded-proto" if gateway => {
            return Err(Undecided::Unsupported("a condition on a header that a gateway writes"));
        }
        ":scheme" => {
            return Err(Undecided::Unsupported("a condition on :scheme, which follows from the connection"));
        }
        // Another pseudo header, or what is no name: no request has it.
        _ if !is_name(name.as_bytes()) => Presence::Never,
        "x-forwarded-proto" | "x-request-id" => Presence::Always,
        _ if setting.joins_lines || is_inline(name.as_bytes()) => Presence::Single,
        _ => Presence::Lines,
    })
}
