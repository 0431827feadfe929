//! Matchers of texts, headers and values.

use super::fields::{Context, Fields, Place, Unread, integer, is_true, number};
use super::request_view::RequestView;
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use gnomon_engine::{
    jwt::Json,
    node::{Node, Value},
    plan::Tri,
    regex::Regex,
};

/// `StringMatcher`.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Contains(Vec<u8>),
    /// As written, and compiled.
    Regex(Arc<str>, Arc<Regex>),
    IgnoringCase(Box<Text>),
    /// A virtual host's domain: without regard to case, and where it says so to the port. Before and behind a wildcard is
    /// something.
    Domain {
        /// The whole, the beginning or the end, in lower case.
        inner: Box<Text>,
        ignores_port: bool,
    },
    Unread(Unread),
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        match (self, other) {
            (Text::Exact(a), Text::Exact(b))
            | (Text::Prefix(a), Text::Prefix(b))
            | (Text::Suffix(a), Text::Suffix(b))
            | (Text::Contains(a), Text::Contains(b)) => a == b,
            (Text::Regex(a, _), Text::Regex(b, _)) | (Text::Unread(a), Text::Unread(b)) => a == b,
            (Text::IgnoringCase(a), Text::IgnoringCase(b)) => a == b,
            (
                Text::Domain { inner: a, ignores_port: without },
                Text::Domain { inner: b, ignores_port: also },
            ) => a == b && without == also,
            _ => false,
        }
    }
}

impl Text {
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Text {
        let Some(mut fields) = Fields::of(node) else {
            return Text::Unread(context.unread(place, node.at, "this is no string matcher"));
        };
        let ignore_case = fields.flag("ignoreCase");
        let mut found = None;
        for (name, make) in [
            ("exact", Text::Exact as fn(Vec<u8>) -> Text),
            ("prefix", Text::Prefix),
            ("suffix", Text::Suffix),
            ("contains", Text::Contains),
        ] {
            if let Some(text) = fields.text(name) {
                found = Some(make(text.as_bytes().to_vec()));
            }
        }
        if let Some(regex) = fields.take("safeRegex") {
            let place = place.field("safeRegex");
            found = Some(match ignore_case {
                true => {
                    Text::Unread(context.unread(&place, regex.at, "Envoy refuses ignoreCase with a regex"))
                }
                false => Text::regex(regex, &place, context),
            });
        }
        if let Some((name, node)) = fields.rest().next() {
            return Text::Unread(context.unread(
                &place.field(name),
                node.at,
                "this matcher is not evaluated",
            ));
        }
        match found {
            Some(text) if ignore_case => Text::IgnoringCase(Box::new(text)),
            Some(text) => text,
            None => Text::Unread(context.unread(place, node.at, "no form of match is set")),
        }
    }

    /// `RegexMatcher`.
    pub(super) fn regex(node: &Node, place: &Place<'_>, context: &mut Context) -> Text {
        let pattern = super::fields::text(node, "regex").unwrap_or_default();
        match context.regex(pattern) {
            Ok(regex) if !pattern.is_empty() => Text::Regex(pattern.into(), regex),
            Ok(_) => Text::Unread(context.unread(place, node.at, "the expression is empty")),
            Err(why) => Text::Unread(context.unread(place, node.at, why)),
        }
    }

    pub(super) fn matches(&self, value: &[u8]) -> Tri {
        match self {
            Text::Exact(text) => (value == text).into(),
            Text::Prefix(text) => value.starts_with(text).into(),
            Text::Suffix(text) => value.ends_with(text).into(),
            Text::Contains(text) => contains(value, text).into(),
            Text::Regex(_, regex) => regex.matches(value).into(),
            Text::Unread(_) => Tri::Unknown,
            Text::Domain { inner, ignores_port } => {
                let host = if *ignores_port { without_port(value) } else { value }.to_ascii_lowercase();
                let wild = |text: &Vec<u8>| host.len() > text.len();
                match &**inner {
                    Text::Prefix(text) | Text::Suffix(text) if !wild(text) => Tri::False,
                    inner => inner.matches(&host),
                }
            }
            Text::IgnoringCase(inner) => {
                let lower = value.to_ascii_lowercase();
                match &**inner {
                    Text::Exact(text) => (lower == text.to_ascii_lowercase()).into(),
                    Text::Prefix(text) => lower.starts_with(&text.to_ascii_lowercase()).into(),
                    Text::Suffix(text) => lower.ends_with(&text.to_ascii_lowercase()).into(),
                    Text::Contains(text) => contains(&lower, &text.to_ascii_lowercase()).into(),
                    other => other.matches(value),
                }
            }
        }
    }

    pub(super) fn unread(&self) -> Option<&Unread> {
        match self {
            Text::Unread(name) => Some(name),
            Text::IgnoringCase(inner) => inner.unread(),
            _ => None,
        }
    }
}

/// A host without what stands behind its last colon, as Envoy cuts it: not within the brackets of an IPv6 address.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| b":]".contains(byte)) {
        Some(at) if host.get(at) == Some(&b':') => host.get(..at).unwrap_or(host),
        _ => host,
    }
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    part.is_empty() || value.windows(part.len()).any(|window| window == part)
}

/// `HeaderMatcher`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) test: HeaderTest,
    pub(super) invert: bool,
    pub(super) missing_is_empty: bool,
    /// An input of a matcher, which sees several lines as one value in every version.
    pub(super) joins_lines: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum HeaderTest {
    Present(bool),
    Text(Text),
    /// Half open.
    Range(i64, i64),
}

impl Header {
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Result<Header, Unread> {
        let Some(mut fields) = Fields::of(node) else {
            return Err(context.unread(place, node.at, "this is no header matcher"));
        };
        let name = gnomon_engine::headers::lookup_name(fields.text("name").unwrap_or_default());
        let invert = fields.flag("invertMatch");
        let missing_is_empty = fields.flag("treatMissingHeaderAsEmpty");
        let mut test = HeaderTest::Present(true);
        // The forms before `stringMatch`.
        for (name, make) in [
            ("exactMatch", Text::Exact as fn(Vec<u8>) -> Text),
            ("prefixMatch", Text::Prefix),
            ("suffixMatch", Text::Suffix),
            ("containsMatch", Text::Contains),
        ] {
            // Empty, these are as good as not set.
            if let Some(text) = fields.text(name).filter(|text| !text.is_empty()) {
                test = HeaderTest::Text(make(text.as_bytes().to_vec()));
            }
        }
        if let Some(present) = fields.take("presentMatch") {
            test = HeaderTest::Present(is_true(present));
        }
        if let Some(regex) = fields.take("safeRegexMatch") {
            test = HeaderTest::Text(Text::regex(regex, &place.field("safeRegexMatch"), context));
        }
        if let Some(text) = fields.take("stringMatch") {
            test = HeaderTest::Text(Text::read(text, &place.field("stringMatch"), context));
        }
        if let Some(range) = fields.take("rangeMatch") {
            let bound = |name| super::fields::get(range, name).map_or(Some(0), integer);
            match (bound("start"), bound("end")) {
                (Some(start), Some(end)) => test = HeaderTest::Range(start, end),
                _ => return Err(context.unread(&place.field("rangeMatch"), range.at, "this is no range")),
            }
        }
        if let Some((name, node)) = fields.rest().next() {
            return Err(context.unread(&place.field(name), node.at, "this matcher is not evaluated"));
        }
        Ok(Header { name, test, invert, missing_is_empty, joins_lines: false })
    }

    /// True if any line matches. Without a line every test of the value is false, the inverted ones too.
    pub(super) fn matches(&self, view: &RequestView<'_>) -> Tri {
        let view = RequestView { joins_lines: view.joins_lines || self.joins_lines, ..*view };
        let found = view.header(self.name.as_bytes(), |value| self.line(value));
        let answer = match (&self.test, found) {
            (HeaderTest::Present(wanted), found) => (found.is_some() == *wanted).into(),
            (_, Some(found)) => found,
            (_, None) if self.missing_is_empty => self.line(b""),
            (_, None) => return Tri::False,
        };
        if self.invert { !answer } else { answer }
    }

    fn line(&self, value: &[u8]) -> Tri {
        match &self.test {
            HeaderTest::Present(_) => Tri::True,
            HeaderTest::Text(text) => text.matches(value),
            HeaderTest::Range(start, end) => {
                let number = core::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
                number.is_some_and(|number| (*start..*end).contains(&number)).into()
            }
        }
    }

    pub(super) fn unread(&self) -> Option<&Unread> {
        match &self.test {
            HeaderTest::Text(text) => text.unread(),
            _ => None,
        }
    }
}

/// `ValueMatcher`, on dynamic metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ValueTest {
    Null,
    Bool(bool),
    Exact(f64),
    Range(f64, f64),
    Text(Text),
    Present(bool),
    /// One element of a list.
    OneOf(Box<ValueTest>),
    Any(Vec<ValueTest>),
    Unread(Unread),
}

impl ValueTest {
    /// `depth`: how deep it may yet nest.
    pub(super) fn read(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> ValueTest {
        let unread =
            |context: &mut Context, why: &str| ValueTest::Unread(context.unread(place, node.at, why));
        let Some(depth) = depth.checked_sub(1) else { return unread(context, "matchers nest too deeply") };
        let Some((key, inner)) = node.as_map().and_then(|entries| match entries {
            [(key, inner)] => Some((key.name.as_str(), inner)),
            _ => None,
        }) else {
            return unread(context, "this is no value matcher");
        };
        let is = |name| super::fields::same_field(key, name);
        let place = &place.field(key);
        if is("nullMatch") {
            return ValueTest::Null;
        }
        if is("stringMatch") {
            return ValueTest::Text(Text::read(inner, place, context));
        }
        if is("presentMatch") {
            return ValueTest::Present(is_true(inner));
        }
        if is("orMatch") {
            let place = place.field("valueMatchers");
            let matchers = super::fields::list(inner, "valueMatchers").iter().enumerate();
            let read = |(index, node)| ValueTest::read(node, &place.index(index), depth, context);
            return ValueTest::Any(matchers.map(read).collect());
        }
        match &inner.value {
            Value::Bool(value) if is("boolMatch") => return ValueTest::Bool(*value),
            Value::Map(_) if is("listMatch") => {
                if let Some(one) = super::fields::get(inner, "oneOf") {
                    return ValueTest::OneOf(Box::new(ValueTest::read(
                        one,
                        &place.field("oneOf"),
                        depth,
                        context,
                    )));
                }
            }
            Value::Map(_) if is("doubleMatch") => {
                if let Some(exact) = super::fields::get(inner, "exact").and_then(number) {
                    return ValueTest::Exact(exact);
                }
                if let Some(range) = super::fields::get(inner, "range") {
                    let bound = |name| super::fields::get(range, name).and_then(number).unwrap_or(0.0);
                    return ValueTest::Range(bound("start"), bound("end"));
                }
            }
            _ => {}
        }
        ValueTest::Unread(context.unread(place, inner.at, "this matcher is not evaluated"))
    }

    /// What is not there matches nothing, not even null.
    pub(super) fn matches(&self, value: Option<&Json>) -> Tri {
        let Some(value) = value else {
            // An unread matcher would not match either.
            return Tri::False;
        };
        match (self, value) {
            (ValueTest::Unread(_), _) => Tri::Unknown,
            (ValueTest::Any(tests), value) => Tri::any(tests.iter().map(|test| test.matches(Some(value)))),
            (ValueTest::Null, Json::Null) => Tri::True,
            (ValueTest::Bool(wanted), Json::Bool(value)) => (wanted == value).into(),
            (ValueTest::Exact(wanted), Json::Number(value)) => (wanted == value).into(),
            (ValueTest::Range(start, end), Json::Number(value)) => (*start <= *value && value < end).into(),
            (ValueTest::Text(text), Json::String(value)) => text.matches(value.as_bytes()),
            (ValueTest::Present(wanted), _) => (*wanted).into(),
            (ValueTest::OneOf(test), Json::List(items)) => {
                Tri::any(items.iter().map(|item| test.matches(Some(item))))
            }
            _ => Tri::False,
        }
    }

    pub(super) fn unread(&self) -> Option<&Unread> {
        match self {
            ValueTest::Unread(name) => Some(name),
            ValueTest::Text(text) => text.unread(),
            ValueTest::OneOf(test) => test.unread(),
            ValueTest::Any(tests) => tests.iter().find_map(ValueTest::unread),
            _ => None,
        }
    }
}
