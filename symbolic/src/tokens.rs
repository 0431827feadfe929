//! The JWT stage over all requests with at most one token.
//!
//! A token stands where the rules look for one of its issuer (`Authenticator::place`), and is well signed.

use crate::{
    axis::{Axis, Member},
    bdd::{Bdd, Manager, TooLarge},
    condition::{Form, Literal, Subject, Vocabulary},
    space::{Space, plain},
};
use alloc::{borrow::ToOwned, format, string::String, vec, vec::Vec};
use gnomon_engine::jwt::{AppliedRule, Authenticator, Sight};

/// What the stage lets pass, and where it finds claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// It does not refuse.
    pub(crate) passes: Bdd,
    /// The later stages see the claims of a token.
    pub(crate) payload: Bdd,
}

impl Tokens {
    /// No rule applies.
    pub(crate) const NONE: Tokens = Tokens { passes: Bdd::TRUE, payload: Bdd::FALSE };
}

/// What the stage itself looks at.
#[derive(Debug)]
pub(crate) struct Looks {
    pub(crate) all: Vec<Literal>,
}

/// The audiences of tokens.
fn audiences() -> Subject {
    Subject::Claim(vec!["aud".to_owned()])
}

/// Adds what the rules of these look at.
pub(crate) fn looks(vocabulary: &mut Vocabulary<'_>, authenticators: &[&Authenticator]) -> Looks {
    let mut all = vec![
        vocabulary.literal(Subject::Preflight, []),
        vocabulary.literal(Subject::Method, [plain(Form::Exact, "OPTIONS")]),
        vocabulary.literal(Subject::Issuer, []),
    ];
    for rule in authenticators.iter().flat_map(|authenticator| authenticator.rules()) {
        let issuer = Some(rule.issuer()).filter(|issuer| !issuer.is_empty());
        all.push(vocabulary.literal(Subject::Issuer, issuer.map(|text| plain(Form::Exact, text))));
        let ours = rule.audiences().iter().map(|audience| plain(Form::Audience, audience));
        if !rule.audiences().is_empty() {
            all.push(vocabulary.literal(audiences(), ours));
        }
    }
    Looks { all }
}

/// What tells two lists of rules apart, as far as verdicts go.
pub(crate) fn signature(authenticator: &Authenticator) -> Vec<String> {
    let place = |rule: &AppliedRule<'_>| format!("{:?}", authenticator.place(rule.issuer()));
    let places: Vec<_> = authenticator.rules().map(|rule| authenticator.place(rule.issuer())).collect();
    authenticator
        .rules()
        .map(|rule| {
            let seen: Vec<Sight> = places.iter().map(|place| rule.sees(place)).collect();
            // Rules of policies may look at what it writes.
            let writes: Vec<_> = rule.writes().collect();
            format!(
                "{:?} {:?} {} {} {:?} {} {:?} {:?} {:?} {writes:?}",
                rule.issuer(),
                rule.audiences(),
                rule.is_required(),
                rule.has_no_keys(),
                seen,
                places.iter().any(|place| rule.removes_from(place)),
                rule.space_delimited(),
                place(&rule),
                // What is no token is refused wherever a rule looks.
                rule.places(),
            )
        })
        .collect()
}

/// The stage as a function. `vocabulary` has what [`looks`] added.
pub(crate) fn stage(
    space: &mut Space,
    vocabulary: &mut Vocabulary<'_>,
    authenticator: &Authenticator,
) -> Result<Tokens, TooLarge> {
    if authenticator.is_empty() {
        return Ok(Tokens::NONE);
    }
    let rules: Vec<AppliedRule<'_>> = authenticator.rules().collect();
    let Space { axes, by_number, manager } = space;
    let find = |number: Option<u32>| -> Option<&Axis> { axes.get((*by_number.get(number? as usize)?)?) };
    let (Some(preflight), Some(issuer)) =
        (find(vocabulary.find(&Subject::Preflight)), find(vocabulary.find(&Subject::Issuer)))
    else {
        return Ok(Tokens::NONE);
    };
    let preflight = preflight.any_of(manager, &[1])?;
    // Whether a rule's audiences are met.
    let aud = vocabulary.axis(audiences());
    let mut met = Vec::with_capacity(rules.len());
    for rule in &rules {
        met.push(match (rule.has_no_keys(), rule.audiences(), find(Some(aud))) {
            (true, ..) => Bdd::FALSE,
            (false, [], _) => Bdd::TRUE,
            (false, audiences, Some(axis)) => {
                let values = audiences.iter().map(|audience| plain(Form::Audience, audience));
                let literal = vocabulary.literal(self::audiences(), values);
                axis.literal(manager, &literal)?
            }
            (false, _, None) => Bdd::FALSE,
        });
    }
    let none: Vec<u32> = issuer.absent().into_iter().collect();
    let sent = !issuer.any_of(manager, &none)?;
    let required = rules.iter().any(|rule| rule.is_required());
    let mut passes = if required { Bdd::FALSE } else { !sent };
    let mut payload = Bdd::FALSE;
    for (class, member) in (0..).zip(&issuer.members) {
        let name = match member {
            Member::Text(text) => text.as_str(),
            Member::Absent => continue,
            Member::Garbage(place) => {
                // No rule that looks there lets it pass, and none is there for a rule that wants one.
                if !required && rules.iter().all(|rule| rule.sees(place) == Sight::Nothing) {
                    let here = issuer.any_of(manager, &[class])?;
                    passes = manager.or(passes, here)?;
                }
                continue;
            }
            _ => "",
        };
        let one = of_issuer(manager, authenticator, &rules, &met, name, required)?;
        let here = issuer.any_of(manager, &[class])?;
        let with = manager.and(here, one.payload)?;
        payload = manager.or(payload, with)?;
        let good = manager.and(here, one.passes)?;
        passes = manager.or(passes, good)?;
    }
    Ok(Tokens { passes: manager.or(passes, preflight)?, payload: manager.minus(payload, preflight)? })
}

/// For a request with a token of this issuer.
fn of_issuer(
    manager: &mut Manager,
    authenticator: &Authenticator,
    rules: &[AppliedRule<'_>],
    met: &[Bdd],
    issuer: &str,
    required: bool,
) -> Result<Tokens, TooLarge> {
    let place = authenticator.place(issuer);
    let takes = |rule: &AppliedRule<'_>| rule.issuer().is_empty() || rule.issuer() == issuer;
    let mut payload = Bdd::FALSE;
    if !required {
        // Any rule that takes the token will do; without one the token must not be seen at all.
        let mut unseen = true;
        for (rule, met) in rules.iter().zip(met) {
            let sight = rule.sees(&place);
            unseen &= sight == Sight::Nothing;
            if sight == Sight::Token && takes(rule) {
                payload = manager.or(payload, *met)?;
            }
        }
        return Ok(Tokens { passes: if unseen { Bdd::TRUE } else { payload }, payload });
    }
    let mut passes = Bdd::TRUE;
    let mut there = Bdd::TRUE;
    for (rule, met) in rules.iter().zip(met) {
        let sight = rule.sees(&place);
        let found = if sight == Sight::Nothing { Bdd::FALSE } else { there };
        let good = if sight == Sight::Token && takes(rule) { *met } else { Bdd::FALSE };
        let good = manager.and(found, good)?;
        let fine = if rule.is_required() { good } else { manager.or(!found, good)? };
        passes = manager.and(passes, fine)?;
        payload = manager.or(payload, good)?;
        if rule.removes_from(&place) {
            there = manager.minus(there, good)?;
        }
    }
    payload = manager.and(payload, passes)?;
    Ok(Tokens { passes, payload })
}
