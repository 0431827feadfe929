//! A part of a difference as a person would write it.

use gnomon_engine::order::sort_by;
use gnomon_engine::{
    jwt::Place,
    plan::{Clause, Rule},
};
use gnomon_symbolic::{
    Comparison, Cube, Kind, Phrase,
    axis::{Axis, Choice, Member},
    condition::Subject,
};

/// The requests of a box: `GET, POST /reports/* from default/sa/batch, without a token`.
pub(super) fn cube(comparison: &Comparison<'_>, cube: &Cube) -> String {
    said(comparison, cube, true)
}

/// The same without who sends them: no identity, no token.
pub(super) fn operation(comparison: &Comparison<'_>, cube: &Cube) -> String {
    said(comparison, cube, false)
}

fn said(comparison: &Comparison<'_>, cube: &Cube, with_sender: bool) -> String {
    let mut parts: Vec<(u8, String)> = cube
        .0
        .iter()
        .filter_map(|(at, choice)| {
            let axis = comparison.space.axes.get(*at)?;
            clause(comparison, *at, axis, choice)
        })
        .collect();
    if !with_sender {
        parts.retain(|(order, _)| !SENDER.contains(order));
    }
    if !may_be_preflight(comparison, cube) {
        parts.retain(|(order, _)| *order != PREFLIGHT);
    }
    sort_by(&mut parts, |(a, _), (b, _)| a.cmp(b));
    let named = |order: u8| parts.iter().any(|(of, _)| *of == order);
    let head = match comparison.kind {
        Kind::Tcp => "TCP connections".to_owned(),
        Kind::Connect => "CONNECT".to_owned(),
        Kind::Http if named(0) || named(1) => String::new(),
        Kind::Http => "HTTP requests".to_owned(),
    };
    let mut text = head;
    let mut commas = false;
    for (order, part) in parts {
        if !text.is_empty() {
            text.push_str(if order > 1 && commas { ", " } else { " " });
        }
        commas = order > 1;
        if order == 1 && text.is_empty() {
            text.push_str("any method on ");
        }
        text.push_str(&part);
    }
    text
}

/// Where it is said who sends it: the peer, and the token's issuer.
const SENDER: [u8; 2] = [3, 8];
/// Where it is said of a request whether it is a preflight.
const PREFLIGHT: u8 = 13;

/// False: the methods tell already that it is none.
fn may_be_preflight(comparison: &Comparison<'_>, cube: &Cube) -> bool {
    cube.0.iter().all(|(at, choice)| {
        match (comparison.space.axes.get(*at), choice) {
        (Some(axis), Choice::Any(classes)) if axis.subject == Subject::Method => classes.iter().any(|class| {
            matches!(axis.members.get(*class as usize), Some(Member::Text(text)) if text == "OPTIONS")
        }),
        _ => true,
    }
    })
}

/// Its place in the sentence, and the words.
fn clause(comparison: &Comparison<'_>, at: usize, axis: &Axis, choice: &Choice) -> Option<(u8, String)> {
    let classes = match choice {
        Choice::Any(classes) => classes,
        Choice::Set { with, without } => return set(comparison, at, axis, with, without),
    };
    let phrase = comparison.phrase(at, classes);
    let text = |noun: &str| matching(&phrase, noun);
    Some(match &axis.subject {
        Subject::Method if comparison.kind == Kind::Connect => return None,
        Subject::Method => (0, bare(&phrase, "any method")),
        Subject::Path => (1, bare(&phrase, "any path")),
        Subject::Host => (2, text("host")),
        Subject::Peer if !phrase.present => (3, "over plaintext".into()),
        Subject::Peer => {
            let from = match (phrase.any_of.is_empty(), phrase.like.is_empty(), phrase.but_not.is_empty()) {
                (true, true, true) => "from any peer with a certificate".to_owned(),
                (true, true, false) => format!("from peers other than {}", list(&phrase.but_not)),
                _ => format!("from {}", bare(&phrase, "")),
            };
            (3, if phrase.or_absent { format!("{from} or over plaintext") } else { from })
        }
        Subject::SourceIp => (4, text("peer IP")),
        Subject::RemoteIp => (4, text("client IP")),
        Subject::DestinationIp => (5, text("local IP")),
        Subject::Port => (5, text("port")),
        // An empty one is how it is told that the client sent none.
        Subject::Sni if phrase.any_of == [""] => (6, "without a server name".into()),
        Subject::Sni => (6, text("server name")),
        Subject::Preflight => {
            let is = classes.iter().any(|class| axis.members.get(*class as usize) == Some(&Member::State(1)));
            (PREFLIGHT, if is { "as a CORS preflight" } else { "but no CORS preflight" }.into())
        }
        Subject::Issuer => {
            let garbage =
                |class: &&u32| matches!(axis.members.get(**class as usize), Some(Member::Garbage(_)));
            let all = axis.members.iter().filter(|member| matches!(member, Member::Garbage(_))).count();
            let malformed = match classes.iter().filter(garbage).count() {
                0 => None,
                some if some == all => Some("with a malformed token".to_owned()),
                _ => {
                    let places =
                        classes.iter().filter_map(|class| match axis.members.get(*class as usize)? {
                            Member::Garbage(place) => Some(self::place(place)),
                            _ => None,
                        });
                    Some(format!("with a malformed token in {}", places.collect::<Vec<_>>().join(" or ")))
                }
            };
            let token = match bare(&phrase, "") {
                any if any.is_empty() => "with a token of any issuer".to_owned(),
                _ if phrase.any_of.is_empty() && phrase.like.is_empty() => {
                    format!("with a token of another issuer than {}", list(&phrase.but_not))
                }
                issuer => format!("with a token of issuer {issuer}"),
            };
            let mut ways: Vec<String> = Vec::new();
            ways.extend(phrase.present.then_some(token));
            ways.extend(malformed);
            ways.extend(phrase.or_absent.then(|| "without a token".to_owned()));
            (8, ways.join(" or "))
        }
        Subject::Claim(path) => (10, carrying(&phrase, &format!("claim {}", path.join(".")))),
        Subject::Header(name) => (7, carrying(&phrase, &format!("header {name}"))),
        Subject::MetadataText(filter, key) | Subject::MetadataList(filter, key) => {
            (11, carrying(&phrase, &format!("metadata {filter}[{key}]")))
        }
        Subject::Provider(name) => {
            let words = classes.iter().map(|class| match class {
                0 => "lets it pass",
                1 => "refuses",
                _ => "does not answer",
            });
            (12, format!("where provider {name} {}", words.collect::<Vec<_>>().join(" or ")))
        }
    })
}

fn place(place: &Place) -> String {
    match place {
        Place::Header { name, .. } => format!("header {name}"),
        Place::Param(name) => format!("parameter {name}"),
        Place::Cookie(name) => format!("cookie {name}"),
    }
}

fn set(
    comparison: &Comparison<'_>,
    at: usize,
    axis: &Axis,
    with: &[u32],
    without: &[u32],
) -> Option<(u8, String)> {
    let (order, noun) = match &axis.subject {
        Subject::Header(name) => (7, format!("header {name}")),
        Subject::Claim(path) => (10, format!("claim {}", path.join("."))),
        Subject::MetadataList(filter, key) => (11, format!("metadata {filter}[{key}]")),
        _ => return None,
    };
    let mut words: Vec<String> = Vec::new();
    for class in with {
        let phrase = comparison.phrase(at, &[*class]);
        words.push(match is_any(&phrase.any_of) && phrase.but_not.is_empty() {
            true => format!("with a {noun}"),
            false => format!("with a {noun} {}", bare(&phrase, "of any value")),
        });
    }
    if !without.is_empty() {
        let phrase = comparison.phrase(at, without);
        words.push(match phrase.any_of.is_empty() && phrase.like.is_empty() && phrase.but_not.is_empty() {
            true => format!("without a {noun} of these values"),
            false if is_any(&phrase.any_of) && phrase.but_not.is_empty() => format!("without {noun}"),
            false => format!("without {noun} {}", bare(&phrase, "of any value")),
        });
    }
    Some((order, words.join(" and ")))
}

/// The pattern that everything matches but the empty text.
fn is_any(patterns: &[String]) -> bool {
    matches!(patterns, [one] if one == "*")
}

/// What a request brings along, or does not: `with header x a`, `without claim sub`.
fn carrying(phrase: &Phrase, noun: &str) -> String {
    let Phrase { any_of, but_not, like, .. } = phrase;
    if !phrase.present {
        return format!("without {noun}");
    }
    let with = match (any_of.is_empty() || is_any(any_of), like.is_empty(), but_not.is_empty()) {
        (true, true, true) => format!("with a {noun}"),
        (true, true, false) if is_any(but_not) => format!("with an empty {noun}"),
        (true, true, false) => format!("with a {noun} other than {}", list(but_not)),
        _ => format!("with {noun} {}", bare(phrase, "")),
    };
    if phrase.or_absent { format!("{with} or none") } else { with }
}

/// `host a.com or b.com`, `no header x`, `port other than 80`.
fn matching(phrase: &Phrase, noun: &str) -> String {
    if !phrase.present {
        return format!("no {noun}");
    }
    let words = match (phrase.any_of.is_empty(), phrase.like.is_empty(), phrase.but_not.is_empty()) {
        (true, true, true) => format!("any {noun}"),
        (true, true, false) => format!("{noun} other than {}", list(&phrase.but_not)),
        _ => format!("{noun} {}", bare(phrase, "")),
    };
    if phrase.or_absent { format!("{words} or none") } else { words }
}

fn bare(phrase: &Phrase, any: &str) -> String {
    if !phrase.like.is_empty() {
        return format!("like {}", list(&phrase.like));
    }
    match (phrase.any_of.is_empty(), phrase.but_not.is_empty()) {
        (true, true) => any.to_owned(),
        (true, false) => format!("{any} but {}", list(&phrase.but_not)),
        (false, true) => list(&phrase.any_of),
        (false, false) => format!("{} but not {}", list(&phrase.any_of), list(&phrase.but_not)),
    }
}

fn list(items: &[String]) -> String {
    match items {
        [] => "none".into(),
        [one] => quoted(one),
        [init @ .., last] => {
            let init: Vec<String> = init.iter().map(|item| quoted(item)).collect();
            format!("{} or {}", init.join(", "), quoted(last))
        }
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains(' ') && !text.starts_with("namespace ") {
        format!("`{text}`")
    } else {
        text.to_owned()
    }
}

/// What changed from one rule to another of the same name: `no longer has notPaths`, `now has methods GET`.
pub(crate) fn rule_change(old: &Rule, new: &Rule) -> Vec<String> {
    let parts = |rule: &Rule| -> Vec<(String, Vec<String>)> {
        let groups = [&rule.from, &rule.to].into_iter().flat_map(|groups| groups.iter()).flatten();
        groups
            .chain(&rule.when)
            // What binds a rule to some filter chains is written nowhere.
            .filter(|clause| clause.at().line > 0 || rule.origin.at.line == 0)
            .map(|clause: &Clause| (clause.field(), clause.expected()))
            .collect()
    };
    let (before, after) = (parts(old), parts(new));
    // What an ALLOW policy without rules is.
    let has_none = |parts: &[(String, Vec<String>)]| matches!(parts, [(field, values)] if field == "rules" && values.is_empty());
    match (has_none(&before), has_none(&after)) {
        (false, true) => return vec!["is gone: the policy has no rules, so it allows nothing".into()],
        (true, false) => return vec!["is new: the policy had no rules, so it allowed nothing".into()],
        _ => {}
    }
    let mut changes = Vec::new();
    for (field, values) in &before {
        let now: Vec<&Vec<String>> =
            after.iter().filter(|(other, _)| other == field).map(|(_, values)| values).collect();
        if now.is_empty() {
            changes.push(format!("no longer has `{}` ({})", short(field), values.join(", ")));
        } else if !now.contains(&values)
            && let Some(now) = now.first()
        {
            let gone: Vec<String> = values.iter().filter(|value| !now.contains(value)).cloned().collect();
            let come: Vec<String> = now.iter().filter(|value| !values.contains(value)).cloned().collect();
            if !gone.is_empty() {
                changes.push(format!("no longer has {} in `{}`", gone.join(", "), short(field)));
            }
            if !come.is_empty() {
                changes.push(format!("now has {} in `{}`", come.join(", "), short(field)));
            }
        }
    }
    for (field, values) in &after {
        if !before.iter().any(|(other, _)| other == field) {
            changes.push(format!("now has `{}` ({})", short(field), values.join(", ")));
        }
    }
    if changes.is_empty() && old.from.len() + old.to.len() != new.from.len() + new.to.len() {
        changes.push("has other alternatives".into());
    }
    changes
}

fn short(field: &str) -> &str {
    match field.rsplit_once('.') {
        Some((_, name)) if !field.starts_with("when[") => name,
        _ => field,
    }
}
