//! What goes in and comes out, as `types.ts` has it.

use gnomon_analysis::suggest;
use gnomon_engine::{
    Diagnostic, Node, Severity,
    attach::NotAppliedReport,
    verdict::{Explanation, Report},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A text with a name: a file of policies, or a proxy's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Source {
    /// How diagnostics call it.
    pub name: String,
    /// YAML or JSON.
    pub text: String,
}

/// What is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The policies.
    #[serde(default)]
    pub policies: Vec<Source>,
    /// The policies that they are compared with.
    #[serde(default)]
    pub baseline: Vec<Source>,
    /// In place of policies: what a proxy has loaded.
    #[serde(default)]
    pub envoy_config: Option<Source>,
    /// Which listener of it: a name or a port.
    #[serde(default)]
    pub listener: Option<String>,
    /// The workloads that requests go to, each `{workload, mesh}` as in docs/formats.md, "Workload and mesh".
    #[serde(default)]
    pub targets: Vec<Node>,
    /// The requests.
    #[serde(default)]
    pub requests: Vec<Question>,
    /// The clock in seconds since 1970, for requests without `time`.
    pub now: f64,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
pub struct Question {
    /// As in docs/formats.md, "Request".
    #[serde(default)]
    pub request: Node,
    /// Index of its target; the first by default.
    #[serde(default)]
    pub target: usize,
    /// As in docs/formats.md, "Suite", or nothing.
    #[serde(default)]
    pub expect: Node,
}

/// The answer to all requests.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// One for each request; empty where the policies or a target have errors.
    pub results: Vec<Outcome>,
    /// What is wrong with or doubtful about the policies and the targets.
    pub diagnostics: Vec<Finding>,
    /// A signature would have to be checked, and this build cannot: ask the other one.
    pub needs_signatures: bool,
}

/// The answer to one request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `None`: see `problems`.
    pub report: Option<Report>,
    /// How many policies apply to the workload; `None` where there are no policies, but what a proxy has loaded.
    pub applying: Option<usize>,
    /// What is wrong with the request or with what is expected of it.
    pub problems: Vec<Finding>,
    /// What is not as expected; `None` where nothing is expected.
    pub differences: Option<Vec<Difference>>,
}

/// A field that is not as expected.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// As in docs/formats.md, "Verdict".
    pub field: String,
    /// For people.
    pub expected: String,
    /// For people.
    pub got: String,
}

/// The answer to one request with the whole way to it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// `None` where the policies, the target or the request have errors.
    pub explanation: Option<Explanation>,
    /// What each token rule says to each token, in the order asked.
    pub tokens: Vec<Token>,
    /// The policies that do not apply, each with the reason.
    pub not_applied: Vec<NotAppliedReport>,
    /// See [`Answer::needs_signatures`].
    pub needs_signatures: bool,
}

/// What changes for all requests at once.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Why there is no answer.
    pub problem: Option<String>,
    /// As docs/formats.md, "Difference", has them of a workload.
    pub changes: Option<Value>,
}

/// What [`crate::Session::suggest`] answers.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggested {
    /// `None`: the request is not refused for want of an ALLOW rule, or no value more in a list would do.
    pub suggestion: Option<Suggestion>,
    /// See [`Answer::needs_signatures`].
    pub needs_signatures: bool,
}

/// A change of one file of policies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// The rule: `ns[shop]-policy[orders]-rule[0]`.
    pub policy: String,
    /// The file.
    pub file: String,
    /// The first line that changes.
    pub line: u32,
    /// As `diff -u` writes it.
    pub patch: String,
    /// The file with the change.
    pub text: String,
    /// Which requests it lets in; empty where that is not known.
    pub lets_in: Vec<String>,
    /// All of them are named.
    pub complete: bool,
}

impl From<suggest::Suggestion> for Suggestion {
    fn from(found: suggest::Suggestion) -> Self {
        let suggest::Suggestion { policy, file, line, patch, text, lets_in, complete, .. } = found;
        Suggestion { policy, file, line, patch, text, lets_in, complete }
    }
}

/// One token as one rule sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The RequestAuthentication as `namespace/name`.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// The rule's line.
    pub line: u32,
    /// The rule's issuer; empty: any.
    pub issuer: String,
    /// `header authorization`; empty where there is no token.
    pub location: String,
    /// `passes`, or Envoy's message.
    pub status: &'static str,
    /// It passes.
    pub passes: bool,
    /// The token is of another issuer.
    pub other_issuer: bool,
}

/// A diagnostic as an editor wants it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The file; `target 0` and `request 0` for what is no file.
    pub file: String,
    /// Error or warning.
    pub severity: Severity,
    /// The kind of finding: `unknown-field`.
    pub code: &'static str,
    /// From 1; 0 where not known.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The object, as `AuthorizationPolicy ns/name`.
    pub object: String,
    /// The field's path.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl From<Diagnostic> for Finding {
    fn from(found: Diagnostic) -> Self {
        Finding {
            file: found.file.as_ref().into(),
            severity: found.severity,
            code: found.code,
            line: found.at.line,
            column: found.at.column,
            object: found.object,
            field: found.field,
            message: found.message,
            help: found.help,
        }
    }
}

/// All of them.
pub(crate) fn findings(found: Vec<Diagnostic>) -> Vec<Finding> {
    found.into_iter().map(Finding::from).collect()
}
