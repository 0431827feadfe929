//! RequestAuthentication as Envoy's `jwt_authn` filter enforces it, configured by istiod.
//!
//! [`Authenticator`] is compiled once from the rules that apply to a workload and answers per request with an
//! [`Authentication`]: the status, the verified claims, and what the filter did to the headers. Behaviour is that of
//! Envoy 1.40, oddities included; `tests/jwt` holds its recorded answers.

mod applied;
mod der;
mod edit;
mod extract;
mod guess;
mod json;
mod jwks;
mod key;
mod output;
mod query;
mod reason;
mod requirement;
#[cfg(feature = "crypto")]
mod software;
mod status;
mod token;
mod trace;
mod verify;
mod view;

pub use applied::{AppliedRule, KeySource, Sight};
pub use der::der_signature;
pub use edit::Edit;
pub use json::Json;
pub use jwks::KeySet;
pub use key::{Algorithm, Curve, Key, Material};
#[cfg(feature = "crypto")]
pub use software::SoftwareCrypto;
pub(crate) use trace::key_set_problems;
pub use trace::{Place, Problem, TokenTrace, unsigned_token};
pub use verify::{Passed, leads_nowhere};

use crate::{
    Request, order, request::Protocol, resource::JwtRule, resource::Presence, verdict::Missing, versions,
    workload::IstioVersion,
};
use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::fmt;
use guess::Guesses;
use requirement::{Refusal, Run};
use status::Status;
use verify::Rule;
use view::View;

/// How many combinations of unknown key sets are tried before the answer is unknown.
const MAX_GUESSES: usize = 64;

/// The rules of all RequestAuthentications that apply to a workload, in issuer order.
#[derive(Clone, Debug, Default)]
pub struct Authenticator {
    /// In issuer order.
    rules: Vec<Rule>,
    /// Where a token for each of them is put.
    places: Vec<Place>,
    /// All headers that a rule writes: copies sent by the client are removed.
    written: Vec<String>,
    /// All headers that are read.
    read: Vec<String>,
}

impl Authenticator {
    /// Compiles `rules`, given in the order attached (istiod's order of policies, then of rules).
    ///
    /// They are sorted by issuer, byte by byte. istiod's sort keeps the order of rules with equal issuers only up to
    /// twelve rules; beyond that, their order is arbitrary there; here it is the order given.
    /// Fields that `version` does not know are ignored: `spaceDelimitedClaims` before 1.28, `presence` before 1.32.
    pub fn compile(rules: &[&JwtRule], version: IstioVersion) -> Self {
        let mut sorted: Vec<(usize, &JwtRule)> = rules.iter().copied().enumerate().collect();
        order::sort_by(&mut sorted, |(_, a), (_, b)| a.issuer.text.cmp(&b.issuer.text));
        let required =
            |rule: &JwtRule| versions::has_presence(version) && rule.presence == Presence::Required;
        let compiled: Vec<Rule> = sorted
            .iter()
            .map(|(index, rule)| {
                Rule::new(*index, rule, required(rule), versions::has_space_delimited_claims(version))
            })
            .collect();
        let mut written: Vec<String> = Vec::new();
        let mut read: Vec<String> = Vec::new();
        if !compiled.is_empty() {
            // A CORS preflight is recognised by these.
            // Without a path no rule of Envoy's is asked.
            let names = [":method", ":path", "origin", "access-control-request-method"];
            read.extend(names.map(ToString::to_string));
        }
        for rule in &compiled {
            written.extend(rule.outputs.header_names().map(ToString::to_string));
            read.extend(rule.locations.header_names().map(ToString::to_string));
        }
        let distinct = |names: &mut Vec<String>| {
            order::sort(names);
            names.dedup();
        };
        distinct(&mut written);
        read.extend(written.iter().cloned());
        distinct(&mut read);
        let places = sorted.iter().map(|(_, rule)| Place::of(rule)).collect();
        Authenticator { rules: compiled, places, written, read }
    }

    /// Replaces the space-delimited claims of a rule, including those that istiod always adds: a proxy's own
    /// configuration lists them all.
    pub fn set_space_delimited(&mut self, index: usize, claims: &[String]) {
        for rule in self.rules.iter_mut().filter(|rule| rule.index == index) {
            rule.outputs.set_space_delimited(claims);
        }
    }

    /// No rule applies, so no token is read.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The names of all headers that an answer may depend on, in lower case and sorted, pseudo headers included
    /// (`:path` where tokens are looked for in the query).
    pub fn reads_headers(&self) -> impl Iterator<Item = &str> {
        self.read.iter().map(|name| &**name)
    }

    /// The addresses of key sets that are not inline. For a rule without an address istiod reads the issuer's
    /// discovery document and gives the proxy an inline set.
    pub fn key_set_addresses(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(Rule::key_set_address)
    }

    /// What `jwt_authn` makes of the request. A TCP connection has no such filter.
    ///
    /// Allocates nothing for a request without a token. With one, the work is linear in the tokens, times twice the
    /// number of rules.
    pub fn authenticate(&self, request: &Request<'_>, crypto: &dyn Crypto) -> Authentication {
        if self.rules.is_empty() || request.protocol == Protocol::Tcp {
            return Authentication::default();
        }
        let mut guesses = Guesses::default();
        let first = self.attempt(request, crypto, &mut guesses);
        let Some(missing) = guesses.missing().cloned() else {
            return first.into_authentication(&self.rules);
        };
        // The answer is known all the same if every possible content of the key sets gives the same one.
        let mut attempts = 1;
        while guesses.advance() {
            attempts += 1;
            let next = self.attempt(request, crypto, &mut guesses);
            if attempts > MAX_GUESSES || !first.agrees(&next) {
                return Authentication::unknown(missing);
            }
        }
        first.into_authentication(&self.rules)
    }

    fn attempt(&self, request: &Request<'_>, crypto: &dyn Crypto, guesses: &mut Guesses) -> Attempt {
        let mut view = View::new(request);
        for name in &self.written {
            view.remove(name);
        }
        // istiod's rules are for all paths, `prefix: /`, which is none for CONNECT: it has no path.
        if is_cors_preflight(&view) || view.first(":path").is_none() {
            return Attempt { result: Ok(()), payload: None, edits: view.edits };
        }
        let mut run = Run { rules: &self.rules, view: &mut view, crypto, assume: guesses, payload: None };
        let result = run.run();
        let payload = run.payload;
        Attempt { result, payload, edits: view.edits }
    }
}

/// Browsers send no credentials with these; the configuration that istiod writes passes them whatever the rules say.
fn is_cors_preflight(view: &View<'_>) -> bool {
    let filled = |name| view.first(name).is_some_and(|value| !value.is_empty());
    view.first(":method") == Some(b"OPTIONS") && filled("origin") && filled("access-control-request-method")
}

/// What one evaluation of the rules came to.
struct Attempt {
    result: Result<(), Refusal>,
    payload: Option<(Arc<Json>, usize)>,
    edits: Vec<Edit>,
}

impl Attempt {
    /// True where no difference can be observed from outside.
    fn agrees(&self, other: &Attempt) -> bool {
        match (&self.result, &other.result) {
            (Ok(()), Ok(())) => self.payload == other.payload && self.edits == other.edits,
            (Err((a, _)), Err((b, _))) => a == b && *a != Status::KeysUnknown,
            _ => false,
        }
    }

    fn into_authentication(self, rules: &[Rule]) -> Authentication {
        let index = |position: usize| rules.get(position).map(|rule| rule.index);
        let rule = match &self.result {
            Ok(()) => self.payload.as_ref().and_then(|(_, position)| index(*position)),
            Err((_, position)) => index(*position),
        };
        let failure = self.result.err().map(|(status, _)| Failure {
            status: status.code(),
            message: status.message(),
            without_token: status == Status::Missing,
            missing: None,
        });
        Authentication { failure, payload: self.payload.map(|(payload, _)| payload), edits: self.edits, rule }
    }
}

/// The result of a signature check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It verifies.
    Good,
    /// It does not verify, or the key does not fit the algorithm.
    Bad,
    /// Not a key that Envoy would have loaded: its point does not lie on its curve. Needed only without the feature
    /// `crypto`, which finds that when the key set is read.
    NoKey,
}

/// Checks signatures: [`SoftwareCrypto`] (feature `crypto`, part of `std`), or Envoy's own BoringSSL in the filter.
pub trait Crypto {
    /// Checks that `signature` is a signature of `message` by `key` under `algorithm`.
    ///
    /// The algorithm always fits the kind of key, but the hash that it names may be used with any curve: `ES384` with
    /// P-256 is SHA-384 over P-256. An ECDSA signature is r and s in two halves of any length (see [`der_signature`]),
    /// the salt of `PS…` is as long as the hash.
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature;

    /// True where this whole token is known to be signed by a key of its rule, whatever the key set says. For
    /// front ends that make tokens from given claims; the default is false.
    fn vouches_for(&self, _token: &[u8]) -> bool {
        false
    }

    /// The key set at this address (a rule's `jwksUri`), where it has been fetched; by default it has not.
    fn key_set(&self, _address: &str) -> Option<Arc<KeySet>> {
        None
    }

    /// What [`Crypto::remember`] was given for this rule and this whole token, as long as it is kept. `rule` is an index
    /// into the list given to [`Authenticator::compile`], and means nothing for another list. The default keeps nothing.
    fn recall(&self, _rule: usize, _token: &[u8]) -> Option<Arc<Passed>> {
        None
    }

    /// This rule has let this token pass. Its times are checked again whenever it is recalled, and a key set
    /// fetched since invalidates it.
    fn remember(&self, _rule: usize, _token: &[u8], _passed: &Arc<Passed>) {}
}

/// The outcome of the JWT stage.
#[derive(Clone, Debug, Default)]
pub struct Authentication {
    /// `None`: passed. Otherwise why it was refused, or that the answer is not known.
    pub failure: Option<Failure>,
    /// The claims in dynamic metadata, space-delimited ones already split. A refused request may have some too: those
    /// of a token that passed before another one failed.
    pub payload: Option<Arc<Json>>,
    /// What later filters see changed, in order.
    pub edits: Vec<Edit>,
    /// The rule that the claims come from, or that refused: its index in the list given to
    /// [`Authenticator::compile`]. `None`: passed without a token.
    pub rule: Option<usize>,
}

impl Authentication {
    /// The request has no token, whether it was refused for that (`Jwt is missing`) or let through.
    pub fn is_without_token(&self) -> bool {
        self.payload.is_none() && self.failure.as_ref().is_none_or(|failure| failure.without_token)
    }

    fn unknown(missing: Missing) -> Self {
        let failure = Failure {
            status: 401,
            message: Status::KeysUnknown.message(),
            without_token: false,
            missing: Some(missing),
        };
        Authentication { failure: Some(failure), ..Authentication::default() }
    }
}

/// Why the JWT stage did not pass. Displayed as Envoy's message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// 401, or 403 for a wrong audience.
    pub status: u16,
    /// Envoy's message: `Jwt is expired`. Details are `jwt_authn_access_denied{…}` with spaces as `_`.
    pub message: &'static str,
    /// A rule with `presence: REQUIRED` found no token.
    pub without_token: bool,
    /// Set where the answer depends on a key set that is not known; then the other fields mean nothing.
    pub missing: Option<Missing>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl core::error::Error for Failure {}
