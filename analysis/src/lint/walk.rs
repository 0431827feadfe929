//! One walk through all policies for all lints.

use super::{Input, Lint};
use gnomon_engine::{
    Attribute, Diagnostic, Position,
    resource::{AuthorizationPolicy, Match, Meta, Rule, Text},
};
use gnomon_manifests::inventory::Meta as Origin;
use std::sync::Arc;

/// Where a lint wants to look. The walk calls each function at every place of its kind.
#[derive(Debug)]
pub(crate) struct Looks {
    /// Once for each AuthorizationPolicy.
    pub(crate) policy: Option<fn(&mut Findings<'_>, &AuthorizationPolicy)>,
    /// Once for each rule.
    pub(crate) rule: Option<fn(&mut Findings<'_>, &RuleAt<'_>)>,
    /// Once for each list of values that has any: of a field, of its `not` twin, of `values`, of `notValues`.
    pub(crate) values: Option<fn(&mut Findings<'_>, &ValuesAt<'_>)>,
    /// Once.
    pub(crate) all: Option<fn(&mut Findings<'_>)>,
}

impl Looks {
    /// Nowhere.
    pub(crate) const NOWHERE: Looks = Looks { policy: None, rule: None, values: None, all: None };
}

/// A rule on the walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleAt<'l> {
    pub(crate) policy: &'l AuthorizationPolicy,
    pub(crate) rule: &'l Rule,
    pub(crate) index: usize,
}

/// A list of values on the walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValuesAt<'l> {
    pub(crate) policy: &'l AuthorizationPolicy,
    /// What the values are compared with.
    pub(crate) attribute: Attribute,
    /// At least one.
    pub(crate) texts: &'l [Text],
    /// A `not` field, or `notValues`.
    pub(crate) negated: bool,
    rule: usize,
    place: Place<'l>,
}

/// Where in a rule the values are.
#[derive(Clone, Copy, Debug)]
enum Place<'l> {
    From(usize),
    To(usize),
    When(usize, &'l str),
}

impl ValuesAt<'_> {
    /// The field as manifests have it: `spec.rules[0].from[1].source.principals`.
    pub(crate) fn field(&self) -> String {
        let rule = self.rule;
        match self.place {
            Place::From(index) => format!("spec.rules[{rule}].from[{index}].source.{}", self.name()),
            Place::To(index) => format!("spec.rules[{rule}].to[{index}].operation.{}", self.name()),
            Place::When(index, _) => {
                let list = if self.negated { "notValues" } else { "values" };
                format!("spec.rules[{rule}].when[{index}].{list}")
            }
        }
    }

    /// The field's name, or the key of `when`.
    pub(crate) fn name(&self) -> &str {
        match (self.place, self.attribute.row().field) {
            (Place::When(_, key), _) => key,
            (_, Some((_, name))) if self.negated => name,
            (_, Some((name, _))) => name,
            (_, None) => "",
        }
    }
}

/// What is found, on its way into diagnostics of the lint that looks.
pub(crate) struct Findings<'l> {
    pub(crate) input: Input<'l>,
    lint: &'static Lint,
    found: Vec<Diagnostic>,
}

impl Findings<'_> {
    /// At a place in an AuthorizationPolicy.
    pub(crate) fn in_policy(
        &mut self,
        policy: &AuthorizationPolicy,
        at: Position,
        field: String,
        message: String,
        help: impl Into<String>,
    ) {
        let Meta { namespace, name, file, .. } = &policy.meta;
        self.add(file, at, format!("AuthorizationPolicy {namespace}/{name}"), field, message, help.into());
    }

    /// At one of the values.
    pub(crate) fn at_value(
        &mut self,
        values: &ValuesAt<'_>,
        index: usize,
        message: String,
        help: impl Into<String>,
    ) {
        let at = values.texts.get(index).map(|text| text.at).unwrap_or_default();
        self.in_policy(values.policy, at, format!("{}[{index}]", values.field()), message, help);
    }

    /// At a place in a traffic object.
    pub(crate) fn in_traffic(
        &mut self,
        (kind, origin): (&str, &Origin),
        at: Position,
        field: &str,
        message: String,
        help: impl Into<String>,
    ) {
        let object = format!("{kind} {}/{}", origin.namespace, origin.name);
        self.add(&origin.file, at, object, field.into(), message, help.into());
    }

    fn add(
        &mut self,
        file: &Arc<str>,
        at: Position,
        object: String,
        field: String,
        message: String,
        help: String,
    ) {
        let Lint { severity, code, .. } = *self.lint;
        self.found.push(Diagnostic { severity, code, file: file.clone(), at, object, field, message, help });
    }
}

/// All that the lints find.
pub(crate) fn walk(input: Input<'_>, lints: impl Iterator<Item = &'static Lint>) -> Vec<Diagnostic> {
    let mut lints: Vec<Findings<'_>> =
        lints.map(|lint| Findings { input, lint, found: Vec::new() }).collect();
    for policy in &input.resources.authorization {
        for findings in &mut lints {
            if let Some(look) = findings.lint.looks.policy {
                look(findings, policy);
            }
        }
        for (index, rule) in policy.rules.iter().enumerate() {
            for findings in &mut lints {
                if let Some(look) = findings.lint.looks.rule {
                    look(findings, &RuleAt { policy, rule, index });
                }
            }
            values_of(policy, rule, index, &mut |values| {
                for findings in &mut lints {
                    if let Some(look) = findings.lint.looks.values {
                        look(findings, values);
                    }
                }
            });
        }
    }
    for findings in &mut lints {
        if let Some(look) = findings.lint.looks.all {
            look(findings);
        }
    }
    lints.into_iter().flat_map(|findings| findings.found).collect()
}

/// Every list of values of a rule.
fn values_of<'l>(
    policy: &'l AuthorizationPolicy,
    rule: &'l Rule,
    index: usize,
    look: &mut dyn FnMut(&ValuesAt<'l>),
) {
    let mut lists = |attribute: Attribute, values: &'l Match, place: Place<'l>| {
        for (texts, negated) in [(&values.values, false), (&values.not_values, true)] {
            if !texts.is_empty() {
                look(&ValuesAt { policy, attribute, texts, negated, rule: index, place });
            }
        }
    };
    for (number, source) in rule.from.iter().enumerate() {
        source.iter().for_each(|(attribute, values)| lists(attribute, values, Place::From(number)));
    }
    for (number, operation) in rule.to.iter().enumerate() {
        operation.iter().for_each(|(attribute, values)| lists(attribute, values, Place::To(number)));
    }
    for (number, condition) in rule.when.iter().enumerate() {
        let key = condition.key.text.as_str();
        if let Some((attribute, _)) = Attribute::of_key(key) {
            lists(attribute, &condition.values, Place::When(number, key));
        }
    }
}
