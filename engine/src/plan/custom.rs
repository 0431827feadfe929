//! CUSTOM policies: who is asked, or why they became DENY rules.

use super::rule::{Dropped, Rule};
use crate::{
    node::{Node, Value},
    workload::{ExtensionProvider, Mesh, ProviderKind},
};
use alloc::{format, string::String, vec::Vec};

/// The CUSTOM stage of one chain.
#[derive(Debug, Default)]
pub(crate) enum CustomStage {
    /// No CUSTOM policy applies.
    #[default]
    Absent,
    /// Requests that match a rule are put to the provider.
    Ask(Ask),
    /// The provider cannot be asked: Istio enforces the rules as DENY.
    Broken { rules: Vec<Rule>, why: String },
    /// An HTTP provider on a TCP chain: Istio leaves the policies out.
    Skipped { provider: String },
}

/// A provider and what is put to it.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) provider: String,
    pub(crate) rules: Vec<Rule>,
    /// A provider that does not answer lets pass.
    pub(crate) fail_open: bool,
    /// The status when it does not answer.
    pub(crate) status_on_error: u16,
    pub(crate) dropped: Vec<Dropped>,
}

/// The suffix of rules whose provider is broken (`pilot/pkg/security/authz/builder`).
pub(crate) const BROKEN_SUFFIX: &str = "-deny-due-to-bad-CUSTOM-action";

/// A provider as Istio's `extensionProviders` defines it, or why it cannot be used.
pub(crate) fn provider<'m>(mesh: &'m Mesh, name: &str) -> Result<&'m ExtensionProvider, String> {
    let found = mesh.extension_providers.iter().find(|provider| provider.name == name);
    let Some(provider) = found else {
        return Err(format!("provider `{name}` is not among the mesh's extensionProviders"));
    };
    match &provider.kind {
        ProviderKind::Named => {}
        ProviderKind::Http(entry) | ProviderKind::Grpc(entry) => {
            if text(entry, "service").is_none_or(str::is_empty) {
                return Err(format!("extensionProvider `{name}` has no service"));
            }
            if !(1..=65535).contains(&number(entry, "port").unwrap_or(0)) {
                return Err(format!("extensionProvider `{name}` has no valid port"));
            }
        }
    }
    Ok(provider)
}

impl ProviderKind {
    /// `failOpen`.
    pub(crate) fn fail_open(&self) -> bool {
        matches!(self.entry().and_then(|e| e.get("failOpen")).map(|n| &n.value), Some(Value::Bool(true)))
    }

    /// `statusOnError`, 403 by default.
    pub(crate) fn status_on_error(&self) -> u16 {
        let status = self.entry().and_then(|entry| number(entry, "statusOnError"));
        status.and_then(|status| u16::try_from(status).ok()).unwrap_or(403)
    }

    fn entry(&self) -> Option<&Node> {
        match self {
            ProviderKind::Named => None,
            ProviderKind::Http(entry) | ProviderKind::Grpc(entry) => Some(entry),
        }
    }
}

fn text<'n>(entry: &'n Node, name: &str) -> Option<&'n str> {
    entry.get(name).and_then(Node::as_str)
}

/// A number, written as one or as a string.
fn number(entry: &Node, name: &str) -> Option<u64> {
    match &entry.get(name)?.value {
        Value::Number(text) | Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
