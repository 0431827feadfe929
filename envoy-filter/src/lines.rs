//! What the filter writes: log lines, filter state, the debugging header.
//!
//! All of it ends in places where other people read. No token, no header value and no query string gets there, and
//! nothing in it is longer than it must be.

use crate::compare::{Comparison, Enforced, Refuser};
use gnomon_engine::verdict::{DryRun, Outcome, Report, Stage};
use serde::Serialize;
use std::borrow::Cow;

/// The longest text taken over from a request, in bytes.
const LONGEST: usize = 256;

/// Who asked for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// `:method`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// `:path` without its query.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// `:authority`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The peer's first URI SAN.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub principal: String,
    /// The client's address, as the proxy has derived it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote: String,
}

impl Subject {
    /// Takes method, path and host out of header lines.
    pub fn read(headers: &[(&[u8], &[u8])]) -> Subject {
        let mut subject = Subject::default();
        for (name, value) in headers {
            match *name {
                b":method" => subject.method = text(value),
                b":path" => {
                    subject.path = text(value.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or(b""))
                }
                b":authority" => subject.host = text(value),
                _ => {}
            }
        }
        subject
    }
}

/// Bytes of a request as text: at most 256 of them, what is no UTF-8 replaced.
pub fn text(bytes: &[u8]) -> String {
    let short = bytes.get(..LONGEST).unwrap_or(bytes);
    String::from_utf8_lossy(short).into_owned()
}

/// What was enforced, for people.
#[derive(Clone, Debug, Serialize)]
pub struct EnforcedLine<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Refuser>,
    status: Option<u16>,
    details: &'a str,
}

impl<'a> EnforcedLine<'a> {
    /// `status` is the one logged, which for a refused gRPC call is 200.
    pub fn new(enforced: &Enforced, status: Option<u16>, details: &'a str) -> Self {
        let (verdict, by) = match enforced {
            Enforced::Allowed => ("allow", None),
            Enforced::Refused { by, .. } => ("deny", Some(*by)),
            Enforced::NotAsked => ("none", None),
            Enforced::Unknown => ("unknown", None),
        };
        EnforcedLine { verdict, by, status, details }
    }
}

/// One line of the proxy's log: JSON, so that nothing in a request can make two of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine<'a> {
    /// The comparison; first, to be searched for.
    pub gnomon: Comparison,
    /// The workload as `namespace/name`, or the namespace alone.
    pub workload: &'a str,
    /// Who asked for what.
    pub request: Subject,
    /// The candidate's verdict, words as in formats §4.
    pub verdict: Outcome,
    /// Its status.
    pub status: Option<u16>,
    /// Its stage.
    pub stage: Stage,
    /// Its details.
    pub details: Option<&'a str>,
    /// Its policy.
    pub policy: Option<&'a str>,
    /// Its reason.
    pub reason: &'a str,
    /// What it hangs on.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub missing: &'a [String],
    /// What dry-run policies would have said.
    #[serde(skip_serializing_if = "nothing")]
    pub dry_run: &'a DryRun,
    /// An AUDIT rule matched.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub audit: bool,
    /// Evaluated when the stream had ended, because a filter in front had answered: that filter may have changed
    /// the request, and a token may be gone.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub late: bool,
    /// What was enforced.
    pub enforced: EnforcedLine<'a>,
}

/// The value of `%FILTER_STATE(wasm.gnomon:PLAIN)%`.
#[derive(Debug, Serialize)]
struct State<'a> {
    verdict: Outcome,
    status: Option<u16>,
    stage: Stage,
    policy: Option<&'a str>,
    reason: &'a str,
    enforced: StateEnforced<'a>,
    result: Comparison,
}

#[derive(Debug, Serialize)]
struct StateEnforced<'a> {
    status: Option<u16>,
    details: &'a str,
}

/// The filter state of one request, as JSON.
pub fn filter_state(report: &Report, result: Comparison, status: Option<u16>, details: &str) -> Vec<u8> {
    let state = State {
        verdict: report.verdict,
        status: report.status,
        stage: report.stage,
        policy: report.policy.as_deref(),
        reason: &reason(report),
        enforced: StateEnforced { status, details },
        result,
    };
    // Only maps with keys that are no strings fail, and there are none.
    serde_json::to_vec(&state).unwrap_or_default()
}

/// The verdict's reason, cut; that of a request let through is only put into words here.
pub fn reason(report: &Report) -> Cow<'_, str> {
    match &report.policy {
        _ if !report.reason.is_empty() => Cow::Borrowed(cut(&report.reason)),
        Some(policy) => Cow::Owned(format!("ALLOW rule {} matched", cut(policy))),
        None => Cow::Borrowed("no policy refuses it"),
    }
}

/// At most 256 bytes of a text, cut between characters.
pub fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The debugging header's value: `deny; status=403; stage=allow; policy=…`. Visible ASCII only, whatever a policy
/// is called.
pub fn header_value(report: &Report) -> String {
    let verdict = match report.verdict {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
        Outcome::Unknown => "unknown",
    };
    let mut value = String::from(verdict);
    if let Some(status) = report.status {
        value.push_str(&format!("; status={status}"));
    }
    value.push_str(match report.stage {
        Stage::Mtls => "; stage=mtls",
        Stage::Custom => "; stage=custom",
        Stage::Jwt => "; stage=jwt",
        Stage::Audit => "; stage=audit",
        Stage::Deny => "; stage=deny",
        Stage::Allow => "; stage=allow",
        Stage::None => "; stage=none",
    });
    if let Some(policy) = &report.policy {
        value.push_str("; policy=");
        value.extend(cut(policy).chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }));
    }
    value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn nothing(dry_run: &&DryRun) -> bool {
    dry_run.allow.is_none() && dry_run.deny.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_and_nothing_long_is_taken_over() {
        let path = [b"/".as_slice(), &[b'a'; 5000], b"?access_token=secret"].concat();
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET\r\nX: y"),
            (b":path", &path),
            (b":authority", b"\xff.example"),
            (b"authorization", b"Bearer secret"),
            (b"cookie", b"secret"),
        ];
        let subject = Subject::read(&headers);
        assert_eq!(subject.path.len(), 256);
        assert_eq!(subject.host, "\u{fffd}.example");
        let json = serde_json::to_string(&subject).unwrap();
        assert!(!json.contains("secret") && !json.contains('\n'), "{json}");
        for path in ["/p?access_token=secret", "/p#access_token=secret"] {
            assert_eq!(Subject::read(&[(b":path", path.as_bytes())]).path, "/p");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "é".repeat(200);
        assert_eq!(cut(&long).len(), 256);
        assert_eq!(cut(&format!("x{long}")).len(), 255);
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn header_values_are_visible_ascii() {
        let report = Report {
            verdict: Outcome::Deny,
            status: Some(403),
            stage: Stage::Deny,
            details: None,
            policy: Some("ns[a]-policy[é\r\nx: y]-rule[0]".into()),
            reason: String::new(),
            dry_run: DryRun::default(),
            audit: false,
            missing: vec![],
            nearest: None,
        };
        assert_eq!(
            header_value(&report),
            "deny; status=403; stage=deny; policy=ns[a]-policy[___x:_y]-rule[0]"
        );
    }
}
