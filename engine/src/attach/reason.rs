//! Why a policy does not apply, as a value and in words.

use super::Policy;
use crate::{
    resource::{Action, Meta, TargetKind, TargetRef},
    workload::{IstioVersion, ProxyKind},
};
use alloc::{format, string::String, vec::Vec};
use core::fmt;
use serde::Serialize;

/// A policy that does not apply to a workload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotApplied<'r> {
    /// Which one.
    pub policy: Policy<'r>,
    /// Why.
    pub reason: Reason<'r>,
}

/// Why a policy does not apply. [`fmt::Display`] says it in words, as a clause with the policy as its subject left out:
/// "label app is web, the selector wants orders".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason<'r> {
    /// Istio of this version refuses the policy.
    NotTaken(IstioVersion),
    /// It is neither in the workload's namespace nor in the root namespace, nor in that of a service behind the
    /// waypoint.
    OtherNamespace {
        /// The policy's.
        policy: &'r str,
        /// The workload's.
        workload: &'r str,
        /// The root namespace.
        root: &'r str,
    },
    /// Its selector wants labels that the workload does not have.
    Labels(Vec<UnmetLabel<'r>>),
    /// A PeerAuthentication with labels in the root namespace counts nowhere.
    SelectorInRoot,
    /// A selector without `matchLabels`: an AuthorizationPolicy with one is bound to no workload of ztunnel's, and a
    /// PeerAuthentication of the root namespace is not looked up there.
    EmptySelectorAtZtunnel,
    /// It has `targetRefs`, which mean nothing to a sidecar, ztunnel, or a gateway that is none of the Gateway API's.
    TargetsUnread {
        /// What it names.
        targets: &'r [TargetRef],
        /// What the proxy is.
        proxy: ProxyKind,
    },
    /// It has no `targetRefs`, and a waypoint takes no other policies.
    NoTargets,
    /// Its `targetRefs` name something else.
    OtherTargets(&'r [TargetRef]),
    /// A RequestAuthentication: ztunnel reads no tokens.
    TokensAtZtunnel,
    /// ztunnel gets no policies with this action.
    ActionAtZtunnel(Action),
    /// ztunnel gets no dry-run policies (`AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY` is off by default).
    DryRunAtZtunnel,
    /// A PeerAuthentication: this one of the same level is older. Of one level only the oldest counts; nothing is merged.
    Older(&'r Meta),
    /// A PeerAuthentication: which one is older, this one or that, is not in the manifests.
    AgeUnknown {
        /// Another one of the same level that may be the oldest.
        other: &'r Meta,
        /// How many more there are.
        more: usize,
    },
    /// agentgateway reads none of the three kinds.
    Agentgateway,
}

/// A label that a selector wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmetLabel<'r> {
    /// The label's key.
    pub key: &'r str,
    /// What the selector wants.
    pub wants: &'r str,
    /// What the workload has; `None`: no such label.
    pub has: Option<&'r str>,
}

impl Reason<'_> {
    /// The word for programs: `other-namespace`, `labels`, ….
    pub fn code(&self) -> &'static str {
        match self {
            Reason::NotTaken(_) => "not-taken",
            Reason::OtherNamespace { .. } => "other-namespace",
            Reason::Labels(_) => "labels",
            Reason::SelectorInRoot => "selector-in-root",
            Reason::EmptySelectorAtZtunnel => "empty-selector",
            Reason::TargetsUnread { .. } => "targets-unread",
            Reason::NoTargets => "no-targets",
            Reason::OtherTargets(_) => "other-targets",
            Reason::TokensAtZtunnel => "tokens-at-ztunnel",
            Reason::ActionAtZtunnel(_) => "action-at-ztunnel",
            Reason::DryRunAtZtunnel => "dry-run-at-ztunnel",
            Reason::Older(_) => "older",
            Reason::AgeUnknown { .. } => "age-unknown",
            Reason::Agentgateway => "agentgateway",
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotTaken(version) => write!(f, "Istio {version} does not take it"),
            Reason::OtherNamespace { policy, workload, root } => write!(
                f,
                "it is in the namespace {policy}; the workload is in {workload}, the root namespace is {root}"
            ),
            Reason::Labels(labels) => {
                for (number, label) in labels.iter().enumerate() {
                    let and = if number > 0 { "; " } else { "" };
                    let UnmetLabel { key, wants, has } = label;
                    match has {
                        Some(has) => write!(f, "{and}label {key} is {has}, the selector wants {wants}")?,
                        None => {
                            write!(f, "{and}the selector wants label {key}={wants}, the workload has none")?;
                        }
                    }
                }
                Ok(())
            }
            Reason::SelectorInRoot => {
                f.write_str("a PeerAuthentication with a selector counts nowhere in the root namespace")
            }
            Reason::EmptySelectorAtZtunnel => f.write_str(
                "its selector has no matchLabels, and ambient attaches that to no workload: leave the selector out",
            ),
            Reason::TargetsUnread { targets, proxy } => {
                let proxy = match proxy {
                    ProxyKind::Ztunnel => "ztunnel",
                    ProxyKind::Gateway => "a gateway without the label gateway.networking.k8s.io/gateway-name",
                    _ => "a sidecar",
                };
                write!(f, "it targets {}; targetRefs never reach {proxy}", Names(targets))
            }
            Reason::NoTargets => f.write_str(
                "it has no targetRefs, and a waypoint takes only policies that name it or a service of its own",
            ),
            Reason::OtherTargets(targets) => {
                write!(f, "it targets {}, which is not this workload", Names(targets))
            }
            Reason::TokensAtZtunnel => f.write_str("ztunnel reads no tokens"),
            Reason::ActionAtZtunnel(action) => {
                let action = match action {
                    Action::Custom => "CUSTOM",
                    Action::Audit => "AUDIT",
                    Action::Allow => "ALLOW",
                    Action::Deny => "DENY",
                };
                write!(f, "ztunnel gets no {action} policies")
            }
            Reason::DryRunAtZtunnel => f.write_str("ztunnel gets no dry-run policies"),
            Reason::Older(winner) => {
                let Meta { namespace, name, .. } = winner;
                write!(f, "{namespace}/{name} is older, and of one level only the oldest counts")
            }
            Reason::AgeUnknown { other, more } => {
                let Meta { namespace, name, .. } = other;
                write!(f, "only the oldest of its level counts, and without creationTimestamp nothing says whether that is this one or {namespace}/{name}")?;
                if *more > 0 { write!(f, " or one of {more} more") } else { Ok(()) }
            }
            Reason::Agentgateway => {
                f.write_str("agentgateway reads no AuthorizationPolicy, RequestAuthentication or PeerAuthentication")
            }
        }
    }
}

/// `Service web, Gateway front`.
struct Names<'r>(&'r [TargetRef]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, target) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let kind = match target.kind {
                TargetKind::Service => "Service",
                TargetKind::ServiceEntry => "ServiceEntry",
                TargetKind::Gateway => "Gateway",
                TargetKind::GatewayClass => "GatewayClass",
            };
            write!(f, "{comma}{kind} {}", target.name)?;
        }
        Ok(())
    }
}

/// [`NotApplied`] as reports have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotAppliedReport {
    /// `AuthorizationPolicy`, `RequestAuthentication` or `PeerAuthentication`.
    pub kind: &'static str,
    /// The policy as `namespace/name`.
    pub policy: String,
    /// Its file; empty where there is none.
    pub file: String,
    /// Its line; 0 where not known.
    pub line: u32,
    /// [`Reason::code`].
    pub reason: &'static str,
    /// The reason in words.
    pub why: String,
}

impl NotApplied<'_> {
    /// What reports say.
    pub fn report(&self) -> NotAppliedReport {
        let meta = self.policy.meta();
        NotAppliedReport {
            kind: self.policy.kind(),
            policy: format!("{}/{}", meta.namespace, meta.name),
            file: meta.file.as_ref().into(),
            line: meta.at.line,
            reason: self.reason.code(),
            why: format!("{}", self.reason),
        }
    }
}
