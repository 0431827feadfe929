//! Changes of a policy, one at a time.

use gnomon_engine::{
    Attribute,
    attribute::Kind,
    node::Position,
    resource::{Action, AuthorizationPolicy, FieldSet, Match, Rule, Text},
};

/// A change, and where.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// Where the part stands.
    pub(super) at: Position,
    /// In words.
    pub(super) what: String,
    rule: usize,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// The policy is not there: it is not enforced.
    NoPolicy,
    /// The rule is not there.
    NoRule,
    /// A condition is not there, so that the rule means more.
    NoCondition(Place),
    /// A condition means the opposite.
    Negated(Place),
    /// A value is not there, while others are.
    NoValue(Place, bool, usize),
    /// A value means everything that begins with it.
    Widened(Place, bool, usize),
}

/// A condition of a rule.
#[derive(Clone, Copy, Debug)]
enum Place {
    From(usize, Attribute),
    To(usize, Attribute),
    When(usize),
}

impl Mutant {
    /// The policy with the change.
    pub(super) fn apply(&self, policy: &AuthorizationPolicy) -> AuthorizationPolicy {
        let mut changed = policy.clone();
        match (&self.change, changed.rules.get_mut(self.rule)) {
            (Change::NoPolicy, _) => changed.dry_run = true,
            // The others keep their numbers: a rule that asks for what excludes itself matches nothing.
            (Change::NoRule, Some(rule)) => *rule = nothing(rule),
            (change, Some(rule)) => change.apply(rule),
            (_, None) => {}
        }
        changed
    }
}

/// A rule in this place that no request and no connection matches.
fn nothing(rule: &Rule) -> Rule {
    let zero = || vec![Text { text: "0".into(), at: rule.at }];
    let never = Match { values: zero(), not_values: zero() };
    Rule { at: rule.at, to: vec![FieldSet::of([(Attribute::Port, never)])], ..Rule::default() }
}

/// What is done to a condition.
type Edit = Box<dyn Fn(&mut Match)>;

impl Change {
    fn apply(&self, rule: &mut Rule) {
        let (place, edit): (Place, Edit) = match *self {
            Change::NoPolicy | Change::NoRule => return,
            Change::NoCondition(place) => (place, Box::new(|values| *values = Match::default())),
            Change::Negated(place) => {
                (place, Box::new(|values| std::mem::swap(&mut values.values, &mut values.not_values)))
            }
            Change::NoValue(place, negated, index) => (
                place,
                Box::new(move |values| {
                    let list = if negated { &mut values.not_values } else { &mut values.values };
                    if index < list.len() {
                        list.remove(index);
                    }
                }),
            ),
            Change::Widened(place, negated, index) => (
                place,
                Box::new(move |values| {
                    let list = if negated { &mut values.not_values } else { &mut values.values };
                    if let Some(value) = list.get_mut(index) {
                        value.text.push('*');
                    }
                }),
            ),
        };
        match place {
            Place::From(index, attribute) => set(rule.from.get_mut(index), attribute, &*edit),
            Place::To(index, attribute) => set(rule.to.get_mut(index), attribute, &*edit),
            Place::When(index) => {
                if let Some(condition) = rule.when.get_mut(index) {
                    edit(&mut condition.values);
                    if condition.values.is_empty() {
                        rule.when.remove(index);
                    }
                }
            }
        }
    }
}

fn set(fields: Option<&mut FieldSet>, attribute: Attribute, edit: &dyn Fn(&mut Match)) {
    if let Some(fields) = fields {
        let mut values = fields.get(attribute).clone();
        edit(&mut values);
        fields.set(attribute, values);
    }
}

/// All changes of a policy that decides.
pub(super) fn of(policy: &AuthorizationPolicy) -> Vec<Mutant> {
    let mut found = Vec::new();
    if policy.dry_run || policy.action == Action::Audit {
        return found;
    }
    if policy.action != Action::Custom {
        let what = "without the policy".to_owned();
        found.push(Mutant { at: policy.meta.at, what, rule: 0, change: Change::NoPolicy });
    }
    for (number, rule) in policy.rules.iter().enumerate() {
        let mut add = |at: Position, what: String, change: Change| {
            found.push(Mutant { at, what, rule: number, change });
        };
        add(rule.at, format!("without rule {number}"), Change::NoRule);
        for (index, set) in rule.from.iter().enumerate() {
            for (attribute, values) in set.iter() {
                condition(&mut add, Place::From(index, attribute), attribute, name(attribute), values);
            }
        }
        for (index, set) in rule.to.iter().enumerate() {
            for (attribute, values) in set.iter() {
                condition(&mut add, Place::To(index, attribute), attribute, name(attribute), values);
            }
        }
        for (index, when) in rule.when.iter().enumerate() {
            let key = when.key.text.as_str();
            if let Some((attribute, _)) = Attribute::of_key(key) {
                condition(&mut add, Place::When(index), attribute, key, &when.values);
            }
        }
    }
    found
}

fn name(attribute: Attribute) -> &'static str {
    attribute.row().field.map_or("", |(name, _)| name)
}

fn condition(
    add: &mut dyn FnMut(Position, String, Change),
    place: Place,
    attribute: Attribute,
    name: &str,
    values: &Match,
) {
    let first = values.values.first().or(values.not_values.first());
    let Some(at) = first.map(|text| text.at) else { return };
    add(at, format!("without the condition on {name}"), Change::NoCondition(place));
    add(at, format!("with the condition on {name} negated"), Change::Negated(place));
    for (negated, list) in [(false, &values.values), (true, &values.not_values)] {
        for (index, text) in list.iter().enumerate() {
            let value = &text.text;
            if list.len() > 1 {
                let what = format!("without the value {value} of {name}");
                add(text.at, what, Change::NoValue(place, negated, index));
            }
            if is_exact(attribute, value) {
                let what = format!("with {value}* for {value} of {name}");
                add(text.at, what, Change::Widened(place, negated, index));
            }
        }
    }
}

/// A value that a star behind it makes wider.
fn is_exact(attribute: Attribute, value: &str) -> bool {
    let kind = attribute.row().kind;
    let takes_stars = matches!(
        kind,
        Kind::Text | Kind::Header | Kind::Host | Kind::Path | Kind::Principal | Kind::Namespace | Kind::Claim
    );
    // Methods are words, none of which begins as another does.
    takes_stars && attribute != Attribute::Method && !value.contains(['*', '{'])
}
