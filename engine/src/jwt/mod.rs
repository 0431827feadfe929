//! RequestAuthentication as Envoy's `jwt_authn` filter carries it out.
//!
//! [`Authenticator`] is compiled once from the rules that apply to a workload and answers per request with an
//! [`Authentication`]: the status, the verified claims, and what the filter did to the headers.

use crate::{Request, resource::JwtRule};
use alloc::{string::String, vec::Vec};

/// A JSON value; objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Every number is a double, as in protobuf's `Value`.
    Number(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// The rules of all RequestAuthentications that apply to a workload, in issuer order.
#[derive(Debug, Default)]
pub struct Authenticator {}

impl Authenticator {
    /// Compiles `rules`, given in the order attached (istiod's order of policies, then of rules).
    pub fn compile(_rules: &[&JwtRule], _version: crate::workload::IstioVersion) -> Self {
        Authenticator {}
    }

    /// No rule applies: nothing is looked at.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// What `jwt_authn` makes of the request.
    pub fn authenticate(&self, _request: &Request<'_>, _crypto: &dyn Crypto) -> Authentication {
        Authentication::default()
    }
}

/// How a signature check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The key made it.
    Good,
    /// It did not, or the key does not fit the algorithm.
    Bad,
}

/// Who checks signatures: jsonwebtoken (feature `std`), or Envoy's own BoringSSL in the filter.
pub trait Crypto {
    /// Is `signature` a signature of `message` by `key` under `algorithm`?
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature;

    /// True where this whole token is known to be signed by a key of its rule, whatever the key set says. Only
    /// front ends that invent tokens from given claims say so; the default is false.
    fn vouches_for(&self, _token: &[u8]) -> bool {
        false
    }
}

/// A signature algorithm of RFC 7518 that Envoy accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 7518's")]
pub enum Algorithm {
    Es256,
    Es384,
    Es512,
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

/// A key of an inline key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {}

/// A change that `jwt_authn` made to the request; later filters see the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// All lines of a header removed (name in lower case).
    Remove(String),
    /// A header set, replacing all its lines.
    Set(String, Vec<u8>),
    /// `:path` rewritten, when a token was cut out of the query.
    Path(Vec<u8>),
}

/// The outcome of the JWT stage.
#[derive(Clone, Debug, Default)]
pub struct Authentication {
    /// `None`: passed. Otherwise why it was refused, or that nobody can say.
    pub failure: Option<Failure>,
    /// The claims in dynamic metadata, space-delimited ones already split.
    pub payload: Option<Json>,
    /// What later filters see changed, in order.
    pub edits: Vec<Edit>,
}

/// Why the JWT stage did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// 401, or 403 for a wrong audience.
    pub status: u16,
    /// Envoy's message: `Jwt is expired`. Details are `jwt_authn_access_denied{…}` with spaces as `_`.
    pub message: &'static str,
    /// Set where the answer hangs on a key set that could not be had; then the other fields say nothing.
    pub missing: Option<String>,
}
