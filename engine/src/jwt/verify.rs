//! One token against one rule.

use super::{Crypto, Json, Key, KeySet, Material, Signature, output::Outputs, status::Status, token::Token};
use super::{extract::Locations, jwks};
use crate::{node::Position, resource::JwtRule, verdict::Missing};
use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

/// A compiled rule: a provider in Envoy's terms.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its index in the list that was compiled.
    pub(super) index: usize,
    /// `issuer`; empty: any.
    pub(super) issuer: String,
    /// Where the rule is written.
    pub(super) at: Position,
    /// Without scheme and final slash.
    pub(super) audiences: Vec<String>,
    pub(super) locations: Locations,
    pub(super) outputs: Outputs,
    /// `forwardOriginalToken`.
    pub(super) forward: bool,
    /// `presence: REQUIRED`, where the version knows it.
    pub(super) required: bool,
    pub(super) keys: Keys,
    /// What to call the key set when it is missing: the issuer, or its address where any issuer will do.
    key_set_name: String,
}

/// The keys of a rule.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// Inline: the usable keys; faults of the others.
    Inline { keys: Vec<Key>, faults: Vec<String> },
    /// To be fetched from this address, if it is known. The caller may have done so ([`Crypto::key_set`]).
    Remote(String),
    /// None can be had: istiod installs a public key whose private half nobody has (`PublicOnlyJwks`), which fits every token
    /// and verifies none.
    Nobodys,
}

/// Where nothing can be fetched from: istiod's client speaks HTTP, and an issuer whose discovery document it is to read
/// must say where that is. A rule without `jwks` and `jwksUri` whose issuer leads nowhere has no keys at all.
pub fn leads_nowhere(address: &str) -> bool {
    let scheme =
        |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let Some(from) = ["http://", "https://"].into_iter().find(|name| scheme(name)) else { return true };
    let rest = address.get(from.len()..).unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit('@').next().is_none_or(str::is_empty)
}

/// Which of the possible contents of an unknown key set is assumed.
pub(super) trait Assume {
    /// Would the key set of this rule verify this token?
    fn verifies(&mut self, rule: &Rule, token: &[u8]) -> bool;
}

impl Rule {
    pub(super) fn new(index: usize, rule: &JwtRule, required: bool, space_delimited: bool) -> Self {
        let uri = rule.jwks_uri.as_ref().map(|uri| uri.text.as_str()).unwrap_or_default();
        // istiod takes an empty key set for none.
        let keys = match rule.jwks.as_ref().filter(|jwks| !jwks.text.is_empty()) {
            Some(jwks) => {
                let set = jwks::parse(&jwks.text);
                Keys::Inline { keys: set.keys, faults: set.faults }
            }
            None if uri.is_empty() && leads_nowhere(&rule.issuer.text) => Keys::Nobodys,
            None => Keys::Remote(uri.to_string()),
        };
        let issuer = rule.issuer.text.clone();
        Rule {
            index,
            at: rule.jwks.as_ref().map_or(rule.at, |jwks| jwks.at),
            audiences: rule.audiences.iter().map(|audience| bare_audience(audience).to_string()).collect(),
            locations: Locations::of(rule),
            outputs: Outputs::of(rule, space_delimited),
            forward: rule.forward_original_token,
            required,
            keys,
            key_set_name: if issuer.is_empty() { uri.to_string() } else { issuer.clone() },
            issuer,
        }
    }

    /// The address of a key set that is not inline.
    pub(super) fn key_set_address(&self) -> Option<&str> {
        match &self.keys {
            Keys::Remote(address) if !address.is_empty() => Some(address),
            _ => None,
        }
    }

    /// The key set, where it is not known.
    pub(super) fn missing(&self) -> Missing {
        Missing::KeySet(self.key_set_name.clone())
    }

    /// Runs the checks in Envoy's order and returns the first that fails.
    pub(super) fn verify(
        &self,
        text: &[u8],
        now: i64,
        crypto: &dyn Crypto,
        assume: &mut dyn Assume,
    ) -> Result<Arc<Passed>, Status> {
        // Issuer, audience and signature stay as they were; only the time has gone on.
        if let Some(passed) = crypto.recall(self.index, text)
            && self.has_still(&passed, crypto)
        {
            passed.token.in_time(now)?;
            return Ok(passed);
        }
        let token = Token::parse(text)?;
        if !self.issuer.is_empty() && self.issuer != token.issuer {
            return Err(Status::UnknownIssuer);
        }
        token.in_time(now)?;
        let allowed = |audience: &String| self.audiences.iter().any(|ours| ours == bare_audience(audience));
        if !self.audiences.is_empty() && !token.audiences.iter().any(allowed) {
            return Err(Status::AudienceNotAllowed);
        }
        // Whoever vouches for a token knows the issuer's key, and that is not the one which is asked here.
        if matches!(self.keys, Keys::Nobodys) {
            return Err(Status::VerificationFails);
        }
        if crypto.vouches_for(text) {
            return Ok(self.passed(token, None));
        }
        let set = match &self.keys {
            Keys::Inline { keys, .. } => {
                verify_signature(&token, keys, crypto)?;
                None
            }
            Keys::Remote(address) => match crypto.key_set(address) {
                Some(set) => {
                    verify_signature(&token, &set.keys, crypto)?;
                    Some(set)
                }
                None if assume.verifies(self, text) => return Ok(self.passed(token, None)),
                None => return Err(Status::KeysUnknown),
            },
            Keys::Nobodys => return Err(Status::VerificationFails),
        };
        let passed = self.passed(token, set);
        crypto.remember(self.index, text, &passed);
        Ok(passed)
    }

    fn passed(&self, token: Token, keys: Option<Arc<KeySet>>) -> Arc<Passed> {
        Arc::new(Passed { claims: self.outputs.normalize(&token.payload), token, keys })
    }

    /// Whether the keys are those that verified it.
    fn has_still(&self, passed: &Passed, crypto: &dyn Crypto) -> bool {
        match (&self.keys, &passed.keys) {
            (Keys::Inline { .. }, None) => true,
            (Keys::Remote(address), Some(set)) => {
                crypto.key_set(address).is_some_and(|now| Arc::ptr_eq(&now, set))
            }
            _ => false,
        }
    }
}

/// A token that a rule has let pass, for the caller to keep, so that the same token need not be parsed and verified
/// again ([`Crypto::recall`]). There is no `Debug`: nothing of it may reach a log.
pub struct Passed {
    pub(super) token: Token,
    /// The claims for dynamic metadata.
    pub(super) claims: Arc<Json>,
    /// The set that its key was in, where it was fetched.
    keys: Option<Arc<KeySet>>,
}

/// The first key that fits and verifies. A key fits if the `kid`s are equal or one has none, and if its `alg` is the
/// token's or it has none.
fn verify_signature(token: &Token, keys: &[Key], crypto: &dyn Crypto) -> Result<(), Status> {
    const ED25519_LENGTH: usize = 64;
    if keys.is_empty() {
        return Err(Status::NoValidKeys);
    }
    let mut fits = false;
    let mut usable = keys.len();
    for key in keys {
        if !token.kid.is_empty() && !key.kid.is_empty() && token.kid != key.kid {
            continue;
        }
        if !key.alg.is_empty() && key.alg != token.algorithm.name() {
            continue;
        }
        // Envoy looks no further then, though another key might verify it.
        if matches!(key.material, Material::Ed25519(_)) && token.signature.len() != ED25519_LENGTH {
            return Err(Status::Ed25519WrongLength);
        }
        let algorithm = token.algorithm.with(&key.material);
        match algorithm.map(|algorithm| crypto.verify(algorithm, key, &token.signed, &token.signature)) {
            Some(Signature::Good) => return Ok(()),
            Some(Signature::NoKey) => usable = usable.saturating_sub(1),
            Some(Signature::Bad) | None => fits = true,
        }
    }
    Err(match (fits, usable) {
        (true, _) => Status::VerificationFails,
        (false, 0) => Status::NoValidKeys,
        (false, _) => Status::NoMatchingKey,
    })
}

/// An audience without `http://` or `https://` before it and one slash after it.
pub(super) fn bare_audience(audience: &str) -> &str {
    let bare =
        audience.strip_prefix("http://").or_else(|| audience.strip_prefix("https://")).unwrap_or(audience);
    bare.strip_suffix('/').unwrap_or(bare)
}
