//! From the values of conditions to patterns on whole texts.

use crate::{
    condition::{Form, Subject, Value},
    text::{Bytes, Pattern},
};
use alloc::{format, string::String, vec, vec::Vec};
use gnomon_engine::{
    jwt::AppliedRule,
    sequences::{Sequences, Step},
};

/// What the other values of an axis make necessary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Around {
    /// Hosts are told apart by case as well.
    pub(crate) capitals: bool,
    /// Paths are told apart by their query as well.
    pub(crate) queries: bool,
}

/// The patterns of which a value is true where any is.
pub(crate) fn patterns(subject: &Subject, value: &Value<'_>, around: Around) -> Vec<Pattern> {
    match (subject, value) {
        (Subject::Path, Value::Text(form, text)) => path(*form, text, around.queries).into_iter().collect(),
        (Subject::Host, Value::Text(form, text)) => {
            let text = literal(text, around.capitals);
            vec![placed(*form, text, Pattern::any())]
        }
        (_, Value::Text(Form::Filled, _)) => vec![Pattern::non_empty()],
        // Presence: an empty line counts.
        (Subject::Header(_) | Subject::Method, Value::Text(form, text))
        | (_, Value::Verbatim(form, text)) => {
            vec![placed(*form, Pattern::exact(text), Pattern::any())]
        }
        (Subject::Peer, Value::Text(form, text)) => peer(*form, text),
        (_, Value::Text(Form::Audience, text)) => audience(text),
        (_, Value::Text(form, text)) => {
            vec![placed(*form, Pattern::exact(text), Pattern::non_empty())]
        }
        (Subject::Path, Value::Sequences(false, of)) => {
            let inside = Bytes::of(b"?#");
            let end = |pattern: Pattern| if around.queries { pattern.then_query() } else { pattern };
            sequences(of, inside).map(end).collect()
        }
        (_, Value::Sequences(_, of)) => sequences(of, Bytes::NONE).collect(),
        (_, Value::Net(_) | Value::Port(_)) => Vec::new(),
    }
}

/// The sequences as patterns, without these bytes.
fn sequences(of: &Sequences, without: Bytes) -> impl Iterator<Item = Pattern> {
    of.any.iter().map(move |steps| {
        steps.iter().fold(Pattern::default(), |pattern, step| match step {
            Step::One(set) => match set.only() {
                Some(byte) if !without.contains(byte) => pattern.then(&[byte]),
                _ => pattern.then_one(set.minus(without)),
            },
            Step::Many(set) => pattern.then_many(set.minus(without)),
        })
    })
}

fn placed(form: Form, text: Pattern, any: Pattern) -> Pattern {
    match form {
        Form::Any => any,
        Form::Prefix => text.then_many(Bytes::ALL),
        Form::Suffix => Pattern::any().then_pattern(text),
        _ => text,
    }
}

/// A text, of either case where case is told apart elsewhere.
fn literal(text: &[u8], either_case: bool) -> Pattern {
    text.iter().fold(Pattern::default(), |pattern, byte| match either_case && byte.is_ascii_alphabetic() {
        true => pattern.then_one(Bytes::of(&[byte.to_ascii_lowercase(), byte.to_ascii_uppercase()])),
        false => pattern.then(&[*byte]),
    })
}

/// `None`: nothing has it, since what is compared ends in front of these.
fn path(form: Form, text: &[u8], queries: bool) -> Option<Pattern> {
    if text.contains(&b'?') || text.contains(&b'#') {
        return None;
    }
    let inside = Bytes::of(b"?").complement();
    let pattern = match form {
        Form::Any => Pattern::default().then_one(inside).then_many(inside),
        Form::Prefix => Pattern::exact(text).then_many(inside),
        Form::Suffix => Pattern::default().then_many(inside).then(text),
        Form::Template => template(text),
        _ => Pattern::exact(text),
    };
    Some(if queries { pattern.then_query() } else { pattern })
}

/// What the operators of a template take, but for the slash.
fn in_segment() -> Bytes {
    let marks = Bytes::of(b"-._~%!$&'()+,;:@=*");
    let letters = Bytes::of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    letters.union(marks)
}

fn template(text: &[u8]) -> Pattern {
    let segment = in_segment();
    let mut pattern = Pattern::default();
    for part in text.split(|byte| *byte == b'/').skip(1) {
        pattern = pattern.then(b"/");
        pattern = match part {
            b"{*}" => pattern.then_one(segment).then_many(segment),
            b"{**}" => pattern.then_many(segment.union(Bytes::of(b"/"))),
            _ => pattern.then(part),
        };
    }
    pattern
}

fn peer(form: Form, text: &[u8]) -> Vec<Pattern> {
    let inside = Bytes::of(b"/").complement();
    let scheme = || Pattern::exact(b"spiffe://");
    let parts: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    let two = || (parts.first().copied().unwrap_or_default(), parts.get(1).copied().unwrap_or_default());
    let in_namespace = |namespace: fn(Pattern, &[u8], Bytes) -> Pattern| {
        let pattern = scheme().then_many(inside).then(b"/ns/");
        vec![namespace(pattern, text, inside).then(b"/sa/").then_many(inside)]
    };
    match form {
        Form::Glob => {
            let mut pattern = Pattern::default();
            for (number, part) in parts.iter().enumerate() {
                pattern = if number == 0 { pattern } else { pattern.then_many(Bytes::ALL) };
                pattern = pattern.then(part);
            }
            vec![pattern]
        }
        Form::TrustDomain => {
            let (prefix, suffix) = two();
            let pattern = scheme().then(prefix).then_many(inside).then(suffix);
            vec![pattern.then(b"/").then_many(Bytes::ALL)]
        }
        Form::ServiceAccount => {
            let (namespace, name) = two();
            let head = || {
                let any = scheme().then_one(Bytes::ALL).then_many(Bytes::ALL);
                any.then(b"/ns/").then(namespace).then(b"/")
            };
            let deeper = head().then_one(Bytes::ALL).then_many(Bytes::ALL).then(b"/");
            [head(), deeper]
                .into_iter()
                .map(|pattern| pattern.then(b"sa/").then(name))
                .flat_map(|end| [end.clone(), end.then(b"/").then_one(Bytes::ALL).then_many(Bytes::ALL)])
                .collect()
        }
        Form::Account => {
            let (namespace, name) = two();
            let pattern = scheme().then_many(inside).then(b"/ns/").then(namespace);
            vec![pattern.then(b"/sa/").then(name)]
        }
        Form::Expression => expressions(&String::from_utf8_lossy(text)).unwrap_or_default(),
        Form::Own => {
            let pattern = scheme().then(text).then(b"/ns/").then_many(inside);
            vec![pattern.then(b"/sa/").then_many(inside)]
        }
        Form::Namespace => in_namespace(|pattern, text, _| pattern.then(text)),
        Form::NamespacePrefix => in_namespace(|pattern, text, inside| pattern.then(text).then_many(inside)),
        Form::NamespaceSuffix => in_namespace(|pattern, text, inside| pattern.then_many(inside).then(text)),
        Form::NamespaceAny => in_namespace(|pattern, _, inside| pattern.then_one(inside).then_many(inside)),
        _ => vec![placed(form, Pattern::exact(text), Pattern::non_empty())],
    }
}

/// Patterns for a regular expression in which istiod put a name as it stood: `.` is any byte, `.*` and `.+` many, and the
/// groups are those of service accounts. `None`: it has anything else that means something.
pub(crate) fn expressions(expression: &str) -> Option<Vec<Pattern>> {
    // Each group is there in two ways.
    for (group, ways) in [("(.+/|)", [".+/", ""]), ("(/.+)?", ["/.+", ""])] {
        if let Some((before, after)) = expression.split_once(group) {
            let mut all = Vec::new();
            for way in ways {
                all.extend(expressions(&[before, way, after].concat())?);
            }
            return Some(all);
        }
    }
    let line = Bytes::of(b"\n").complement();
    let mut pattern = Pattern::default();
    let mut rest = expression.chars().peekable();
    while let Some(character) = rest.next() {
        pattern = match character {
            '.' if rest.next_if_eq(&'*').is_some() => pattern.then_many(line),
            '.' if rest.next_if_eq(&'+').is_some() => pattern.then_one(line).then_many(line),
            '.' => pattern.then_one(line),
            _ if r"\+*?()|[]{}^$".contains(character) => return None,
            _ => pattern.then(character.encode_utf8(&mut [0; 4]).as_bytes()),
        };
        if rest.peek().is_some_and(|next| "+*?{".contains(*next)) {
            return None;
        }
    }
    Some(vec![pattern])
}

/// All that is this audience once its scheme and its last slash are cut.
fn audience(bare: &[u8]) -> Vec<Pattern> {
    let bare = String::from_utf8_lossy(bare).into_owned();
    let schemes = ["", "http://", "https://"];
    let written = schemes.iter().flat_map(|scheme| ["", "/"].map(|end| format!("{scheme}{bare}{end}")));
    written
        .filter(|text| AppliedRule::bare_audience(text) == bare)
        .map(|text| Pattern::exact(text.as_bytes()))
        .collect()
}
