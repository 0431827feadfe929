//! Where a rule looks for tokens, and what it finds there.

use super::{Place, query, view::View};
use crate::{headers::lookup_name, order, resource::JwtRule};
use alloc::{borrow::ToOwned, format, string::String, vec, vec::Vec};

/// The token locations of a rule, in Envoy's order.
#[derive(Clone, Debug, Default)]
pub(super) struct Locations {
    headers: Vec<HeaderPlace>,
    params: Vec<String>,
    cookies: Vec<String>,
}

/// A header and the prefix of the token in it.
#[derive(Clone, Debug)]
struct HeaderPlace {
    name: String,
    prefix: String,
}

/// One token that was found.
pub(super) struct Found {
    pub(super) text: Vec<u8>,
    pub(super) origin: Origin,
}

/// Where it was.
#[derive(Debug)]
pub(super) enum Origin {
    Header(String),
    Param(String),
    Cookie(String),
}

impl Origin {
    /// Removes the token from the request: the **whole** header with all its lines, or the parameter. A cookie is kept.
    pub(super) fn remove(&self, view: &mut View<'_>) {
        match self {
            Origin::Header(name) => view.remove(name),
            Origin::Param(name) => {
                if let Some(path) = view.path().map(|path| query::without(path, name)) {
                    view.set_path(path);
                }
            }
            Origin::Cookie(_) => {}
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Origin::Header(name) => format!("header {name}"),
            Origin::Param(name) => format!("query parameter {name}"),
            Origin::Cookie(name) => format!("cookie {name}"),
        }
    }
}

impl Locations {
    /// Explicit locations replace both defaults: `authorization: Bearer …` and the parameter `access_token`.
    pub(super) fn of(rule: &JwtRule) -> Self {
        if rule.from_headers.is_empty() && rule.from_params.is_empty() && rule.from_cookies.is_empty() {
            let bearer = HeaderPlace { name: "authorization".into(), prefix: "Bearer ".into() };
            return Locations { headers: vec![bearer], params: vec!["access_token".into()], cookies: vec![] };
        }
        let mut headers: Vec<HeaderPlace> = rule
            .from_headers
            .iter()
            .map(|location| HeaderPlace {
                name: lookup_name(&location.name),
                prefix: location.prefix.clone(),
            })
            .collect();
        // Envoy keys them by name and prefix written together: `a` + `bc` is the same place as `ab` + `c`, and the
        // first one counts. The sort is stable, so the first one stays.
        let key = |place: &HeaderPlace| format!("{}{}", place.name, place.prefix);
        order::sort_by(&mut headers, |a, b| key(a).cmp(&key(b)));
        headers.dedup_by(|later, first| key(later) == key(first));
        let sorted = |names: &[String]| {
            let mut names = names.to_owned();
            order::sort(&mut names);
            names.dedup();
            names
        };
        Locations { headers, params: sorted(&rule.from_params), cookies: sorted(&rule.from_cookies) }
    }

    /// The names of all headers that are read for tokens, pseudo headers included.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        let path = (!self.params.is_empty()).then_some(":path");
        let cookie = (!self.cookies.is_empty()).then_some("cookie");
        self.headers.iter().map(|place| &*place.name).chain(path).chain(cookie)
    }

    /// The prefixes with which this header is read for tokens.
    pub(super) fn prefixes(&self, header: &str) -> Vec<String> {
        let places = self.headers.iter().filter(|place| place.name == header);
        places.map(|place| place.prefix.clone()).collect()
    }

    /// All places.
    pub(super) fn places(&self) -> Vec<Place> {
        let header =
            |place: &HeaderPlace| Place::Header { name: place.name.clone(), prefix: place.prefix.clone() };
        let params = self.params.iter().cloned().map(Place::Param);
        let cookies = self.cookies.iter().cloned().map(Place::Cookie);
        self.headers.iter().map(header).chain(params).chain(cookies).collect()
    }

    /// All places, for people.
    pub(super) fn describe(&self) -> Vec<String> {
        let headers = self.headers.iter().map(|place| Origin::Header(place.name.clone()));
        let params = self.params.iter().cloned().map(Origin::Param);
        let cookies = self.cookies.iter().cloned().map(Origin::Cookie);
        headers.chain(params).chain(cookies).map(|origin| origin.describe()).collect()
    }

    /// Every token, in order: headers by name and prefix, parameters by name, cookies by name. Allocates nothing
    /// where there is none.
    pub(super) fn find(&self, view: &View<'_>) -> Vec<Found> {
        let mut found = Vec::new();
        for place in &self.headers {
            for line in view.lines(&place.name) {
                if let Some(token) = after_prefix(line, place.prefix.as_bytes()) {
                    found.push(Found { text: token.to_vec(), origin: Origin::Header(place.name.clone()) });
                }
            }
        }
        if let Some(path) = view.path() {
            for name in &self.params {
                if let Some(value) = query::parameter(path, name) {
                    found.push(Found { text: value.into_owned(), origin: Origin::Param(name.clone()) });
                }
            }
        }
        for name in &self.cookies {
            if let Some(value) = view.lines("cookie").find_map(|line| cookie(line, name.as_bytes())) {
                found.push(Found { text: value.to_vec(), origin: Origin::Cookie(name.clone()) });
            }
        }
        found
    }
}

/// The token in a header's value; `None`: there is none.
///
/// The prefix is searched for anywhere in the value, case-sensitively. The token begins at the next base64url character
/// or dot and extends to the end of the value; without such a character it is the whole value, so that `Bearer !!` is a
/// malformed token rather than a missing one. Without a prefix the value is the token, even if empty.
fn after_prefix<'l>(line: &'l [u8], prefix: &[u8]) -> Option<&'l [u8]> {
    if prefix.is_empty() {
        return Some(line);
    }
    let at = line.windows(prefix.len()).position(|window| window == prefix)? + prefix.len();
    let rest = line.get(at..)?;
    let skipped = rest.iter().position(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'));
    Some(skipped.and_then(|skipped| rest.get(skipped..)).unwrap_or(line))
}

/// The value of the first cookie of that name in one `cookie` line, without the quotes around it.
fn cookie<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    line.split(|c| *c == b';').find_map(|pair| {
        let spaces = pair.iter().take_while(|c| **c == b' ').count();
        let pair = pair.get(spaces..)?;
        let (found, value) = pair.split_at_checked(pair.iter().position(|c| *c == b'=')?)?;
        let value = value.strip_prefix(b"=").filter(|_| found == name)?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
}
