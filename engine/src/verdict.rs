//! The answer: a value that carries its reason, never a bool.

mod missing;

pub use missing::{Missing, RequestField};

use alloc::{string::String, vec::Vec};
use serde::Serialize;

/// What the policies decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The policy layer lets it through.
    Allow,
    /// Refused.
    Deny,
    /// The answer depends on something that is not known; [`Report::missing`] names it.
    Unknown,
    /// Envoy sends the client to another path before it asks any policy; [`Report::location`] names it.
    Redirect,
}

impl Outcome {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Allow => "allow",
            Outcome::Deny => "deny",
            Outcome::Unknown => "unknown",
            Outcome::Redirect => "redirect",
        }
    }
}

/// The stages, in the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// PeerAuthentication: may the connection exist at all?
    Mtls,
    /// CUSTOM policies and their providers.
    Custom,
    /// RequestAuthentication.
    Jwt,
    /// AUDIT policies: never decide.
    Audit,
    /// DENY policies.
    Deny,
    /// ALLOW policies.
    Allow,
    /// No policy had a say.
    None,
}

impl Stage {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Mtls => "mtls",
            Stage::Custom => "custom",
            Stage::Jwt => "jwt",
            Stage::Audit => "audit",
            Stage::Deny => "deny",
            Stage::Allow => "allow",
            Stage::None => "none",
        }
    }
}

/// A verdict as people, suites and reports read it (docs/formats.md, "Verdict"). Field names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// allow, deny or unknown.
    pub verdict: Outcome,
    /// 200; 401 or 403 for a refusal on HTTP; `None` for a refused connection or an unknown verdict.
    pub status: Option<u16>,
    /// Which stage decided.
    pub stage: Stage,
    /// Envoy's `%RESPONSE_CODE_DETAILS%` of a refusal (on TCP its connection termination details).
    pub details: Option<String>,
    /// The id of the matched rule as Envoy reports it.
    pub policy: Option<String>,
    /// Where a redirect leads; left out of JSON for every other verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// One sentence for people.
    pub reason: String,
    /// What dry-run policies would have said.
    pub dry_run: DryRun,
    /// An AUDIT rule matched.
    pub audit: bool,
    /// What the verdict depends on that is not known.
    pub missing: Vec<Missing>,
    /// The ALLOW rule that came nearest, for a refusal by the ALLOW stage; `None` also where no request can match any.
    pub nearest: Option<Nearest>,
    /// Refused because a required token is absent: the challenge that Envoy answers with then names no error.
    #[serde(skip)]
    pub without_token: bool,
}

/// Results of the shadow engines, ALLOW and DENY apart as Istio has them; `None` where there is no such policy or
/// the stage was not reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DryRun {
    /// The dry-run ALLOW policies.
    pub allow: Option<ShadowResult>,
    /// The dry-run DENY policies.
    pub deny: Option<ShadowResult>,
}

/// What one shadow engine said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShadowResult {
    /// `allowed` or `denied`, Envoy's words.
    pub result: &'static str,
    /// The id of the matched rule.
    pub policy: Option<String>,
}

/// The rule that came nearest to a match, and the conditions that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nearest {
    /// The rule's id.
    pub policy: String,
    /// All that is not met; changing these makes the rule match.
    pub unmet: Vec<Unmet>,
}

/// One condition that is not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The field as written in the policy: `to.operation.methods`, `from.source.notNamespaces`, `when[request.headers[x]]`.
    pub field: String,
    /// The field's values, without those that no request can have.
    pub expected: Vec<String>,
    /// What the request had; `None`: nothing.
    pub got: Option<String>,
    /// Why that does not match, where the values do not tell: `it is a boolean: only strings and lists of strings match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A verdict with the trace of every stage.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The verdict.
    #[serde(flatten)]
    pub report: Report,
    /// All stages in order of evaluation, those not reached too; stages without any policy are left out.
    pub stages: Vec<StageTrace>,
}

/// What became of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StageResult {
    /// It let the request on.
    Passed,
    /// It refused.
    Refused,
    /// Its answer depends on something that is not known.
    Unknown,
    /// An earlier stage had refused.
    NotReached,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StageTrace {
    /// Which one.
    pub stage: Stage,
    /// What became of it.
    pub result: StageResult,
    /// One line for people: "2 policies, none matched".
    pub summary: String,
    /// Its rules in the order in which Envoy goes through them; none for mTLS and JWT, nor for a stage not reached.
    pub rules: Vec<RuleTrace>,
}

/// One rule and how it fared.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RuleTrace {
    /// The id as Envoy reports it.
    pub id: String,
    /// The policy as `namespace/name`.
    pub policy: String,
    /// Index in `spec.rules`.
    pub index: usize,
    /// The policy's file; empty where there is none.
    pub file: String,
    /// The rule's line in the file; 0 where not known.
    pub line: u32,
    /// The rule's column.
    pub column: u32,
    /// `None`: not known.
    pub matched: Option<bool>,
    /// The policy is only a dry run.
    pub dry_run: bool,
    /// Why the rule as enforced is not the rule as written ("dropped on TCP: …"); mostly empty.
    pub notes: Vec<String>,
    /// Sources, ORed; each all of its checks. One empty source: any.
    pub from: Vec<Vec<Check>>,
    /// Operations, ORed.
    pub to: Vec<Vec<Check>>,
    /// Conditions, all must hold.
    pub when: Vec<Check>,
}

/// One condition against what the request had.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// The field, as in [`Unmet::field`].
    pub field: String,
    /// Line of the field's first value; 0 where not known.
    pub line: u32,
    /// Column of it.
    pub column: u32,
    /// The values as written.
    pub expected: Vec<String>,
    /// A `not` field.
    pub negated: bool,
    /// What the request had.
    pub got: Option<String>,
    /// `None`: not known.
    pub met: Option<bool>,
    /// Why the values do not match, or never do, where they do not tell: why a field is not met, and why its `not` twin is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
