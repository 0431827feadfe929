//! The requirement that istiod writes over all rules, and how Envoy evaluates it.
//!
//! With rules P0 … Pn in issuer order it is `any(P0, missing)` for one rule and
//! `any(P0, …, Pn, all(any(P0, missing), …, any(Pn, missing)))` for several. A rule that passes removes its token from
//! the request before the next node looks, and a rule may be asked twice: both show in verdicts.

use super::{
    Crypto, Json,
    status::Status,
    verify::{Assume, Rule},
    view::View,
};
use alloc::sync::Arc;

/// A refusal and the rule (by position in issuer order) that it comes from.
pub(super) type Refusal = (Status, usize);

/// The state of one request while the rules are evaluated.
pub(super) struct Run<'r, 'v, 'a> {
    pub(super) rules: &'r [Rule],
    pub(super) view: &'v mut View<'a>,
    pub(super) crypto: &'r dyn Crypto,
    pub(super) assume: &'v mut dyn Assume,
    /// The claims of the token that passed last, and the rule that let it pass.
    pub(super) payload: Option<(Arc<Json>, usize)>,
}

impl Run<'_, '_, '_> {
    pub(super) fn run(&mut self) -> Result<(), Refusal> {
        if self.rules.iter().any(|rule| rule.required) {
            return self.all();
        }
        match self.rules {
            [] => Ok(()),
            [_] => self.provider_or_missing(0),
            _ => self.any(),
        }
    }

    /// Stops at the first rule that passes. Otherwise the last hard error is reported, then an unknown issuer.
    fn any(&mut self) -> Result<(), Refusal> {
        let mut answer = (Status::Missing, 0);
        for position in 0..self.rules.len() {
            match self.provider(position) {
                Ok(()) => return Ok(()),
                Err(status) => prefer(&mut answer, (status, position)),
            }
        }
        match self.all() {
            Ok(()) => Ok(()),
            Err(refusal) => {
                prefer(&mut answer, refusal);
                Err(answer)
            }
        }
    }

    /// Stops at the first refusal.
    fn all(&mut self) -> Result<(), Refusal> {
        for position in 0..self.rules.len() {
            if self.rules.get(position).is_some_and(|rule| rule.required) {
                self.provider(position).map_err(|status| (status, position))?;
            } else {
                self.provider_or_missing(position)?;
            }
        }
        Ok(())
    }

    fn provider_or_missing(&mut self, position: usize) -> Result<(), Refusal> {
        match self.provider(position) {
            Err(Status::Missing) | Ok(()) => Ok(()),
            Err(status) => Err((status, position)),
        }
    }

    /// All tokens that a rule finds must pass. They are verified from the last to the first, so the payload that is kept is
    /// the first one's, and the reported refusal that of the last bad one.
    fn provider(&mut self, position: usize) -> Result<(), Status> {
        let Some(rule) = self.rules.get(position) else {
            return Err(Status::Missing);
        };
        rule.outputs.sanitize(self.view);
        let tokens = rule.locations.find(self.view);
        if tokens.is_empty() {
            return Err(Status::Missing);
        }
        for found in tokens.iter().rev() {
            let passed = rule.verify(&found.text, self.view.now(), self.crypto, self.assume)?;
            rule.outputs.write_headers(&passed.token, self.view);
            if !rule.forward {
                found.origin.remove(self.view);
            }
            self.payload = Some((passed.claims.clone(), position));
        }
        Ok(())
    }
}

fn prefer(answer: &mut Refusal, next: Refusal) {
    let hard = !matches!(next.0, Status::Missing | Status::UnknownIssuer);
    if hard || answer.0 == Status::Missing {
        *answer = next;
    }
}
