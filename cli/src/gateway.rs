//! `--via`: which of the gateways among the manifests is meant.

use crate::style::{self, safe};
use gnomon_manifests::inventory::Candidate;

/// The word for the only gateway.
const ONLY: &str = "gateway";

/// The gateway of this name, label, or the only one.
pub(crate) fn chosen<'c, 'i>(all: &'c [Candidate<'i>], named: &str) -> Result<&'c Candidate<'i>, String> {
    let name = |one: &Candidate<'_>| format!("{}/{}", one.workload.namespace, one.workload.name);
    let list = || -> String {
        all.iter().map(|one| format!("\n  --via {}", style::shell_word(&name(one)))).collect()
    };
    let called = |one: &&Candidate<'_>| {
        let short = one.workload.name == named;
        let labelled = one.workload.labels.iter().any(|(key, value)| {
            value == named && (key == "app" || key == "istio" || key.ends_with("/gateway-name"))
        });
        name(one) == named || short || labelled
    };
    let meant: Vec<&Candidate<'_>> = match all {
        [only] if named == ONLY => vec![only],
        _ => all.iter().filter(called).collect(),
    };
    match (&meant[..], all) {
        ([only], _) => Ok(only),
        (_, []) => {
            Err("there is no gateway among the manifests: give its Deployment or its Gateway with -p".into())
        }
        ([], _) => Err(format!("there is no gateway `{}`{}", safe(named), list())),
        (several, _) => Err(format!("`{}` names {} gateways{}", safe(named), several.len(), list())),
    }
}
