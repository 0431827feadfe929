//! What a lint finds: a diagnostic, the places beside it, and what would mend it.

use gnomon_engine::{
    Diagnostic, Position, Severity,
    attach::Policy,
    resource::{AuthorizationPolicy, Meta, Rule, Text},
};
use gnomon_manifests::inventory::Meta as Origin;
use std::sync::Arc;

/// A finding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong, and where.
    pub diagnostic: Diagnostic,
    /// Other places that it is about.
    pub related: Vec<Related>,
    /// What to write in its place, where that is certain; all of it or nothing.
    pub fix: Vec<Edit>,
}

/// Another place that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Related {
    /// The file.
    pub file: Arc<str>,
    /// Where in it.
    pub at: Position,
    /// What stands there: `Service shop/web`.
    pub message: String,
}

/// A scalar that is replaced, in a list by one or more; or an element of a list that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// The file.
    pub file: Arc<str>,
    /// Where it begins.
    pub at: Position,
    /// What the scalar says.
    pub old: String,
    /// What it becomes; nothing: it goes.
    pub new: Vec<String>,
    /// How much goes, where something does.
    pub goes: Goes,
}

/// What is taken out of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goes {
    /// The element of a list that begins there: a scalar or a map.
    #[default]
    Element,
    /// The element of a list around the map that begins there, which stands behind its only key: a `source`, an
    /// `operation`.
    Around,
    /// The list whose first element begins there, with its key.
    List,
    /// The document that begins there.
    Document,
    /// Nothing: behind the element around the map that begins there come the elements of another list.
    Nothing {
        /// Where the map begins in the first of them.
        takes: Position,
    },
}

impl Goes {
    /// In a word, as `gnomon lint -o json` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Goes::Element => "element",
            Goes::Around => "around",
            Goes::List => "list",
            Goes::Document => "document",
            Goes::Nothing { .. } => "nothing",
        }
    }
}

impl Edit {
    /// What begins there goes; `old` is what a scalar says.
    pub(crate) fn removal(meta: &Meta, at: Position, old: &str, goes: Goes) -> Edit {
        Edit { file: meta.file.clone(), at, old: old.to_owned(), new: Vec::new(), goes }
    }
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Finding {
        Finding { diagnostic, related: Vec::new(), fix: Vec::new() }
    }
}

impl Finding {
    /// In place of what the lint says as a rule.
    pub(crate) fn severity(&mut self, severity: Severity) -> &mut Self {
        self.diagnostic.severity = severity;
        self
    }

    /// A policy that it is about, too.
    pub(crate) fn see(&mut self, policy: Policy<'_>) -> &mut Self {
        let Meta { namespace, name, file, at, .. } = policy.meta();
        self.beside(file, *at, format!("{} {namespace}/{name}", policy.kind()))
    }

    /// Another object that it is about, too.
    pub(crate) fn see_object(&mut self, kind: &str, origin: &Origin) -> &mut Self {
        let Origin { namespace, name, file, at, .. } = origin;
        self.beside(file, *at, format!("{kind} {namespace}/{name}"))
    }

    /// Another place that it is about.
    pub(crate) fn beside(&mut self, file: &Arc<str>, at: Position, message: String) -> &mut Self {
        self.related.push(Related { file: file.clone(), at, message });
        self
    }

    /// A value that becomes another one, or several.
    pub(crate) fn replace(&mut self, policy: &AuthorizationPolicy, old: &Text, new: &[&str]) -> &mut Self {
        self.fix.push(Edit {
            file: policy.meta.file.clone(),
            at: old.at,
            old: old.text.clone(),
            new: new.iter().map(|text| (*text).to_owned()).collect(),
            goes: Goes::default(),
        });
        self
    }

    /// A rule that goes.
    pub(crate) fn remove(&mut self, policy: &AuthorizationPolicy, rule: &Rule) -> &mut Self {
        self.take_out(policy, rule.at)
    }

    /// An element of a list that goes.
    pub(crate) fn take_out(&mut self, policy: &AuthorizationPolicy, at: Position) -> &mut Self {
        self.fix.push(Edit::removal(&policy.meta, at, "", Goes::Element));
        self
    }
}
