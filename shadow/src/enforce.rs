//! `mode: enforce`: the candidate's verdict carried out, as Envoy's own filters answer.

use crate::host::{Change, Host, Reply};
use alloc::{format, vec::Vec};
use core::str;
use gnomon_engine::{
    jwt::Edit,
    request::Header,
    verdict::{Missing, Outcome, Report, Stage},
};

/// The longest path in a challenge.
const LONGEST_REALM: usize = 256;
const JWT: &str = "jwt_authn_access_denied{";

/// What a verdict means for an HTTP request; `None` lets it on. A verdict that is not known refuses: nobody has said
/// that the request may pass.
pub fn reply(report: &Report, headers: &[Header<'_>]) -> Option<Reply> {
    let refusal = |status, details: &str, body: &str| Reply {
        status,
        details: details.into(),
        body: body.into(),
        challenge: None,
    };
    let details = report.details.as_deref().unwrap_or_default();
    match report.verdict {
        Outcome::Allow => None,
        Outcome::Unknown if report.missing.iter().any(|missing| matches!(missing, Missing::KeySet(_))) => {
            // What jwt_authn says when its fetch has failed.
            let message = "Jwks remote fetch is failed";
            let details = format!("{JWT}{}}}", message.replace(' ', "_"));
            Some(Reply { challenge: Some(challenge(true, headers)), ..refusal(401, &details, message) })
        }
        Outcome::Unknown => Some(refusal(403, "gnomon_verdict_unknown", "RBAC: access denied")),
        Outcome::Deny if report.stage == Stage::Jwt => {
            let message =
                details.strip_prefix(JWT).and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
            let message = message.replace('_', " ");
            let challenge = Some(challenge(!report.without_token, headers));
            Some(Reply { challenge, ..refusal(report.status.unwrap_or(401), details, &message) })
        }
        Outcome::Deny | Outcome::Redirect => {
            Some(refusal(report.status.unwrap_or(403), details, "RBAC: access denied"))
        }
    }
}

/// `Bearer realm="http://host/path", error="invalid_token"`; the error only where there is a token.
fn challenge(invalid: bool, headers: &[Header<'_>]) -> Vec<u8> {
    let value = |name: &[u8]| {
        let line = headers.iter().find(|(other, _)| *other == name);
        line.map(|(_, value)| *value).filter(|value| !value.is_empty())
    };
    let path = value(b"x-envoy-original-path").or_else(|| value(b":path")).unwrap_or_default();
    let scheme = value(b"x-forwarded-proto").or_else(|| value(b":scheme")).unwrap_or_default();
    let mut text = b"Bearer realm=\"".to_vec();
    text.extend_from_slice(scheme);
    text.extend_from_slice(b"://");
    text.extend_from_slice(value(b":authority").unwrap_or_default());
    text.extend_from_slice(path.get(..LONGEST_REALM).unwrap_or(path));
    text.push(b'"');
    if invalid {
        text.extend_from_slice(b", error=\"invalid_token\"");
    }
    text
}

/// Does to the request what `jwt_authn` does: takes tokens out, writes claims to headers.
pub fn apply(host: &dyn Host, edits: &[Edit]) -> u32 {
    let mut failures = 0;
    for edit in edits {
        let done = match edit {
            Edit::Remove(name) => host.change_request(name.as_bytes(), Change::Remove),
            Edit::Set(name, value) => host.change_request(name.as_bytes(), Change::Set(value)),
            Edit::Add(name, value) => host.change_request(name.as_bytes(), Change::Add(value)),
            Edit::Path(path) => host.change_request(b":path", Change::Set(path)),
        };
        failures += u32::from(done.is_err());
    }
    failures
}
