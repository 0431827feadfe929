//! A plan's rules, stage by stage: for whoever reads them rather than asks them.

use super::{
    CustomStage, Plan,
    rule::{Dropped, Rule, RuleSet},
};
use crate::{request::Protocol, verdict::Stage};
use alloc::vec::Vec;

/// The rules of one stage, in the order in which the proxy asks them; the first that matches counts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StageRules<'p> {
    /// CUSTOM, AUDIT, DENY or ALLOW.
    pub stage: Stage,
    /// Evaluated and reported, not enforced.
    pub dry_run: bool,
    /// Of CUSTOM: the provider that is asked about what matches. `None` there: it cannot be asked, and what matches is
    /// denied.
    pub provider: Option<&'p str>,
    /// The rules. An enforced ALLOW stage refuses what none of them matches, also where there is none.
    pub rules: &'p [Rule],
    /// Rules that istiod leaves out of the proxy.
    pub dropped: Vec<&'p Dropped>,
}

impl Plan {
    /// The compiled rules that a request or connection of this protocol meets: a stage for each of CUSTOM, AUDIT, DENY and
    /// ALLOW to which a policy belongs, in the order in which they are asked; a dry run before the stage that it shadows.
    ///
    /// The mTLS gate and the JWT stage are not among them. ztunnel has one chain for both protocols.
    pub fn stages(&self, protocol: Protocol) -> Vec<StageRules<'_>> {
        let chain = self.chain(protocol);
        let mut stages = Vec::new();
        let custom = match &chain.custom {
            CustomStage::Absent | CustomStage::Skipped { .. } => None,
            CustomStage::Broken { rules, .. } => Some((None, rules, &[][..])),
            CustomStage::Ask(ask) => Some((Some(ask.provider.as_str()), &ask.rules, &ask.dropped[..])),
        };
        stages.extend(custom.map(|(provider, rules, dropped)| StageRules {
            stage: Stage::Custom,
            dry_run: false,
            provider,
            rules,
            dropped: dropped.iter().collect(),
        }));
        for (stage, set) in
            [(Stage::Audit, &chain.audit), (Stage::Deny, &chain.deny), (Stage::Allow, &chain.allow)]
        {
            stages.extend(set.shadow.as_deref().map(|rules| of(stage, set, rules, true)));
            stages.extend(set.enforced.then(|| of(stage, set, &set.rules, false)));
        }
        stages
    }
}

fn of<'p>(stage: Stage, set: &'p RuleSet, rules: &'p [Rule], dry_run: bool) -> StageRules<'p> {
    let dropped = set.dropped.iter().filter(|rule| rule.dry_run == dry_run).collect();
    StageRules { stage, dry_run, provider: None, rules, dropped }
}
