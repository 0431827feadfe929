//! Which policies are for gateways.

use gnomon_engine::{
    attach::GATEWAY_NAME_LABEL,
    resource::{AuthorizationPolicy, Labels, Target, TargetKind},
};
use gnomon_manifests::inventory::Inventory;

/// Labels that only pods of gateways have: those that istiod gives to the pods of Gateway API gateways, and what it
/// called the first one before.
const GATEWAY_LABELS: [&str; 2] = [GATEWAY_NAME_LABEL, "istio.io/gateway-name"];

/// The policy names workloads that this selector names as well: at least one label is the same, none differs.
#[cfg(feature = "neighbours")]
pub(crate) fn meets(policy: &AuthorizationPolicy, selector: &Labels) -> bool {
    matches!(&policy.target, Target::Selector(own) if overlap(own, selector))
}

/// At least one label is the same, none differs.
fn overlap(own: &Labels, selector: &Labels) -> bool {
    let shared = |(key, value): &&(String, String)| selector.iter().any(|(k, v)| k == key && v == value);
    let differs = |(key, value): &(String, String)| selector.iter().any(|(k, v)| k == key && v != value);
    own.iter().any(|label| shared(&label)) && !own.iter().any(differs)
}

/// The policy is for gateways: a `targetRef` says so, a Gateway at hand has its labels, a label says that the pod belongs
/// to a Gateway API gateway, or they are those that Istio's own charts give to gateways (`istio: ingressgateway`,
/// `app: istio-ingressgateway`).
pub(crate) fn is_for_gateway(policy: &AuthorizationPolicy, inventory: &Inventory) -> bool {
    targets_gateway(&policy.target, inventory)
}

/// The same for what any policy targets.
pub(crate) fn targets_gateway(target: &Target, inventory: &Inventory) -> bool {
    match target {
        Target::Namespace | Target::EmptySelector => false,
        Target::Refs(refs) => refs.iter().any(|target| target.kind == TargetKind::Gateway),
        Target::Selector(labels) => {
            let usual = |(key, value): &(String, String)| {
                GATEWAY_LABELS.contains(&key.as_str())
                    || (["app", "istio"].contains(&key.as_str()) && value.ends_with("gateway"))
            };
            labels.iter().any(usual)
                || inventory.gateways.iter().any(|gateway| overlap(labels, &gateway.selector))
        }
    }
}
