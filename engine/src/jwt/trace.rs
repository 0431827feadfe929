//! How an [`Authenticator`] comes to its answer, and what front ends need to know of its rules.

use super::{
    Authenticator, Crypto, Json,
    guess::Guesses,
    is_cors_preflight, jwks, reason,
    status::Status,
    verify::{Keys, Rule},
    view::View,
};
use crate::{
    Request, Severity, base64, decode::short, headers::lookup_name, node::Position, resource::JwtRule,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Where to put a token so that a rule finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header: its value is the prefix and then the token.
    Header {
        /// The name, in lower case.
        name: String,
        /// The text before the token.
        prefix: String,
    },
    /// A query parameter.
    Param(String),
    /// A cookie.
    Cookie(String),
}

impl Place {
    /// The first location as written, headers before parameters before cookies.
    pub(super) fn of(rule: &JwtRule) -> Self {
        if let Some(header) = rule.from_headers.first() {
            return Place::Header { name: lookup_name(&header.name), prefix: header.prefix.clone() };
        }
        let param = rule.from_params.first().cloned().map(Place::Param);
        let cookie = rule.from_cookies.first().cloned().map(Place::Cookie);
        param.or(cookie).unwrap_or_default()
    }
}

/// `authorization: Bearer …`
impl Default for Place {
    fn default() -> Self {
        Place::Header { name: "authorization".into(), prefix: "Bearer ".into() }
    }
}

/// What is wrong with the key set of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The rule, by its index in the list given to [`Authenticator::compile`].
    pub rule: usize,
    /// Where the key set is written.
    pub at: Position,
    /// An error where Envoy refuses the whole listener, so that the proxy keeps its old configuration or gets none; a
    /// warning where a key is skipped.
    pub severity: Severity,
    /// What it is, one sentence without a full stop.
    pub message: String,
}

/// The result of one rule for one token of a request, or for the lack of one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenTrace {
    /// The rule, by its index in the list given to [`Authenticator::compile`].
    pub rule: usize,
    /// The rule's issuer; empty: any.
    pub issuer: String,
    /// Where the token is: `header authorization`; empty where there is none.
    pub location: String,
    /// `passes`, or Envoy's message. Never a part of the token.
    pub status: &'static str,
    /// What the token says and the rule wants, where that tells more: `the token's iss is "a"`.
    pub reason: Option<String>,
    /// The token passes.
    pub passes: bool,
    /// The token is of another issuer, so this rule does not verify it.
    pub other_issuer: bool,
    /// The rule's `presence` is REQUIRED: no other rule's token will do.
    pub required: bool,
}

impl Authenticator {
    /// Where to put a token of `issuer`: where the first rule of exactly this issuer looks for it, else the
    /// first rule without an issuer, else in `authorization: Bearer …`.
    pub fn place(&self, issuer: &str) -> Place {
        let rule_of = |issuer: &str| self.rules.iter().position(|rule| rule.issuer == issuer);
        let position = rule_of(issuer).or_else(|| rule_of(""));
        position.and_then(|position| self.places.get(position)).cloned().unwrap_or_default()
    }

    /// Each rule in order, by itself, on the request as received: the tokens that it finds, and its result for each.
    /// [`Authenticator::authenticate`] gives the answer as a whole, where earlier rules have removed their tokens from
    /// the request.
    pub fn trace(&self, request: &Request<'_>, crypto: &dyn Crypto) -> Vec<TokenTrace> {
        let mut view = View::new(request);
        self.written.iter().for_each(|name| view.remove(name));
        let preflight = is_cors_preflight(&view);
        let mut lines = Vec::new();
        for rule in &self.rules {
            let line = |location: String, result: Result<(), Judged>| TokenTrace {
                rule: rule.index,
                issuer: rule.issuer.clone(),
                location,
                passes: result.is_ok(),
                other_issuer: matches!(result, Err((status, _)) if status == Status::UnknownIssuer.message()),
                required: rule.required,
                status: result.as_ref().err().map_or("passes", |(status, _)| status),
                reason: result.err().and_then(|(_, reason)| reason),
            };
            let found = rule.locations.find(&view);
            if found.is_empty() {
                lines.push(line(String::new(), Err(("no token", None))));
            }
            for token in &found {
                let result = match preflight {
                    true => Err(("not read: a CORS preflight", None)),
                    false => judge(rule, &token.text, &view, crypto),
                };
                lines.push(line(token.origin.describe(), result));
            }
        }
        lines
    }

    /// A CORS preflight, which passes whatever the rules say: none of its tokens is read.
    pub(crate) fn is_preflight(&self, request: &Request<'_>) -> bool {
        let mut view = View::new(request);
        self.written.iter().for_each(|name| view.remove(name));
        !self.rules.is_empty() && is_cors_preflight(&view)
    }

    /// The issuers of the rules; empty: any.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.issuer.as_str())
    }

    /// What a rule writes into this header, where one does.
    pub(crate) fn written_from(&self, header: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| rule.outputs.written_from(header))
    }

    /// For a request in which no rule finds a token: why not, where it has a header `authorization`, or a token where none
    /// is looked for.
    pub(crate) fn overlooked(&self, request: &Request<'_>) -> Option<String> {
        if View::new(request).first("authorization").is_none() {
            return elsewhere(request).map(|place| {
                let mut places: Vec<String> =
                    self.rules.iter().flat_map(|rule| rule.locations.describe()).collect();
                places.dedup();
                format!("{place} has one and is not read, only {}", places.join(", "))
            });
        }
        let prefixes = |rule: &Rule| rule.locations.prefixes("authorization");
        let mut prefixes: Vec<String> = self.rules.iter().flat_map(prefixes).collect();
        prefixes.dedup();
        if !prefixes.is_empty() {
            return Some(format!("header authorization lacks `{}`", prefixes.join("` or `")));
        }
        let mut places: Vec<String> = self.rules.iter().flat_map(|rule| rule.locations.describe()).collect();
        places.dedup();
        Some(format!("header authorization is not read, only {}", places.join(", ")))
    }

    /// Everything that is wrong with inline key sets.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for rule in &self.rules {
            let Keys::Inline { keys, faults } = &rule.keys else {
                continue;
            };
            let told = told(keys.is_empty(), faults).into_iter();
            problems.extend(told.map(|(severity, message)| Problem {
                rule: rule.index,
                at: rule.at,
                severity,
                message,
            }));
        }
        problems
    }
}

/// What [`Authenticator::problems`] reports of a key set, without a compiled rule.
pub(crate) fn key_set_problems(jwks: &str) -> Vec<(Severity, String)> {
    let set = jwks::parse(jwks);
    told(set.keys.is_empty(), &set.faults)
}

fn told(unusable: bool, faults: &[String]) -> Vec<(Severity, String)> {
    if unusable {
        let why = if faults.is_empty() { "it is empty".to_string() } else { faults.join("; ") };
        let message =
            format!("the key set has no usable key, so Envoy refuses the whole configuration: {why}");
        return alloc::vec![(Severity::Error, message)];
    }
    let skipped = |fault: &String| (Severity::Warning, format!("Envoy skips a key: {fault}"));
    faults.iter().map(skipped).collect()
}

/// A header or a parameter with something that looks like a token.
fn elsewhere(request: &Request<'_>) -> Option<String> {
    let looks = |value: &[u8]| {
        let value = value.strip_prefix(b"Bearer ").unwrap_or(value);
        value.starts_with(b"eyJ") && value.iter().filter(|byte| **byte == b'.').count() == 2
    };
    let name = |name: &[u8]| short(&String::from_utf8_lossy(name));
    let header = request.headers.iter().find(|(name, value)| !name.starts_with(b":") && looks(value));
    if let Some((header, _)) = header {
        return Some(format!("header {}", name(header)));
    }
    let (_, path) = request.headers.iter().find(|(name, _)| *name == b":path")?;
    let query = path.split(|byte| *byte == b'?').nth(1)?;
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (key, value) = (parts.next()?, parts.next()?);
        looks(value).then(|| format!("parameter {}", name(key)))
    })
}

/// What is wrong with a token, in Envoy's words, and more of it.
type Judged = (&'static str, Option<String>);

fn judge(rule: &Rule, token: &[u8], view: &View<'_>, crypto: &dyn Crypto) -> Result<(), Judged> {
    let mut guesses = Guesses::default();
    let result = rule.verify(token, view.now(), crypto, &mut guesses);
    if guesses.missing().is_some() {
        return Err(("depends on a key set that is not known", None));
    }
    let more = |status| reason::reason(rule, token, status, view.now());
    result.map(|_| ()).map_err(|status| (status.message(), more(status)))
}

/// A token with these claims that parses but is not signed: its signature is a placeholder. For front ends that
/// are given claims and have a [`Crypto`] that vouches for it.
pub fn unsigned_token(claims: &Json) -> String {
    let section = |text: &str| base64::encode(text.as_bytes());
    format!(
        "{}.{}.{}",
        section(r#"{"alg":"RS256","typ":"JWT"}"#),
        section(&claims.write()),
        section("unsigned")
    )
}
