//! Why a token is refused, with what it says held against what the rule says: for people, and never a part of the token
//! but the names in it that the rule compares.

use super::{
    key::Key,
    status::Status,
    token::Token,
    verify::{Keys, Rule, bare_audience},
};
use crate::decode::quoted;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Later than this a number of seconds is one of milliseconds: the year 5138.
const MILLISECONDS: u64 = 100_000_000_000;

/// `None`: the status says all there is.
pub(super) fn reason(rule: &Rule, text: &[u8], status: Status, now: i64) -> Option<String> {
    let token = Token::parse(text).ok()?;
    match status {
        Status::UnknownIssuer => Some(issuer(&token.issuer, &rule.issuer)),
        Status::AudienceNotAllowed => {
            let allowed: Vec<String> = rule.audiences.iter().map(|audience| quoted(audience)).collect();
            let has: Vec<String> = token.audiences.iter().map(|audience| quoted(audience)).collect();
            let has = if has.is_empty() { "no aud".to_string() } else { format!("aud {}", has.join(", ")) };
            let like = token.audiences.iter().any(|one| {
                rule.audiences.iter().any(|ours| ours.eq_ignore_ascii_case(bare_audience(one)))
            });
            let case = if like { ", letter by letter" } else { "" };
            Some(format!("the token has {has}, the rule wants one of {}{case}", allowed.join(", ")))
        }
        Status::Expired => Some(times("exp", token.expires(), now)),
        Status::NotYetValid => Some(times("nbf", token.not_before(), now)),
        Status::NoMatchingKey | Status::VerificationFails | Status::NoValidKeys => match &rule.keys {
            Keys::Inline { keys, .. } => Some(keys_of(&token, keys, status)),
            Keys::Nobodys => Some(
                "no keys can be had for this issuer: it is no address, and the rule has neither `jwks` nor `jwksUri`".into(),
            ),
            Keys::Remote(_) => None,
        },
        _ => None,
    }
}

/// `the token's iss is "https://i/", with a slash at the end that the rule's issuer lacks`
fn issuer(has: &str, wants: &str) -> String {
    let bare = |text: &str| text.trim_end_matches('/').to_string();
    let scheme = |text: &str| text.split_once("://").map(|(_, rest)| rest.to_string());
    let is = match has {
        "" => return "the token has no iss".into(),
        _ => format!("the token's iss is {}", quoted(has)),
    };
    if bare(has) == bare(wants) {
        return match has.len() > wants.len() {
            true => format!("{is}, with a slash at the end that the rule's issuer lacks"),
            false => format!("{is}, without the slash at the end of the rule's issuer"),
        };
    }
    if scheme(has).is_some() && scheme(has) == scheme(wants) {
        return format!("{is}: http and https are two issuers");
    }
    if has.eq_ignore_ascii_case(wants) {
        return format!("{is}: upper and lower case are told apart");
    }
    if has.trim() == wants.trim() {
        return format!("{is}: one of them has blanks around it");
    }
    is
}

fn times(name: &str, seconds: u64, now: i64) -> String {
    let now = u64::try_from(now).unwrap_or(0);
    if seconds >= MILLISECONDS {
        return format!("the token's {name} is {seconds}: that is in milliseconds, and counts as seconds");
    }
    let (apart, word) = match now.checked_sub(seconds) {
        Some(past) => (past, "ago"),
        None => (seconds.saturating_sub(now), "from now"),
    };
    let span = match apart {
        0..120 => format!("{apart} seconds"),
        120..7_200 => format!("{} minutes", apart / 60),
        7_200..172_800 => format!("{} hours", apart / 3_600),
        _ => format!("{} days", apart / 86_400),
    };
    format!("the token's {name} is {seconds}, {span} {word}")
}

fn keys_of(token: &Token, keys: &[Key], status: Status) -> String {
    let name = |kid: &str, alg: &str| match (kid, alg) {
        ("", "") => "one of any name".to_string(),
        ("", alg) => format!("{alg} without kid"),
        (kid, "") => format!("kid {}", quoted(kid)),
        (kid, alg) => format!("kid {} ({alg})", quoted(kid)),
    };
    let has: Vec<String> = keys.iter().take(8).map(|key| name(key.kid(), key.alg())).collect();
    let wants = name(&token.kid, token.algorithm.name());
    match status {
        Status::VerificationFails => format!(
            "the token is signed with {wants}, and the key of the key set does not verify it: other keys, or an altered token"
        ),
        _ => format!("the token is signed with {wants}, the key set has {}", has.join(", ")),
    }
}
