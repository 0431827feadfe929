use super::{Meta, Target, Text};
use crate::{attribute::Attribute, node::Position};
use alloc::vec::Vec;

/// `spec.action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Let through what matches; refuse the rest as soon as one such policy is attached.
    #[default]
    Allow,
    /// Refuse what matches.
    Deny,
    /// Mark what matches for auditing; no say in the decision.
    Audit,
    /// Ask an external provider about what matches.
    Custom,
}

/// An AuthorizationPolicy.
#[derive(Clone, Debug)]
pub struct AuthorizationPolicy {
    /// Name, namespace, place.
    pub meta: Meta,
    /// Which workloads it names.
    pub target: Target,
    /// What happens on a match.
    pub action: Action,
    /// `spec.provider.name`; always there for [`Action::Custom`], never else.
    pub provider: Option<Text>,
    /// The annotation `istio.io/dry-run` is true (in any of Go's `ParseBool` spellings).
    pub dry_run: bool,
    /// In the order written: the index is part of the id that Envoy reports. Empty: matches nothing.
    pub rules: Vec<Rule>,
}

/// One of `spec.rules`: (any source) and (any operation) and all conditions.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Where it begins.
    pub at: Position,
    /// `from[].source`; empty: any source.
    pub from: Vec<FieldSet>,
    /// `to[].operation`; empty: any operation.
    pub to: Vec<FieldSet>,
    /// `when`; all must hold.
    pub when: Vec<Condition>,
    /// Fields that were cut away because Istio of the mesh's version does not know them ([`crate::versions::known`]);
    /// they are not in `from` any more.
    pub pruned: Vec<Attribute>,
}

/// Values of a field and of its `not` twin: (no values, or any matches) and no not-value matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// `principals`, `values`, ….
    pub values: Vec<Text>,
    /// `notPrincipals`, `notValues`, ….
    pub not_values: Vec<Text>,
}

impl Match {
    /// Neither list has an element: the field says nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.not_values.is_empty()
    }
}

/// `from[].source` or `to[].operation`: all fields that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Where it begins.
    pub at: Position,
    /// In the order of the table; none is empty.
    fields: Vec<(Attribute, Match)>,
}

impl FieldSet {
    /// Of these fields; empty ones are left out.
    pub fn of(fields: impl IntoIterator<Item = (Attribute, Match)>) -> FieldSet {
        let mut set = FieldSet::default();
        for (attribute, values) in fields {
            set.set(attribute, values);
        }
        set
    }

    /// The values of a field; empty where it is not set.
    pub fn get(&self, attribute: Attribute) -> &Match {
        const NOTHING: &Match = &Match { values: Vec::new(), not_values: Vec::new() };
        self.fields.iter().find(|(set, _)| *set == attribute).map_or(NOTHING, |(_, values)| values)
    }

    /// Sets a field in place of what it was; no values at all remove it.
    pub fn set(&mut self, attribute: Attribute, values: Match) {
        self.fields.retain(|(set, _)| *set != attribute);
        if !values.is_empty() {
            let place = self.fields.partition_point(|(set, _)| *set < attribute);
            self.fields.insert(place, (attribute, values));
        }
    }

    /// The fields that are set, in istiod's order.
    pub fn iter(&self) -> impl Iterator<Item = (Attribute, &Match)> {
        self.fields.iter().map(|(attribute, values)| (*attribute, values))
    }

    /// No field is set.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// One of `when`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Where it begins.
    pub at: Position,
    /// `key`, e.g. `request.headers[x-user]`; admission has checked that it is a known attribute.
    pub key: Text,
    /// `values` and `notValues`; at least one of them has an element.
    pub values: Match,
}
