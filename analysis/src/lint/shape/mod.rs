//! Rules whose form means something else than it seems to.

pub(in crate::lint) mod allows_nothing;
pub(in crate::lint) mod contradiction;
pub(in crate::lint) mod covered_value;
mod cut_away;
pub(in crate::lint) mod denies_everything;
pub(in crate::lint) mod duplicate_policy;
pub(in crate::lint) mod duplicate_rule;
pub(in crate::lint) mod duplicate_value;
pub(in crate::lint) mod excluded_value;
pub(in crate::lint) mod excludes_everything;
#[cfg(feature = "proofs")]
pub(in crate::lint) mod idle_rule;
#[cfg(feature = "reductions")]
pub(in crate::lint) mod idle_value;
pub(in crate::lint) mod misplaced_field;
pub(in crate::lint) mod misspelt_field;
pub(in crate::lint) mod nots_allow_everybody;
pub(in crate::lint) mod nots_deny_everybody;
pub(in crate::lint) mod split_rule;
pub(in crate::lint) mod star_says_nothing;
pub(in crate::lint) mod unconditional_rule;

use gnomon_engine::resource::{FieldSet, Match, Rule};
use std::fmt::Write;

/// A rule without its places: equal for rules that are written alike.
fn print(rule: &Rule) -> String {
    fn values(out: &mut String, values: &Match) {
        for list in [&values.values, &values.not_values] {
            let _ = list.iter().try_for_each(|text| write!(out, "{:?},", text.text));
            out.push(';');
        }
    }
    fn sets(out: &mut String, sets: &[FieldSet]) {
        for set in sets {
            out.push('{');
            for (attribute, matches) in set.iter() {
                let _ = write!(out, "{attribute:?}");
                values(out, matches);
            }
            out.push('}');
        }
        out.push('|');
    }
    let mut out = String::new();
    sets(&mut out, &rule.from);
    sets(&mut out, &rule.to);
    for condition in &rule.when {
        let _ = write!(out, "{:?}", condition.key.text);
        values(&mut out, &condition.values);
    }
    out
}
