//! Why a condition is not met, where its values and what the request has do not tell; and which of its values a request
//! could have at all, so that the nearest miss proposes nothing else.

use super::Seen;
use crate::{
    attribute::{Input, Kind},
    jwt::Json,
    pattern::{Pattern, PeerPattern},
    plan::{clause::Clause, matcher::Matcher},
    request::{self, Peer},
    resource::MtlsMode,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use ipnet::IpNet;

/// What a clause looks at, as far as its words depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject<'c> {
    Host,
    Method,
    Path,
    Sni,
    Header(&'c str),
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    RequestPrincipal,
    Claim,
    Port,
    Other,
}

impl<'c> Subject<'c> {
    pub(super) fn of(clause: &'c Clause) -> Self {
        let kind = clause.attribute().map(|attribute| attribute.row().kind);
        match kind.filter(|_| !matches!(clause.matcher(), Matcher::Never)) {
            Some(Kind::Host) => Subject::Host,
            Some(Kind::Header) => match clause.name().next().unwrap_or_default() {
                ":method" => Subject::Method,
                name => Subject::Header(name),
            },
            Some(Kind::Path) => Subject::Path,
            Some(Kind::Text) => Subject::Sni,
            Some(Kind::Port) => Subject::Port,
            Some(Kind::RequestPrincipal) => Subject::RequestPrincipal,
            Some(Kind::Claim) => Subject::Claim,
            Some(Kind::ServiceAccount) => Subject::ServiceAccount,
            Some(Kind::Namespace) => Subject::Namespace,
            Some(Kind::Principal) => Subject::Principal,
            Some(Kind::TrustDomain) => Subject::TrustDomain,
            Some(Kind::Cidr | Kind::Metadata) | None => Subject::Other,
        }
    }

    fn is_identity(self) -> bool {
        matches!(
            self,
            Subject::Principal | Subject::Namespace | Subject::ServiceAccount | Subject::TrustDomain
        )
    }
}

/// The values that would meet the clause, as written; an error says why no request can meet it.
pub(super) fn possible(clause: &Clause, seen: &Seen<'_>) -> Result<Vec<String>, String> {
    if clause.is_hopeless() {
        return Err(String::new());
    }
    let written = clause.expected();
    if clause.is_negated() {
        return match always_met(clause) {
            Some(why) => Err(why.into()),
            None => Ok(written),
        };
    }
    if let Some(why) = out_of_reach(clause, seen) {
        return Err(why);
    }
    let mut first = None;
    let possible = written.into_iter().enumerate().filter(|(index, value)| {
        let why = impossible(clause, *index, value, seen);
        let fine = why.is_none();
        first = first.take().or(why);
        fine
    });
    let possible: Vec<String> = possible.map(|(_, value)| value).collect();
    match first {
        Some(why) if possible.is_empty() => Err(why),
        _ => Ok(possible),
    }
}

/// Why the values do not match, or never do, where that does not show: why a field is not met, and why its `not` twin is.
pub(super) fn note(clause: &Clause, seen: &Seen<'_>, got: Option<&str>) -> Option<String> {
    let is_met = clause.ask(&seen.context).known() == Some(true);
    match (clause.is_negated(), is_met) {
        (false, true) => return None,
        (true, false) => return always_met(clause).map(ToString::to_string),
        (false, false) | (true, true) => {}
    }
    let never = out_of_reach(clause, seen).or_else(|| {
        let written = clause.expected();
        written.iter().enumerate().find_map(|(index, value)| impossible(clause, index, value, seen))
    });
    never.or_else(|| of_value(clause, seen, got))
}

/// Why the clause is not met, where some request could meet it.
pub(super) fn note_of_possible(clause: &Clause, seen: &Seen<'_>, got: Option<&str>) -> Option<String> {
    if clause.is_negated() { None } else { of_value(clause, seen, got) }
}

/// Why what the request has does not match.
fn of_value(clause: &Clause, seen: &Seen<'_>, got: Option<&str>) -> Option<String> {
    let value = of_token(clause, seen).or_else(|| of_metadata(clause, seen));
    value.or_else(|| of_header(clause, seen)).or_else(|| near(clause, seen, got?))
}

/// A `not` field whose values match every request.
fn always_met(clause: &Clause) -> Option<&'static str> {
    let any = |pattern: &Pattern| *pattern == Pattern::Any;
    match (Subject::of(clause), clause.matcher()) {
        (Subject::Path, _) if clause.expected().iter().any(|value| value == "*" || value == "/*") => {
            Some("every path begins with `/`, so no request can meet this")
        }
        (Subject::Method, Matcher::Header(patterns)) if patterns.iter().any(any) => {
            Some("every request has a method, so no request can meet this")
        }
        (Subject::Host, Matcher::Host(patterns)) if patterns.iter().any(any) => {
            Some("every request has a host, so no request can meet this")
        }
        _ => None,
    }
}

/// Why nothing that the request could state would meet the clause here, whatever its values.
fn out_of_reach(clause: &Clause, seen: &Seen<'_>) -> Option<String> {
    match Subject::of(clause) {
        Subject::RequestPrincipal | Subject::Claim if seen.plan.authenticator.is_empty() => {
            Some("no RequestAuthentication applies here, so no token is read".into())
        }
        Subject::RequestPrincipal | Subject::Claim if seen.is_preflight() => {
            Some("a CORS preflight: Envoy reads no token of it".into())
        }
        Subject::Header(name)
            if seen.is_preflight() && seen.plan.authenticator.written_from(name).is_some() =>
        {
            Some("RequestAuthentication writes it, and reads no token of a CORS preflight".into())
        }
        subject if subject.is_identity() => {
            let port = match seen.context.request.destination_port {
                request::Input::Is(port) => Some(port),
                request::Input::Absent | request::Input::Unknown => None,
            };
            let modes = seen.plan.mtls.as_ref()?.gate(port).possible();
            let disabled = modes.iter().all(|mode| mode.mode == MtlsMode::Disable);
            disabled.then(|| "the mTLS mode is DISABLE, so no peer has an identity".into())
        }
        _ => None,
    }
}

/// Why no request can have this value; `index` is its place among the clause's patterns.
fn impossible(clause: &Clause, index: usize, value: &str, seen: &Seen<'_>) -> Option<String> {
    // One wildcard counts, at the start or else at the end.
    let literal = value.strip_prefix('*').or_else(|| value.strip_suffix('*')).unwrap_or(value);
    let is_exact = literal.len() == value.len();
    let star = || {
        literal.contains('*').then(|| {
            format!("in `{value}` a `*` is literal: only one counts as a wildcard, and only at the start or the end")
        })
    };
    if reads_as_regex(clause) && value.contains(['(', ')', '|', '[', ']', '{', '}', '+', '?', '^', '$', '\\'])
    {
        return Some(format!("`{value}`: this release of Istio reads it as a regular expression"));
    }
    match Subject::of(clause) {
        Subject::Host if value.contains('/') => {
            Some(format!("`{value}`: a Host header has neither a scheme nor a path"))
        }
        Subject::Host => star(),
        Subject::Method if value.starts_with('/') => Some(format!(
            "`{value}` is a path: gRPC requests are POST, and it is `paths` that compares their method"
        )),
        Subject::Method if literal.bytes().any(|b| b.is_ascii_lowercase()) => {
            Some(format!("`{value}`: methods are compared with their case, and HTTP's are in capitals"))
        }
        Subject::Method if literal.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)) => {
            star().or_else(|| Some(format!("`{value}` is no HTTP method")))
        }
        Subject::Path if value.contains("{*}") || value.contains("{**}") => None,
        Subject::Path if value.contains(['?', '#']) => {
            Some(format!("`{value}`: paths are compared without query and fragment"))
        }
        Subject::Path if !value.starts_with(['/', '*']) => {
            Some(format!("`{value}`: every path begins with `/`"))
        }
        Subject::Path => star(),
        Subject::Sni if value.contains([':', '/']) => {
            Some(format!("`{value}`: an SNI has neither a port nor a path"))
        }
        Subject::Sni if value.bytes().any(|b| b.is_ascii_uppercase()) => {
            Some(format!("`{value}`: Envoy gives the SNI in lower case"))
        }
        Subject::Sni => star(),
        Subject::Header(_) if value.contains('/') && value.parse::<IpNet>().is_ok() => Some(format!(
            "`{value}` is compared as text, not as a range: `remoteIpBlocks` and `ipBlocks` compare addresses"
        )),
        Subject::Port if literal.trim_start_matches('0').is_empty() => {
            Some("no connection has the port 0".into())
        }
        Subject::Principal if literal.starts_with("spiffe://") => {
            Some(format!("`{value}`: principals are written without `spiffe://`"))
        }
        Subject::Principal if is_exact && !value.contains('/') => {
            Some(format!("`{value}`: a principal is TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT"))
        }
        Subject::Principal if !reads_as_regex(clause) => star(),
        Subject::Namespace if value.contains('/') => {
            Some(format!("`{value}`: a namespace has no `/`; `principals` compares whole identities"))
        }
        Subject::RequestPrincipal => request_principal(clause, index, value, seen).or_else(|| {
            let any_subject =
                literal.strip_suffix("/*").filter(|_| value.ends_with('*') && !value.starts_with('*'));
            any_subject.unwrap_or(literal).contains('*').then(star).flatten()
        }),
        Subject::Claim => issuer(clause, index, seen),
        _ => None,
    }
}

/// Istio before the fix wrote what follows a leading `*` into a regex without quoting it.
fn reads_as_regex(clause: &Clause) -> bool {
    let regex = |pattern: &PeerPattern| matches!(pattern, PeerPattern::Unquoted(_));
    matches!(clause.matcher(), Matcher::Peer(patterns) if patterns.iter().any(regex))
}

fn request_principal(clause: &Clause, index: usize, value: &str, seen: &Seen<'_>) -> Option<String> {
    if !value.contains(['/', '*']) {
        return Some(format!("`{value}`: a request principal is ISSUER/SUBJECT"));
    }
    let Matcher::RequestPrincipal(pairs) = clause.matcher() else { return None };
    not_configured(&pairs.get(index)?.0, seen)
}

fn issuer(clause: &Clause, index: usize, seen: &Seen<'_>) -> Option<String> {
    match (clause.matcher(), &clause.name[..]) {
        (Matcher::Text(patterns), [name]) if **name == *"iss" => not_configured(patterns.get(index)?, seen),
        _ => None,
    }
}

fn not_configured(issuer: &Pattern, seen: &Seen<'_>) -> Option<String> {
    let taken = |known: &str| known.is_empty() || issuer.matches_non_empty(known.as_bytes());
    let mut issuers = seen.plan.authenticator.issuers();
    (!issuers.any(taken)).then(|| {
        format!(
            "no RequestAuthentication that applies here takes tokens of the issuer `{}`",
            issuer.written()
        )
    })
}

/// What is special about the token's claim.
fn of_token(clause: &Clause, seen: &Seen<'_>) -> Option<String> {
    let payload = seen.context.payload?;
    match clause.input {
        Input::RequestPrincipal => {
            let lacks = |name: &&str| payload.member(name).and_then(Json::as_str).is_none();
            ["iss", "sub"].iter().find(|name| lacks(name)).map(|name| format!("the token has no `{name}`"))
        }
        Input::Claim => match seen.context.claim(&clause.name) {
            Some(Json::String(_)) => None,
            Some(Json::List(items)) => {
                let none = !items.iter().any(|item| matches!(item, Json::String(_)));
                none.then(|| "it is a list without strings: only strings and lists of strings match".into())
            }
            Some(Json::Object(_)) => {
                let inner: String = clause.name().map(|step| format!("[{step}]")).collect();
                Some(format!("it is an object: for a claim within it write {inner}[NAME]"))
            }
            Some(other) => {
                let kind = match other {
                    Json::Bool(_) => "a boolean",
                    Json::Number(_) => "a number",
                    _ => "null",
                };
                Some(format!("it is {kind}: only strings and lists of strings match"))
            }
            None => match &clause.name[..] {
                [name] => nested(payload, name),
                _ => None,
            },
        },
        _ => None,
    }
}

/// `[v]` matches elements of lists, `v` a text.
fn of_metadata(clause: &Clause, seen: &Seen<'_>) -> Option<String> {
    let Matcher::Metadata(patterns) = clause.matcher() else { return None };
    let lists = patterns.iter().any(|(list, _)| *list);
    let texts = patterns.iter().any(|(list, _)| !*list);
    match seen.context.metadata(&clause.name)? {
        Json::String(_) if texts => None,
        Json::String(_) => Some("it is a string: a value in brackets matches elements of a list".into()),
        Json::List(_) if lists => None,
        Json::List(_) => {
            Some("it is a list: write the value in brackets, `[…]`, to match one of its elements".into())
        }
        _ => Some("it is neither a string nor a list".into()),
    }
}

/// `a.b` in brackets is one name; the token has `b` within `a`.
fn nested(payload: &Json, name: &str) -> Option<String> {
    let Json::Object(members) = payload else { return None };
    members.iter().find_map(|(outer, inner)| {
        let rest = name.strip_prefix(outer.as_str())?.strip_prefix('.')?;
        inner
            .member(rest)
            .is_some()
            .then(|| format!("the dots are part of one name; the token has [{outer}][{rest}]"))
    })
}

/// What the JWT stage did to the header.
fn of_header(clause: &Clause, seen: &Seen<'_>) -> Option<String> {
    let Subject::Header(name) = Subject::of(clause) else { return None };
    if let Some(source) = seen.plan.authenticator.written_from(name) {
        return Some(format!(
            "RequestAuthentication writes it from {source}; what the client sends is removed"
        ));
    }
    let sent = seen.context.request.headers.iter().any(|(sent, _)| *sent == name.as_bytes());
    let gone = seen.context.header_lines(name.as_bytes()).next().is_none();
    (sent && gone)
        .then(|| "the verified token is taken out of it, unless `forwardOriginalToken` is set".into())
}

/// What was nearly right.
fn near(clause: &Clause, seen: &Seen<'_>, got: &str) -> Option<String> {
    let written = clause.expected();
    let alike =
        |text: &str| written.iter().any(|value| Pattern::parse(value).matches_ignoring_case(text.as_bytes()));
    match Subject::of(clause) {
        Subject::Host => {
            let (host, _) = got.rsplit_once(':')?;
            alike(host).then(|| "the port counts, too".into())
        }
        Subject::Header("cookie") => {
            let Matcher::Header(patterns) = clause.matcher() else { return None };
            let matches = |cookie: &[u8]| patterns.iter().any(|pattern| pattern.matches(cookie.trim_ascii()));
            let mut lines = seen.context.header_lines(b"cookie");
            let alone = lines.any(|line| line.split(|byte| *byte == b';').any(matches));
            alone.then(|| {
                "one cookie alone matches, but all cookies of a line are compared as one text".into()
            })
        }
        Subject::Header(_) | Subject::Path | Subject::Principal | Subject::Namespace | Subject::Claim => {
            alike(got).then(|| "they differ in upper and lower case".into())
        }
        _ => None,
    }
}

/// The part of a peer's name that a field is compared with; the whole name where it has no such part.
pub(super) fn part_of_identity(subject: Subject<'_>, name: &str) -> String {
    let steps: Vec<&str> = name.split('/').collect();
    let part = match (subject, &steps[..]) {
        (Subject::Namespace, [_, "ns", namespace, "sa", _]) => Some((*namespace).to_string()),
        (Subject::ServiceAccount, [_, "ns", namespace, "sa", account]) => {
            Some(format!("{namespace}/{account}"))
        }
        (Subject::TrustDomain, [domain, _, ..]) => Some((*domain).to_string()),
        _ => None,
    };
    part.unwrap_or_else(|| name.into())
}

/// The names of the peer's certificate, without `spiffe://`.
pub(super) fn peer_names<'r>(peer: Peer<'r>) -> impl Iterator<Item = &'r [u8]> {
    let names = match peer {
        Peer::Plaintext => &[][..],
        Peer::Tls { names, .. } => names,
    };
    names.iter().map(|name| name.strip_prefix(b"spiffe://").unwrap_or(name))
}
