//! Descriptions of attributes for people. Apart from the rows, so that a program that prints none does not carry them.

use super::{Attribute, Kind};

/// How an attribute is described to people.
#[derive(Clone, Copy, Debug)]
pub struct Prose {
    /// What people call it in a sentence: `source principal`. The name in the brackets of a key follows.
    pub noun: &'static str,
    /// Several of its values, for "none of these …".
    pub plural: &'static str,
    /// What it is and its trap, in a sentence or two.
    pub doc: &'static str,
    /// Values that people choose from; empty where there are too many.
    pub choices: &'static [&'static str],
    /// A value that it can have.
    pub example: &'static str,
}

/// A form in which a value can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// The value itself.
    Exact,
    /// `prefix*`.
    Prefix,
    /// `*suffix`.
    Suffix,
    /// `*`: any value, if there is one.
    Presence,
    /// `*` at any places.
    Glob,
    /// `/a/{*}/b`, `/a/{**}`.
    Template,
    /// An address, or a range `ADDRESS/BITS`.
    Cidr,
    /// A number from 0 to 65535.
    Port,
    /// `[value]`: an element of a list.
    Element,
}

impl Form {
    /// As the reference documentation calls it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Exact => "exact",
            Form::Prefix => "prefix",
            Form::Suffix => "suffix",
            Form::Presence => "presence",
            Form::Glob => "glob",
            Form::Template => "template",
            Form::Cidr => "CIDR",
            Form::Port => "port",
            Form::Element => "list element",
        }
    }
}

impl Kind {
    /// The forms that its values can have.
    pub fn forms(self) -> &'static [Form] {
        match self {
            Kind::Text
            | Kind::Header
            | Kind::Host
            | Kind::Principal
            | Kind::RequestPrincipal
            | Kind::Claim => &[Form::Exact, Form::Prefix, Form::Suffix, Form::Presence],
            Kind::Path => &[Form::Exact, Form::Prefix, Form::Suffix, Form::Presence, Form::Template],
            Kind::Cidr => &[Form::Cidr],
            Kind::Port => &[Form::Port],
            Kind::Namespace => &[Form::Exact, Form::Glob],
            Kind::ServiceAccount => &[Form::Exact],
            Kind::TrustDomain => &[Form::Exact, Form::Prefix, Form::Suffix, Form::Presence],
            Kind::Metadata => &[Form::Exact, Form::Prefix, Form::Suffix, Form::Presence, Form::Element],
        }
    }
}

impl Attribute {
    /// The values that people choose from, or else an example.
    pub fn samples(self) -> &'static [&'static str] {
        let prose = self.prose();
        if prose.choices.is_empty() { core::slice::from_ref(&prose.example) } else { prose.choices }
    }
}
