//! What the filter writes: log lines, filter state, the debugging header.
//!
//! All of it ends in places where other people read. No token, no header value and no query string gets there, and
//! nothing in it is longer than it must be.

use crate::{
    answer::Answer,
    compare::{Comparison, Enforced},
    masks,
    write::{self, Object},
};
use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec::Vec,
};
use gnomon_engine::verdict::{DryRun, Report, ShadowResult};

/// The longest text taken over from a request, in bytes.
const LONGEST: usize = 256;

/// Who asked for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `:method`.
    pub method: String,
    /// `:path` without its query and what is secret in it ([`masks`]).
    pub path: String,
    /// `:authority` without user information.
    pub host: String,
    /// The peer's first URI SAN.
    pub principal: String,
    /// The client's address, as the proxy has derived it.
    pub remote: String,
    /// The claims that somebody has asked for, as JSON; empty: none.
    pub claims: String,
}

impl Subject {
    /// Takes method, path and host out of header lines.
    pub fn read(headers: &[(&[u8], &[u8])]) -> Subject {
        let mut subject = Subject::default();
        for (name, value) in headers {
            match *name {
                b":method" => subject.method = text(value),
                b":path" => subject.path = cut(&masks::path(value)).into(),
                b":authority" => subject.host = cut(&masks::authority(value)).into(),
                _ => {}
            }
        }
        subject
    }

    fn write(&self, object: &mut Object) {
        object.filled("method", &self.method);
        object.filled("path", &self.path);
        object.filled("host", &self.host);
        object.filled("principal", &self.principal);
        object.filled("remote", &self.remote);
        if !self.claims.is_empty() {
            object.json("claims", &self.claims);
        }
    }
}

/// Bytes of a request as text: at most 256 of them, what is no UTF-8 replaced.
pub fn text(bytes: &[u8]) -> String {
    let short = bytes.get(..LONGEST).unwrap_or(bytes);
    String::from_utf8_lossy(short).into_owned()
}

/// What became of a request or a connection.
#[derive(Debug)]
pub struct Ended<'a> {
    /// How the two verdicts compare.
    pub result: Comparison,
    /// What was enforced.
    pub enforced: &'a Enforced,
    /// The status logged, which for a refused gRPC call is 200.
    pub status: Option<u16>,
    /// Its details, as the proxy has them.
    pub details: &'a [u8],
    /// Evaluated when the stream had ended, because a filter in front had answered: that filter may have changed
    /// the request, and a token may be gone.
    pub late: bool,
}

impl Ended<'_> {
    fn write(&self, object: &mut Object) {
        let (verdict, by) = match self.enforced {
            Enforced::Allowed => ("allow", None),
            Enforced::Refused { by, .. } => ("deny", Some(*by)),
            Enforced::NotAsked => ("none", None),
            Enforced::Unknown => ("unknown", None),
        };
        object.text("verdict", verdict);
        if let Some(by) = by {
            object.text("by", by.name());
        }
        object.number("status", self.status);
        object.text("details", cut(&String::from_utf8_lossy(self.details)));
    }
}

/// One line of the proxy's log: JSON, so that nothing in a request can make two of it. The comparison stands first, to
/// be searched for; the words are those of docs/formats.md, "Verdict".
pub fn log_line(
    workload: &str,
    request: &Subject,
    report: &Report,
    baseline: Option<&Report>,
    ended: &Ended<'_>,
) -> String {
    let mut line = Object::default();
    line.text("gnomon", ended.result.name());
    line.text("workload", workload);
    line.object("request", |object| request.write(object));
    verdict(report, &mut line);
    if report.dry_run != DryRun::default() {
        line.object("dryRun", |object| {
            shadow("allow", report.dry_run.allow.as_ref(), object);
            shadow("deny", report.dry_run.deny.as_ref(), object);
        });
    }
    if report.audit {
        line.json("audit", "true");
    }
    if ended.late {
        line.json("late", "true");
    }
    if let Some(baseline) = baseline {
        line.object("baseline", |object| verdict(baseline, object));
    }
    line.object("enforced", |object| ended.write(object));
    line.end()
}

fn verdict(report: &Report, line: &mut Object) {
    line.text("verdict", report.verdict.name());
    line.number("status", report.status);
    line.text("stage", report.stage.name());
    line.maybe("details", report.details.as_deref().map(cut));
    line.maybe("policy", report.policy.as_deref().map(cut));
    line.text("reason", &reason(report));
    if !report.missing.is_empty() {
        let missing: Vec<String> = report.missing.iter().map(ToString::to_string).collect();
        line.json("missing", &write::list(&missing));
    }
}

fn shadow(name: &str, result: Option<&ShadowResult>, line: &mut Object) {
    let Some(result) = result else { return line.json(name, "null") };
    line.object(name, |object| {
        object.text("result", result.result);
        object.maybe("policy", result.policy.as_deref().map(cut));
    });
}

/// The value of `%FILTER_STATE(wasm.gnomon:PLAIN)%`.
pub fn filter_state(report: &Report, ended: &Ended<'_>) -> Vec<u8> {
    let mut state = Object::default();
    state.text("verdict", report.verdict.name());
    state.number("status", report.status);
    state.text("stage", report.stage.name());
    state.maybe("policy", report.policy.as_deref());
    state.text("reason", &reason(report));
    state.object("enforced", |enforced| {
        enforced.number("status", ended.status);
        enforced.text("details", &String::from_utf8_lossy(ended.details));
    });
    state.text("result", ended.result.name());
    state.end().into_bytes()
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

/// JSON as long as a text may be; what is longer says that it is.
pub fn cut_json(json: &str) -> &str {
    if json.len() > LONGEST { "\"(long)\"" } else { json }
}

/// The debugging header's value: `deny; status=403; stage=allow; policy=…`. Visible ASCII only, whatever a policy
/// is called.
pub fn header_value(answer: &Answer) -> String {
    let mut value = String::from(answer.outcome().name());
    if let Some(status) = answer.status() {
        value.push_str(&format!("; status={status}"));
    }
    value.push_str("; stage=");
    value.push_str(answer.stage().name());
    if let Some(policy) = answer.policy() {
        value.push_str("; policy=");
        value.extend(cut(policy).chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use gnomon_engine::verdict::{Outcome, Stage};

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
        let mut json = Object::default();
        subject.write(&mut json);
        let json = json.end();
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
            location: None,
            reason: String::new(),
            dry_run: DryRun::default(),
            audit: false,
            missing: vec![],
            nearest: None,
            without_token: false,
        };
        assert_eq!(
            header_value(&Answer::Other(report.into())),
            "deny; status=403; stage=deny; policy=ns[a]-policy[___x:_y]-rule[0]"
        );
    }
}
