//! Query strings as Envoy parses and rewrites them.

use crate::order;
use alloc::{borrow::Cow, vec::Vec};

/// The parameters of a path, percent-decoded, in order. One without `=` has an empty value; between two
/// `&` stands one without a name.
fn parameters(path: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let query = path.iter().position(|c| *c == b'?').and_then(|at| path.get(at + 1..)).unwrap_or_default();
    let empty = query.is_empty();
    // Nothing stands after a final `&`.
    let query = query.strip_suffix(b"&").unwrap_or(query);
    query.split(|c| *c == b'&').filter(move |_| !empty).map(|parameter| {
        let at = parameter.iter().position(|c| *c == b'=');
        let (name, value) = match at {
            Some(at) => (parameter.get(..at), parameter.get(at + 1..)),
            None => (Some(parameter), None),
        };
        (decode(name.unwrap_or_default()), decode(value.unwrap_or_default()))
    })
}

/// The value of the first parameter of that name.
pub(super) fn parameter<'p>(path: &'p [u8], name: &str) -> Option<Cow<'p, [u8]>> {
    parameters(path).find(|(other, _)| **other == *name.as_bytes()).map(|(_, value)| value)
}

/// The path without that parameter. Envoy writes the others **decoded** and sorted by name: `?b=%2Fx&a` becomes
/// `?a=&b=/x`, so a value with an encoded `&`, `#` or space changes its meaning.
pub(super) fn without(path: &[u8], name: &str) -> Vec<u8> {
    let mut sorted: Vec<_> = parameters(path).filter(|(other, _)| **other != *name.as_bytes()).collect();
    order::sort_by(&mut sorted, |(a, _), (b, _)| a.cmp(b));
    let mut out: Vec<u8> = path.iter().copied().take_while(|c| *c != b'?').collect();
    let mut separator = b'?';
    for (name, value) in &sorted {
        out.push(separator);
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
        separator = b'&';
    }
    out
}

/// Malformed percent escapes are kept.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escape = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
