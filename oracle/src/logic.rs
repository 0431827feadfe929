//! What is known, in three values, and rules made of it.

use std::collections::BTreeSet;

/// `None`: nobody can say.
pub type Maybe = Option<bool>;

fn all(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    let items: Vec<Maybe> = items.into_iter().collect();
    if items.contains(&Some(false)) {
        Some(false)
    } else if items.contains(&None) {
        None
    } else {
        Some(true)
    }
}

pub fn any(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    all(items.into_iter().map(|item| item.map(|item| !item))).map(|none| !none)
}

/// A condition, and the field of the request that it depends on.
pub struct Condition {
    pub met: Maybe,
    pub input: &'static str,
}

/// A rule that the proxy has.
pub struct Rule {
    pub id: String,
    pub from: Vec<Vec<Condition>>,
    pub to: Vec<Vec<Condition>>,
    pub when: Vec<Condition>,
}

fn group(conditions: &[Condition]) -> Maybe {
    all(conditions.iter().map(|condition| condition.met))
}

fn either(groups: &[Vec<Condition>]) -> Maybe {
    if groups.is_empty() { Some(true) } else { any(groups.iter().map(|conditions| group(conditions))) }
}

impl Rule {
    fn matches(&self) -> Maybe {
        all([either(&self.from), either(&self.to), group(&self.when)])
    }

    /// What it depends on: nothing once another alternative holds, nor what an alternative that fails anyway asks for.
    fn missing(&self) -> BTreeSet<String> {
        let mut open = vec![&self.when];
        for groups in [&self.from, &self.to] {
            if either(groups).is_none() {
                open.extend(groups.iter().filter(|conditions| group(conditions).is_none()));
            }
        }
        let open = open.into_iter().flatten().filter(|condition| condition.met.is_none());
        open.map(|condition| condition.input.to_string()).collect()
    }
}

/// The rules of one action in the order of their ids: the first that matches for certain, or whether any may.
pub fn first(rules: &mut [Rule]) -> (Maybe, Option<String>, BTreeSet<String>) {
    rules.sort_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
    in_order(rules)
}

/// The same in the order given.
pub fn in_order(rules: &[Rule]) -> (Maybe, Option<String>, BTreeSet<String>) {
    let met = any(rules.iter().map(Rule::matches));
    let id = rules.iter().find(|rule| rule.matches() == Some(true)).map(|rule| rule.id.clone());
    let missing = rules.iter().filter(|rule| rule.matches().is_none()).flat_map(Rule::missing).collect();
    (met, id, missing)
}
