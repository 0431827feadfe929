//! One walk through all policies for all lints.

use super::{Finding, Input, Lint};
use gnomon_engine::{
    Attribute, Diagnostic, Position,
    attach::Policy,
    resource::{
        Action, AuthorizationPolicy, FieldSet, JwtRule, Match, Meta, PeerAuthentication,
        RequestAuthentication, Rule, Text,
    },
};
use gnomon_manifests::inventory::Meta as Origin;
use std::{collections::BTreeMap, sync::Arc};

/// Where a lint wants to look. The walk calls each function at every place of its kind.
#[derive(Debug)]
pub(crate) struct Looks {
    /// Once for each AuthorizationPolicy.
    pub(crate) policy: Option<for<'l> fn(&mut Findings<'l>, &'l AuthorizationPolicy)>,
    /// Once for each rule.
    pub(crate) rule: Option<for<'l> fn(&mut Findings<'l>, &RuleAt<'l>)>,
    /// Once for each list of values that has any: of a field, of its `not` twin, of `values`, of `notValues`.
    pub(crate) values: Option<for<'l> fn(&mut Findings<'l>, &ValuesAt<'l>)>,
    /// Once for each rule of a RequestAuthentication, with its index.
    pub(crate) tokens: Option<for<'l> fn(&mut Findings<'l>, &'l RequestAuthentication, &'l JwtRule, usize)>,
    /// Once for each PeerAuthentication.
    pub(crate) peer: Option<for<'l> fn(&mut Findings<'l>, &'l PeerAuthentication)>,
    /// Once.
    pub(crate) all: Option<fn(&mut Findings<'_>)>,
}

impl Looks {
    /// Nowhere.
    pub(crate) const NOWHERE: Looks =
        Looks { policy: None, rule: None, values: None, tokens: None, peer: None, all: None };
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
    /// The rule that they are in.
    pub(crate) of: &'l Rule,
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

    /// What stands in brackets in the key of `when`: the name of a header, a claim.
    pub(crate) fn bracketed(&self) -> Option<&str> {
        match self.place {
            Place::When(_, key) => bracketed(key),
            _ => None,
        }
    }

    /// The key of `when`, where they stand in one.
    pub(crate) fn key(&self) -> Option<&Text> {
        match self.place {
            Place::When(index, _) => self.of.when.get(index).map(|condition| &condition.key),
            _ => None,
        }
    }

    /// The source or operation, where they are in one.
    pub(crate) fn set(&self) -> Option<&FieldSet> {
        match self.place {
            Place::From(index) => self.of.from.get(index),
            Place::To(index) => self.of.to.get(index),
            Place::When(..) => None,
        }
    }

    /// What comes of a value that nothing matches.
    pub(crate) fn void(&self) -> &'static str {
        match (self.negated, self.policy.action) {
            (true, _) => "it excepts nothing",
            (_, Action::Allow) => "it allows nothing",
            (_, Action::Deny) => "it denies nothing",
            (_, Action::Audit) => "it audits nothing",
            (_, Action::Custom) => "nothing is asked about it",
        }
    }

    /// A request that none of the values means is let through, or by being let through gets past the rule: the values
    /// of DENY, and the excepted values of ALLOW.
    pub(crate) fn guards(&self) -> bool {
        match self.policy.action {
            Action::Deny => !self.negated,
            Action::Allow => self.negated,
            Action::Audit | Action::Custom => false,
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
    found: BTreeMap<usize, Finding>,
}

/// `x-user` of `request.headers[x-user]`.
pub(crate) fn bracketed(key: &str) -> Option<&str> {
    key.split_once('[')?.1.strip_suffix(']')
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
    ) -> &mut Finding {
        self.at(Policy::Authorization(policy), at, field, message, help)
    }

    /// At a place in a policy.
    pub(crate) fn at(
        &mut self,
        policy: Policy<'_>,
        at: Position,
        field: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        let Meta { namespace, name, file, .. } = policy.meta();
        let object = format!("{} {namespace}/{name}", policy.kind());
        self.add(file, at, object, field.into(), message.into(), help.into())
    }

    /// At a rule of an AuthorizationPolicy.
    pub(crate) fn at_rule(
        &mut self,
        rule: &RuleAt<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        let field = format!("spec.rules[{}]", rule.index);
        self.at(Policy::Authorization(rule.policy), rule.rule.at, field, message, help)
    }

    /// At an object that is no policy.
    pub(crate) fn in_object(
        &mut self,
        (kind, origin): (&str, &Origin),
        at: Position,
        field: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        let object = format!("{kind} {}/{}", origin.namespace, origin.name);
        self.add(&origin.file, at, object, field.into(), message.into(), help.into())
    }

    /// At one of the values.
    pub(crate) fn at_value(
        &mut self,
        values: &ValuesAt<'_>,
        index: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        let at = values.texts.get(index).map(|text| text.at).unwrap_or_default();
        let field = format!("{}[{index}]", values.field());
        self.at(Policy::Authorization(values.policy), at, field, message, help)
    }

    /// At the place of what was found when the manifests were read.
    pub(crate) fn at_place(
        &mut self,
        read: &Diagnostic,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        let (object, field) = (read.object.clone(), read.field.clone());
        self.add(&read.file, read.at, object, field, message.into(), help.into())
    }

    fn add(
        &mut self,
        file: &Arc<str>,
        at: Position,
        object: String,
        field: String,
        message: String,
        help: String,
    ) -> &mut Finding {
        let Lint { severity, code, .. } = *self.lint;
        let diagnostic = Diagnostic { severity, code, file: file.clone(), at, object, field, message, help };
        self.found.entry(self.found.len()).or_insert(diagnostic.into())
    }
}

/// All that the lints find.
pub(crate) fn walk(input: Input<'_>, lints: impl Iterator<Item = &'static Lint>) -> Vec<Finding> {
    let mut lints: Vec<Findings<'_>> =
        lints.map(|lint| Findings { input, lint, found: BTreeMap::new() }).collect();
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
    for policy in &input.resources.request_authentication {
        for (index, rule) in policy.rules.iter().enumerate() {
            for findings in &mut lints {
                if let Some(look) = findings.lint.looks.tokens {
                    look(findings, policy, rule, index);
                }
            }
        }
    }
    for policy in &input.resources.peer_authentication {
        for findings in &mut lints {
            if let Some(look) = findings.lint.looks.peer {
                look(findings, policy);
            }
        }
    }
    for findings in &mut lints {
        if let Some(look) = findings.lint.looks.all {
            look(findings);
        }
    }
    lints.into_iter().flat_map(|findings| findings.found.into_values()).collect()
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
                look(&ValuesAt { policy, attribute, texts, negated, of: rule, rule: index, place });
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
