//! Whose proxy this is, from the node metadata that Istio gives it.

use crate::{host::Host, wire};
use alloc::{string::String, vec::Vec};
use gnomon_engine::{Node, Workload, workload::ProxyKind};

const ID: &str = "xds\0node\0id";
const NAMESPACE: &str = "xds\0node\0metadata\0NAMESPACE";
const LABELS: &str = "xds\0node\0metadata\0LABELS";
const SERVICE_ACCOUNT: &str = "xds\0node\0metadata\0SERVICE_ACCOUNT";
const NAME: &str = "xds\0node\0metadata\0WORKLOAD_NAME";

/// Fills in the fields that the configuration does not name (`given` is its `workload`). True where Istio runs this
/// proxy; `Err` names a field that the proxy has and cannot tell.
pub fn complete(
    host: &dyn Host,
    given: Option<&Node>,
    workload: &mut Workload,
) -> Result<bool, &'static str> {
    let absent = |name: &str| given.and_then(|node| node.get(name)).is_none();
    let text = |path: &str| match host.property(path) {
        Ok(bytes) => Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok())),
        Err(_) => Err(()),
    };
    let kind = text(ID).ok().flatten().and_then(|id| proxy_kind(&id));
    if let Some(kind) = kind.filter(|_| absent("proxy")) {
        workload.proxy = kind;
    }
    if absent("namespace")
        && let Some(namespace) = text(NAMESPACE).map_err(|()| "namespace")?
    {
        workload.namespace = namespace;
    }
    if absent("serviceAccount")
        && let Some(account) = text(SERVICE_ACCOUNT).map_err(|()| "serviceAccount")?
    {
        workload.service_account = account;
    }
    if absent("name")
        && let Ok(Some(name)) = text(NAME)
    {
        workload.name = name;
    }
    if absent("labels") {
        // A selector that finds no labels drops its policy, so that a label map which cannot be read is an error.
        workload.labels = labels(host).ok_or("labels")?;
    }
    Ok(kind.is_some())
}

/// `sidecar~10.1.0.3~webapp-5f.shop~shop.svc.cluster.local`
fn proxy_kind(id: &str) -> Option<ProxyKind> {
    match id.split_once('~')?.0 {
        "sidecar" => Some(ProxyKind::Sidecar),
        "router" => Some(ProxyKind::Gateway),
        "waypoint" => Some(ProxyKind::Waypoint),
        "ztunnel" => Some(ProxyKind::Ztunnel),
        _ => None,
    }
}

fn labels(host: &dyn Host) -> Option<Vec<(String, String)>> {
    let Some(bytes) = host.property(LABELS).ok()? else { return Some(Vec::new()) };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let mut labels: Vec<(String, String)> = Vec::new();
    for (key, value) in wire::pairs(&bytes)? {
        labels.push((text(key)?, text(value)?));
    }
    labels.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(labels)
}
