//! Whose proxy this is, as Istio tells it.

use crate::host::Refused;
use alloc::{string::String, vec::Vec};
use gnomon_engine::{Workload, node, workload::ProxyKind};

/// What the proxy says about itself. What it cannot tell is an error only where the configuration does not either.
#[derive(Clone, Debug)]
pub struct Node {
    /// `None`: Istio does not run it.
    pub kind: Option<ProxyKind>,
    /// The workload's namespace.
    pub namespace: Result<Option<String>, Refused>,
    /// Its service account.
    pub service_account: Result<Option<String>, Refused>,
    /// Its name.
    pub name: Option<String>,
    /// Its labels, sorted; `None`: they cannot be told.
    pub labels: Option<Vec<(String, String)>>,
}

impl Node {
    /// Fills in the fields that the configuration does not name (`given` is its `workload`). True where Istio runs this
    /// proxy; `Err` names a field that the proxy has and cannot tell.
    ///
    /// # Errors
    ///
    /// The name of the field.
    pub fn complete(
        &self,
        given: Option<&node::Node>,
        workload: &mut Workload,
    ) -> Result<bool, &'static str> {
        let absent = |name: &str| given.and_then(|node| node.get(name)).is_none();
        if let Some(kind) = self.kind.filter(|_| absent("proxy")) {
            workload.proxy = kind;
        }
        let texts = [
            ("namespace", &self.namespace, &mut workload.namespace),
            ("serviceAccount", &self.service_account, &mut workload.service_account),
        ];
        for (field, told, to) in texts {
            if absent(field)
                && let Some(text) = told.as_ref().map_err(|_| field)?
            {
                to.clone_from(text);
            }
        }
        if absent("name")
            && let Some(name) = &self.name
        {
            workload.name.clone_from(name);
        }
        if absent("labels") {
            // A selector that finds no labels drops its policy, so that a label map which cannot be read is an error.
            workload.labels = self.labels.clone().ok_or("labels")?;
        }
        Ok(self.kind.is_some())
    }
}

/// What kind of proxy Istio's id says that it is: `sidecar~10.1.0.3~webapp-5f.shop~shop.svc.cluster.local`.
pub fn proxy_kind(id: &str) -> Option<ProxyKind> {
    match id.split_once('~')?.0 {
        "sidecar" => Some(ProxyKind::Sidecar),
        "router" => Some(ProxyKind::Gateway),
        "waypoint" => Some(ProxyKind::Waypoint),
        "ztunnel" => Some(ProxyKind::Ztunnel),
        _ => None,
    }
}
