//! The rules of an [`Authenticator`], for whoever reasons about all tokens rather than asks about one.

use super::{
    Authenticator, Key, Place,
    verify::{Keys, Rule, bare_audience},
    view::View,
};
use crate::{Request, request::Header};
use alloc::{format, string::String, vec::Vec};

/// A rule as it is enforced.
#[derive(Clone, Copy, Debug)]
pub struct AppliedRule<'a>(&'a Rule);

/// Where the keys of a rule come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// They are written in the rule: those that can be used.
    Inline(&'a [Key]),
    /// They are fetched from this address; empty: from where the issuer's discovery document says.
    Remote(&'a str),
    /// None can be had.
    Nowhere,
}

/// What a rule finds where a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It does not look there.
    Nothing,
    /// The token.
    Token,
    /// Something that is no token: it looks there with another prefix.
    Garbage,
}

impl Authenticator {
    /// The rules in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = AppliedRule<'_>> {
        self.rules.iter().map(AppliedRule)
    }

    /// The headers that a rule writes, in lower case; copies that the client sends are removed.
    pub fn writes_headers(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(|name| &**name)
    }
}

impl<'a> AppliedRule<'a> {
    /// Which rule it is, as [`Authentication::rule`](super::Authentication::rule) tells it.
    pub fn index(self) -> usize {
        self.0.index
    }

    /// Its issuer; empty: any.
    pub fn issuer(self) -> &'a str {
        &self.0.issuer
    }

    /// The audiences of which a token must have one, as [`AppliedRule::bare_audience`] leaves them; empty: any.
    pub fn audiences(self) -> &'a [String] {
        &self.0.audiences
    }

    /// How audiences are compared: without `http://` or `https://` before them and one slash after them.
    pub fn bare_audience(audience: &str) -> &str {
        bare_audience(audience)
    }

    /// `presence: REQUIRED`, where the version knows it.
    pub fn is_required(self) -> bool {
        self.0.required
    }

    /// No key set can be had for it, so that it lets no token pass.
    pub fn has_no_keys(self) -> bool {
        matches!(self.0.keys, Keys::Nobodys)
    }

    /// Where its keys come from.
    pub fn keys(self) -> KeySource<'a> {
        match &self.0.keys {
            Keys::Inline { keys, .. } => KeySource::Inline(keys),
            Keys::Remote(address) => KeySource::Remote(address),
            Keys::Nobodys => KeySource::Nowhere,
        }
    }

    /// What it writes into headers, as far as it tells two rules apart: each header with the claim, split at its dots; no
    /// claim: the whole payload.
    pub fn writes(self) -> impl Iterator<Item = (&'a str, &'a [String])> {
        self.0.outputs.written()
    }

    /// The claims that are split at spaces where they are strings.
    pub fn space_delimited(self) -> &'a [String] {
        self.0.outputs.space_delimited()
    }

    /// A token there is gone after the rule has let it pass.
    pub fn removes_from(self, place: &Place) -> bool {
        !self.0.forward && !matches!(place, Place::Cookie(_))
    }

    /// Everywhere it looks, in its order.
    pub fn places(self) -> Vec<Place> {
        self.0.locations.places()
    }

    /// What it finds when the request's only token is at this place.
    pub fn sees(self, place: &Place) -> Sight {
        const TOKEN: &str = "e30.e30.e30";
        let (name, value) = match place {
            Place::Header { name, prefix } => (name.as_str(), format!("{prefix}{TOKEN}")),
            Place::Param(name) => (":path", format!("/?{name}={TOKEN}")),
            Place::Cookie(name) => ("cookie", format!("{name}={TOKEN}")),
        };
        let headers: Vec<Header<'_>> = alloc::vec![(name.as_bytes(), value.as_bytes())];
        let request = Request::http(&headers);
        let found = self.0.locations.find(&View::new(&request));
        match &found[..] {
            [] => Sight::Nothing,
            _ if found.iter().all(|found| found.text == TOKEN.as_bytes()) => Sight::Token,
            _ => Sight::Garbage,
        }
    }
}
