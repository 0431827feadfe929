//! CUSTOM policies: who is asked, or why they became DENY rules.

use super::rule::{Dropped, Rule};
use alloc::{string::String, vec::Vec};

/// The CUSTOM stage of one chain.
#[derive(Debug, Default)]
pub(crate) enum CustomStage {
    /// No CUSTOM policy applies.
    #[default]
    Absent,
    /// The provider is asked about requests that match a rule.
    Ask(Ask),
    /// The provider cannot be asked: Istio enforces the rules as DENY.
    Broken { rules: Vec<Rule>, why: String },
    /// An HTTP provider on a TCP chain: Istio leaves the policies out.
    Skipped { provider: String },
}

impl CustomStage {
    /// The rules that decide who is asked, or who is refused.
    pub(crate) fn rules(&self) -> &[Rule] {
        match self {
            CustomStage::Ask(ask) => &ask.rules,
            CustomStage::Broken { rules, .. } => rules,
            CustomStage::Absent | CustomStage::Skipped { .. } => &[],
        }
    }
}

/// A provider, and the rules that select what it is asked about.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) provider: String,
    pub(crate) rules: Vec<Rule>,
    /// `failOpen`: a provider that does not answer lets the request pass.
    pub(crate) fail_open: bool,
    /// The status when it does not answer.
    pub(crate) status_on_error: u16,
    pub(crate) dropped: Vec<Dropped>,
}

/// The suffix of rules whose provider is broken (`pilot/pkg/security/authz/builder`).
pub(crate) const BROKEN_SUFFIX: &str = "-deny-due-to-bad-CUSTOM-action";
