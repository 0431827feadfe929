//! What the JWT stage made of a request's tokens, in one line.

use super::{Seen, shown};
use crate::{
    jwt::{Authentication, Crypto, Json, TokenTrace},
    verdict::StageResult,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// At most this many tokens are named.
const TOKENS_SHOWN: usize = 4;

/// `result`: what became of the stage.
pub(super) fn summary(
    seen: &Seen<'_>,
    found: &Authentication,
    result: StageResult,
    crypto: &dyn Crypto,
) -> String {
    let authenticator = &seen.plan.authenticator;
    if seen.is_preflight() {
        return "; a CORS preflight (OPTIONS with origin and access-control-request-method): no token is read, so it \
                passes unidentified"
            .into();
    }
    let lines = authenticator.trace(seen.context.request, crypto);
    let (checked, unchecked) = split(lines, found);
    match seen.context.payload {
        None if result == StageResult::Passed => match authenticator.overlooked(seen.context.request) {
            Some(why) => format!(", no token ({why}): passes unidentified"),
            None => ", no token: passes unidentified".into(),
        },
        Some(_) if found.failure.is_none() => {
            let place = checked.iter().find(|line| Some(line.rule) == found.rule && line.passes);
            let place = place.map_or(String::new(), |line| format!(" in {}", line.location));
            let claim = |name| match seen.context.claim(&[name]) {
                Some(Json::String(text)) => shown(text.as_bytes()),
                _ => "(none)".into(),
            };
            let verified = format!(", token{place} verified: iss {}, sub {}", claim("iss"), claim("sub"));
            verified + &not_checked(&unchecked)
        }
        _ => format!("; {}{}", refused(checked, found), not_checked(&unchecked)),
    }
}

/// Which of the tokens Envoy looked at. Without `presence: REQUIRED` the first rule that passes ends the walk; with it,
/// the first that refuses. A rule takes its tokens from the last to the first, and ends at the first bad one.
fn split(lines: Vec<TokenTrace>, found: &Authentication) -> (Vec<TokenTrace>, Vec<TokenTrace>) {
    let all_asked = lines.iter().any(|line| line.required) == found.failure.is_none();
    let of_deciding = |line: &TokenTrace| Some(line.rule) == found.rule;
    let Some(last) = lines.iter().rposition(of_deciding) else { return (lines, Vec::new()) };
    let refusing = lines.iter().rposition(|line| of_deciding(line) && !line.passes);
    let mut checked = Vec::new();
    let mut unchecked = Vec::new();
    for (index, line) in lines.into_iter().enumerate() {
        let later_rule = index > last && !all_asked;
        let earlier_token = found.failure.is_some()
            && of_deciding(&line)
            && refusing.is_some_and(|refusing| index < refusing);
        if later_rule || earlier_token { unchecked.push(line) } else { checked.push(line) }
    }
    (checked, unchecked)
}

fn not_checked(lines: &[TokenTrace]) -> String {
    let mut named = lines.iter().filter(|line| !line.location.is_empty()).map(named).peekable();
    if named.peek().is_none() {
        return String::new();
    }
    format!("; not checked: {}", named.take(TOKENS_SHOWN).collect::<Vec<_>>().join("; "))
}

/// `issuer i, header authorization`
fn named(line: &TokenTrace) -> String {
    let issuer = match &*line.issuer {
        "" => "any issuer".to_string(),
        issuer => format!("issuer {}", shown(issuer.as_bytes())),
    };
    match &*line.location {
        "" => issuer,
        location => format!("{issuer}, {location}"),
    }
}

/// What each rule says to each token of a request that did not pass, the rule that refused it first. Other rules without
/// a token, and then rules of other issuers, are named only where there is nothing else to name.
fn refused(lines: Vec<TokenTrace>, found: &Authentication) -> String {
    let (mut lines, mut others): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| Some(line.rule) == found.rule && !line.passes);
    for tells in [|line: &TokenTrace| !line.location.is_empty(), |line: &TokenTrace| !line.other_issuer] {
        if lines.iter().chain(&others).any(tells) {
            others.retain(tells);
        }
    }
    lines.append(&mut others);
    let more = lines.len().saturating_sub(TOKENS_SHOWN);
    let mut last: Option<&String> = None;
    let told = lines.iter().take(TOKENS_SHOWN).map(|line| {
        let required = if line.required && line.location.is_empty() { " (presence: REQUIRED)" } else { "" };
        // What was just said need not be said again.
        let new = line.reason.as_ref().filter(|reason| last != Some(*reason));
        last = line.reason.as_ref().or(last);
        let reason = new.map_or(String::new(), |reason| format!(" ({reason})"));
        format!("{}: {}{reason}{required}", named(line), line.status)
    });
    let told = told.collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{told}; and {more} more") } else { told }
}
