//! What a refusal was: by the details, flags and bodies that Envoy writes.

use super::{Answer, Inquiry, Kind};

/// Who or what refused, and what to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What refused.
    pub cause: Cause,
    /// One sentence.
    pub summary: String,
    /// What to do, each a sentence.
    pub look: Vec<String>,
}

/// What decided over a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The RBAC filter; with the rule, where a rule denied. `None`: no ALLOW rule matched.
    Rbac(Option<RuleName>),
    /// ztunnel, by this policy (`namespace/name`). `None`: no ALLOW policy matched.
    Ztunnel(Option<String>),
    /// A token.
    Jwt,
    /// An external provider.
    ExtAuthz,
    /// No filter chain takes the connection: mutual TLS.
    Mtls,
    /// The application itself, or what stands behind this proxy.
    Application,
    /// No route, or no cluster for it.
    NoRoute,
    /// The connection to the application or its proxy.
    Upstream,
    /// A limit: of rate, of connections, of time.
    Limit,
    /// The request itself.
    Codec,
    /// The client went away.
    Client,
    /// Nothing refused it.
    Allowed,
    /// It does not say.
    Unknown,
}

/// A rule as istiod names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name.
    pub policy: String,
    /// The rule's place in it, from 0.
    pub rule: usize,
}

impl RuleName {
    /// Reads `ns[NAMESPACE]-policy[NAME]-rule[0]`, also with the provider's or deny-all's signs around.
    pub fn read(text: &str) -> Option<RuleName> {
        let rest = text.split_once("ns[")?.1;
        let (namespace, rest) = rest.split_once("]-policy[")?;
        let (policy, rest) = rest.split_once("]-rule[")?;
        let (rule, _) = rest.split_once(']')?;
        Some(RuleName { namespace: namespace.into(), policy: policy.into(), rule: rule.parse().ok()? })
    }
}

/// The details alone, or a body.
pub(super) fn read(text: &str) -> Option<Inquiry> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let details = line.trim_matches(['"', '\'', '`']);
    let body =
        BODIES.iter().find(|(body, _)| details.starts_with(body)).map(|(_, details)| (*details).to_owned());
    let jwt = jwt_of_body(details);
    let mut answer =
        Answer { details: body.or(jwt).unwrap_or_else(|| details.to_owned()), ..Answer::default() };
    // As the details have it: `upstream_reset_before_response_started{connection_termination}`.
    if let Some(reason) = details.split_once("reset reason: ").map(|(_, reason)| reason) {
        let reason = reason.split(',').next().unwrap_or_default().trim_end_matches('.').replace(' ', "_");
        answer.details.push_str(&format!("{{{reason}}}"));
    }
    if let Some(reason) = details.split_once("transport failure reason: ").map(|(_, reason)| reason) {
        answer.transport_failure = reason.into();
    }
    (answer.meaning().cause != Cause::Unknown).then_some(Inquiry {
        kind: Kind::Details,
        request: None,
        answer: Some(answer),
        tls: false,
        silent: &[],
        notes: Vec::new(),
    })
}

/// What Envoy writes into bodies, and the details of the same answer.
const BODIES: [(&str, &str); 4] = [
    ("RBAC: access denied", "rbac_access_denied"),
    ("upstream connect error or disconnect/reset before headers", "upstream_reset_before_response_started"),
    ("no healthy upstream", "no_healthy_upstream"),
    ("upstream request timeout", "response_timeout"),
];

/// `Jwt is expired`: the body of a 401 is the status in words.
fn jwt_of_body(text: &str) -> Option<String> {
    let known = ["Jwt ", "Jwks ", "Audiences in Jwt "].iter().any(|start| text.starts_with(start));
    let words = text.trim_end_matches('.');
    (known && words.len() < 120).then(|| format!("jwt_authn_access_denied{{{}}}", words.replace(' ', "_")))
}

impl Answer {
    /// What refused, and what to look at.
    pub fn meaning(&self) -> Meaning {
        let details = self.details.as_str();
        let either = |text: &str| details.starts_with(text) || self.termination.starts_with(text);
        let flag = |name: &str| self.flags.split(',').any(|flag| flag == name);
        if either("rbac_access_denied") || details == "rbac: denied" {
            return self.rbac();
        }
        if let Some(meaning) = self.ztunnel() {
            return meaning;
        }
        if let Some(rest) = details.strip_prefix("jwt_authn_access_denied{") {
            return jwt(rest.trim_end_matches('}'));
        }
        if either("ext_authz") || flag("UAEX") {
            let why = match details {
                "ext_authz_error" => "the external provider did not answer, or not as agreed",
                _ => "the external provider of a CUSTOM policy refused it",
            };
            return Meaning::new(
                Cause::ExtAuthz,
                format!("ext_authz: {why}"),
                &["the provider's own log says why; the policy that asks it has `action: CUSTOM`"],
            );
        }
        if details == "filter_chain_not_found" || (flag("NR") && self.status.is_none()) {
            return Meaning::new(
                Cause::Mtls,
                "no filter chain takes the connection: mutual TLS, before any policy is asked",
                &[
                    "PeerAuthentication STRICT and a client without a sidecar or with a DestinationRule that says \
                     DISABLE or SIMPLE: the client must speak mutual TLS (ISTIO_MUTUAL)",
                    "at a gateway: no server for that port and SNI",
                ],
            );
        }
        self.beyond_policies()
    }

    fn rbac(&self) -> Meaning {
        let text = if self.termination.starts_with("rbac") { &self.termination } else { &self.details };
        match RuleName::read(text) {
            Some(rule) => {
                let RuleName { namespace, policy, rule: index } = &rule;
                let summary = format!(
                    "the RBAC filter: rule {index} of AuthorizationPolicy {namespace}/{policy} denied it"
                );
                Meaning { cause: Cause::Rbac(Some(rule)), summary, look: Vec::new() }
            }
            None => Meaning::new(
                Cause::Rbac(None),
                "the RBAC filter: ALLOW policies apply to the workload, and no rule of them matched",
                &[],
            ),
        }
    }

    /// The words of ztunnel's log.
    fn ztunnel(&self) -> Option<Meaning> {
        let rest = self.details.split_once("policy rejection: ")?.1;
        if let Some(policy) = rest.split_once("denied by: ").map(|(_, policy)| policy.trim()) {
            let summary = format!("ztunnel: AuthorizationPolicy {policy} denied it");
            let cause = Cause::Ztunnel(Some(policy.into()));
            return Some(Meaning { cause, summary, look: Vec::new() });
        }
        Some(Meaning::new(
            Cause::Ztunnel(None),
            "ztunnel: ALLOW policies apply to the workload, and none of them matched",
            &[
                "ztunnel sees connections: a rule with methods, paths or headers never matches there; such rules need a \
               waypoint",
            ],
        ))
    }

    fn beyond_policies(&self) -> Meaning {
        let details = self.details.as_str();
        let flag = |name: &str| self.flags.split(',').any(|flag| flag == name);
        let found = |cause, summary: &str, look: &[&str]| Meaning::new(cause, summary, look);
        if details == "via_upstream" && self.status.is_some_and(|status| status >= 400) {
            let other = match self.outbound {
                true => {
                    "the line is the client's: the answer came from the other side, from its proxy or the application; \
                         look at the inbound line there"
                }
                false => {
                    "the application answered so itself: no policy of this proxy refused it; look at the \
                          application's log, or at a proxy behind this one"
                }
            };
            return Meaning::new(
                Cause::Application,
                "the answer came from upstream (via_upstream)",
                &[other],
            );
        }
        if flag("NR") || details == "route_not_found" {
            return found(
                Cause::NoRoute,
                "no route fits the host and the path: no policy refused it",
                &[
                    "VirtualService, HTTPRoute or Gateway: the host with its port, the path, the gateway that they are bound to",
                ],
            );
        }
        if flag("NC") || details == "cluster_not_found" {
            return found(
                Cause::NoRoute,
                "the route leads to a cluster that the proxy does not have: no policy refused it",
                &[
                    "the destination's host and subset in the VirtualService, and the DestinationRule of the subset",
                ],
            );
        }
        if flag("UF") || flag("UC") || flag("URX") || details.starts_with("upstream_reset") {
            return self.upstream();
        }
        if flag("UH") || details == "no_healthy_upstream" {
            return found(
                Cause::Upstream,
                "no endpoint is healthy: no policy refused it",
                &["the Service's endpoints, readiness, and outlier detection in the DestinationRule"],
            );
        }
        if flag("RL")
            || flag("RLSE")
            || flag("UO")
            || details.contains("rate_limited")
            || details == "overload"
        {
            return found(
                Cause::Limit,
                "a limit of rate or of connections: no policy refused it",
                &["rate limit filters, `connectionPool` in the DestinationRule"],
            );
        }
        if flag("UT") || flag("SI") || details.contains("timeout") {
            return found(
                Cause::Limit,
                "a time-out: no policy refused it",
                &["`timeout` in the VirtualService, the application's own time"],
            );
        }
        if flag("DC") || details.starts_with("downstream_") {
            return found(Cause::Client, "the client ended the connection: no policy refused it", &[]);
        }
        if flag("DPE")
            || details.starts_with("http1.")
            || details.starts_with("http2.")
            || CODEC.contains(&details)
        {
            return Meaning::new(
                Cause::Codec,
                format!("Envoy refuses the request itself ({details}), before any policy"),
                &[
                    "the form of the request: its path, its headers; TLS towards a port that takes plaintext looks like this as well",
                ],
            );
        }
        match self.status {
            Some(status) if status < 400 => found(Cause::Allowed, "nothing refused it", &[]),
            Some(_) | None if details == "via_upstream" => found(Cause::Allowed, "nothing refused it", &[]),
            None if details.is_empty() && self.flags.is_empty() => {
                found(Cause::Unknown, "a connection that was served, or of which the line says nothing", &[])
            }
            _ => Meaning::new(
                Cause::Unknown,
                format!("the details `{details}` are none that are known here"),
                &["Envoy's documentation of response code details"],
            ),
        }
    }

    fn upstream(&self) -> Meaning {
        let reason = format!("{} {}", self.details, self.transport_failure);
        let has = |text: &str| reason.contains(text);
        let look: &[&str] = if has("WRONG_VERSION_NUMBER") {
            &[
                "the client's proxy speaks TLS to a port that takes plaintext: a DestinationRule with a `tls.mode` towards a \
               workload without a sidecar, or PeerAuthentication DISABLE",
            ]
        } else if has("CERTIFICATE_VERIFY_FAILED") || has("certificate") {
            &["the certificate of the other side is not the one expected: trust domains, root certificates, \
               `subjectAltNames` in the DestinationRule"]
        } else if has("connection_termination") || has("connection termination") || has("TLS") {
            &[
                "plaintext towards PeerAuthentication STRICT is ended so: a DestinationRule with `tls.mode: DISABLE`, or a \
                 client without a sidecar",
                "the application listens on another port or protocol than its Service says, or ended the connection",
            ]
        } else {
            &[
                "whether the application listens on that port, and on the pod's address (not on 127.0.0.1 alone)",
            ]
        };
        Meaning::new(
            Cause::Upstream,
            format!("the connection to the other side failed ({}): no policy refused it", reason.trim()),
            look,
        )
    }
}

/// What Envoy refuses before its filters.
const CODEC: [&str; 9] = [
    "path_normalization_failed",
    "absolute_path_rejected",
    "missing_host_header",
    "missing_path_rejected",
    "upgrade_failed",
    "query_missing_content_type",
    "request_headers_failed_strict_check",
    "invalid_path",
    "low_version",
];

impl Meaning {
    fn new(cause: Cause, summary: impl Into<String>, look: &[&str]) -> Meaning {
        Meaning { cause, summary: summary.into(), look: look.iter().map(|line| (*line).to_owned()).collect() }
    }
}

/// The status of Envoy's jwt_authn, with `_` for spaces (`jwt_verify_lib`, `status.cc`).
fn jwt(status: &str) -> Meaning {
    let words = status.replace('_', " ");
    let look: &[&str] = match status {
        "Jwt_is_missing" => {
            &["a token is required there, and none was where the rules look: `Authorization: Bearer …`, or \
                               `fromHeaders` and `fromParams` of the RequestAuthentication"]
        }
        "Jwt_is_expired" => {
            &["the token's `exp` against the clock; a number of 13 digits is in milliseconds"]
        }
        "Jwt_not_yet_valid" => &["the token's `nbf` against the clock"],
        "Jwt_issuer_is_not_configured" => &[
            "the token's `iss` is none of the issuers of the RequestAuthentications that apply, letter by letter: a slash \
             at the end, http for https, a host",
            "whether the RequestAuthentication with that issuer applies to this workload at all",
        ],
        "Audiences_in_Jwt_are_not_allowed" => {
            &["the token's `aud` against `audiences` of the rule with its issuer"]
        }
        "Jwt_verification_fails" => {
            &["the token is signed by another key than those of the key set: another environment, \
                                       keys that were rotated, or an issuer of which istiod has no keys"]
        }
        _ if status.starts_with("Jwks") => {
            &["the key set: whether istiod or the proxy reaches `jwksUri`, and whether it has \
                                              a key with the token's `kid` and `alg`"]
        }
        _ => &["the token's form: three parts of base64url, a JSON header with `alg`"],
    };
    Meaning::new(Cause::Jwt, format!("the token was refused (jwt_authn): {words}"), look)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(details: &str, flags: &str, status: Option<u16>) -> Cause {
        let answer = Answer { details: details.into(), flags: flags.into(), status, ..Answer::default() };
        answer.meaning().cause
    }

    #[test]
    fn what_refused() {
        let rule = |rule| RuleName { namespace: "a".into(), policy: "b-c".into(), rule };
        let named = "rbac_access_denied_matched_policy[ns[a]-policy[b-c]-rule[2]]";
        assert_eq!(cause(named, "", Some(403)), Cause::Rbac(Some(rule(2))));
        assert_eq!(cause("rbac_access_denied_matched_policy[none]", "-", Some(403)), Cause::Rbac(None));
        assert_eq!(cause("jwt_authn_access_denied{Jwt_is_expired}", "", Some(401)), Cause::Jwt);
        assert_eq!(cause("ext_authz_denied", "UAEX", Some(403)), Cause::ExtAuthz);
        assert_eq!(cause("filter_chain_not_found", "NR", None), Cause::Mtls);
        assert_eq!(cause("via_upstream", "", Some(403)), Cause::Application);
        assert_eq!(cause("via_upstream", "", Some(200)), Cause::Allowed);
        assert_eq!(cause("route_not_found", "NR", Some(404)), Cause::NoRoute);
        assert_eq!(
            cause("upstream_reset_before_response_started{connection_termination}", "UC", Some(503)),
            Cause::Upstream
        );
        assert_eq!(cause("", "UO", Some(503)), Cause::Limit);
        assert_eq!(
            cause("connection closed due to policy rejection: explicitly denied by: a/b", "", None),
            Cause::Ztunnel(Some("a/b".into()))
        );
        assert_eq!(cause("http1.codec_error", "DPE", Some(400)), Cause::Codec);
        assert_eq!(cause("something", "", Some(500)), Cause::Unknown);
    }

    #[test]
    fn bodies_and_details_alone() {
        for (text, expected) in [
            ("RBAC: access denied", Cause::Rbac(None)),
            ("  `Jwt is expired`", Cause::Jwt),
            ("Jwks doesn't have key to match kid or alg from Jwt", Cause::Jwt),
            (
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                Cause::Upstream,
            ),
            ("rbac_access_denied_matched_policy[none]", Cause::Rbac(None)),
        ] {
            assert_eq!(read(text).unwrap().answer.unwrap().meaning().cause, expected, "{text}");
        }
        assert_eq!(read("hello world"), None);
    }
}
