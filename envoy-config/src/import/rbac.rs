//! RBAC filters.

use super::{
    OTHERS,
    decisions::Decisions,
    evaluation_context::EvaluationContext,
    expression::{Expression, MAX_DEPTH},
    fields::{Context, Fields, Place, Unread, list, not_evaluated},
};
use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use gnomon_engine::{
    node::{Node, Position, Value},
    order,
    plan::Tri,
    verdict::Missing,
};

/// One filter: an enforced and a shadow engine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rbac {
    pub(super) network: bool,
    pub(super) rules: Option<Rules>,
    pub(super) rules_prefix: String,
    pub(super) shadow: Option<Rules>,
    pub(super) shadow_prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Deny,
    Log,
}

/// What one engine enforces.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) action: Action,
    /// In byte order of their names, as Envoy goes through them.
    pub(super) policies: Vec<Policy>,
    /// A matcher that stands in place of policies. What it does not decide is refused, as by ALLOW.
    pub(super) matcher: Option<Decisions>,
    /// The whole engine is not evaluated.
    pub(super) unread: Option<Unread>,
    /// Where it is written.
    pub(super) file: Arc<str>,
}

impl PartialEq for Rules {
    /// They say the same, wherever they are written.
    fn eq(&self, other: &Rules) -> bool {
        self.action == other.action
            && self.policies == other.policies
            && self.matcher == other.matcher
            && self.unread == other.unread
    }
}

/// A policy of an engine.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) at: Position,
    /// Any of them.
    pub(super) permissions: Vec<Expression>,
    /// Any of them.
    pub(super) principals: Vec<Expression>,
    /// What else must hold.
    pub(super) conditions: Vec<Expression>,
}

impl PartialEq for Policy {
    fn eq(&self, other: &Policy) -> bool {
        self.name == other.name
            && self.permissions == other.permissions
            && self.principals == other.principals
            && self.conditions == other.conditions
    }
}

/// How the policies of an engine fare.
pub(super) enum Found<'r> {
    /// Its name, and what it does.
    Match(&'r str, Action),
    /// What that depends on.
    Unknown(Vec<Missing>),
    Nothing,
}

impl Rbac {
    /// One that asks for nothing.
    pub(super) fn empty(network: bool) -> Rbac {
        Rbac { network, rules: None, rules_prefix: String::new(), shadow: None, shadow_prefix: String::new() }
    }

    pub(super) fn read(node: &Node, network: bool, place: &Place<'_>, context: &mut Context) -> Rbac {
        let mut rbac = Rbac::empty(network);
        let Some(mut fields) = Fields::of(node) else { return rbac };
        rbac.rules_prefix = fields.text("rulesStatPrefix").unwrap_or_default().to_string();
        rbac.shadow_prefix = fields.text("shadowRulesStatPrefix").unwrap_or_default().to_string();
        if let Some(rules) = fields.take("rules") {
            rbac.rules = Some(Rules::read(rules, &place.field("rules"), context));
        }
        if let Some(rules) = fields.take("shadowRules") {
            rbac.shadow = Some(Rules::read(rules, &place.field("shadowRules"), context));
        }
        // Beside a matcher Envoy passes rules over.
        if OTHERS && let Some(matcher) = fields.take("matcher") {
            rbac.rules = Some(Rules::of_matcher(matcher, &place.field("matcher"), context));
        }
        if OTHERS && let Some(matcher) = fields.take("shadowMatcher") {
            rbac.shadow = Some(Rules::of_matcher(matcher, &place.field("shadowMatcher"), context));
        }
        fields.ignore(&["@type", "statPrefix", "trackPerRuleStats", "enforcementType", "delayDeny"]);
        for (name, node) in fields.rest() {
            let shadow = super::fields::same_field(name, "shadowMatcher");
            let name = context.unread(&place.field(name), node.at, "this field is not evaluated");
            let engine = if shadow { &mut rbac.shadow } else { &mut rbac.rules };
            engine.get_or_insert_with(|| Rules::empty(context)).unread = Some(name);
        }
        rbac
    }
}

impl Action {
    /// `None`: it is not known.
    pub(super) fn read(node: Option<&Node>) -> Option<Action> {
        let Some(node) = node else { return Some(Action::Allow) };
        Some(match &node.value {
            Value::String(text) | Value::Number(text) => match text.as_str() {
                "ALLOW" | "0" => Action::Allow,
                "DENY" | "1" => Action::Deny,
                "LOG" | "2" => Action::Log,
                _ => return None,
            },
            _ => return None,
        })
    }
}

impl Rules {
    fn empty(context: &Context) -> Rules {
        Rules {
            action: Action::Allow,
            policies: Vec::new(),
            matcher: None,
            unread: None,
            file: context.file.clone(),
        }
    }

    fn of_matcher(node: &Node, place: &Place<'_>, context: &mut Context) -> Rules {
        let mut rules = Rules::empty(context);
        match Decisions::read(node, place, context) {
            Ok(matcher) => rules.matcher = Some(matcher),
            Err(name) => rules.unread = Some(name),
        }
        rules
    }

    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Rules {
        let mut rules = Rules::empty(context);
        let Some(mut fields) = Fields::of(node) else {
            rules.unread = Some(context.unread(place, node.at, "this is no set of rules"));
            return rules;
        };
        if let Some(action) = fields.take("action") {
            match Action::read(Some(action)) {
                Some(action) => rules.action = action,
                None => {
                    let place = place.field("action");
                    rules.unread = Some(context.unread(&place, action.at, "this action is not known"));
                }
            }
        }
        let place_of_policies = place.field("policies");
        for (key, policy) in fields.take("policies").and_then(Node::as_map).unwrap_or_default() {
            let place = place_of_policies.key(&key.name);
            rules.policies.push(Policy::read(&key.name, policy, &place, context));
        }
        order::sort_by(&mut rules.policies, |a, b| a.name.cmp(&b.name));
        fields.ignore(&["@type", "auditLoggingOptions"]);
        if let Some((name, node)) = fields.rest().next() {
            rules.unread = Some(context.unread(&place.field(name), node.at, "this field is not evaluated"));
        }
        rules
    }

    /// The first policy that matches.
    pub(super) fn first_match(&self, context: &EvaluationContext<'_>) -> Found<'_> {
        if let Some(name) = &self.unread {
            return Found::Unknown(vec![not_evaluated(name)]);
        }
        if let Some(matcher) = &self.matcher {
            return matcher.first_match(context);
        }
        let mut missing = Vec::new();
        let mut unknown = false;
        for policy in &self.policies {
            match policy.matches(context) {
                Tri::True => return Found::Match(&policy.name, self.action),
                Tri::False => {}
                Tri::Unknown => {
                    unknown = true;
                    policy.missing(context, &mut missing);
                }
            }
        }
        if unknown { Found::Unknown(missing) } else { Found::Nothing }
    }

    /// All of CUSTOM's rules: those of a broken provider are enforced as DENY.
    pub(super) fn is_custom(&self) -> bool {
        let custom = |policy: &Policy| policy.name.starts_with(super::rules_of_custom());
        !self.policies.is_empty() && self.policies.iter().all(custom)
    }
}

impl Policy {
    fn read(name: &str, node: &Node, place: &Place<'_>, context: &mut Context) -> Policy {
        let mut read = |field| -> Vec<Expression> {
            let place = place.field(field);
            let items = list(node, field).iter().enumerate();
            items
                .map(|(index, item)| Expression::read(item, &place.index(index), MAX_DEPTH, context))
                .collect()
        };
        let (permissions, principals) = (read("permissions"), read("principals"));
        let mut conditions = Vec::new();
        if let Some(mut fields) = Fields::of(node) {
            fields.ignore(&["permissions", "principals"]);
            for (name, node) in fields.rest() {
                let place = place.field(name);
                let name = context.unread(&place, node.at, "this field is not evaluated");
                conditions.push(Expression::Unread(name));
            }
        }
        Policy { name: name.into(), at: node.at, permissions, principals, conditions }
    }

    /// (any permission) and (any principal) and the condition.
    fn matches(&self, context: &EvaluationContext<'_>) -> Tri {
        let any = |items: &[Expression]| Tri::any(items.iter().map(|item| item.matches(context)));
        let conditions = self.conditions.iter().map(|item| item.matches(context));
        Tri::all([any(&self.permissions), any(&self.principals)].into_iter().chain(conditions))
    }

    /// Adds what an unknown answer depends on.
    fn missing(&self, context: &EvaluationContext<'_>, found: &mut Vec<Missing>) {
        if self.matches(context) == Tri::Unknown {
            let all = self.permissions.iter().chain(&self.principals).chain(&self.conditions);
            all.for_each(|item| item.missing(context, found));
        }
    }
}
