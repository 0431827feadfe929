//! One condition on one attribute: how Envoy's matchers of texts, headers and peers are written as a rule's own.

use super::{
    conditions::Untold,
    sequences::{counts_characters, literal, made, of_expression},
    text::Text,
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use gnomon_engine::{
    Attribute, Position,
    pattern::{Glob, Pattern, PeerPattern},
    plan::{Clause, Matcher},
    sequences::{ByteSet, Sequences, Step},
};

const SPIFFE: &str = "spiffe://";

/// A condition on one attribute.
#[derive(Clone)]
pub(super) struct Atom {
    pub(super) attribute: Attribute,
    pub(super) key: Option<String>,
    pub(super) name: Vec<Box<str>>,
    pub(super) matcher: Matcher,
    pub(super) expected: Vec<String>,
}

impl Atom {
    pub(super) fn clause(self, negated: bool, at: Position) -> Clause {
        let Atom { attribute, key, name, matcher, expected } = self;
        Clause::of((attribute, key.as_deref()), name, (matcher, negated), expected, at)
    }

    pub(super) fn of_peer(pattern: PeerPattern, written: String) -> Atom {
        let (attribute, expected) = match &pattern {
            PeerPattern::ServiceAccount { namespace, name } => {
                (Attribute::ServiceAccount, format!("{namespace}/{name}"))
            }
            PeerPattern::TrustDomain { .. } => (Attribute::TrustDomain, written),
            PeerPattern::Glob(glob) => {
                let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                let parts: Vec<String> = glob.parts().map(text).collect();
                let joined = parts.join("*");
                match joined.strip_prefix("*/ns/").and_then(|rest| rest.strip_suffix("/*")) {
                    Some(namespace) => (Attribute::Namespace, namespace.into()),
                    None => {
                        let bare = joined.strip_prefix(SPIFFE).unwrap_or(&joined);
                        (Attribute::Principal, bare.to_string())
                    }
                }
            }
            PeerPattern::Name(pattern) => {
                let written = pattern.written();
                (Attribute::Principal, written.strip_prefix(SPIFFE).unwrap_or(&written).to_string())
            }
            _ => (Attribute::Principal, written),
        };
        Atom {
            attribute,
            key: None,
            name: Vec::new(),
            matcher: Matcher::Peer([pattern].into()),
            expected: vec![expected],
        }
    }

    /// Adds the values of another on the same attribute; false: it is about something else.
    pub(super) fn take(&mut self, other: Atom) -> bool {
        let peers = |attribute| {
            matches!(
                attribute,
                Attribute::Principal
                    | Attribute::Namespace
                    | Attribute::ServiceAccount
                    | Attribute::TrustDomain
            )
        };
        let same = self.attribute == other.attribute && self.key == other.key && self.name == other.name;
        if !(same || peers(self.attribute) && peers(other.attribute)) {
            return false;
        }
        fn add<T: Clone>(into: &mut Box<[T]>, more: &[T]) -> bool {
            *into = [&into[..], more].concat().into();
            true
        }
        let done = match (&mut self.matcher, &other.matcher) {
            (Matcher::Peer(into), Matcher::Peer(more)) => add(into, more),
            (Matcher::Ip(into), Matcher::Ip(more)) => add(into, more),
            (Matcher::Port(into), Matcher::Port(more)) => add(into, more),
            (Matcher::Text(into), Matcher::Text(more))
            | (Matcher::Header(into), Matcher::Header(more))
            | (Matcher::Host(into), Matcher::Host(more)) => add(into, more),
            (Matcher::Path(into), Matcher::Path(more)) => add(into, more),
            (Matcher::RequestPrincipal(into), Matcher::RequestPrincipal(more)) => add(into, more),
            (Matcher::Metadata(into), Matcher::Metadata(more)) => add(into, more),
            (Matcher::Sequences(into), Matcher::Sequences(more)) => add(into, more),
            _ => false,
        };
        if done {
            self.expected.extend(other.expected);
        }
        done
    }
}

/// A header is there.
pub(super) fn present(name: &str) -> Atom {
    header(name, [Pattern::Any].into(), false, "*".into())
}

fn header(name: &str, patterns: Box<[Pattern]>, ignoring_case: bool, expected: String) -> Atom {
    let name = if name == "host" { ":authority" } else { name };
    let (attribute, key) = match (name, ignoring_case) {
        (":method", _) => (Attribute::Method, None),
        (":authority", true) => (Attribute::Host, None),
        _ => (Attribute::Header, Some(format!("request.headers[{name}]"))),
    };
    let matcher = if ignoring_case { Matcher::Host(patterns) } else { Matcher::Header(patterns) };
    Atom { attribute, key, name: vec![name.into()], matcher, expected: vec![expected] }
}

/// A value of a header.
pub(super) fn of_header(name: &str, text: &Text) -> Result<Atom, Untold> {
    let what = format!("the header {name}");
    let host = matches!(name, ":authority" | "host");
    let (plain, ignoring) = match text {
        Text::IgnoringCase(inner) if host => (&**inner, true),
        text => (text, false),
    };
    let mut found = pattern(plain)?;
    if let (Text::Regex(source, _), Some(known)) = (plain, &found) {
        // A regular expression of something wants more than that the header is there.
        found = match &**source {
            ".*" => Some(Pattern::Any),
            _ if *known == Pattern::Any => None,
            _ => found,
        };
    }
    match found {
        Some(pattern) => Ok(header(name, [pattern].into(), ignoring, written(plain))),
        None => {
            let found = sequences(text, &what)?;
            if !name.starts_with(':') && name != "host" && counts_characters(&found) {
                return Err(format!("{what}, of which {} counts characters", found.written));
            }
            let shown = found.written.to_string();
            let atom = header(name, Box::default(), false, shown);
            Ok(Atom { matcher: Matcher::Sequences([found].into()), ..atom })
        }
    }
}

/// The hosts that a virtual host's domain takes.
fn domain(inner: &Text, ignores_port: bool) -> Result<Sequences, Untold> {
    let shown = written(inner);
    let something = || vec![Step::One(ByteSet::ALL), Step::Many(ByteSet::ALL)];
    let (begin, end) = match inner {
        Text::Exact(text) => (literal(text, true), None),
        Text::Prefix(text) => (literal(text, true), Some(Vec::new())),
        Text::Suffix(text) => (Vec::new(), Some(literal(text, true))),
        _ => return Err("a domain of an unknown form".into()),
    };
    let plain = |wild: Vec<Step>| [begin.clone(), wild, end.clone().unwrap_or_default()].concat();
    if !ignores_port {
        return Ok(made(shown, vec![plain(if end.is_some() { something() } else { Vec::new() })]));
    }
    if shown.contains([':', ']']) {
        return Err(format!("a virtual host of the domain `{shown}`, of which the port does not count"));
    }
    let no_colon = ByteSet::of(b":").complement();
    let port = vec![Step::One(ByteSet::of(b":")), Step::Many(ByteSet::of(b":]").complement())];
    // Where there is a bracket behind the last colon, nothing is cut.
    let bracket = || {
        vec![
            Step::Many(ByteSet::ALL),
            Step::One(ByteSet::of(b":")),
            Step::Many(no_colon),
            Step::One(ByteSet::of(b"]")),
            Step::Many(no_colon),
        ]
    };
    let any = match &end {
        None => vec![plain(Vec::new()), [plain(Vec::new()), port].concat()],
        Some(_) => vec![
            plain(vec![Step::One(no_colon), Step::Many(no_colon)]),
            plain(bracket()),
            [plain(something()), port].concat(),
        ],
    };
    Ok(made(shown, any))
}

/// A text of an attribute that sees no more than ASCII.
pub(super) fn of_text(
    attribute: (Attribute, Option<&str>),
    text: &Text,
    what: &str,
    plain: impl FnOnce(Pattern) -> Matcher,
) -> Result<Atom, Untold> {
    let (attribute, key) = attribute;
    let (matcher, shown) = match pattern(text)? {
        Some(pattern) => (plain(pattern), written(text)),
        None => {
            let found = sequences(text, what)?;
            let shown = found.written.to_string();
            (Matcher::Sequences([found].into()), shown)
        }
    };
    let key = key.map(ToString::to_string);
    Ok(Atom { attribute, key, name: Vec::new(), matcher, expected: vec![shown] })
}

/// A form that no policy of Istio's has, byte by byte.
fn sequences(text: &Text, what: &str) -> Result<Sequences, Untold> {
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let (inner, ignoring) = match text {
        Text::IgnoringCase(inner) => (&**inner, true),
        text => (text, false),
    };
    let anything = || vec![Step::Many(ByteSet::ALL)];
    let spelled = |text: &[u8]| literal(text, ignoring);
    let (shown, steps) = match inner {
        Text::Exact(text) => (lossy(text), spelled(text)),
        Text::Prefix(text) => (lossy(text) + "*", [spelled(text), anything()].concat()),
        Text::Suffix(text) => (format!("*{}", lossy(text)), [anything(), spelled(text)].concat()),
        Text::Contains(text) => {
            (format!("*{}*", lossy(text)), [anything(), spelled(text), anything()].concat())
        }
        Text::Regex(source, _) => {
            let found = of_expression(source);
            return found.ok_or_else(|| format!("{what} by the regular expression `{source}`"));
        }
        Text::Domain { inner, ignores_port } => return domain(inner, *ignores_port),
        Text::IgnoringCase(_) => return Err(format!("{what} without regard to case")),
        Text::Unread(name) => return Err(name.to_string()),
    };
    Ok(made(if ignoring { format!("{shown} (in any case)") } else { shown }, vec![steps]))
}

fn has_letters(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_alphabetic)
}

/// How a text is compared, where `.+` is what is not empty; `None`: in a way that no policy of Istio's has.
pub(super) fn pattern(text: &Text) -> Result<Option<Pattern>, Untold> {
    Ok(Some(match text {
        Text::Exact(text) => Pattern::Exact(text.as_slice().into()),
        Text::Prefix(text) => Pattern::Prefix(text.as_slice().into()),
        Text::Suffix(text) => Pattern::Suffix(text.as_slice().into()),
        Text::Regex(source, _) => return Ok(expression(source)),
        Text::Contains(_) | Text::Domain { .. } => return Ok(None),
        Text::IgnoringCase(inner) => match &**inner {
            Text::Exact(bytes) | Text::Prefix(bytes) | Text::Suffix(bytes) if !has_letters(bytes) => {
                return pattern(inner);
            }
            _ => return Ok(None),
        },
        Text::Unread(name) => return Err(name.to_string()),
    }))
}

/// As [`pattern`], where there is no other way to compare.
pub(super) fn only_pattern(text: &Text, what: &str) -> Result<Pattern, Untold> {
    match (pattern(text)?, text) {
        (Some(pattern), _) => Ok(pattern),
        (None, Text::Regex(source, _)) => Err(format!("{what} by the regular expression `{source}`")),
        (None, Text::Contains(text)) => {
            Err(format!("{what}, which contains `{}`", String::from_utf8_lossy(text)))
        }
        (None, _) => Err(format!("{what} without regard to case")),
    }
}

/// An expression that says no more than one of Istio's own forms.
fn expression(source: &str) -> Option<Pattern> {
    if source == ".+" {
        return Some(Pattern::Any);
    }
    match PeerPattern::of_expression(source)? {
        PeerPattern::Name(pattern) => Some(pattern),
        PeerPattern::Glob(glob) => match glob.parts().collect::<Vec<_>>()[..] {
            [prefix, b""] => Some(Pattern::Prefix(prefix.into())),
            [b"", suffix] => Some(Pattern::Suffix(suffix.into())),
            _ => None,
        },
        _ => None,
    }
}

/// In Istio's notation, as far as it has one.
pub(super) fn written(text: &Text) -> String {
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match text {
        Text::Exact(text) | Text::Contains(text) => lossy(text),
        Text::Prefix(text) => lossy(text) + "*",
        Text::Suffix(text) => format!("*{}", lossy(text)),
        Text::Regex(source, _) if &**source == ".+" => "*".into(),
        Text::Regex(source, _) => source.to_string(),
        Text::IgnoringCase(inner) | Text::Domain { inner, .. } => written(inner),
        Text::Unread(name) => name.to_string(),
    }
}

/// A name in the peer's certificate.
pub(super) fn peer(text: &Text) -> Result<Atom, Untold> {
    let what = "a peer";
    let pattern = match text {
        Text::Exact(_) | Text::Prefix(_) => pattern(text)?.map(PeerPattern::Name),
        Text::Suffix(suffix) => {
            Some(PeerPattern::Glob(Glob::new([b""[..].into(), suffix.as_slice().into()])))
        }
        Text::Contains(part) => {
            Some(PeerPattern::Glob(Glob::new([b""[..].into(), part.as_slice().into(), b""[..].into()])))
        }
        Text::Regex(source, _) => PeerPattern::of_expression(source),
        Text::IgnoringCase(_) | Text::Domain { .. } => None,
        Text::Unread(name) => return Err(name.to_string()),
    };
    let told = |text: &[u8], whole: bool| thinkable(&String::from_utf8_lossy(text), whole);
    // Ids of Istio's form, and those with another path without a segment `ns`, are what policies tell apart.
    let usual = match &pattern {
        None => false,
        Some(PeerPattern::Name(Pattern::Exact(name))) => told(name, true)?,
        Some(PeerPattern::Name(Pattern::Prefix(name))) => told(name, false)?,
        Some(PeerPattern::Glob(glob)) => {
            let first = glob.parts().next().unwrap_or_default();
            (first.is_empty() || told(first, false)?)
                && glob.parts().all(|part| in_istios_form(&String::from_utf8_lossy(part)))
        }
        Some(_) => true,
    };
    if let Some(pattern) = pattern.filter(|_| usual) {
        return Ok(Atom::of_peer(pattern, written(text)));
    }
    let found = sequences(text, what)?;
    if !found.may_begin(SPIFFE.as_bytes()) {
        return Err(format!("a peer that is no SPIFFE id (`{}`)", found.written));
    }
    let shown = found.written.strip_prefix(SPIFFE).unwrap_or(&found.written).to_string();
    Ok(Atom {
        attribute: Attribute::Principal,
        key: None,
        name: Vec::new(),
        matcher: Matcher::Sequences([found].into()),
        expected: vec![shown],
    })
}

/// What stands behind a segment `ns` is a namespace and an account.
fn in_istios_form(part: &str) -> bool {
    part.match_indices("/ns/").all(|(at, _)| {
        let behind = part.get(at..).unwrap_or_default().split('/').skip(2).collect::<Vec<_>>();
        match &behind[..] {
            [_, sa] => "sa".starts_with(sa),
            [_, sa, _] => *sa == "sa",
            [_, _, ..] => false,
            _ => true,
        }
    })
}

/// Is a caller of such a name of Istio's form, or has another path without a segment `ns`?
///
/// # Errors
///
/// There is no caller of such a name among those that are asked about.
fn thinkable(name: &str, whole: bool) -> Result<bool, Untold> {
    let Some(id) = name.strip_prefix(SPIFFE) else {
        return match SPIFFE.starts_with(name) && !whole {
            true => Ok(true),
            false => Err(format!("a peer that is no SPIFFE id (`{name}`)")),
        };
    };
    let segments: Vec<&str> = id.split('/').collect();
    let (last, inner) = match segments.split_last() {
        Some((last, inner)) => (*last, inner),
        None => ("", &[][..]),
    };
    let complete = if whole { &segments[..] } else { inner };
    let usual = |segment: &&str| {
        !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let begun = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let domain = segments.first().is_none_or(|domain| !domain.bytes().any(|byte| byte.is_ascii_uppercase()));
    if !complete.iter().all(usual) || !begun || !domain {
        return Err(format!("a peer whose SPIFFE id has signs that no such id has (`{name}`)"));
    }
    let istios = complete.get(1) == Some(&"ns");
    Ok(match (istios, whole) {
        (true, true) => segments.len() == 5 && segments.get(3) == Some(&"sa"),
        (true, false) => {
            segments.len() <= 5
                && match segments.get(3) {
                    Some(sa) if segments.len() == 4 => "sa".starts_with(sa),
                    Some(sa) => *sa == "sa",
                    None => true,
                }
        }
        (false, _) => {
            (!whole || segments.len() > 1) && !complete.iter().skip(1).any(|segment| *segment == "ns")
        }
    })
}
