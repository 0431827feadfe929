//! Issuers whose tokens are checked with other keys than before: no request can be made up to show it.

use super::side::Ready;
use gnomon_engine::jwt::{AppliedRule, Authenticator, KeySource};
use gnomon_symbolic::Kind;
use serde::Serialize;

/// An issuer whose tokens both sides check, with other keys: of what only one side's keys have signed, the other refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The issuer; empty: a rule for any.
    pub issuer: String,
    /// Where the old side has its keys from.
    pub old: String,
    /// Where the new side has them from.
    pub new: String,
}

impl std::fmt::Display for KeyChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.issuer.as_str() {
            "" => f.write_str("tokens of any issuer")?,
            issuer => write!(f, "tokens of issuer {issuer}")?,
        }
        write!(f, " are checked with other keys (before: {}; now: {})", self.old, self.new)
    }
}

/// The issuers of both sides, where their keys are not the same.
///
/// What is behind an address is not known: another address counts as other keys, but not what a proxy has loaded in place
/// of one, which istiod has fetched from there.
pub(super) fn changed(old: &Ready<'_>, new: &Ready<'_>) -> Vec<KeyChange> {
    if !(old.has(Kind::Http) && new.has(Kind::Http)) || old.plan.is_ztunnel() || new.plan.is_ztunnel() {
        return Vec::new();
    }
    let one_is_loaded = old.is_loaded() != new.is_loaded();
    let rules = |side| -> Vec<AppliedRule<'_>> { authenticator(side).rules().collect() };
    let (all_before, all_after) = (rules(old), rules(new));
    let mut changed: Vec<KeyChange> = Vec::new();
    for rule in &all_before {
        let issuer = rule.issuer();
        let of = |rules: &[AppliedRule<'_>]| rules.iter().any(|rule| rule.issuer() == issuer);
        if !of(&all_after) || changed.iter().any(|known| known.issuer == issuer) {
            continue;
        }
        let (before, after) = (sources(&all_before, issuer, None), sources(&all_after, issuer, None));
        // Where several rules have the issuer, tokens of some audiences may be checked otherwise and all keys be the same.
        let same_audiences = |rule: &AppliedRule<'_>| {
            let of = |rules| sources(rules, issuer, Some(rule));
            let (before, after) = (of(&all_before), of(&all_after));
            after.is_empty() || same(&before, &after, one_is_loaded)
        };
        if !same(&before, &after, one_is_loaded) || !same_audiences(rule) {
            changed.push(KeyChange {
                issuer: issuer.to_owned(),
                old: described(&before),
                new: described(&after),
            });
        }
    }
    changed
}

fn authenticator<'r>(side: &'r Ready<'_>) -> &'r Authenticator {
    side.plan.authenticator()
}

/// Where the rules of an issuer have their keys from: all, or those with the audiences of one.
fn sources<'r>(
    rules: &[AppliedRule<'r>],
    issuer: &str,
    like: Option<&AppliedRule<'_>>,
) -> Vec<KeySource<'r>> {
    let wanted = |rule: &&AppliedRule<'r>| {
        rule.issuer() == issuer && like.is_none_or(|like| like.audiences() == rule.audiences())
    };
    rules.iter().filter(wanted).map(|rule| rule.keys()).collect()
}

/// Do these have the same keys?
fn same(old: &[KeySource<'_>], new: &[KeySource<'_>], one_is_loaded: bool) -> bool {
    let one = |a: &KeySource<'_>, b: &KeySource<'_>| match (a, b) {
        (KeySource::Inline(a), KeySource::Inline(b)) => {
            a.iter().all(|key| b.contains(key)) && b.iter().all(|key| a.contains(key))
        }
        (KeySource::Remote(a), KeySource::Remote(b)) => a == b,
        (KeySource::Inline(_), KeySource::Remote(_)) | (KeySource::Remote(_), KeySource::Inline(_)) => {
            one_is_loaded
        }
        // Whether there are any keys at all, the comparison itself knows.
        (KeySource::Nowhere, _) | (_, KeySource::Nowhere) => true,
    };
    old.iter().all(|a| new.iter().any(|b| one(a, b))) && new.iter().all(|b| old.iter().any(|a| one(a, b)))
}

fn described(sources: &[KeySource<'_>]) -> String {
    let mut all: Vec<String> = Vec::new();
    for source in sources {
        let one = match source {
            KeySource::Inline([]) => "jwks without a usable key".to_owned(),
            KeySource::Inline(keys) => {
                let names: Vec<&str> =
                    keys.iter().map(|key| key.kid()).filter(|name| !name.is_empty()).collect();
                match &names[..] {
                    [] => "jwks".to_owned(),
                    names => format!("jwks with {}", names.join(", ")),
                }
            }
            KeySource::Remote("") => "its discovery document".to_owned(),
            KeySource::Remote(address) => (*address).to_owned(),
            KeySource::Nowhere => "nowhere".to_owned(),
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join(" and ")
}
