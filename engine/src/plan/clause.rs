//! One condition of a compiled rule.

use super::{context::EvaluationContext, matcher::Matcher, tri::Tri};
use crate::{
    attribute::{Attribute, FieldPath, Input, Written},
    node::Position,
    resource::Text,
};
use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};

/// One field or key of a rule: an attribute, how it is compared, and where that is written.
#[derive(Clone, Debug)]
pub struct Clause {
    /// What is looked at; `None`: it stands for what is not there.
    attribute: Option<Attribute>,
    /// Where the attribute is read.
    pub(super) input: Input,
    pub(super) name: Box<[Box<str>]>,
    pub(super) matcher: Matcher,
    negated: bool,
    /// Most have nothing there, and a plan has many clauses.
    written: Option<Box<AsWritten>>,
    at: Position,
}

/// What neither the attribute nor the matcher tells about how the rule writes a clause.
#[derive(Clone, Debug)]
struct AsWritten {
    /// The key; of a clause that stands for what is not there, what that is.
    key: Option<Box<str>>,
    /// Its values; none where the matcher tells them.
    expected: Box<[Box<str>]>,
}

impl AsWritten {
    fn new(key: Option<&str>, expected: Box<[Box<str>]>) -> Option<Box<AsWritten>> {
        let nothing = key.is_none() && expected.is_empty();
        (!nothing).then(|| Box::new(AsWritten { key: key.map(Box::from), expected }))
    }
}

/// A field or key before its values are compiled.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) path: FieldPath<'a>,
    /// The header, the path to the claim, or the filter and its key.
    pub(super) name: Box<[Box<str>]>,
    pub(super) values: &'a [Text],
}

impl Clause {
    /// Of a field with its values.
    pub(super) fn new(matcher: Matcher, asked: Asked<'_>) -> Clause {
        let Asked { path: FieldPath { attribute, written, negated }, name, values } = asked;
        let expected = match matcher.tells(values) {
            true => Box::default(),
            false => values.iter().map(|value| value.text.as_str().into()).collect(),
        };
        let at = values.first().map(|value| value.at).unwrap_or_default();
        let key = match written {
            Written::Field => None,
            Written::Key(key) => Some(key),
        };
        let (attribute, input) = (Some(attribute), attribute.row().input);
        Clause { attribute, input, name, matcher, negated, written: AsWritten::new(key, expected), at }
    }

    /// Of a condition that no policy has written: `key` names it where it is no field, `name` is as [`Clause::name`] tells
    /// it, `expected` its values in Istio's notation.
    pub fn of(
        (attribute, key): (Attribute, Option<&str>),
        name: impl IntoIterator<Item = Box<str>>,
        (matcher, negated): (Matcher, bool),
        expected: impl IntoIterator<Item = String>,
        at: Position,
    ) -> Clause {
        Clause {
            attribute: Some(attribute),
            input: attribute.row().input,
            name: name.into_iter().collect(),
            matcher,
            negated,
            written: AsWritten::new(key, expected.into_iter().map(Box::from).collect()),
            at,
        }
    }

    /// Any of these, each of which is all of its conditions; or the opposite.
    #[cfg(feature = "others")]
    pub fn any_of(groups: impl IntoIterator<Item = Box<[Clause]>>, negated: bool) -> Clause {
        let matcher = Matcher::AnyOf(groups.into_iter().collect());
        Clause { matcher, negated, ..Clause::never("nested conditions", Position::default()) }
    }

    /// One that never holds, for something that is not there.
    pub fn never(what: &'static str, at: Position) -> Clause {
        Clause {
            attribute: None,
            input: Input::Peer,
            name: Box::default(),
            matcher: Matcher::Never,
            negated: false,
            written: AsWritten::new(Some(what), Box::default()),
            at,
        }
    }

    /// What is looked at; `None` where the clause stands for something that is not there (a policy without rules, a
    /// clause that ztunnel is left with empty) and never holds, or for conditions within it.
    pub fn attribute(&self) -> Option<Attribute> {
        self.attribute
    }

    /// Of [`Input::Header`] the header, in lower case and `host` as `:authority`; of [`Input::Claim`] the path through
    /// objects; of [`Input::Metadata`] the filter and its key; else empty. Attributes that name it in themselves have it
    /// here, too: `:method`, `aud`.
    pub fn name(&self) -> impl Iterator<Item = &str> {
        self.name.iter().map(|name| &**name)
    }

    /// How it is compared.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// True for a `not` field and for `notValues`: the clause holds where the matcher does not, also where the attribute
    /// is absent.
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// The field as people write it: `from.source.principals`, `when[source.ip]`.
    pub fn field(&self) -> String {
        let key = self.written.as_deref().and_then(|written| written.key.as_deref());
        match self.attribute {
            Some(attribute) => {
                let written = key.map_or(Written::Field, Written::Key);
                FieldPath { attribute, written, negated: self.negated }.to_string()
            }
            None => key.unwrap_or_default().into(),
        }
    }

    /// Where its first value is written.
    pub fn at(&self) -> Position {
        self.at
    }

    /// The values as people wrote them.
    pub fn expected(&self) -> Vec<String> {
        match self.written.as_deref() {
            Some(AsWritten { expected, .. }) if !expected.is_empty() => {
                expected.iter().map(|value| String::from(&**value)).collect()
            }
            _ => self.matcher.written(),
        }
    }

    pub(super) fn ask(&self, context: &EvaluationContext<'_>) -> Tri {
        let answer = self.any_matches(context);
        if self.negated { !answer } else { answer }
    }

    /// The header that is looked at.
    pub(super) fn header(&self) -> &[u8] {
        self.name.first().map_or(b"", |name| name.as_bytes())
    }

    /// Never holds, whatever the request.
    pub(super) fn is_hopeless(&self) -> bool {
        matches!(self.matcher, Matcher::Never) && !self.negated
    }
}
