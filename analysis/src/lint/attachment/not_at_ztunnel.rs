use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::{Policy, Reason},
    resource::{AuthorizationPolicy, RequestAuthentication, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "not-at-ztunnel",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A policy that ztunnel does not get is for a workload in ambient mode."),
    why: documented!(
        "ztunnel gets ALLOW and DENY policies that are no dry runs, and PeerAuthentications. CUSTOM and \
        AUDIT policies, RequestAuthentications and dry runs end nowhere: tokens are not verified, \
        providers not asked."
    ),
    instead: documented!("Deploy a waypoint and give the policy to it with `targetRefs`."),
    limits: documented!(
        "Workloads that are among the manifests, in ambient mode by a label of theirs or of their namespace."
    ),
    source: documented!("https://istio.io/latest/docs/ambient/usage/l4-policy/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test"}]}"#
            ),
            object!("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "{}"),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], jwtRules: [{issuer: "https://issuer.test"}]}"#
            ),
            object!("v1", "Namespace", "name: shop, labels: {istio.io/dataplane-mode: ambient}", "{}"),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            ),
            object!(
                "gateway.networking.k8s.io/v1",
                "Gateway",
                "name: waypoint, namespace: shop",
                "{gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}"
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    for policy in Policy::all(input.resources) {
        let target = match policy {
            Policy::Authorization(AuthorizationPolicy { target, .. })
            | Policy::RequestAuthentication(RequestAuthentication { target, .. }) => target,
            Policy::PeerAuthentication(_) => continue,
        };
        if matches!(target, Target::Refs(_)) {
            continue;
        }
        let lost = |known: &Known<'l>| {
            let reason = known.misses(policy)?;
            let at_ztunnel = matches!(
                reason,
                Reason::EmptySelectorAtZtunnel
                    | Reason::TokensAtZtunnel
                    | Reason::ActionAtZtunnel(_)
                    | Reason::DryRunAtZtunnel
            );
            at_ztunnel.then_some(reason)
        };
        let meta = policy.meta();
        let mut meant = input.context.meant(meta, target);
        let Some((known, reason)) = meant.find_map(|known| Some((known, lost(known)?))) else { continue };
        let message = format!("it does not apply to {}: {reason}", known.candidate.workload.display_name());
        findings
            .at(policy, meta.at, "spec", message, "give it to a waypoint with `targetRefs`")
            .see_object(known.candidate.kind, known.candidate.meta);
    }
}
