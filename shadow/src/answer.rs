//! What a plan answered about a stream, as far as anybody will read it.

use alloc::{boxed::Box, string::String, vec::Vec};
use gnomon_engine::{
    plan::Verdict,
    verdict::{DryRun, Missing, Outcome, Report, Stage},
};

/// A plan's answer. Nearly every one lets the stream through, and nobody reads the reason of that: it is small, since it
/// waits in memory until the stream ends.
#[derive(Debug)]
pub enum Answer {
    /// The stream is let through.
    Allow {
        /// The last stage that had something to say.
        stage: Stage,
        /// The id of the ALLOW rule that matched.
        policy: Option<Box<str>>,
        /// An AUDIT rule matched.
        audit: bool,
    },
    /// It is not, or nobody knows.
    Other(Box<Report>),
}

impl Answer {
    /// That of a verdict.
    pub fn of(verdict: &Verdict<'_>) -> Answer {
        match verdict.outcome {
            Outcome::Allow => Answer::Allow {
                stage: verdict.stage,
                policy: verdict.policy().map(Into::into),
                audit: verdict.audit,
            },
            _ => Answer::other(verdict),
        }
    }

    #[cold]
    fn other(verdict: &Verdict<'_>) -> Answer {
        Answer::Other(Box::new(verdict.report()))
    }

    /// Nobody knows, for this reason.
    pub fn unknown(missing: Vec<Missing>, reason: &str) -> Answer {
        let (verdict, status) = (Outcome::Unknown, None);
        let reason = reason.into();
        Answer::Other(Box::new(Report {
            verdict,
            status,
            reason,
            missing,
            ..plain(Stage::None, None, false)
        }))
    }

    /// allow, deny or unknown.
    pub fn outcome(&self) -> Outcome {
        match self {
            Answer::Allow { .. } => Outcome::Allow,
            Answer::Other(report) => report.verdict,
        }
    }

    /// The stage that decided.
    pub fn stage(&self) -> Stage {
        match self {
            Answer::Allow { stage, .. } => *stage,
            Answer::Other(report) => report.stage,
        }
    }

    /// What a client would get, as in a [`Report`].
    pub fn status(&self) -> Option<u16> {
        match self {
            Answer::Allow { .. } => Some(200),
            Answer::Other(report) => report.status,
        }
    }

    /// Envoy's details of a refusal.
    pub fn details(&self) -> Option<&str> {
        match self {
            Answer::Allow { .. } => None,
            Answer::Other(report) => report.details.as_deref(),
        }
    }

    /// The id of the rule that decided.
    pub fn policy(&self) -> Option<&str> {
        match self {
            Answer::Allow { policy, .. } => policy.as_deref(),
            Answer::Other(report) => report.policy.as_deref(),
        }
    }

    /// The rule that decided; where there is none, the stage: what metrics and limits count by.
    pub fn decided_by(&self) -> &str {
        self.policy().unwrap_or(match self.stage() {
            Stage::Mtls => "(mtls)",
            Stage::Custom => "(custom)",
            Stage::Jwt => "(jwt)",
            Stage::Audit => "(audit)",
            Stage::Deny => "(deny)",
            Stage::Allow => "(allow)",
            Stage::None => "(none)",
        })
    }

    /// The whole of it, without a reason where the stream is let through.
    pub fn into_report(self) -> Report {
        match self {
            Answer::Allow { stage, policy, audit } => plain(stage, policy.map(String::from), audit),
            Answer::Other(report) => *report,
        }
    }
}

/// A stream that is let through.
fn plain(stage: Stage, policy: Option<String>, audit: bool) -> Report {
    Report {
        verdict: Outcome::Allow,
        status: Some(200),
        stage,
        details: None,
        policy,
        location: None,
        reason: String::new(),
        dry_run: DryRun::default(),
        audit,
        missing: Vec::new(),
        nearest: None,
        without_token: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_called_what_they_are_called_elsewhere() {
        let stages =
            [Stage::Mtls, Stage::Custom, Stage::Jwt, Stage::Audit, Stage::Deny, Stage::Allow, Stage::None];
        for stage in stages {
            let answer = Answer::Allow { stage, policy: None, audit: false };
            assert_eq!(answer.decided_by(), alloc::format!("({})", stage.name()));
        }
    }
}
