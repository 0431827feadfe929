use super::{Meta, Target, Text};
use crate::node::Position;
use alloc::{string::String, vec::Vec};

/// A RequestAuthentication.
#[derive(Clone, Debug)]
pub struct RequestAuthentication {
    /// Name, namespace, place.
    pub meta: Meta,
    /// Which workloads it names.
    pub target: Target,
    /// `spec.jwtRules`.
    pub rules: Vec<JwtRule>,
}

/// `presence` of a rule (Istio 1.32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// A request without a token passes.
    #[default]
    Optional,
    /// A request without a token of this rule is refused with 401.
    Required,
}

/// `fromHeaders[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderLocation {
    /// The header's name, as written.
    pub name: String,
    /// What must stand before the token; empty: the whole value is the token.
    pub prefix: String,
}

/// `outputClaimToHeaders[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimToHeader {
    /// The header to write.
    pub header: String,
    /// The claim; dots walk into objects.
    pub claim: String,
}

/// One of `spec.jwtRules`.
#[derive(Clone, Debug, Default)]
pub struct JwtRule {
    /// Where it begins.
    pub at: Position,
    /// `issuer`, exact; empty: any issuer (Istio 1.27).
    pub issuer: Text,
    /// `audiences`; empty: any.
    pub audiences: Vec<String>,
    /// `jwks`: the inline key set, as text; admission has parsed it.
    pub jwks: Option<Text>,
    /// `jwksUri`: where the key set is fetched from. Gnomon fetches nothing.
    pub jwks_uri: Option<Text>,
    /// `fromHeaders`. Any explicit location replaces all default ones.
    pub from_headers: Vec<HeaderLocation>,
    /// `fromParams`: names of query parameters.
    pub from_params: Vec<String>,
    /// `fromCookies`: names of cookies.
    pub from_cookies: Vec<String>,
    /// `forwardOriginalToken`: false removes the token's header before RBAC and upstream.
    pub forward_original_token: bool,
    /// `outputPayloadToHeader`.
    pub output_payload_to_header: Option<String>,
    /// `outputClaimToHeaders`.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// `spaceDelimitedClaims` (Istio 1.28), beside the fixed `scope` and `permission`.
    pub space_delimited_claims: Vec<String>,
    /// `timeout` of the key set's fetch as written; default 5 s. Only exported.
    pub timeout: Option<String>,
    /// `presence` (Istio 1.32).
    pub presence: Presence,
}
