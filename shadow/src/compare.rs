//! What the proxy really did, and how that differs from what the candidate would have done.

use crate::answer::Answer;
use gnomon_engine::verdict::{Outcome, Stage};

/// What the proxy's own filters did with a request, as far as policies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// It passed them; whatever became of it afterwards (a route, a 404, a dead upstream) is no policy's doing.
    Allowed,
    /// One of the native policy filters refused.
    Refused {
        /// Which kind of filter.
        by: Refuser,
        /// 401 or 403 as HTTP has it; a gRPC client gets 200 with a grpc-status instead. `None` on TCP.
        status: Option<u16>,
    },
    /// The proxy answered before any policy was asked: a request that is none, another filter in front.
    NotAsked,
    /// The stream ended before anybody could see what the policies did.
    Unknown,
}

/// The native filters that carry policies out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuser {
    /// `envoy.filters.http.rbac` or its network twin.
    Rbac,
    /// `envoy.filters.http.jwt_authn`.
    JwtAuthn,
    /// `envoy.filters.http.ext_authz`.
    ExtAuthz,
    /// The filter chain match: plaintext where mutual TLS is wanted.
    FilterChain,
}

impl Refuser {
    /// The word in logs.
    pub fn name(self) -> &'static str {
        match self {
            Refuser::Rbac => "rbac",
            Refuser::JwtAuthn => "jwt_authn",
            Refuser::ExtAuthz => "ext_authz",
            Refuser::FilterChain => "filter_chain",
        }
    }
}

/// What the proxy says about a stream that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending<'a> {
    /// `response.code`; 0 or `None` where no response was sent.
    pub code: Option<u16>,
    /// `response.code_details`.
    pub details: &'a [u8],
    /// The filter's request step came: nothing in front of it had refused.
    pub decided: bool,
}

const RBAC: &str = "rbac_access_denied_matched_policy[";
const JWT: &str = "jwt_authn_access_denied{";
const JWT_AUDIENCE: &str = "jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}";

/// Reads the end of an HTTP stream. `upstream` is only asked where it makes a difference: whether some upstream had been
/// chosen, which is the last thing that happens, so that everything in front had passed.
///
/// The details decide, never the status: a refused gRPC call ends with 200, and a 403 may be the upstream's own.
pub fn enforced(ending: Ending<'_>, upstream: impl FnOnce() -> bool) -> Enforced {
    let Ending { code, details, decided } = ending;
    let answered = code.is_some_and(|code| code != 0);
    // Nearly every request.
    let routed = answered && is_routed(details);
    if routed && decided {
        return Enforced::Allowed;
    }
    if details.starts_with(RBAC.as_bytes()) {
        return Enforced::Refused { by: Refuser::Rbac, status: Some(403) };
    }
    if details.starts_with(JWT.as_bytes()) {
        let status = if details == JWT_AUDIENCE.as_bytes() { 403 } else { 401 };
        return Enforced::Refused { by: Refuser::JwtAuthn, status: Some(status) };
    }
    if is_ext_authz(details) {
        // The provider chooses the status; on gRPC it is lost in the 200.
        let status = code.filter(|code| *code != 200).unwrap_or(403);
        return Enforced::Refused { by: Refuser::ExtAuthz, status: Some(status) };
    }
    if !routed && upstream() {
        return Enforced::Allowed;
    }
    match (answered, decided) {
        // Reset before any answer: it may have been waiting for a provider or a key set.
        (false, _) => Enforced::Unknown,
        (true, false) => Enforced::NotAsked,
        // Some other filter has answered; the native policy filters may stand in front of it or behind.
        (true, true) => Enforced::Unknown,
    }
}

fn is_ext_authz(details: &[u8]) -> bool {
    details == b"ext_authz_denied" || details == b"ext_authz_error"
}

/// The end of the chain has answered, the router: the request had passed all filters.
fn is_routed(details: &[u8]) -> bool {
    const ROUTER: [&str; 12] = [
        "via_upstream",
        "direct_response",
        "route_not_found",
        "cluster_not_found",
        "no_cluster_found",
        "no_healthy_upstream",
        "upstream_",
        "response_timeout",
        "maintenance_mode",
        "request_payload_exceeded_retry_buffer_limit",
        "internal_redirect",
        "drop_overload",
    ];
    ROUTER.iter().any(|beginning| details.starts_with(beginning.as_bytes()))
}

/// An answer as if it had been carried out.
pub fn as_enforced(answer: &Answer) -> Enforced {
    match answer.outcome() {
        Outcome::Allow => Enforced::Allowed,
        Outcome::Unknown => Enforced::Unknown,
        Outcome::Deny | Outcome::Redirect => match refuser(answer.stage(), answer.details()) {
            Some(by) => Enforced::Refused { by, status: answer.status() },
            None => Enforced::Unknown,
        },
    }
}

/// Reads the end of a TCP connection from `connection.termination_details`.
pub fn enforced_tcp(details: &[u8]) -> Enforced {
    if details.starts_with(RBAC.as_bytes()) {
        Enforced::Refused { by: Refuser::Rbac, status: None }
    } else if is_ext_authz(details) {
        Enforced::Refused { by: Refuser::ExtAuthz, status: None }
    } else {
        Enforced::Allowed
    }
}

/// The comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Both let it through, or both answer the client the same.
    Agree,
    /// Served today, refused by the candidate.
    WouldDeny,
    /// Refused today, served by the candidate.
    WouldAllow,
    /// Refused by both, but the client would get another answer: another status, another kind of refusal or
    /// another message about the token. Which policy refuses does not show outside and makes no difference here.
    WouldDenyDifferently,
    /// The candidate's verdict, or what was enforced, cannot be known.
    Unknown,
    /// No policy was asked, so there is nothing to compare with.
    Skipped,
}

impl Comparison {
    /// All of them, in the order of the metrics.
    pub const ALL: [Comparison; 6] = [
        Comparison::Agree,
        Comparison::WouldDeny,
        Comparison::WouldAllow,
        Comparison::WouldDenyDifferently,
        Comparison::Unknown,
        Comparison::Skipped,
    ];

    /// The word in metrics, logs and filter state.
    pub fn name(self) -> &'static str {
        match self {
            Comparison::Agree => "agree",
            Comparison::WouldDeny => "would_deny",
            Comparison::WouldAllow => "would_allow",
            Comparison::WouldDenyDifferently => "would_deny_differently",
            Comparison::Unknown => "unknown",
            Comparison::Skipped => "skipped",
        }
    }

    /// Its place in [`Comparison::ALL`].
    pub fn place(self) -> usize {
        self as usize
    }

    /// The client would see a difference.
    pub fn diverges(self) -> bool {
        matches!(self, Comparison::WouldDeny | Comparison::WouldAllow | Comparison::WouldDenyDifferently)
    }
}

/// The candidate's answer, as far as the comparison looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// allow, deny or unknown.
    pub outcome: Outcome,
    /// Who decided.
    pub stage: Stage,
    /// The status a client would get.
    pub status: Option<u16>,
    /// Envoy's details of the refusal.
    pub details: Option<&'a str>,
    /// An external provider that was not asked might have refused before.
    pub provider_unasked: bool,
}

impl<'a> Candidate<'a> {
    /// That of an answer.
    pub fn of(answer: &'a Answer, provider_unasked: bool) -> Candidate<'a> {
        Candidate {
            outcome: answer.outcome(),
            stage: answer.stage(),
            status: answer.status(),
            details: answer.details(),
            provider_unasked,
        }
    }
}

/// Compares the candidate's answer with what was enforced; `details` are those of the enforced answer.
pub fn compare(candidate: Candidate<'_>, enforced: &Enforced, details: &[u8]) -> Comparison {
    match (candidate.outcome, enforced) {
        (_, Enforced::NotAsked) => Comparison::Skipped,
        (Outcome::Unknown | Outcome::Redirect, _) | (_, Enforced::Unknown) => Comparison::Unknown,
        (Outcome::Allow, Enforced::Allowed) => Comparison::Agree,
        (Outcome::Deny, Enforced::Allowed) => Comparison::WouldDeny,
        (Outcome::Allow, Enforced::Refused { .. }) => Comparison::WouldAllow,
        // Refused by both, but nobody knows with which answer.
        (Outcome::Deny, Enforced::Refused { .. }) if candidate.provider_unasked => Comparison::Unknown,
        (Outcome::Deny, Enforced::Refused { by, status }) => {
            let same_kind = refuser(candidate.stage, candidate.details) == Some(*by);
            let same_message =
                *by != Refuser::JwtAuthn || candidate.details.map(str::as_bytes) == Some(details);
            if same_kind && candidate.status == *status && same_message {
                Comparison::Agree
            } else {
                Comparison::WouldDenyDifferently
            }
        }
    }
}

fn refuser(stage: Stage, details: Option<&str>) -> Option<Refuser> {
    match stage {
        Stage::Mtls => Some(Refuser::FilterChain),
        // A CUSTOM policy whose provider is not known is enforced as DENY, by RBAC.
        Stage::Custom if details.is_some_and(|details| details.starts_with(RBAC)) => Some(Refuser::Rbac),
        Stage::Custom => Some(Refuser::ExtAuthz),
        Stage::Jwt => Some(Refuser::JwtAuthn),
        Stage::Deny | Stage::Allow => Some(Refuser::Rbac),
        Stage::Audit | Stage::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(by: Refuser, status: u16) -> Enforced {
        Enforced::Refused { by, status: Some(status) }
    }

    #[test]
    fn endings() {
        use Enforced::{Allowed, NotAsked, Unknown};
        // code, details, this filter's request step came, an upstream was chosen
        let table = [
            (Some(200), "via_upstream", true, true, Allowed),
            (Some(403), "via_upstream", true, true, Allowed),
            (Some(200), "direct_response", true, false, Allowed),
            (Some(404), "route_not_found", true, false, Allowed),
            (Some(503), "no_healthy_upstream", true, false, Allowed),
            (Some(403), "rbac_access_denied_matched_policy[none]", true, false, refused(Refuser::Rbac, 403)),
            (Some(403), "rbac_access_denied_matched_policy[none]", false, false, refused(Refuser::Rbac, 403)),
            // gRPC
            (Some(200), "rbac_access_denied_matched_policy[a]", true, false, refused(Refuser::Rbac, 403)),
            (
                Some(200),
                "jwt_authn_access_denied{Jwt_is_expired}",
                true,
                false,
                refused(Refuser::JwtAuthn, 401),
            ),
            (
                Some(401),
                "jwt_authn_access_denied{Jwt_is_missing}",
                true,
                false,
                refused(Refuser::JwtAuthn, 401),
            ),
            (Some(403), JWT_AUDIENCE, true, false, refused(Refuser::JwtAuthn, 403)),
            (Some(302), "ext_authz_denied", true, false, refused(Refuser::ExtAuthz, 302)),
            (Some(200), "ext_authz_denied", true, false, refused(Refuser::ExtAuthz, 403)),
            (Some(403), "ext_authz_error", true, false, refused(Refuser::ExtAuthz, 403)),
            (Some(400), "path_normalization_failed", false, false, NotAsked),
            (Some(426), "low_version", false, false, NotAsked),
            (Some(0), "downstream_remote_disconnect", true, false, Unknown),
            (Some(0), "downstream_remote_disconnect", true, true, Allowed),
            (None, "", true, false, Unknown),
            // Somebody between this filter and the router has answered, before the policies or behind them.
            (Some(429), "request_rate_limited", true, false, Unknown),
            (Some(503), "fault_filter_abort", true, false, Unknown),
            (Some(429), "request_rate_limited", false, false, NotAsked),
            (Some(408), "stream_idle_timeout", true, false, Unknown),
            (Some(504), "stream_idle_timeout", true, true, Allowed),
            (None, "", false, false, Unknown),
        ];
        for (code, details, decided, upstream, expected) in table {
            let ending = Ending { code, details: details.as_bytes(), decided };
            assert_eq!(enforced(ending, || upstream), expected, "{ending:?}, {upstream}");
        }
        assert_eq!(enforced_tcp(b""), Allowed);
        assert_eq!(
            enforced_tcp(b"rbac_access_denied_matched_policy[none]"),
            Enforced::Refused { by: Refuser::Rbac, status: None }
        );
    }

    #[test]
    fn comparisons() {
        use Outcome::{Allow, Deny, Unknown};
        let none = "rbac_access_denied_matched_policy[none]";
        let expired = "jwt_authn_access_denied{Jwt_is_expired}";
        let issuer = "jwt_authn_access_denied{Jwt_issuer_is_not_configured}";
        // candidate's outcome, stage, status, details; enforced and its details
        let table = [
            (Allow, Stage::None, 200, "", Enforced::Allowed, "via_upstream", Comparison::Agree),
            (Deny, Stage::Allow, 403, none, Enforced::Allowed, "via_upstream", Comparison::WouldDeny),
            (Allow, Stage::Allow, 200, "", refused(Refuser::Rbac, 403), none, Comparison::WouldAllow),
            (Deny, Stage::Deny, 403, "x", refused(Refuser::Rbac, 403), none, Comparison::Agree),
            (Deny, Stage::Custom, 403, none, refused(Refuser::Rbac, 403), none, Comparison::Agree),
            (
                Deny,
                Stage::Allow,
                403,
                none,
                refused(Refuser::JwtAuthn, 401),
                expired,
                Comparison::WouldDenyDifferently,
            ),
            (Deny, Stage::Jwt, 401, expired, refused(Refuser::JwtAuthn, 401), expired, Comparison::Agree),
            (
                Deny,
                Stage::Jwt,
                401,
                issuer,
                refused(Refuser::JwtAuthn, 401),
                expired,
                Comparison::WouldDenyDifferently,
            ),
            (
                Deny,
                Stage::Custom,
                403,
                "ext_authz_denied",
                refused(Refuser::ExtAuthz, 403),
                "ext_authz_denied",
                Comparison::Agree,
            ),
            (
                Deny,
                Stage::Custom,
                403,
                "ext_authz_denied",
                refused(Refuser::ExtAuthz, 302),
                "ext_authz_denied",
                Comparison::WouldDenyDifferently,
            ),
            (Unknown, Stage::Custom, 0, "", Enforced::Allowed, "", Comparison::Unknown),
            (Allow, Stage::None, 200, "", Enforced::Unknown, "", Comparison::Unknown),
            (Unknown, Stage::Custom, 0, "", Enforced::NotAsked, "", Comparison::Skipped),
            (Deny, Stage::Allow, 403, none, Enforced::NotAsked, "low_version", Comparison::Skipped),
        ];
        for (outcome, stage, status, own, enforced, details, expected) in table {
            let candidate = Candidate {
                outcome,
                stage,
                status: Some(status),
                details: Some(own),
                provider_unasked: false,
            };
            assert_eq!(
                compare(candidate, &enforced, details.as_bytes()),
                expected,
                "{candidate:?} {enforced:?}"
            );
            // Where a provider might have refused before, that both refuse is all that is known.
            let unasked = Candidate { provider_unasked: true, ..candidate };
            let expected = match (outcome, &enforced) {
                (Deny, Enforced::Refused { .. }) => Comparison::Unknown,
                _ => expected,
            };
            assert_eq!(compare(unasked, &enforced, details.as_bytes()), expected, "{unasked:?} {enforced:?}");
        }
    }
}
