use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Severity,
    attach::{Policy, WAYPOINT_CLASS},
    resource::{Target, TargetKind, TargetRef},
    workload::ProxyKind,
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "source-ip-at-waypoint",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A policy for a waypoint looks at `ipBlocks` or `source.ip`."),
    why: documented!(
        "A waypoint takes its connections on an internal address. The condition never holds there, and \
        its `not` twin always does."
    ),
    instead: documented!(
        "Use `remoteIpBlocks`, which holds the client's address, or let ztunnel decide by a policy with a \
        selector."
    ),
    limits: documented!(
        "Policies that target a Service or a ServiceEntry, the class of waypoints, or a waypoint among \
        the manifests."
    ),
    source: documented!("https://github.com/istio/istio/issues/46982"),
    example: documented!(example: Example {
        bad: concat!(policy!(
            r#"{targetRefs: [{kind: Service, group: "", name: web}], rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}"#
        )),
        good: concat!(policy!(
            r#"{targetRefs: [{kind: Service, group: "", name: web}], rules: [{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}]}"#
        )),
        request: Some(
            "{workload: {name: waypoint, namespace: shop, proxy: waypoint, services: [web]}, request: \
            {source: {ip: 10.1.1.1}, remoteIp: 10.1.1.1}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    if values.attribute.row().on_waypoint {
        return;
    }
    let policy = values.policy;
    let Target::Refs(refs) = &policy.target else { return };
    let mut reached = findings.input.context.reached(Policy::Authorization(policy));
    let of_waypoints = |target: &TargetRef| match target.kind {
        TargetKind::Service | TargetKind::ServiceEntry => true,
        TargetKind::GatewayClass => target.name == WAYPOINT_CLASS,
        TargetKind::Gateway => false,
    };
    if !refs.iter().any(of_waypoints) && !reached.any(|known| known.proxy() == ProxyKind::Waypoint) {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let message = format!(
        "a waypoint has no `{}`: {}",
        values.name(),
        if values.negated { "nothing is excepted" } else { "the condition never holds" }
    );
    findings.in_policy(policy, first.at, values.field(), message, "use `remoteIpBlocks`");
}
