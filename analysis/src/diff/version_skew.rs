//! Requests that two versions of Istio parse differently before any policy is asked: the comparison leaves them out, and
//! some of them are tried.

use super::{Change, Changes, Line, Ready, Source, Witness, deciding::decided};
use crate::invariant::{Requests, allowed};
use gnomon_engine::{jwt::Crypto, prepare::RequestSpec, request::Protocol, verdict::Outcome};
use gnomon_symbolic::{Kind, version_skew};
use serde_json::{Value, json};

/// No more requests than this are tried.
const TRIED: usize = 2_000;
/// No more texts of one condition than these.
const TEXTS: usize = 12;

/// Adds to the changes what the two sides read differently: in words, and with requests that show it where some are found.
pub(crate) fn add<'a>(
    changes: &mut Changes,
    (old, a): (impl Source<'a>, &Ready<'_>),
    (new, b): (impl Source<'a>, &Ready<'_>),
    now: i64,
    crypto: &dyn Crypto,
) {
    if a.plan.version() == b.plan.version() {
        return;
    }
    if !(a.has(Kind::Http) && b.has(Kind::Http)) || a.plan.is_ztunnel() {
        return;
    }
    let differ = version_skew(a.side(), b.side());
    const PATHS: &str = "paths with a segment such as `/..;x`";
    const HEADERS: &str = "headers of several lines";
    let mut tries: Vec<(&'static str, RequestSpec)> = Vec::new();
    // What either side allows is where a change of reading shows: a request for each rule that allows some.
    let bases = |rule: Value| {
        let found = |answer: Option<Changes>| {
            let lines = answer.into_iter().flat_map(|found| found.summary);
            lines.map(|line| line.example).take(TEXTS)
        };
        let requests = Requests::new(rule, Protocol::Http).ok();
        let requests = requests.as_ref();
        let of_old = requests.map(|requests| found(allowed(old, requests, now, crypto).ok()));
        let of_new = requests.map(|requests| found(allowed(new, requests, now, crypto).ok()));
        of_old.into_iter().flatten().chain(of_new.into_iter().flatten())
    };
    if let Some(paths) = &differ.paths {
        changes.except.push(PATHS);
        let members: Vec<String> = paths.iter().take(TEXTS).map(|path| absolute(path)).collect();
        for inner in members.iter().map(String::as_str).chain(["/x", "/"]) {
            for outer in members.iter().map(String::as_str).chain(["/x"]) {
                let up = "/..;".repeat(outer.split('/').skip(1).count());
                let raw = format!("{}{up}{inner}", outer.trim_end_matches('/'));
                for base in [outer, inner].into_iter().flat_map(|path| bases(to(json!({"paths": [path]})))) {
                    tries.push((PATHS, RequestSpec { path: raw.clone(), ..base }));
                }
            }
            if tries.len() > TRIED {
                break;
            }
        }
    }
    if !differ.headers.is_empty() {
        changes.except.push(HEADERS);
    }
    for (name, values) in &differ.headers {
        let values: Vec<&str> = values.iter().take(TEXTS).map(String::as_str).chain(["x"]).collect();
        for one in &values {
            let when = json!({"when": [{"key": format!("request.headers[{name}]"), "values": [one]}]});
            for base in bases(when).chain(bases(json!({}))) {
                for other in &values {
                    for pair in [[one, other], [other, one]] {
                        let mut headers = base.headers.clone();
                        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                        headers.extend(pair.map(|value| (name.clone(), (*value).to_owned())));
                        tries.push((HEADERS, RequestSpec { headers, ..base.clone() }));
                    }
                }
            }
        }
    }
    if differ.query {
        changes.except.push("the method QUERY without a content-type");
    }
    for (requests, request) in tries.into_iter().take(TRIED) {
        let reports = (a.report(&request, now, crypto), b.report(&request, now, crypto));
        let (Some(old), Some(new)) = reports else { continue };
        let (change, place) = match (old.verdict, new.verdict) {
            (Outcome::Deny, Outcome::Allow) => (Change::Allowed, &mut changes.newly_allowed),
            (Outcome::Allow, Outcome::Deny) => (Change::Denied, &mut changes.newly_denied),
            _ => continue,
        };
        let told = |line: &Line| line.change == change && line.requests == requests;
        if changes.summary.iter().any(told) {
            continue;
        }
        // One line for all of them: which others fare so is not known.
        changes.complete = false;
        changes.summary.push(Line {
            change,
            protocol: Protocol::Http,
            requests: requests.to_owned(),
            operation: requests.to_owned(),
            old: decided(&old, &a.plan),
            new: decided(&new, &b.plan),
            because: Vec::new(),
            example: request.clone(),
        });
        place.get_or_insert(Witness { request, old, new });
    }
}

/// The requests with such an operation.
fn to(operation: Value) -> Value {
    json!({"to": [{"operation": operation}]})
}

/// A path out of a text that a condition names: its beginning, its end, or the whole.
fn absolute(text: &str) -> String {
    if text.starts_with('/') { text.to_owned() } else { format!("/{text}") }
}
